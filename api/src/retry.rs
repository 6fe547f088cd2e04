//! From an ended job and corrected rows to a job that takes up what is left of it. Until the last step nothing exists that would not go
//! away by itself.
//!
//! Its input is that of the old job, sealed anew chunk by chunk, since a box opens only in the job it was made for. A chunk or two are in
//! memory at a time, and the corrected rows.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::blob;
use shared::cloudpath::{
    Corrections, Estimate, ImportOptions, ImportPlan, ROWS_PHASE, RequestError, Revised, Revision, Row, RowScope,
};
use shared::controllers::Controller;
use shared::id::{JobId, PhaseId, TenantId, Unit};
use shared::job::audit::AuditOrder;
use shared::job::cleanup::CleanupOrder;
use shared::job::outcome::Outcome;
use shared::job::task::TaskInput;
use shared::job::{Steer, TaskStatus};
use shared::seal::SealError;
use shared::secret::SecretString;
use shared::store::model::{NewJob, TakesUp};
use shared::store::{JobSpec, Store};
use shared::workflow::catalog;

use crate::error::{Fault, Kind, Problem};
use crate::import::{self, Accepted, Chunk};
use crate::state::State;

/// What is asked for.
pub struct Retry {
    pub of: JobId,
    pub tenant: TenantId,
    /// Who asks.
    pub by: String,
    pub corrections: Corrections,
    /// Of an import: about the rows of this batch alone.
    pub only: Option<Unit>,
    /// The caller's key and the hash of the body.
    pub idempotency: Option<(String, [u8; 32])>,
}

/// Judges, copies and submits. To be called in a task of its own, so that a caller who hangs up does not stop it half way.
pub async fn accept(state: Arc<State>, retry: Retry, now: Timestamp) -> Result<Accepted, Problem> {
    let store = state.store()?.clone();
    let (of, tenant) = (retry.of, &retry.tenant);
    // looked at before the key is: what the same key made in between is the answer, and not in its own way
    let refused = store.not_taken_up(tenant, of, Steer::Retry).await?;
    if let Some(then) = import::accepted_before(&store, tenant, retry.idempotency.as_ref()).await? {
        return Ok(then);
    }
    if let Some(why) = refused {
        return Err(import::not_taken_up(why, of, "retried"));
    }
    let spec = store.job_spec(store.partition_of(tenant), of).await?;
    let spec = spec.ok_or_else(|| Problem::no_such_job(&of.to_string()))?;
    if let Some(order) = CleanupOrder::of(&spec.input) {
        let detail = format!("a cleanup is not retried; clean up job {} once more", order.cleanup_of);
        return Err(Problem::new(Kind::Conflict, detail));
    }
    if let Some(order) = AuditOrder::of(&spec.input) {
        let detail = format!("an audit is not retried; audit job {} once more", order.audit_of);
        return Err(Problem::new(Kind::Conflict, detail));
    }
    let controller = state.controllers.current().for_tenant(spec.controller, tenant).cloned();
    let Some(controller) = controller else {
        let detail = format!(
            "its controller {} is not there for this tenant any more",
            spec.controller
        );
        return Err(Problem::new(Kind::Conflict, detail));
    };
    let old = Old {
        state: state.clone(),
        store,
        spec,
    };
    if old.spec.definition.is_plan() {
        let detail = "a plan is not retried: make a new one, it costs only reads";
        return Err(Problem::new(Kind::Conflict, detail));
    }
    // its plan is not that of a retry, so what was to follow one, and has not begun, would begin without
    if old.spec.options["plan_hash"].is_string() {
        let seen = old.store.job(tenant, of).await?;
        if seen.is_none_or(|job| job.started_ms.is_none()) {
            let detail = "it was to follow a plan, and nothing of it has begun: plan the export anew, and import it with the hash of that plan";
            return Err(Problem::new(Kind::Conflict, detail));
        }
    }
    match old.spec.definition.name == catalog::CLOUDPATH_DPSK_IMPORT {
        true => old.import(retry, &controller, now).await,
        false => old.whole(retry).await,
    }
}

/// The job that is retried.
struct Old {
    state: Arc<State>,
    store: Store,
    spec: JobSpec,
}

