//! Taking away what a job made.

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use shared::id::JobId;
use shared::job::cleanup::CleanupOrder;
use utoipa::ToSchema;

use super::jobs::job_id;
use super::{Access, Endpoint};
use super::{about, cloudpath};
use crate::auth::{Caller, Steerer};
use crate::cleanup::{self, Cleanup};
use crate::error::{Fault, Problem};
use crate::openapi::params::{CleanupWait, Idempotency, JobPath};
use crate::params::Params;
use crate::state::State;
use crate::views::CleanupView;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/api/v1/jobs/{id}/cleanup", Access::Steer, cleanup).answers_within(cloudpath::IMPORT_ANSWER),
        Endpoint::post("/api/cloudpath-dpsk/jobs/{id}/cleanup", Access::Steer, cleanup_import)
            .answers_within(cloudpath::IMPORT_ANSWER),
    ]
}

/// What is to become of what the job made.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CleanupRequest)]
pub struct CleanupBody {
    /// `true` deletes it; `false` keeps it, and only tells what that is.
    delete_partial_resources: bool,
    /// Only tell what would be deleted.
    #[schema(default = false)]
    dry_run: Option<bool>,
    /// Delete also what somebody has changed since it was made. What holds keys or people of others is never deleted.
    #[schema(default = false)]
    force: Option<bool>,
}

/// Take away what a job made.
///
/// As a job of its own: keys, then networks, policy links, pools, identities, groups, policy sets and policies that the job *created*, and
/// nothing it found or changed. Each is compared with what was made: what is gone is passed over, what somebody has changed since stays
/// unless `force` is true, and a pool or a group with keys or people of others stays in any case; `kept` counts them. A second cleanup
/// writes nothing. From `COMPLETED`, `PARTIAL`, `FAILED` and `CANCELLED`; one at a time, and not beside a retry. Keys that a retry of the
/// job made are the retry's: clean that up first.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cleanup", operation_id = "cleanup", tag = "jobs", params(JobPath, Idempotency, CleanupWait),
    request_body = CleanupBody,
    responses(
        (status = 200, description = "The cleanup has ended within the wait, or nothing was to be deleted; or the same key and body came before, \
            and this is the job of then", body = CleanupView, headers(("Location" = String, description = "Where the job is"),
            ("Preference-Applied" = String, description = "`wait=N` when that was preferred"),
            ("Idempotent-Replayed" = String, description = "`true` of a job of then"))),
        (status = 202, description = "It goes on as a job; `deleted` is what is deleted so far", body = CleanupView,
            headers(("Location" = String, description = "Where the job is"),
            ("Preference-Applied" = String, description = "`wait=N` when that was preferred"))),
        (status = 404, description = "No such job of this tenant"),
        (status = 409, description = "Not from the job's state, which `state` names; or another cleanup or a retry of it, which `detail` names, \
            has not ended; or the job makes nothing that is cleaned up"),
        (status = 422, description = "The same key came before with another body, or of another job")))]
async fn cleanup(
    by: Steerer,
    id: web::Path<String>,
    req: HttpRequest,
    body: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    clean_up(by.0, &id, &req, &body, &state, false).await
}

/// Take away what an import made.
///
/// The same as `POST /api/v1/jobs/{id}/cleanup`, of imports only.
#[utoipa::path(post, path = "/api/cloudpath-dpsk/jobs/{id}/cleanup", operation_id = "cleanup_import", tag = "cloudpath",
    params(JobPath, Idempotency, CleanupWait), request_body = CleanupBody,
    responses(
        (status = 200, description = "The cleanup has ended within the wait, or nothing was to be deleted; or the same key and body came before, \
            and this is the job of then", body = CleanupView, headers(("Location" = String, description = "Where the job is"),
            ("Preference-Applied" = String, description = "`wait=N` when that was preferred"),
            ("Idempotent-Replayed" = String, description = "`true` of a job of then"))),
        (status = 202, description = "It goes on as a job; `deleted` is what is deleted so far", body = CleanupView,
            headers(("Location" = String, description = "Where the job is"),
            ("Preference-Applied" = String, description = "`wait=N` when that was preferred"))),
        (status = 404, description = "No such import of this tenant"),
        (status = 409, description = "Not from the job's state, which `state` names; or another cleanup or a retry of it, which `detail` names, \
            has not ended; or it only planned"),
        (status = 422, description = "The same key came before with another body, or of another job")))]
async fn cleanup_import(
    by: Steerer,
    id: web::Path<String>,
    req: HttpRequest,
    body: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    clean_up(by.0, &id, &req, &body, &state, true).await
}

async fn clean_up(
    by: Caller,
    id: &str,
    req: &HttpRequest,
    body: &[u8],
    state: &web::Data<State>,
    only_imports: bool,
) -> Result<HttpResponse, Problem> {
    let of = job_id(id)?;
    Params::of(req).finish()?;
    let key = cloudpath::idempotency_key(req.headers())?;
    let tenant = state.owner_for(&by, of).await?;
    if !body.is_empty() {
        super::require_json(req.headers().get(header::CONTENT_TYPE))?;
    }
    let (delete, order) = read(body, of)?;
    if only_imports {
        about::is_import(state, &tenant, of).await?;
    }
    let asked = Cleanup {
        order,
        tenant: tenant.clone(),
        by: by.subject,
        idempotency: key.map(|key| (key, hash(of, body))),
    };
    if !delete {
        let job = cleanup::keep(state, &asked).await?;
        return Ok(HttpResponse::Ok().json(CleanupView::kept(&job, order.dry_run)));
    }
    let accepting = cleanup::accept(state.clone().into_inner(), asked);
    // A caller who hangs up now does not stop what has begun.
    let accepted = tokio::spawn(accepting).await.map_err(|_| Problem::internal())??;
    let (job, mut answer) = about::ended(req, state, &tenant, accepted).await?;
    Ok(answer.json(CleanupView::of(&job, order.dry_run)))
}

/// Whether anything is to be deleted, and what.
fn read(body: &[u8], of: JobId) -> Result<(bool, CleanupOrder), Problem> {
    const KNOWN: [&str; 3] = ["delete_partial_resources", "dry_run", "force"];
    let mut faults = Vec::new();
    let body = if body.is_empty() { b"{}" } else { body };
    let members = super::members(body, &KNOWN, &mut faults);
    let has_members = faults.is_empty();
    let [delete, dry_run, force] = KNOWN.map(|name| flag(&members, name, &mut faults));
    if delete.is_none() && has_members && faults.is_empty() {
        let detail = "say true to delete what the job made, or false to keep it";
        faults.push(Fault::at("/delete_partial_resources", "MISSING_FIELD", detail));
    }
    match (faults.is_empty(), delete) {
        (true, Some(delete)) => Ok((
            delete,
            CleanupOrder {
                cleanup_of: of,
                force: force.unwrap_or(false),
                dry_run: dry_run.unwrap_or(false),
            },
        )),
        _ => Err(Problem::invalid(faults)),
    }
}

fn flag(members: &Map<String, Value>, name: &str, faults: &mut Vec<Fault>) -> Option<bool> {
    match members.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::Bool(flag)) => Some(*flag),
        Some(_) => {
            faults.push(Fault::at(format!("/{name}"), "WRONG_TYPE", "true or false is needed"));
            None
        }
    }
}

/// The same body asks something else of another job.
fn hash(of: JobId, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("cleanup|{of}|"));
    hash.update(body);
    hash.finalize().into()
}
