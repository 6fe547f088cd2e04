//! Plans a phase: skip it, or turn it into tasks in fenced chunks, then publish the whole.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use shared::blob;
use shared::id::Unit;
use shared::secret::SecretString;
use shared::store::model::{Claim, ErrorView, Fenced, Flag, PlanCommitted};
use shared::store::{Hold, JobSpec, Partition, StoreError, Writer};
use shared::workflow::{Phase, expression};

use super::active::Held;
use super::core::{CRASHES_MAX, Core, Persist, persist};
use super::executor::Aborted;
use super::facts;
use super::jobdata::StoredJob;
use super::jobgate::JobGate;
use super::names::{self, Claimed, Claims};
use super::waits::{self, Waited};
use crate::executors::{Context, Executor, PlanError, Task, TaskSink};
use crate::gate::GateClosed;
use crate::remote::{AskAgain, CallError, NotSent};

/// Bytes of blobs sent with one `plan_put`: one call stays well under a millisecond of the server's time.
const PUT_BYTES_MAX: usize = 512 << 10;
const PUT_BATCHES_MAX: usize = 50;
/// Names claimed with one call: each is looked for among those of every phase that writes. A part is as good as none here: what was
/// claimed before one that is taken is given back.
const CLAIMED_AT_ONCE: usize = 100;
/// Tasks of a job's phase, at most; twice as many of one that only reads: beside each row of another job it may tell what is too many.
const TASKS_MAX: u64 = 100_000;
/// Plans are made again after transient errors so often beyond the phase's retries: a plan is mostly reads.
const EXTRA_PLANS: u32 = 3;

/// Between two tries to store a plan while Redis is full, milliseconds.
const FULL_WAIT_MS: u64 = 5_000;

/// Field of a plan's checkpoints that holds the number of plans that failed.
const ATTEMPTS: u32 = 0;

fn attempts(claim: &Claim) -> u32 {
    claim
        .checkpoints
        .iter()
        .find(|(field, _)| *field == ATTEMPTS)
        .and_then(|(_, n)| n.parse().ok())
        .unwrap_or(0)
}

struct Planner {
    core: Arc<Core>,
    partition: Partition,
    held: Held,
    spec: Arc<JobSpec>,
    phase: Phase,
    /// The configuration under which its calls begin.
    reading: u64,
}

/// Collects tasks into batches and stores them as they fill.
struct Sink<'a> {
    p: &'a Planner,
    claims: &'a Claims<'a>,
    open: Vec<Task>,
    ready: Vec<(u32, Vec<u8>, Vec<u8>)>,
    ready_bytes: usize,
    batches: u32,
    tasks: u64,
    tasks_max: u64,
}

/// Plans the phase of a claimed plan unit.
pub async fn run(
    core: Arc<Core>,
    partition: Partition,
    claim: &Claim,
    held: Held,
    spec: Arc<JobSpec>,
) -> Result<(), Aborted> {
    let id = &claim.unit.phase;
    let phase = spec
        .definition
        .phase(id)
        .cloned()
        .ok_or_else(|| Aborted::Unreadable(format!("phase {id} is not defined")))?;
    let planner = Planner {
        reading: core.remotes.reading(),
        core,
        partition,
        held,
        spec,
        phase,
    };
    if claim.crashes > CRASHES_MAX {
        return planner
            .fail("POISON", "workers kept crashing while they planned this phase", true)
            .await;
    }
    match planner.plan(claim).await {
        Ok(()) => Ok(()),
        Err(PlanError::Lost) => Err(Aborted::Lost),
        Err(PlanError::Elsewhere(why)) => Err(Aborted::Unreadable(why)),
        Err(PlanError::NamesTaken { name, hold, by }) => planner.wait_for_names(claim, name, hold, &by).await,
        Err(PlanError::Refused(e)) => planner.fail(&e.code, &e.message, false).await,
        // nothing that could be mended by trying less often: until there is room, or the job's time is over
        Err(PlanError::Store(StoreError::OutOfMemory)) => {
            tracing::info!(unit = %planner.unit(), "waits: Redis is full, a plan can't be stored");
            planner.park(Some(FULL_WAIT_MS), attempts(claim)).await
        }
        Err(PlanError::Store(e)) => {
            planner
                .again_or_fail(claim, "STORE", &e.to_string(), e.is_transient(), None)
                .await
        }
        Err(PlanError::Call(e)) => planner.call_failed(claim, e).await,
    }
}