impl Old {
    /// An import: about the rows that are left, with those that were corrected.
    async fn import(self, retry: Retry, controller: &Controller, now: Timestamp) -> Result<Accepted, Problem> {
        let plan: ImportPlan = member(&self.spec.input["plan"])?;
        let before: RowScope = member(&self.spec.input["scope"])?;
        let options: ImportOptions = member(&self.spec.options)?;
        let left = self.left(plan.totals.rows, &before).await?;
        let scope = match &retry.only {
            Some(batch) => self.within(batch, left).await?,
            None => left,
        };
        let corrections = retry.corrections;
        let mut revised = match corrections.is_empty() {
            true => Revised::unchanged(plan),
            false => self.revise(corrections, plan, options, scope.clone(), now).await?,
        };
        let mut input = import::meta(&revised.plan)?;
        if !scope.is_all() {
            input["scope"] = scope.to_string().into();
        }

        let id = JobId::generate();
        let (mut rows, mut imports) = (0, 0);
        for number in 0..self.spec.input_chunks {
            let mut chunk = self.chunk::<Row>(number).await?;
            revised.apply(&mut chunk);
            let about = chunk.iter().filter(|(row, _)| scope.contains(row.row));
            for (row, _) in about {
                rows += 1;
                imports += u32::from(row.skip.is_none());
            }
            self.stage(&retry.tenant, id, number, chunk).await?;
        }
        // what it costs are the rows it is about
        (revised.plan.totals.rows, revised.plan.totals.imports) = (rows, imports);
        let estimate = Estimate::of(&revised.plan, import::rate(&self.state, controller));
        let new = self.new_job(
            id,
            retry.tenant,
            retry.by,
            retry.idempotency,
            input,
            u64::from(estimate.total_tasks()),
            estimate.seconds,
        );
        import::submit(&self.store, &new).await
    }

    /// A job of another workflow: all of it once more, which finds what is there.
    async fn whole(self, retry: Retry) -> Result<Accepted, Problem> {
        if !retry.corrections.is_empty() {
            let detail = "this job has no rows that could be corrected";
            return Err(Problem::invalid(vec![Fault::at("/corrections", "UNKNOWN_ROW", detail)]));
        }
        let seen = self.store.job(&retry.tenant, retry.of).await?;
        let seen = seen.ok_or_else(|| Problem::no_such_job(&retry.of.to_string()))?;
        let id = JobId::generate();
        for number in 0..self.spec.input_chunks {
            let chunk = self.chunk::<Value>(number).await?;
            self.stage(&retry.tenant, id, number, chunk).await?;
        }
        let new = self.new_job(
            id,
            retry.tenant,
            retry.by,
            retry.idempotency,
            self.spec.input.clone(),
            seen.counts.total(),
            seen.predicted_seconds,
        );
        import::submit(&self.store, &new).await
    }

    #[expect(clippy::too_many_arguments, reason = "what differs from the old job, in one list")]
    fn new_job(
        &self,
        id: JobId,
        tenant: TenantId,
        by: String,
        idempotency: Option<(String, [u8; 32])>,
        input_meta: Value,
        expected_tasks: u64,
        predicted_seconds: u64,
    ) -> NewJob {
        let spec = &self.spec;
        let mut options = spec.options.clone();
        // of the old job, whose plan it was
        if let Some(options) = options.as_object_mut() {
            options.remove("plan_hash");
        }
        NewJob {
            id,
            tenant,
            controller: spec.controller,
            venue_id: spec.venue_id.clone(),
            // the phases of then, whatever has been shipped since
            workflow: Cow::Owned(spec.definition.clone()),
            input_meta,
            input_chunks: spec.input_chunks,
            expected_tasks,
            timeout_seconds: import::timeout(&self.state, options["timeout_seconds"].as_u64(), predicted_seconds),
            predicted_seconds,
            failure_budget_percent: spec.failure_budget_percent,
            submitted_by: by,
            idempotency,
            require_confirmation: options["require_confirmation"].as_bool().unwrap_or(false),
            options,
            ttl_seconds: self.state.engine.job_ttl.as_secs(),
            takes_up: Some(TakesUp::Retry(spec.id)),
            plan_reads: None,
            pinned_to: None,
        }
    }

    /// The rows whose keys are neither there as wanted nor skipped: failed, unknown, cancelled, or never planned.
    async fn left(&self, rows: u32, before: &RowScope) -> Result<RowScope, Problem> {
        let phase: PhaseId = ROWS_PHASE.parse().map_err(|_| Problem::internal())?;
        let mut is_done = vec![false; rows as usize];
        let mut cursor = "0".to_owned();
        loop {
            let page = self
                .store
                .scan_outcomes(self.spec.partition, self.spec.id, &phase, &cursor);
            let (page, next) = page.await?;
            let read = move || -> Result<Vec<u32>, blob::BlobError> {
                let mut done = Vec::new();
                for (_, outcomes) in page {
                    let outcomes: Vec<Outcome> = blob::unpack(&outcomes)?;
                    let ended = |o: &&Outcome| matches!(o.status, TaskStatus::Completed | TaskStatus::Skipped);
                    done.extend(outcomes.iter().filter(ended).map(|o| o.index));
                }
                Ok(done)
            };
            for row in apart(read).await? {
                if let Some(is_done) = is_done.get_mut(row as usize) {
                    *is_done = true;
                }
            }
            if next == "0" {
                break;
            }
            cursor = next;
        }
        let left: Vec<u32> = (0..rows)
            .filter(|row| before.contains(*row) && !is_done[*row as usize])
            .collect();
        Ok(match left.len() == rows as usize {
            true => RowScope::all(),
            false => RowScope::of(left),
        })
    }

