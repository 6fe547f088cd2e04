//! The waiting half of a run: activities that ended, writes that are read back, and putting the batch aside.

use std::time::Duration;

use shared::store::PendingActivity;

use super::batch::{Mode, State};
use super::core::{now_ms, persist};
use super::executor::{Aborted, Run};
use super::remotes::Told;
use crate::executors::Found;

/// A parked batch looks after itself this often, in case the word that wakes it was lost with the limiter's keys.
const PARK_MAX: Duration = Duration::from_secs(15);
/// Coming back when only some of its activities have ended.
pub const WAKE_PARTLY_MS: u64 = 2_000;

impl Run {
    pub(super) async fn add_pending(&mut self) -> Result<(), Aborted> {
        let all: Vec<usize> = (0..self.batch.states.len()).collect();
        self.add_pending_of(&all).await
    }

    /// Puts the request ids of these tasks on the fleet's list. They are checkpointed already.
    pub(super) async fn add_pending_of(&mut self, at: &[usize]) -> Result<(), Aborted> {
        let items: Vec<(String, PendingActivity)> = at
            .iter()
            .filter_map(|i| match &self.batch.states[*i] {
                State::Pending {
                    request_id, since_ms, ..
                } => Some((
                    request_id.clone(),
                    PendingActivity {
                        partition: self.partition,
                        unit: self.held.unit.clone(),
                        since_ms: *since_ms,
                    },
                )),
                _ => None,
            })
            .collect();
        if items.is_empty() {
            return Ok(());
        }
        let (store, limiter) = (&self.core.store, &self.limiter);
        persist!(self.core, "pending", self.held.lost, store.pending_add(limiter, &items))?;
        Ok(())
    }

    /// Takes in what is known of the activities it waits for.
    pub(super) async fn collect_settled(&mut self) -> Result<(), Aborted> {
        let pending = self.batch.pending();
        self.held
            .unsettled
            .store(pending.len(), std::sync::atomic::Ordering::Relaxed);
        if pending.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = pending.iter().map(|(_, id, _)| id.clone()).collect();
        let (store, limiter) = (&self.core.store, &self.limiter);
        let known = persist!(self.core, "settled", self.held.lost, store.settled(limiter, &ids))?;
        let now = now_ms();
        let mut checkpoints = Vec::new();
        for ((at, id, _), known) in pending.into_iter().zip(known) {
            let told = known.as_deref().map(Told::read).unwrap_or_default();
            let told = told.open(&self.core.sealer, &id);
            self.batch.polled(at, told.polls, told.ended.is_some());
            let Some(ended) = told.ended else { continue };
            let (executor, cx) = (self.executor.clone(), self.cx.clone());
            let c = self
                .batch
                .ended(at, ended, |task, id| executor.settled(&cx, task, id), now);
            checkpoints.extend(c.map(|c| (at, c)));
        }
        // a batch that is done now is committed next: no need to store its last tasks one by one
        if self.batch.all_done() {
            return Ok(());
        }
        self.remember(checkpoints).await
    }

    /// Looks up what may have been applied, all with one call where the controller has one.
    pub(super) async fn read_back(&mut self) -> Result<Option<Duration>, Aborted> {
        let at = self.to_read_back();
        if at.is_empty() || self.mode() == Mode::Bury || self.core.give_back.is_cancelled() {
            return Ok(None);
        }
        let tasks: Vec<(crate::executors::Task, bool)> = at
            .iter()
            .map(|i| (self.batch.tasks[*i].clone(), self.batch.is_ours(*i)))
            .collect();
        let refs: Vec<_> = tasks.iter().map(|(t, ours)| (t, *ours)).collect();
        let mut result = tokio::select! {
            r = self.executor.read_back(&self.cx, &refs) => r,
            () = self.held.lost.cancelled() => return Err(Aborted::Lost),
        };
        if let Some(rest) = result.as_ref().ok().and_then(|found| self.still_arriving(&at, found)) {
            result = tokio::select! {
                r = async {
                    tokio::time::sleep(rest).await;
                    self.executor.read_back(&self.cx, &refs).await
                } => r,
                () = self.held.lost.cancelled() => return Err(Aborted::Lost),
            };
        }
        let (now, mode) = (now_ms(), self.mode());
        let (mut checkpoints, mut effects) = (Vec::new(), Vec::new());
        match result {
            Ok(found) if found.len() != at.len() => {
                let reason = format!("{} tasks were looked for, and {} answers came", at.len(), found.len());
                return Err(Aborted::Unreadable(reason));
            }
            Ok(found) => {
                for (at, found) in at.into_iter().zip(found) {
                    let c = self.batch.found(at, found, mode, now, rand::random());
                    checkpoints.extend(c.map(|c| (at, c)));
                }
            }
            Err(e) => {
                for at in at {
                    let (c, effect) = self.batch.not_read_back(at, &e, mode, now, rand::random());
                    checkpoints.extend(c.map(|c| (at, c)));
                    effects.push(effect);
                }
            }
        }
        self.remember(checkpoints).await?;
        Ok(self.see_to(effects).await)
    }

