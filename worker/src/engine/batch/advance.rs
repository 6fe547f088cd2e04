//! What happens to a task: its write's answer, its activity's end, its reading back.

use shared::job::TaskStatus;
use shared::job::outcome::{Checkpoint, Doubt, Outcome, TaskError};

use super::removal::WAS_THERE;
use super::{Batch, Effect, Mode, State, Tries};
use crate::engine::remotes::Ended;
use crate::executors::{Found, Sent, Settle, Task};
use crate::gate::GateClosed;
use crate::remote::{AskAgain, CallError, NotSent};

/// Before what was reported done, or refused for being there, is looked for again. Milliseconds.
pub(super) const AMBIGUOUS_SETTLE_MS: u64 = 2_000;
/// Before the next try of a call that never left us and was given no time. Milliseconds.
const NOT_SENT_WAIT_MS: u64 = 1_000;

/// Refused credentials are not asked with again before this, where nothing but reading back is left. Milliseconds.
const REFUSED_WAIT_MS: u64 = 30_000;

/// Backoff between two looks that fail, as of this retry: 0.2 to 8 s with the usual base. One look may be a dozen calls.
const UNREAD_BACKOFF: u32 = 3;

/// What a look showed.
const NOT_THERE: &str = "it was not there when read back";

/// Why it is read back when its time has come (none: it is sent), and the request id that belongs to the doubt.
pub(super) type Look = (Option<Doubt>, Option<String>);

impl Batch {
    /// Waiting ones whose time has come, pending ones that are given up.
    pub fn wake(&mut self, now_ms: u64) {
        for s in &mut self.states {
            match s {
                State::Waiting {
                    tries,
                    not_before_ms,
                    last,
                    read_back,
                    request_id,
                } if *not_before_ms <= now_ms => {
                    *s = match read_back {
                        None => State::Todo(*tries),
                        Some(doubt) => State::Uncertain {
                            tries: *tries,
                            doubt: *doubt,
                            request_id: request_id.take(),
                            last: Some(last.clone()),
                        },
                    };
                }
                State::Pending {
                    tries,
                    request_id,
                    since_ms,
                    ..
                } if since_ms.saturating_add(self.give_up_ms) <= now_ms => {
                    let request_id = Some(std::mem::take(request_id));
                    let tries = Tries { ours: true, ..*tries };
                    *s = State::Uncertain {
                        tries,
                        doubt: Doubt::GaveUp,
                        request_id,
                        last: None,
                    };
                }
                _ => {}
            }
        }
    }

    /// What was planned as absent may be there by now: it is looked up before it is sent. Answers what must be stored before.
    pub fn look_up_unsent(&mut self, now_ms: u64) -> Vec<(usize, Checkpoint)> {
        let error = || {
            TaskError::new(
                "NAMES_RELEASED",
                "another job may have written it meanwhile: it is looked up first",
            )
        };
        let mut looks = Vec::new();
        for at in 0..self.states.len() {
            let (tries, not_before_ms, last) = match self.states[at].clone() {
                State::Todo(tries) => (tries, now_ms, error()),
                State::Waiting {
                    tries,
                    not_before_ms,
                    last,
                    read_back: None,
                    ..
                } => (tries, not_before_ms, last),
                _ => continue,
            };
            looks.push((at, self.wait(at, tries, not_before_ms, last, (Some(Doubt::Sent), None))));
        }
        looks
    }

    /// The write is about to leave. Answers the checkpoint that must be stored before.
    pub fn mark_sent(&mut self, at: usize, now_ms: u64) -> Checkpoint {
        let mut tries = match &self.states[at] {
            State::Todo(tries) => *tries,
            _ => Tries::default(),
        };
        if tries.started_ms == 0 {
            tries.started_ms = now_ms;
        }
        self.states[at] = State::InFlight(tries);
        Checkpoint::Sent {
            attempt: tries.attempt,
            started_ms: tries.started_ms,
        }
    }

    /// Its write did not leave after all; its intent stays stored.
    pub fn put_back(&mut self, at: usize) {
        if let State::InFlight(tries) = self.states[at] {
            self.states[at] = State::Todo(tries);
        }
    }

