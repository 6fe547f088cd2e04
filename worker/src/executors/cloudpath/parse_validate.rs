//! `parse_validate`: the venue exists, the staged input is whole, and the networks can be activated. Reads only. The export itself was judged when it was accepted.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shared::cloudpath::ImportPlan;
use shared::job::outcome::{Outcome, TaskError};
use shared::job::task::TaskInput;

use super::compare::quoted;
use super::networks;
use super::staged::{Rows, import_plan, never_writes, options};
use crate::executors::clients::Clients;
use crate::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::remote::CallError;

const NAME: &str = "cloudpath.parse_validate";

pub struct ParseValidate {
    clients: Arc<Clients>,
}

impl ParseValidate {
    pub fn new(clients: Arc<Clients>) -> Self {
        ParseValidate { clients }
    }

    /// The venue's name, or why it can't be used.
    async fn venue(&self, cx: &Context) -> Result<Result<String, TaskError>, PlanError> {
        let r1 = self.clients.get(cx.spec.controller)?;
        let venue = &cx.spec.venue_id;
        match r1.venue(cx.gate.permit().await?, venue).await {
            Ok(found) => Ok(Ok(found.name)),
            // An id that has not even the form of one is refused, not looked for.
            Err(CallError::NotFound { .. } | CallError::Rejected { status: 400, .. }) => {
                let message = format!(
                    "venue {} does not exist on controller {}",
                    quoted(venue),
                    cx.spec.controller
                );
                Ok(Err(TaskError::new("VENUE_NOT_FOUND", message)))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// What of the options can't be done on this controller.
    async fn refusal(&self, cx: &Context, plan: &ImportPlan) -> Result<Option<TaskError>, PlanError> {
        let (r1, policy) = (self.clients.get(cx.spec.controller)?, options(&cx.spec)?.name_conflict);
        Ok(networks::check::refusal(&r1, cx, plan, policy).await?)
    }
}

/// Rows staged, and how many of them are to be imported with a passphrase at hand.
async fn count(cx: &Context) -> Result<(u32, u32), PlanError> {
    let (mut rows, mut imports, mut chunks) = (0, 0, Rows::all(cx.input.as_ref()));
    while let Some((_, chunk)) = chunks.next().await? {
        rows += chunk.len() as u32;
        imports += chunk
            .iter()
            .filter(|(row, secret)| row.skip.is_none() && secret.is_some())
            .count() as u32;
    }
    Ok((rows, imports))
}

#[async_trait]
impl Executor for ParseValidate {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let plan = import_plan(&cx.spec)?;
        // Read here so that damaged options are refused before anything is made.
        options(&cx.spec)?;
        let totals = &plan.totals;
        let (rows, imports) = count(cx).await?;
        let venue = self.venue(cx).await?;
        let whole = (rows, imports) == (totals.rows, totals.imports);
        let outcome = match &venue {
            Err(error) => Outcome::failed(0, error.clone()),
            Ok(_) if whole => match self.refusal(cx, &plan).await? {
                Some(error) => Outcome::failed(0, error),
                None => Outcome::completed(0, None),
            },
            Ok(_) => {
                let message = format!(
                    "the stored input is not whole: {rows} rows with {imports} keys to import, accepted were {} with {}",
                    totals.rows, totals.imports
                );
                Outcome::failed(0, TaskError::new("INPUT_INCOMPLETE", message))
            }
        };
        sink.push(Task {
            input: TaskInput {
                index: 0,
                name: "venue and input".into(),
                data: Value::Null,
                preset: Some(outcome),
            },
            secret: None,
        })
        .await?;
        Ok(Some(json!({
            "venue_name": venue.ok(), "rows": rows, "imports": imports, "skips": totals.skips,
            "identity_groups": plan.groups.len(), "dpsk_pools": plan.pools.len(),
        })))
    }

    fn writes(&self) -> bool {
        false
    }

    async fn send(&self, _cx: &Context, _task: &Task, _permit: Permit) -> Sent {
        Sent::Failed(never_writes(NAME))
    }

    fn settled(&self, _cx: &Context, _task: &Task, _resource_id: Option<&str>) -> Settle {
        Settle::ReadBack
    }

    async fn read_back(&self, _cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        Ok(tasks.iter().map(|_| Found::Absent).collect())
    }
}
