//! Importing Cloudpath exports.

use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::Serialize;
use shared::id::{JobId, TenantId};
use shared::job::JobStatus;
use shared::store::model::Durability;
use shared::workflow::catalog::CLOUDPATH_DPSK_IMPORT;
use shared::workflow::plan::name_of_plans;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::export::ImportBody;
use super::jobs::{job_id, now_ms};
use super::{Access, Endpoint};
use crate::auth::{Reader, Submitter};
use crate::body::{self, Received};
use crate::error::{Fault, Kind, Problem};
use crate::import::{self, Accepted, Aim, Asked};
use crate::limits::Body;
use crate::metrics::Metrics;
use crate::openapi::params::{Idempotency, JobPath, Wait};
use crate::openapi::words::{DurabilityWord, JobStatusWord};
use crate::params::Params;
use crate::remotes;
use crate::state::State;
use crate::views::{CreatedView, StatusView};
use crate::wait::{self, Preference};

/// Resources of each kind shown in a status.
const CREATED_SHOWN: usize = 100;
/// A minute for planning and staging 100,000 rows, and one for `Prefer: wait`.
pub(super) const IMPORT_ANSWER: Duration = Duration::from_secs(120);
const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/api/cloudpath-dpsk/import", Access::Submit, import)
            .takes(Body::Export)
            .answers_within(IMPORT_ANSWER),
        Endpoint::get("/api/cloudpath-dpsk/jobs/{id}/status", Access::Read, status),
    ]
}

/// A job that was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub struct AcceptedView {
    #[schema(format = Uuid)]
    job_id: String,
    #[schema(value_type = JobStatusWord)]
    status: JobStatus,
    /// From the number of calls and what the controller's limits allow.
    estimated_duration_seconds: u64,
    /// What of Redis may die without taking the job along, as far as was waited for (`SUBMIT_DURABILITY`) and came in time. `accepted`: the
    /// process; `replicated`: the master, if a replica that has the job takes its place; `fsynced`: its machine.
    #[schema(value_type = DurabilityWord)]
    durability: Durability,
    /// Of a retry: the job it takes up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Uuid, nullable = false)]
    resume_of: Option<String>,
    /// Of an import with `plan_hash` whose plan is still being made anew: this job makes it, and the import then begins, or is cancelled, by
    /// itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Uuid, nullable = false)]
    plan_awaited: Option<String>,
}

/// Import an export into a controller.
///
/// The body is checked whole before anything is accepted; every fault is told with its place. The keys of the caller's export go to
/// identity groups, DPSK pools and passphrases named after it; what is there and equal is adopted, so that a second import writes nothing.
///
/// With `plan_hash` it is held while the plan is made anew, and begins when nothing has changed. When that takes longer than 10 s, the answer
/// is a 202 and the state `AWAITING_CONFIRMATION`: it begins, or is cancelled with `PLAN_CHANGED` or `PLAN_NOT_CHECKED`, by itself.
#[utoipa::path(post, path = "/api/cloudpath-dpsk/import", tag = "cloudpath", request_body = ImportBody, params(Idempotency, Wait),
    responses(
        (status = 202, description = "Accepted as a job, which has not ended; nothing that happens to any process of ours loses it",
            body = AcceptedView, headers(("Location" = String, description = "Where its status is"),
            ("Preference-Applied" = String, description = "`wait=N` when it was waited; not there when too many callers wait"))),
        (status = 200, description = "The job has ended within the wait that was preferred; or the same key and body came before, and this is \
            the job of then", body = AcceptedView, headers(("Location" = String, description = "Where its status is"),
            ("Preference-Applied" = String, description = "`wait=N` when it was waited"),
            ("Idempotent-Replayed" = String, description = "`true` of a job of then"))),
        (status = 409, description = "Of an import with `plan_hash`: what it would do has changed since the plan was made, as `difference` tells; \
            or the plan could not be made anew, as the job in `detail` tells. Nothing was sent to the controller"),
        (status = 422, description = "The same key came before with another body")))]
async fn import(
    by: Submitter,
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
    metrics: web::Data<Metrics>,
) -> Result<HttpResponse, Problem> {
    let tenant = by.tenant.clone();
    let accepted = take_in(Aim::Import, by, &req, payload, &state, &metrics).await?;
    let location = status_of(accepted.job);
    Ok(answer(&req, &state, &tenant, accepted, location, None).await)
}

/// Where the status of an import, or of a plan of one, is.
pub(super) fn status_of(job: JobId) -> String {
    format!("/api/cloudpath-dpsk/jobs/{job}/status")
}

