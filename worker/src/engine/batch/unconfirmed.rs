//! Writes that were taken with nothing to ask after: neither a request id nor an end. Only looking tells what became of one, and it
//! can't be seen at first, or not whole; so it is looked for with pauses, as long as an activity would be waited for. Then nobody knows.

use shared::job::TaskStatus;
use shared::job::outcome::{Checkpoint, Doubt, Outcome, TaskError};

use super::advance::Look;
use super::{Batch, Tries};

/// Before the first look. Milliseconds.
const FIRST_LOOK_MS: u64 = 500;
/// Between two looks. Milliseconds.
const LOOK_AGAIN_MS: u64 = 2_000;

impl Batch {
    pub(super) fn unconfirmed(&mut self, at: usize, tries: Tries, now_ms: u64) -> Checkpoint {
        let taken = Tries {
            ours: true,
            taken_ms: now_ms,
            ..tries
        };
        self.look_later(at, taken, now_ms + FIRST_LOOK_MS)
    }

    /// Somebody else is making it. When that one is done with it, it is adopted, or not there, and sent; `since`: looked for in vain.
    pub(super) fn anothers_unfinished(
        &mut self,
        at: usize,
        tries: Tries,
        since_ms: u64,
        look: Look,
        now_ms: u64,
    ) -> Checkpoint {
        let unread_ms = if since_ms == 0 { now_ms } else { since_ms };
        let error = TaskError::new(
            "NOT_WHOLE",
            "somebody else has begun to make it in the same moment, and it did not become whole",
        );
        if unread_ms.saturating_add(self.give_up_ms) <= now_ms {
            let o = Outcome::failed(self.tasks[at].input.index, error);
            return self.done(at, o, tries, None, now_ms);
        }
        self.wait(at, Tries { unread_ms, ..tries }, now_ms + LOOK_AGAIN_MS, error, look)
    }

    /// It was found, still being made, and we had sent it: it was taken.
    pub(super) fn unfinished(&mut self, at: usize, tries: Tries, now_ms: u64) -> Checkpoint {
        let taken_ms = if tries.taken_ms == 0 { now_ms } else { tries.taken_ms };
        self.not_seen_yet(at, Tries { taken_ms, ..tries }, now_ms)
    }

    /// It was looked for and not found, or not whole.
    pub(super) fn not_seen_yet(&mut self, at: usize, tries: Tries, now_ms: u64) -> Checkpoint {
        if !self.is_given_up(&tries, now_ms) {
            return self.look_later(at, tries, now_ms + LOOK_AGAIN_MS);
        }
        let mut o = Outcome::new(self.tasks[at].input.index, TaskStatus::Unknown);
        o.error = Some(TaskError::new(
            "NEVER_SEEN",
            "the controller accepted it, gave nothing to ask after, and never showed it whole",
        ));
        self.done(at, o, tries, None, now_ms)
    }

    /// It was taken so long ago that it will not be seen any more.
    pub(super) fn is_given_up(&self, tries: &Tries, now_ms: u64) -> bool {
        tries.taken_ms.saturating_add(self.give_up_ms) <= now_ms
    }

