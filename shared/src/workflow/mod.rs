//! What a workflow is: phases, the graph of their dependencies, and how failures of each are borne.
//!
//! A job stores the definition it started with (as JSON) and is run by that one for as long as it lives, also by workers older
//! than the API that stored it (a rolling upgrade). So reading passes over fields it does not know; declared text is held to the
//! known ones by [`parse`]. What an older worker must not pass over is a new executor name, not a new field: without the executor
//! it holds the job.

pub mod catalog;
pub mod expression;
pub mod parse;
pub mod plan;

use serde::{Deserialize, Serialize};

use crate::id::PhaseId;
use crate::job::retry::RetryPolicy;

/// A workflow definition, checked: ids are unique, dependencies exist and form no cycle. Persisted with the job: fields are only ever
/// added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    pub name: String,
    /// Grows with every change of meaning; a job pins it.
    pub version: u32,
    #[serde(default)]
    pub title: String,
    pub phases: Vec<Phase>,
}

/// One phase: planned into tasks by its executor, run in batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    pub id: PhaseId,
    pub name: String,
    /// Phases that must have ended before this one is planned.
    #[serde(default)]
    pub dependencies: Vec<PhaseId>,
    /// `false`: one task at a time, in the order of the plan, over the whole fleet.
    #[serde(default = "yes")]
    pub parallelizable: bool,
    /// The job is cut short and ends `FAILED` when more tasks fail than are tolerated.
    #[serde(default)]
    pub critical: bool,
    /// CEL over `options`, `input` and `phases.<id>.{state,tasks,done,failed,skipped,unknown,facts}`; true ends the phase `SKIPPED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_condition: Option<String>,
    /// Which Rust executor plans and runs it.
    pub executor: String,
    /// Tasks per stream entry, 1–500.
    #[serde(default = "default_batch_size")]
    pub batch_size: u32,
    /// Overrides `TASK_MAX_RETRIES` and `TASK_RETRY_BACKOFF`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// Retries on top of those, 0–20: for a phase whose first failed task ends the job.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extra_retries: u32,
    /// Failures (`FAILED` and `UNKNOWN`) that do not yet fail the phase.
    #[serde(default, skip_serializing_if = "Tolerance::is_none")]
    pub tolerated: Tolerance,
    #[serde(default)]
    pub cleanup: Cleanup,
    /// `false`: it looks at what was done, so that a plan has no use for it.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub in_plan: bool,
}

/// How many failed tasks a phase bears. Both given: the larger one counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tolerance {
    /// Tasks.
    pub count: u32,
    /// Per cent of the phase's tasks, 0–100.
    pub percent: f64,
}

impl Tolerance {
    pub fn is_none(&self) -> bool {
        *self == Tolerance::default()
    }
    /// In tasks, for a phase of `tasks` tasks.
    pub fn of(&self, tasks: u64) -> u64 {
        let share = (tasks as f64 * self.percent / 100.0).floor() as u64;
        share.max(u64::from(self.count))
    }
}

/// What a cleanup does with what the phase created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cleanup {
    #[default]
    Nothing,
    DeleteCreated,
    /// Of a later version. Nothing is deleted for it; declared text may not say it.
    #[serde(other)]
    Unknown,
}

fn yes() -> bool {
    true
}
fn is_yes(yes: &bool) -> bool {
    *yes
}
fn is_zero(n: &u32) -> bool {
    *n == 0
}
fn default_batch_size() -> u32 {
    100
}

impl Phase {
    /// How its tasks are tried again. `default`: by `TASK_MAX_RETRIES` and `TASK_RETRY_BACKOFF`.
    pub fn retries(&self, default: RetryPolicy) -> RetryPolicy {
        let policy = self.retry.unwrap_or(default);
        RetryPolicy {
            max_retries: policy.max_retries + self.extra_retries,
            ..policy
        }
    }
}

impl Definition {
    pub fn phase(&self, id: &PhaseId) -> Option<&Phase> {
        self.phases.iter().find(|p| p.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// What runs or is kept outlives deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let first = r#"{"name":"w","version":1,"phases":[{"id":"a","name":"A","executor":"x"}]}"#;
        let read: Definition = serde_json::from_str(first).unwrap();
        let phase = &read.phases[0];
        assert!(phase.parallelizable && phase.in_plan && !phase.critical && phase.tolerated.is_none());
        assert_eq!((phase.batch_size, phase.cleanup), (100, Cleanup::Nothing));
        let line = concat!(
            r#"{"name":"w","version":2,"title":"W","phases":[{"id":"a","name":"A","dependencies":["b"],"#,
            r#""parallelizable":false,"critical":true,"skip_condition":"true","executor":"x","batch_size":7,"#,
            r#""retry":{"max_retries":1,"backoff_seconds":9.0},"extra_retries":3,"tolerated":{"count":1,"percent":2.5},"#,
            r#""cleanup":"delete_created","in_plan":false}]}"#
        );
        let read: Definition = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }

    #[test]
    fn a_phase_adds_to_the_retries_it_is_given_or_has() {
        let phase = |text: &str| -> Phase {
            serde_json::from_str(&format!(r#"{{"id":"a","name":"A","executor":"x"{text}}}"#)).unwrap()
        };
        let given = RetryPolicy {
            max_retries: 5,
            backoff_seconds: 2.0,
        };
        assert_eq!(phase("").retries(given), given);
        let more = phase(r#","extra_retries":3"#).retries(given);
        assert_eq!((more.max_retries, more.backoff_seconds), (8, 2.0));
        let own = phase(r#","retry":{"max_retries":1,"backoff_seconds":9},"extra_retries":3"#).retries(given);
        assert_eq!((own.max_retries, own.backoff_seconds), (4, 9.0));
    }
}
