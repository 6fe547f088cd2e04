//! `delete_policies`: the policy sets and policies the import made, sets first: RUCKUS One refuses to delete a policy that is in a set.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::Deserialize;
use shared::cloudpath::NameConflict;
use shared::job::outcome::Origin;

use super::super::compare::{Differences, quoted};
use super::super::policies::decide::{Data, judge_policy, judge_set};
use super::super::policies::found::Conditions;
use super::super::policies::links::Link;
use super::super::policies::{CONDITIONS, PATTERN, RESPONSE, make, whole};
use super::super::staged::unreadable_task;
use super::executor::{Kept, Plan, Removal, Work};
use super::kin::{OfKin, is_in_doubt};
use super::listed::Listed;
use super::past::{Claim, Gone, claim};
use super::target::Target;
use crate::executors::{Found, Past, PlanError};
use crate::r1::policy::Policy;
use crate::r1::policy_set::PolicySet;
use crate::remote::CallError;

pub struct Policies;

/// The phase that made them.
const FROM: &str = "create_policy_sets";

/// Everything there is, and what this job takes away of the links between it.
struct Planner<'a, 'w> {
    work: &'a Work<'w>,
    sets: Listed<PolicySet>,
    policies: Listed<Policy>,
    /// Ids of the policies in each set, as far as they were asked for.
    members: HashMap<String, Vec<String>>,
    links: Gone,
    pools: Gone,
    of_kin: OfKin,
    /// The pattern each policy was given.
    patterns: HashMap<String, String>,
}

async fn patterns(work: &Work<'_>) -> Result<HashMap<String, String>, PlanError> {
    let mut patterns = HashMap::new();
    let mut walk = work.past("attach_policies")?;
    while let Some(batch) = walk.next_whole().await? {
        for past in batch {
            // a task that was refused when it was planned carries nothing
            if let Ok(Link::Condition { policy, pattern, .. }) = Link::read(&past.task) {
                patterns.insert(policy, pattern);
            }
        }
    }
    Ok(patterns)
}

impl Planner<'_, '_> {
    async fn members(&mut self, set: &str) -> Result<&[String], CallError> {
        if !self.members.contains_key(set) {
            let places = whole::members(&self.work.r1, self.work.cx.gate.as_ref(), set).await?;
            self.members.insert(set.to_owned(), places.into_keys().collect());
        }
        Ok(&self.members[set])
    }

    /// Whether a policy's place in a set is none of ours.
    fn is_foreign(&self, set: &str, policy: &str) -> bool {
        !self.links.ids.contains(&format!("{set}/{policy}"))
    }

    async fn set(&mut self, set: &PolicySet) -> Result<Option<String>, CallError> {
        let assigned = set.external_assignments.iter().flat_map(|group| &group.identity_id);
        let is_ours = |of: &String| self.links.ids.contains(&format!("{of}/{}", set.id)) || self.pools.ids.contains(of);
        let others = assigned.filter(|of| !is_ours(of)).count();
        if others > 0 {
            return Ok(Some(format!(
                "it is assigned to {others} objects that this job does not take away"
            )));
        }
        let members = self.members(&set.id).await?.to_vec();
        let others = members.iter().filter(|policy| self.is_foreign(&set.id, policy)).count();
        Ok((others > 0).then(|| format!("{others} policies are in it that this import has not put there")))
    }

    async fn policy(&mut self, policy: &Policy) -> Result<Option<String>, CallError> {
        if policy.policy_set_count == Some(0) {
            return Ok(None);
        }
        let sets: Vec<String> = self.sets.all().map(|set| set.id.clone()).collect();
        let mut others = 0;
        for set in &sets {
            let is_in = self.members(set).await?.contains(&policy.id);
            others += u32::from(is_in && self.is_foreign(set, &policy.id));
        }
        Ok((others > 0).then(|| format!("it is in {others} policy sets that this import has not put it into")))
    }

    async fn since(&self, data: &Data, name: &str, policy: &Policy) -> Result<Differences, CallError> {
        let mut all = Differences::default();
        all.values("name", Some(policy.name.clone()), Some(name.to_owned()));
        if let Data::Policy { radius, .. } = data {
            all.values(RESPONSE, policy.on_match_response.clone(), Some(radius.clone()));
        }
        if policy.conditions_count != Some(0) {
            let found = Conditions::read(&self.work.r1, self.work.cx.gate.as_ref(), &policy.id).await?;
            // an import that was cut short leaves a policy without one
            if let Some((_, pattern)) = found.username {
                all.values(PATTERN, Some(pattern), self.patterns.get(&policy.id).cloned());
            }
            if found.others > 0 {
                let others = format!("{} on other attributes", found.others);
                all.values(CONDITIONS, Some(others), Some("none on them".to_owned()));
            }
        }
        Ok(all)
    }

