//! The sending half of a run: permits in blocks, the intent stored before the writes leave, request ids before anything else.

use std::time::{Duration, Instant};

use shared::job::outcome::Checkpoint;
use shared::store::model::Flag;
use tokio::task::JoinSet;

use super::batch::{Effect, Mode};
use super::core::{Persist, now_ms};
use super::executor::{Aborted, Run};
use crate::executors::Sent;
use crate::gate::{GateClosed, Permit};
use crate::remote::CallError;

/// Writes begun with one intent checkpoint, at most: a crash leaves that many to be read back.
const BLOCK_MAX: u32 = 16;
/// Permits are spent within this of their grant: while Redis waits for its disk (up to two seconds), the controller's bucket does not.
const PERMITS_KEEP: Duration = Duration::from_millis(250);

impl Run {
    /// Sends everything that is to be sent, as permits come. Answers how long the gate is closed, if it is.
    pub(super) async fn send_all(&mut self) -> Result<Option<Duration>, Aborted> {
        let mut flying: JoinSet<(usize, Sent)> = JoinSet::new();
        let mut cool = None;
        let mut stopped = false;
        let mut flag = self.held.flag.subscribe();
        let lost = self.held.lost.clone();
        // kept over the rounds: a dropped wait would lose its turn
        let mut waiting = None;
        loop {
            let todo = self.batch.todo();
            let block = if self.in_order || self.is_suspect { 1 } else { BLOCK_MAX };
            let more = todo.first().is_some_and(|next| self.may_begin(*next, flying.len()))
                && !stopped
                && cool.is_none()
                && self.mode() == Mode::Run
                && self.may_write();
            if !more && flying.is_empty() {
                return Ok(cool);
            }
            if !more {
                // permits that were granted meanwhile go back at once
                waiting = None;
            } else if waiting.is_none() {
                let (gate, want) = (self.gate.clone(), (todo.len() as u32).min(block));
                waiting = Some(Box::pin(async move { gate.permits(want).await }));
            }
            tokio::select! {
                permits = async { waiting.as_mut().expect("guarded by the condition").await }, if more && waiting.is_some() => {
                    waiting = None;
                    match permits {
                        Ok(permits) if self.may_write() => self.begin(&todo, permits, &mut flying).await?,
                        // the wait was long: the names are claimed anew first
                        Ok(_unused) => {}
                        Err(GateClosed::CoolDown(d)) => cool = Some(d),
                        Err(GateClosed::LeaseLost) if lost.is_cancelled() => return Err(Aborted::Lost),
                        // heartbeats do not get through: nothing is sent until they do
                        Err(GateClosed::LeaseLost) => cool = Some(Duration::from_secs(1)),
                        Err(GateClosed::Stopped) => stopped = true,
                    }
                }
                Some(first) = flying.join_next(), if !flying.is_empty() => {
                    let mut ended = vec![first];
                    while let Some(next) = flying.try_join_next() {
                        ended.push(next);
                    }
                    for e in ended.iter().filter_map(|e| e.as_ref().err()) {
                        // its state stays "in flight": the batch is not finished here, a takeover reads it back
                        tracing::error!(unit = %self.held.unit, error = %e, "sending a task failed unexpectedly");
                    }
                    let closed = self.landed(ended.into_iter().filter_map(Result::ok).collect()).await?;
                    cool = cool.max(closed);
                }
                changed = flag.changed() => {
                    if changed.is_err() || *flag.borrow() != Flag::None {
                        waiting = None;
                    }
                }
                () = lost.cancelled() => return Err(Aborted::Lost),
            }
        }
    }

