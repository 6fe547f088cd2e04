//! What a task looks like to a caller.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::Value;
use shared::cloudpath::shown::{named_by, shown};
use shared::config::EngineSettings;
use shared::id::PhaseId;
use shared::job::TaskStatus;
use shared::job::retry::RetryPolicy;
use shared::store::model;
use shared::workflow::plan::{Planned, is_planned};
use shared::workflow::{Definition, catalog};
use utoipa::ToSchema;

use crate::openapi::words::{PlannedWord, TaskStatusWord, Time};

use super::time;

/// A task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskBody {
    /// `job:phase:index`.
    pub id: String,
    pub phase: String,
    /// Row of the input, from 0.
    pub index: u32,
    pub name: String,
    #[schema(value_type = TaskStatusWord)]
    pub status: TaskStatus,
    /// Of the controller, when it accepted the write for later.
    pub request_id: Option<String>,
    /// Rounds of polling that asked what became of its requests; one call asks for those of many tasks. Known when the waiting for a
    /// request is over, 0 before. At least that many: when another worker takes the polling over, it counts from 0.
    pub poll_count: u32,
    /// Times the longest time between two polls: how long a request is waited for.
    pub max_polls: u32,
    pub retry_count: u32,
    pub max_retries: u32,
    /// What the task was given: of a key `username`, `pool`, `vlan`, `device_limit` (null: unlimited), `expires_at` (null: never).
    /// `changes`: what of a key, pool, group or policy could not be taken over as it was, with the reason. `left_as_is`: in which fields what was there differs and
    /// was left, with both values. Of an audit: `verdict`, `kind`, `where`, `differences`. Secrets are shown as `***`.
    #[schema(value_type = Option<Object>)]
    pub input_data: Value,
    /// Of a task of a plan: what would become of it. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PlannedWord>, nullable = false)]
    pub planned: Option<Planned>,
    /// What it made or found; of a plan, what it would make (without an id) or has found.
    #[schema(value_type = Option<Object>)]
    pub output_data: Value,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    #[schema(value_type = Option<Time>)]
    pub started_at: Option<String>,
    #[schema(value_type = Option<Time>)]
    pub completed_at: Option<String>,
}

/// What the tasks of a page have in common.
pub struct Context {
    is_plan: bool,
    definition: Definition,
    max_polls: u32,
    /// Of a phase that does not say otherwise.
    retries: RetryPolicy,
    /// Id → name of resources that tasks name by id.
    pub names: HashMap<String, String>,
}

impl Context {
    pub fn of(definition: Definition, engine: &EngineSettings, names: HashMap<String, String>) -> Self {
        Context {
            is_plan: definition.is_plan(),
            definition,
            max_polls: engine.poll_attempts_max,
            retries: engine.retries(),
            names,
        }
    }

    /// Whether the tasks are findings.
    pub fn is_audit(&self) -> bool {
        self.definition.name == catalog::CLOUDPATH_DPSK_AUDIT
    }

    pub fn executor(&self, phase: &PhaseId) -> &str {
        self.definition.phase(phase).map_or("", |p| p.executor.as_str())
    }

    /// Of a task of a plan: what would become of it, once that is known.
    pub fn planned(&self, task: &model::TaskView) -> Option<Planned> {
        task.planned().filter(|_| self.is_plan && task.status.is_terminal())
    }

    /// Phases whose resources the tasks of `phases` name.
    pub fn named_by<'a>(definition: &Definition, phases: impl IntoIterator<Item = &'a PhaseId>) -> BTreeSet<PhaseId> {
        let phases = phases.into_iter().filter_map(|p| definition.phase(p));
        let named = phases.flat_map(|p| named_by(&p.executor));
        named.filter_map(|p| p.parse().ok()).collect()
    }
}

/// What a task of a plan would make or has found: its origin is told as what is planned, and what is not there yet has no id.
pub fn would(mut found: Value) -> Value {
    if let Some(found) = found.as_object_mut() {
        found.remove("origin");
        found.retain(|name, value| name != "id" || !value.as_str().is_some_and(is_planned));
    }
    found
}

impl TaskBody {
    pub fn of(task: model::TaskView, context: &Context) -> Self {
        let executor = context.executor(&task.phase);
        let phase = context.definition.phase(&task.phase);
        let planned = context.planned(&task);
        TaskBody {
            planned,
            id: task.id,
            phase: task.phase.to_string(),
            index: task.index,
            input_data: shown(executor, &task.name, &task.input_data, &context.names),
            name: task.name,
            status: task.status,
            request_id: task.request_id,
            poll_count: task.poll_count,
            max_polls: context.max_polls,
            retry_count: task.retry_count,
            max_retries: phase
                .map_or(context.retries, |p| p.retries(context.retries))
                .max_retries,
            output_data: match planned {
                Some(_) => would(task.output_data),
                None => task.output_data,
            },
            error_code: task.error_code,
            error_message: task.error_message,
            started_at: task.started_ms.map(time),
            completed_at: task.completed_ms.map(time),
        }
    }
}
