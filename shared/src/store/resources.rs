//! What a job created or adopted, read from its outcome blobs: a sample for people, and the names that ids stand for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redis::Value;
use serde::Deserialize;

use super::inspect::reply;
use super::keys::Partition;
use super::model::{ResourceCounts, ResourceView};
use super::{Store, StoreError};
use crate::blob;
use crate::id::{JobId, PhaseId, TenantId};
use crate::job::outcome::{Origin, Resource};
use crate::workflow::Definition;

/// Batches of each phase that a sample is taken from. Everything is in the task list.
const SAMPLE_BATCHES: [u32; 3] = [0, 1, 2];
/// Batches read in one round trip for names: 50 pools each.
const NAMES_CHUNK: u32 = 40;
/// Batches read for the names of what a phase made: 10,000 pools, more than an import may make.
const NAMES_BATCHES_MAX: u32 = 200;
/// Packed. What is less is unpacked where it is: handing it to another thread would take longer.
const ON_THE_SPOT_BYTES: usize = 8 << 10;

/// An outcome as far as resources go; the rest is passed over unread.
#[derive(Deserialize)]
struct Made {
    #[serde(rename = "r", default)]
    resource: Option<Resource>,
}

/// Adds one question for each phase: the outcomes of its first batches.
pub(super) fn ask(pipe: &mut redis::Pipeline, p: Partition, job: JobId, definition: &Definition) {
    for ph in &definition.phases {
        pipe.hmget(p.job_part(job, &format!("out:{}", ph.id)), &SAMPLE_BATCHES);
    }
}

/// At most `cap` resources of each kind, from the answers to [`ask`]. `there` says how many there are of each, so that no more is
/// unpacked than is shown: of 100,000 keys one batch, as a rule.
pub(super) fn sample(
    replies: &[Value],
    there: &BTreeMap<String, ResourceCounts>,
    cap: usize,
) -> Result<Vec<ResourceView>, StoreError> {
    let total = |n: &ResourceCounts| usize::try_from(n.created + n.adopted + n.updated).unwrap_or(usize::MAX);
    let wanted = there.iter().map(|(kind, n)| (kind.as_str(), total(n).min(cap)));
    let mut left: BTreeMap<&str, usize> = wanted.filter(|(_, n)| *n > 0).collect();
    let mut out = Vec::new();
    for value in replies {
        let blobs: Vec<Option<Vec<u8>>> = reply(value)?;
        for blob in blobs.into_iter().map_while(|b| b) {
            if left.is_empty() {
                return Ok(out);
            }
            for resource in made(&blob)? {
                let Some(n) = left.get_mut(resource.kind.as_str()) else {
                    continue;
                };
                *n -= 1;
                if *n == 0 {
                    left.remove(resource.kind.as_str());
                }
                out.push(ResourceView {
                    kind: resource.kind,
                    id: resource.id,
                    name: resource.name,
                    created: resource.origin == Origin::Created,
                });
            }
        }
    }
    Ok(out)
}

/// The resources of a batch.
fn made(blob: &[u8]) -> Result<Vec<Resource>, StoreError> {
    let outcomes: Vec<Made> = blob::unpack(blob)?;
    Ok(outcomes.into_iter().filter_map(|o| o.resource).collect())
}

/// Id → name of the resources of some batches.
fn named(blobs: Vec<Vec<u8>>) -> Result<Vec<(String, String)>, StoreError> {
    let mut names = Vec::new();
    for blob in blobs {
        names.extend(made(&blob)?.into_iter().map(|r| (r.id, r.name)));
    }
    Ok(names)
}

