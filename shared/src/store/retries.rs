//! Whether an ended job may be retried. Asked before its rows are read and copied, and once more by the script that accepts the retry.

use super::inspect::reply;
use super::jobs::{hex, key_hash};
use super::model::{NotRetried, Submitted};
use super::{Store, StoreError};
use crate::id::{JobId, TenantId};
use crate::job::{JobStatus, Steer};

impl Store {
    /// Why a job is not to be retried now; none: it may be.
    pub async fn not_retried(&self, tenant: &TenantId, job: JobId) -> Result<Option<NotRetried>, StoreError> {
        let mut pipe = redis::pipe();
        let fields = ["t", "status", "retried_by"];
        pipe.hmget(self.partition_of(tenant).job(job), &fields);
        let replies = self.replies(pipe).await?;
        let [owner, status, retry]: [Option<String>; 3] = replies.first().map_or(Ok([None, None, None]), reply)?;
        let Some(status) = status.filter(|_| owner.as_deref() == Some(tenant.as_str())) else {
            return Ok(Some(NotRetried::NotFound));
        };
        // a state of a later version: as far as this one can tell it has not ended
        let status = JobStatus::parse(&status).unwrap_or(JobStatus::Running);
        if !status.allows(Steer::Retry) {
            return Ok(Some(NotRetried::Refused(status)));
        }
        let Some(retry) = retry.and_then(|id| id.parse().ok()) else {
            return Ok(None);
        };
        let is_under_way = self.job_status(tenant, retry).await?.is_some_and(|s| !s.is_terminal());
        Ok(is_under_way.then_some(NotRetried::Running(retry)))
    }

    /// What became of an earlier submission under this idempotency key; none: there was none, within a day. Asked of a retry before
    /// anything else of it: of the job that it made, its own second sending must not be told.
    pub async fn accepted_before(
        &self,
        tenant: &TenantId,
        (key, body): &(String, [u8; 32]),
    ) -> Result<Option<Submitted>, StoreError> {
        let life = self.life();
        let mut pipe = redis::pipe();
        pipe.get(
            self.partition_of(tenant)
                .key(&format!("idem:{tenant}:{}", key_hash(key))),
        );
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
        self.secured(&life).await?;
        Ok(Some(Submitted::Replay(job)))
    }
}
