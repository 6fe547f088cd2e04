//! What happens to tasks when nothing new is to be sent: the job is held or cut short, or the batch is poison.

use shared::job::TaskStatus;
use shared::job::outcome::{Outcome, TaskError};
use shared::store::model::Flag;

use super::{Batch, State};

/// Why nothing new is sent any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Run,
    /// The job is held: what is pending is settled, the rest is put aside.
    Hold,
    /// The job is cut short: what is pending is settled, the rest is cancelled.
    Cut,
    /// The batch brought several workers down: what is pending is settled, the rest fails.
    Poison,
    /// Even settling crashed: what the checkpoints say is the end of it.
    Bury,
}

impl Mode {
    /// Whether tasks are sent, now or when the job is resumed.
    pub fn may_send(self) -> bool {
        matches!(self, Mode::Run | Mode::Hold)
    }

    /// `crashes` in a row without progress, of which `crashes_max` are borne.
    pub fn of(flag: Flag, crashes: u32, crashes_max: u32) -> Self {
        match flag {
            _ if crashes > 2 * crashes_max => Mode::Bury,
            Flag::Cancelled | Flag::Critical | Flag::Timeout => Mode::Cut,
            _ if crashes > crashes_max => Mode::Poison,
            Flag::Held => Mode::Hold,
            Flag::None => Mode::Run,
        }
    }
}

impl Batch {
    /// What has not been sent ends here, and what was looked for and not found; what was sent stays to be settled, in its own time.
    pub fn settle(&mut self, mode: Mode, now_ms: u64) {
        if mode.may_send() {
            return;
        }
        for at in 0..self.states.len() {
            let index = self.tasks[at].input.index;
            let end = match &self.states[at] {
                State::Done(_) => None,
                // one that was sent and read back as absent is as good as unsent
                s if s.is_unsent() => Some(unsent(mode, index)),
                State::Pending { request_id, .. } if mode == Mode::Bury => {
                    Some(buried(index, Some(request_id.clone())))
                }
                _ if mode == Mode::Bury => Some(buried(index, None)),
                _ => None,
            };
            if let Some(mut o) = end {
                o.ended_ms = Some(now_ms);
                self.states[at] = State::Done(Box::new(o));
            }
        }
    }
}

fn unsent(mode: Mode, index: u32) -> Outcome {
    if mode == Mode::Cut {
        return Outcome::new(index, TaskStatus::Cancelled);
    }
    Outcome::failed(
        index,
        TaskError::new(
            "POISON",
            "workers kept crashing on this batch before this task was sent",
        ),
    )
}

fn buried(index: u32, request_id: Option<String>) -> Outcome {
    let error = TaskError::new(
        "POISON",
        "workers kept crashing on this batch; what became of the write is not known",
    );
    Outcome {
        error: Some(error),
        request_id,
        ..Outcome::new(index, TaskStatus::Unknown)
    }
}
