//! Looking at jobs and their tasks.

use actix_web::{HttpRequest, web};
use shared::id::{JobId, PhaseId};
use shared::job::audit::Verdict;
use shared::job::{JobStatus, TaskStatus};
use shared::store::model::{JobCursor, JobFilter, Scope, TaskFilter};
use shared::workflow::plan::Planned;
use shared::workflow::{Definition, catalog};

use super::{Access, Endpoint};
use crate::audit;
use crate::auth::Reader;
use crate::error::{Fault, Problem};
use crate::openapi::params as docs;
use crate::params::Params;
use crate::remotes;
use crate::state::State;
use crate::views::{CreatedView, JobBody, PageView, TaskBody, TaskContext};

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
///
/// Of the caller's tenant; of all tenants for an operator. Filters add up.
#[utoipa::path(get, path = "/api/v1/jobs", operation_id = "jobs", tag = "jobs", params(docs::JobFilter, docs::Page),
    responses((status = 200, description = "A page of jobs", body = PageView<JobBody>)))]
async fn list(
    caller: Reader,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<web::Json<PageView<JobBody>>, Problem> {
    let mut params = Params::of(&req);
    let filter = JobFilter {
        status: params.list("status", "a state of a job, such as RUNNING", JobStatus::parse),
        workflow: params.text("workflow"),
        controller: params.parsed("controller", "the id of a controller"),
        venue: params.text("venue"),
        from_ms: params.time_ms("from"),
        to_ms: params.time_ms("to"),
    };
    let scope = match (caller.0.sees_all(), caller.0.tenant) {
        (false, Some(tenant)) => Scope::Tenant(tenant),
        (true, _) => Scope::All,
        (false, None) => return Err(Problem::internal()),
    };
    // anything that is not ours is a fault, not a silent first page
    let cursor = params.read("cursor", "next_cursor of the page before", |c| {
        c.parse().ok().filter(|c: &JobCursor| c.is_of(&scope))
    });
    let limit = params.limit();
    params.finish()?;
    let page = state.store()?.jobs(&scope, &filter, cursor.as_ref(), limit).await?;
    let now = now_ms();
    Ok(web::Json(PageView::of(page, |job| {
        JobBody::of(job, None, None, None, now)
    })))
}

/// The number of the phase a cursor is in; none: it is no cursor.
fn phase_of_cursor(cursor: &str) -> Option<usize> {
    let numbers: Result<Vec<u32>, _> = cursor.split('.').map(str::parse).collect();
    match numbers.ok()?.as_slice() {
        [phase, _batch, _position] => usize::try_from(*phase).ok(),
        _ => None,
    }
}

/// Which tasks are meant, as far as the parameters `status` and `phase` tell.
pub fn task_filter(params: &mut Params) -> TaskFilter {
    TaskFilter {
        status: params.list("status", "a state of a task, such as FAILED", TaskStatus::parse),
        phase: params.parsed::<PhaseId>("phase", "the id of a phase"),
        name: None,
        planned: params.list(
            "planned",
            "create, update, adopt, delete, conflict or skip",
            Planned::parse,
        ),
        verdict: params.list(
            "verdict",
            "missing, changed, extra, present, pending, not_expected or not_judged",
            Verdict::parse,
        ),
    }
}

/// What only the job can tell of a question for its tasks: a phase it does not have, a cursor that is none of its own. They must not
/// answer an empty page: "no failed tasks" would be believed.
pub fn check(definition: &Definition, filter: &TaskFilter, cursor: Option<&str>) -> Result<(), Problem> {
    let mut faults = Vec::new();
    if let Some(phase) = filter.phase.as_ref().filter(|p| definition.phase(p).is_none()) {
        let known: Vec<_> = definition.phases.iter().map(|p| p.id.as_str()).collect();
        let detail = format!("the job has no phase `{phase}`; it has {}", known.join(", "));
        faults.push(Fault::parameter("phase", "UNKNOWN_PHASE", detail));
    }
    if !filter.planned.is_empty() && !definition.is_plan() {
        let detail = "the job is no plan; status tells what became of its tasks";
        faults.push(Fault::parameter("planned", "NOT_A_PLAN", detail));
    }
    if !filter.verdict.is_empty() && definition.name != catalog::CLOUDPATH_DPSK_AUDIT {
        let detail = "the job is no audit; status tells what became of its tasks";
        faults.push(Fault::parameter("verdict", "NOT_AN_AUDIT", detail));
    }
    if cursor
        .and_then(phase_of_cursor)
        .is_some_and(|p| p >= definition.phases.len())
    {
        let detail = "takes next_cursor of the page before, of the same job";
        faults.push(Fault::parameter("cursor", "BAD_VALUE", detail));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid(faults))
    }
}