    /// How long what was not found may still be on its way. A network that was cut gives up late what it was given, after our writes into it
    /// were given up: they arrive when the controller is reached again, and are done, and shown, some time after that. What is not there before
    /// is not believed to be absent; it is looked for once more.
    fn still_arriving(&self, at: &[usize], found: &[Found]) -> Option<Duration> {
        let shown = Duration::from_millis(self.batch.lost_settles_ms);
        let rest = shown
            .checked_sub(self.gate.throttle.back_for()?)
            .filter(|rest| !rest.is_zero())?;
        let is_lost = |(at, found): (&usize, &Found)| matches!(found, Found::Absent) && self.batch.is_ours(*at);
        at.iter().zip(found).any(is_lost).then_some(rest)
    }

    /// Whoever takes the batch next knows of it what Redis knows. Killed, Redis may have forgotten what it had acknowledged: then it
    /// is told again. Intents whose write did not leave are taken back: found by another claim, they would mean "perhaps sent", and make
    /// ours what somebody else has made meanwhile.
    async fn retell(&mut self) -> Result<(), Aborted> {
        // no progress, so not before anything has come of them: a claim that ends its worker would count as one
        self.remember(self.batch.intents_found()).await?;
        let intended = std::mem::take(&mut self.intended);
        self.remember(self.batch.not_left(intended, now_ms())).await?;
        let (store, lost) = (&self.core.store, &self.held.lost);
        let life = persist!(self.core, "present life", lost, store.present_life(self.partition))?;
        if life != self.told {
            self.remember(self.batch.all_known()).await?;
            self.told = life;
        }
        Ok(())
    }

    /// Puts the batch aside until something of it is due; the poller wakes it earlier.
    pub(super) async fn park(&mut self, cool: Option<Duration>) -> Result<(), Aborted> {
        self.retell().await?;
        let pending = self.batch.pending();
        let now = now_ms();
        let due = self
            .batch
            .next_due_ms()
            .map(|at| Duration::from_millis(at.saturating_sub(now)));
        let unsettled = self.batch.is_unsettled();
        let delay = match (self.mode(), cool) {
            // held and nothing under way: until somebody resumes
            (Mode::Hold, _) if !unsettled => None,
            (_, Some(cool)) => Some(cool),
            (_, None) => Some(due.unwrap_or(PARK_MAX)),
        };
        let delay = delay.map(|d| if pending.is_empty() { d } else { d.min(PARK_MAX) }.max(Duration::from_millis(50)));
        let (store, p, held) = (&self.core.store, self.partition, &self.held);
        let (ms, weight) = (delay.map(|d| d.as_millis() as u64), self.batch.weight());
        let reply = persist!(
            self.core,
            "park",
            held.lost,
            store.park(p, &held.unit, &held.token, ms, weight, &[])
        )?;
        self.core.metrics.batches_parked.inc();
        // "fenced" may be the answer to a repeated call that had gone through
        if self.obey(reply).is_err() {
            return Ok(());
        }
        self.wake_if_settled(pending.into_iter().map(|(_, id, _)| id).collect())
            .await;
        Ok(())
    }

    /// An activity that ended while the batch was being put aside woke nobody.
    async fn wake_if_settled(&self, ids: Vec<String>) {
        let Ok(known) = self.core.store.settled(&self.limiter, &ids).await else {
            return;
        };
        let ended = known.iter().flatten().filter(|k| Told::read(k).ended.is_some()).count();
        if ended == 0 {
            return;
        }
        let delay = if ended == ids.len() { 0 } else { WAKE_PARTLY_MS };
        if let Err(e) = self
            .core
            .store
            .wake(self.partition, &[(self.held.unit.clone(), delay)])
            .await
        {
            tracing::debug!(unit = %self.held.unit, error = %e, "not woken; it wakes by itself");
        }
    }

    /// Shutdown: somebody else goes on from the checkpoints, at once.
    pub(super) async fn release(&mut self) -> Result<(), Aborted> {
        self.retell().await?;
        let (store, p, held) = (&self.core.store, self.partition, &self.held);
        let reply = persist!(
            self.core,
            "release",
            held.lost,
            store.release(p, &held.unit, &held.token)
        )?;
        self.core.metrics.batches_released.inc();
        self.obey(reply)
    }
}
