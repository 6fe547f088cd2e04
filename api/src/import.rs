//! From an import's body to an accepted job: read and judge while it arrives, plan, seal, stage, submit. Until the last
//! step nothing exists that would not go away by itself.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use shared::blob;
use shared::cloudpath::{self, Code, Estimate, Export, ImportPlan, ImportRequest, Mapper, Rate, RequestError, Row};
use shared::controllers::Controller;
use shared::id::{JobId, TenantId};
use shared::job::JobStatus;
use shared::seal::Sealer;
use shared::secret::SecretString;
use shared::store::model::{Durability, NewJob, NotTakenUp, PinnedTo, Submitted, TakesUp};
use shared::store::{Store, StoreError};
use shared::workflow::catalog;

use crate::auth::Submitter;
use crate::body::{BodyFault, BodyReader};
use crate::error::{Fault, Kind, Problem};
use crate::follow;
use crate::state::State;

/// Rows of a staged chunk: about 20 KiB packed, so that one write to the store stays short.
const CHUNK_ROWS: usize = 1_000;
/// Pauses before a submission whose answer was lost is repeated. It carries its job id: repeating it makes no second job.
const SUBMIT_RETRIES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_secs(2),
];

/// What an import became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    pub job: JobId,
    pub estimated_seconds: u64,
    pub status: JobStatus,
    /// The same key and body came before: this is the job of then.
    pub replayed: bool,
    /// It is held until this job has made its plan anew.
    pub plan_awaited: Option<JobId>,
    pub durability: Durability,
}

/// Reads the body in a blocking thread, while `receive` feeds it.
pub fn parse(reader: BodyReader, now: Timestamp) -> Result<ImportRequest, RequestError> {
    cloudpath::parse_request(reader, now)
}

/// What a caller is told of a body that was refused. `arrival` says how its transport ended.
pub fn refused(error: RequestError, arrival: Option<BodyFault>, limits: &crate::body::BodyLimits) -> Problem {
    match (error, arrival) {
        (RequestError::Read(_), Some(fault)) => fault.problem(limits),
        (RequestError::Read(_), None) => BodyFault::Incomplete.problem(limits),
        (RequestError::Malformed(fault), _) => Problem::invalid(vec![view(fault)]),
        (RequestError::Content(faults), _) => {
            let total = faults.total();
            Problem::invalid_of(faults.into_list().into_iter().map(view).collect(), total)
        }
    }
}

fn view(fault: cloudpath::Fault) -> Fault {
    let pointer = if fault.pointer == cloudpath::DOCUMENT {
        String::new()
    } else {
        fault.pointer
    };
    Fault::at(pointer, &code(fault.code), fault.detail)
}

fn code(code: Code) -> String {
    // A code is a unit variant: it serialises as a string.
    serde_json::to_value(code)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Checks what only the API knows: whether the tenant has such a controller.
pub fn controller(state: &State, tenant: &TenantId, request: &ImportRequest) -> Result<Arc<Controller>, Problem> {
    let id = request.controller_id;
    let found = state.controllers.current().for_tenant(id, tenant).cloned();
    found.ok_or_else(|| {
        Problem::invalid(vec![Fault::at(
            "/controller_id",
            "UNKNOWN_CONTROLLER",
            format!("there is no controller {id} for this tenant"),
        )])
    })
}

/// A plan follows none.
pub fn fits(aim: Aim, request: &ImportRequest) -> Result<(), Problem> {
    match (aim, &request.options.plan_hash) {
        (Aim::Plan, Some(_)) => Err(Problem::invalid(vec![Fault::at(
            "/options/plan_hash",
            "NOT_FOR_PLANS",
            "a plan is made of what is there now; give the hash to the import",
        )])),
        _ => Ok(()),
    }
}

/// A chunk as it is stored: packed rows, and the box of their passphrases.
pub(crate) struct Chunk {
    rows: Vec<u8>,
    sealed: Vec<u8>,
}

impl Chunk {
    /// `secrets` at the positions of their rows.
    pub(crate) fn of<R: Serialize>(
        sealer: &Sealer,
        job: JobId,
        number: u32,
        rows: &[R],
        secrets: &[Option<SecretString>],
    ) -> Result<Self, Problem> {
        let sealed = sealer.seal_column(&place(job, number), secrets);
        Ok(Chunk {
            rows: blob::pack(rows).map_err(|_| Problem::internal())?,
            sealed: sealed.map_err(|_| Problem::internal())?,
        })
    }
}

/// Place of a chunk's sealed column: workers open it with the same words.
pub(crate) fn place(job: JobId, number: u32) -> String {
    format!("{job}|input|{number}")
}

/// Everything that is stored of a job, made in a blocking thread.
struct Prepared {
    new: NewJob,
    chunks: Vec<Chunk>,
}

/// What is made of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// It is carried out.
    Import,
    /// It is found out what an import would do.
    Plan,
}

