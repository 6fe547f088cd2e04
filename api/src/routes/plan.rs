//! Planning: what an import would do, and nothing written.

use actix_web::{HttpRequest, HttpResponse, web};
use shared::workflow::catalog;

use super::cloudpath::{self, AcceptedView, IMPORT_ANSWER};
use super::export::ImportBody;
use super::{Access, Endpoint, workflows};
use crate::auth::Submitter;
use crate::body;
use crate::error::Problem;
use crate::import::Aim;
use crate::limits::Body;
use crate::metrics::Metrics;
use crate::openapi::params::{Idempotency, Wait, WorkflowPath};
use crate::state::State;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/api/cloudpath-dpsk/plan", Access::Submit, plan)
            .takes(Body::Export)
            .answers_within(IMPORT_ANSWER),
        Endpoint::post("/api/v1/workflows/{name}/plan", Access::Submit, plan_workflow)
            .takes(Body::Export)
            .answers_within(IMPORT_ANSWER),
    ]
}

/// Find out what an import would do.
///
/// A job that reads the controller and writes nothing. When it has ended, `plan` of its status says how many objects would be made, changed,
/// taken as they are, refused and skipped, phase by phase with the rows behind each; the calls that takes; how long; and a hash, which the
/// import takes as `plan_hash` to begin only if nothing has changed. `COMPLETED`: nothing would fail. `PARTIAL`: something would, as its errors
/// say. `require_confirmation`, `timeout_seconds` and `failure_budget_percent` are those of the import, and change nothing here.
#[utoipa::path(post, path = "/api/cloudpath-dpsk/plan", tag = "cloudpath", request_body = ImportBody, params(Idempotency, Wait),
    responses(
        (status = 202, description = "Accepted as a job, which has not ended", body = AcceptedView,
            headers(("Location" = String, description = "Where its status, and then the plan, is"),
            ("Preference-Applied" = String, description = "`wait=N` when it was waited; not there when too many callers wait"))),
        (status = 200, description = "The plan is made within the wait that was preferred; or the same key and body came before, and this is \
            the job of then", body = AcceptedView, headers(("Location" = String, description = "Where its status, and then the plan, is"),
            ("Preference-Applied" = String, description = "`wait=N` when it was waited"),
            ("Idempotent-Replayed" = String, description = "`true` of a job of then"))),
        (status = 422, description = "The same key came before with another body, or for something else")))]
async fn plan(
    by: Submitter,
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
    metrics: web::Data<Metrics>,
) -> Result<HttpResponse, Problem> {
    let tenant = by.tenant.clone();
    let accepted = cloudpath::take_in(Aim::Plan, by, &req, payload, &state, &metrics).await?;
    let location = cloudpath::status_of(accepted.job);
    Ok(cloudpath::answer(&req, &state, &tenant, accepted, location, None).await)
}

/// Find out what a job of a workflow would do.
///
/// As `POST /api/cloudpath-dpsk/plan`, for any workflow. The body is what a job of it takes: of `cloudpath_dpsk_import` an import.
#[utoipa::path(post, path = "/api/v1/workflows/{name}/plan", tag = "workflows", request_body = ImportBody, params(WorkflowPath, Idempotency, Wait),
    responses(
        (status = 202, description = "Accepted as a job, which has not ended", body = AcceptedView,
            headers(("Location" = String, description = "Where the job, and then the plan, is"),
            ("Preference-Applied" = String, description = "`wait=N` when it was waited; not there when too many callers wait"))),
        (status = 200, description = "The plan is made within the wait that was preferred; or the same key and body came before, and this is \
            the job of then", body = AcceptedView, headers(("Location" = String, description = "Where the job, and then the plan, is"),
            ("Preference-Applied" = String, description = "`wait=N` when it was waited"),
            ("Idempotent-Replayed" = String, description = "`true` of a job of then"))),
        (status = 404, description = "No such workflow"),
        (status = 422, description = "The same key came before with another body, or for something else")))]
async fn plan_workflow(
    by: Submitter,
    name: web::Path<String>,
    req: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
    metrics: web::Data<Metrics>,
) -> Result<HttpResponse, Problem> {
    if *name != catalog::CLOUDPATH_DPSK_IMPORT {
        body::drain(&mut payload, &state.body_limits).await;
        return Err(workflows::unknown(&name).closing());
    }
    let tenant = by.tenant.clone();
    let accepted = cloudpath::take_in(Aim::Plan, by, &req, payload, &state, &metrics).await?;
    let location = format!("/api/v1/jobs/{}", accepted.job);
    Ok(cloudpath::answer(&req, &state, &tenant, accepted, location, None).await)
}
