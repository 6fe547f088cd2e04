//! What a phase writes is claimed by name for the whole fleet, so that two jobs never make the same thing side by side, and none takes
//! away what another builds on.
//!
//! The planner claims before it looks what is there, and waits while another job has one of the names: then it finds what that one
//! made. A run keeps the claim alive and gives its names back when its batch has ended. A claim that ran out (its job was held) is
//! taken anew, and what is there is looked up once more before anything is sent.
//!
//! What later phases build on, and what is taken away, is claimed by the job as a whole: all of it at once and before any other name,
//! so that who waits for it has nothing that another may wait for. It outlasts the names of the job's phases; where it was lost, those
//! were lost before, and the next phase or batch to go on claims all of it again. It is given back by nobody: who finds it in the way
//! sees that the job has ended.

use std::time::{Duration, Instant};

use shared::config::EngineSettings;
use shared::store::StoreError;
use shared::store::{Claiming, Hold, NamesClaimed, Writer};

use super::active::Held;
use super::batch::Mode;
use super::core::{Core, now_ms, persist};
use super::executor::{Aborted, Run};
use super::waits;
use crate::executors::{Context, Executor, PlanError, Task};

/// After the last claim writes may begin for so long.
const SEND_FOR: Duration = Duration::from_secs(60);
/// Beyond the end of the last activity: `SEND_FOR` and the longest call fit in.
const RESERVE: Duration = Duration::from_secs(120);

/// What a job as a whole has claimed outlasts its last sign of life by so much: its next phase may have to queue. A job that is held for
/// longer claims anew.
const JOB_TTL: Duration = Duration::from_secs(3600);

/// A claim that nobody keeps alive ends when everything that was sent under it has ended or is given up.
fn ttl(settings: &EngineSettings) -> Duration {
    settings.poll_give_up() + RESERVE
}

/// Who has the names of the unit's phase.
pub fn of_phase(held: &Held) -> Writer {
    Writer {
        job: held.unit.job,
        phase: Some(held.unit.phase.clone()),
    }
}

/// What came of a claim.
pub enum Claimed {
    Ours,
    /// At least one only now: another job may have written it meanwhile, or what it needs as a whole.
    New,
    Taken {
        name: String,
        hold: Hold,
        by: Writer,
    },
}

/// Claims for a unit.
pub struct Claims<'a> {
    pub core: &'a Core,
    pub held: &'a Held,
    pub limiter: &'a str,
    pub executor: &'a dyn Executor,
    pub cx: &'a Context,
}

impl Claims<'_> {
    /// Names to be written, with what the job needs as a whole, if that was lost.
    pub async fn to_write(&self, names: &[String]) -> Result<Claimed, PlanError> {
        let mut is_new = false;
        loop {
            let claimed = self.claim(of_phase(self.held), Hold::Write, names).await?;
            return Ok(match claimed {
                NamesClaimed::Lost => match self.whole().await? {
                    taken @ Claimed::Taken { .. } => taken,
                    Claimed::Ours | Claimed::New => {
                        is_new = true;
                        continue;
                    }
                },
                NamesClaimed::Ours if !is_new => Claimed::Ours,
                NamesClaimed::Ours | NamesClaimed::New => Claimed::New,
                NamesClaimed::Taken { name, by } => {
                    let hold = Hold::Write;
                    Claimed::Taken { name, hold, by }
                }
            });
        }
    }

    /// What the job needs as a whole.
    pub async fn whole(&self) -> Result<Claimed, PlanError> {
        let Some(hold) = self.executor.hold() else {
            return Ok(Claimed::Ours);
        };
        let (job, phase) = (self.held.unit.job, None);
        let names = self.executor.needs(self.cx).await?;
        Ok(match self.claim(Writer { job, phase }, hold, &names).await? {
            NamesClaimed::Ours => Claimed::Ours,
            NamesClaimed::New | NamesClaimed::Lost => Claimed::New,
            NamesClaimed::Taken { name, by } => Claimed::Taken { name, hold, by },
        })
    }

    /// Where another has one of the names, sees whether that one is still at work.
    async fn claim(&self, writer: Writer, hold: Hold, names: &[String]) -> Result<NamesClaimed, StoreError> {
        let (core, held, store) = (self.core, self.held, &self.core.store);
        let ttl = ttl(&core.settings);
        let job_ttl = JOB_TTL.max(ttl);
        let claim = Claiming {
            ttl: if writer.phase.is_some() { ttl } else { job_ttl },
            needs_whole: writer.phase.is_some() && self.executor.hold().is_some(),
            writer,
            hold,
            job_ttl,
        };
        loop {
            let claimed = persist!(core, "names", held.lost, store.claim_names(self.limiter, &claim, names))?;
            let NamesClaimed::Taken { by, .. } = &claimed else {
                return Ok(claimed);
            };
            if persist!(core, "is_writing", held.lost, store.is_writing(by))? {
                return Ok(claimed);
            }
            // it was cut short, or a worker died between its last commit and giving the names back
            persist!(core, "names", held.lost, store.release_all_names(self.limiter, by))?;
        }
    }
}