impl Aim {
    /// The hash of a body that asks for this. The same body asks something else of another route.
    pub fn told_apart(self, body: [u8; 32]) -> [u8; 32] {
        match self {
            Aim::Import => body,
            Aim::Plan => Sha256::new().chain_update("plan|").chain_update(body).finalize().into(),
        }
    }
}

/// An import as it was sent, judged and found good.
pub struct Asked {
    pub by: Submitter,
    pub request: ImportRequest,
    pub controller: Arc<Controller>,
    /// The caller's key and the hash of the body.
    pub idempotency: Option<(String, [u8; 32])>,
    pub aim: Aim,
}

/// Plans, seals, stages and submits. To be called in a task of its own, so that a caller who hangs up does not stop it
/// half way.
pub async fn accept(state: Arc<State>, asked: Asked, now: Timestamp) -> Result<Accepted, Problem> {
    let store = state.store()?.clone();
    let tenant = asked.by.tenant.clone();
    let is_pinned = asked.request.options.plan_hash.is_some();
    // else the plan would be made anew for nothing
    let key = asked.idempotency.as_ref().filter(|_| is_pinned);
    if let Some(then) = accepted_before(&store, &tenant, key).await? {
        return follow::checked(&state, &store, &tenant, then).await;
    }
    let prepare = {
        let state = state.clone();
        move || prepare(&state, asked, now)
    };
    let prepared = tokio::task::spawn_blocking(prepare)
        .await
        .map_err(|_| Problem::internal())??;
    // the job that was asked for is the last one
    let mut accepted = None;
    for Prepared { new, chunks } in prepared {
        for (number, chunk) in (0u32..).zip(chunks) {
            stage(&store, &new.tenant, new.id, number, chunk).await?;
        }
        accepted = Some(submit(&store, &new).await?);
    }
    let accepted = accepted.ok_or_else(Problem::internal)?;
    match is_pinned {
        true => follow::checked(&state, &store, &tenant, accepted).await,
        false => Ok(accepted),
    }
}

/// Stages a chunk; when that fails, all that was staged of the job is taken back.
pub(crate) async fn stage(
    store: &Store,
    tenant: &TenantId,
    job: JobId,
    number: u32,
    chunk: Chunk,
) -> Result<(), Problem> {
    let staged = store.stage_input(tenant, job, number, chunk.rows, chunk.sealed).await;
    if let Err(error) = &staged
        // Redis that is away cannot be asked to forget either: nobody waits for a second time-out
        && !matches!(error, StoreError::Unavailable { .. })
    {
        discard(store, tenant, job).await;
    }
    Ok(staged?)
}

