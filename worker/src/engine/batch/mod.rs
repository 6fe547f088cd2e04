//! Where the tasks of a claimed batch stand, and what follows from each thing that happens. Pure: time and chance are arguments.
//!
//! This file: the states and the questions asked of them. `advance`: what a write's answer, an activity's end and a reading back
//! do to a task. `unconfirmed`: writes that were taken with nothing to ask after. `cut`: what happens to tasks when the job is held, cut
//! short, or poison. `locked`: writes that wait for a lock. `removal`: what should be gone and is not. `known`: all of it as checkpoints. `words`: what the controller says, without secrets.

mod advance;
mod cut;
mod known;
mod locked;
mod removal;
mod words;
#[cfg(test)]
mod tests;
mod unconfirmed;

use std::collections::BTreeMap;

use shared::job::outcome::{Checkpoint, Doubt, Outcome, TaskError};
use shared::job::retry::RetryPolicy;

use crate::executors::Task;

pub use cut::Mode;

/// What is known of a task's attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// 0 = the first.
    pub attempt: u32,
    /// A write of ours before the one under way may have been applied: what is found equal is ours, *created*, not *adopted*.
    pub ours: bool,
    /// Begin of the first attempt known, ms since the epoch.
    pub started_ms: u64,
    /// Rounds of polling that asked after its activities, as far as known.
    pub polls: u32,
    /// When its write was taken with nothing to ask after, ms since the epoch; 0: it was not.
    pub taken_ms: u64,
    /// Since when reading it back fails, ms since the epoch; 0: the last look was answered.
    pub unread_ms: u64,
    /// How often it was refused because what it changes was locked.
    pub locked: u32,
}

/// State of one task in the hands of a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    Todo(Tries),
    /// Not before the time given; then sent, or read back first.
    Waiting {
        tries: Tries,
        not_before_ms: u64,
        last: TaskError,
        read_back: Option<Doubt>,
        request_id: Option<String>,
    },
    Uncertain {
        tries: Tries,
        doubt: Doubt,
        request_id: Option<String>,
        last: Option<TaskError>,
    },
    InFlight(Tries),
    Pending {
        tries: Tries,
        request_id: String,
        since_ms: u64,
        resource_id: Option<String>,
    },
    Done(Box<Outcome>),
}

