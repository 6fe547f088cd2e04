//! Where a planned phase goes, and what of it is claimed.

use std::collections::BTreeSet;

use async_trait::async_trait;
use shared::id::JobId;
use shared::store::{Hold, Writer};
use worker::executors::{Context, Executor, PlanError, Task, TaskSink};

#[derive(Default)]
pub struct Sink {
    pub tasks: Vec<Task>,
    /// Names the phase may write.
    pub claimed: BTreeSet<String>,
    /// Names that nobody takes away while the job runs.
    pub relied_on: BTreeSet<String>,
    /// Names that nobody else uses while the job runs.
    pub reserved: BTreeSet<String>,
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
        if names.is_empty() {
            return Ok(());
        }
        if self.is_taken {
            return Err(PlanError::NamesTaken {
                name: names[0].clone(),
                hold: Hold::Write,
                by: Writer {
                    job: JobId::generate(),
                    phase: Some("another".parse().unwrap()),
                },
            });
        }
        Ok(())
    }
}

impl Sink {
    /// With what the job claims as a whole before the phase is planned.
    pub async fn of(executor: &dyn Executor, cx: &Context) -> Result<Self, PlanError> {
        let (mut sink, needs) = (Sink::default(), executor.needs(cx).await?);
        match executor.hold() {
            Some(Hold::Rely) => sink.relied_on.extend(needs),
            Some(Hold::Remove) => sink.reserved.extend(needs),
            Some(Hold::Write) | None => assert_eq!(needs.len(), 0, "nobody claims {needs:?}"),
        }
        Ok(sink)
    }
}

/// What these tasks, and their whole phase, write by name.
pub fn written(executor: &dyn Executor, cx: &Context, tasks: &[Task]) -> BTreeSet<String> {
    let open = tasks.iter().filter(|task| task.input.preset.is_none());
    let names = open.flat_map(|task| executor.writes_names(task));
    names.chain(executor.writes_throughout(cx)).collect()
}