/// From a body that arrives to an accepted job.
pub(super) async fn take_in(
    aim: Aim,
    by: Submitter,
    req: &HttpRequest,
    mut payload: web::Payload,
    state: &web::Data<State>,
    metrics: &web::Data<Metrics>,
) -> Result<Accepted, Problem> {
    let admitted = admit(req, state);
    let (key, permit) = match admitted {
        Ok(admitted) => admitted,
        Err(problem) => {
            // Whoever is sending already hears the answer only when the sending is through.
            body::drain(&mut payload, &state.body_limits).await;
            return Err(problem.closing());
        }
    };
    let reading = Reading::of(metrics);
    let now = Timestamp::now();
    let (sender, reader) = body::channel();
    let parsing = tokio::task::spawn_blocking(move || import::parse(reader, now));
    let (arrival, parsed) = tokio::join!(body::receive(&mut payload, sender, &state.body_limits), parsing);
    let parsed = parsed.map_err(|_| Problem::internal())?;
    let request = parsed.map_err(|error| import::refused(error, arrival.err(), &state.body_limits))?;
    let Received { bytes, sha256 } = arrival.map_err(|fault| fault.problem(&state.body_limits))?;
    metrics.import_bytes.inc_by(bytes);

    import::fits(aim, &request)?;
    let controller = import::controller(state, &by.tenant, &request)?;
    let asked = Asked {
        by,
        request,
        controller,
        idempotency: key.map(|key| (key, aim.told_apart(sha256))),
        aim,
    };
    let accepting = import::accept(state.clone().into_inner(), asked, now);
    // A caller who hangs up now does not stop what has begun.
    let accepted = tokio::spawn(accepting).await.map_err(|_| Problem::internal())??;
    drop(permit);
    drop(reading);
    Ok(accepted)
}

/// The answer to a call that has started a job, perhaps after its end.
pub(super) async fn answer(
    req: &HttpRequest,
    state: &State,
    tenant: &TenantId,
    accepted: Accepted,
    location: String,
    resume_of: Option<JobId>,
) -> HttpResponse {
    let waited = wait::for_end(state, tenant, accepted.job, accepted.status, Preference::of(req)).await;
    let mut answer = if accepted.replayed {
        HttpResponse::Ok()
    } else {
        HttpResponse::build(waited.answer())
    };
    if let Some(applied) = waited.applied() {
        answer.insert_header(applied);
    }
    if accepted.replayed {
        answer.insert_header(("Idempotent-Replayed", "true"));
    }
    answer.insert_header((header::LOCATION, location));
    answer.json(AcceptedView {
        job_id: accepted.job.to_string(),
        status: waited.status,
        estimated_duration_seconds: accepted.estimated_seconds,
        durability: accepted.durability,
        resume_of: resume_of.map(|job| job.to_string()),
        plan_awaited: accepted.plan_awaited.map(|job| job.to_string()),
    })
}

/// What can be refused before a byte of the body is read. The caller's idempotency key, and the right to be read.
fn admit(req: &HttpRequest, state: &State) -> Result<(Option<String>, OwnedSemaphorePermit), Problem> {
    Params::of(req).finish()?;
    super::require_json(req.headers().get(header::CONTENT_TYPE))?;
    let key = announced(req, state)?;
    state.store()?;
    Ok((key, permit(state)?))
}

/// The caller's idempotency key, of a request whose body is not known to be refused.
pub(super) fn announced(req: &HttpRequest, state: &State) -> Result<Option<String>, Problem> {
    if let Some(coding) = req.headers().get(header::CONTENT_ENCODING)
        && coding != "identity"
    {
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            "send the body uncompressed, without Content-Encoding",
        ));
    }
    let limit = state.body_limits.bytes_max;
    let announced = req
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit) {
        return Err(Problem::too_large(limit));
    }
    idempotency_key(req.headers())
}

/// The right to be read.
pub(super) fn permit(state: &State) -> Result<OwnedSemaphorePermit, Problem> {
    state.imports.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            Kind::Busy,
            "this server reads as many imports at once as it can; try again in a moment",
        )
    })
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY);
    let bad = |detail: &str| Problem::invalid(vec![Fault::header("Idempotency-Key", "BAD_VALUE", detail)]);
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(bad("given more than once"));
    }
    let text = value.as_bytes();
    let fits = (1..=255).contains(&text.len()) && text.iter().all(|b| (0x20..0x7f).contains(b));
    match value.to_str() {
        Ok(key) if fits => Ok(Some(key.to_owned())),
        _ => Err(bad("takes 1 to 255 printable ASCII characters")),
    }
}

/// Counts an import while its body is read, however that ends.
struct Reading(web::Data<Metrics>);

impl Reading {
    fn of(metrics: &web::Data<Metrics>) -> Self {
        metrics.imports.inc();
        Reading(metrics.clone())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.imports.dec();
    }
}

/// How far an import is.
///
/// Cheap enough to be asked every second, also of 100,000 keys.
#[utoipa::path(get, path = "/api/cloudpath-dpsk/jobs/{id}/status", tag = "cloudpath", params(JobPath),
    responses((status = 200, description = "Its status", body = StatusView), (status = 404, description = "No such import of this tenant")))]
async fn status(
    caller: Reader,
    id: web::Path<String>,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<web::Json<StatusView>, Problem> {
    let id = job_id(&id)?;
    Params::of(&req).finish()?;
    let tenant = state.tenant_for(&caller.0, id).await?;
    let store = state.store()?;
    let found = store
        .job_with_resources(&tenant, id, CREATED_SHOWN)
        .await?
        .filter(|(job, _)| {
            job.workflow == CLOUDPATH_DPSK_IMPORT || job.workflow == name_of_plans(CLOUDPATH_DPSK_IMPORT)
        });
    let (job, first) = found.ok_or_else(|| Problem::no_such_job(&id.to_string()))?;
    let plan = remotes::plan(store, &state, &job).await?;
    let created = CreatedView::of(&job, first);
    Ok(web::Json(StatusView::of(job, created, plan, now_ms())))
}
