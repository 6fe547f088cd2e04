//! Phases that are declared and that this version can't do. Skipped ones never come here; one that is asked for is refused before
//! anything of it is planned.

use async_trait::async_trait;
use serde_json::Value;
use shared::job::outcome::TaskError;

use super::staged::never_writes;
use crate::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::remote::CallError;

/// Refuses to be planned, by its name.
pub struct Unavailable(pub &'static str);

#[async_trait]
impl Executor for Unavailable {
    fn name(&self) -> &'static str {
        self.0
    }

    async fn plan(&self, cx: &Context, _sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        Err(PlanError::Refused(TaskError::new(
            "NOT_AVAILABLE",
            format!("phase {} is not available in this version", cx.phase),
        )))
    }

    fn writes(&self) -> bool {
        false
    }

    async fn send(&self, _cx: &Context, _task: &Task, _permit: Permit) -> Sent {
        Sent::Failed(never_writes(self.0))
    }

    fn settled(&self, _cx: &Context, _task: &Task, _resource_id: Option<&str>) -> Settle {
        Settle::ReadBack
    }

    async fn read_back(&self, _cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        Ok(tasks.iter().map(|_| Found::Absent).collect())
    }
}