    /// The intent first, for the whole block; then the writes leave.
    async fn begin(
        &mut self,
        todo: &[usize],
        permits: Vec<Permit>,
        flying: &mut JoinSet<(usize, Sent)>,
    ) -> Result<(), Aborted> {
        let now = now_ms();
        let block: Vec<(usize, Permit)> = todo.iter().copied().zip(permits).collect();
        let intents: Vec<(usize, Checkpoint)> = block
            .iter()
            .map(|(at, _)| (*at, self.batch.mark_sent(*at, now)))
            .collect();
        let new = intents.into_iter().filter(|(at, _)| !self.intended.contains(at));
        let began = Instant::now();
        if self.intend(new.collect()).await? && !self.has_same_names().await {
            // another job may have the names by now
            self.names_until = None;
        }
        if began.elapsed() > PERMITS_KEEP || !self.may_write() {
            // what was granted then would be a burst now; with these permits back, new ones are waited for, and nothing else
            for (at, _) in block {
                self.batch.put_back(at);
            }
            return Ok(());
        }
        for (at, permit) in block {
            self.intended.remove(&at);
            let (executor, cx, task) = (self.executor.clone(), self.cx.clone(), self.batch.tasks[at].clone());
            let (core, held) = (self.core.clone(), self.held.clone());
            let is_repeated = self.batch.is_repeated(at);
            flying.spawn(async move {
                // the intent may have taken longer than the lease
                if held.lost.is_cancelled() || !core.lease.is_valid() {
                    return (at, Sent::Failed(CallError::from(GateClosed::LeaseLost)));
                }
                core.metrics.tasks_sent.inc();
                core.metrics.task_retries.inc_by(u64::from(is_repeated));
                (at, executor.send(&cx, &task, permit).await)
            });
        }
        Ok(())
    }

    /// Stores intents so that not even the death of Redis takes them back: without them a write would be sent again unseen.
    /// False: there were none.
    async fn intend(&mut self, intents: Vec<(usize, Checkpoint)>) -> Result<bool, Aborted> {
        if intents.is_empty() {
            return Ok(false);
        }
        let core = self.core.clone();
        let lost = self.held.lost.clone();
        let mut pause = Persist::new(&core, "intents", &lost);
        loop {
            let life = core.store.life(self.partition);
            self.remember(intents.clone()).await?;
            match core.store.secured(self.partition, &life).await {
                Ok(()) => break,
                Err(e) if pause.again(&e).await => {}
                Err(_) if lost.is_cancelled() => return Err(Aborted::Lost),
                Err(e) => return Err(e.into()),
            }
        }
        self.intended.extend(intents.into_iter().map(|(at, _)| at));
        Ok(true)
    }

    /// The server that has the claims is in the life in which it took ours.
    async fn has_same_names(&self) -> bool {
        let now = self.core.store.present_life_of_limiter(&self.limiter, self.partition);
        now.await.is_ok_and(|life| life == self.claimed_in)
    }

    /// What came back is stored at once; then its activities are put on the list to be polled.
    async fn landed(&mut self, ended: Vec<(usize, Sent)>) -> Result<Option<Duration>, Aborted> {
        let now = now_ms();
        let (mut checkpoints, mut effects) = (Vec::new(), Vec::new());
        for (at, sent) in ended {
            let (checkpoint, effect) = self.batch.sent(at, sent, now, rand::random());
            checkpoints.extend(checkpoint.map(|c| (at, c)));
            effects.push(effect);
        }
        let accepted: Vec<usize> = checkpoints.iter().map(|(at, _)| *at).collect();
        self.remember(checkpoints).await?;
        self.add_pending_of(&accepted).await?;
        Ok(self.see_to(effects).await)
    }

    /// Runs the tasks of a phase that only reads, one after the other.
    pub(super) async fn read_all(&mut self) -> Result<Option<Duration>, Aborted> {
        for at in self.batch.todo() {
            if self.mode() != Mode::Run || self.core.give_back.is_cancelled() || !self.may_begin(at, 0) {
                return Ok(None);
            }
            let _ = self.batch.mark_sent(at, now_ms());
            self.core
                .metrics
                .task_retries
                .inc_by(u64::from(self.batch.is_repeated(at)));
            let (executor, cx, task) = (self.executor.clone(), self.cx.clone(), self.batch.tasks[at].clone());
            let result = tokio::select! {
                r = executor.read(&cx, &task) => r,
                () = self.held.lost.cancelled() => return Err(Aborted::Lost),
            };
            let sent = match result {
                Ok((outcome, facts)) => {
                    self.facts = facts.or(self.facts.take());
                    Sent::Done(outcome)
                }
                Err(e) => Sent::Failed(e),
            };
            let (checkpoint, effect) = self.batch.sent(at, sent, now_ms(), rand::random());
            // an outcome is not stored on its own: a takeover reads again, and its facts are whole
            let retry = checkpoint.filter(|_| !matches!(self.batch.states[at], super::batch::State::Done(_)));
            self.remember(retry.map(|c| (at, c)).into_iter().collect()).await?;
            let closed = self.see_to(vec![effect.clone()]).await;
            if effect != Effect::None {
                return Ok(closed);
            }
        }
        Ok(None)
    }
}