impl Planner {
    fn unit(&self) -> &Unit {
        &self.held.unit
    }

    async fn plan(&self, claim: &Claim) -> Result<(), PlanError> {
        let core = &self.core;
        let phases = core.store.phase_results(&self.spec).await?;
        if let Some(text) = &self.phase.skip_condition {
            let skip = expression::is_true(text, &self.spec.options, &self.spec.input, &phases).map_err(|e| {
                PlanError::Refused(shared::job::outcome::TaskError::new("SKIP_CONDITION", e.to_string()))
            })?;
            if skip {
                return self.publish(0, 0, None, true).await;
            }
        }
        let executor = self.executor()?;
        // a full Redis could not take the plan: the controller is not asked, and no name claimed, for nothing
        core.store.probe().await?;
        let limits = core.remotes.limits(self.spec.controller).ok_or_else(|| {
            PlanError::Call(CallError::NotSent(NotSent::Unreachable {
                detail: format!(
                    "controller {} is not in this worker's controllers file",
                    self.spec.controller
                ),
            }))
        })?;
        let limiter = limits.limiter.clone();
        let throttle = core.throttle_for(limits);
        throttle.serve(self.partition, &claim.lane);
        let gate = JobGate {
            core: core.clone(),
            held: self.held.clone(),
            throttle,
            queue: self.spec.id.to_string(),
        };
        let cx = Context {
            spec: self.spec.clone(),
            phase: self.phase.id.clone(),
            gate: Arc::new(gate),
            input: Arc::new(StoredJob {
                core: core.clone(),
                spec: self.spec.clone(),
            }),
        };
        let claims = Claims {
            core,
            held: &self.held,
            limiter: &limiter,
            executor: executor.as_ref(),
            cx: &cx,
        };
        let waited = Waited::of(claim);
        if let Some(waited) = waited.as_ref().filter(|waited| waited.hold == Hold::Write) {
            // mostly all there is to know: nothing is unsealed for it
            let name = std::slice::from_ref(&waited.name);
            self.obtained(&claims, claims.to_write(name).await?).await?;
        }
        self.obtained(&claims, claims.whole().await?).await?;
        if waited.is_some() {
            waits::tell_over(core, &self.spec).await;
        }
        // plan_commit says INCOMPLETE when a failover lost acknowledged chunks: then all is written again
        for _ in 0..3 {
            let mut sink = Sink {
                p: self,
                claims: &claims,
                open: Vec::new(),
                ready: Vec::new(),
                ready_bytes: 0,
                batches: 0,
                tasks: 0,
                tasks_max: if executor.writes() { TASKS_MAX } else { 2 * TASKS_MAX },
            };
            let facts = tokio::select! {
                r = executor.plan(&cx, &mut sink) => r?,
                () = self.held.lost.cancelled() => return Err(PlanError::Lost),
                () = core.give_back.cancelled() => return Err(GateClosed::Stopped.into()),
            };
            let facts = facts::bounded(facts, self.unit());
            sink.close_batch().await?;
            sink.flush().await?;
            let (batches, tasks) = (sink.batches, sink.tasks);
            match self.publish(batches, tasks, facts.as_ref(), false).await {
                Err(PlanError::Store(StoreError::Corrupt(_))) => {}
                other => return other,
            }
        }
        Err(PlanError::Store(StoreError::Corrupt(
            "the plan could not be stored whole".into(),
        )))
    }

    fn executor(&self) -> Result<Arc<dyn Executor>, PlanError> {
        self.core.catalogue.find(&self.phase.executor).ok_or_else(|| {
            // another build of the worker may have it: the job is held, not failed
            PlanError::Elsewhere(format!("this worker has no executor `{}`", self.phase.executor))
        })
    }

    async fn obtained(&self, claims: &Claims<'_>, claimed: Claimed) -> Result<(), PlanError> {
        let Claimed::Taken { name, hold, by } = claimed else {
            return Ok(());
        };
        // One that waits writes nothing, or two could wait for each other. What its job has as a whole it keeps: who waits for that has
        // nothing.
        let (core, held, of_phase) = (&self.core, &self.held, names::of_phase(&self.held));
        let (store, limiter) = (&core.store, claims.limiter);
        persist!(core, "names", held.lost, store.release_all_names(limiter, &of_phase))?;
        Err(PlanError::NamesTaken { name, hold, by })
    }

