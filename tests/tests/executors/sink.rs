//! Where a planned phase goes, and what of it is claimed.

use std::collections::BTreeSet;

use async_trait::async_trait;
use shared::id::JobId;
use shared::store::Writer;
use worker::executors::{Context, Executor, PlanError, Task, TaskSink};

#[derive(Default)]
pub struct Sink {
    pub tasks: Vec<Task>,
    /// Names the phase may write.
    pub claimed: BTreeSet<String>,
    /// Another job writes the same names.
    pub is_taken: bool,
}

#[async_trait]
impl TaskSink for Sink {
    async fn push(&mut self, task: Task) -> Result<(), PlanError> {
        self.tasks.push(task);
        Ok(())
    }

    async fn claim(&mut self, names: Vec<String>) -> Result<(), PlanError> {
        self.claimed.extend(names.iter().cloned());
        if self.is_taken {
            return Err(PlanError::NamesTaken {
                name: names[0].clone(),
                by: Writer {
                    job: JobId::generate(),
                    phase: "another".parse().unwrap(),
                },
            });
        }
        Ok(())
    }
}

/// What these tasks, and their whole phase, write by name.
pub fn written(executor: &dyn Executor, cx: &Context, tasks: &[Task]) -> BTreeSet<String> {
    let open = tasks.iter().filter(|task| task.input.preset.is_none());
    let names = open.flat_map(|task| executor.writes_names(task));
    names.chain(executor.writes_throughout(cx)).collect()
}
