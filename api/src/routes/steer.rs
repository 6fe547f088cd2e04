//! Confirming, pausing, resuming and cancelling jobs.

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, http::header};
use serde::Serialize;
use serde_json::Value;
use shared::job::JobStatus;
use shared::store::model::Steered;
use utoipa::ToSchema;

use super::jobs::job_id;
use super::{Access, Endpoint};
use crate::auth::{Caller, Steerer};
use crate::error::{Fault, Problem};
use crate::openapi::params::JobPath;
use crate::openapi::words::JobStatusWord;
use crate::params::Params;
use crate::state::State;

/// Characters of a reason.
const REASON_MAX: usize = 500;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/api/v1/jobs/{id}/confirm", Access::Steer, confirm),
        Endpoint::post("/api/v1/jobs/{id}/pause", Access::Steer, pause),
        Endpoint::post("/api/v1/jobs/{id}/resume", Access::Steer, resume),
        Endpoint::post("/api/v1/jobs/{id}/cancel", Access::Steer, cancel),
    ]
}

/// Why; may be left out, like the whole body.
#[derive(ToSchema)]
#[schema(as = Steering)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub struct SteerBody {
    /// Shown to whoever looks at the job.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// What is asked of a job.
#[derive(Clone, Copy)]
enum Call {
    Confirm,
    Pause,
    Resume,
    Cancel,
}

impl Call {
    fn past(self) -> &'static str {
        match self {
            Call::Confirm => "confirmed",
            Call::Pause => "paused",
            Call::Resume => "resumed",
            Call::Cancel => "cancelled",
        }
    }
}

type Answer = Result<web::Json<SteeredView>, Problem>;

/// A job's state after the call.
#[derive(Debug, Serialize, ToSchema)]
pub struct SteeredView {
    id: String,
    #[schema(value_type = JobStatusWord)]
    status: JobStatus,
    /// False: it was so already.
    changed: bool,
}

/// Begin a job that was held for confirmation.
///
/// From `AWAITING_CONFIRMATION`, where an import with `require_confirmation` is accepted to. Its time begins with its first call. A job
/// that nobody confirms within `JOB_TTL_DAYS` (7, unless configured otherwise) is cancelled with the error `NOT_CONFIRMED`.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/confirm", tag = "jobs", params(JobPath),
    request_body(content = SteerBody, description = "May be left out; a reason is not kept"),
    responses((status = 200, description = "The job after the call", body = SteeredView), (status = 404, description = "No such job of this tenant"),
        (status = 409, description = "Not from the job's state, which `state` names")))]
async fn confirm(
    caller: Steerer,
    id: web::Path<String>,
    req: HttpRequest,
    body: Bytes,
    state: web::Data<State>,
) -> Answer {
    steer(Call::Confirm, &caller.0, &id, &req, &body, &state).await
}

/// Pause a job.
///
/// Nothing new is sent; what was sent is brought to its end. From `PENDING` and `RUNNING`; repeating it changes nothing.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/pause", tag = "jobs", params(JobPath),
    request_body(content = SteerBody, description = "May be left out"),
    responses((status = 200, description = "The job after the call", body = SteeredView), (status = 404, description = "No such job of this tenant"),
        (status = 409, description = "Not from the job's state, which `state` names")))]
async fn pause(
    caller: Steerer,
    id: web::Path<String>,
    req: HttpRequest,
    body: Bytes,
    state: web::Data<State>,
) -> Answer {
    steer(Call::Pause, &caller.0, &id, &req, &body, &state).await
}

/// Continue a paused job.
///
/// From `PAUSED`. The time it was paused does not count.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/resume", tag = "jobs", params(JobPath),
    request_body(content = SteerBody, description = "May be left out; a reason is not kept"),
    responses((status = 200, description = "The job after the call", body = SteeredView), (status = 404, description = "No such job of this tenant"),
        (status = 409, description = "Not from the job's state, which `state` names")))]
async fn resume(
    caller: Steerer,
    id: web::Path<String>,
    req: HttpRequest,
    body: Bytes,
    state: web::Data<State>,
) -> Answer {
    steer(Call::Resume, &caller.0, &id, &req, &body, &state).await
}

/// End a job for good.
///
/// What it created stays. From `PENDING`, `RUNNING`, `PAUSED` and `AWAITING_CONFIRMATION`; repeating it changes nothing.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", params(JobPath),
    request_body(content = SteerBody, description = "May be left out"),
    responses((status = 200, description = "The job after the call", body = SteeredView), (status = 404, description = "No such job of this tenant"),
        (status = 409, description = "Not from the job's state, which `state` names")))]
async fn cancel(
    caller: Steerer,
    id: web::Path<String>,
    req: HttpRequest,
    body: Bytes,
    state: web::Data<State>,
) -> Answer {
    steer(Call::Cancel, &caller.0, &id, &req, &body, &state).await
}

/// The one way of all of them: authorise, read the reason, one call, view.
async fn steer(call: Call, caller: &Caller, id: &str, req: &HttpRequest, body: &[u8], state: &State) -> Answer {
    let job = job_id(id)?;
    Params::of(req).finish()?;
    let reason = reason(req, body, caller)?;
    let tenant = state.owner_for(caller, job).await?;
    let store = state.store()?;
    // why it was paused is what is kept with a job; nothing is kept of why it goes on
    let answer = match call {
        Call::Confirm => store.confirm(&tenant, job).await,
        Call::Pause => store.pause(&tenant, job, &reason).await,
        Call::Resume => store.resume(&tenant, job).await,
        Call::Cancel => store.cancel(&tenant, job, &reason).await,
    };
    let (status, changed) = match answer? {
        Steered::Done(status) => (status, true),
        Steered::Already(status) => (status, false),
        Steered::Refused(status) => {
            let detail = format!("a job that is {} cannot be {}", status.as_str(), call.past());
            return Err(Problem::conflict(status, detail));
        }
        Steered::PlanChecked(by) => {
            let detail = format!(
                "job {by} makes its plan anew; when nothing has changed it begins by itself, or can be confirmed"
            );
            return Err(Problem::conflict(JobStatus::AwaitingConfirmation, detail));
        }
        Steered::NotFound => return Err(Problem::no_such_job(id)),
    };
    Ok(web::Json(SteeredView {
        id: id.to_owned(),
        status,
        changed,
    }))
}

/// The reason given, or who asked. Most callers send no body at all, with whatever content type.
fn reason(req: &HttpRequest, body: &[u8], caller: &Caller) -> Result<String, Problem> {
    let by = format!("asked for by {}", caller.subject);
    if body.is_empty() {
        return Ok(by);
    }
    super::require_json(req.headers().get(header::CONTENT_TYPE))?;
    let mut faults = Vec::new();
    let members = super::members(body, &["reason"], &mut faults);
    let reason = match members.get("reason") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) if text.chars().count() <= REASON_MAX => text.trim(),
        Some(Value::String(_)) => {
            faults.push(Fault::at(
                "/reason",
                "TOO_LONG",
                format!("at most {REASON_MAX} characters"),
            ));
            ""
        }
        Some(_) => {
            faults.push(Fault::at("/reason", "WRONG_TYPE", "a string is needed"));
            ""
        }
    };
    match (faults.is_empty(), reason) {
        (false, _) => Err(Problem::invalid(faults)),
        (true, "") => Ok(by),
        (true, text) => Ok(format!("{text} ({by})")),
    }
}
