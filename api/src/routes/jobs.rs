//! Looking at jobs and their tasks.

use actix_web::{HttpRequest, web};
use shared::id::{JobId, PhaseId};
use shared::job::{JobStatus, TaskStatus};
use shared::store::model::{JobFilter, Scope, TaskFilter};

use super::{Access, Endpoint};
use crate::auth::Reader;
use crate::error::Problem;
use crate::params::Params;
use crate::state::State;
use crate::views::{CreatedView, JobBody, PageView, TaskBody};

/// Resources of each kind shown with a job: enough to look at, not so many that watching a job gets slow.
const CREATED_SHOWN: usize = 20;
const CREATED_MAX: usize = 100;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/v1/jobs", Access::Read, list),
        Endpoint::get("/api/v1/jobs/{id}", Access::Read, one),
        Endpoint::get("/api/v1/jobs/{id}/tasks", Access::Read, tasks),
    ]
}

/// A job id from a path. Text that is no id names no job.
pub fn job_id(text: &str) -> Result<JobId, Problem> {
    text.parse().map_err(|_| Problem::no_such_job(text))
}

/// Now, milliseconds since the epoch.
pub fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// Jobs, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(
    ("status" = Option<String>, Query, description = "State of the job, e.g. RUNNING"),
    ("workflow" = Option<String>, Query, description = "Name of the workflow"),
    ("controller" = Option<i64>, Query, description = "Id of the controller"),
    ("from" = Option<String>, Query, description = "Created at or after (RFC 3339)"),
    ("to" = Option<String>, Query, description = "Created before (RFC 3339)"),
    ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
    ("limit" = Option<u32>, Query, description = "Jobs of a page, 1 to 200; 50 unless told")),
    responses((status = 200, body = PageView<JobBody>)))]
async fn list(
    caller: Reader,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<web::Json<PageView<JobBody>>, Problem> {
    let mut params = Params::of(&req);
    let filter = JobFilter {
        status: params.read("status", "a state of a job, e.g. RUNNING", JobStatus::parse),
        workflow: params.text("workflow"),
        controller: params.parsed("controller", "the id of a controller"),
        from_ms: params.time_ms("from"),
        to_ms: params.time_ms("to"),
    };
    let cursor = params.read("cursor", "next_cursor of the page before", |c| {
        is_job_cursor(c).then(|| c.to_owned())
    });
    let limit = params.limit();
    params.finish()?;
    let scope = match (caller.0.sees_all(), caller.0.tenant) {
        (false, Some(tenant)) => Scope::Tenant(tenant),
        (true, _) => Scope::All,
        (false, None) => return Err(Problem::internal()),
    };
    let page = state.store()?.jobs(&scope, &filter, cursor.as_deref(), limit).await?;
    let now = now_ms();
    Ok(web::Json(PageView::of(page, |job| JobBody::of(job, None, now))))
}

/// Creation time and job, as the store writes it. Anything else is a fault, not a silent first page.
fn is_job_cursor(cursor: &str) -> bool {
    cursor
        .split_once('.')
        .is_some_and(|(ms, id)| ms.parse::<u64>().is_ok() && id.parse::<JobId>().is_ok())
}

fn is_task_cursor(cursor: &str) -> bool {
    let parts: Vec<_> = cursor.split('.').collect();
    parts.len() == 3 && parts.iter().all(|n| n.parse::<u32>().is_ok())
}

/// One job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(
    ("id", description = "Id of the job"),
    ("resources" = Option<u32>, Query, description = "Created resources shown of each kind, 0 to 100; 20 unless told")),
    responses((status = 200, body = JobBody), (status = 404, description = "No such job of this tenant")))]
async fn one(
    caller: Reader,
    id: web::Path<String>,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<web::Json<JobBody>, Problem> {
    let id = job_id(&id)?;
    let mut params = Params::of(&req);
    let shown = params.read("resources", "a number from 0 to 100", |n| {
        n.parse().ok().filter(|n| *n <= CREATED_MAX)
    });
    params.finish()?;
    let tenant = state.tenant_for(&caller.0, id).await?;
    let store = state.store()?;
    let job = store
        .job(&tenant, id)
        .await?
        .ok_or_else(|| Problem::no_such_job(&id.to_string()))?;
    let first = match shown.unwrap_or(CREATED_SHOWN) {
        0 => Vec::new(),
        cap => store.created(&tenant, id, None, cap).await?,
    };
    let created = CreatedView::of(&job, first);
    Ok(web::Json(JobBody::of(job, Some(created), now_ms())))
}

/// The tasks of a job, in the order of phases and rows. Only planned ones: a phase that has not begun has none yet.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/tasks", tag = "jobs", params(
    ("id", description = "Id of the job"),
    ("status" = Option<String>, Query, description = "State of the task, e.g. FAILED"),
    ("phase" = Option<String>, Query, description = "Id of the phase"),
    ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
    ("limit" = Option<u32>, Query, description = "Tasks of a page, 1 to 200; 50 unless told")),
    responses((status = 200, body = PageView<TaskBody>), (status = 404, description = "No such job of this tenant")))]
async fn tasks(
    caller: Reader,
    id: web::Path<String>,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<web::Json<PageView<TaskBody>>, Problem> {
    let id = job_id(&id)?;
    let mut params = Params::of(&req);
    let filter = TaskFilter {
        status: params.read("status", "a state of a task, e.g. FAILED", TaskStatus::parse),
        phase: params.parsed::<PhaseId>("phase", "the id of a phase"),
    };
    let cursor = params.read("cursor", "next_cursor of the page before", |c| {
        is_task_cursor(c).then(|| c.to_owned())
    });
    let limit = params.limit();
    params.finish()?;
    let tenant = state.tenant_for(&caller.0, id).await?;
    let page = state
        .store()?
        .tasks(&tenant, id, &filter, cursor.as_deref(), limit)
        .await?;
    let page = page.ok_or_else(|| Problem::no_such_job(&id.to_string()))?;
    let (polls, retries) = (state.engine.poll_attempts_max, state.engine.retry_max);
    Ok(web::Json(PageView::of(page, |task| TaskBody::of(task, polls, retries))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_of_ours_are_told_from_nonsense() {
        assert!(is_job_cursor("1763800000000.0197a1b2-0000-7000-8000-000000000000"));
        assert!(is_task_cursor("5.17.99"));
        for bad in ["", "x", "1.2", "5.17.-1", "1763800000000.x"] {
            assert!(!is_job_cursor(bad) && !is_task_cursor(bad), "{bad}");
        }
    }
}
