//! Where the tasks of a claimed batch stand, and what follows from each thing that happens. Pure: time and chance are arguments.

use std::collections::BTreeMap;

use shared::job::TaskStatus;
use shared::job::outcome::{Checkpoint, Outcome, TaskError};
use shared::job::retry::RetryPolicy;
use shared::store::model::Flag;

use crate::executors::{Found, Sent, Settle, Task};
use crate::gate::GateClosed;
use crate::remote::{CallError, NotSent};

use super::remotes::Ended;

/// A write whose answer was lost may still be at work: it is not read back before this, or it would be missed. Milliseconds.
const AMBIGUOUS_SETTLE_MS: u64 = 2_000;

/// State of one task in the hands of a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// To be sent. `was_sent`: an earlier write of ours may have been applied, reading back found nothing.
    Todo {
        attempt: u32,
        was_sent: bool,
    },
    /// Not before the time given; then sent, or read back first if it was sent before.
    Waiting {
        attempt: u32,
        not_before_ms: u64,
        last: TaskError,
        was_sent: bool,
        started_ms: u64,
    },
    /// Perhaps applied: to be read back.
    Uncertain {
        attempt: u32,
        started_ms: u64,
        ours: bool,
        gave_up: bool,
        after_conflict: bool,
        resource_id: Option<String>,
        request_id: Option<String>,
        last: Option<TaskError>,
    },
    InFlight {
        attempt: u32,
        was_sent: bool,
        started_ms: u64,
    },
    Pending {
        request_id: String,
        since_ms: u64,
        resource_id: Option<String>,
        attempt: u32,
        started_ms: u64,
    },
    Done(Box<Outcome>),
}

/// Why nothing new is sent any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Run,
    /// The job is held: what is pending is settled, the rest is put aside.
    Hold,
    /// The job is cut short: what is pending is settled, the rest is cancelled.
    Cut(&'static str),
    /// The batch brought several workers down: what is pending is settled, the rest fails.
    Poison,
    /// Even settling crashed: what the checkpoints say is the end of it.
    Bury,
}

impl Mode {
    /// `crashes` in a row without progress, of which `crashes_max` are borne.
    pub fn of(flag: Flag, crashes: u32, crashes_max: u32) -> Self {
        match flag {
            _ if crashes > 2 * crashes_max => Mode::Bury,
            Flag::Cancelled => Mode::Cut("CANCELLED"),
            Flag::Critical => Mode::Cut("CRITICAL"),
            Flag::Timeout => Mode::Cut("TIMEOUT"),
            _ if crashes > crashes_max => Mode::Poison,
            Flag::Held => Mode::Hold,
            Flag::None => Mode::Run,
        }
    }
}

/// What the run has to see to besides the checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    None,
    /// The controller refused our credentials: the job is held with this reason.
    Pause(String),
    /// The gate is closed for so long.
    CoolDown(std::time::Duration),
}

pub struct Batch {
    pub tasks: Vec<Task>,
    pub states: Vec<State>,
    policy: RetryPolicy,
    give_up_ms: u64,
}

impl Batch {
    /// From the plan and what was remembered since.
    pub fn new(tasks: Vec<Task>, checkpoints: &[(u32, String)], policy: RetryPolicy, give_up_ms: u64) -> Self {
        let known: BTreeMap<u32, Checkpoint> = checkpoints
            .iter()
            .filter_map(|(i, c)| serde_json::from_str(c).ok().map(|c| (*i, c)))
            .collect();
        let states = tasks
            .iter()
            .map(|t| match (known.get(&t.input.index), &t.input.preset) {
                (Some(c), _) => from_checkpoint(c.clone()),
                (None, Some(o)) => State::Done(Box::new(o.clone())),
                (None, None) => State::Todo {
                    attempt: 0,
                    was_sent: false,
                },
            })
            .collect();
        Batch {
            tasks,
            states,
            policy,
            give_up_ms,
        }
    }