    /// What an unknown write came to.
    fn perhaps(&self, past: &Past, data: &Data) -> Option<Result<String, String>> {
        let task = &past.task.input;
        let found = match data {
            Data::Set { description } => {
                let named = self.sets.all().filter(|set| set.name == task.name).cloned();
                judge_set(task, description, &named.collect::<Vec<_>>(), true)
            }
            Data::Policy {
                radius, radius_name, ..
            } => {
                let named = self.policies.all().filter(|policy| policy.name == task.name).cloned();
                let named: Vec<_> = named.collect();
                judge_policy(task, radius, radius_name, None, &named, NameConflict::Fail, true)
            }
        };
        let outcome = match found {
            Found::Present(outcome) => outcome,
            Found::Unfinished => return Some(Err("it is not whole".to_owned())),
            Found::Absent | Found::Remains => return None,
        };
        Some(match (outcome.resource, outcome.error) {
            (Some(made), None) if made.origin == Origin::Created => Ok(made.id),
            (_, error) => Err(error.map_or_else(|| "it differs".to_owned(), |e| e.message)),
        })
    }

    async fn decide(&mut self, past: &Past, data: &Data, plan: &mut Plan<'_>) -> Result<(), PlanError> {
        let (index, name) = (past.task.input.index, past.task.input.name.as_str());
        let is_set = matches!(data, Data::Set { .. });
        let object = match is_set {
            true => format!("policy set {}", quoted(name)),
            false => format!("adaptive policy {}", quoted(name)),
        };
        let target = |id: &str| match is_set {
            true => Target::PolicySet { id: id.to_owned() },
            false => Target::Policy { id: id.to_owned() },
        };
        let id = match claim(past) {
            Some(Claim::Made(made)) => made.id.clone(),
            _ => match self.perhaps(past, data) {
                None => return plan.gone(index, name).await,
                Some(Ok(id)) => id,
                Some(Err(why)) => {
                    let why = Kept::may_not_be_ours(&object, &why);
                    return plan.keep(index, name, &target(""), why).await;
                }
            },
        };
        let (held, differences) = match data {
            Data::Set { description } => {
                let Some(set) = self.sets.get(&id)?.cloned() else {
                    return plan.gone(index, name).await;
                };
                let mut all = Differences::default();
                all.values("name", Some(set.name.clone()), Some(name.to_owned()));
                let found = set.description.clone().unwrap_or_default();
                all.values("description", Some(found), Some(description.clone()));
                (self.set(&set).await?, all)
            }
            Data::Policy { .. } => {
                let Some(policy) = self.policies.get(&id)?.cloned() else {
                    return plan.gone(index, name).await;
                };
                (self.policy(&policy).await?, self.since(data, name, &policy).await?)
            }
        };
        let of_kin = self.of_kin.keeps(past, &target(&id), &object);
        match of_kin.or_else(|| held.map(|why| Kept::holds_others(&object, why))) {
            Some(why) => plan.keep(index, name, &target(&id), why).await,
            None => {
                plan.delete_unless_changed(index, name, &target(&id), &object, &differences)
                    .await
            }
        }
    }
}

/// Policies and sets that may be the import's.
async fn all(work: &Work<'_>) -> Result<Vec<(Past, Data)>, PlanError> {
    let mut all = Vec::new();
    for past in work.past(FROM)?.all().await? {
        let data = Data::deserialize(&past.task.input.data).map_err(unreadable_task)?;
        // what was there before is none of it, whatever became of its change
        if !matches!(data, Data::Policy { update: Some(_), .. }) {
            all.push((past, data));
        }
    }
    Ok(all)
}

/// By which they are claimed.
pub async fn names(work: &Work<'_>) -> Result<Vec<String>, PlanError> {
    Ok(claimed(&all(work).await?))
}

fn claimed(all: &[(Past, Data)]) -> Vec<String> {
    let name = |(past, data): &(Past, Data)| make::claimed(data.kind(), &past.task.input.name);
    all.iter().map(name).collect()
}

#[async_trait]
impl Removal for Policies {
    const EXECUTOR: &'static str = "cloudpath.delete_policies";

    async fn plan(work: &Work<'_>, plan: &mut Plan<'_>) -> Result<(), PlanError> {
        let mut all = all(work).await?;
        if all.is_empty() {
            return Ok(());
        }
        plan.claim(claimed(&all)).await?;
        all.sort_by_key(|(past, data)| (matches!(data, Data::Policy { .. }), past.task.input.index));
        let (cx, r1) = (work.cx, &work.r1);
        let mut planner = Planner {
            work,
            sets: Listed::read(cx.gate.as_ref(), || r1.policy_sets(), |_| true).await?,
            policies: Listed::read(cx.gate.as_ref(), || r1.policies(), |_| true).await?,
            members: HashMap::new(),
            links: Gone::of(cx, "detach_policies").await?,
            of_kin: OfKin::of(work, FROM, all.iter().any(|(past, _)| is_in_doubt(past))).await?,
            pools: Gone::of(cx, "delete_dpsk_pools").await?,
            patterns: patterns(work).await?,
        };
        for (past, data) in &all {
            planner.decide(past, data, plan).await?;
        }
        Ok(())
    }
}
