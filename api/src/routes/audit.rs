//! Looking whether all is as a job left it.

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::id::JobId;
use utoipa::ToSchema;

use super::jobs::job_id;
use super::{Access, Endpoint};
use super::{about, cloudpath};
use crate::audit::{self, Audit};
use crate::auth::{Caller, Steerer};
use crate::error::Problem;
use crate::openapi::params::{AuditWait, Idempotency, JobPath};
use crate::params::Params;
use crate::state::State;
use crate::views::AuditView;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/api/v1/jobs/{id}/audit", Access::Steer, audit).answers_within(cloudpath::IMPORT_ANSWER),
        Endpoint::post("/api/cloudpath-dpsk/jobs/{id}/audit", Access::Steer, audit_import)
            .answers_within(cloudpath::IMPORT_ANSWER),
    ]
}

/// Nothing has to be said; may be left out.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuditRequest)]
pub struct AuditBody {}

/// Look whether all is as a job left it.
///
/// As a job of its own, which reads the controller as it is now, and writes nothing: everything the job created, adopted or changed is
/// compared field by field with what is there. `missing`, `changed` and `extra` are results, not failures: the audit is `COMPLETED` when it
/// could read everything, whatever it found. Its tasks are one for each item of the job and one for each extra key. Of a paused job what it
/// has not come to is `pending`; of one that was cleaned up, what the cleanup deleted is missing. From `COMPLETED`, `PARTIAL`, `FAILED`,
/// `CANCELLED` and `PAUSED`; not beside a retry or a cleanup of the job.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/audit", operation_id = "audit", tag = "jobs", params(JobPath, Idempotency, AuditWait),
    request_body(content = AuditBody, description = "May be left out"),
    responses(
        (status = 200, description = "The audit has ended within the wait; or the same key and body came before, and this is the job of then",
            body = AuditView, headers(("Location" = String, description = "Where the job is"),
            ("Preference-Applied" = String, description = "`wait=N` when that was preferred"),
            ("Idempotent-Replayed" = String, description = "`true` of a job of then"))),
        (status = 202, description = "It goes on as a job; when that has ended, member `audit` of the job is the same", body = AuditView,
            headers(("Location" = String, description = "Where the job is"),
            ("Preference-Applied" = String, description = "`wait=N` when that was preferred"))),
        (status = 404, description = "No such job of this tenant"),
        (status = 409, description = "Not from the job's state, which `state` names; or a cleanup or a retry of it, which `detail` names, has not \
            ended; or the job leaves nothing behind that is audited"),
        (status = 422, description = "The same key came before with another body, or of another job")))]
async fn audit(
    by: Steerer,
    id: web::Path<String>,
    req: HttpRequest,
    body: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    look(by.0, &id, &req, &body, &state, false).await
}

/// Look whether all is as an import left it.
///
/// The same as `POST /api/v1/jobs/{id}/audit`, of imports only.
#[utoipa::path(post, path = "/api/cloudpath-dpsk/jobs/{id}/audit", operation_id = "audit_import", tag = "cloudpath",
    params(JobPath, Idempotency, AuditWait), request_body(content = AuditBody, description = "May be left out"),
    responses(
        (status = 200, description = "The audit has ended within the wait; or the same key and body came before, and this is the job of then",
            body = AuditView, headers(("Location" = String, description = "Where the job is"),
            ("Preference-Applied" = String, description = "`wait=N` when that was preferred"),
            ("Idempotent-Replayed" = String, description = "`true` of a job of then"))),
        (status = 202, description = "It goes on as a job; when that has ended, member `audit` of the job is the same", body = AuditView,
            headers(("Location" = String, description = "Where the job is"),
            ("Preference-Applied" = String, description = "`wait=N` when that was preferred"))),
        (status = 404, description = "No such import of this tenant"),
        (status = 409, description = "Not from the job's state, which `state` names; or a cleanup or a retry of it, which `detail` names, has not \
            ended; or it only planned"),
        (status = 422, description = "The same key came before with another body, or of another job")))]
async fn audit_import(
    by: Steerer,
    id: web::Path<String>,
    req: HttpRequest,
    body: Bytes,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    look(by.0, &id, &req, &body, &state, true).await
}

async fn look(
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
        let mut faults = Vec::new();
        super::members(body, &[], &mut faults);
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
    }
    if only_imports {
        about::is_import(state, &tenant, of).await?;
    }
    let asked = Audit {
        of,
        tenant: tenant.clone(),
        by: by.subject,
        idempotency: key.map(|key| (key, hash(of))),
    };
    let accepting = audit::accept(state.clone().into_inner(), asked);
    // A caller who hangs up now does not stop what has begun.
    let accepted = tokio::spawn(accepting).await.map_err(|_| Problem::internal())??;
    let (job, mut answer) = about::ended(req, state, &tenant, accepted).await?;
    let gone = || Problem::no_such_job(&job.id.to_string());
    let found = audit::found(state.store()?, &job).await?.ok_or_else(gone)?;
    Ok(answer.json(found))
}

/// The same key asks something else of another job. A body has nothing to say.
fn hash(of: JobId) -> [u8; 32] {
    Sha256::digest(format!("audit|{of}|")).into()
}
