//! The status of an import: the shape that clients of the import have always known.

use serde::Serialize;
use shared::job::{JobStatus, PhaseStatus};
use shared::store::model;
use utoipa::ToSchema;

use crate::openapi::words::{JobStatusWord, LimitedByWord, PhaseStatusWord, Time};

use super::words::{notices, sentence, warnings};
use super::{CreatedView, PhaseView, PlanView, SummaryView, summary, time};

/// Status of an import.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportStatus)]
pub struct StatusView {
    pub job_id: String,
    #[schema(value_type = JobStatusWord)]
    pub status: JobStatus,
    pub progress: SummaryView,
    /// The phase that runs; null before the first and after the last.
    pub current_phase: Option<CurrentPhase>,
    pub phases: Vec<PhaseView>,
    pub created_resources: CreatedView,
    /// The first ones, at most 100, in words a person can act on; why the job was cut short comes first.
    pub errors: Vec<String>,
    pub errors_total: u64,
    /// The tasks that failed, by page.
    pub errors_link: String,
    /// What keeps the job waiting and is no error of a task, such as a controller that does not answer, no worker, or
    /// another job that uses the same names. Empty in fair weather.
    pub warnings: Vec<String>,
    /// What is as it was asked for and easily overlooked: SSIDs that nobody activates, pools without a key to import, keys that do not
    /// arrive as they were in the export (counted by reason; the tasks and the report say which), and what differs from the export and
    /// was left as it is.
    pub notices: Vec<String>,
    /// Null when nobody can tell: not running, no worker there, or its controller does not answer.
    pub eta_seconds: Option<u64>,
    #[schema(value_type = LimitedByWord)]
    pub limited_by: &'static str,
    pub pause_reason: Option<String>,
    /// Of a job in `AWAITING_CONFIRMATION`: it is cancelled when nobody has confirmed it by then.
    #[schema(value_type = Option<Time>)]
    pub confirm_by: Option<String>,
    /// Of a plan: what it has found. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub plan: Option<PlanView>,
}

/// The phase that runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct CurrentPhase {
    pub id: String,
    pub name: String,
    #[schema(value_type = PhaseStatusWord)]
    pub status: PhaseStatus,
    pub tasks_completed: u64,
    pub tasks_total: u64,
}

impl StatusView {
    pub fn of(job: model::JobView, created_resources: CreatedView, plan: Option<PlanView>, now_ms: u64) -> Self {
        let current = job.phases.iter().find(|p| Some(&p.id) == job.current_phase.as_ref());
        StatusView {
            job_id: job.id.to_string(),
            status: job.status,
            progress: summary(&job),
            current_phase: current.map(|p| CurrentPhase {
                id: p.id.to_string(),
                name: p.name.clone(),
                status: p.status,
                tasks_completed: p.counts.completed,
                tasks_total: p.counts.total(),
            }),
            created_resources,
            errors: job.errors.iter().map(|e| sentence(e, &job.phases)).collect(),
            errors_total: job.errors_total,
            errors_link: format!("/api/v1/jobs/{}/tasks?status=FAILED", job.id),
            warnings: warnings(&job),
            notices: notices(job.status, &job.phases),
            eta_seconds: job.eta_seconds,
            limited_by: job.limited_by,
            pause_reason: job.pause_reason,
            confirm_by: job.confirm_by_ms.map(time),
            plan,
            phases: job.phases.into_iter().map(|p| PhaseView::of(p, now_ms)).collect(),
        }
    }
}
