//! How the command ends: exit codes, and what went wrong.

use serde_json::Value;

use crate::wire::Problem;

pub const OK: u8 = 0;
pub const UNEXPECTED: u8 = 1;
pub const PARTIAL: u8 = 2;
pub const FAILED: u8 = 3;
pub const CANCELLED: u8 = 4;
pub const REJECTED: u8 = 5;
pub const UNREACHABLE: u8 = 6;
pub const HELD: u8 = 7;
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
    /// No connection, or no answer.
    #[error("{0}")]
    Unreachable(String),
    /// The API answered with an error.
    #[error("{}", .0.sentence())]
    Answered(Box<Problem>),
}

impl Failure {
    pub fn code(&self) -> u8 {
        match self {
            Self::Unexpected(_) => UNEXPECTED,
            Self::BadInput(_) => REJECTED,
            Self::Unreachable(_) => UNREACHABLE,
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
            Self::Unreachable(_) => true,
            Self::Answered(problem) => matches!(problem.status, 408 | 429 | 500 | 502 | 503 | 504),
            Self::Unexpected(_) | Self::BadInput(_) => false,
        }
    }

    pub fn as_json(&self) -> Value {
        match self {
            Self::Answered(problem) => problem.raw.clone(),
            other => serde_json::json!({"error": other.to_string(), "exit_code": other.code()}),
        }
    }
}
