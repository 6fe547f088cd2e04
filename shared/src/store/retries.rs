//! Whether a job may be taken up: retried, cleaned up or audited. Asked before anything else is done about it, and once more by the script
//! that accepts the new job.

use super::inspect::reply;
use super::jobs::{hex, key_hash};
use super::model::{NotTakenUp, Submitted};
use super::{Store, StoreError};
use crate::id::{JobId, TenantId};
use crate::job::{JobStatus, Steer};

impl Store {
    /// Why a job is not to be taken up now, by `call`; none: it may be. Only one retry or cleanup is under way at a time, and while one is,
    /// there is no audit: it would find what is being changed.
    pub async fn not_taken_up(
        &self,
        tenant: &TenantId,
        job: JobId,
        call: Steer,
    ) -> Result<Option<NotTakenUp>, StoreError> {
        let mut pipe = redis::pipe();
        let fields = ["t", "status", "retried_by", "cleaned_by"];
        pipe.hmget(self.partition_of(tenant).job(job), &fields);
        let replies = self.replies(pipe).await?;
        let found: [Option<String>; 4] = replies.first().map_or(Ok(Default::default()), reply)?;
        let [owner, status, retry, cleanup] = found;
        let Some(status) = status.filter(|_| owner.as_deref() == Some(tenant.as_str())) else {
            return Ok(Some(NotTakenUp::NotFound));
        };
        // a state of a later version: as far as this one can tell it has not ended
        let status = JobStatus::parse(&status).unwrap_or(JobStatus::Running);
        if !status.allows(call) {
            return Ok(Some(NotTakenUp::Refused(status)));
        }
        for (id, is_retry) in [(retry, true), (cleanup, false)] {
            let Some(other) = id.and_then(|id| id.parse().ok()) else {
                continue;
            };
            if self.job_status(tenant, other).await?.is_some_and(|s| !s.is_terminal()) {
                return Ok(Some(match is_retry {
                    true => NotTakenUp::Retrying(other),
                    false => NotTakenUp::Cleaning(other),
                }));
            }
        }
        Ok(None)
    }

    /// What became of an earlier submission under this idempotency key; none: there was none, within a day. Asked of a retry,
    /// cleanup or audit before anything else of it: of the job that it made, its own second sending must not be told.
    pub async fn accepted_before(
        &self,
        tenant: &TenantId,
        (key, body): &(String, [u8; 32]),
    ) -> Result<Option<Submitted>, StoreError> {
        let p = self.partition_of(tenant);
        let life = self.life(p);
        let mut pipe = redis::pipe();
        pipe.get(p.key(&format!("idem:{tenant}:{}", key_hash(key))));
        let replies = self.replies(pipe).await?;
        let known: Option<String> = replies.first().map_or(Ok(None), reply)?;
        let Some(known) = known else { return Ok(None) };
        let bad = || StoreError::Corrupt("an idempotency key without a job".into());
        let (job, hash) = known.split_once('|').ok_or_else(bad)?;
        if hash != hex(body) {
            return Ok(Some(Submitted::KeyReused));
        }
        let job = job.parse().map_err(|_| bad())?;
        // whoever was to hear of the first acceptance may never have
        self.secured(p, &life).await?;
        Ok(Some(Submitted::Replay(job)))
    }
}
