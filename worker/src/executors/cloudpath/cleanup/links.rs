//! `detach_policies`: which sets the import has assigned to which pools, and which policies it has put into which sets. One after
//! another, like the making of them; a set is taken off its pool before it loses its policies.

use std::collections::HashMap;

use async_trait::async_trait;
use shared::job::outcome::Origin;

use super::super::policies::links::Link;
use super::super::policies::whole;
use super::executor::{Plan, Removal, Work};
use super::listed::Listed;
use super::target::Target;
use crate::executors::PlanError;

pub struct Links;

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

#[async_trait]
impl Removal for Links {
    const EXECUTOR: &'static str = "cloudpath.detach_policies";

    async fn plan(work: &Work<'_>, plan: &mut Plan<'_>) -> Result<(), PlanError> {
        let mut all = Vec::new();
        for past in work.past("attach_policies")?.all().await? {
            if let Some(target) = target(&Link::read(&past.task)?) {
                all.push((past.task.input.index, past.task.input.name, target));
            }
        }
        if all.is_empty() {
            return Ok(());
        }
        all.sort_by_key(|(index, _, target)| (matches!(target, Target::PrioritizedPolicy { .. }), *index));
        let names = all.iter().flat_map(|(_, name, target)| target.claimed(name));
        plan.claim(names.collect()).await?;
        let (gate, r1) = (work.cx.gate.as_ref(), &work.r1);
        let sets = Listed::read(gate, || r1.policy_sets(), |_| true).await?;
        let mut members = HashMap::new();
        for (index, name, target) in &all {
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
            match is_there {
                true => plan.delete(*index, name, target).await?,
                false => plan.gone(*index, name).await?,
            }
        }
        Ok(())
    }
}
