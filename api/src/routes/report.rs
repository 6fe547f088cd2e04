//! A job's report: one row for each of its tasks, as a file.

use std::time::Duration;

use actix_web::http::{Version, header};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use futures_util::stream;
use shared::job::JobStatus;
use utoipa::ToSchema;

use super::jobs::{check, job_id, task_filter};
use super::{Access, Endpoint};
use crate::auth::Reader;
use crate::error::{Kind, Problem};
use crate::openapi::params as docs;
use crate::openapi::words::{JobStatusWord, Time};
use crate::params::Params;
use crate::report::{self, Broken, Format};
use crate::state::State;
use crate::views::{RowView, TaskContext};

/// State of the job when its report was begun: a CSV has no other place for it.
const JOB_STATUS: &str = "phaseline-job-status";
/// 100,000 rows in this time are 17 kB a second.
const WHOLE_MAX: Duration = Duration::from_secs(30 * 60);

pub fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::get("/api/v1/jobs/{id}/report", Access::Read, report).streams_for(WHOLE_MAX)]
}

/// A report in JSON.
#[derive(ToSchema)]
#[schema(as = Report)]
#[expect(
    dead_code,
    reason = "for the OpenAPI document; the report itself is written as a stream"
)]
pub struct ReportView {
    job_id: String,
    #[schema(example = "cloudpath_dpsk_import")]
    workflow_name: String,
    /// Of the job, when the report was begun.
    #[schema(value_type = JobStatusWord)]
    status: JobStatus,
    #[schema(value_type = Time)]
    generated_at: String,
    rows: Vec<RowView>,
    /// Comes last: whoever does not find it has not got all.
    rows_total: u64,
}

/// Report of a job.
///
/// One row for each task of a job, in the order of phases and rows; those planned so far, each as it is when its row is written. Secrets
/// are in none of them. Of a job that has not ended it is a report all the same: `Phaseline-Job-Status` and the name of the file say so,
/// in JSON also `status`. A download that does not end properly (CSV: without the end of its last chunk; JSON: without `rows_total`) is
/// not whole: Redis went away, or the caller took nothing for a minute.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/report", tag = "jobs", params(docs::JobPath, docs::ReportFormat, docs::TaskFilter),
    responses(
        (status = 200, description = "The report, as an attachment. CSV is that of RFC 4180 in UTF-8, with a header; a cell that a spreadsheet would \
            take for a formula has a `'` before it",
            content((ReportView = "application/json"), (String = "text/csv", example = "phase,row,task_id,name,pool,status,outcome,resource_type,\
resource_id,resource_name,error_code,error_message,request_id,attempts,polls,started_at,completed_at\r\n")),
            headers(("Content-Disposition" = String, description = "A name for the file; of a job that has not ended it tells the state, \
                such as `phaseline-<id>-running.csv`"),
                ("Phaseline-Job-Status" = JobStatusWord, description = "State of the job when the report was begun; tasks of one that had not ended \
                may have changed since"))),
        (status = 400, description = "A parameter that is not known or takes something else, a phase the job does not have: each is listed in errors"),
        (status = 404, description = "No such job of this tenant"),
        (status = 503, description = "Redis is away, or this server sends as many reports as it can; Retry-After says when to come back"),
        (status = 505, description = "CSV over HTTP/1.0, where a broken download cannot be told from a whole one")))]
async fn report(
    caller: Reader,
    id: web::Path<String>,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let id = job_id(&id)?;
    let mut params = Params::of(&req);
    let format = params
        .read("format", "csv or json", Format::parse)
        .unwrap_or(Format::Json);
    let filter = task_filter(&mut params);
    params.finish()?;
    if format == Format::Csv && req.version() < Version::HTTP_11 {
        let detail = "ask with HTTP/1.1: over HTTP/1.0 a broken download cannot be told from a whole one";
        return Err(Problem::new(Kind::Other(505), detail));
    }
    let store = state.store()?;
    let permit = state.reports.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            Kind::Busy,
            "this server sends as many reports at once as it can; try again in a moment",
        )
    })?;
    let tenant = state.tenant_for(&caller.0, id).await?;
    let gone = || Problem::no_such_job(&id.to_string());
    let known = store.known_job(&tenant, id).await?.ok_or_else(gone)?;
    let definition = known.definition();
    check(definition, &filter, None)?;
    let job = store.job(&tenant, id).await?.ok_or_else(gone)?;
    let named = TaskContext::named_by(definition, definition.phases.iter().map(|p| &p.id));
    let names = store.names_of(&tenant, id, &named).await?;
    let walk = store.walk_tasks(&known, filter);
    let context = TaskContext::of(definition.clone(), &state.engine, names);
    let now = jiff::Timestamp::now();
    let mut pieces = report::begin(walk, context, &job, format!("{now:.3}"), format, permit).map_err(broken)?;
    // what goes wrong before the first piece can still be told
    let first = pieces.recv().await.ok_or_else(Problem::internal)?.map_err(broken)?;
    let rest = stream::poll_fn(move |c| pieces.poll_recv(c));
    let extension = if format == Format::Csv { "csv" } else { "json" };
    let standing = match job.status.is_terminal() {
        true => String::new(),
        // a file that says so itself is not taken for the end
        false => format!("-{}", job.status.as_str().to_ascii_lowercase().replace('_', "-")),
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, format.media_type()))
        .insert_header((JOB_STATUS, job.status.as_str()))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"phaseline-{id}{standing}.{extension}\""),
        ))
        .streaming(stream::iter([Ok(first)]).chain(rest)))
}

fn broken(error: Broken) -> Problem {
    match error {
        Broken::Store(error) => error.into(),
        Broken::Row(error) => {
            tracing::error!(%error, "a report cannot be written");
            Problem::internal()
        }
    }
}