    fn look_later(&mut self, at: usize, tries: Tries, not_before_ms: u64) -> Checkpoint {
        let error = TaskError::new("NOT_VISIBLE_YET", "accepted, not to be seen yet");
        self.wait(at, tries, not_before_ms, error, (Some(Doubt::Done), None))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use shared::job::outcome::{Origin, Resource};
    use shared::job::retry::RetryPolicy;
    use shared::job::task::TaskInput;

    use super::super::{Mode, State};
    use super::*;
    use crate::executors::{Found, Sent, Task};
    use crate::remote::CallError;

    const GIVE_UP_MS: u64 = 60_000;

    fn batch(checkpoints: &[(u32, String)]) -> Batch {
        let input = TaskInput {
            index: 7,
            name: "u".into(),
            data: Value::Null,
            preset: None,
        };
        let policy = RetryPolicy {
            max_retries: 1,
            backoff_seconds: 1.0,
        };
        Batch::new(vec![Task { input, secret: None }], checkpoints, policy, GIVE_UP_MS, 0)
    }

    fn taken(now_ms: u64) -> (Batch, Checkpoint) {
        let mut b = batch(&[]);
        b.mark_sent(0, now_ms);
        let (c, _) = b.sent(0, Sent::Unconfirmed, now_ms, 0.5);
        (b, c.expect("it is stored"))
    }

    #[test]
    fn it_is_looked_for_until_it_is_seen_and_is_ours() {
        let (_, c) = taken(1_000);
        // another worker takes over: what it finds is ours all the same
        let mut b = batch(&[(7, serde_json::to_string(&c).unwrap())]);
        b.wake(1_000);
        assert!(b.uncertain().is_empty(), "not at once");
        let mut now = 1_000;
        for _ in 0..10 {
            now += LOOK_AGAIN_MS;
            b.wake(now);
            assert!(b.uncertain() == [0] && b.is_ours(0), "at {now}");
            b.found(0, Found::Absent, Mode::Run, now, 0.5);
            assert!(
                b.todo().is_empty() && matches!(b.states[0], State::Waiting { .. }),
                "at {now}"
            );
        }
        b.wake(now + LOOK_AGAIN_MS);
        let resource = Resource {
            kind: "k".into(),
            id: "i".into(),
            name: String::new(),
            origin: Origin::Created,
        };
        b.found(
            0,
            Found::Present(Outcome::completed(7, Some(resource))),
            Mode::Run,
            now,
            0.5,
        );
        let outcome = b.outcomes().remove(0);
        assert_eq!((outcome.status, outcome.retries), (TaskStatus::Completed, 0));
    }

    #[test]
    fn one_that_is_never_seen_is_unknown_and_never_sent_again() {
        let (mut b, _) = taken(1_000);
        for now in (2_000..=1_000 + GIVE_UP_MS + LOOK_AGAIN_MS).step_by(1_000) {
            b.wake(now);
            b.found(0, Found::Absent, Mode::Run, now, 0.5);
            assert!(b.todo().is_empty());
        }
        let outcome = b.outcomes().remove(0);
        assert_eq!(
            (outcome.status, outcome.error.unwrap().code.as_str()),
            (TaskStatus::Unknown, "NEVER_SEEN")
        );
    }

    #[test]
    fn what_is_found_half_made_is_not_sent_again() {
        let mut b = batch(&[]);
        b.mark_sent(0, 1_000);
        let lost = CallError::Ambiguous {
            write: true,
            detail: String::new(),
        };
        b.sent(0, Sent::Failed(lost), 1_000, 0.5);
        for now in (4_000..40_000).step_by(4_000) {
            b.wake(now);
            // seen at first, and then not: whatever is found, it was taken
            let found = if now < 20_000 { Found::Unfinished } else { Found::Absent };
            assert!(b.uncertain() == [0] && b.is_ours(0), "at {now}");
            b.found(0, found, Mode::Run, now, 0.5);
            assert!(b.todo().is_empty(), "at {now}");
        }
        b.wake(4_000 + GIVE_UP_MS);
        b.found(0, Found::Unfinished, Mode::Run, 4_000 + GIVE_UP_MS, 0.5);
        assert_eq!(b.outcomes().remove(0).error.unwrap().code, "NEVER_SEEN");
    }

    #[test]
    fn looks_that_fail_do_not_use_up_its_time() {
        let (mut b, _) = taken(1_000);
        let failed = CallError::ServerError {
            status: 503,
            retry_after: None,
            write: false,
            detail: String::new(),
        };
        for now in (3_000..GIVE_UP_MS).step_by(3_000) {
            b.wake(now);
            b.not_read_back(0, &failed, Mode::Run, now, 0.5);
            assert!(matches!(b.states[0], State::Waiting { .. }), "at {now}");
        }
        let end = 1_000 + GIVE_UP_MS;
        for now in [end, end + 400_000] {
            b.wake(now);
            b.not_read_back(0, &failed, Mode::Run, now, 0.5);
        }
        assert_eq!(b.outcomes().remove(0).status, TaskStatus::Unknown);
    }

    /// Only looked up, never sent: what is half made there is somebody else's.
    #[test]
    fn what_somebody_else_has_half_made_is_waited_for_and_never_called_ours() {
        let looked_up = || {
            let mut b = batch(&[]);
            b.look_up_unsent(0);
            b.wake(0);
            b
        };
        let mut gone = looked_up();
        for now in (1_000..30_000).step_by(3_000) {
            gone.found(0, Found::Unfinished, Mode::Run, now, 0.5);
            assert!(gone.uncertain().is_empty() && !gone.is_unsettled(), "at {now}");
            gone.wake(now + LOOK_AGAIN_MS);
            assert!(!gone.is_ours(0));
        }
        gone.found(0, Found::Absent, Mode::Run, 31_000, 0.5);
        assert_eq!(gone.todo(), [0], "nobody makes it now");

        let mut stays = looked_up();
        let mut now = 1_000;
        while stays.outcomes().is_empty() {
            stays.found(0, Found::Unfinished, Mode::Run, now, 0.5);
            now = stays.next_due_ms().unwrap_or(now);
            stays.wake(now);
            assert!(now < 2 * GIVE_UP_MS);
        }
        let outcome = stays.outcomes().remove(0);
        assert_eq!(
            (outcome.status, outcome.error.unwrap().code.as_str()),
            (TaskStatus::Failed, "NOT_WHOLE")
        );
        assert!(now >= 1_000 + GIVE_UP_MS, "not before: {now}");
    }
}
