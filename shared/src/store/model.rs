//! What goes into the store and what comes out, in plain types.

mod notes;
mod submission;
mod task;

use super::durable::Life;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::id::{JobId, Lane, PhaseId, TenantId, Unit};
use crate::job::{JobStatus, PhaseStatus};

pub use notes::{ErrorView, Outage, Waits};
pub use submission::{NewJob, NotTakenUp, PinnedTo, Submitted, TakesUp};
pub use task::{TaskFilter, TaskView};

pub use super::submit::Durability;

/// Answer to a steering call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steered {
    Done(JobStatus),
    /// It was so already; nothing changed.
    Already(JobStatus),
    /// Not from this state.
    Refused(JobStatus),
    /// It begins by itself when this job has shown that its plan still holds.
    PlanChecked(JobId),
    NotFound,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give it back to get the next page.
    pub next: Option<String>,
}

#[derive(Debug, Clone)]
pub enum Scope {
    Tenant(TenantId),
    /// The whole fleet: for `operator`.
    All,
}

#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// One of these; empty: any.
    pub status: Vec<JobStatus>,
    pub workflow: Option<String>,
    pub controller: Option<i64>,
    pub venue: Option<String>,
    /// Created at or after, milliseconds since the epoch.
    pub from_ms: Option<u64>,
    /// Created before.
    pub to_ms: Option<u64>,
}

impl JobFilter {
    /// Takes jobs whatever they are; only when they were created may matter.
    pub fn is_any(&self) -> bool {
        self.status.is_empty() && self.workflow.is_none() && self.controller.is_none() && self.venue.is_none()
    }

    pub fn takes(&self, status: JobStatus, workflow: &str, controller: i64, venue: &str) -> bool {
        (self.status.is_empty() || self.status.contains(&status))
            && self.workflow.as_ref().is_none_or(|w| w == workflow)
            && self.controller.is_none_or(|c| c == controller)
            && self.venue.as_ref().is_none_or(|v| v == venue)
    }
}

/// The last job of a page; the next page begins behind it. Text of it may stand in an URL as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCursor {
    pub created_ms: u64,
    pub job: JobId,
    /// In lists over all tenants, which order jobs of one moment by tenant.
    pub tenant: Option<TenantId>,
}

impl JobCursor {
    /// Whether it is of a list of this scope.
    pub fn is_of(&self, scope: &Scope) -> bool {
        self.tenant.is_some() == matches!(scope, Scope::All)
    }

    /// Its member in the index.
    pub(super) fn member(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("{tenant}|{}", self.job),
            None => self.job.to_string(),
        }
    }
}

impl fmt::Display for JobCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_ms, self.job)?;
        match &self.tenant {
            Some(tenant) => write!(f, ".{tenant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for JobCursor {
    type Err = NoCursor;
    fn from_str(s: &str) -> Result<Self, NoCursor> {
        let (created_ms, rest) = s.split_once('.').ok_or(NoCursor)?;
        let (job, tenant) = match rest.split_once('.') {
            Some((job, tenant)) => (job, Some(tenant.parse().map_err(|_| NoCursor)?)),
            None => (rest, None),
        };
        Ok(JobCursor {
            created_ms: created_ms.parse().map_err(|_| NoCursor)?,
            job: job.parse().map_err(|_| NoCursor)?,
            tenant,
        })
    }
}

/// Text that is no cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct NoCursor;

/// Counts of tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Foreseen; phases that are planned correct it.
    pub expected: u64,
    /// Planned so far.
    pub tasks: u64,
    pub completed: u64,
    pub failed: u64,
    pub skipped: u64,
    pub unknown: u64,
    pub cancelled: u64,
}