/// The job that was asked for; of one that is to follow a plan, after the job that makes the plan anew: when we die in between, a plan is
/// left, which writes nothing.
fn prepare(state: &State, asked: Asked, now: Timestamp) -> Result<Vec<Prepared>, Problem> {
    let Asked {
        by,
        request,
        controller,
        mut idempotency,
        aim,
    } = asked;
    let workflow = catalog::find(catalog::CLOUDPATH_DPSK_IMPORT).ok_or_else(Problem::internal)?;
    let (plan, mapper) = cloudpath::plan(&request.export, &request.options, now);
    let rate = rate(state, &controller);
    let estimate = Estimate::of(&plan, rate);
    let options = serde_json::to_value(&request.options).map_err(|_| Problem::internal())?;
    let follows = request.options.plan_hash.clone().filter(|_| aim == Aim::Import);
    let input_meta = meta(&plan)?;

    let anew = JobId::generate();
    let aims = match (aim, &follows) {
        (Aim::Import, Some(_)) => vec![(anew, Aim::Plan), (JobId::generate(), Aim::Import)],
        (aim, _) => vec![(anew, aim)],
    };
    let ids: Vec<JobId> = aims.iter().map(|(id, _)| *id).collect();
    let chunks = chunks(&state.sealer, &ids, request.export, &mapper)?;
    let mut prepared = Vec::with_capacity(aims.len());
    for ((id, aim), chunks) in aims.into_iter().zip(chunks) {
        let is_plan = aim == Aim::Plan;
        let predicted_seconds = match is_plan {
            true => estimate.planning_seconds(rate),
            false => estimate.seconds,
        };
        let new = NewJob {
            id,
            tenant: by.tenant.clone(),
            controller: request.controller_id,
            venue_id: request.venue_id.clone(),
            workflow: match is_plan {
                true => Cow::Owned(workflow.for_plan()),
                false => Cow::Borrowed(workflow),
            },
            options: options.clone(),
            input_meta: input_meta.clone(),
            input_chunks: u32::try_from(chunks.len()).map_err(|_| Problem::internal())?,
            expected_tasks: estimate.tasks_of(workflow, is_plan),
            timeout_seconds: timeout(
                state,
                request.options.timeout_seconds.filter(|_| !is_plan),
                predicted_seconds,
            ),
            predicted_seconds,
            // a plan tells all conflicts
            failure_budget_percent: request.options.failure_budget_percent.filter(|_| !is_plan),
            submitted_by: by.caller.subject.clone(),
            // of the job that was asked for, and of no plan beside it
            idempotency: idempotency.take_if(|_| !is_plan || follows.is_none()),
            require_confirmation: request.options.require_confirmation && !is_plan,
            ttl_seconds: state.engine.job_ttl.as_secs(),
            takes_up: None,
            plan_reads: is_plan.then_some(estimate.reads),
            pinned_to: follows
                .clone()
                .filter(|_| !is_plan)
                .map(|hash| PinnedTo { hash, by: anew }),
        };
        prepared.push(Prepared { new, chunks });
    }
    Ok(prepared)
}

pub(crate) fn rate(state: &State, controller: &Controller) -> Rate {
    Rate {
        calls_per_minute: f64::from(controller.limits.calls_per_minute),
        burst: f64::from(controller.limits.burst),
        concurrency: controller.limits.concurrency.min(state.engine.calls_parallel_max),
    }
}

/// For the whole job: as asked for, else by its size.
pub(crate) fn timeout(state: &State, asked_for: Option<u64>, predicted: u64) -> u64 {
    let at_least = state.engine.global_timeout.as_secs();
    asked_for.unwrap_or_else(|| at_least.max(predicted.saturating_mul(3)))
}

/// What is known of the input without its rows: sums for `skip_condition`, and the plan that the phases follow.
pub(crate) fn meta(plan: &ImportPlan) -> Result<serde_json::Value, Problem> {
    let all = serde_json::to_value(plan).map_err(|_| Problem::internal())?;
    Ok(json!({
        "rows": plan.totals.rows,
        "imports": plan.totals.imports,
        "skips": plan.totals.skips,
        "groups": plan.groups.len(),
        "pools": plan.pools.len(),
        "plan": all,
    }))
}

/// Rows without secrets in one blob, their passphrases in one box at the same positions; for each of `jobs`, since a box opens in one alone.
/// A row that is skipped needs no passphrase any more, so none is kept.
fn chunks(sealer: &Sealer, jobs: &[JobId], export: Export, mapper: &Mapper) -> Result<Vec<Vec<Chunk>>, Problem> {
    let mut chunks: Vec<Vec<Chunk>> = jobs.iter().map(|_| Vec::new()).collect();
    let mut left = export.rows.into_iter().peekable();
    let mut number = 0;
    while left.peek().is_some() {
        let keep = |row: Row, secret| (row.skip.is_none().then_some(secret), row);
        let mapped = left.by_ref().take(CHUNK_ROWS).map(|row| mapper.map(row));
        let (secrets, rows): (Vec<_>, Vec<_>) = mapped.map(|(row, secret)| keep(row, secret)).unzip();
        for (job, of_job) in jobs.iter().zip(&mut chunks) {
            of_job.push(Chunk::of(sealer, *job, number, &rows, &secrets)?);
        }
        number += 1;
    }
    Ok(chunks)
}