/// What a job needs was told when it was planned: who can't tell it now is not the one to go on.
fn aborted(e: PlanError) -> Aborted {
    match e {
        // it was, and is not any more: the job that this one is about has expired
        PlanError::Store(e @ StoreError::Corrupt(_)) => Aborted::Unreadable(e.to_string()),
        PlanError::Store(e) => Aborted::Store(e),
        PlanError::Lost => Aborted::Lost,
        e => Aborted::Unreadable(e.to_string()),
    }
}

impl Run {
    /// Claims the names of what is not done, or keeps them. Answers how long to wait when another job has one.
    pub(super) async fn claim_names(&mut self) -> Result<Option<Duration>, Aborted> {
        // held or cut short it writes nothing; its claim outlasts what was sent
        if self.mode() != Mode::Run || self.may_write() {
            return Ok(None);
        }
        let (began, life) = (Instant::now(), self.core.store.life_of_limiter(&self.limiter));
        let names = self.names();
        if names.is_empty() {
            self.names_until = Some(began + SEND_FOR);
            return Ok(None);
        }
        let claims = Claims {
            core: &self.core,
            held: &self.held,
            limiter: &self.limiter,
            executor: self.executor.as_ref(),
            cx: &self.cx,
        };
        let claimed = claims.to_write(&names).await.map_err(aborted)?;
        if let Claimed::Taken { by, .. } = claimed {
            tracing::debug!(unit = %self.held.unit, other = %by, "another job writes these names");
            let pause = waits::pause_of_batch();
            waits::tell(&self.core, &self.spec, &by, pause).await;
            return Ok(Some(pause));
        }
        // after a takeover: who claimed them anew may have died before it noted that they are to be looked up
        if matches!(claimed, Claimed::New) || self.is_taken_over {
            let looks = self.batch.look_up_unsent(now_ms());
            self.remember(looks).await?;
            self.is_taken_over = false;
        }
        self.names_until = Some(began + SEND_FOR);
        self.claimed_in = life;
        Ok(None)
    }

    /// A write begun now is covered by the claim, or needs none.
    pub(super) fn may_write(&self) -> bool {
        match self.names_until {
            Some(until) => Instant::now() < until,
            None => self.names().is_empty(),
        }
    }

    /// The batch is committed. What other batches write as well, and what can't be given back now, is free when the phase has ended.
    pub(super) async fn release_names(&self) {
        let names: Vec<String> = self.names_of(self.batch.tasks.iter()).collect();
        let writer = of_phase(&self.held);
        if let Err(e) = self.core.store.release_names(&self.limiter, &writer, &names).await {
            tracing::debug!(unit = %self.held.unit, error = %e, "names not given back");
        }
    }

    /// Of what is not done, and of the whole phase.
    fn names(&self) -> Vec<String> {
        if self.batch.all_done() {
            return Vec::new();
        }
        let throughout = self.executor.writes_throughout(&self.cx);
        self.names_of(self.batch.open()).chain(throughout).collect()
    }

    fn names_of<'a>(&'a self, tasks: impl Iterator<Item = &'a Task>) -> impl Iterator<Item = String> {
        tasks.flat_map(|t| self.executor.writes_names(t))
    }
}