    /// What the write's attempt came to.
    pub fn sent(&mut self, at: usize, sent: Sent, now_ms: u64, random: f64) -> (Option<Checkpoint>, Effect) {
        let State::InFlight(tries) = self.states[at].clone() else {
            return (None, Effect::None);
        };
        match sent {
            Sent::Accepted {
                request_id,
                resource_id,
            } => {
                let c = Checkpoint::Accepted {
                    request_id: request_id.clone(),
                    since_ms: now_ms,
                    resource_id: resource_id.clone(),
                    attempt: tries.attempt,
                    started_ms: tries.started_ms,
                    ours: tries.ours,
                    polls: tries.polls,
                };
                self.states[at] = State::Pending {
                    tries,
                    request_id,
                    since_ms: now_ms,
                    resource_id,
                };
                (Some(c), Effect::None)
            }
            Sent::Done(outcome) => (Some(self.done(at, outcome, tries, None, now_ms)), Effect::None),
            Sent::Unconfirmed => (Some(self.unconfirmed(at, tries, now_ms)), Effect::None),
            Sent::Failed(e) => self.failed(at, &e, tries, now_ms, random),
        }
    }

    fn failed(
        &mut self,
        at: usize,
        e: &CallError,
        tries: Tries,
        now_ms: u64,
        random: f64,
    ) -> (Option<Checkpoint>, Effect) {
        let error = self.refused(e);
        let look = |ours: bool| (ours.then_some(Doubt::Sent), None);
        if let Some(put_off) = self.put_off(at, e, &error, tries, look(tries.ours), now_ms) {
            return put_off;
        }
        if let Some(c) = self.locked(at, e, &error, tries, look(tries.ours), now_ms) {
            return (Some(c), Effect::None);
        }
        if let CallError::Conflict { uniqueness: true, .. } = e {
            // stored: the intent alone would make what is found ours
            let c = self.wait(at, tries, now_ms, error, (Some(Doubt::Conflict), None));
            return (Some(c), Effect::None);
        }
        let tried = Tries {
            attempt: tries.attempt + 1,
            ours: tries.ours || e.maybe_applied(),
            ..tries
        };
        let c = if e.is_transient() && self.policy.allows(tried.attempt) {
            let mut wait = self.policy.delay(tried.attempt, e.retry_after(), random).as_millis() as u64;
            if e.maybe_applied() {
                wait = wait.max(self.lost_settles_ms);
            }
            self.wait(at, tried, now_ms + wait, error, look(tried.ours))
        } else if tried.ours {
            // it is not sent again, but an earlier write may have been applied: the last word is the controller's
            let last = Tries {
                attempt: tried.attempt.max(self.policy.max_retries + 1),
                ..tried
            };
            self.wait(at, last, now_ms + self.lost_settles_ms, error, look(true))
        } else {
            let o = Outcome::failed(self.tasks[at].input.index, error);
            self.done(at, o, tries, None, now_ms)
        };
        (Some(c), Effect::None)
    }

    /// Failures that are no attempt at the task: nothing was sent, or our credentials were refused.
    fn put_off(
        &mut self,
        at: usize,
        e: &CallError,
        error: &TaskError,
        tries: Tries,
        look: Look,
        now_ms: u64,
    ) -> Option<(Option<Checkpoint>, Effect)> {
        let (wait, effect) = match e {
            CallError::NotSent(why) => {
                let effect = match why {
                    NotSent::Closed(GateClosed::CoolDown(d)) => Effect::CoolDown(*d),
                    _ => Effect::None,
                };
                (
                    e.retry_after().map_or(NOT_SENT_WAIT_MS, |d| d.as_millis() as u64),
                    effect,
                )
            }
            CallError::Auth { .. } => (
                if look.0.is_some() { REFUSED_WAIT_MS } else { 0 },
                Effect::Pause(error.message.clone()),
            ),
            _ => return None,
        };
        // nor a look that was refused: the time of those that fail begins anew
        let tries = Tries { unread_ms: 0, ..tries };
        Some((Some(self.wait(at, tries, now_ms + wait, error.clone(), look)), effect))
    }

