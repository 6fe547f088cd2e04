//! Writes that take something away, and what they should have taken is still there when it is looked for. A second one does no harm, so
//! it is sent again in every case but one: what was reported done may only not be shown yet, and is looked for once more before.

use shared::job::outcome::{Checkpoint, Doubt, Outcome, TaskError};

use super::advance::AMBIGUOUS_SETTLE_MS;
use super::{Batch, INTENT_FOUND, State, Tries};

/// What a look showed.
pub(super) const WAS_THERE: &str = "it was still there when read back";
/// Of what would not go.
const STILL_THERE: &str = "STILL_THERE";

impl Batch {
    /// `None`: it is sent again.
    pub(super) fn remains(
        &mut self,
        at: usize,
        tries: Tries,
        (doubt, request_id): (Doubt, Option<String>),
        last: Option<TaskError>,
        now_ms: u64,
        random: f64,
    ) -> Option<Checkpoint> {
        let index = self.tasks[at].input.index;
        let again = Tries {
            attempt: tries.attempt + 1,
            ..tries
        };
        match doubt {
            Doubt::Sent if self.policy.allows(tries.attempt) => {
                // a takeover's intent counts as the attempt it may have been
                let uncounted = last.is_some_and(|e| e.code == INTENT_FOUND);
                self.states[at] = State::Todo(if uncounted { again } else { tries });
                None
            }
            Doubt::Done | Doubt::Conflict if self.policy.allows(again.attempt) => {
                let error = last.unwrap_or_else(|| TaskError::new(STILL_THERE, "reported done, and still there"));
                let wait = self.policy.delay(again.attempt, None, random).as_millis() as u64;
                let look = (Some(Doubt::Sent), request_id);
                Some(self.wait(at, again, now_ms + wait.max(AMBIGUOUS_SETTLE_MS), error, look))
            }
            Doubt::GaveUp if self.policy.allows(again.attempt) => {
                self.states[at] = State::Todo(again);
                None
            }
            Doubt::GaveUp => Some(self.never_ended(at, tries, request_id, WAS_THERE, now_ms)),
            Doubt::Sent | Doubt::Done | Doubt::Conflict => {
                let mut error = last.unwrap_or_else(|| TaskError::new(STILL_THERE, "it was reported done"));
                error.message.push_str("; ");
                error.message.push_str(WAS_THERE);
                Some(self.done(at, Outcome::failed(index, error), tries, request_id, now_ms))
            }
        }
    }
}