impl Counts {
    pub fn settled(&self) -> u64 {
        self.completed + self.failed + self.skipped + self.unknown + self.cancelled
    }
    pub fn total(&self) -> u64 {
        self.expected.max(self.tasks)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResourceCounts {
    pub created: u64,
    pub adopted: u64,
    pub updated: u64,
    /// By a cleanup; nothing that is there.
    pub deleted: u64,
}

#[derive(Debug, Clone)]
pub struct JobView {
    pub id: JobId,
    pub tenant: TenantId,
    pub workflow: String,
    pub workflow_version: u32,
    pub status: JobStatus,
    pub controller: i64,
    pub venue_id: String,
    pub options: Value,
    pub created_ms: u64,
    pub started_ms: Option<u64>,
    pub updated_ms: u64,
    pub completed_ms: Option<u64>,
    pub deadline_ms: Option<u64>,
    /// Of a job that waits to be confirmed: it is cancelled when nobody has by then.
    pub confirm_by_ms: Option<u64>,
    pub counts: Counts,
    pub percent: f64,
    pub phases: Vec<PhaseView>,
    pub current_phase: Option<PhaseId>,
    pub resources: BTreeMap<String, ResourceCounts>,
    /// A sample of at most 100.
    pub errors: Vec<ErrorView>,
    pub errors_total: u64,
    pub pause_reason: Option<String>,
    /// `CANCEL`, `CRITICAL` or `TIMEOUT` when it was cut short.
    pub truncation: Option<String>,
    pub eta_seconds: Option<u64>,
    pub limited_by: &'static str,
    /// Its controller does not answer; only of a job that would go on otherwise.
    pub outage: Option<Outage>,
    /// It waits for another job; only of one that would go on otherwise.
    pub waits: Option<Waits>,
    /// It would go on, and no worker has shown itself lately.
    pub is_without_workers: bool,
    pub resume_of: Option<JobId>,
    pub retried_by: Option<JobId>,
    /// All its retries that are kept, the latest first.
    pub retries: Vec<JobId>,
    /// Of a cleanup: the job whose things it takes away.
    pub cleanup_of: Option<JobId>,
    /// Its latest cleanup.
    pub cleaned_by: Option<JobId>,
    /// Of an audit: the job whose things it looks at.
    pub audit_of: Option<JobId>,
    /// Its latest audit.
    pub audited_by: Option<JobId>,
    pub submitted_by: String,
    pub predicted_seconds: u64,
    /// Of a plan: the calls that only read, of the job it foretells.
    pub plan_reads: Option<u32>,
    /// The plan it was to follow, made anew by this job.
    pub plan_checked_by: Option<JobId>,
    /// That plan is not known yet.
    pub is_plan_unchecked: bool,
}

#[derive(Debug, Clone)]
pub struct PhaseView {
    pub id: PhaseId,
    pub name: String,
    pub status: PhaseStatus,
    pub critical: bool,
    /// Its tasks run one after another.
    pub in_turn: bool,
    pub counts: Counts,
    pub started_ms: Option<u64>,
    pub completed_ms: Option<u64>,
    /// What it left behind for later phases and for people; null when there is nothing. Too long: `{truncated, bytes}`.
    pub facts: Value,
    pub error: Option<ErrorView>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceView {
    pub kind: String,
    pub id: String,
    pub name: String,
    pub created: bool,
}

/// Job state a reply carries along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    None,
    Held,
    Cancelled,
    Critical,
    Timeout,
}

impl Flag {
    pub fn parse(s: &str) -> Self {
        match s {
            "HELD" => Flag::Held,
            "CANCEL" | "CANCELLED" => Flag::Cancelled,
            "CRITICAL" => Flag::Critical,
            "TIMEOUT" => Flag::Timeout,
            _ => Flag::None,
        }
    }
}

/// A unit of work that is ours until its token is superseded.
#[derive(Debug, Clone)]
pub struct Claim {
    pub unit: Unit,
    pub token: String,
    /// Of the server, or an earlier one: what it has been told since is known here.
    pub life: Life,
    pub lane: Lane,
    /// Times it was claimed, this one included.
    pub claims: u32,
    /// Times in a row its owner vanished without progress.
    pub crashes: u32,
    /// Its entry came by XAUTOCLAIM: the last owner was silent for the take-over time. For the claimer to say.
    pub by_idle_time: bool,
    pub flag: Flag,
    /// Blob of the tasks; empty for a plan.
    pub input: Vec<u8>,
    /// AEAD box of the secret column; empty when there is none.
    pub secrets: Vec<u8>,
    pub checkpoints: Vec<(u32, String)>,
}

#[derive(Debug)]
pub enum Claimed {
    Work(Box<Claim>),
    /// Nothing to do: taken by somebody else, done before, or its job is gone.
    Nothing(&'static str),
}

/// Answer to a fenced write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fenced {
    Ok(Flag),
    /// Somebody else owns the unit; what we know of it is worth nothing.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completed {
    Ok {
        failed: u64,
        settled: u64,
        expected: u64,
    },
    /// Accepted before (a retry after a lost reply).
    Before,
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanCommitted {
    Ok,
    Before,
    Incomplete,
    Lost,
}

/// What `complete` needs besides the outcomes' blob.
#[derive(Debug, Clone, Default)]
pub struct BatchResult {
    pub blob: Vec<u8>,
    pub done: u64,
    pub failed: u64,
    pub skipped: u64,
    pub unknown: u64,
    pub cancelled: u64,
    /// `kind|c` (created), `kind|a` (adopted), `kind|u` (updated), `kind|d` (deleted) → number.
    pub resources: BTreeMap<String, u64>,
    pub errors: Vec<ErrorView>,
    pub errors_total: u64,
    pub facts: Option<Value>,
    /// Why the batch goes to the dead letters as well.
    pub dead_letter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    Ok(Flag),
    Lost,
}

/// Answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beats {
    /// In the order of the units.
    pub units: Vec<Beat>,
    /// Somebody has asked the worker to stop.
    pub is_to_stop: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Tick {
    /// Milliseconds until something is due.
    pub next_due_ms: Option<u64>,
    pub index_cursor: String,
    /// Unfinished jobs without a sign of life.
    pub stalled: Vec<JobId>,
}
