//! Accepting and steering jobs.

use sha2::{Digest, Sha256};

use super::model::{NewJob, NotTakenUp, Steered, Submitted};
use super::scripts::{self, Args};
use super::{Store, StoreError};
use crate::id::{JobId, Lane, TenantId};
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
            .run(|mut c| async move {
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
            .run(|mut c| async move {
                redis::cmd("UNLINK")
                    .arg(input)
                    .arg(secrets)
                    .query_async::<()>(&mut c)
                    .await
            })
            .await
    }

    /// Accepts the job: from here on it survives every process, ours and that of Redis. Safe to repeat after a lost reply.
    pub async fn submit(&self, new: &NewJob) -> Result<Submitted, StoreError> {
        let life = self.life();
        let answer = self.submit_once(new).await?;
        // also a replay: whoever was to hear of the first acceptance may never have
        self.secured(&life).await?;
        Ok(answer)
    }

    async fn submit_once(&self, new: &NewJob) -> Result<Submitted, StoreError> {
        let p = self.partition_of(&new.tenant);
        let lane = Lane::new(&new.tenant, new.controller);
        let phases: Vec<_> = new
            .workflow
            .phases
            .iter()
            .map(|ph| {
                serde_json::json!({ "id": ph.id, "deps": ph.dependencies, "crit": ph.critical, "seq": !ph.parallelizable })
            })
            .collect();
        let (key, hash) = match &new.idempotency {
            Some((key, hash)) => (key_hash(key), hex(hash)),
            None => (String::new(), String::new()),
        };
        let mut args = Args::new()
            .with(new.id.to_string())
            .with(new.tenant.as_str())
            .with(lane.as_str())
            .with(key)
            .with(hash)
            .with(serde_json::json!({ "phases": phases }).to_string())
            .with(new.input_chunks)
            .with(new.first_status().as_str())
            .with(taken_up(new));
        let fields = [
            ("ctl", new.controller.to_string()),
            ("venue", new.venue_id.clone()),
            ("wf", new.workflow.name.clone()),
            ("wfv", new.workflow.version.to_string()),
            ("def", serde_json::to_string(&*new.workflow)?),
            ("options", new.options.to_string()),
            ("input", new.input_meta.to_string()),
            ("chunks", new.input_chunks.to_string()),
            ("expected", new.expected_tasks.to_string()),
            ("budget_s", new.timeout_seconds.to_string()),
            ("predicted", new.predicted_seconds.to_string()),
            (
                "fbudget",
                new.failure_budget_percent.map(|b| b.to_string()).unwrap_or_default(),
            ),
            ("by", new.submitted_by.clone()),
            ("ttl", new.ttl_seconds.to_string()),
        ];
        let pinned = new.pinned_to.as_ref();
        let only_some = [
            ("plan", new.plan_reads.map(|reads| reads.to_string())),
            ("check", pinned.map(|plan| plan.by.to_string())),
            ("phash", pinned.map(|plan| plan.hash.clone())),
            (
                "ask",
                (pinned.is_some() && new.require_confirmation).then(|| "1".to_owned()),
            ),
        ];
        let only_some = only_some.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in fields.into_iter().chain(only_some) {
            args.push(name);
            args.push(value);
        }
        let reply: Vec<String> = scripts::on_partition(&self.redis, p, &scripts::SUBMIT, args).await?;
        let id = || {
            reply
                .get(1)
                .and_then(|s| s.parse::<JobId>().ok())
                .ok_or_else(|| StoreError::Corrupt("submit: no job id".into()))
        };
        let status = || {
            reply
                .get(1)
                .and_then(|s| JobStatus::parse(s))
                .ok_or_else(|| StoreError::Corrupt(format!("submit answered {reply:?}")))
        };
        match reply.first().map(String::as_str) {
            Some("OK") => Ok(Submitted::Accepted),
            // our own id: the first call's reply was lost
            Some("EXISTS") if id()? == new.id => Ok(Submitted::Accepted),
            Some("EXISTS") => Ok(Submitted::Replay(id()?)),
            Some("REUSED") => Ok(Submitted::KeyReused),
            Some("GONE") => Ok(Submitted::NotTakenUp(NotTakenUp::NotFound)),
            Some("REFUSED") => Ok(Submitted::NotTakenUp(NotTakenUp::Refused(status()?))),
            Some("RETRIED") => Ok(Submitted::NotTakenUp(NotTakenUp::Retrying(id()?))),
            Some("CLEANED") => Ok(Submitted::NotTakenUp(NotTakenUp::Cleaning(id()?))),
            Some("NOINPUT") => Err(StoreError::Unavailable {
                reason: "the staged input is not whole (Redis lost it, or the upload took over an hour)".into(),
                timeout: false,
                stale: false,
            }),
            other => Err(StoreError::Corrupt(format!("submit answered {other:?}"))),
        }
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
        let mut done = None;
        let mut last = false;
        loop {
            let life = self.life();
            let answer = self.steer_once(tenant, job, call, reason).await?;
            let answer = match (done, answer) {
                // it has kept the first call after all
                (Some(first), Steered::Already(_) | Steered::Refused(_)) => Steered::Done(first),
                (_, answer) => answer,
            };
            match (self.secured(&life).await, &answer) {
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

/// The job it takes up, as the script is told. A cleanup that only plans leaves no mark on it.
fn taken_up(new: &NewJob) -> String {
    match (new.resume_of, new.cleanup_of, new.audit_of) {
        (Some(job), ..) => job.to_string(),
        (None, Some(job), _) if new.workflow.is_plan() => format!("look|{job}"),
        (None, Some(job), _) => format!("clean|{job}"),
        (None, None, Some(job)) => format!("audit|{job}"),
        (None, None, None) => String::new(),
    }
}

/// The caller's text never becomes part of a key.
pub(super) fn key_hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
