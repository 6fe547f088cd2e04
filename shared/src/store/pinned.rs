//! What of a job never changes, kept in memory: whose it is, its lane, and the definition it was started with. Who watches a job asks
//! for the rest of it in one round trip, and nobody parses its definition anew each second.
//!
//! Never believed to say that a job is still there: that is asked of Redis each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::inspect::reply;
use super::keys::Partition;
use super::{Store, StoreError};
use crate::id::{JobId, TenantId};
use crate::workflow::Definition;

/// Jobs that are kept, a few kilobytes each: those looked at last.
const KEPT_MAX: usize = 512;

/// The part of a job that is as it was accepted.
#[derive(Debug)]
pub(super) struct Pinned {
    pub tenant: TenantId,
    pub lane: String,
    pub definition: Definition,
}

/// A job that was there for a tenant when it was asked for, and the definition it was started with. Made by [`Store::known_job`] alone: who
/// holds one has been told of the job, so that what reads its parts need not ask whose it is again.
#[derive(Debug, Clone)]
pub struct KnownJob {
    pub(super) id: JobId,
    pub(super) pinned: Arc<Pinned>,
}

impl KnownJob {
    pub fn definition(&self) -> &Definition {
        &self.pinned.definition
    }
}

/// Shared by all handles of a process' store.
#[derive(Clone, Default)]
pub(super) struct PinnedJobs(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// With the count of looks at the last one at it.
    jobs: HashMap<JobId, (u64, Arc<Pinned>)>,
    looks: u64,
}

impl PinnedJobs {
    pub fn of(&self, job: JobId) -> Option<Arc<Pinned>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.looks += 1;
        let now = kept.looks;
        let (looked, pinned) = kept.jobs.get_mut(&job)?;
        *looked = now;
        Some(pinned.clone())
    }

    fn keep(&self, job: JobId, pinned: &Arc<Pinned>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.looks += 1;
        if kept.jobs.len() >= KEPT_MAX && !kept.jobs.contains_key(&job) {
            let oldest = kept.jobs.iter().min_by_key(|(_, (looked, _))| *looked);
            if let Some(oldest) = oldest.map(|(job, _)| *job) {
                kept.jobs.remove(&oldest);
            }
        }
        let now = kept.looks;
        kept.jobs.insert(job, (now, pinned.clone()));
    }
}

impl Store {
    /// From memory, or read once. None: no such job in this partition.
    pub(super) async fn pinned(&self, p: Partition, job: JobId) -> Result<Option<Arc<Pinned>>, StoreError> {
        if let Some(pinned) = self.pinned.of(job) {
            return Ok(Some(pinned));
        }
        let mut pipe = redis::pipe();
        pipe.hmget(p.job(job), &["t", "lane", "def"]);
        let replies = self.replies(pipe).await?;
        let [tenant, lane, definition]: [Option<String>; 3] = replies.first().map_or(Ok([None, None, None]), reply)?;
        let (Some(tenant), Some(definition)) = (tenant, definition) else {
            return Ok(None);
        };
        let pinned = Arc::new(Pinned {
            tenant: tenant
                .parse()
                .map_err(|_| StoreError::Corrupt(format!("job {job} has no tenant")))?,
            lane: lane.unwrap_or_default(),
            definition: serde_json::from_str(&definition)?,
        });
        self.pinned.keep(job, &pinned);
        Ok(Some(pinned))
    }

    /// A tenant's job, to read its tasks. None: no such job of this tenant.
    pub async fn known_job(&self, tenant: &TenantId, job: JobId) -> Result<Option<KnownJob>, StoreError> {
        let p = self.partition_of(tenant);
        let is_kept = self.pinned.of(job).is_some();
        let Some(pinned) = self.pinned(p, job).await?.filter(|pinned| pinned.tenant == *tenant) else {
            return Ok(None);
        };
        // what is kept does not say that the job is still there
        let is_there = !is_kept || self.job_status(tenant, job).await?.is_some();
        Ok(is_there.then_some(KnownJob { id: job, pinned }))
    }

    /// Whose job it is, for reading only: what is read of it is asked under this tenant, and answers nothing when the job is gone.
    pub async fn reader_of(&self, job: JobId) -> Result<Option<TenantId>, StoreError> {
        match self.pinned.of(job) {
            Some(pinned) => Ok(Some(pinned.tenant.clone())),
            None => self.tenant_of(job).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::catalog;

    #[test]
    fn so_many_are_kept_and_those_looked_at_last() {
        let pinned = Arc::new(Pinned {
            tenant: "acme".parse().unwrap(),
            lane: "acme|1".to_owned(),
            definition: catalog::all()[0].clone(),
        });
        let (kept, watched) = (PinnedJobs::default(), JobId::generate());
        kept.keep(watched, &pinned);
        let others: Vec<JobId> = (0..KEPT_MAX).map(|_| JobId::generate()).collect();
        for job in &others {
            assert!(kept.of(watched).is_some());
            kept.keep(*job, &pinned);
        }
        assert!(kept.of(watched).is_some() && kept.of(others[0]).is_none());
        assert_eq!(kept.0.lock().unwrap().jobs.len(), KEPT_MAX);
    }
}
