//! `audit_policy_sets`: adaptive policies, and the sets they are in. A policy's condition is an item of [`links`](super::links).

use std::collections::HashMap;

use async_trait::async_trait;

use super::super::cleanup::listed::Listed;
use super::super::compare::Differences;
use super::super::policies::{POLICY, POLICY_SET, RESPONSE};
use super::executor::{Inspection, Work};
use super::groups::by_id_or_name;
use super::past::{Expected, expected};
use super::rows::{About, Rows};
use crate::executors::PlanError;

pub struct Sets;

#[async_trait]
impl Inspection for Sets {
    const EXECUTOR: &'static str = "cloudpath.audit_policy_sets";

    async fn look(work: &Work<'_>, rows: &mut Rows<'_>) -> Result<(), PlanError> {
        let all = work.of.tasks("create_policy_sets")?.all().await?;
        if all.is_empty() {
            return Ok(());
        }
        let (gate, r1, plan) = (work.cx.gate.as_ref(), &work.r1, &work.of.plan);
        let policies = Listed::read(gate, || r1.policies(), |_| true).await?;
        let sets = Listed::read(gate, || r1.policy_sets(), |_| true).await?;
        let mut radius: HashMap<String, String> = HashMap::new();
        let mut groups = r1.radius_groups();
        groups
            .visit(gate, |group| _ = radius.insert(group.id, group.name))
            .await?;
        for task in &all {
            let (index, name) = (task.task.input.index, &task.task.input.name);
            let set = || plan.policy_sets.get((index as usize).checked_sub(plan.policies.len())?);
            let finding = match (plan.policies.get(index as usize), set()) {
                (Some(wanted), _) => {
                    let about = About {
                        kind: POLICY,
                        place: None,
                    };
                    about.judge(task, || {
                        by_id_or_name(
                            task,
                            &policies,
                            |policy| &policy.name,
                            |policy| {
                                let mut all = Differences::default();
                                all.values("name", Some(policy.name.clone()), Some(wanted.name.clone()));
                                let answers = policy.on_match_response.clone();
                                let answers = answers.map(|id| radius.get(&id).cloned().unwrap_or(id));
                                all.values(RESPONSE, answers, Some(wanted.radius_group.clone()));
                                all
                            },
                        )
                    })?
                }
                (None, Some(wanted)) => {
                    let about = About {
                        kind: POLICY_SET,
                        place: None,
                    };
                    about.judge(task, || {
                        by_id_or_name(
                            task,
                            &sets,
                            |set| &set.name,
                            |set| {
                                let mut all = Differences::default();
                                all.values("name", Some(set.name.clone()), Some(wanted.name.clone()));
                                // one that was found is used whatever it says of itself
                                if !matches!(expected(task), Expected::There { by: "adopted", .. }) {
                                    let found = set.description.clone().unwrap_or_default();
                                    all.values("description", Some(found), Some(wanted.description.clone()));
                                }
                                all
                            },
                        )
                    })?
                }
                (None, None) => continue,
            };
            rows.push(index, name, &finding).await?;
        }
        Ok(())
    }
}