    pub(super) fn wait(
        &mut self,
        at: usize,
        tries: Tries,
        not_before_ms: u64,
        last: TaskError,
        look: Look,
    ) -> Checkpoint {
        let (read_back, request_id) = look;
        let c = Checkpoint::Retry {
            attempt: tries.attempt,
            not_before_ms,
            last: last.clone(),
            read_back,
            request_id: request_id.clone(),
            ours: tries.ours,
            started_ms: tries.started_ms,
            polls: tries.polls,
            taken_ms: tries.taken_ms,
            unread_ms: tries.unread_ms,
            locked: tries.locked,
        };
        self.states[at] = State::Waiting {
            tries,
            not_before_ms,
            last,
            read_back,
            request_id,
        };
        c
    }

    pub(super) fn done(
        &mut self,
        at: usize,
        mut o: Outcome,
        tries: Tries,
        request_id: Option<String>,
        now_ms: u64,
    ) -> Checkpoint {
        (o.retries, o.started_ms, o.ended_ms) = (tries.attempt, Some(tries.started_ms), Some(now_ms));
        o.polls = o.polls.max(tries.polls);
        o.request_id = request_id.or(o.request_id);
        self.states[at] = State::Done(Box::new(o.clone()));
        Checkpoint::Done { outcome: Box::new(o) }
    }

    /// An activity has ended. `settle` says what a success means for this task.
    pub fn ended(
        &mut self,
        at: usize,
        ended: Ended,
        settle: impl FnOnce(&Task, Option<&str>) -> Settle,
        now_ms: u64,
    ) -> Option<Checkpoint> {
        let State::Pending {
            tries,
            request_id,
            resource_id,
            ..
        } = self.states[at].clone()
        else {
            return None;
        };
        let ours = Tries { ours: true, ..tries };
        let (tries, doubt, last) = match ended {
            Ended::Success { mut resource_ids } => {
                // several ids: the group or the pool may be among them, and a wrong one must not enter the ledger
                let only = if resource_ids.len() == 1 {
                    resource_ids.pop()
                } else {
                    None
                };
                match settle(&self.tasks[at], resource_id.or(only).as_deref()) {
                    Settle::Done(o) => return Some(self.done(at, o, tries, Some(request_id), now_ms)),
                    Settle::ReadBack => (ours, Doubt::Done, None),
                }
            }
            Ended::Failed { code, message, .. } if (self.waits_out)(None, &code) => {
                let (error, look) = (self.reason(&code, &message), (None, None));
                if let Some(c) = self.wait_out(at, None, &error, tries, look, now_ms) {
                    return Some(c);
                }
                let o = Outcome::failed(self.tasks[at].input.index, error);
                return Some(self.done(at, o, tries, Some(request_id), now_ms));
            }
            Ended::Unclear { code, message } => (ours, Doubt::Done, Some(self.reason(&code, &message))),
            Ended::Failed {
                code,
                message,
                uniqueness: true,
            } => (tries, Doubt::Conflict, Some(self.reason(&code, &message))),
            Ended::Failed {
                code,
                message,
                uniqueness: false,
            } => {
                let o = Outcome::failed(self.tasks[at].input.index, self.reason(&code, &message));
                return Some(self.done(at, o, tries, Some(request_id), now_ms));
            }
        };
        self.states[at] = State::Uncertain {
            tries,
            doubt,
            request_id: Some(request_id),
            last,
        };
        None
    }

