//! What a job created or adopted, read from its outcome blobs: a sample for people, and the names that ids stand for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redis::Value;
use serde::Deserialize;

use super::inspect::reply;
use super::keys::Partition;
use super::model::ResourceView;
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

/// At most `cap` resources of each kind, from the answers to [`ask`].
pub(super) fn sample(replies: &[Value], cap: usize) -> Result<Vec<ResourceView>, StoreError> {
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    let mut out = Vec::new();
    for value in replies {
        for resource in made(value)? {
            let n = given.entry(resource.kind.clone()).or_default();
            if *n < cap {
                *n += 1;
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

/// The resources of a phase's batches, up to the first batch that has no outcomes yet.
fn made(value: &Value) -> Result<Vec<Resource>, StoreError> {
    let blobs: Vec<Option<Vec<u8>>> = reply(value)?;
    let mut all = Vec::new();
    for blob in blobs.into_iter().map_while(|b| b) {
        let outcomes: Vec<Made> = blob::unpack(&blob)?;
        all.extend(outcomes.into_iter().filter_map(|o| o.resource));
    }
    Ok(all)
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
            let mut longer = Vec::new();
            for (phase, value) in left.into_iter().zip(&replies) {
                names.extend(made(value)?.into_iter().map(|r| (r.id, r.name)));
                let blobs: Vec<Option<Vec<u8>>> = reply(value)?;
                if blobs.iter().all(Option::is_some) {
                    longer.push(phase);
                }
            }
            left = longer;
        }
        Ok(names)
    }
}