    /// Puts the plan aside until the other may have ended: as often as it takes, until the job's time is over.
    async fn wait_for_names(&self, claim: &Claim, name: String, hold: Hold, other: &Writer) -> Result<(), Aborted> {
        let before = Waited::of(claim).map_or(0, |w| w.looks);
        let waited = Waited {
            name,
            hold,
            looks: before.saturating_add(1),
        };
        if before == 0 {
            tracing::info!(unit = %self.unit(), other = %other, "waits: another job has the same names");
        }
        let pause = waited.pause();
        waits::tell(&self.core, &self.spec, other, pause).await;
        self.park_with(Some(pause.as_millis() as u64), &[waited.checkpoint()?])
            .await
    }

    async fn publish(&self, batches: u32, tasks: u64, facts: Option<&Value>, skipped: bool) -> Result<(), PlanError> {
        let (store, p, held) = (&self.core.store, self.partition, &self.held);
        let (size, tolerated) = (self.phase.batch_size, self.phase.tolerated.of(tasks));
        let reply = persist!(
            self.core,
            "plan_commit",
            held.lost,
            store.plan_commit(
                p,
                &held.unit,
                &held.token,
                batches,
                tasks,
                size,
                tolerated,
                facts,
                skipped
            )
        )?;
        match reply {
            PlanCommitted::Ok | PlanCommitted::Before => Ok(()),
            PlanCommitted::Lost => Err(PlanError::Lost),
            PlanCommitted::Incomplete => Err(PlanError::Store(StoreError::Corrupt("incomplete".into()))),
        }
    }

    async fn call_failed(&self, claim: &Claim, e: CallError) -> Result<(), Aborted> {
        let (code, message) = (e.code(), e.to_message());
        match &e {
            CallError::NotSent(NotSent::Closed(GateClosed::LeaseLost)) if self.held.lost.is_cancelled() => {
                Err(Aborted::Lost)
            }
            CallError::NotSent(NotSent::Closed(GateClosed::Stopped)) => {
                let (store, p, held) = (&self.core.store, self.partition, &self.held);
                persist!(
                    self.core,
                    "release",
                    held.lost,
                    store.release(p, &held.unit, &held.token)
                )?;
                self.core.metrics.batches_released.inc();
                Ok(())
            }
            // nothing was asked: as often as it takes, until the job's time is over
            CallError::NotSent(_) => {
                self.park(
                    Some(e.retry_after().map_or(2_000, |d| d.as_millis() as u64)),
                    attempts(claim),
                )
                .await
            }
            // corrected a moment ago: the next plan uses the new credentials
            CallError::Auth { .. } if self.core.remotes.is_corrected_since(self.reading) => {
                self.park(Some(0), attempts(claim)).await
            }
            CallError::Auth { .. } => {
                let controller = self.core.controller_in_words(self.spec.controller);
                let reason = format!(
                    "{controller}: {message}; correct its credentials in the controllers file, then resume the job"
                );
                tracing::warn!(job = %self.spec.id, reason, "job paused");
                self.core.store.pause(&self.spec.tenant, self.spec.id, &reason).await?;
                self.park(None, attempts(claim)).await
            }
            // a plan only reads
            _ => {
                let is_worth_it = e.ask_again() != AskAgain::Never;
                self.again_or_fail(claim, &code, &message, is_worth_it, e.retry_after())
                    .await
            }
        }
    }

    async fn again_or_fail(
        &self,
        claim: &Claim,
        code: &str,
        message: &str,
        transient: bool,
        retry_after: Option<std::time::Duration>,
    ) -> Result<(), Aborted> {
        let policy = self.phase.retries(self.core.settings.retries());
        let attempt = attempts(claim) + 1;
        if transient && attempt <= policy.max_retries + EXTRA_PLANS {
            let wait = policy.delay(attempt, retry_after, rand::random());
            tracing::info!(unit = %self.unit(), code, error = message, wait_ms = wait.as_millis() as u64, "planning is tried again");
            return self.park(Some(wait.as_millis() as u64), attempt).await;
        }
        self.fail(code, message, false).await
    }

