//! What jobs and tasks look like to a caller. The only place where the store's types become JSON.

mod admin;
mod advice;
mod audit;
mod plan;
mod cleanup;
mod row;
mod status;
mod task;
mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::job::{JobStatus, PhaseStatus};
use shared::store::model::{self, Counts, ErrorView, ResourceView};
use utoipa::ToSchema;

use crate::openapi::words::{JobStatusWord, LimitedByWord, PhaseStatusWord, Time, TruncationWord};

pub use admin::{DeadLetterView, LimitsView, StreamView, WorkerView};
pub use audit::{AuditStatus, AuditView};
pub use cleanup::{CleanupStatus, CleanupView};
pub use plan::{PlanView, PlannedView, totals as planned_totals};
pub use row::RowView;
pub use status::{CurrentPhase, StatusView};
pub use task::{Context as TaskContext, TaskBody};
use words::{notices, sentence, warnings, what};

/// Milliseconds since the epoch as RFC 3339.
fn time(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(String::new, |t| format!("{t:.3}"))
}

/// `identity_group` → `identity_groups`: the name of a list of them.
fn plural(kind: &str) -> String {
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    }
}

/// The phase whose tasks make resources of a kind.
fn phase_of(kind: &str) -> String {
    match kind {
        "wifi_network" | "network_pool" | "activation" => "activate_networks".to_owned(),
        kind => format!("create_{}", plural(kind)),
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct PageView<T> {
    pub items: Vec<T>,
    /// Give it back as `cursor` for the next page; null at the end. A page may be short, even empty, and not be the last.
    pub next_cursor: Option<String>,
}

impl<T> PageView<T> {
    pub fn of<S>(page: model::Page<S>, view: impl Fn(S) -> T) -> Self {
        PageView {
            items: page.items.into_iter().map(view).collect(),
            next_cursor: page.next,
        }
    }
}

/// Numbers of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskCounts {
    /// Planned so far; before that, foreseen.
    pub total: u64,
    pub completed: u64,
    pub failed: u64,
    pub skipped: u64,
    /// Sent, and it is not known what became of it.
    pub unknown: u64,
    pub cancelled: u64,
}

impl From<Counts> for TaskCounts {
    fn from(c: Counts) -> Self {
        TaskCounts {
            total: c.total(),
            completed: c.completed,
            failed: c.failed,
            skipped: c.skipped,
            unknown: c.unknown,
            cancelled: c.cancelled,
        }
    }
}

/// Numbers of resources of one kind.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ResourceCounts {
    pub created: u64,
    /// Found as wanted; never deleted by a cleanup.
    pub adopted: u64,
    pub updated: u64,
    /// By this job, a cleanup; of a dry run: that would be.
    pub deleted: u64,
}

/// Sums over a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryView {
    pub total_tasks: u64,
    pub completed: u64,
    pub failed: u64,
    pub skipped: u64,
    pub unknown: u64,
    pub cancelled: u64,
    /// 0 to 100, one decimal; never runs backwards.
    pub percent: f64,
    /// Kind (`identity_groups`, `dpsk_pools`, `passphrases`, …) → how many.
    pub resources: BTreeMap<String, ResourceCounts>,
}

fn summary(job: &model::JobView) -> SummaryView {
    SummaryView {
        total_tasks: job.counts.total(),
        completed: job.counts.completed,
        failed: job.counts.failed,
        skipped: job.counts.skipped,
        unknown: job.counts.unknown,
        cancelled: job.counts.cancelled,
        percent: job.percent,
        resources: job
            .resources
            .iter()
            .filter(|_| job.plan_reads.is_none())
            .map(|(kind, n)| {
                let counts = ResourceCounts {
                    created: n.created,
                    adopted: n.adopted,
                    updated: n.updated,
                    deleted: n.deleted,
                };
                (plural(kind), counts)
            })
            .collect(),
    }
}

/// One phase of a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct PhaseView {
    pub id: String,
    pub name: String,
    #[schema(value_type = PhaseStatusWord)]
    pub status: PhaseStatus,
    pub critical: bool,
    #[schema(value_type = Option<Time>)]
    pub started_at: Option<String>,
    #[schema(value_type = Option<Time>)]
    pub completed_at: Option<String>,
    /// Until now while it runs.
    pub duration_seconds: Option<f64>,
    pub tasks: TaskCounts,
    /// What it found out, as its executor words it; `batches` has that of its batches. `truncated` in place of what was too long.
    #[schema(value_type = Option<Object>)]
    pub facts: Value,
    pub error: Option<String>,
}

