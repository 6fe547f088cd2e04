//! What calls have in common that start a job about another one and answer with what it has come to: cleanups and audits.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use shared::id::{JobId, TenantId};
use shared::store::model::JobView;
use shared::workflow::catalog::CLOUDPATH_DPSK_IMPORT;

use crate::error::Problem;
use crate::import::Accepted;
use crate::state::State;
use crate::wait::{self, Preference};

/// Seconds that are waited for its end unless another time is preferred.
const WAIT: u64 = 10;

/// A job of another workflow is none where calls are about imports.
pub async fn is_import(state: &State, tenant: &TenantId, job: JobId) -> Result<(), Problem> {
    let found = state.store()?.job(tenant, job).await?;
    match found.is_some_and(|job| job.workflow == CLOUDPATH_DPSK_IMPORT) {
        true => Ok(()),
        false => Err(Problem::no_such_job(&job.to_string())),
    }
}

/// Waits for the end of the job that was accepted. As it is then, and an answer that lacks only its body.
pub async fn ended(
    req: &HttpRequest,
    state: &State,
    tenant: &TenantId,
    accepted: Accepted,
) -> Result<(JobView, HttpResponseBuilder), Problem> {
    let preferred = Preference::of(req);
    let wait = preferred.unwrap_or(Preference::seconds(WAIT));
    let waited = wait::for_end(state, tenant, accepted.job, accepted.status, Some(wait)).await;
    let gone = || Problem::no_such_job(&accepted.job.to_string());
    let job = state.store()?.job(tenant, accepted.job).await?.ok_or_else(gone)?;
    let mut answer = match accepted.replayed || job.status.is_terminal() {
        true => HttpResponse::Ok(),
        false => HttpResponse::Accepted(),
    };
    if let Some(applied) = waited.applied().filter(|_| preferred.is_some()) {
        answer.insert_header(applied);
    }
    if accepted.replayed {
        answer.insert_header(("Idempotent-Replayed", "true"));
    }
    answer.insert_header((header::LOCATION, format!("/api/v1/jobs/{}", accepted.job)));
    Ok((job, answer))
}
