//! What jobs about the same import say they made: theirs, also where a task of this import that nobody knows the end of sent just the same.

use std::collections::HashSet;

use shared::store::StoreError;

use super::executor::{Kept, Work};
use super::past::{Claim, Walk, claim};
use super::target::Target;
use crate::executors::Past;

/// Of one phase.
pub struct OfKin {
    venue: String,
    /// As they are in ledgers.
    ids: HashSet<String>,
}

impl OfKin {
    /// Retries, and jobs that the import is a retry of, say what they made in the phase. Nobody is asked where nothing is in doubt.
    pub async fn of(work: &Work<'_>, phase: &str, is_any_in_doubt: bool) -> Result<Self, StoreError> {
        let mut ids = HashSet::new();
        if is_any_in_doubt {
            for job in work.cx.input.family(work.order.cleanup_of).await?.kin {
                let mut walk = Walk::of(work.cx, job, phase)?;
                while let Some(batch) = walk.next().await? {
                    ids.extend(batch.iter().filter_map(|past| match claim(past) {
                        Some(Claim::Made(made)) => Some(made.id.clone()),
                        _ => None,
                    }));
                }
            }
        }
        let venue = work.cx.spec.venue_id.clone();
        Ok(OfKin { venue, ids })
    }

    /// Why what a task came to stays; none: none of them has made it, or the task knows that it has. `object`: `DPSK pool "Lobby"`.
    pub fn keeps(&self, past: &Past, target: &Target, object: &str) -> Option<Kept> {
        let is_theirs = is_in_doubt(past) && target.id(&self.venue).is_some_and(|id| self.ids.contains(&id));
        is_theirs.then(|| Kept::made_by_kin(object))
    }
}

/// It may have made something, and does not know.
pub fn is_in_doubt(past: &Past) -> bool {
    claim(past) == Some(Claim::Perhaps)
}
