//! Planning without writing: what every task would come to, if all went well.
//!
//! Phases are planned as ever, one after another, and each task that would write ends at once with what its write would leave behind. What
//! does not exist yet goes by an id of ours, so that later phases can speak of it; nothing is asked of the controller about such an id.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::job::outcome::{Outcome, TaskError};
use shared::job::task::TaskInput;
use shared::store::StoreError;
use shared::workflow::plan::{FACT, Planned, PlannedCounts, PlannedPhase};
pub use shared::workflow::plan::{is_planned, planned_id};

use super::reads::Reads;
use super::{Context, Executor, PlanError, Task, TaskSink};

/// Member of a task's data that tells what is left as it is once more, to be compared later: what was decided is in the other members. Not
/// hashed, so that hashes are those of versions that did not store it.
pub const LEFT: &str = "left";

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

/// Pure: what is hashed of a task.
fn decided(outcome: &Outcome, task: &TaskInput) -> serde_json::Result<Vec<u8>> {
    let mut data = Cow::Borrowed(&task.data);
    if data.get(LEFT).is_some()
        && let Some(members) = data.to_mut().as_object_mut()
    {
        members.remove(LEFT);
    }
    serde_json::to_vec(&(outcome, &task.name, data.as_ref()))
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
        let decided = decided(&outcome, &task.input).map_err(StoreError::from)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Plans that were shown outlive deploys: where the same is decided, their hash is to be the same.
    #[test]
    fn what_is_hashed_is_what_it_was_before_fields_were_kept_of_what_is_left() {
        let decided = |data: Value| {
            let task = serde_json::from_value(json!({"i": 7, "n": "anna", "d": data})).unwrap();
            String::from_utf8(decided(&Outcome::completed(7, None), &task).unwrap()).unwrap()
        };
        let words = "vlanId is 4, wanted 5";
        let fields = json!([{"n": "vlanId", "v": "4"}]);
        let before = r#"[{"i":7,"s":"COMPLETED"},"anna",{"left_as_is":"vlanId is 4, wanted 5","p":"pool"}]"#;
        assert_eq!(decided(json!({"p": "pool", "left_as_is": words})), before);
        assert_eq!(
            decided(json!({"p": "pool", "left_as_is": words, "left": fields})),
            before
        );
        assert_eq!(decided(Value::Null), r#"[{"i":7,"s":"COMPLETED"},"anna",null]"#);
    }
}
