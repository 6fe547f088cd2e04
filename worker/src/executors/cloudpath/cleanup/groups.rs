//! `delete_identity_groups`: the groups the import made, as far as nobody else is in them: whoever is in a group goes with it.

use async_trait::async_trait;
use serde::Deserialize;
use shared::cloudpath::GroupSpec;

use super::super::compare::{self, Differences, quoted};
use super::super::identity_groups::{Data, IdentityGroups};
use super::super::named::FindOrMake;
use super::super::staged::unreadable_task;
use super::executor::{Kept, Plan, Removal, Work};
use super::identities;
use super::kin::{OfKin, is_in_doubt};
use super::listed::Listed;
use super::past::{Claim, Gone, claim};
use super::pools::perhaps;
use super::target::{Target, people};
use crate::executors::{Past, PlanError};
use crate::r1::identity::IdentityGroup;

pub struct Groups;

/// Where the import made them.
const FROM: &str = "create_identity_groups";

/// By which the groups that may be the import's are claimed.
pub async fn names(work: &Work<'_>) -> Result<Vec<String>, PlanError> {
    Ok(claimed(&work.past(FROM)?.all().await?))
}

fn claimed(all: &[Past]) -> Vec<String> {
    let name = |past: &Past| FindOrMake::<IdentityGroups>::claimed(&past.task.input.name);
    all.iter().map(name).collect()
}

fn object(name: &str) -> String {
    format!("identity group {}", quoted(name))
}

/// What was changed of a group since it was made as `name`.
fn since(name: &str, data: &Data, found: &IdentityGroup) -> Differences {
    let wanted = GroupSpec {
        index: 0,
        name: name.to_owned(),
        description: data.description.clone(),
    };
    let mut all = compare::group(&wanted, found);
    all.values("name", Some(found.name.clone()), Some(name.to_owned()));
    all
}

#[async_trait]
impl Removal for Groups {
    const EXECUTOR: &'static str = "cloudpath.delete_identity_groups";

    async fn plan(work: &Work<'_>, plan: &mut Plan<'_>) -> Result<(), PlanError> {
        let all = work.past(FROM)?.all().await?;
        if all.is_empty() {
            return Ok(());
        }
        plan.claim(claimed(&all)).await?;
        let (cx, r1) = (work.cx, &work.r1);
        let of_kin = OfKin::of(work, FROM, all.iter().any(is_in_doubt)).await?;
        let pools = Gone::of(cx, "delete_dpsk_pools").await?;
        // of a dry run they are still there
        let ours = identities::ours(work).await?;
        let there = Listed::read(cx.gate.as_ref(), || r1.identity_groups(None), |_| true).await?;
        for past in &all {
            let (index, name) = (past.task.input.index, past.task.input.name.as_str());
            let data = Data::deserialize(&past.task.input.data).map_err(unreadable_task)?;
            let id = match claim(past) {
                Some(Claim::Made(made)) => made.id.clone(),
                _ => match perhaps::<IdentityGroups>(r1, cx, past).await? {
                    None => {
                        plan.gone(index, name).await?;
                        continue;
                    }
                    Some(Ok(id)) => id,
                    Some(Err(why)) => {
                        let target = Target::IdentityGroup { id: String::new() };
                        plan.keep(index, name, &target, Kept::may_not_be_ours(&object(name), &why))
                            .await?;
                        continue;
                    }
                },
            };
            let target = Target::IdentityGroup { id: id.clone() };
            let Some(group) = there.get(&id)? else {
                plan.gone(index, name).await?;
                continue;
            };
            if let Some(why) = of_kin.keeps(past, &target, &object(name)) {
                plan.keep(index, name, &target, why).await?;
                continue;
            }
            let others = people(r1, cx, &id)
                .await?
                .into_keys()
                .filter(|one| !ours.has(one))
                .count();
            let pool = group.dpsk_pool_id.as_ref().filter(|pool| !pools.ids.contains(*pool));
            let why = match (others, pool) {
                (0, None) => None,
                (0, Some(_)) => Some("a DPSK pool that is not deleted by this job belongs to it".to_owned()),
                (others, _) => Some(format!("{others} identities in it are not deleted by this job")),
            };
            if let Some(why) = why {
                plan.keep(index, name, &target, Kept::holds_others(&object(name), why))
                    .await?;
                continue;
            }
            plan.delete_unless_changed(index, name, &target, &object(name), &since(name, &data, group))
                .await?;
        }
        Ok(())
    }
}
