//! Batches that were given up, and taking them up again.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use shared::cloudpath::Corrections;
use shared::id::Unit;
use shared::job::JobStatus;
use shared::store::{DeadLetter, DeadUnit, LetterId, Replay, Store};

use super::cloudpath::{self, AcceptedView};
use super::{Access, Endpoint};
use crate::auth::{Administrator, Caller};
use crate::error::{Kind, Problem};
use crate::import::{self, Accepted};
use crate::limits::Body;
use crate::openapi::params::{Idempotency, LetterPath, Page, Wait};
use crate::params::Params;
use crate::retry::{self, Retry};
use crate::state::State;
use crate::views::{DeadLetterView, PageView};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/v1/admin/dead-letters", Access::Administer, dead_letters),
        Endpoint::post(
            "/api/v1/admin/dead-letters/{letter}/replay",
            Access::Administer,
            replay_dead_letter,
        )
        .takes(Body::None)
        .answers_within(cloudpath::IMPORT_ANSWER),
        Endpoint::delete(
            "/api/v1/admin/dead-letters/{letter}",
            Access::Administer,
            dismiss_dead_letter,
        ),
    ]
}

/// One that can't be read belongs to nobody: it is the operator's.
fn may_see(caller: &Caller, letter: &DeadLetter) -> bool {
    let tenant = letter.unit.as_ref().map(|unit| &unit.tenant);
    caller.sees_all() || tenant.is_some_and(|tenant| caller.tenant.as_ref() == Some(tenant))
}

fn no_such(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    Problem::new(Kind::NotFound, format!("there is no dead letter `{id}`"))
}

/// Which letter is meant, and what it is, if it is still one that the caller may see.
async fn find(store: &Store, by: &Caller, id: &str) -> Result<(LetterId, Option<DeadLetter>), Problem> {
    let letter: LetterId = id.parse().map_err(|_| no_such(id))?;
    if store.partitions().all(|p| p != letter.partition) {
        return Err(no_such(id));
    }
    let found = store.dead_letter(&letter).await?;
    Ok((letter, found.filter(|letter| may_see(by, letter))))
}

/// Dead letters.
///
/// Batches that were given up because workers kept dying over them, newest first within a partition: those of the caller's tenant, of all
/// tenants for an operator. The tasks of such a batch ended `FAILED` with the code `POISON`, unless their writes were found to have been
/// carried out. Each says whether it can be replayed, and what to do about it if not. The newest 10,000 of a partition are kept, as long as
/// their jobs are.
#[utoipa::path(get, path = "/api/v1/admin/dead-letters", tag = "admin", params(Page),
    responses((status = 200, description = "A page of dead letters", body = PageView<DeadLetterView>)))]
async fn dead_letters(
    by: Administrator,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<web::Json<PageView<DeadLetterView>>, Problem> {
    let mut params = Params::of(&req);
    let behind: Option<LetterId> = params.parsed("cursor", "next_cursor of the page before");
    let limit = params.limit();
    params.finish()?;
    let store = state.store()?;
    let seen = |letter: &DeadLetter| may_see(&by.0, letter);
    let mut found: Vec<DeadLetter> = Vec::new();
    let first = behind.as_ref().map_or(0, |id| id.partition.0);
    for p in store.partitions().filter(|p| p.0 >= first) {
        let behind = behind.as_ref().filter(|id| id.partition == p);
        // one more than there is room for tells whether this is the end
        found.extend(store.dead_letters(p, behind, limit + 1 - found.len(), seen).await?);
        if found.len() > limit {
            break;
        }
    }
    let is_end = found.len() <= limit;
    found.truncate(limit);
    Ok(web::Json(PageView {
        next_cursor: found.last().filter(|_| !is_end).map(|letter| letter.id.to_string()),
        items: found.into_iter().map(DeadLetterView::of).collect(),
    }))
}

/// Take up a batch that was given up.
///
/// As a retry of its job: of a batch of keys about those keys alone, of any other about all that is left of the job. The job has to have ended. The
/// letter is none any more then; asked for again, within a day, it answers with the job that took it up. What can't be replayed (`replayable`) is
/// refused with what can be done instead.
#[utoipa::path(post, path = "/api/v1/admin/dead-letters/{letter}/replay", tag = "admin", params(LetterPath, Idempotency, Wait),
    responses(
        (status = 202, description = "Accepted as a job of its own, which has not ended", body = AcceptedView,
            headers(("Location" = String, description = "Where the new job is"),
            ("Preference-Applied" = String, description = "`wait=N` when it was waited; not there when too many callers wait"))),
        (status = 200, description = "The new job has ended within the wait that was preferred; or the letter was taken up before, and this \
            is the job of then", body = AcceptedView, headers(("Location" = String, description = "Where the new job is"),
            ("Preference-Applied" = String, description = "`wait=N` when it was waited"),
            ("Idempotent-Replayed" = String, description = "`true` of a job of then"))),
        (status = 404, description = "No such dead letter of this tenant"),
        (status = 409, description = "Its job has not ended, or ended `COMPLETED`, as `state` says; or it is a cleanup, an audit or a plan; or a retry \
            or cleanup of it has not ended. `detail` says which, and what to do"),
        (status = 422, description = "The same key came before with something else")))]
