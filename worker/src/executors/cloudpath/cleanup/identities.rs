//! `delete_identities`: RUCKUS One makes an identity with each new key and leaves it behind when the key goes. Deleted a hundred at a
//! time, in groups the import made and in others alike.
//!
//! Whose they are is not in the ledger. A create of a key succeeds only where nobody in the group bears its user name (GENERAL-010 where
//! somebody does), so who bears it now came with the key; one that has got another key, or a description, since is left alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use serde::Deserialize;

use super::super::dpsk_pools;
use super::super::key_task::{KeyTask, Op};
use super::super::passphrases;
use super::executor::{Plan, Removal, Work};
use super::listed::Listed;
use super::past::{Claim, Gone, claim};
use super::target::{Target, people};
use crate::executors::PlanError;
use crate::r1::identity::Identity;

pub struct Identities;

/// Deleted with one call.
const TOGETHER: usize = 100;

/// What this job takes away: of each group the pool whose keys they had, and id and name of each.
#[derive(Debug, Default)]
pub struct Ours {
    groups: BTreeMap<String, (String, Vec<(String, String)>)>,
    ids: HashSet<String>,
}

impl Ours {
    pub fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

/// User names of keys that are gone, of each pool.
async fn names(work: &Work<'_>) -> Result<HashMap<String, HashSet<String>>, PlanError> {
    let gone = Gone::of(work.cx, "delete_passphrases").await?;
    let mut names: HashMap<String, HashSet<String>> = HashMap::new();
    let mut walk = work.past("create_passphrases")?;
    while let Some(batch) = walk.next().await? {
        for past in &batch {
            let key = KeyTask::read(&past.task.input.data)?;
            let (index, claim) = (past.task.input.index, claim(past));
            let (deleted, before) = (gone.deleted.contains_key(&index), gone.before.contains(&index));
            let name = match claim {
                // an identity that was there before got a key: it stays
                _ if key.op != Op::Create => continue,
                Some(Claim::Made(made)) if deleted || before => &made.name,
                // what was never found may never have been there
                Some(Claim::Perhaps) if deleted => &past.task.input.name,
                _ => continue,
            };
            names.entry(key.pool).or_default().insert(name.clone());
        }
    }
    Ok(names)
}

/// Group of each pool: of those the import made by its own word, they may be gone; of others by the controller's.
async fn groups(work: &Work<'_>) -> Result<HashMap<String, String>, PlanError> {
    let (cx, r1) = (work.cx, &work.r1);
    let there = Listed::read(cx.gate.as_ref(), || r1.list_pools(None), |_| true).await?;
    let listed = there
        .all()
        .filter_map(|pool| Some((pool.id.clone(), pool.identity_group_id.clone()?)));
    let mut groups: HashMap<String, String> = listed.collect();
    let deleted = Gone::of(cx, "delete_dpsk_pools").await?.deleted;
    for past in work.past("create_dpsk_pools")?.all().await? {
        let id = match claim(&past) {
            Some(Claim::Made(made)) => Some(&made.id),
            _ => deleted.get(&past.task.input.index),
        };
        if let (Some(id), Ok(data)) = (id, dpsk_pools::Data::deserialize(&past.task.input.data)) {
            groups.entry(id.clone()).or_insert(data.group);
        }
    }
    Ok(groups)
}

fn is_ours(identity: &Identity, names: &HashSet<String>, keys: &Gone) -> bool {
    let has_no_other_key = identity.dpsk_guid.as_ref().is_none_or(|key| keys.ids.contains(key));
    let is_bare = identity.description.as_ref().is_none_or(String::is_empty);
    names.contains(&identity.name) && has_no_other_key && is_bare
}

/// What of the groups came with keys that are gone.
pub async fn ours(work: &Work<'_>) -> Result<Ours, PlanError> {
    let names = names(work).await?;
    if names.is_empty() {
        return Ok(Ours::default());
    }
    look(work, &names).await
}

async fn look(work: &Work<'_>, names: &HashMap<String, HashSet<String>>) -> Result<Ours, PlanError> {
    let keys = Gone::of(work.cx, "delete_passphrases").await?;
    let (groups, mut ours) = (groups(work).await?, Ours::default());
    for (pool, names) in names {
        let Some(group) = groups.get(pool) else { continue };
        let there = people(&work.r1, work.cx, group).await?;
        let found = there.into_values().filter(|one| is_ours(one, names, &keys));
        let mut found: Vec<_> = found.map(|one| (one.id, one.name)).collect();
        found.sort_unstable();
        if !found.is_empty() {
            ours.ids.extend(found.iter().map(|(id, _)| id.clone()));
            ours.groups.insert(group.clone(), (pool.clone(), found));
        }
    }
    Ok(ours)
}

#[async_trait]
impl Removal for Identities {
    const EXECUTOR: &'static str = "cloudpath.delete_identities";

    async fn plan(work: &Work<'_>, plan: &mut Plan<'_>) -> Result<(), PlanError> {
        let names = names(work).await?;
        if names.is_empty() {
            return Ok(());
        }
        // whoever gives one of them a key does it under this name
        for (pool, names) in &names {
            plan.claim(names.iter().map(|name| passphrases::claimed(pool, name)).collect())
                .await?;
        }
        let mut index = 0;
        for (group, (pool, all)) in look(work, &names).await?.groups {
            for some in all.chunks(TOGETHER) {
                let target = Target::Identities {
                    group: group.clone(),
                    pool: pool.clone(),
                    all: some.to_vec(),
                };
                let name = format!("{} identities from {}", some.len(), some[0].1);
                plan.delete(index, &name, &target).await?;
                index += 1;
            }
        }
        Ok(())
    }
}
