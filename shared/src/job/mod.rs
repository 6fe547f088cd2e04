//! States of jobs, phases and tasks, and the one table of what may be done in which state.

pub mod audit;
pub mod cleanup;
pub mod outcome;
pub mod retry;
pub mod task;

use serde::{Deserialize, Serialize};

/// State of a job. Names are those on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobStatus {
    /// Accepted, waiting for somebody to confirm the plan. `confirm` moves it to `PENDING`, `cancel` ends it. The
    /// deadline's clock stands still. A crash changes nothing.
    AwaitingConfirmation,
    /// Accepted and queued; the first claim of one of its entries moves it to `RUNNING`. A crash changes nothing: the
    /// work is in the queue.
    Pending,
    /// A worker has claimed work of it. The completion of the last phase ends it, `pause` and `cancel` move it. A crashed
    /// worker's batches are taken over after `LOCK_TTL`.
    Running,
    /// Held by a person, by the failure budget or because the controller refused our credentials. Nothing new is sent;
    /// what was sent is settled. `resume` and `cancel` move it. The deadline's clock stands still.
    Paused,
    /// Cancel was asked for; released batches settle what is in flight. Ends in `CANCELLED`. A worker that dies while
    /// settling is replaced like any other.
    Cancelling,
    /// Ended by a person. What was created is in the ledger and can be cleaned up.
    Cancelled,
    /// Every task succeeded or was skipped.
    Completed,
    /// Every phase that could run has ended, no critical phase failed, and at least one task is `FAILED` or `UNKNOWN`.
    Partial,
    /// A critical phase failed, or the job's time ran out.
    Failed,
}

/// A person's (or the engine's) call that steers a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Steer {
    Pause,
    Resume,
    Confirm,
    Cancel,
    Retry,
    Cleanup,
    Audit,
}

/// Every job state, in the order of a job's life.
pub const JOB_STATUSES: [JobStatus; 9] = [
    JobStatus::AwaitingConfirmation,
    JobStatus::Pending,
    JobStatus::Running,
    JobStatus::Paused,
    JobStatus::Cancelling,
    JobStatus::Cancelled,
    JobStatus::Completed,
    JobStatus::Partial,
    JobStatus::Failed,
];

impl JobStatus {
    /// Ended: nothing will run any more and the key TTL counts.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Cancelled | Self::Completed | Self::Partial | Self::Failed)
    }

    /// Goes on only when somebody says so.
    pub fn is_held(self) -> bool {
        matches!(self, Self::AwaitingConfirmation | Self::Paused)
    }

    /// The one table of what may be asked of a job in this state.
    pub fn allows(self, call: Steer) -> bool {
        use JobStatus::*;
        match call {
            Steer::Pause => matches!(self, Pending | Running),
            Steer::Resume => matches!(self, Paused),
            Steer::Confirm => matches!(self, AwaitingConfirmation),
            Steer::Cancel => matches!(self, AwaitingConfirmation | Pending | Running | Paused),
            Steer::Retry => matches!(self, Partial | Failed | Cancelled),
            Steer::Cleanup => self.is_terminal(),
            Steer::Audit => self.is_terminal() || self == Paused,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingConfirmation => "AWAITING_CONFIRMATION",
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
            Self::Completed => "COMPLETED",
            Self::Partial => "PARTIAL",
            Self::Failed => "FAILED",
        }
    }

    pub fn parse(s: &str) -> Option<Self> {
        JOB_STATUSES.into_iter().find(|j| j.as_str() == s)
    }
}

/// State of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PhaseStatus {
    /// Waits for the phases it depends on, or for its plan to be picked up.
    Pending,
    /// Being planned, or its tasks are being run.
    Running,
    /// Every task ended and no more failed than are tolerated.
    Completed,
    /// More tasks ended `FAILED` or `UNKNOWN` than are tolerated, or it could not be planned.
    Failed,
    /// Its `skip_condition` was true.
    Skipped,
    /// Cut short by a cancel, a deadline, or a critical phase that failed.
    Cancelled,
}

impl PhaseStatus {
    /// The store knows `PLANNING` as well; seen from outside that is a phase that is running.
    pub fn parse(s: &str) -> Option<Self> {
        Some(match s {
            "PENDING" => Self::Pending,
            "PLANNING" | "RUNNING" => Self::Running,
            "COMPLETED" => Self::Completed,
            "FAILED" => Self::Failed,
            "SKIPPED" => Self::Skipped,
            "CANCELLED" => Self::Cancelled,
            _ => return None,
        })
    }
}

/// State of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskStatus {
    /// Planned, not begun. A worker's claim of its batch moves it out.
    Pending,
    /// Its batch is claimed, or its write is marked as about to be sent.
    InProgress,
    /// The controller accepted the write (202); its activity has not ended. Survives any crash: the request id is stored.
    Polling,
    Completed,
    Failed,
    Skipped,
    Cancelled,
    /// We sent a write and do not know what became of it, even after reading back. Also any state of a later version.
    #[serde(other)]
    Unknown,
}

impl TaskStatus {
    /// Has ended, also with nobody knowing how.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress | Self::Polling)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::Polling => "POLLING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
            Self::Unknown => "UNKNOWN",
            Self::Cancelled => "CANCELLED",
        }
    }

    pub fn parse(s: &str) -> Option<Self> {
        Some(match s {
            "PENDING" => Self::Pending,
            "IN_PROGRESS" => Self::InProgress,
            "POLLING" => Self::Polling,
            "COMPLETED" => Self::Completed,
            "FAILED" => Self::Failed,
            "SKIPPED" => Self::Skipped,
            "UNKNOWN" => Self::Unknown,
            "CANCELLED" => Self::Cancelled,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_its_wire_name() {
        for s in JOB_STATUSES {
            assert_eq!(JobStatus::parse(s.as_str()), Some(s));
            assert_eq!(serde_json::to_string(&s).unwrap(), format!("\"{}\"", s.as_str()));
        }
    }

    #[test]
    fn the_steering_table_is_the_one_promised() {
        use JobStatus::*;
        let table = [
            (Steer::Pause, vec![Pending, Running]),
            (Steer::Resume, vec![Paused]),
            (Steer::Confirm, vec![AwaitingConfirmation]),
            (Steer::Cancel, vec![AwaitingConfirmation, Pending, Running, Paused]),
            (Steer::Retry, vec![Cancelled, Partial, Failed]),
            (Steer::Cleanup, vec![Cancelled, Completed, Partial, Failed]),
            (Steer::Audit, vec![Paused, Cancelled, Completed, Partial, Failed]),
        ];
        for (call, from) in table {
            let allowed: Vec<_> = JOB_STATUSES.into_iter().filter(|s| s.allows(call)).collect();
            assert_eq!(allowed, from, "{call:?}");
        }
    }

    #[test]
    fn every_state_of_a_task_is_called_as_it_is_stored() {
        for name in [
            "PENDING",
            "IN_PROGRESS",
            "POLLING",
            "COMPLETED",
            "FAILED",
            "SKIPPED",
            "UNKNOWN",
            "CANCELLED",
        ] {
            let status = TaskStatus::parse(name).unwrap();
            assert_eq!(
                (status.as_str(), serde_json::to_value(status).unwrap()),
                (name, name.into())
            );
        }
    }
}