/// One job.
///
/// With its phases, the first resources it created or adopted, and the first errors. Of a plan or an audit, with what it has found.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", operation_id = "job", tag = "jobs", params(docs::JobPath, docs::Shown),
    responses((status = 200, description = "The job", body = JobBody), (status = 404, description = "No such job of this tenant")))]
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
    let found = store
        .job_with_resources(&tenant, id, shown.unwrap_or(CREATED_SHOWN))
        .await?;
    let (job, first) = found.ok_or_else(|| Problem::no_such_job(&id.to_string()))?;
    let plan = remotes::plan(store, &state, &job).await?;
    let found = audit::found(store, &job).await?;
    let created = CreatedView::of(&job, first);
    Ok(web::Json(JobBody::of(job, Some(created), plan, found, now_ms())))
}

/// Tasks of a job.
///
/// In the order of phases and rows. Only planned ones: a phase that has not begun has none yet.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/tasks", operation_id = "tasks", tag = "jobs",
    params(docs::JobPath, docs::TaskFilter, docs::TaskName, docs::Page),
    responses((status = 200, description = "A page of tasks", body = PageView<TaskBody>),
        (status = 400, description = "A parameter that is not known or takes something else, a phase the job does not have, a cursor of another job: each is listed in errors"),
        (status = 404, description = "No such job of this tenant")))]
async fn tasks(
    caller: Reader,
    id: web::Path<String>,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<web::Json<PageView<TaskBody>>, Problem> {
    let id = job_id(&id)?;
    let mut params = Params::of(&req);
    let mut filter = task_filter(&mut params);
    filter.name = params.text("name").map(|part| part.to_lowercase());
    let cursor = params.read("cursor", "next_cursor of the page before", |c| {
        phase_of_cursor(c).map(|_| c.to_owned())
    });
    let limit = params.limit();
    params.finish()?;
    let tenant = state.tenant_for(&caller.0, id).await?;
    let store = state.store()?;
    let gone = || Problem::no_such_job(&id.to_string());
    let job = store.known_job(&tenant, id).await?.ok_or_else(gone)?;
    let definition = job.definition();
    check(definition, &filter, cursor.as_deref())?;
    let page = store.tasks(&job, &filter, cursor.as_deref(), limit).await?;
    let named = TaskContext::named_by(definition, page.items.iter().map(|t| &t.phase));
    let names = store.names_of(&tenant, id, &named).await?;
    let context = TaskContext::of(definition.clone(), &state.engine, names);
    Ok(web::Json(PageView::of(page, |task| TaskBody::of(task, &context))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_of_ours_are_told_from_nonsense() {
        let (acme, id) = ("acme".parse().unwrap(), "0197a1b2-0000-7000-8000-000000000000");
        for (text, scope) in [
            (format!("1763800000000.{id}"), Scope::Tenant(acme)),
            (format!("1763800000000.{id}.a.c-me"), Scope::All),
        ] {
            let cursor: JobCursor = text.parse().unwrap();
            assert_eq!(cursor.to_string(), text);
            assert!(cursor.is_of(&scope));
        }
        assert_eq!(phase_of_cursor("5.17.99"), Some(5));
        for bad in ["", "x", "1.2", "5.17.-1", "1763800000000.x"] {
            assert!(
                bad.parse::<JobCursor>().is_err() && phase_of_cursor(bad).is_none(),
                "{bad}"
            );
        }
    }
}