    /// What reading back showed.
    pub fn found(&mut self, at: usize, found: Found, mode: Mode, now_ms: u64, random: f64) -> Option<Checkpoint> {
        let State::Uncertain {
            tries,
            doubt,
            request_id,
            last,
        } = self.states[at].clone()
        else {
            return None;
        };
        let index = self.tasks[at].input.index;
        let since = tries.unread_ms;
        let tries = Tries { unread_ms: 0, ..tries };
        let again = Tries {
            attempt: tries.attempt + 1,
            ..tries
        };
        match (found, doubt) {
            (Found::Present(o), _) => Some(self.done(at, o, tries, request_id, now_ms)),
            (Found::Unfinished, _) if tries.ours => Some(self.unfinished(at, tries, now_ms)),
            (Found::Unfinished, _) => {
                let look = (Some(doubt), request_id);
                Some(self.anothers_unfinished(at, tries, since, look, now_ms))
            }
            // it is not sent again, and the one that was accepted may be at work still
            (Found::Remains, Doubt::GaveUp) if !mode.may_send() => {
                Some(self.never_ended(at, tries, request_id, WAS_THERE, now_ms))
            }
            (Found::Remains, _) => self.remains(at, tries, (doubt, request_id), last, now_ms, random),
            (Found::Absent, _) if tries.taken_ms > 0 => Some(self.not_seen_yet(at, tries, now_ms)),
            // its activity may still be at work: sending again could make it twice
            (Found::Absent, Doubt::GaveUp) => Some(self.never_ended(at, tries, request_id, NOT_THERE, now_ms)),
            (Found::Absent, Doubt::Sent) if self.policy.allows(tries.attempt) => {
                // a takeover's intent counts as the attempt it may have been
                let uncounted = last.as_ref().is_some_and(|e| e.code == super::INTENT_FOUND);
                self.states[at] = State::Todo(if uncounted { again } else { tries });
                None
            }
            (Found::Absent, Doubt::Conflict | Doubt::Done) if self.policy.allows(again.attempt) => {
                // refused because it exists, or reported done, and not to be seen (yet): look again a little later
                let error =
                    last.unwrap_or_else(|| TaskError::new("NOT_VISIBLE_YET", "reported done, not to be seen yet"));
                let wait = self.policy.delay(again.attempt, None, random).as_millis() as u64;
                Some(self.wait(
                    at,
                    again,
                    now_ms + wait.max(AMBIGUOUS_SETTLE_MS),
                    error,
                    (Some(doubt), request_id),
                ))
            }
            (Found::Absent, _) => {
                let mut error = last.unwrap_or_else(|| TaskError::new("NOT_FOUND", "it was reported done"));
                error.message.push_str("; ");
                error.message.push_str(NOT_THERE);
                Some(self.done(at, Outcome::failed(index, error), tries, request_id, now_ms))
            }
        }
    }

    /// Its activity was waited for long enough, and looking tells nothing either.
    pub(super) fn never_ended(
        &mut self,
        at: usize,
        tries: Tries,
        request_id: Option<String>,
        seen: &str,
        now_ms: u64,
    ) -> Checkpoint {
        let message = format!("the controller accepted it and never said what became of it; {seen}");
        let mut o = Outcome::new(self.tasks[at].input.index, TaskStatus::Unknown);
        o.error = Some(TaskError::new("ACTIVITY_NEVER_ENDED", message));
        self.done(at, o, tries, request_id, now_ms)
    }

    /// Reading back failed: tried again later, as long as an activity is waited for; then nobody knows. It is no attempt at the task:
    /// a look costs little, and a person has to look where we give up. Of a job that is cut short every failure counts, as those of a
    /// write do: it must end some day, also while its controller is gone or refuses us.
    pub fn not_read_back(
        &mut self,
        at: usize,
        e: &CallError,
        mode: Mode,
        now_ms: u64,
        random: f64,
    ) -> (Option<Checkpoint>, Effect) {
        let State::Uncertain {
            tries,
            doubt,
            request_id,
            ..
        } = self.states[at].clone()
        else {
            return (None, Effect::None);
        };
        let error = self.refused(e);
        let look = (Some(doubt), request_id.clone());
        let ending = matches!(mode, Mode::Cut | Mode::Poison);
        // our own doing, which ends by itself; a controller that is gone may keep its gate closed for ever
        let is_ours = matches!(
            e,
            CallError::NotSent(NotSent::Closed(GateClosed::LeaseLost | GateClosed::Stopped))
        );
        if (!ending || is_ours)
            && let Some(put_off) = self.put_off(at, e, &error, tries, look.clone(), now_ms)
        {
            return put_off;
        }
        let since = if tries.unread_ms == 0 { now_ms } else { tries.unread_ms };
        let (next, is_over) = match ending {
            false => (tries, since.saturating_add(self.give_up_ms) <= now_ms),
            true => (
                Tries {
                    attempt: tries.attempt + 1,
                    ..tries
                },
                !self.policy.allows(tries.attempt + 1),
            ),
        };
        let c = if e.ask_again() != AskAgain::Never && !is_over {
            let next = Tries {
                unread_ms: since,
                ..next
            };
            let wait = self.policy.delay(UNREAD_BACKOFF, e.retry_after(), random).as_millis() as u64;
            self.wait(at, next, now_ms + wait, error, look)
        } else {
            let mut o = Outcome::new(self.tasks[at].input.index, TaskStatus::Unknown);
            o.error = Some(error);
            self.done(at, o, tries, request_id, now_ms)
        };
        (Some(c), Effect::None)
    }
}
