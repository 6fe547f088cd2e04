//! Writes that are refused because somebody else's change of the same thing is under way (423), or because something still uses what they
//! would take away. That is over after 30 to 90 s and no attempt at the task: it is tried again, first soon and then slowly, as long as an
//! activity would be waited for. After that its retries count as after any other failure.

use std::time::Duration;

use shared::job::outcome::{Checkpoint, TaskError};
use shared::job::retry::BACKOFF_MAX;

use super::advance::Look;
use super::{Batch, Tries};
use crate::remote::{CallError, LOCKED};

/// Before the first try more, and the most between two. Milliseconds.
const WAIT_MS: (u64, u64) = (2_000, 10_000);

/// The wait after so many refusals: half as long again each time.
fn wait_ms(refusals: u32) -> u64 {
    let (first, most) = WAIT_MS;
    let grown = (0..refusals.min(16)).fold(first, |wait, _| wait + wait / 2);
    grown.min(most)
}

impl Batch {
    /// `None`: it is not locked, or was for too long. What is counted are refusals and not time, or a job that was paused, or a controller
    /// that was away, would have used up its patience.
    pub(super) fn locked(
        &mut self,
        at: usize,
        e: &CallError,
        error: &TaskError,
        tries: Tries,
        look: Look,
        now_ms: u64,
    ) -> Option<Checkpoint> {
        let retry_after = match e {
            CallError::Transient {
                status: LOCKED,
                retry_after,
                ..
            } => *retry_after,
            CallError::Conflict { .. } | CallError::Rejected { .. } if (self.waits_out)(e.status(), &e.code()) => None,
            _ => return None,
        };
        self.wait_out(at, retry_after, error, tries, look, now_ms)
    }

    /// `None`: it was waited for too long.
    pub(super) fn wait_out(
        &mut self,
        at: usize,
        retry_after: Option<Duration>,
        error: &TaskError,
        tries: Tries,
        look: Look,
        now_ms: u64,
    ) -> Option<Checkpoint> {
        let waited: u64 = (0..tries.locked.min(10_000)).map(wait_ms).sum();
        if waited >= self.give_up_ms {
            return None;
        }
        let asked = retry_after.unwrap_or(Duration::ZERO).min(BACKOFF_MAX).as_millis() as u64;
        let wait = wait_ms(tries.locked).max(asked);
        let tries = Tries {
            locked: tries.locked + 1,
            ..tries
        };
        Some(self.wait(at, tries, now_ms + wait, error.clone(), look))
    }
}