async fn replay_dead_letter(
    by: Administrator,
    id: web::Path<String>,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    Params::of(&req).finish()?;
    let key = cloudpath::idempotency_key(req.headers())?;
    let (store, permit) = (state.store()?, cloudpath::permit(&state)?);
    let (letter, found) = find(store, &by.0, &id).await?;
    let (tenant, of, accepted) = match found {
        Some(found) => {
            let unit = may_be_replayed(found)?;
            let (tenant, of) = (unit.tenant.clone(), unit.job);
            let taking = take_up(state.clone().into_inner(), letter, unit, by.0.subject, key);
            // A caller who hangs up now does not stop what has begun.
            let accepted = tokio::spawn(taking).await.map_err(|_| Problem::internal())??;
            (tenant, Some(of), accepted)
        }
        None => {
            let job = store.replay_of(&letter).await?.ok_or_else(|| no_such(&id))?;
            let tenant = state.owner_for(&by.0, job).await.map_err(|_| no_such(&id))?;
            let accepted = import::replayed(store, &tenant, job).await?;
            (tenant, None, accepted)
        }
    };
    drop(permit);
    let location = format!("/api/v1/jobs/{}", accepted.job);
    Ok(cloudpath::answer(&req, &state, &tenant, accepted, location, of).await)
}

/// What it is about; or what can be done instead.
fn may_be_replayed(letter: DeadLetter) -> Result<DeadUnit, Problem> {
    let advice = letter.replay.advice();
    match (letter.replay, letter.unit, advice) {
        (_, Some(unit), None) => Ok(unit),
        (Replay::NotEnded(status), _, advice) => Err(Problem::conflict(status, advice.unwrap_or_default())),
        (Replay::NothingLeft, _, advice) => Err(Problem::conflict(JobStatus::Completed, advice.unwrap_or_default())),
        (_, _, advice) => Err(Problem::new(Kind::Conflict, advice.unwrap_or_default())),
    }
}

/// Dismiss a dead letter.
///
/// It is none any more, and nothing else is changed: its tasks stay as they ended. For what is done otherwise, or is not to be done.
#[utoipa::path(delete, path = "/api/v1/admin/dead-letters/{letter}", tag = "admin", params(LetterPath),
    responses((status = 204, description = "It is none any more"),
        (status = 404, description = "No such dead letter of this tenant; also when it was dismissed or replayed before")))]
async fn dismiss_dead_letter(
    by: Administrator,
    id: web::Path<String>,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    Params::of(&req).finish()?;
    let store = state.store()?;
    let (letter, found) = find(store, &by.0, &id).await?;
    if found.is_none() || !store.dismiss_letter(&letter).await? {
        return Err(no_such(&id));
    }
    tracing::info!(%letter, by = by.0.subject, "a dead letter is dismissed");
    Ok(HttpResponse::NoContent().finish())
}

/// A crash in between leaves the letter; asked for again it finds the same job, by its own key or the caller's.
async fn take_up(
    state: std::sync::Arc<State>,
    letter: LetterId,
    unit: DeadUnit,
    by: String,
    key: Option<String>,
) -> Result<Accepted, Problem> {
    // no caller's key has a blank
    let key = key.unwrap_or_else(|| format!("dead letter {letter}"));
    let hash = Sha256::digest(format!("replay|{letter}")).into();
    let asked = Retry {
        of: unit.job,
        tenant: unit.tenant,
        by,
        corrections: Corrections::default(),
        only: Some(Unit {
            job: unit.job,
            phase: unit.phase,
            batch: unit.batch,
        }),
        idempotency: Some((key, hash)),
    };
    let accepted = retry::accept(state.clone(), asked, Timestamp::now()).await?;
    state.store()?.letter_replayed(&letter, accepted.job).await?;
    Ok(accepted)
}
