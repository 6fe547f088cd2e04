//! A job that is to be accepted, and what becomes of it.

use std::borrow::Cow;

use serde_json::Value;

use crate::id::{JobId, TenantId};
use crate::job::JobStatus;
use crate::store::submit::Durability;
use crate::workflow::Definition;

/// A job to be accepted. Its input has been staged in `input_chunks` chunks before.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub id: JobId,
    pub tenant: TenantId,
    pub controller: i64,
    pub venue_id: String,
    pub workflow: Cow<'static, Definition>,
    /// With defaults filled in.
    pub options: Value,
    /// What is known of the input without its rows.
    pub input_meta: Value,
    pub input_chunks: u32,
    /// Tasks foreseen, for percentages before everything is planned.
    pub expected_tasks: u64,
    /// Seconds from the first claim; time paused does not count.
    pub timeout_seconds: u64,
    pub predicted_seconds: u64,
    pub failure_budget_percent: Option<f64>,
    pub submitted_by: String,
    /// The caller's key and the hash of the body.
    pub idempotency: Option<(String, [u8; 32])>,
    /// Hold it until somebody confirms.
    pub require_confirmation: bool,
    /// Seconds the job's keys live after it ended.
    pub ttl_seconds: u64,
    pub takes_up: Option<TakesUp>,
    /// Of a plan: the calls that only read, of the job it foretells.
    pub plan_reads: Option<u32>,
    /// Held until a plan made anew is known to be as the one it was given.
    pub pinned_to: Option<PinnedTo>,
}

/// An earlier job that a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakesUp {
    /// It has ended, and what is left of it is tried again.
    Retry(JobId),
    /// It has ended, and what it made is taken away.
    Cleanup(JobId),
    /// It has ended or is paused, and what it should have left is looked at.
    Audit(JobId),
}

/// A plan that a job is to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedTo {
    /// Of the plan that somebody has seen.
    pub hash: String,
    /// The job that plans anew.
    pub by: JobId,
}

impl NewJob {
    /// What it is when it has been accepted.
    pub fn first_status(&self) -> JobStatus {
        match self.require_confirmation || self.pinned_to.is_some() {
            true => JobStatus::AwaitingConfirmation,
            false => JobStatus::Pending,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    Accepted(Durability),
    /// The same key and body were accepted before, as this job.
    Replay(JobId),
    /// The same key with another body.
    KeyReused,
    NotTakenUp(NotTakenUp),
}

/// Why a job is not retried, not cleaned up, or not audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTakenUp {
    NotFound,
    /// Not from this state.
    Refused(JobStatus),
    /// This retry of it has not ended.
    Retrying(JobId),
    /// This cleanup of it has not ended.
    Cleaning(JobId),
}
