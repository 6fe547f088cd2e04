//! Values of closed sets, as schemas. Each is made of the type that the code itself works with, so that the document cannot tell others.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use shared::cloudpath::{Expired, InvalidRows, NameConflict};
use shared::job::audit::VERDICTS;
use shared::job::{JOB_STATUSES, PhaseStatus, TaskStatus};
use shared::store::model::Durability;
use shared::workflow::plan::PLANNED;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::views::{AuditStatus, CleanupStatus};

const PHASE_STATUSES: [PhaseStatus; 6] = [
    PhaseStatus::Pending,
    PhaseStatus::Running,
    PhaseStatus::Completed,
    PhaseStatus::Failed,
    PhaseStatus::Skipped,
    PhaseStatus::Cancelled,
];
const TASK_STATUSES: [TaskStatus; 8] = [
    TaskStatus::Pending,
    TaskStatus::InProgress,
    TaskStatus::Polling,
    TaskStatus::Completed,
    TaskStatus::Failed,
    TaskStatus::Skipped,
    TaskStatus::Cancelled,
    TaskStatus::Unknown,
];
const DURABILITIES: [Durability; 3] = [Durability::Accepted, Durability::Replicated, Durability::Fsynced];
const CLEANUP_STATUSES: [CleanupStatus; 5] = [
    CleanupStatus::Cleaned,
    CleanupStatus::PartlyCleaned,
    CleanupStatus::Cleaning,
    CleanupStatus::Planned,
    CleanupStatus::Kept,
];
const AUDIT_STATUSES: [AuditStatus; 3] = [AuditStatus::Audited, AuditStatus::PartlyAudited, AuditStatus::Auditing];
/// As the contract lists them; the store makes no others.
const LIMITED_BY: [&str; 8] = [
    "controller_rate",
    "controller_concurrency",
    "cool_down",
    "polling",
    "own_cap",
    "workers",
    "paused",
    "nothing",
];

/// The words of `values` on the wire.
fn words<T: Serialize>(values: &[T]) -> Vec<Value> {
    values.iter().filter_map(|v| serde_json::to_value(v).ok()).collect()
}

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident as $shown:literal, e.g. $example:literal: $values:expr;)*) => {$(
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some([$($doc.trim()),+].join(" ")))
                    .enum_values(Some(words($values)))
                    .examples([Value::from($example)])
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                $shown.into()
            }
        }
    )*};
}