impl PhaseView {
    fn of(phase: model::PhaseView, now_ms: u64) -> Self {
        let seconds = |from: u64| phase.completed_ms.unwrap_or(now_ms).saturating_sub(from) as f64 / 1000.0;
        PhaseView {
            duration_seconds: phase.started_ms.map(seconds),
            id: phase.id.to_string(),
            name: phase.name,
            status: phase.status,
            critical: phase.critical,
            started_at: phase.started_ms.map(time),
            completed_at: phase.completed_ms.map(time),
            tasks: phase.counts.into(),
            facts: phase.facts,
            error: phase.error.as_ref().map(what),
        }
    }
}

/// An error for machines.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetailView {
    pub code: String,
    pub message: String,
    /// Id of the phase.
    pub phase: Option<String>,
    /// Index of the task in its phase.
    pub task: Option<String>,
    /// Of the controller, when it had accepted the write.
    pub request_id: Option<String>,
}

impl From<ErrorView> for ErrorDetailView {
    fn from(e: ErrorView) -> Self {
        ErrorDetailView {
            code: e.code,
            message: e.message,
            phase: e.phase,
            task: e.task,
            request_id: e.request_id,
        }
    }
}

/// A resource a job created or adopted.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourceItem {
    pub id: String,
    pub name: String,
    /// Of a passphrase: whose it is. The passphrase itself is never shown.
    #[serde(rename = "userName", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// False: it was there already and was adopted.
    pub created: bool,
}

/// How many there are of a list that shows the first ones only, and where the rest is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListTotal {
    pub total: u64,
    pub created: u64,
    pub adopted: u64,
    /// There already, and changed to what was wanted.
    pub updated: u64,
    /// All of them, by page, among the tasks of the job.
    pub link: String,
}

/// The first resources of each kind, and the totals.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedView {
    pub totals: BTreeMap<String, ListTotal>,
    #[serde(flatten)]
    pub lists: BTreeMap<String, Vec<ResourceItem>>,
}

/// Kinds an import always shows, so that a reader needs no test for absence.
const KINDS: [&str; 3] = ["identity_group", "dpsk_pool", "passphrase"];

