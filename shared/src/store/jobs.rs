//! Accepting and steering jobs.

use sha2::{Digest, Sha256};

use super::model::Steered;
use super::scripts::{self, Args};
use super::{Store, StoreError};
use crate::id::{JobId, TenantId};
use crate::job::JobStatus;

/// Staged input that is never submitted goes after an hour: an API process died in mid-upload.
const STAGED_TTL_SECONDS: i64 = 3600;

impl Store {
    /// One chunk of input rows: `rows` = zstd JSON without secrets, `sealed` = the box of its secret column.
    pub async fn stage_input(
        &self,
        tenant: &TenantId,
        job: JobId,
        chunk: u32,
        rows: Vec<u8>,
        sealed: Vec<u8>,
    ) -> Result<(), StoreError> {
        let p = self.partition_of(tenant);
        let (input, secrets) = (p.job_part(job, "input"), p.job_part(job, "inputsec"));
        self.redis
            .run(p, |mut c| async move {
                // all or nothing: killed in between, Redis would keep customers' data without an end
                let mut pipe = redis::pipe();
                pipe.atomic();
                pipe.hset(&input, chunk, rows)
                    .ignore()
                    .expire(&input, STAGED_TTL_SECONDS)
                    .ignore();
                pipe.hset(&secrets, chunk, sealed)
                    .ignore()
                    .expire(&secrets, STAGED_TTL_SECONDS)
                    .ignore();
                pipe.query_async::<()>(&mut c).await
            })
            .await
    }

    /// Takes back what was staged for a job that is not submitted after all.
    pub async fn discard_input(&self, tenant: &TenantId, job: JobId) -> Result<(), StoreError> {
        let p = self.partition_of(tenant);
        let (input, secrets) = (p.job_part(job, "input"), p.job_part(job, "inputsec"));
        self.redis
            .run(p, |mut c| async move {
                redis::cmd("UNLINK")
                    .arg(input)
                    .arg(secrets)
                    .query_async::<()>(&mut c)
                    .await
            })
            .await
    }

    /// Nothing new is sent; what was sent is settled. `reason` is shown to people.
    pub async fn pause(&self, tenant: &TenantId, job: JobId, reason: &str) -> Result<Steered, StoreError> {
        self.steer(tenant, job, "pause", reason).await
    }

    pub async fn resume(&self, tenant: &TenantId, job: JobId) -> Result<Steered, StoreError> {
        self.steer(tenant, job, "resume", "").await
    }

    pub async fn confirm(&self, tenant: &TenantId, job: JobId) -> Result<Steered, StoreError> {
        self.steer(tenant, job, "confirm", "").await
    }

    pub async fn cancel(&self, tenant: &TenantId, job: JobId, reason: &str) -> Result<Steered, StoreError> {
        self.steer(tenant, job, "cancel", reason).await
    }

    /// Answers when it can't be forgotten any more: a person who was told "cancelled" goes home.
    pub(super) async fn steer(
        &self,
        tenant: &TenantId,
        job: JobId,
        call: &str,
        reason: &str,
    ) -> Result<Steered, StoreError> {
        let p = self.partition_of(tenant);
        let mut done = None;
        let mut last = false;
        loop {
            let life = self.life(p);
            let answer = self.steer_once(tenant, job, call, reason).await?;
            let answer = match (done, answer) {
                // it has kept the first call after all
                (Some(first), Steered::Already(_) | Steered::Refused(_)) => Steered::Done(first),
                (_, answer) => answer,
            };
            match (self.secured(p, &life).await, &answer) {
                // what changes nothing has nothing to lose
                (Ok(()), _) | (Err(_), Steered::Refused(_) | Steered::PlanChecked(_) | Steered::NotFound) => {
                    return Ok(answer);
                }
                (Err(e), _) if last => return Err(e),
                // another life answered: one more look whether it knows
                (Err(_), Steered::Done(status)) => done = Some(*status),
                // somebody's call that may be forgotten yet, so not answered for either
                (Err(_), Steered::Already(_)) => {}
            }
            last = true;
        }
    }

    async fn steer_once(&self, tenant: &TenantId, job: JobId, call: &str, reason: &str) -> Result<Steered, StoreError> {
        let p = self.partition_of(tenant);
        let args = Args::new()
            .with(job.to_string())
            .with(call)
            .with(reason)
            .with(tenant.as_str());
        let reply: Vec<String> = scripts::on_partition(&self.redis, p, &scripts::STEER, args).await?;
        let status = || {
            reply
                .get(1)
                .and_then(|s| JobStatus::parse(s))
                .ok_or_else(|| StoreError::Corrupt(format!("{call} answered {reply:?}")))
        };
        Ok(match reply.first().map(String::as_str) {
            Some("DONE") => Steered::Done(status()?),
            Some("ALREADY") => Steered::Already(status()?),
            Some("REFUSED") => Steered::Refused(status()?),
            Some("CHECKING") => Steered::PlanChecked(
                (reply.get(1).and_then(|id| id.parse().ok()))
                    .ok_or_else(|| StoreError::Corrupt(format!("{call} answered {reply:?}")))?,
            ),
            _ => Steered::NotFound,
        })
    }
}

/// The caller's text never becomes part of a key.
pub(super) fn key_hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
