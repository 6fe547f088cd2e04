//! Jobs that are to follow a plan: held until a plan made anew, by a job of its own, is known to be as the one that somebody has seen.
//!
//! Whoever submits such a job looks what becomes of the new plan; when that process has died, a worker does. Both ask here, and the script
//! that steers jobs decides who was first.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::inspect::reply;
use super::jobs::hex;
use super::keys::Partition;
use super::model::JobView;
use super::scripts::{self, Args};
use super::{Store, StoreError};
use crate::id::{JobId, TenantId};
use crate::job::{JobStatus, PhaseStatus};
use crate::workflow::plan::{FACT, HASH_DIGITS};

/// Between two looks at the plan of a held job.
const AGAIN: Duration = Duration::from_secs(5);
/// Held jobs looked at in one go.
const TOGETHER: u32 = 20;

/// Why a job was cancelled: what it would do now is not what was planned.
pub(super) const PLAN_CHANGED: &str = "PLAN_CHANGED";
/// Or nobody could find out.
pub(super) const PLAN_NOT_CHECKED: &str = "PLAN_NOT_CHECKED";

/// What has come of the plan a job was to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanChecked {
    /// The new plan is being made by this job.
    NotYet(JobId),
    /// Nothing has changed: the job has begun, or is left to be confirmed.
    Same(JobStatus),
    /// It is cancelled. What it would have done is what this job planned.
    Changed(JobId),
    /// It is cancelled: the plan could not be made anew, and this job says why.
    Failed(JobId),
    /// It follows no plan, or is gone.
    Nothing,
}

impl JobView {
    /// Stands for everything a plan has decided. None: it is no plan, or could not be made whole.
    pub fn plan_hash(&self) -> Option<String> {
        let is_whole = self.plan_reads.is_some() && matches!(self.status, JobStatus::Completed | JobStatus::Partial);
        let mut all = Sha256::new();
        for phase in self.phases.iter().filter(|_| is_whole) {
            let of_phase = match phase.status {
                PhaseStatus::Skipped => "skipped",
                _ => phase.facts[FACT]["hash"].as_str()?,
            };
            all.update(format!("{} {of_phase}\n", phase.id));
        }
        is_whole.then(|| hex(&all.finalize()[..HASH_DIGITS / 2]))
    }
}

impl Store {
    /// Held jobs whose plan is to be looked at now.
    pub async fn plan_checks_due(&self, p: Partition) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        let args = Args::new().with(AGAIN.as_millis() as u64).with(TOGETHER);
        let due: Vec<String> = scripts::on_partition(&self.redis, p, &scripts::CHECKS, args).await?;
        let pairs = due.chunks_exact(2).map(|pair| {
            let bad = || StoreError::Corrupt(format!("checks answered {pair:?}"));
            Ok((pair[1].parse().map_err(|_| bad())?, pair[0].parse().map_err(|_| bad())?))
        });
        pairs.collect()
    }

    /// Looks whether the plan a held job is to follow has been made anew, and lets it begin or cancels it. Safe to repeat, and for several at
    /// once: each is told the same.
    pub async fn check_plan(&self, tenant: &TenantId, job: JobId) -> Result<PlanChecked, StoreError> {
        // twice at the most: said what came of it, and read it
        for _ in 0..3 {
            let (by, hash) = match self.pinned_plan(tenant, job).await? {
                Pinned::No => return Ok(PlanChecked::Nothing),
                Pinned::Over(over) => return Ok(over),
                Pinned::Held { by, hash } => (by, hash),
            };
            let plan = self.job(tenant, by).await?;
            if plan.as_ref().is_some_and(|plan| !plan.status.is_terminal()) {
                return Ok(PlanChecked::NotYet(by));
            }
            let (call, reason) = match plan.and_then(|plan| plan.plan_hash()) {
                Some(now) if now == hash => ("plan_same", ""),
                Some(_) => ("plan_other", PLAN_CHANGED),
                None => ("plan_other", PLAN_NOT_CHECKED),
            };
            // whatever it answers, the job is held for its plan no longer: what came of it is read
            self.steer(tenant, job, call, reason).await?;
        }
        Err(StoreError::Corrupt(format!(
            "job {job} waits for its plan and is not held"
        )))
    }

    async fn pinned_plan(&self, tenant: &TenantId, job: JobId) -> Result<Pinned, StoreError> {
        let mut pipe = redis::pipe();
        let fields = ["t", "status", "check", "checking", "phash", "why"];
        pipe.hmget(self.partition_of(tenant).job(job), &fields);
        let replies = self.replies(pipe).await?;
        let found: Vec<Option<String>> = replies.first().map_or(Ok(Vec::new()), reply)?;
        let Ok([owner, status, by, checking, hash, why]) = <[Option<String>; 6]>::try_from(found) else {
            return Ok(Pinned::No);
        };
        let by = by.and_then(|id| id.parse().ok());
        let by = by.filter(|_| owner.as_deref() == Some(tenant.as_str()));
        let (Some(by), Some(hash), Some(status)) = (by, hash, status) else {
            return Ok(Pinned::No);
        };
        Ok(match (checking, why.as_deref()) {
            (Some(_), _) => Pinned::Held { by, hash },
            (None, Some(PLAN_CHANGED)) => Pinned::Over(PlanChecked::Changed(by)),
            (None, Some(PLAN_NOT_CHECKED)) => Pinned::Over(PlanChecked::Failed(by)),
            (None, _) => Pinned::Over(PlanChecked::Same(
                JobStatus::parse(&status).unwrap_or(JobStatus::Running),
            )),
        })
    }
}

/// What is known of the plan a job was to follow.
enum Pinned {
    No,
    Held { by: JobId, hash: String },
    Over(PlanChecked),
}
