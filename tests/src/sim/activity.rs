//! Activities: what a 202 leads to.
//!
//! An activity answers 404 at first, then PENDING, then INPROGRESS, then a terminal state for ever. What it changes is applied
//! when its time has come and somebody looks; there is no timer.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use serde_json::{Value, json};

use super::clock::{Millis, iso};
use super::effect::Effect;
use super::errors::Fault;
use super::injected::Unhappy;
use super::tenant::Tenant;

/// How an activity is going to end.
#[derive(Debug, Clone)]
pub enum Ending {
    /// Its effect is applied; it fails only if that is impossible by then.
    Success,
    /// It fails and leaves nothing behind.
    Fail(Fault),
    /// It ends so and leaves nothing behind.
    Unhappy(Unhappy, Fault),
    /// It stays INPROGRESS; the work is done, or not.
    Never {
        /// Whether the effect is applied all the same.
        work_done: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Running,
    Success,
    Fail(Unhappy, String),
    Stuck,
}

/// One activity.
pub struct Activity {
    /// Request id of the 202.
    pub request_id: String,
    /// `CREATE_PERSONA` and the like.
    pub use_case: &'static str,
    /// When the 202 was given; also its `startDatetime`.
    pub started: Millis,
    /// 404 before this.
    pub visible_at: Millis,
    /// PENDING before this.
    pub begins_at: Millis,
    /// Ends at this time.
    pub due: Millis,
    /// How.
    pub ending: Ending,
    /// Ids of the objects it is about.
    pub entity_ids: Vec<String>,
    /// What it changes; taken when applied.
    pub effect: Effect,
    state: State,
}

impl Activity {
    /// An activity accepted at `started` that ends at `due`.
    pub fn new(request_id: &str, use_case: &'static str, started: Millis, visible_at: Millis, due: Millis) -> Self {
        Self {
            request_id: request_id.into(),
            use_case,
            started,
            visible_at,
            begins_at: visible_at + due.saturating_sub(visible_at) / 4,
            due,
            ending: Ending::Success,
            entity_ids: Vec::new(),
            effect: Effect::Nothing,
            state: State::Running,
        }
    }

    /// Status as of `now`.
    pub fn status(&self, now: Millis) -> &'static str {
        match self.state {
            State::Success => "SUCCESS",
            State::Fail(how, _) => how.word(),
            State::Running if now < self.begins_at => "PENDING",
            State::Running | State::Stuck => "INPROGRESS",
        }
    }

    /// What `GET /activities/{id}` shows.
    pub fn view(&self, tenant: &str, now: Millis) -> Value {
        let status = self.status(now);
        let mut view = json!({
            "requestId": self.request_id, "tenantId": tenant, "status": status, "useCase": self.use_case,
            "product": "WIFI", "severity": "Info", "startDatetime": iso(self.started), "entityIds": self.entity_ids,
            "descriptionTemplate": self.use_case, "descriptionData": [],
            "steps": [{"id": self.use_case, "description": self.use_case, "status": status,
                       "progressType": "REQUEST", "startDatetime": iso(self.started)}],
        });
        if matches!(self.state, State::Success | State::Fail(..)) {
            view["endDatetime"] = iso(self.due).into();
            view["steps"][0]["endDatetime"] = iso(self.due).into();
        }
        if let State::Fail(_, error) = &self.state {
            view["error"] = error.as_str().into();
            view["steps"][0]["error"] = error.as_str().into();
        }
        view
    }
}

/// All activities of a tenant, in order of their start.
#[derive(Default)]
pub struct Activities {
    /// Oldest first.
    pub all: Vec<Activity>,
    by_id: HashMap<String, usize>,
    due: BinaryHeap<Reverse<(Millis, usize)>>,
}

impl Activities {
    /// Adds one that starts now.
    pub fn push(&mut self, activity: Activity) {
        let index = self.all.len();
        self.by_id.insert(activity.request_id.clone(), index);
        self.due.push(Reverse((activity.due, index)));
        self.all.push(activity);
    }

    /// One by request id, whether visible yet or not.
    pub fn get(&self, request_id: &str) -> Option<&Activity> {
        self.by_id.get(request_id).map(|index| &self.all[*index])
    }

    /// Those that have not ended and, for stuck ones, never will.
    pub fn open(&self) -> usize {
        self.due.len()
    }

    fn next_due(&mut self, now: Millis) -> Option<usize> {
        let Reverse((due, index)) = *self.due.peek()?;
        (due <= now).then(|| {
            self.due.pop();
            index
        })
    }
}

impl Tenant {
    fn failed(&self, index: usize, how: Unhappy, fault: &Fault) -> State {
        State::Fail(how, fault.nested(&self.activities.all[index].request_id))
    }

    /// Ends every activity whose time has come, in order of their ends.
    pub fn settle(&mut self, now: Millis) {
        while let Some(index) = self.activities.next_due(now) {
            let activity = &mut self.activities.all[index];
            let (ending, due) = (activity.ending.clone(), activity.due);
            let effect = std::mem::take(&mut activity.effect);
            let state = match ending {
                Ending::Success => match self.apply(effect, due) {
                    Ok(()) => State::Success,
                    Err(fault) => self.failed(index, Unhappy::Fail, &fault),
                },
                Ending::Fail(fault) => {
                    self.discard(&effect);
                    self.failed(index, Unhappy::Fail, &fault)
                }
                Ending::Unhappy(how, fault) => {
                    self.discard(&effect);
                    self.failed(index, how, &fault)
                }
                Ending::Never { work_done } => {
                    if work_done {
                        // an effect that turns out impossible leaves nothing; the activity is stuck either way
                        let _ = self.apply(effect, due);
                    } else {
                        self.discard(&effect);
                    }
                    State::Stuck
                }
            };
            self.activities.all[index].state = state;
        }
    }
}