    /// Waiting ones whose time has come, pending ones that are given up.
    pub fn wake(&mut self, now_ms: u64) {
        for s in &mut self.states {
            match s {
                State::Waiting {
                    attempt,
                    not_before_ms,
                    was_sent: false,
                    ..
                } if *not_before_ms <= now_ms => {
                    *s = State::Todo {
                        attempt: *attempt,
                        was_sent: false,
                    };
                }
                State::Waiting {
                    attempt,
                    not_before_ms,
                    was_sent: true,
                    started_ms,
                    last,
                } if *not_before_ms <= now_ms => {
                    *s = State::Uncertain {
                        attempt: *attempt,
                        started_ms: *started_ms,
                        ours: true,
                        gave_up: false,
                        after_conflict: false,
                        resource_id: None,
                        request_id: None,
                        last: Some(last.clone()),
                    };
                }
                State::Pending {
                    request_id,
                    since_ms,
                    resource_id,
                    attempt,
                    started_ms,
                } if since_ms.saturating_add(self.give_up_ms) <= now_ms => {
                    *s = State::Uncertain {
                        attempt: *attempt,
                        started_ms: *started_ms,
                        ours: true,
                        gave_up: true,
                        after_conflict: false,
                        resource_id: resource_id.take(),
                        request_id: Some(std::mem::take(request_id)),
                        last: None,
                    };
                }
                _ => {}
            }
        }
    }

    fn positions(&self, f: impl Fn(&State) -> bool) -> Vec<usize> {
        self.states
            .iter()
            .enumerate()
            .filter(|(_, s)| f(s))
            .map(|(i, _)| i)
            .collect()
    }

    pub fn todo(&self) -> Vec<usize> {
        self.positions(|s| matches!(s, State::Todo { .. }))
    }

    pub fn uncertain(&self) -> Vec<usize> {
        self.positions(|s| matches!(s, State::Uncertain { .. }))
    }

    /// Position and request id of those whose activity is waited for.
    pub fn pending(&self) -> Vec<(usize, String, u64)> {
        self.states
            .iter()
            .enumerate()
            .filter_map(|(i, s)| match s {
                State::Pending {
                    request_id, since_ms, ..
                } => Some((i, request_id.clone(), *since_ms)),
                _ => None,
            })
            .collect()
    }

    pub fn all_done(&self) -> bool {
        self.states.iter().all(|s| matches!(s, State::Done(_)))
    }

    /// Tasks that will want a call when the batch comes back.
    pub fn weight(&self) -> u32 {
        self.positions(|s| !matches!(s, State::Done(_) | State::Pending { .. }))
            .len() as u32
    }