impl CreatedView {
    pub fn of(job: &model::JobView, first: Vec<ResourceView>) -> Self {
        let mut view = CreatedView {
            totals: BTreeMap::new(),
            lists: KINDS.iter().map(|kind| (plural(kind), Vec::new())).collect(),
        };
        if job.plan_reads.is_some() {
            // it has made nothing; what would be made is told with its tasks
            return view;
        }
        for (kind, n) in &job.resources {
            if n.created + n.adopted + n.updated == 0 {
                // of a cleanup: it is not there any more
                continue;
            }
            view.lists.entry(plural(kind)).or_default();
            let total = ListTotal {
                total: n.created + n.adopted + n.updated,
                created: n.created,
                adopted: n.adopted,
                updated: n.updated,
                link: format!(
                    "/api/v1/jobs/{}/tasks?status=COMPLETED&phase={}",
                    job.id,
                    phase_of(kind)
                ),
            };
            view.totals.insert(plural(kind), total);
        }
        for item in first {
            let is_key = item.kind == "passphrase";
            view.lists.entry(plural(&item.kind)).or_default().push(ResourceItem {
                user_name: is_key.then(|| item.name.clone()),
                id: item.id,
                name: item.name,
                created: item.created,
            });
        }
        view
    }
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobBody {
    pub id: String,
    pub workflow_name: String,
    pub workflow_version: u32,
    #[schema(value_type = JobStatusWord)]
    pub status: JobStatus,
    #[schema(value_type = Time)]
    pub created_at: String,
    #[schema(value_type = Option<Time>)]
    pub started_at: Option<String>,
    #[schema(value_type = Time)]
    pub updated_at: String,
    #[schema(value_type = Option<Time>)]
    pub completed_at: Option<String>,
    /// When it ends `FAILED` if it has not ended by then; moves on while it is paused.
    #[schema(value_type = Option<Time>)]
    pub deadline_at: Option<String>,
    /// Of a job in `AWAITING_CONFIRMATION`: it is cancelled when nobody has confirmed it by then.
    #[schema(value_type = Option<Time>)]
    pub confirm_by: Option<String>,
    pub controller_id: i64,
    pub venue_id: String,
    pub tenant_id: String,
    #[schema(value_type = Object)]
    pub options: Value,
    pub submitted_by: String,
    pub current_phase_id: Option<String>,
    pub phases: Vec<PhaseView>,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_resources: Option<CreatedView>,
    pub summary: SummaryView,
    /// The first ones, at most 100, in words a person can act on; why the job was cut short comes first.
    pub errors: Vec<String>,
    pub error_details: Vec<ErrorDetailView>,
    pub errors_total: u64,
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
    #[schema(value_type = Option<TruncationWord>)]
    pub truncation: Option<String>,
    pub resume_of: Option<String>,
    /// Its latest retry.
    pub retried_by: Option<String>,
    /// Its retries, the latest first and 50 at most.
    pub retries: Vec<String>,
    /// Of a plan: what it has found. Absent otherwise, and in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub plan: Option<PlanView>,
    /// Of an import with `plan_hash`: the job that made its plan anew.
    pub plan_checked_by: Option<String>,
    /// That plan is still being made: the import begins, or is cancelled, by itself.
    pub is_plan_awaited: bool,
    /// Of a cleanup: the job whose things it deletes.
    pub cleanup_of: Option<String>,
    /// Its latest cleanup; a dry run is none.
    pub cleaned_by: Option<String>,
    /// Of a cleanup: kind → how many were deleted, or would be by a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub deleted: Option<BTreeMap<String, u64>>,
    /// Of an audit: the job whose things it looks at.
    pub audit_of: Option<String>,
    /// Its latest audit.
    pub audited_by: Option<String>,
    /// Of an audit: what it has found. Absent otherwise, and in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub audit: Option<AuditView>,
}

impl JobBody {
    pub fn of(
        job: model::JobView,
        created_resources: Option<CreatedView>,
        plan: Option<PlanView>,
        audit: Option<AuditView>,
        now_ms: u64,
    ) -> Self {
        let (summary, warnings, notices) = (summary(&job), warnings(&job), notices(job.status, &job.phases));
        let errors = job.errors.iter().map(|e| sentence(e, &job.phases)).collect();
        let deleted = job.cleanup_of.is_some().then(|| cleanup::deleted(&job));
        JobBody {
            id: job.id.to_string(),
            workflow_name: job.workflow,
            workflow_version: job.workflow_version,
            status: job.status,
            created_at: time(job.created_ms),
            started_at: job.started_ms.map(time),
            updated_at: time(job.updated_ms),
            completed_at: job.completed_ms.map(time),
            deadline_at: job.deadline_ms.map(time),
            confirm_by: job.confirm_by_ms.map(time),
            controller_id: job.controller,
            venue_id: job.venue_id,
            tenant_id: job.tenant.to_string(),
            options: job.options,
            submitted_by: job.submitted_by,
            current_phase_id: job.current_phase.as_ref().map(ToString::to_string),
            phases: job.phases.into_iter().map(|p| PhaseView::of(p, now_ms)).collect(),
            created_resources,
            summary,
            errors,
            error_details: job.errors.into_iter().map(Into::into).collect(),
            errors_total: job.errors_total,
            warnings,
            notices,
            eta_seconds: job.eta_seconds,
            limited_by: job.limited_by,
            pause_reason: job.pause_reason,
            truncation: job.truncation,
            resume_of: job.resume_of.as_ref().map(ToString::to_string),
            retried_by: job.retried_by.as_ref().map(ToString::to_string),
            retries: job.retries.iter().map(ToString::to_string).collect(),
            plan,
            plan_checked_by: job.plan_checked_by.as_ref().map(ToString::to_string),
            is_plan_awaited: job.is_plan_unchecked,
            cleanup_of: job.cleanup_of.as_ref().map(ToString::to_string),
            cleaned_by: job.cleaned_by.as_ref().map(ToString::to_string),
            deleted,
            audit_of: job.audit_of.as_ref().map(ToString::to_string),
            audited_by: job.audited_by.as_ref().map(ToString::to_string),
            audit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_and_kinds_have_plurals() {
        assert_eq!(time(1_000_500), "1970-01-01T00:16:40.500Z");
        assert_eq!(
            (plural("dpsk_pool"), plural("policy")),
            ("dpsk_pools".to_owned(), "policies".to_owned())
        );
    }

    #[test]
    fn resources_are_among_the_tasks_of_the_phase_that_makes_them() {
        assert_eq!(phase_of("dpsk_pool"), "create_dpsk_pools");
        assert_eq!(phase_of("network_pool"), "activate_networks");
    }
}