    /// Puts the plan aside; none: until the job is resumed. `attempt`: plans that failed so far; waits for a controller do not count.
    async fn park(&self, delay_ms: Option<u64>, attempt: u32) -> Result<(), Aborted> {
        self.park_with(delay_ms, &[(ATTEMPTS, attempt.to_string())]).await
    }

    /// `checkpoints`: what changes of them.
    async fn park_with(&self, delay_ms: Option<u64>, checkpoints: &[(u32, String)]) -> Result<(), Aborted> {
        let (store, p, held) = (&self.core.store, self.partition, &self.held);
        persist!(
            self.core,
            "park",
            held.lost,
            store.park(p, &held.unit, &held.token, delay_ms, 1, checkpoints)
        )?;
        Ok(())
    }

    async fn fail(&self, code: &str, message: &str, poison: bool) -> Result<(), Aborted> {
        let error = ErrorView {
            code: code.to_owned(),
            message: message.to_owned(),
            phase: Some(self.phase.id.to_string()),
            task: None,
            request_id: None,
            status: None,
        };
        tracing::warn!(unit = %self.unit(), code, error = message, "the phase can't be planned");
        let (store, p, held) = (&self.core.store, self.partition, &self.held);
        let dead = poison.then_some(message);
        persist!(
            self.core,
            "plan_fail",
            held.lost,
            store.plan_fail(p, &held.unit, &held.token, &error, dead)
        )?;
        Ok(())
    }
}

impl Sink<'_> {
    async fn close_batch(&mut self) -> Result<(), PlanError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let tasks = std::mem::take(&mut self.open);
        let place = Unit {
            batch: i64::from(self.batches),
            ..self.p.unit().clone()
        }
        .to_string();
        let (inputs, secrets): (Vec<_>, Vec<Option<SecretString>>) =
            tasks.into_iter().map(|t| (t.input, t.secret)).unzip();
        let packed = blob::pack(&inputs).map_err(StoreError::from)?;
        let sealed = self
            .p
            .core
            .sealer
            .seal_column(&place, &secrets)
            .map_err(|e| StoreError::Corrupt(format!("secrets of {place}: {e}")))?;
        self.ready_bytes += packed.len() + sealed.len();
        self.ready.push((self.batches, packed, sealed));
        self.batches += 1;
        if self.ready_bytes >= PUT_BYTES_MAX || self.ready.len() >= PUT_BATCHES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PlanError> {
        if self.ready.is_empty() {
            return Ok(());
        }
        let (store, p, held, ready) = (&self.p.core.store, self.p.partition, &self.p.held, &self.ready);
        let mut pause = Persist::new(&self.p.core, "plan_put", &held.lost);
        let reply = loop {
            match store.plan_put(p, &held.unit, &held.token, ready).await {
                // waited for outside of the slot: what is under way has to end before there is room
                Err(e @ StoreError::OutOfMemory) => return Err(e.into()),
                Err(e) if pause.again(&e).await => {}
                other => break other,
            }
        }?;
        self.ready.clear();
        self.ready_bytes = 0;
        match reply {
            Fenced::Lost => Err(PlanError::Lost),
            // held or cut short: the commit sees to it
            Fenced::Ok(Flag::None | Flag::Held | Flag::Cancelled | Flag::Critical | Flag::Timeout) => Ok(()),
        }
    }
}

#[async_trait]
impl TaskSink for Sink<'_> {
    async fn claim(&mut self, wanted: Vec<String>) -> Result<(), PlanError> {
        for part in wanted.chunks(CLAIMED_AT_ONCE) {
            let claimed = self.claims.to_write(part).await?;
            self.p.obtained(self.claims, claimed).await?;
        }
        Ok(())
    }

    async fn push(&mut self, task: Task) -> Result<(), PlanError> {
        self.tasks += 1;
        if self.tasks > self.tasks_max {
            return Err(PlanError::Refused(shared::job::outcome::TaskError::new(
                "TOO_MANY_TASKS",
                format!("the phase has more than {} tasks", self.tasks_max),
            )));
        }
        self.open.push(task);
        if self.open.len() >= self.p.phase.batch_size as usize {
            self.close_batch().await?;
        }
        Ok(())
    }
}
