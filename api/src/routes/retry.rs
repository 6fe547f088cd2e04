//! Retrying jobs.
#![allow(dead_code, reason = "some types are for the OpenAPI document")]

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::cloudpath::parse_corrections;
use shared::id::JobId;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::cloudpath::{self, AcceptedView};
use super::jobs::job_id;
use super::{Access, Endpoint};
use crate::auth::Steerer;
use crate::body::{self, Received};
use crate::error::Problem;
use crate::import;
use crate::limits::Body;
use crate::openapi::params::{Idempotency, JobPath, Wait};
use crate::openapi::scalars::{Flag, Name, Vlan, Whole};
use crate::params::Params;
use crate::retry::{self, Retry};
use crate::state::State;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/api/v1/jobs/{id}/retry", Access::Steer, retry)
            .takes(Body::Corrections)
            .answers_within(cloudpath::IMPORT_ANSWER),
    ]
}

/// What is to be other than it was; may be left out, like the whole body.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Retry)]
pub struct RetryBody {
    /// Each row at most once.
    #[schema(max_items = 100000)]
    corrections: Option<Vec<CorrectionBody>>,
}

/// Fields of one row of the export that is retried. Either `row` or `task_id` says which.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Correction)]
struct CorrectionBody {
    /// Its place in the export, from 0, over all pools: `index` of its task, `row` of the report.
    #[schema(minimum = 0, maximum = 99999, example = 17)]
    row: Option<u32>,
    /// Id of its task of phase `create_passphrases`.
    #[schema(example = "01a21c3f-b648-7329-8625-546bb5256438:create_passphrases:17")]
    task_id: Option<String>,
    fields: CorrectedFields,
}

/// As an export has them; what is left out stays as it was, and null takes a value away.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CorrectedFields)]
struct CorrectedFields {
    #[schema(value_type = Option<Name>)]
    name: Option<()>,
    /// Printable ASCII.
    #[schema(
        min_length = 8,
        max_length = 63,
        pattern = "^[ -~]+$",
        write_only,
        example = "maple-otter-42"
    )]
    passphrase: Option<String>,
    #[serde(rename = "vlanid")]
    #[schema(value_type = Option<Vlan>)]
    vlan_id: Option<()>,
    /// A date and time with an offset.
    #[schema(example = "2027-06-15T00:00-07:00[America/Denver]")]
    expiration_date_time: Option<String>,
    #[schema(value_type = Option<Flag>)]
    use_device_count_limit: Option<()>,
    #[schema(value_type = Option<Whole>)]
    device_count_limit: Option<()>,
}

/// Take up what is left of a job, as a new job.
///
/// Of an import: the keys that failed, whose fate is unknown, or that were never begun, each perhaps with corrected fields. Everything else
/// is looked up and adopted. The new job has the options, the controller and the definition of the old one, which stays as it ended and
/// tells the new one in `retried_by`. From `PARTIAL`, `FAILED` and `CANCELLED`; while a retry of it has not ended there is no other.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/retry", tag = "jobs", params(JobPath, Idempotency, Wait),
    request_body(content = RetryBody, description = "May be left out"),
    responses(
        (status = 202, description = "Accepted as a job of its own, which has not ended", body = AcceptedView,
            headers(("Location" = String, description = "Where the new job is"),
            ("Preference-Applied" = String, description = "`wait=N` when it was waited; not there when too many callers wait"))),
        (status = 200, description = "The new job has ended within the wait that was preferred; or the same key and body came before, and \
            this is the job of then", body = AcceptedView, headers(("Location" = String, description = "Where the new job is"),
            ("Preference-Applied" = String, description = "`wait=N` when it was waited"),
            ("Idempotent-Replayed" = String, description = "`true` of a job of then"))),
        (status = 404, description = "No such job of this tenant"),
        (status = 409, description = "Not from the job's state, which `state` names; or a retry of it, which `detail` names, has not ended"),
        (status = 422, description = "The same key came before with another body, or of another job")))]
async fn retry(
    by: Steerer,
    id: web::Path<String>,
    req: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let admitted = admit(&id, &req, &state);
    let (of, key, permit) = match admitted {
        Ok(admitted) => admitted,
        Err(problem) => {
            // Whoever is sending already hears the answer only when the sending is through.
            body::drain(&mut payload, &state.body_limits).await;
            return Err(problem.closing());
        }
    };
    let (sender, reader) = body::channel();
    let parsing = tokio::task::spawn_blocking(move || parse_corrections(reader, of));
    let (arrival, parsed) = tokio::join!(body::receive(&mut payload, sender, &state.body_limits), parsing);
    let parsed = parsed.map_err(|_| Problem::internal())?;
    let Received { bytes, sha256 } = arrival.map_err(|fault| fault.problem(&state.body_limits))?;
    let tenant = state.owner_for(&by.0, of).await?;
    if bytes > 0 {
        super::require_json(req.headers().get(header::CONTENT_TYPE))?;
    }
    let corrections = parsed.map_err(|error| import::refused(error, None, &state.body_limits))?;

    let asked = Retry {
        of,
        tenant: tenant.clone(),
        by: by.0.subject,
        corrections,
        only: None,
        idempotency: key.map(|key| (key, hash(of, &sha256))),
    };
    let accepting = retry::accept(state.clone().into_inner(), asked, Timestamp::now());
    // A caller who hangs up now does not stop what has begun.
    let accepted = tokio::spawn(accepting).await.map_err(|_| Problem::internal())??;
    drop(permit);
    let location = format!("/api/v1/jobs/{}", accepted.job);
    Ok(cloudpath::answer(&req, &state, &tenant, accepted, location, Some(of)).await)
}

type Admitted = (JobId, Option<String>, OwnedSemaphorePermit);

/// What can be refused before a byte of the body is read.
fn admit(id: &str, req: &HttpRequest, state: &State) -> Result<Admitted, Problem> {
    let of = job_id(id)?;
    Params::of(req).finish()?;
    let key = cloudpath::announced(req, state)?;
    state.store()?;
    Ok((of, key, cloudpath::permit(state)?))
}

/// The same body asks something else of another job.
fn hash(of: JobId, body: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("retry|{of}|"));
    hash.update(body);
    hash.finalize().into()
}
