//! What a phase writes is claimed by name for the whole fleet, so that two jobs never make the same thing side by side, and none takes
//! away what another builds on.
//!
//! The planner claims before it looks what is there, and waits while another job has one of the names: then it finds what that one
//! made. A run keeps the claim alive and gives its names back when its batch has ended. A claim that ran out (its job was held) is
//! taken anew, and what is there is looked up once more before anything is sent.
//!
//! What later phases build on, and what is taken away, is claimed by the job as a whole. That is given back by nobody: who finds it in
//! the way sees that the job has ended.

use std::time::{Duration, Instant};

use shared::config::EngineSettings;
use shared::store::StoreError;
use shared::store::{Claiming, Hold, NamesClaimed, Writer};

use super::active::Held;
use super::batch::Mode;
use super::core::{Core, now_ms, persist};
use super::executor::{Aborted, Run};
use super::waits;
use crate::executors::Task;

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

/// Who has what the unit claims for this.
pub fn writer(held: &Held, hold: Hold) -> Writer {
    Writer {
        job: held.unit.job,
        phase: (hold == Hold::Write).then(|| held.unit.phase.clone()),
    }
}

fn claiming(settings: &EngineSettings, held: &Held, hold: Hold) -> Claiming {
    let (job_ttl, writer) = (JOB_TTL.max(ttl(settings)), writer(held, hold));
    Claiming {
        ttl: if writer.phase.is_some() { ttl(settings) } else { job_ttl },
        writer,
        hold,
        job_ttl,
    }
}

/// Claims; where another has one of the names, sees whether that one is still at work.
pub async fn claim(
    core: &Core,
    held: &Held,
    limiter: &str,
    hold: Hold,
    names: &[String],
) -> Result<NamesClaimed, StoreError> {
    let (store, claim) = (&core.store, claiming(&core.settings, held, hold));
    loop {
        let claimed = persist!(core, "names", held.lost, store.claim_names(limiter, &claim, names))?;
        let NamesClaimed::Taken { by, .. } = &claimed else {
            return Ok(claimed);
        };
        if persist!(core, "is_writing", held.lost, store.is_writing(by))? {
            return Ok(claimed);
        }
        // it was cut short, or a worker died between its last commit and giving the names back
        persist!(core, "names", held.lost, store.release_all_names(limiter, by))?;
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
        let claimed = claim(&self.core, &self.held, &self.limiter, Hold::Write, &names).await?;
        if let NamesClaimed::Taken { by, .. } = claimed {
            tracing::debug!(unit = %self.held.unit, other = %by, "another job writes these names");
            let pause = waits::pause_of_batch();
            waits::tell(&self.core, &self.spec, &by, pause).await;
            return Ok(Some(pause));
        }
        // after a takeover: who claimed them anew may have died before it noted that they are to be looked up
        if claimed == NamesClaimed::New || self.is_taken_over {
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
        let writer = writer(&self.held, Hold::Write);
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