pub(crate) async fn submit(store: &Store, new: &NewJob) -> Result<Accepted, Problem> {
    let mut pauses = SUBMIT_RETRIES.into_iter();
    let answer = loop {
        match store.submit(new).await {
            Err(error) if error.is_transient() => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                // It may have been accepted: what was staged is left alone, and goes by itself if it was not.
                None => {
                    let unknown = "Redis did not answer; send it again with the same Idempotency-Key to make sure that it becomes one job";
                    tracing::warn!(job = %new.id, %error, "a submission was not answered");
                    return Err(Problem::new(Kind::Unavailable, unknown));
                }
            },
            answer => break answer?,
        }
    };
    match answer {
        Submitted::Accepted(durability) => {
            tracing::info!(job = %new.id, tenant = %new.tenant, controller = new.controller, tasks = new.expected_tasks,
                ?durability, "a job was accepted");
            Ok(Accepted {
                job: new.id,
                estimated_seconds: new.predicted_seconds,
                status: new.first_status(),
                replayed: false,
                plan_awaited: None,
                durability,
            })
        }
        Submitted::Replay(job) => {
            discard(store, &new.tenant, new.id).await;
            replayed(store, &new.tenant, job).await
        }
        Submitted::KeyReused => {
            discard(store, &new.tenant, new.id).await;
            Err(key_reused())
        }
        Submitted::NotTakenUp(why) => {
            discard(store, &new.tenant, new.id).await;
            let (of, past) = match new.takes_up {
                Some(TakesUp::Retry(of)) => (of, "retried"),
                Some(TakesUp::Cleanup(of)) => (of, "cleaned up"),
                Some(TakesUp::Audit(of)) => (of, "audited"),
                None => return Err(Problem::internal()),
            };
            Err(not_taken_up(why, of, past))
        }
    }
}

/// The job of then, where the same key and body came before; the key with another body is refused.
pub async fn accepted_before(
    store: &Store,
    tenant: &TenantId,
    key: Option<&(String, [u8; 32])>,
) -> Result<Option<Accepted>, Problem> {
    let Some(key) = key else { return Ok(None) };
    match store.accepted_before(tenant, key).await? {
        Some(Submitted::Replay(job)) => replayed(store, tenant, job).await.map(Some),
        Some(_) => Err(key_reused()),
        None => Ok(None),
    }
}

/// The job of then.
pub(crate) async fn replayed(store: &Store, tenant: &TenantId, job: JobId) -> Result<Accepted, Problem> {
    // The estimate of then: it may depend on limits that have changed since. The state is that of now.
    let then = store.job(tenant, job).await?;
    Ok(Accepted {
        job,
        estimated_seconds: then.as_ref().map_or(0, |j| j.predicted_seconds),
        status: then.map_or(JobStatus::Pending, |j| j.status),
        replayed: true,
        plan_awaited: None,
        // more may have been reached then; that is not kept
        durability: Durability::Accepted,
    })
}

pub(crate) fn key_reused() -> Problem {
    let detail = "this Idempotency-Key was used for another body; use a new key for a new request";
    Problem::new(Kind::KeyReused, detail)
}

/// Why job `of` cannot be `past`: retried, cleaned up, or audited.
pub(crate) fn not_taken_up(why: NotTakenUp, of: JobId, past: &str) -> Problem {
    let under_way = |what, job| Problem::new(Kind::Conflict, format!("job {job} is a {what} of it and has not ended"));
    match why {
        NotTakenUp::NotFound => Problem::no_such_job(&of.to_string()),
        NotTakenUp::Refused(status) => {
            let detail = format!("a job that is {} cannot be {past}", status.as_str());
            Problem::conflict(status, detail)
        }
        NotTakenUp::Retrying(retry) => under_way("retry", retry),
        NotTakenUp::Cleaning(cleanup) => under_way("cleanup", cleanup),
    }
}

/// Takes back what was staged. When that fails, or is not tried, it goes by itself within the hour.
pub(crate) async fn discard(store: &Store, tenant: &TenantId, job: JobId) {
    if let Err(error) = store.discard_input(tenant, job).await {
        tracing::debug!(%job, %error, "staged input is left to expire");
    }
}
