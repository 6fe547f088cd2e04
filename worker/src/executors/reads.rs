//! Executors that only read: they plan, and each of their tasks is read, or has its end from the planner. They never write.

use async_trait::async_trait;
use serde_json::Value;
use shared::job::outcome::Outcome;

use super::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::remote::CallError;

/// What an executor does that writes nothing.
#[async_trait]
pub trait Reads: Send + Sync {
    /// As of [`Executor::name`].
    fn name(&self) -> &'static str;

    /// As of [`Executor::plan`].
    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError>;

    /// As of [`Executor::read`]. Not asked where the planner gives every task its end.
    async fn read(&self, _cx: &Context, task: &Task) -> Result<(Outcome, Option<Value>), CallError> {
        Ok((Outcome::completed(task.input.index, None), None))
    }
}

/// The executor of what only reads.
pub struct ReadsOnly<R>(pub R);

#[async_trait]
impl<R: Reads> Executor for ReadsOnly<R> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        self.0.plan(cx, sink).await
    }

    fn writes(&self) -> bool {
        false
    }

    async fn read(&self, cx: &Context, task: &Task) -> Result<(Outcome, Option<Value>), CallError> {
        self.0.read(cx, task).await
    }

    /// A task was asked to write by mistake.
    async fn send(&self, _cx: &Context, _task: &Task, _permit: Permit) -> Sent {
        Sent::Failed(CallError::Rejected {
            status: 0,
            code: Some("NEVER_WRITES".into()),
            detail: format!("{} does not write", self.name()),
        })
    }

    fn settled(&self, _cx: &Context, _task: &Task, _resource_id: Option<&str>) -> Settle {
        Settle::ReadBack
    }

    async fn read_back(&self, _cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        Ok(tasks.iter().map(|_| Found::Absent).collect())
    }
}
