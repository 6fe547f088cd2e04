//! `detach_policies`: which sets the import has assigned to which pools, and which policies it has put into which sets. One after
//! another, like the making of them; a set is taken off its pool before it loses its policies.

use std::collections::HashMap;

use async_trait::async_trait;
use shared::job::outcome::Origin;

use super::super::compare::quoted;
use super::super::policies::links::Link;
use super::super::policies::whole;
use super::executor::{Plan, Removal, Work};
use super::kin::{OfKin, is_in_doubt};
use super::listed::Listed;
use super::target::Target;
use crate::executors::PlanError;

pub struct Links;

/// The phase that made them.
const FROM: &str = "attach_policies";

fn target(link: &Link) -> Option<Target> {
    // changed is not created
    if link.written() != Origin::Created {
        return None;
    }
    match link.clone() {
        // it goes with its policy
        Link::Condition { .. } => None,
        Link::Place { set, policy, .. } => Some(Target::PrioritizedPolicy { set, policy }),
        Link::Assignment { pool, set, .. } => Some(Target::PoolPolicySet { pool, set }),
    }
}

fn object(name: &str) -> String {
    format!("the link {}", quoted(name))
}

#[async_trait]
impl Removal for Links {
    const EXECUTOR: &'static str = "cloudpath.detach_policies";

    async fn plan(work: &Work<'_>, plan: &mut Plan<'_>) -> Result<(), PlanError> {
        let mut all = Vec::new();
        for past in work.past(FROM)?.all().await? {
            if let Some(target) = target(&Link::read(&past.task)?) {
                all.push((past, target));
            }
        }
        if all.is_empty() {
            return Ok(());
        }
        all.sort_by_key(|(past, target)| {
            (
                matches!(target, Target::PrioritizedPolicy { .. }),
                past.task.input.index,
            )
        });
        let names = all
            .iter()
            .flat_map(|(past, target)| target.claimed(&past.task.input.name));
        plan.claim(names.collect()).await?;
        let of_kin = OfKin::of(work, FROM, all.iter().any(|(past, _)| is_in_doubt(past))).await?;
        let (gate, r1) = (work.cx.gate.as_ref(), &work.r1);
        let sets = Listed::read(gate, || r1.policy_sets(), |_| true).await?;
        let mut members = HashMap::new();
        for (past, target) in &all {
            let (index, name) = (past.task.input.index, past.task.input.name.as_str());
            let is_there = match target {
                Target::PoolPolicySet { pool, set } => sets.get(set)?.is_some_and(|set| set.is_assigned_to(pool)),
                Target::PrioritizedPolicy { set, policy } if sets.has(set)? => {
                    if !members.contains_key(set) {
                        members.insert(set.clone(), whole::members(r1, gate, set).await?);
                    }
                    members[set].contains_key(policy)
                }
                _ => false,
            };
            if !is_there {
                plan.gone(index, name).await?;
            } else if let Some(why) = of_kin.keeps(past, target, &object(name)) {
                plan.keep(index, name, target, why).await?;
            } else {
                plan.delete(index, name, target).await?;
            }
        }
        Ok(())
    }
}
