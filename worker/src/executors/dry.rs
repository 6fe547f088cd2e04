//! Planning without writing: what every task would come to, if all went well.
//!
//! Phases are planned as ever, one after another, and each task that would write ends at once with what its write would leave behind. What
//! does not exist yet goes by an id of ours, so that later phases can speak of it; nothing is asked of the controller about such an id.

use std::fmt::Display;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::job::TaskStatus;
use shared::job::outcome::{Origin, Outcome, TaskError};
use shared::store::StoreError;

use super::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::remote::CallError;

const PREFIX: &str = "planned:";
/// Fact of a planned phase: what would become of its tasks, counted, and what stands for all decisions.
const PLAN: &str = "plan";

/// Id of what a task would make: `which` of its kind.
pub fn planned_id(kind: &str, which: impl Display) -> String {
    format!("{PREFIX}{kind}:{which}")
}

/// Nothing of this id exists yet. One made of two ids is so when either is.
pub fn is_planned(id: &str) -> bool {
    id.split('/').any(|id| id.starts_with(PREFIX))
}

/// An executor that only plans.
pub struct Dry(Arc<dyn Executor>);

impl Dry {
    pub fn new(of: Arc<dyn Executor>) -> Self {
        Dry(of)
    }
}

/// What would become of tasks.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
struct Counts {
    create: u32,
    update: u32,
    /// Of a cleanup.
    #[serde(skip_serializing_if = "is_zero")]
    delete: u32,
    /// There, and taken as it is.
    adopt: u32,
    /// Refused: it differs, or something it needs is not there.
    conflict: u32,
    skip: u32,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        let origin = outcome.resource.as_ref().map(|resource| resource.origin);
        *match (outcome.status, origin) {
            (TaskStatus::Skipped, _) => &mut self.skip,
            (TaskStatus::Completed, Some(Origin::Created)) => &mut self.create,
            (TaskStatus::Completed, Some(Origin::Updated)) => &mut self.update,
            (TaskStatus::Completed, Some(Origin::Deleted)) => &mut self.delete,
            (TaskStatus::Completed, _) => &mut self.adopt,
            _ => &mut self.conflict,
        } += 1;
    }
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Lets nothing be written: stands between an executor that plans and where its tasks go.
struct DrySink<'a> {
    cx: &'a Context,
    executor: &'a dyn Executor,
    tasks: &'a mut dyn TaskSink,
    counts: Counts,
    decisions: Sha256,
}

impl DrySink<'_> {
    /// Stands for everything decided, in order: equal where the same would be done to the same objects, whatever else has changed.
    fn hash(&self) -> String {
        let hash = self.decisions.clone().finalize();
        hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    fn end(&self, task: &Task) -> Result<Outcome, PlanError> {
        if !self.executor.writes() {
            return Ok(Outcome::completed(task.input.index, None));
        }
        self.executor
            .would(self.cx, task)
            .map_err(|e| PlanError::Refused(TaskError::new(&e.code(), e.to_message())))
    }
}

#[async_trait]
impl TaskSink for DrySink<'_> {
    async fn push(&mut self, mut task: Task) -> Result<(), PlanError> {
        let outcome = match task.input.preset.take() {
            Some(outcome) => outcome,
            None => self.end(&task)?,
        };
        let decided = (&outcome, &task.input.name, &task.input.data);
        let decided = serde_json::to_vec(&decided).map_err(StoreError::from)?;
        self.decisions.update((decided.len() as u64).to_le_bytes());
        self.decisions.update(&decided);
        self.counts.add(&outcome);
        task.input.preset = Some(outcome);
        task.secret = None;
        self.tasks.push(task).await
    }

    /// Nothing is claimed by who writes nothing; nor is anybody waited for.
    async fn claim(&mut self, _names: Vec<String>) -> Result<(), PlanError> {
        Ok(())
    }
}

#[async_trait]
impl Executor for Dry {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let mut dry = DrySink {
            cx,
            executor: self.0.as_ref(),
            tasks: sink,
            counts: Counts::default(),
            decisions: Sha256::new(),
        };
        let facts = self.0.plan(cx, &mut dry).await?;
        let mut plan = serde_json::to_value(dry.counts).map_err(StoreError::from)?;
        plan["hash"] = dry.hash().into();
        let mut facts = facts.unwrap_or_else(|| json!({}));
        facts[PLAN] = plan;
        Ok(Some(facts))
    }

    async fn send(&self, _cx: &Context, _task: &Task, _permit: Permit) -> Sent {
        Sent::Failed(CallError::Rejected {
            status: 0,
            code: Some("NEVER_WRITES".into()),
            detail: "a plan does not write".into(),
        })
    }

    fn settled(&self, _cx: &Context, _task: &Task, _resource_id: Option<&str>) -> Settle {
        Settle::ReadBack
    }

    async fn read_back(&self, _cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        Ok(tasks.iter().map(|_| Found::Absent).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_what_is_not_there_is_known_by_itself_and_in_pairs() {
        let pool = planned_id("dpsk_pool", 3);
        assert!(is_planned(&pool) && is_planned(&format!("network/{pool}")) && is_planned(&format!("{pool}/set")));
        assert!(!is_planned("5d0e3b") && !is_planned("venue/network"));
    }
}
