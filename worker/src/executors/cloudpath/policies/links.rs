//! The tasks of `attach_policies`: what each carries, and how its end is told.

use serde::{Deserialize, Serialize};
use shared::job::outcome::{Origin, Outcome};
use shared::job::task::TaskInput;

use super::super::staged::unreadable_task;
use super::{ASSIGNMENT, PLACE, POLICY, resource};
use crate::executors::Task;
use crate::remote::CallError;

/// What a task carries. Stored in batch blobs: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t")]
pub enum Link {
    #[serde(rename = "c")]
    Condition {
        #[serde(rename = "p")]
        policy: String,
        #[serde(rename = "x")]
        pattern: String,
        /// Id of the condition that gets this pattern; absent: one is made.
        #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
        update: Option<String>,
    },
    #[serde(rename = "l")]
    Place {
        #[serde(rename = "s")]
        set: String,
        #[serde(rename = "p")]
        policy: String,
        /// From 1.
        #[serde(rename = "n")]
        priority: u32,
        /// The policy has no condition yet: it is looked for before the policy is put in its place.
        #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
        needs_condition: bool,
        /// It is in the set already, behind one that answers its users first.
        #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
        moves: bool,
    },
    #[serde(rename = "a")]
    Assignment {
        #[serde(rename = "g")]
        pool: String,
        #[serde(rename = "s")]
        set: String,
        /// Index of the set in the plan of the import.
        #[serde(rename = "i")]
        index: u16,
        /// Id of the set it takes the place of.
        #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
        replaces: Option<String>,
    },
}

impl Link {
    pub fn read(task: &Task) -> Result<Self, CallError> {
        Link::deserialize(&task.input.data).map_err(unreadable_task)
    }

    pub fn claimed(&self) -> String {
        match self {
            Link::Condition { policy, .. } => format!("policy_condition|{policy}"),
            Link::Place { set, policy, .. } => format!("{PLACE}|{set}/{policy}"),
            Link::Assignment { pool, .. } => format!("{ASSIGNMENT}|{pool}"),
        }
    }

    /// The end of a task whose link is as wanted. `origin`: how it came to be so.
    pub fn done(&self, task: &TaskInput, origin: Origin) -> Outcome {
        self.done_with(task.index, &task.name, origin)
    }

    /// A condition is no object of its own: it goes with its policy, which is changed by a new pattern.
    pub fn done_with(&self, index: u32, name: &str, origin: Origin) -> Outcome {
        let resource = match self {
            Link::Condition { policy, .. } if origin == Origin::Updated => Some(resource(POLICY, policy, name, origin)),
            Link::Condition { .. } => None,
            Link::Place { set, policy, .. } => Some(resource(PLACE, &format!("{set}/{policy}"), name, origin)),
            Link::Assignment { pool, set, .. } => Some(resource(ASSIGNMENT, &format!("{pool}/{set}"), name, origin)),
        };
        Outcome::completed(index, resource)
    }

    /// What its write makes of it.
    pub fn written(&self) -> Origin {
        match self {
            Link::Condition { update: Some(_), .. }
            | Link::Place { moves: true, .. }
            | Link::Assignment { replaces: Some(_), .. } => Origin::Updated,
            _ => Origin::Created,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blobs of running jobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        for line in [
            r#"{"t":"c","p":"policy","x":"^.*_gold$"}"#,
            r#"{"t":"c","p":"policy","x":"^.*_gold$","u":"condition"}"#,
            r#"{"t":"l","s":"set","p":"policy","n":1}"#,
            r#"{"t":"l","s":"set","p":"policy","n":2,"c":true,"m":true}"#,
            r#"{"t":"a","g":"pool","s":"set","i":0}"#,
            r#"{"t":"a","g":"pool","s":"set","i":0,"u":"other"}"#,
        ] {
            let read: Link = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), line);
        }
    }
}
