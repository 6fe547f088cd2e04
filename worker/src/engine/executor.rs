//! Runs a claimed batch: permits → intent → write → request id stored → settled, read back, retried → committed, or put aside.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use shared::blob;
use shared::job::outcome::Checkpoint;
use shared::job::task::TaskInput;
use shared::store::model::{Claim, Fenced, Flag};
use shared::store::{JobSpec, Life, Partition, StoreError};

use super::active::Held;
use super::batch::{Batch, Effect, Mode};
use super::committer;
use super::core::{CRASHES_MAX, Core, now_ms, persist};
use super::jobdata::StoredJob;
use super::jobgate::JobGate;
use crate::executors::{Context, Executor, Task};

/// Why a run ended before its batch did.
#[derive(Debug, thiserror::Error)]
pub enum Aborted {
    /// Somebody else owns the unit.
    #[error("the batch was taken over")]
    Lost,
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the batch can't be read: {0}")]
    Unreadable(String),
}

/// A claimed batch in the hands of this worker.
pub struct Run {
    pub(super) core: Arc<Core>,
    pub(super) partition: Partition,
    pub(super) held: Held,
    pub(super) spec: Arc<JobSpec>,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) cx: Context,
    pub(super) gate: Arc<JobGate>,
    /// Each task begins when the one before it has ended, whatever that takes: the phase demands it. Between batches the store sees to it.
    pub(super) in_order: bool,
    /// One task at a time, because one of them is suspected of bringing workers down.
    pub(super) is_suspect: bool,
    pub(super) limiter: String,
    pub(super) batch: Batch,
    pub(super) facts: Option<Value>,
    /// Positions whose intent is stored and whose write has not left.
    pub(super) intended: BTreeSet<usize>,
    /// What is known here, this life of Redis has been told.
    pub(super) told: Life,
    /// Writes may begin until then: the names are claimed. None: not yet.
    pub(super) names_until: Option<Instant>,
    /// The life of Redis that knows the claim.
    pub(super) claimed_in: Life,
    /// From a worker that never finished.
    pub(super) is_taken_over: bool,
    /// The configuration under which its present calls begin.
    reading: u64,
    crashes: u32,
}

/// Runs it to its commit, or puts it aside.
pub async fn run(core: Arc<Core>, p: Partition, claim: &Claim, held: Held, spec: Arc<JobSpec>) -> Result<(), Aborted> {
    Run::new(core, p, claim, held, spec)?.go().await
}

impl Run {
    fn new(
        core: Arc<Core>,
        partition: Partition,
        claim: &Claim,
        held: Held,
        spec: Arc<JobSpec>,
    ) -> Result<Self, Aborted> {
        let bad = |e: String| Aborted::Unreadable(e);
        let phase = spec
            .definition
            .phase(&claim.unit.phase)
            .ok_or_else(|| bad(format!("phase {} is not defined", claim.unit.phase)))?;
        let executor = core
            .catalogue
            .find(&phase.executor)
            .ok_or_else(|| bad(format!("this worker has no executor {}", phase.executor)))?;
        let inputs: Vec<TaskInput> = blob::unpack(&claim.input).map_err(|e| bad(e.to_string()))?;
        let secrets = core
            .sealer
            .open_column(&claim.unit.to_string(), &claim.secrets, inputs.len())
            .map_err(|e| bad(e.to_string()))?;
        let tasks = inputs
            .into_iter()
            .zip(secrets)
            .map(|(input, secret)| Task { input, secret })
            .collect();
        let policy = phase.retries(core.settings.retries());
        let limits = core.remotes.limits(spec.controller).ok_or_else(|| {
            bad(format!(
                "controller {} is not in this worker's controllers file",
                spec.controller
            ))
        })?;
        let limiter = limits.limiter.clone();
        let throttle = core.throttle_for(limits);
        throttle.serve(partition, &claim.lane);
        let gate = Arc::new(JobGate {
            core: core.clone(),
            held: held.clone(),
            throttle,
            queue: spec.id.to_string(),
        });
        let cx = Context {
            spec: spec.clone(),
            phase: claim.unit.phase.clone(),
            gate: gate.clone(),
            input: Arc::new(StoredJob {
                core: core.clone(),
                spec: spec.clone(),
            }),
        };
        let (in_order, is_suspect) = (!phase.parallelizable, claim.crashes >= 2);
        // taken over by idle time: the old owner's calls are over. By any other way (Redis has forgotten a request id, somebody mended
        // the stream) perhaps not, nor their activities: they get the time a takeover would have given them
        let flight = if claim.by_idle_time {
            Duration::ZERO
        } else {
            core.settings.lock_ttl
        };
        let mut batch = Batch::new(
            tasks,
            &claim.checkpoints,
            policy,
            core.settings.poll_give_up().as_millis() as u64,
            now_ms() + flight.as_millis() as u64,
        );
        batch.lost_settles_ms = executor.shown_within().as_millis() as u64;
        batch.waits_out = executor.waits_out();
        let (crashes, told) = (claim.crashes, claim.life.clone());
        Ok(Run {
            core,
            partition,
            held,
            spec,
            executor,
            cx,
            gate,
            in_order,
            is_suspect,
            limiter,
            batch,
            facts: None,
            intended: BTreeSet::new(),
            told,
            names_until: None,
            claimed_in: Life::default(),
            is_taken_over: claim.by_idle_time || crashes > 0,
            reading: 0,
            crashes,
        })
    }