impl Store {
    /// Id → name of what phases made or found.
    pub async fn names_of(
        &self,
        tenant: &TenantId,
        job: JobId,
        phases: &BTreeSet<PhaseId>,
    ) -> Result<HashMap<String, String>, StoreError> {
        let p = self.partition_of(tenant);
        let mut names = HashMap::new();
        let mut left: Vec<&PhaseId> = phases.iter().collect();
        for first in (0..NAMES_BATCHES_MAX).step_by(NAMES_CHUNK as usize) {
            if left.is_empty() {
                break;
            }
            let batches: Vec<u32> = (first..first + NAMES_CHUNK).collect();
            let mut pipe = redis::pipe();
            for phase in &left {
                pipe.hmget(p.job_part(job, &format!("out:{phase}")), &batches);
            }
            let replies = self.replies(pipe).await?;
            let (mut longer, mut found) = (Vec::new(), Vec::new());
            for (phase, value) in left.into_iter().zip(&replies) {
                let blobs: Vec<Option<Vec<u8>>> = reply(value)?;
                if blobs.iter().all(Option::is_some) {
                    longer.push(phase);
                }
                // up to the first batch that has no outcomes yet
                found.extend(blobs.into_iter().map_while(|b| b));
            }
            names.extend(match found.iter().map(Vec::len).sum::<usize>() > ON_THE_SPOT_BYTES {
                // milliseconds of work: not on a thread that others are served on
                true => tokio::task::spawn_blocking(move || named(found))
                    .await
                    .map_err(|e| StoreError::Corrupt(e.to_string()))??,
                false => named(found)?,
            });
            left = longer;
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::outcome::Outcome;

    /// A phase's batches, each of so many tasks of a kind; `None`: no outcomes yet; `Some(Err(()))`: what cannot be unpacked.
    fn phase(batches: &[Option<Result<(&str, u32), ()>>]) -> Value {
        let blob = |batch: &Option<Result<(&str, u32), ()>>| match batch {
            None => Value::Nil,
            Some(Err(())) => Value::BulkString(b"[damaged".to_vec()),
            Some(Ok((kind, n))) => {
                let resource = |i: u32| Resource {
                    kind: (*kind).to_owned(),
                    id: format!("{kind}-{i}"),
                    name: String::new(),
                    origin: Origin::Created,
                };
                let outcomes: Vec<_> = (0..*n).map(|i| Outcome::completed(i, Some(resource(i)))).collect();
                Value::BulkString(blob::pack(&outcomes).unwrap())
            }
        };
        Value::Array(batches.iter().map(blob).collect())
    }

    fn there(kinds: &[(&str, u64)]) -> BTreeMap<String, ResourceCounts> {
        let count = |n: u64| ResourceCounts {
            created: n,
            ..ResourceCounts::default()
        };
        kinds.iter().map(|(kind, n)| ((*kind).to_owned(), count(*n))).collect()
    }

    fn kinds(found: &[ResourceView]) -> BTreeMap<&str, usize> {
        let mut kinds = BTreeMap::new();
        found
            .iter()
            .for_each(|r| *kinds.entry(r.kind.as_str()).or_default() += 1);
        kinds
    }

    #[test]
    fn no_more_is_unpacked_than_is_shown() {
        let pools = phase(&[Some(Ok(("dpsk_pool", 2))), None, None]);
        let keys = phase(&[
            Some(Ok(("passphrase", 60))),
            Some(Ok(("passphrase", 60))),
            Some(Err(())),
        ]);
        let (replies, there) = ([pools, keys], there(&[("dpsk_pool", 2), ("passphrase", 5_000)]));
        let found = sample(&replies, &there, 100).unwrap();
        assert_eq!(kinds(&found), BTreeMap::from([("dpsk_pool", 2), ("passphrase", 100)]));
        assert!(sample(&replies, &there, 130).is_err(), "the third is needed");
        assert!(sample(&replies[1..], &BTreeMap::new(), 100).unwrap().is_empty());
    }

    #[test]
    fn nothing_is_shown_beyond_a_batch_that_is_not_there_yet() {
        let keys = phase(&[Some(Ok(("passphrase", 3))), None, Some(Ok(("passphrase", 3)))]);
        let found = sample(&[keys], &there(&[("passphrase", 6)]), 100).unwrap();
        assert_eq!(found.len(), 3);
    }
}
