//! `parse_validate`: the venue exists, the staged input is whole, and what policies and networks need is there. Reads only. The export
//! itself was judged when it was accepted.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shared::cloudpath::ImportPlan;
use shared::job::outcome::{Outcome, TaskError};
use shared::job::task::TaskInput;

use super::compare::quoted;
use super::networks;
use super::staged::{Rows, import_plan, options};
use crate::executors::clients::Clients;
use crate::executors::reads::Reads;
use crate::executors::{Context, PlanError, Task, TaskSink};
use crate::r1::{R1, asked};
use crate::remote::CallError;

const NAME: &str = "cloudpath.parse_validate";
/// Facts have 4 KiB.
const WARNINGS_BYTES_MAX: usize = 3 * 1024;
/// Fact: how many warnings found no room. Absent: none.
const WARNINGS_LEFT_OUT: &str = "warnings_left_out";

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
        match asked(cx.gate.as_ref(), |permit| r1.venue(permit, venue)).await {
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
        if let Some(missing) = radius_groups(&r1, cx, plan).await? {
            return Ok(Some(missing));
        }
        Ok(networks::check::refusal(&r1, cx, plan, policy).await?)
    }
}

/// Which RADIUS attribute groups the policies need and do not find. Looked up before anything is made.
async fn radius_groups(r1: &R1, cx: &Context, plan: &ImportPlan) -> Result<Option<TaskError>, CallError> {
    if plan.policies.is_empty() {
        return Ok(None);
    }
    let mut names = HashSet::new();
    let mut sweep = r1.radius_groups();
    sweep
        .visit(cx.gate.as_ref(), |group| _ = names.insert(group.name))
        .await?;
    let missing = plan.missing_radius_groups(|name| names.contains(name));
    Ok(missing.map(|message| TaskError::new("RADIUS_GROUP_MISSING", message)))
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

/// As many sentences as facts have room for, the last ones first: those of the options come after those of single pools.
fn told(warnings: &[String]) -> Vec<&str> {
    let mut room = WARNINGS_BYTES_MAX;
    let fits = |text: &&String| {
        room = room.saturating_sub(text.len());
        room > 0
    };
    let told: Vec<_> = warnings.iter().rev().take_while(fits).collect();
    told.into_iter().rev().map(String::as_str).collect()
}

#[async_trait]
impl Reads for ParseValidate {
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
        let told = told(&plan.warnings);
        let mut facts = json!({
            "venue_name": venue.ok(), "rows": rows, "imports": imports, "skips": totals.skips,
            "identity_groups": plan.groups.len(), "dpsk_pools": plan.pools.len(), "warnings": told,
        });
        let left_out = plan.warnings.len() - told.len();
        if left_out > 0 {
            facts[WARNINGS_LEFT_OUT] = left_out.into();
        }
        Ok(Some(facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_keep_within_the_room_of_facts() {
        let many: Vec<String> = (0..100).map(|n| format!("{n:0>100}")).collect();
        let told = told(&many);
        assert!(told.len() == 30 && told.is_sorted(), "{}", told.len());
        assert_eq!(told.last(), many.last().map(String::as_str).as_ref());
    }
}