    /// When something of it is due: a retry, or the end of waiting for an activity.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.states
            .iter()
            .filter_map(|s| match s {
                State::Waiting { not_before_ms, .. } => Some(*not_before_ms),
                State::Pending { since_ms, .. } => Some(since_ms + self.give_up_ms),
                _ => None,
            })
            .min()
    }

    /// The write is about to leave. Answers the checkpoint that must be stored before.
    pub fn mark_sent(&mut self, at: usize, now_ms: u64) -> Checkpoint {
        let (attempt, was_sent) = match &self.states[at] {
            State::Todo { attempt, was_sent } => (*attempt, *was_sent),
            _ => (0, true),
        };
        self.states[at] = State::InFlight {
            attempt,
            was_sent,
            started_ms: now_ms,
        };
        Checkpoint::Sent {
            attempt,
            started_ms: now_ms,
        }
    }

    /// What the write's attempt came to.
    pub fn sent(&mut self, at: usize, sent: Sent, now_ms: u64, random: f64) -> (Option<Checkpoint>, Effect) {
        let State::InFlight {
            attempt,
            was_sent,
            started_ms,
        } = self.states[at].clone()
        else {
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
                    attempt,
                    started_ms,
                };
                self.states[at] = State::Pending {
                    request_id,
                    since_ms: now_ms,
                    resource_id,
                    attempt,
                    started_ms,
                };
                (Some(c), Effect::None)
            }
            Sent::Done(outcome) => (Some(self.done(at, outcome, attempt, started_ms, now_ms)), Effect::None),
            Sent::Failed(e) => self.failed(at, e, attempt, was_sent, started_ms, now_ms, random),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the state that was taken apart, and the world")]
    fn failed(
        &mut self,
        at: usize,
        e: CallError,
        attempt: u32,
        was_sent: bool,
        started_ms: u64,
        now_ms: u64,
        random: f64,
    ) -> (Option<Checkpoint>, Effect) {
        let error = TaskError::new(&e.code(), e.to_message());
        match &e {
            // nothing was sent: not an attempt
            CallError::NotSent(why) => {
                let wait = e.retry_after().map_or(1_000, |d| d.as_millis() as u64);
                let c = self.wait(at, attempt, now_ms + wait, error, was_sent, started_ms);
                let effect = match why {
                    NotSent::Closed(GateClosed::CoolDown(d)) => Effect::CoolDown(*d),
                    _ => Effect::None,
                };
                (Some(c), effect)
            }
            CallError::Auth { .. } => {
                let c = self.wait(at, attempt, now_ms, error, was_sent, started_ms);
                (Some(c), Effect::Pause(e.to_message()))
            }
            CallError::Conflict { uniqueness: true, .. } => {
                // it exists: ours only if a write before this one may have been applied
                self.states[at] = State::Uncertain {
                    attempt,
                    started_ms,
                    ours: was_sent,
                    gave_up: false,
                    after_conflict: true,
                    resource_id: None,
                    request_id: None,
                    last: Some(error),
                };
                (None, Effect::None)
            }
            _ if e.is_transient() => {
                let applied = was_sent || e.maybe_applied();
                if self.policy.allows(attempt + 1) {
                    let mut wait = self.policy.delay(attempt + 1, e.retry_after(), random).as_millis() as u64;
                    if e.maybe_applied() {
                        wait = wait.max(AMBIGUOUS_SETTLE_MS);
                    }
                    (
                        Some(self.wait(at, attempt + 1, now_ms + wait, error, applied, started_ms)),
                        Effect::None,
                    )
                } else if applied {
                    // the last word is the controller's: read back, then give up
                    let wait = AMBIGUOUS_SETTLE_MS;
                    (
                        Some(self.wait(at, attempt + 1, now_ms + wait, error, true, started_ms)),
                        Effect::None,
                    )
                } else {
                    let o = Outcome::failed(self.tasks[at].input.index, error);
                    (Some(self.done(at, o, attempt, started_ms, now_ms)), Effect::None)
                }
            }
            _ => {
                let o = Outcome::failed(self.tasks[at].input.index, error);
                (Some(self.done(at, o, attempt, started_ms, now_ms)), Effect::None)
            }
        }
    }

    fn wait(
        &mut self,
        at: usize,
        attempt: u32,
        not_before_ms: u64,
        last: TaskError,
        was_sent: bool,
        started_ms: u64,
    ) -> Checkpoint {
        self.states[at] = State::Waiting {
            attempt,
            not_before_ms,
            last: last.clone(),
            was_sent,
            started_ms,
        };
        Checkpoint::Retry {
            attempt,
            not_before_ms,
            last,
            was_sent,
            started_ms,
        }
    }

    fn done(&mut self, at: usize, mut o: Outcome, attempt: u32, started_ms: u64, now_ms: u64) -> Checkpoint {
        (o.retries, o.started_ms, o.ended_ms) = (attempt, Some(started_ms), Some(now_ms));
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
            request_id,
            resource_id,
            attempt,
            started_ms,
            ..
        } = self.states[at].clone()
        else {
            return None;
        };
        match ended {
            Ended::Success { resource_ids } => {
                let id = resource_id.or_else(|| resource_ids.into_iter().next());
                match settle(&self.tasks[at], id.as_deref()) {
                    Settle::Done(mut o) => {
                        o.request_id = Some(request_id);
                        Some(self.done(at, o, attempt, started_ms, now_ms))
                    }
                    Settle::ReadBack => {
                        self.states[at] = State::Uncertain {
                            attempt,
                            started_ms,
                            ours: true,
                            gave_up: false,
                            after_conflict: false,
                            resource_id: id,
                            request_id: Some(request_id),
                            last: None,
                        };
                        None
                    }
                }
            }
            Ended::Unclear { code, message } => {
                self.states[at] = State::Uncertain {
                    attempt,
                    started_ms,
                    ours: true,
                    gave_up: false,
                    after_conflict: false,
                    resource_id,
                    request_id: Some(request_id),
                    last: Some(TaskError::new(&code, message)),
                };
                None
            }
            Ended::Failed {
                code,
                message,
                uniqueness,
            } => {
                let error = TaskError::new(&code, message);
                if uniqueness {
                    self.states[at] = State::Uncertain {
                        attempt,
                        started_ms,
                        ours: attempt > 0,
                        gave_up: false,
                        after_conflict: true,
                        resource_id: None,
                        request_id: Some(request_id),
                        last: Some(error),
                    };
                    return None;
                }
                let mut o = Outcome::failed(self.tasks[at].input.index, error);
                o.request_id = Some(request_id);
                Some(self.done(at, o, attempt, started_ms, now_ms))
            }
        }
    }

    /// What reading back showed.
    pub fn found(&mut self, at: usize, found: Found, now_ms: u64, random: f64) -> Option<Checkpoint> {
        let State::Uncertain {
            attempt,
            started_ms,
            gave_up,
            after_conflict,
            request_id,
            last,
            ..
        } = self.states[at].clone()
        else {
            return None;
        };
        let index = self.tasks[at].input.index;
        match found {
            Found::Present(mut o) => {
                o.request_id = request_id;
                Some(self.done(at, o, attempt, started_ms, now_ms))
            }
            Found::Absent if gave_up => {
                // its activity may still be at work: sending again could make it twice
                let mut o = Outcome::new(index, TaskStatus::Unknown);
                o.request_id = request_id;
                o.error = Some(TaskError::new(
                    "ACTIVITY_NEVER_ENDED",
                    "the controller accepted it and never said what became of it; it was not there when read back",
                ));
                Some(self.done(at, o, attempt, started_ms, now_ms))
            }
            Found::Absent if !self.policy.allows(attempt) || (after_conflict && !self.policy.allows(attempt + 1)) => {
                let mut error = last.unwrap_or_else(|| {
                    TaskError::new("NOT_FOUND", "it was reported done, and was not there when read back")
                });
                error.message.push_str("; it was not there when read back");
                Some(self.done(at, Outcome::failed(index, error), attempt, started_ms, now_ms))
            }
            Found::Absent if after_conflict || request_id.is_some() => {
                // refused because it exists, or reported done, and not (yet) to be seen: look again a little later
                let error =
                    last.unwrap_or_else(|| TaskError::new("NOT_VISIBLE_YET", "reported done, not to be seen yet"));
                let wait = self.policy.delay(attempt + 1, None, random).as_millis() as u64;
                Some(self.wait(
                    at,
                    attempt + 1,
                    now_ms + wait.max(AMBIGUOUS_SETTLE_MS),
                    error,
                    true,
                    started_ms,
                ))
            }
            Found::Absent => {
                // a takeover's intent counts as the attempt it may have been
                let attempt = if last.is_none() { attempt + 1 } else { attempt };
                self.states[at] = State::Todo {
                    attempt,
                    was_sent: true,
                };
                None
            }
        }
    }

    /// Reading back failed: tried again later, as often as a write is; then nobody knows.
    pub fn not_read_back(
        &mut self,
        at: usize,
        e: &CallError,
        now_ms: u64,
        random: f64,
    ) -> (Option<Checkpoint>, Effect) {
        let State::Uncertain {
            attempt,
            started_ms,
            request_id,
            ..
        } = self.states[at].clone()
        else {
            return (None, Effect::None);
        };
        let error = TaskError::new(&e.code(), e.to_message());
        match e {
            CallError::NotSent(why) => {
                let effect = match why {
                    NotSent::Closed(GateClosed::CoolDown(d)) => Effect::CoolDown(*d),
                    _ => Effect::None,
                };
                let wait = e.retry_after().map_or(1_000, |d| d.as_millis() as u64);
                (
                    Some(self.wait(at, attempt, now_ms + wait, error, true, started_ms)),
                    effect,
                )
            }
            CallError::Auth { .. } => (
                Some(self.wait(at, attempt, now_ms, error, true, started_ms)),
                Effect::Pause(e.to_message()),
            ),
            _ if e.is_transient() && self.policy.allows(attempt + 1) => {
                let wait = self.policy.delay(attempt + 1, e.retry_after(), random).as_millis() as u64;
                (
                    Some(self.wait(at, attempt + 1, now_ms + wait, error, true, started_ms)),
                    Effect::None,
                )
            }
            _ => {
                let mut o = Outcome::new(self.tasks[at].input.index, TaskStatus::Unknown);
                (o.error, o.request_id) = (Some(error), request_id);
                (Some(self.done(at, o, attempt, started_ms, now_ms)), Effect::None)
            }
        }
    }

    /// Nothing new is sent any more: what has not been sent ends here. What was sent stays to be settled.
    pub fn settle(&mut self, mode: Mode, now_ms: u64) {
        for at in 0..self.states.len() {
            let index = self.tasks[at].input.index;
            let unsent = match &self.states[at] {
                State::Todo { was_sent, .. } | State::Waiting { was_sent, .. } => !was_sent,
                _ => false,
            };
            let end = match mode {
                Mode::Run | Mode::Hold => None,
                Mode::Cut(_) if unsent => Some(Outcome::new(index, TaskStatus::Cancelled)),
                // read back before and found absent: nothing of it is there
                Mode::Cut(_) if matches!(self.states[at], State::Todo { .. }) => {
                    Some(Outcome::new(index, TaskStatus::Cancelled))
                }
                Mode::Poison if unsent => Some(poison(index)),
                Mode::Poison if matches!(self.states[at], State::Todo { .. }) => Some(poison(index)),
                Mode::Bury if unsent => Some(poison(index)),
                Mode::Bury => match &self.states[at] {
                    State::Done(_) => None,
                    s => {
                        let mut o = Outcome::new(index, TaskStatus::Unknown);
                        o.error = Some(TaskError::new(
                            "POISON",
                            "workers kept crashing on this batch; what became of the write is not known",
                        ));
                        if let State::Pending { request_id, .. } = s {
                            o.request_id = Some(request_id.clone());
                        }
                        Some(o)
                    }
                },
                _ => None,
            };
            if let Some(mut o) = end {
                o.ended_ms = Some(now_ms);
                self.states[at] = State::Done(Box::new(o));
            } else if !matches!(mode, Mode::Run | Mode::Hold)
                && let State::Waiting {
                    not_before_ms,
                    was_sent: true,
                    ..
                } = &mut self.states[at]
            {
                // to be read back now rather than after its backoff
                *not_before_ms = (*not_before_ms).min(now_ms + AMBIGUOUS_SETTLE_MS);
            }
        }
    }

    /// Final outcomes, in the order of the plan. Only of a batch that is all done.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.states
            .iter()
            .filter_map(|s| match s {
                State::Done(o) => Some((**o).clone()),
                _ => None,
            })
            .collect()
    }
}

fn poison(index: u32) -> Outcome {
    Outcome::failed(
        index,
        TaskError::new(
            "POISON",
            "workers kept crashing on this batch before this task was sent",
        ),
    )
}

fn from_checkpoint(c: Checkpoint) -> State {
    match c {
        Checkpoint::Sent { attempt, started_ms } => State::Uncertain {
            attempt,
            started_ms,
            ours: true,
            gave_up: false,
            after_conflict: false,
            resource_id: None,
            request_id: None,
            last: None,
        },
        Checkpoint::Accepted {
            request_id,
            since_ms,
            resource_id,
            attempt,
            started_ms,
        } => State::Pending {
            request_id,
            since_ms,
            resource_id,
            attempt,
            started_ms,
        },
        Checkpoint::Retry {
            attempt,
            not_before_ms,
            last,
            was_sent,
            started_ms,
        } => State::Waiting {
            attempt,
            not_before_ms,
            last,
            was_sent,
            started_ms,
        },
        Checkpoint::Done { outcome } => State::Done(outcome),
    }
}