impl State {
    /// No write of ours may have been applied or be under way: nothing of it, or it is only to be looked up before it is sent.
    fn is_unsent(&self) -> bool {
        match self {
            State::Todo(_) | State::Waiting { read_back: None, .. } => true,
            State::Waiting {
                tries,
                read_back: Some(doubt),
                ..
            }
            | State::Uncertain { tries, doubt, .. } => *doubt == Doubt::Sent && !tries.ours && tries.taken_ms == 0,
            State::InFlight(_) | State::Pending { .. } | State::Done(_) => false,
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
    /// A write whose answer was lost may still be at work: it is not read back before this, or it would be missed.
    pub lost_settles_ms: u64,
    /// [`crate::executors::Executor::waits_out`].
    pub waits_out: fn(Option<u16>, &str) -> bool,
}

impl Batch {
    /// From the plan and what was remembered since. `give_up_ms`: how long an activity is waited for. `flight_over_ms`: when no
    /// write of an earlier owner can be under way any more; its intents are read back then, not before.
    pub fn new(
        tasks: Vec<Task>,
        checkpoints: &[(u32, String)],
        policy: RetryPolicy,
        give_up_ms: u64,
        flight_over_ms: u64,
    ) -> Self {
        let known: BTreeMap<u32, Checkpoint> = checkpoints
            .iter()
            .map(|(i, c)| (*i, Checkpoint::from_stored(c)))
            .collect();
        let state = |t: &Task| match (known.get(&t.input.index), &t.input.preset) {
            (Some(c), _) => from_checkpoint(c.clone(), flight_over_ms),
            (None, Some(o)) => State::Done(Box::new(o.clone())),
            (None, None) => State::Todo(Tries::default()),
        };
        Batch {
            states: tasks.iter().map(state).collect(),
            tasks,
            policy,
            give_up_ms,
            lost_settles_ms: advance::AMBIGUOUS_SETTLE_MS,
            waits_out: |_, _| false,
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
        self.positions(|s| matches!(s, State::Todo(_)))
    }

    #[cfg(test)]
    pub fn uncertain(&self) -> Vec<usize> {
        self.positions(|s| matches!(s, State::Uncertain { .. }))
    }

    /// What is to be read back now: of a job that sends nothing, only what was sent. What was only reported done can wait for the rest of its
    /// batch, where the phase does not go task by task: one call then looks at all of them. (On the way there it is stored as accepted, and
    /// what became of it is asked for anew.)
    pub fn to_read_back(&self, mode: Mode, in_order: bool) -> Vec<usize> {
        let is_under_way = |s: &State| match s {
            State::Pending { .. } | State::InFlight(_) => true,
            State::Todo(_) => mode == Mode::Run,
            _ => false,
        };
        let can_wait = !in_order && self.states.iter().any(is_under_way);
        self.positions(|s| match s {
            State::Uncertain { .. } if mode != Mode::Run && s.is_unsent() => false,
            State::Uncertain { doubt, last, .. } => !(can_wait && *doubt == Doubt::Done && last.is_none()),
            _ => false,
        })
    }

    /// Whether what is found equal would be ours.
    pub fn is_ours(&self, at: usize) -> bool {
        matches!(&self.states[at], State::Uncertain { tries, .. } if tries.ours)
    }

    /// Position, request id and time of the 202 of those whose activity is waited for.
    pub fn pending(&self) -> Vec<(usize, String, u64)> {
        let pending = |(i, s): (usize, &State)| match s {
            State::Pending {
                request_id, since_ms, ..
            } => Some((i, request_id.clone(), *since_ms)),
            _ => None,
        };
        self.states.iter().enumerate().filter_map(pending).collect()
    }

    /// So many rounds of polling asked after the activity it waits for. Told once with its end, and any number of times when it
    /// is given up.
    pub fn polled(&mut self, at: usize, rounds: u32, has_ended: bool) {
        if let State::Pending { tries, .. } = &mut self.states[at] {
            tries.polls = match has_ended {
                true => tries.polls.saturating_add(rounds),
                false => tries.polls.max(rounds),
            };
        }
    }

    /// Tasks that are not done.
    pub fn open(&self) -> impl Iterator<Item = &Task> {
        let open = |(task, state): (_, &State)| (!matches!(state, State::Done(_))).then_some(task);
        self.tasks.iter().zip(&self.states).filter_map(open)
    }

    /// The first task that is not done, in the order of the plan.
    pub fn first_open(&self) -> Option<usize> {
        self.states.iter().position(|s| !matches!(s, State::Done(_)))
    }

    pub fn all_done(&self) -> bool {
        self.states.iter().all(|s| matches!(s, State::Done(_)))
    }

    /// What leaves now is not the first attempt of its task.
    pub fn is_repeated(&self, at: usize) -> bool {
        matches!(&self.states[at], State::InFlight(tries) if tries.attempt > 0)
    }

    /// Something of it was sent and is not settled.
    pub fn is_unsettled(&self) -> bool {
        let open = |s: &State| !s.is_unsent() && !matches!(s, State::Done(_));
        self.states.iter().any(open)
    }

    /// Tasks that will want a call when the batch comes back.
    pub fn weight(&self) -> u32 {
        self.positions(|s| !matches!(s, State::Done(_) | State::Pending { .. }))
            .len() as u32
    }

    /// When something of it is due: a retry, or the end of waiting for an activity.
    pub fn next_due_ms(&self) -> Option<u64> {
        let due = |s: &State| match s {
            State::Waiting { not_before_ms, .. } => Some(*not_before_ms),
            State::Pending { since_ms, .. } => Some(since_ms + self.give_up_ms),
            _ => None,
        };
        self.states.iter().filter_map(due).min()
    }

    /// Final outcomes, in the order of the plan. Only of a batch that is all done.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let done = |s: &State| match s {
            State::Done(o) => Some((**o).clone()),
            _ => None,
        };
        self.states.iter().filter_map(done).collect()
    }
}

fn from_checkpoint(c: Checkpoint, flight_over_ms: u64) -> State {
    match c {
        Checkpoint::Sent { attempt, started_ms } => State::Waiting {
            tries: Tries {
                attempt,
                ours: true,
                started_ms,
                ..Tries::default()
            },
            not_before_ms: flight_over_ms,
            last: intent_found(),
            read_back: Some(Doubt::Sent),
            request_id: None,
        },
        Checkpoint::Accepted {
            request_id,
            since_ms,
            resource_id,
            attempt,
            started_ms,
            ours,
            polls,
        } => State::Pending {
            tries: Tries {
                attempt,
                ours,
                started_ms,
                polls,
                taken_ms: 0,
                unread_ms: 0,
                locked: 0,
            },
            request_id,
            since_ms,
            resource_id,
        },
        Checkpoint::Retry {
            attempt,
            not_before_ms,
            last,
            read_back,
            request_id,
            ours,
            started_ms,
            polls,
            taken_ms,
            unread_ms,
            locked,
        } => State::Waiting {
            tries: Tries {
                attempt,
                ours,
                started_ms,
                polls,
                taken_ms,
                unread_ms,
                locked,
            },
            not_before_ms,
            last,
            read_back,
            request_id,
        },
        Checkpoint::Done { outcome } => State::Done(outcome),
    }
}

/// The word on a task whose owner vanished between intent and answer.
fn intent_found() -> TaskError {
    TaskError::new(INTENT_FOUND, "the worker that was about to send it is gone")
}

/// Code of [`intent_found`]: an attempt that is not yet counted.
const INTENT_FOUND: &str = "TAKEN_OVER";
