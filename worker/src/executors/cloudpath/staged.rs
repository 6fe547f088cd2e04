//! What a job was given: the plan of the import, its options, and the staged rows; and what earlier phases made of them.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::cloudpath::shown::CHANGES;
use shared::cloudpath::{Change, ImportOptions, ImportPlan, NameConflict, Row, RowScope};
use shared::id::PhaseId;
use shared::job::TaskStatus;
use shared::job::outcome::{Outcome, Resource};
use shared::secret::SecretString;
use shared::store::{JobSpec, StoreError};

use super::compare::Differences;
use crate::executors::{Context, JobData, PlanError, Sent};
use crate::r1::Written;
use crate::remote::CallError;

/// Member of a task's data: in which fields what was there differs and was left as it is.
pub const LEFT_AS_IS: &str = "left_as_is";
/// The same to be compared ([`LeftField`](super::differences::LeftField)); absent in tasks of earlier versions.
pub use crate::executors::dry::LEFT;
/// Fact of a phase: how many objects that is said of. Absent: none.
pub const LEFT_DIFFERENT: &str = "left_different";

/// The plan of the import: member `plan` of the job's `input`.
pub fn import_plan(spec: &JobSpec) -> Result<ImportPlan, PlanError> {
    ImportPlan::deserialize(&spec.input["plan"]).map_err(|e| damaged("plan", &e))
}

/// The rows it is about: member `scope` of the job's `input`, absent where that is all of them.
pub fn scope(spec: &JobSpec) -> Result<RowScope, PlanError> {
    RowScope::deserialize(&spec.input["scope"]).map_err(|e| damaged("scope", &e))
}

/// The job's options, as they were accepted.
pub fn options(spec: &JobSpec) -> Result<ImportOptions, PlanError> {
    match &spec.options {
        Value::Null => Ok(ImportOptions::default()),
        given => ImportOptions::deserialize(given).map_err(|e| damaged("options", &e)),
    }
}

/// What to do about objects that differ. Options that can't be read were refused when the phase was planned; here they mean the
/// choice that changes nothing.
pub fn policy(spec: &JobSpec) -> NameConflict {
    options(spec).map(|o| o.name_conflict).unwrap_or_default()
}

/// The object is there, differs, and is left as it is: in its task's data, in words and to be compared.
pub fn leave(data: &mut Value, differences: &Differences) {
    if data.is_null() {
        *data = json!({});
    }
    data[LEFT_AS_IS] = differences.to_string().into();
    data[LEFT] = json!(differences.left());
}

/// What of the object does not arrive as it was, with the reason: in the task's data, for whoever looks at the task.
pub fn tell_changes<'a>(data: &mut Value, changes: impl IntoIterator<Item = &'a Change>) {
    let told: Vec<String> = changes.into_iter().map(ToString::to_string).collect();
    if told.is_empty() {
        return;
    }
    if data.is_null() {
        *data = json!({});
    }
    data[CHANGES] = told.into();
}

/// Perhaps a later version accepted the job: another worker may read what this one can't.
fn damaged(what: &str, e: &serde_json::Error) -> PlanError {
    PlanError::Elsewhere(format!(
        "the job's {what} can't be read by this version of the worker: {e}"
    ))
}

/// Reads the staged rows chunk by chunk, in order: one chunk in memory at a time.
pub struct Rows<'a> {
    data: &'a dyn JobData,
    next: u32,
    end: u32,
}

impl<'a> Rows<'a> {
    pub fn all(data: &'a dyn JobData) -> Self {
        Self::between(data, 0, u32::MAX)
    }

    /// Only the chunks `first..end`.
    pub fn between(data: &'a dyn JobData, first: u32, end: u32) -> Self {
        Rows { data, next: first, end }
    }

    /// Number and rows of the next chunk; each row with its passphrase, if it has one to import.
    pub async fn next(&mut self) -> Result<Option<(u32, Vec<(Row, Option<SecretString>)>)>, StoreError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let Some((json, secrets)) = self.data.input_chunk(self.next).await? else {
            return Ok(None);
        };
        let rows: Vec<Row> = serde_json::from_slice(&json)?;
        if rows.len() != secrets.len() {
            let (rows, secrets) = (rows.len(), secrets.len());
            return Err(StoreError::Corrupt(format!(
                "chunk {} of the job's input has {rows} rows and {secrets} secrets",
                self.next
            )));
        }
        // A skipped row's passphrase is staged empty.
        let secrets = secrets.into_iter().map(|s| s.filter(|s| !s.expose().is_empty()));
        self.next += 1;
        Ok(Some((self.next - 1, rows.into_iter().zip(secrets).collect())))
    }
}

/// What a phase made or adopted, by index. Objects whose task did not succeed are absent.
pub async fn made_by(cx: &Context, phase: &str) -> Result<HashMap<u32, Resource>, StoreError> {
    let phase: PhaseId = phase
        .parse()
        .map_err(|e: shared::id::BadName| StoreError::Corrupt(e.to_string()))?;
    let mut made = HashMap::new();
    let keep = &mut |o: Outcome| {
        if o.status == TaskStatus::Completed {
            made.extend(o.resource.map(|r| (o.index, r)));
        }
    };
    cx.input.outcomes(&phase, keep).await?;
    Ok(made)
}

/// The answer to a write in the engine's words. `done` makes the outcome of one that was carried out at once; one without the id of
/// what was made is read back like a lost reply.
pub fn sent(answer: Result<Written, CallError>, done: impl FnOnce(&str) -> Outcome) -> Sent {
    match answer {
        Ok(Written::Accepted {
            request_id,
            resource_id,
        }) => Sent::Accepted {
            request_id,
            resource_id,
        },
        Ok(Written::Done { id: Some(id) }) => Sent::Done(done(&id)),
        Ok(Written::Done { id: None }) => Sent::Failed(CallError::Malformed {
            status: 200,
            write: true,
            detail: "done at once, and not said what".into(),
        }),
        Err(e) => Sent::Failed(e),
    }
}

/// What a task holds is not what its executor planned.
pub fn unreadable_task(detail: impl std::fmt::Display) -> CallError {
    CallError::Rejected {
        status: 0,
        code: Some("TASK_DAMAGED".into()),
        detail: format!("the task can't be read: {detail}"),
    }
}

/// The store failed while a task was run that only reads: tried again when that helps.
pub fn store_failed(e: &StoreError) -> CallError {
    let detail = e.to_string();
    match e.is_transient() {
        true => CallError::Transient {
            status: 0,
            retry_after: None,
            code: Some("STORE_UNAVAILABLE".into()),
            detail,
        },
        false => CallError::Rejected {
            status: 0,
            code: Some("STORE_FAILED".into()),
            detail,
        },
    }
}