    /// Of these rows those of the batch. All of them where its phase has none, or was never planned: others build on what it makes.
    async fn within(&self, batch: &Unit, left: RowScope) -> Result<RowScope, Problem> {
        if batch.phase.as_str() != ROWS_PHASE || batch.is_plan() {
            return Ok(left);
        }
        let stored = self.store.batch(self.spec.partition, batch).await?;
        let gone = || Problem::new(Kind::Conflict, "this batch is not stored any more; retry its job");
        let tasks = stored.ok_or_else(gone)?.tasks;
        let read = move || -> Result<Vec<u32>, blob::BlobError> {
            let tasks: Vec<TaskInput> = blob::unpack(&tasks)?;
            Ok(tasks.into_iter().map(|task| task.index).collect())
        };
        let mut rows = apart(read).await?;
        rows.sort_unstable();
        Ok(RowScope::of(rows.into_iter().filter(|row| left.contains(*row))))
    }

    /// The corrections, judged against all rows.
    async fn revise(
        &self,
        corrections: Corrections,
        plan: ImportPlan,
        options: ImportOptions,
        scope: RowScope,
        now: Timestamp,
    ) -> Result<Revised, Problem> {
        let mut revision = Revision::new(corrections, plan, options, scope);
        for number in 0..self.spec.input_chunks {
            revision.look(&self.chunk::<Row>(number).await?);
        }
        let mut judging = revision.correct(now);
        for number in 0..self.spec.input_chunks {
            judging.look(&self.chunk::<Row>(number).await?);
        }
        judging
            .finish()
            .map_err(|faults| import::refused(RequestError::Content(faults), None, &self.state.body_limits))
    }

    /// Rows of the input, each with its secret if it has one.
    async fn chunk<R>(&self, number: u32) -> Result<Vec<(R, Option<SecretString>)>, Problem>
    where
        R: DeserializeOwned + Send + 'static,
    {
        let stored = self
            .store
            .input_chunk(self.spec.partition, self.spec.id, number)
            .await?;
        let Some((rows, sealed)) = stored else {
            return Err(Problem::new(
                Kind::Conflict,
                "the rows of this job are not stored any more; import its export again",
            ));
        };
        let (sealer, place) = (self.state.sealer.clone(), import::place(self.spec.id, number));
        let open = move || -> Result<_, Unreadable> {
            let rows: Vec<R> = blob::unpack(&rows)?;
            let secrets = match sealer.open_column(&place, &sealed, rows.len()) {
                Err(SealError::UnknownKey) => return Ok(None),
                secrets => secrets?,
            };
            // a skipped row's may be staged empty
            let secrets = secrets.into_iter().map(|s| s.filter(|s| !s.expose().is_empty()));
            Ok(Some(rows.into_iter().zip(secrets).collect()))
        };
        apart(open).await?.ok_or_else(|| {
            let detail = "its passphrases were sealed with a key that PAYLOAD_KEY does not hold any more; import its export again";
            Problem::new(Kind::Conflict, detail)
        })
    }

    async fn stage<R>(
        &self,
        tenant: &TenantId,
        job: JobId,
        number: u32,
        chunk: Vec<(R, Option<SecretString>)>,
    ) -> Result<(), Problem>
    where
        R: Serialize + Send + 'static,
    {
        let sealer = self.state.sealer.clone();
        let seal = move || {
            let (rows, secrets): (Vec<R>, Vec<_>) = chunk.into_iter().unzip();
            Chunk::of(&sealer, job, number, &rows, &secrets)
        };
        let sealed = tokio::task::spawn_blocking(seal)
            .await
            .map_err(|_| Problem::internal())?;
        import::stage(&self.store, tenant, job, number, sealed?).await
    }
}

/// Why a chunk cannot be read. Never says what is in it.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("{0}")]
    Blob(#[from] blob::BlobError),
    #[error("{0}")]
    Sealed(#[from] SealError),
}

/// In a thread of its own, beside those that serve.
async fn apart<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Problem::internal())?;
    done.map_err(|error| {
        tracing::error!(%error, "what is stored of a job that is to be retried cannot be read");
        Problem::internal()
    })
}

/// What is stored of the old job; nothing stands for the default of it.
fn member<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    T::deserialize(value).map_err(|error| {
        tracing::error!(%error, "what is stored of a job that is to be retried cannot be read");
        Problem::internal()
    })
}
