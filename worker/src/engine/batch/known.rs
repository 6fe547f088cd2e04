//! What a batch in a worker's hands knows, as checkpoints: for when the store has forgotten, or never had it in this form.

use shared::job::outcome::{Checkpoint, Doubt, TaskError};

use super::{Batch, INTENT_FOUND, State};

impl Batch {
    /// Intents of earlier owners that are read back later, with the time from which. Stored before the batch is put aside: found as
    /// bare intents again, they would begin to wait anew, and again.
    pub fn intents_found(&self) -> Vec<(usize, Checkpoint)> {
        let is_intent =
            |s: &State| matches!(s, State::Waiting { last, read_back: Some(_), .. } if last.code == INTENT_FOUND);
        self.known(is_intent)
    }

    /// Everything that is worth storing again when the store has lost acknowledged writes. What a plan settled beforehand is in the plan.
    pub fn all_known(&self) -> Vec<(usize, Checkpoint)> {
        self.known(|_| true)
    }

    /// Of these, those whose write did not leave after its intent was stored.
    pub fn not_left(&self, intended: impl IntoIterator<Item = usize>, now_ms: u64) -> Vec<(usize, Checkpoint)> {
        let unsent = |at: usize| match &self.states[at] {
            State::Todo(tries) => Some((
                at,
                Checkpoint::Retry {
                    attempt: tries.attempt,
                    not_before_ms: now_ms,
                    last: TaskError::new("NOT_SENT", "the write did not leave"),
                    read_back: tries.ours.then_some(Doubt::Sent),
                    request_id: None,
                    ours: tries.ours,
                    started_ms: tries.started_ms,
                    polls: tries.polls,
                    taken_ms: tries.taken_ms,
                    unread_ms: tries.unread_ms,
                    locked: tries.locked,
                },
            )),
            _ => None,
        };
        intended.into_iter().filter_map(unsent).collect()
    }

    fn known(&self, which: impl Fn(&State) -> bool) -> Vec<(usize, Checkpoint)> {
        let chosen = self.states.iter().enumerate().filter(|(_, s)| which(s));
        chosen
            .filter(|(at, _)| self.tasks[*at].input.preset.is_none())
            .filter_map(|(at, s)| checkpoint(s).map(|c| (at, c)))
            .collect()
    }
}

/// None: nothing was sent, or what is stored is as good.
fn checkpoint(s: &State) -> Option<Checkpoint> {
    match s {
        State::Waiting {
            tries,
            not_before_ms,
            last,
            read_back,
            request_id,
        } => Some(Checkpoint::Retry {
            attempt: tries.attempt,
            not_before_ms: *not_before_ms,
            last: last.clone(),
            read_back: *read_back,
            request_id: request_id.clone(),
            ours: tries.ours,
            started_ms: tries.started_ms,
            polls: tries.polls,
            taken_ms: tries.taken_ms,
            unread_ms: tries.unread_ms,
            locked: tries.locked,
        }),
        State::Pending {
            tries,
            request_id,
            since_ms,
            resource_id,
        } => Some(Checkpoint::Accepted {
            request_id: request_id.clone(),
            since_ms: *since_ms,
            resource_id: resource_id.clone(),
            attempt: tries.attempt,
            started_ms: tries.started_ms,
            ours: tries.ours,
            polls: tries.polls,
        }),
        State::InFlight(tries) => Some(Checkpoint::Sent {
            attempt: tries.attempt,
            started_ms: tries.started_ms,
        }),
        State::Done(outcome) => Some(Checkpoint::Done {
            outcome: outcome.clone(),
        }),
        State::Todo(_) | State::Uncertain { .. } => None,
    }
}
