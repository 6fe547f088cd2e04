//! Tasks as they are read, and which of them are asked for.

use serde_json::Value;

use crate::id::PhaseId;
use crate::job::TaskStatus;
use crate::job::audit::{Finding, Verdict};
use crate::job::outcome::Origin;
use crate::workflow::plan::Planned;

#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// One of these; empty: any.
    pub status: Vec<TaskStatus>,
    pub phase: Option<PhaseId>,
    /// In the task's name, in small letters.
    pub name: Option<String>,
    /// Of a plan: one of these; empty: any.
    pub planned: Vec<Planned>,
    /// Of an audit: one of these; empty: any.
    pub verdict: Vec<Verdict>,
}

impl TaskFilter {
    /// Takes every task of the phases it looks at.
    pub fn is_any(&self) -> bool {
        self.status.is_empty() && self.name.is_none() && self.planned.is_empty() && self.verdict.is_empty()
    }

    pub fn takes(&self, task: &TaskView) -> bool {
        (self.status.is_empty() || self.status.contains(&task.status))
            && (self.name.as_ref()).is_none_or(|part| task.name.to_lowercase().contains(part))
            && (self.planned.is_empty() || task.planned().is_some_and(|planned| self.planned.contains(&planned)))
            && (self.verdict.is_empty() || task.verdict().is_some_and(|verdict| self.verdict.contains(&verdict)))
    }
}

#[derive(Debug, Clone)]
pub struct TaskView {
    /// `job:phase:index`.
    pub id: String,
    pub phase: PhaseId,
    pub index: u32,
    pub name: String,
    pub status: TaskStatus,
    pub request_id: Option<String>,
    pub poll_count: u32,
    pub retry_count: u32,
    /// Without secrets: they are not in the blob.
    pub input_data: Value,
    pub output_data: Value,
    /// How what it made or found came to be there.
    pub origin: Option<Origin>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub started_ms: Option<u64>,
    pub completed_ms: Option<u64>,
}

impl TaskView {
    /// Of a task of a plan: what would become of it.
    pub fn planned(&self) -> Option<Planned> {
        Planned::of(self.status, self.origin)
    }

    /// Of a task of an audit: how what it is about stands.
    pub fn verdict(&self) -> Option<Verdict> {
        Finding::of(&self.input_data).map(|finding| finding.verdict)
    }
}