    /// Whether the next task to be sent, at `next`, may be begun beside those that are under way (`flying`: not answered yet).
    pub(super) fn may_begin(&self, next: usize, flying: usize) -> bool {
        match (self.in_order, self.is_suspect) {
            (true, _) => self.batch.first_open() == Some(next),
            (false, true) => flying == 0 && self.batch.pending().is_empty(),
            (false, false) => true,
        }
    }

    pub(super) fn to_read_back(&self) -> Vec<usize> {
        self.batch.to_read_back(self.mode(), self.in_order)
    }

    pub(super) fn mode(&self) -> Mode {
        Mode::of(*self.held.flag.borrow(), self.crashes, CRASHES_MAX)
    }

    async fn go(&mut self) -> Result<(), Aborted> {
        // what is known first: an activity that has ended is not given up, nor put on the list again
        self.collect_settled().await?;
        // after a takeover: what is still pending is polled for again
        self.add_pending().await?;
        loop {
            let mode = self.mode();
            self.reading = self.core.remotes.reading();
            let taken = self.claim_names().await?;
            self.batch.wake(now_ms());
            let mut cool = self.read_back().await?.max(taken);
            // after the looks, which leave out what it ends: what was not found would be looked for with every claim
            self.batch.settle(mode, now_ms());
            if mode == Mode::Run && cool.is_none() {
                cool = if self.executor.writes() {
                    self.send_all().await?
                } else {
                    self.read_all().await?
                };
                self.collect_settled().await?;
            }
            if self.held.lost.is_cancelled() {
                return Err(Aborted::Lost);
            }
            if self.batch.all_done() {
                return committer::commit(self).await;
            }
            if self.core.give_back.is_cancelled() {
                return self.release().await;
            }
            let news = self.mode() != mode;
            let may_go_on = !self.to_read_back().is_empty() || (mode == Mode::Run && !self.may_write());
            if news || (cool.is_none() && may_go_on) {
                self.collect_settled().await?;
                continue;
            }
            return self.park(cool).await;
        }
    }

    /// Stores where tasks stand before anything follows from it.
    pub(super) async fn remember(&mut self, at: Vec<(usize, Checkpoint)>) -> Result<(), Aborted> {
        if at.is_empty() {
            return Ok(());
        }
        // in the place of an intent: before the task is sent, it needs another
        for (i, _) in at.iter().filter(|(_, c)| !matches!(c, Checkpoint::Sent { .. })) {
            self.intended.remove(i);
        }
        let mut values = Vec::with_capacity(at.len());
        for (i, c) in &at {
            values.push((
                self.batch.tasks[*i].input.index,
                serde_json::to_string(c).map_err(StoreError::from)?,
            ));
        }
        let (store, p, held) = (&self.core.store, self.partition, &self.held);
        let reply = persist!(
            self.core,
            "checkpoint",
            held.lost,
            store.checkpoint(p, &held.unit, &held.token, &values)
        )?;
        self.obey(reply)
    }

    /// A fenced write's answer: is it still ours, and what became of the job meanwhile?
    pub(super) fn obey(&self, reply: Fenced) -> Result<(), Aborted> {
        match reply {
            Fenced::Ok(flag) => {
                self.held.tell(flag);
                Ok(())
            }
            Fenced::Lost => {
                self.core.metrics.writes_fenced.inc();
                self.held.lost.cancel();
                Err(Aborted::Lost)
            }
        }
    }

    /// Sees to what a failed call means for the whole job. Answers how long the gate is closed.
    pub(super) async fn see_to(&self, effects: Vec<Effect>) -> Option<Duration> {
        let mut cool = None;
        let mut paused = false;
        for e in effects {
            match e {
                Effect::None => {}
                Effect::CoolDown(d) => cool = Some(cool.map_or(d, |c: Duration| c.max(d))),
                Effect::Pause(_) if paused => {}
                // corrected a moment ago: the next try uses the new credentials
                Effect::Pause(_) if self.core.remotes.is_corrected_since(self.reading) => paused = true,
                Effect::Pause(why) => {
                    paused = true;
                    let controller = self.core.controller_in_words(self.spec.controller);
                    let reason = format!(
                        "{controller}: {why}; correct its credentials in the controllers file, then resume the job"
                    );
                    self.pause(&reason).await;
                }
            }
        }
        cool
    }

    pub(super) async fn pause(&self, reason: &str) {
        tracing::warn!(job = %self.spec.id, reason, "job paused");
        if let Err(e) = self.core.store.pause(&self.spec.tenant, self.spec.id, reason).await {
            tracing::warn!(job = %self.spec.id, error = %e, "the pause could not be stored, it is tried again with the next failure");
        }
        self.held.tell(Flag::Held);
    }
}
