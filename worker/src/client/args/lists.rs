//! The command lines of `phaseline jobs` and `phaseline tasks`.

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};
use jiff::Timestamp;
use uuid::Uuid;

use super::values::{job_id, moment};
use crate::list;

const JOB_STATES: [&str; 9] = [
    "AWAITING_CONFIRMATION",
    "PENDING",
    "RUNNING",
    "PAUSED",
    "CANCELLING",
    "CANCELLED",
    "COMPLETED",
    "PARTIAL",
    "FAILED",
];
const TASK_STATES: [&str; 8] = [
    "PENDING",
    "IN_PROGRESS",
    "POLLING",
    "COMPLETED",
    "FAILED",
    "SKIPPED",
    "UNKNOWN",
    "CANCELLED",
];

const VERDICTS: [&str; 7] = [
    "missing",
    "changed",
    "extra",
    "present",
    "pending",
    "not_expected",
    "not_judged",
];

fn job_states() -> PossibleValuesParser {
    JOB_STATES.into()
}

pub fn task_states() -> PossibleValuesParser {
    TASK_STATES.into()
}

pub fn verdicts() -> PossibleValuesParser {
    VERDICTS.into()
}

/// Verdicts as the API takes them.
pub fn judged(verdicts: &[String]) -> Option<String> {
    (!verdicts.is_empty()).then(|| verdicts.join(",").to_lowercase())
}

/// States as the API takes them.
pub fn joined(states: &[String]) -> Option<String> {
    (!states.is_empty()).then(|| states.join(",").to_uppercase())
}

#[derive(Debug, Args)]
pub struct Jobs {
    /// Only jobs in one of these states, e.g. RUNNING or PARTIAL,FAILED
    #[arg(long, value_name = "STATUS", ignore_case = true, value_delimiter = ',', value_parser = job_states())]
    status: Vec<String>,
    /// Only jobs of this workflow, e.g. cloudpath_dpsk_import
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    workflow: Option<String>,
    /// Only jobs on this controller
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    controller: Option<i64>,
    /// Only jobs for this venue
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    venue: Option<String>,
    /// Only jobs created at this time or later: a day, or a day and a time (2026-11-27T08:30)
    #[arg(long, value_name = "TIME", value_parser = moment, value_hint = ValueHint::Other)]
    from: Option<Timestamp>,
    /// Only jobs created before this time
    #[arg(long, value_name = "TIME", value_parser = moment, value_hint = ValueHint::Other)]
    to: Option<Timestamp>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Jobs {
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("status", joined(&self.status)),
            ("workflow", self.workflow.clone()),
            ("controller", self.controller.map(|c| c.to_string())),
            ("venue", self.venue.clone()),
            ("from", self.from.map(|t| t.to_string())),
            ("to", self.to.map(|t| t.to_string())),
        ];
        all.into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    pub fn limit(&self) -> u64 {
        if self.all { list::ALL } else { self.limit }
    }
}

#[derive(Debug, Args)]
pub struct Tasks {
    /// The job's id
    #[arg(value_parser = job_id, value_hint = ValueHint::Other)]
    pub job: Uuid,
    /// Only tasks that failed, or whose fate is unknown: the same as --status FAILED,UNKNOWN
    #[arg(long, conflicts_with = "status")]
    failed: bool,
    /// Only tasks in one of these states, e.g. SKIPPED or FAILED,UNKNOWN
    #[arg(long, value_name = "STATUS", ignore_case = true, value_delimiter = ',', value_parser = task_states())]
    status: Vec<String>,
    /// Only tasks of this phase, e.g. create_passphrases
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    phase: Option<String>,
    /// Of an audit: only tasks with one of these verdicts, e.g. missing or changed,extra
    #[arg(long, value_name = "VERDICT", ignore_case = true, value_delimiter = ',', value_parser = verdicts())]
    verdict: Vec<String>,
    /// Only tasks with this in their name, e.g. of a user; large and small letters are the same
    #[arg(long, value_name = "TEXT", value_hint = ValueHint::Other)]
    name: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Tasks {
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let failed = self.failed.then(|| "FAILED,UNKNOWN".to_owned());
        let all = [
            ("status", failed.or_else(|| joined(&self.status))),
            ("phase", self.phase.clone()),
            ("verdict", judged(&self.verdict)),
            ("name", self.name.clone()),
        ];
        all.into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    pub fn limit(&self) -> u64 {
        if self.all { list::ALL } else { self.limit }
    }
}
