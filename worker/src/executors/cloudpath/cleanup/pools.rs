//! `delete_dpsk_pools`: the pools the import made, as far as nothing of others is in them. RUCKUS One refuses to delete a pool that holds
//! keys, so deleting one of these would first take the keys of somebody else.

use async_trait::async_trait;
use serde::Deserialize;
use shared::cloudpath::NameConflict;
use shared::job::outcome::Origin;

use super::super::compare::{self, Differences, quoted};
use super::super::dpsk_pools::{Data, DpskPools};
use super::super::named::{FindOrMake, Kind};
use super::super::staged::unreadable_task;
use super::executor::{Kept, Plan, Removal, Work};
use super::kin::{OfKin, is_in_doubt};
use super::listed::Listed;
use super::past::{Claim, Gone, claim};
use super::target::Target;
use crate::executors::{Context, Found, Past, PlanError};
use crate::r1::R1;
use crate::r1::pool::{Pool, PoolBody};
use crate::remote::CallError;

pub struct Pools;

/// The phase that made them.
const FROM: &str = "create_dpsk_pools";

/// What an unknown write of a kind with names came to: the id of what is ours, or why what is there is not; none: nothing is there.
pub async fn perhaps<K: Kind>(r1: &R1, cx: &Context, past: &Past) -> Result<Option<Result<String, String>>, CallError> {
    let task = &past.task.input;
    let data = K::Data::deserialize(&task.data).map_err(unreadable_task)?;
    let there = K::look(r1, cx, &[&task.name]).await?;
    let Found::Present(outcome) = K::judge(task, &data, &there, NameConflict::Fail, true)? else {
        return Ok(None);
    };
    Ok(Some(match (outcome.resource, outcome.error) {
        (Some(made), None) if made.origin == Origin::Created => Ok(made.id),
        (_, error) => Err(error.map_or_else(|| "it fits, but differs".to_owned(), |e| e.message)),
    }))
}

/// Keys of a pool that this job does not take away.
async fn others(work: &Work<'_>, pool: &str, keys: &Gone) -> Result<u64, CallError> {
    let (mut sweep, mut others) = (work.r1.sweep_passphrases(pool), 0);
    let count = |key: crate::r1::passphrase::Passphrase| others += u64::from(!keys.ids.contains(&key.id));
    sweep.visit(work.cx.gate.as_ref(), count).await?;
    Ok(others + sweep.missing())
}

/// What of others a pool serves.
async fn held(work: &Work<'_>, pool: &Pool, keys: &Gone, links: &Gone) -> Result<Option<Kept>, CallError> {
    let object = object(&pool.body.name);
    let others = others(work, &pool.id, keys).await?;
    if others > 0 {
        return Ok(Some(Kept::holds_others(
            &object,
            format!("{others} keys in it are not deleted by this job"),
        )));
    }
    let of_pool = links.ids.iter().filter(|id| id.rsplit('/').next() == Some(&pool.id));
    let networks = u64::from(pool.network_count.unwrap_or(0)).saturating_sub(of_pool.count() as u64);
    Ok((networks > 0).then(|| Kept::holds_others(&object, format!("{networks} Wi-Fi networks use it"))))
}

/// What was changed of a pool since it was made: also what an import would call equal, since it is wider.
pub fn since(sent: &Data, found: &Pool) -> Differences {
    let (mut all, there, sent, group) = (Differences::default(), &found.body, &sent.body, &sent.group);
    all.values("name", Some(there.name.clone()), Some(sent.name.clone()));
    let format = |body: &PoolBody| Some(compare::word(&body.passphrase_format));
    all.values("passphraseFormat", format(there), format(sent));
    let (length, wanted) = (there.passphrase_length, sent.passphrase_length);
    all.numbers("passphraseLength", Some(length), Some(wanted));
    all.numbers("deviceCountLimit", there.device_count_limit, sent.device_count_limit);
    compare::pool_rest(&mut all, sent, group, found);
    all
}

/// Pools that may be the import's.
async fn all(work: &Work<'_>) -> Result<Vec<(Past, Data)>, PlanError> {
    let mut all = Vec::new();
    for past in work.past(FROM)?.all().await? {
        let data = Data::deserialize(&past.task.input.data).map_err(unreadable_task)?;
        // what was there before is none of it, whatever became of its change
        if DpskPools::changes(&data).is_none() {
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
    let name = |(past, _): &(Past, Data)| FindOrMake::<DpskPools>::claimed(&past.task.input.name);
    all.iter().map(name).collect()
}

fn object(name: &str) -> String {
    format!("DPSK pool {}", quoted(name))
}

#[async_trait]
impl Removal for Pools {
    const EXECUTOR: &'static str = "cloudpath.delete_dpsk_pools";

    async fn plan(work: &Work<'_>, plan: &mut Plan<'_>) -> Result<(), PlanError> {
        let all = all(work).await?;
        if all.is_empty() {
            return Ok(());
        }
        plan.claim(claimed(&all)).await?;
        let (cx, r1) = (work.cx, &work.r1);
        let keys = Gone::of(cx, "delete_passphrases").await?;
        let links = Gone::of(cx, "deactivate_networks").await?;
        let of_kin = OfKin::of(work, FROM, all.iter().any(|(past, _)| is_in_doubt(past))).await?;
        let there = Listed::read(cx.gate.as_ref(), || r1.list_pools(None), |_| true).await?;
        for (past, data) in &all {
            let (index, name) = (past.task.input.index, past.task.input.name.as_str());
            let (id, is_made) = match claim(past) {
                Some(Claim::Made(made)) => (made.id.clone(), true),
                _ => match perhaps::<DpskPools>(r1, cx, past).await? {
                    None => {
                        plan.gone(index, name).await?;
                        continue;
                    }
                    Some(Ok(id)) => (id, false),
                    Some(Err(why)) => {
                        let (why, target) = (
                            Kept::may_not_be_ours(&object(name), &why),
                            Target::DpskPool { id: String::new() },
                        );
                        plan.keep(index, name, &target, why).await?;
                        continue;
                    }
                },
            };
            let target = Target::DpskPool { id: id.clone() };
            let Some(pool) = there.get(&id)? else {
                plan.gone(index, name).await?;
                continue;
            };
            let stays = match of_kin.keeps(past, &target, &object(name)) {
                Some(why) => Some(why),
                None => held(work, pool, &keys, &links).await?,
            };
            if let Some(why) = stays {
                plan.keep(index, name, &target, why).await?;
                continue;
            }
            let differences = match is_made {
                true => since(data, pool),
                false => Differences::default(),
            };
            plan.delete_unless_changed(index, name, &target, &object(name), &differences)
                .await?;
        }
        Ok(())
    }
}
