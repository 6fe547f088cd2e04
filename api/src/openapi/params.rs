//! Parameters of requests, for the document: what they take, with an example each. Handlers read them by [`crate::params`].
#![allow(dead_code, reason = "for the OpenAPI document")]

use utoipa::IntoParams;

use super::words::{FormatWord, JobStatusWord, PlannedWord, TaskStatusWord, VerdictWord};

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct JobPath {
    /// Id of the job: `job_id` in the answer to an import.
    #[param(format = Uuid, example = "01a21c3f-b648-7329-8625-546bb5256438")]
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct LetterPath {
    /// Id of the dead letter.
    #[param(example = "0.1795817912065-0")]
    letter: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct WorkflowPath {
    /// Name of the workflow.
    #[param(example = "cloudpath_dpsk_import")]
    name: String,
}

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// `next_cursor` of the page before, of the same list. Its form may change; anything else is refused.
    #[param(min_length = 1, max_length = 255)]
    cursor: Option<String>,
    /// Items of a page.
    #[param(minimum = 1, maximum = 200, default = 50, example = 100)]
    limit: Option<u32>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobFilter {
    /// Only jobs in these states, with commas between them.
    #[param(inline, style = Form, explode = false, min_items = 1, value_type = Option<Vec<JobStatusWord>>, example = json!(["PARTIAL", "FAILED"]))]
    status: Option<String>,
    /// Only jobs of this workflow.
    #[param(min_length = 1, max_length = 255, example = "cloudpath_dpsk_import")]
    workflow: Option<String>,
    /// Only jobs of this controller.
    #[param(example = 1)]
    controller: Option<i64>,
    /// Only jobs for this venue.
    #[param(min_length = 1, max_length = 255, example = "venue-sim-1")]
    venue: Option<String>,
    /// Created at or after (RFC 3339).
    #[param(format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<String>,
    /// Created before (RFC 3339).
    #[param(format = DateTime, example = "2026-12-01T00:00:00Z")]
    to: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Shown {
    /// Created resources shown of each kind.
    #[param(minimum = 0, maximum = 100, default = 20, example = 100)]
    resources: Option<u32>,
}

/// Which tasks.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TaskFilter {
    /// Only tasks in these states, with commas between them.
    #[param(inline, style = Form, explode = false, min_items = 1, value_type = Option<Vec<TaskStatusWord>>, example = json!(["FAILED", "UNKNOWN"]))]
    status: Option<String>,
    /// Only tasks of this phase. One that the job does not have is refused, and the known ones are told.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._-]+$",
        example = "create_passphrases"
    )]
    phase: Option<String>,
    /// Of a plan, only tasks for which it has decided so, with commas between them. Refused of other jobs.
    #[param(inline, style = Form, explode = false, min_items = 1, value_type = Option<Vec<PlannedWord>>, example = json!(["create", "conflict"]))]
    planned: Option<String>,
    /// Of an audit, only tasks with these verdicts, with commas between them. Refused of other jobs.
    #[param(inline, style = Form, explode = false, min_items = 1, value_type = Option<Vec<VerdictWord>>, example = json!(["missing", "changed"]))]
    verdict: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TaskName {
    /// Part of the task's name; large and small letters are alike.
    #[param(min_length = 1, max_length = 255, example = "anna")]
    name: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportFormat {
    /// `json` unless told.
    #[param(inline, value_type = Option<FormatWord>, example = "csv")]
    format: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Idempotency {
    /// The same key and body give the same job again, for 24 hours: send one, and a request whose answer was lost can be repeated.
    /// 1 to 255 printable ASCII characters.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[ -~]+$",
        example = "harbour-view-2026-11-27"
    )]
    key: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Wait {
    /// `wait=N` waits up to N seconds, 60 at most, for the end of the job (RFC 7240), or until it is held; anything else is passed over.
    #[param(rename = "Prefer", example = "wait=2")]
    prefer: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct CleanupWait {
    /// `wait=N` waits up to N seconds, 60 at most, for the end of the cleanup (RFC 7240); 10 unless told.
    #[param(rename = "Prefer", example = "wait=30")]
    prefer: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct AuditWait {
    /// `wait=N` waits up to N seconds, 60 at most, for the end of the audit (RFC 7240); 10 unless told.
    #[param(rename = "Prefer", example = "wait=30")]
    prefer: Option<String>,
}
