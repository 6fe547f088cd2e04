//! A phase that waits until another has done with the same names: it asks ever more rarely, and whoever looks at its job is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::store::model::{Claim, Waits};
use shared::store::{Hold, JobSpec, StoreError, Writer};

use super::core::{Core, now_ms};

/// Field of a plan's checkpoints that holds a [`Waited`].
pub const WAITED: u32 = 1;
/// Before the second look at a name that another has.
const FIRST: Duration = Duration::from_secs(1);
/// Between two looks at most: so long a phase may stand still after the other has ended.
const LONGEST: Duration = Duration::from_secs(15);
/// A batch does not count its looks: it waits as if for the third time.
const LOOKS_OF_A_BATCH: u32 = 3;
/// What is said of a wait counts for so long beyond its end: the unit may have to queue for a slot.
const SLACK: Duration = Duration::from_secs(15);

/// What a plan that waits leaves to the next one. Persisted while the phase is planned: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// One that was taken: as long as it is, nothing else has to be looked at.
    pub name: String,
    /// What it was wanted for.
    #[serde(default)]
    pub hold: Hold,
    /// Plans that found a name taken. Nothing but the plan's end resets it.
    pub looks: u32,
}

impl Waited {
    /// None: it has not waited. One that can't be read only costs a whole look.
    pub fn of(claim: &Claim) -> Option<Self> {
        let (_, text) = claim.checkpoints.iter().find(|(field, _)| *field == WAITED)?;
        serde_json::from_str(text).ok()
    }

    pub fn checkpoint(&self) -> Result<(u32, String), StoreError> {
        Ok((WAITED, serde_json::to_string(self)?))
    }

    pub fn pause(&self) -> Duration {
        pause(self.looks, rand::random())
    }
}

/// Doubles with each look. `jitter` (0 to 1) shortens it by up to a half: jobs that wait for the same one shall not ask in step.
fn pause(looks: u32, jitter: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << looks.saturating_sub(1).min(8));
    doubled.min(LONGEST).mul_f64(1.0 - jitter / 2.0)
}

/// Before a batch looks again.
pub fn pause_of_batch() -> Duration {
    pause(LOOKS_OF_A_BATCH, rand::random())
}

/// Notes that the job waits for another's for about so long. A job of another tenant is not named; a phase that waits for another of its
/// own job is no news.
pub async fn tell(core: &Core, spec: &JobSpec, other: &Writer, pause: Duration) {
    if other.job == spec.id {
        return;
    }
    let told = async {
        let tenant = core.store.tenant_of(other.job).await?;
        let job = (tenant.as_ref() == Some(&spec.tenant)).then_some(other.job);
        let waits = Waits::new(now_ms(), job, pause + SLACK);
        core.store.note_wait(spec.partition, spec.id, Some(&waits)).await
    };
    if let Err(e) = told.await {
        tracing::debug!(job = %spec.id, error = %e, "not told that it waits for another job");
    }
}

/// It waits no longer.
pub async fn tell_over(core: &Core, spec: &JobSpec) {
    if let Err(e) = core.store.note_wait(spec.partition, spec.id, None).await {
        tracing::debug!(job = %spec.id, error = %e, "not told that it goes on; the note runs out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_rarer_and_never_rarer_than_every_15_seconds() {
        let seconds = |looks| pause(looks, 0.0).as_secs();
        assert_eq!(
            [1, 2, 3, 4, 5, 6, 40, u32::MAX].map(seconds),
            [1, 2, 4, 8, 15, 15, 15, 15]
        );
        assert_eq!(pause(5, 1.0), Duration::from_millis(7500));
    }

    /// Blobs of running jobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let first: Waited = serde_json::from_str(r#"{"name":"dpsk_pool|Lobby","looks":3}"#).unwrap();
        assert_eq!(
            (first.name.as_str(), first.looks, first.hold),
            ("dpsk_pool|Lobby", 3, Hold::Write)
        );
        let line = r#"{"name":"dpsk_pool|Lobby","hold":"remove","looks":1}"#;
        let read: Waited = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }
}
