//! A row of a job's report: what became of one task.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use shared::cloudpath::shown::{changes_of, pool_of};
use shared::job::TaskStatus;
use shared::job::audit::Finding;
use shared::store::model::TaskView;
use utoipa::ToSchema;

use crate::openapi::words::{OutcomeWord, TaskStatusWord, Time};

use super::task::{Context, would};
use super::time;

/// A row of a report. Cells without a value are null, in CSV empty.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReportRow)]
pub struct RowView {
    /// Id of the phase.
    #[schema(example = "create_passphrases")]
    pub phase: String,
    /// Row of the input, from 0.
    pub row: u32,
    /// `job:phase:row`.
    pub task_id: String,
    /// Of a key: its user.
    pub name: String,
    /// Of a key: its DPSK pool. Of an audit: what else it is in.
    pub pool: Option<String>,
    #[schema(value_type = TaskStatusWord)]
    pub status: TaskStatus,
    /// `created`, `adopted` (found as wanted) or `updated`; of a plan what would become of it; of an audit how it stands.
    #[schema(value_type = Option<OutcomeWord>)]
    pub outcome: Option<String>,
    #[schema(example = "passphrase")]
    pub resource_type: Option<String>,
    /// On the controller.
    pub resource_id: Option<String>,
    pub resource_name: Option<String>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    /// Of the controller, when it accepted the write for later.
    pub request_id: Option<String>,
    /// How often it was tried; 0 before it was begun.
    pub attempts: u32,
    /// Rounds of polling that asked what became of it.
    pub polls: u32,
    #[schema(value_type = Option<Time>)]
    pub started_at: Option<String>,
    #[schema(value_type = Option<Time>)]
    pub completed_at: Option<String>,
    /// What does not arrive as it was in the export, a sentence with the reason for each field; of an audit, the fields that differ, and a
    /// note. In CSV with ` | ` between them.
    pub changes: Vec<String>,
}

impl RowView {
    /// Names of the columns, in order.
    pub const COLUMNS: [&str; 18] = [
        "phase",
        "row",
        "task_id",
        "name",
        "pool",
        "status",
        "outcome",
        "resource_type",
        "resource_id",
        "resource_name",
        "error_code",
        "error_message",
        "request_id",
        "attempts",
        "polls",
        "started_at",
        "completed_at",
        "changes",
    ];

    /// Its cells, in the order of the columns.
    pub fn cells(&self) -> [Cow<'_, str>; 18] {
        fn some(text: &Option<String>) -> Cow<'_, str> {
            text.as_deref().unwrap_or_default().into()
        }
        [
            (&*self.phase).into(),
            self.row.to_string().into(),
            (&*self.task_id).into(),
            (&*self.name).into(),
            some(&self.pool),
            self.status.as_str().into(),
            some(&self.outcome),
            some(&self.resource_type),
            some(&self.resource_id),
            some(&self.resource_name),
            some(&self.error_code),
            some(&self.error_message),
            some(&self.request_id),
            self.attempts.to_string().into(),
            self.polls.to_string().into(),
            some(&self.started_at),
            some(&self.completed_at),
            self.changes.join(" | ").into(),
        ]
    }

    pub fn of(task: TaskView, context: &Context) -> Self {
        let executor = context.executor(&task.phase);
        let planned = context.planned(&task);
        let mut task = task;
        if planned.is_some() {
            task.output_data = would(task.output_data);
        }
        let finding = Finding::of(&task.input_data).filter(|_| context.is_audit());
        let made = |field: &str| task.output_data.get(field).and_then(Value::as_str).map(str::to_owned);
        if let Some(finding) = finding {
            return Self::of_audit(task, finding);
        }
        RowView {
            row: task.index,
            pool: pool_of(executor, &task.input_data, &context.names),
            outcome: planned
                .map(|planned| planned.as_str().to_owned())
                .or_else(|| made("origin")),
            resource_type: made("type"),
            resource_id: made("id"),
            resource_name: made("name").filter(|n| !n.is_empty()),
            attempts: task.started_ms.map_or(0, |_| task.retry_count + 1),
            polls: task.poll_count,
            started_at: task.started_ms.map(time),
            completed_at: task.completed_ms.map(time),
            changes: changes_of(&task.input_data),
            phase: task.phase.to_string(),
            task_id: task.id,
            name: task.name,
            status: task.status,
            error_code: task.error_code,
            error_message: task.error_message,
            request_id: task.request_id,
        }
    }

    fn of_audit(task: TaskView, finding: Finding) -> Self {
        let told = finding.fields.iter().map(|field| match &field.values {
            Some((found, expected)) => format!("{} is {found}, expected {expected}", field.field),
            None => format!("{} differs", field.field),
        });
        RowView {
            row: task.index,
            pool: finding.place,
            outcome: Some(finding.verdict.as_str().to_owned()),
            resource_type: Some(finding.kind),
            resource_id: finding.id,
            resource_name: None,
            attempts: 0,
            polls: 0,
            started_at: None,
            completed_at: task.completed_ms.map(time),
            changes: told.chain(finding.note).collect(),
            phase: task.phase.to_string(),
            task_id: task.id,
            name: task.name,
            status: task.status,
            error_code: task.error_code,
            error_message: task.error_message,
            request_id: None,
        }
    }
}
