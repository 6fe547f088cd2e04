//! `audit_policy_links`: whom each policy answers, which policies are in which set, and which set decides for which pool.

use std::collections::HashMap;

use async_trait::async_trait;
use shared::cloudpath::PolicySpec;

use super::super::cleanup::listed::Listed;
use super::super::compare::{Differences, quoted};
use super::super::policies::found::Conditions;
use super::super::policies::links::Link;
use super::super::policies::{ASSIGNMENT, CONDITIONS, PATTERN, PLACE, first_place, places, whole};
use super::executor::{Inspection, Work};
use super::past::{Expected, accepted, expected};
use super::rows::{About, Rows, Seen};
use crate::executors::{PlanError, Standing};
use crate::r1::policy::Policy;
use crate::r1::policy_set::PolicySet;
use crate::remote::CallError;

pub struct Links;

/// What there is, as far as it was asked for.
struct There<'a, 'w> {
    work: &'a Work<'w>,
    policies: Listed<Policy>,
    sets: Listed<PolicySet>,
    /// Policies in each set.
    members: HashMap<String, HashMap<String, u32>>,
}

/// What a task is about.
fn subject(task: &Standing) -> Option<Link> {
    let link = Link::read(&task.task).ok()?;
    // the ledger knows better: another set that was there may have been accepted
    let ids = match expected(task) {
        Expected::There { what: Some(made), .. } => made.id.split_once('/'),
        _ => None,
    };
    Some(match (link, ids) {
        (Link::Place { priority, .. }, Some((set, policy))) => Link::Place {
            set: set.to_owned(),
            policy: policy.to_owned(),
            priority,
            needs_condition: false,
            moves: false,
        },
        (Link::Assignment { index, .. }, Some((pool, set))) => Link::Assignment {
            pool: pool.to_owned(),
            set: set.to_owned(),
            index,
            replaces: None,
        },
        (link, _) => link,
    })
}

impl There<'_, '_> {
    async fn condition(&self, policy: &str, pattern: &str) -> Result<Seen, CallError> {
        if !self.policies.has(policy)? {
            return Ok(Seen::Missing);
        }
        let found = Conditions::read(&self.work.r1, self.work.cx.gate.as_ref(), policy).await?;
        let Some((id, there)) = found.username else {
            return Ok(Seen::Missing);
        };
        let mut all = Differences::default();
        all.values(PATTERN, Some(there), Some(pattern.to_owned()));
        if found.others > 0 {
            let others = format!("{} on other attributes", found.others);
            all.values(CONDITIONS, Some(others), Some("one on the user name".to_owned()));
        }
        Ok(Seen::There(id, all))
    }

    /// `spec`: whom the policy should answer; not asked where another answer was accepted.
    async fn place(&mut self, set: &str, policy: &str, spec: Option<&PolicySpec>) -> Result<Seen, CallError> {
        let (r1, gate) = (&self.work.r1, self.work.cx.gate.as_ref());
        if !self.sets.has(set)? || !self.policies.has(policy)? {
            return Ok(Seen::Missing);
        }
        if !self.members.contains_key(set) {
            let members = whole::members(r1, gate, set).await?;
            self.members.insert(set.to_owned(), members);
        }
        if !self.members[set].contains_key(policy) {
            return Ok(Seen::Missing);
        }
        let mut all = Differences::default();
        if let Some(spec) = spec {
            let other = whole::answering(r1, gate, set, spec)
                .await?
                .other_than(|id| id == policy);
            if other.is_some() {
                all.values("answeredBy", other, Some(quoted(&spec.name)));
            }
        }
        Ok(Seen::There(format!("{set}/{policy}"), all))
    }

    fn assignment(&self, pool: &str, set: &str) -> Result<Seen, CallError> {
        let mut all = Differences::default();
        let found = self.sets.get(set)?;
        if !found.is_some_and(|set| set.is_assigned_to(pool)) {
            let Some(other) = self.sets.all().find(|other| other.is_assigned_to(pool)) else {
                return Ok(Seen::Missing);
            };
            let wanted = found.map_or(set, |set| set.name.as_str());
            all.values("policySet", Some(quoted(&other.name)), Some(quoted(wanted)));
        }
        Ok(Seen::There(format!("{pool}/{set}"), all))
    }

    async fn seen(&mut self, link: &Link, spec: Option<&PolicySpec>) -> Result<Seen, CallError> {
        match link {
            Link::Condition { policy, pattern, .. } => self.condition(policy, pattern).await,
            Link::Place { set, policy, .. } => self.place(set, policy, spec).await,
            Link::Assignment { pool, set, .. } => self.assignment(pool, set),
        }
    }
}

#[async_trait]
impl Inspection for Links {
    const EXECUTOR: &'static str = "cloudpath.audit_policy_links";

    async fn look(work: &Work<'_>, rows: &mut Rows<'_>) -> Result<(), PlanError> {
        let all = work.of.tasks("attach_policies")?.all().await?;
        if all.is_empty() {
            return Ok(());
        }
        let (gate, r1, plan) = (work.cx.gate.as_ref(), &work.r1, &work.of.plan);
        let mut there = There {
            work,
            policies: Listed::read(gate, || r1.policies(), |_| true).await?,
            sets: Listed::read(gate, || r1.policy_sets(), |_| true).await?,
            members: HashMap::new(),
        };
        let of_place: HashMap<u32, (&str, &PolicySpec)> = (first_place(plan)..)
            .zip(places(plan).map(|(set, policy, _)| (set.name.as_str(), policy)))
            .collect();
        for task in &all {
            let (index, link) = (task.task.input.index, subject(task));
            let spec = of_place.get(&index).map(|(_, spec)| *spec);
            let (kind, place) = match &link {
                Some(Link::Condition { .. }) => ("policy_condition", None),
                Some(Link::Assignment { .. }) => (ASSIGNMENT, None),
                Some(Link::Place { .. }) => (PLACE, of_place.get(&index).map(|(set, _)| *set)),
                None => ("policy_link", None),
            };
            let about = About { kind, place };
            let is_to_be_there = matches!(expected(task), Expected::There { .. } | Expected::Perhaps);
            let seen = match &link {
                Some(link) if is_to_be_there => {
                    let spec = spec.filter(|_| accepted(task).is_empty());
                    there.seen(link, spec).await?
                }
                _ => Seen::NotJudged("what it was about can't be read".to_owned()),
            };
            let finding = about.judge(task, || Ok::<_, CallError>(seen))?;
            rows.push(index, &task.task.input.name, &finding).await?;
        }
        Ok(())
    }
}
