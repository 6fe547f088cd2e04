//! Planning without writing: what every task would come to, if all went well.
//!
//! Phases are planned as ever, one after another, and each task that would write ends at once with what its write would leave behind. What
//! does not exist yet goes by an id of ours, so that later phases can speak of it; nothing is asked of the controller about such an id.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::job::outcome::{Outcome, TaskError};
use shared::store::StoreError;
use shared::workflow::plan::{FACT, Planned, PlannedCounts, PlannedPhase};
pub use shared::workflow::plan::{is_planned, planned_id};

use super::reads::Reads;
use super::{Context, Executor, PlanError, Task, TaskSink};

/// An executor that only plans.
pub struct Dry(Arc<dyn Executor>);

impl Dry {
    pub fn new(of: Arc<dyn Executor>) -> Self {
        Dry(of)
    }
}

/// Lets nothing be written: stands between an executor that plans and where its tasks go.
struct DrySink<'a> {
    cx: &'a Context,
    executor: &'a dyn Executor,
    tasks: &'a mut dyn TaskSink,
    counts: PlannedCounts,
    writes: u64,
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
            None => {
                self.writes += u64::from(self.executor.writes());
                self.end(&task)?
            }
        };
        let decided = (&outcome, &task.input.name, &task.input.data);
        let decided = serde_json::to_vec(&decided).map_err(StoreError::from)?;
        self.decisions.update((decided.len() as u64).to_le_bytes());
        self.decisions.update(&decided);
        let origin = outcome.resource.as_ref().map(|resource| resource.origin);
        self.counts.add(Planned::of(outcome.status, origin));
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
impl Reads for Dry {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let mut dry = DrySink {
            cx,
            executor: self.0.as_ref(),
            tasks: sink,
            counts: PlannedCounts::default(),
            writes: 0,
            decisions: Sha256::new(),
        };
        let facts = self.0.plan(cx, &mut dry).await?;
        let plan = PlannedPhase {
            counts: dry.counts,
            writes: dry.writes,
            hash: dry.hash(),
        };
        let mut facts = facts.unwrap_or_else(|| json!({}));
        facts[FACT] = serde_json::to_value(plan).map_err(StoreError::from)?;
        Ok(Some(facts))
    }
}
