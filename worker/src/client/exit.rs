//! How the command ends: exit codes, and what went wrong.

use serde_json::{Value, json};

use crate::wire::Problem;

pub const OK: u8 = 0;
pub const UNEXPECTED: u8 = 1;
pub const PARTIAL: u8 = 2;
pub const FAILED: u8 = 3;
pub const CANCELLED: u8 = 4;
pub const REJECTED: u8 = 5;
pub const UNREACHABLE: u8 = 6;
pub const HELD: u8 = 7;
pub const DIFFERENT: u8 = 8;
pub const NOT_KNOWN_YET: u8 = 9;
/// As a shell reports a command that ended by Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// The table in `--help`.
pub const TABLE: &str = "\
Exit codes:
  0    done; a job that was watched or asked for is COMPLETED
       (or, not watched, still going)
  1    wrong usage, no such job, not possible in the job's state,
       or something unexpected
  2    the job ended PARTIAL: some tasks failed, the rest is done
  3    the job ended FAILED
  4    the job was CANCELLED
  5    the input was rejected: every fault is printed with the place
       it is at; nothing was changed
  6    the API can't be reached, broke off its answer,
       or does not accept the token
  7    the job that was watched or waited for is held: PAUSED (the reason is
       printed; `phaseline resume` continues it), or AWAITING_CONFIRMATION
       (`phaseline confirm` begins it)
  8    an audit found something missing, changed or extra
  9    an audit has not ended yet: what it will find is not known
  130  stopped by Ctrl-C; the job goes on";

/// Exit code of a job that has ended; None while it has not.
pub fn of_ended(status: &str) -> Option<u8> {
    match status {
        "COMPLETED" => Some(OK),
        "PARTIAL" => Some(PARTIAL),
        "FAILED" => Some(FAILED),
        "CANCELLED" => Some(CANCELLED),
        _ => None,
    }
}

/// Exit code of a job that has ended, or goes on only when somebody says so.
pub fn of_standing(status: &str) -> Option<u8> {
    match status {
        "PAUSED" | "AWAITING_CONFIRMATION" => Some(HELD),
        status => of_ended(status),
    }
}

/// Why the command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Wrong flags, an unreadable file, an answer we do not understand.
    #[error("{0}")]
    Unexpected(String),
    /// The file itself is wrong; told before anything was sent.
    #[error("{0}")]
    BadInput(String),
    /// No connection: nothing was sent.
    #[error("{0}")]
    NotReached(String),
    /// Stopped by hand before the answer was there.
    #[error("stopped before the API answered")]
    Interrupted,
    /// No answer, or no end of one.
    #[error("{0}")]
    Unreachable(String),
    /// What starts a job was sent and perhaps accepted: nobody knows. `key` finds out without a second job.
    #[error(
        "{why}; it may have been accepted all the same: repeat the command with --idempotency-key {key}, which finds its job if there is one"
    )]
    Unsure { key: String, why: Box<Failure> },
    /// The API answered with an error.
    #[error("{}", .0.sentence())]
    Answered(Box<Problem>),
}

impl Failure {
    pub fn code(&self) -> u8 {
        match self {
            Self::Unexpected(_) => UNEXPECTED,
            Self::BadInput(_) => REJECTED,
            Self::NotReached(_) | Self::Unreachable(_) => UNREACHABLE,
            Self::Interrupted => INTERRUPTED,
            Self::Unsure { why, .. } => why.code(),
            Self::Answered(problem) => match problem.status {
                400 | 413 | 415 | 422 => REJECTED,
                401 | 403 | 408 | 429 | 502 | 503 | 504 => UNREACHABLE,
                _ => UNEXPECTED,
            },
        }
    }

    /// Worth asking again: nothing is wrong with the request.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotReached(_) | Self::Unreachable(_) => true,
            Self::Answered(problem) => matches!(problem.status, 408 | 429 | 500 | 502 | 503 | 504),
            Self::Unsure { why, .. } => why.is_transient(),
            Self::Unexpected(_) | Self::BadInput(_) | Self::Interrupted => false,
        }
    }

    /// Of an import: what was sent may have been accepted, though no answer says so.
    pub fn may_be_accepted(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Answered(problem) => problem.status >= 500,
            Self::Unsure { why, .. } => why.may_be_accepted(),
            // whoever stopped it knows whether anything had been sent
            Self::NotReached(_) | Self::Interrupted | Self::Unexpected(_) | Self::BadInput(_) => false,
        }
    }

    /// Every failure has the same members: `error` (the sentence that is printed without `--json`), `exit_code`, and `errors`, a list
    /// of faults with their places, which may be empty. What the API answered has its own besides.
    pub fn as_json(&self) -> Value {
        let mut all = match self {
            Self::Answered(problem) => problem.raw.clone(),
            // the whole file is at fault, as an empty pointer says
            Self::BadInput(detail) => json!({"errors": [{"pointer": "", "code": "BAD_INPUT", "detail": detail}]}),
            Self::Unsure { key, why } => {
                let mut all = why.as_json();
                all["idempotency_key"] = key.as_str().into();
                all
            }
            _ => json!({}),
        };
        all["error"] = self.to_string().into();
        all["exit_code"] = self.code().into();
        if !all["errors"].is_array() {
            all["errors"] = json!([]);
        }
        all
    }
}