words! {
    /// `PENDING`: accepted and queued. `PAUSED`: by a person, by the failure budget, or because the controller refuses our credentials.
    /// `CANCELLING`: what was sent is being settled. Ended: `CANCELLED`, `COMPLETED` (every task succeeded or was skipped), `PARTIAL` (some
    /// tasks are `FAILED` or `UNKNOWN`), `FAILED` (a critical phase failed, or the time was over).
    JobStatusWord as "JobStatus", e.g. "RUNNING": &JOB_STATUSES;
    /// What an accepted job survives: the death of every process (always); that of the master as well, if a replica that has the job takes
    /// its place; a crash of the machine, because it is on the disk.
    DurabilityWord as "Durability", e.g. "accepted": &DURABILITIES;
    /// `cleaned`: everything the job made is gone. `partly_cleaned`: it has ended, and something stays. `cleaning`: it has not ended.
    /// `planned`: a dry run has ended. `kept`: nothing was to be deleted.
    CleanupStatusWord as "CleanupStatus", e.g. "cleaned": &CLEANUP_STATUSES;
    /// `audited`: it has ended, and could read everything, whatever it found. `partly_audited`: it has ended, and something could not be
    /// read, which `errors` of the job tell. `auditing`: it has not ended.
    AuditStatusWord as "AuditStatus", e.g. "audited": &AUDIT_STATUSES;
    /// How an item of the audited job stands: `present`: as it was left. `missing`: it should be there and is not. `changed`: it is there and
    /// differs. `extra`: a key in a pool of the job that the job neither made nor adopted. `pending`: a paused job has not come to it.
    /// `not_expected`: the job did not make it, by its own word. `not_judged`: it could not be told.
    VerdictWord as "Verdict", e.g. "missing": &VERDICTS;
    /// `SKIPPED`: its condition said so. `CANCELLED`: cut short by a cancel, the deadline, or a critical phase that failed.
    PhaseStatusWord as "PhaseStatus", e.g. "RUNNING": &PHASE_STATUSES;
    /// `POLLING`: the controller accepted the write, and what became of it is being asked. `UNKNOWN`: sent, and the controller cannot tell
    /// what became of it, even when read back.
    TaskStatusWord as "TaskStatus", e.g. "FAILED": &TASK_STATUSES;
    /// What keeps the job from going faster now.
    LimitedByWord as "LimitedBy", e.g. "controller_rate": &LIMITED_BY;
    /// Why a job was cut short.
    TruncationWord as "Truncation", e.g. "TIMEOUT": &["CANCEL", "CRITICAL", "TIMEOUT"];
    /// What a plan has decided of a task: to be made; there and to be changed; there and taken as it is; would fail; nothing to be done.
    PlannedWord as "Planned", e.g. "create": &PLANNED;
    /// Of a report.
    FormatWord as "ReportFormat", e.g. "csv": &["csv", "json"];
    /// What became of a resource: made; found as wanted; found and changed to what was wanted. In the report of a plan what would: see `Planned`; in
    /// that of an audit how it stands: see `Verdict`.
    OutcomeWord as "Outcome", e.g. "created": &["created", "adopted", "updated", "create", "update", "adopt", "delete", "conflict", "skip",
        "missing", "changed", "extra", "present", "pending", "not_expected", "not_judged"];
    /// When an object of that name is there and differs: `adopt` leaves it as it is, `update` changes it, `fail` fails the task.
    NameConflictWord as "NameConflict", e.g. "adopt": &[NameConflict::Adopt, NameConflict::Update, NameConflict::Fail];
    /// `fail`: one bad row refuses the request. `skip`: bad rows become skipped tasks that say why.
    InvalidRowsWord as "InvalidRows", e.g. "skip": &[InvalidRows::Fail, InvalidRows::Skip];
    /// Keys whose expiry has passed: `import` without one, `skip`, or `renew` by as many whole years as it takes to lie ahead.
    ExpiredWord as "Expired", e.g. "renew": &[Expired::Import, Expired::Skip, Expired::Renew];
}

/// RFC 3339 in UTC, with milliseconds.
pub struct Time;

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples([Value::from("2026-11-27T09:04:27.211Z")])
            .into()
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        "Time".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state that is added has to be added here, or this does not compile.
    #[test]
    fn no_state_is_missing() {
        let phases = PHASE_STATUSES.map(|s| match s {
            PhaseStatus::Pending => 0,
            PhaseStatus::Running => 1,
            PhaseStatus::Completed => 2,
            PhaseStatus::Failed => 3,
            PhaseStatus::Skipped => 4,
            PhaseStatus::Cancelled => 5,
        });
        let tasks = TASK_STATUSES.map(|s| match s {
            TaskStatus::Pending => 0,
            TaskStatus::InProgress => 1,
            TaskStatus::Polling => 2,
            TaskStatus::Completed => 3,
            TaskStatus::Failed => 4,
            TaskStatus::Skipped => 5,
            TaskStatus::Cancelled => 6,
            TaskStatus::Unknown => 7,
        });
        assert_eq!((phases, tasks), ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5, 6, 7]));
    }

    #[test]
    fn words_are_those_of_the_wire() {
        assert_eq!(words(&TASK_STATUSES)[1], "IN_PROGRESS");
        assert_eq!(words(&[NameConflict::Adopt]), ["adopt"]);
    }
}
