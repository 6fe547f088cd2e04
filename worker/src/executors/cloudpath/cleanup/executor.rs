//! One executor for all phases: plans by what a [`Removal`] decides, deletes, and looks until it is gone.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::job::cleanup::CleanupOrder;
use shared::job::outcome::{Outcome, TaskError};
use shared::job::task::TaskInput;
use shared::store::{Hold, StoreError};

use super::super::compare::{Differences, quoted};
use super::super::networks::there::SHOWN_WITHIN;
use super::super::staged::unreadable_task;
use super::past::{Walk, order};
use super::target::{Standing, Target, standing};
use super::{groups, policies, pools};
use crate::executors::clients::Clients;
use crate::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::r1::{R1, Written};
use crate::remote::CallError;

/// Of what is not there any more, whoever took it away.
pub const ALREADY_GONE: &str = "ALREADY_GONE";
/// Of what somebody has changed since it was made.
const CHANGED_SINCE: &str = "CHANGED_SINCE";
/// Of what holds, or serves, something that this job does not take away.
const HOLDS_OTHERS: &str = "HOLDS_OTHERS";
/// Of what nobody knows who made it, and is not what was sent.
const MAY_NOT_BE_OURS: &str = "MAY_NOT_BE_OURS";

/// What a phase takes away.
#[async_trait]
pub trait Removal: Send + Sync + 'static {
    /// What definitions call the executor.
    const EXECUTOR: &'static str;

    /// Decides about everything the import has made of the kind. Claims names to be written before it looks, also those that the whole
    /// cleanup has reserved.
    async fn plan(work: &Work<'_>, plan: &mut Plan<'_>) -> Result<(), PlanError>;

    /// What all its tasks change.
    fn throughout(_cx: &Context) -> Vec<String> {
        Vec::new()
    }
}

/// What a planner works with.
pub struct Work<'a> {
    pub cx: &'a Context,
    pub r1: R1,
    pub order: CleanupOrder,
}

impl<'a> Work<'a> {
    /// The tasks of a phase of the import of which something may be ours.
    pub fn past(&self, phase: &str) -> Result<Walk<'a>, StoreError> {
        Walk::of(self.cx, self.order.cleanup_of, phase)
    }
}

/// Why something stays.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept(TaskError);

impl Kept {
    /// `object`: `DPSK pool "Lobby"`.
    pub fn holds_others(object: &str, what: impl std::fmt::Display) -> Self {
        let message = format!("{object} stays: {what}");
        Kept(TaskError::new(HOLDS_OTHERS, message))
    }

    pub fn made_by_kin(object: &str) -> Self {
        let message = format!(
            "{object} stays: a retry of the job, or one that it is a retry of, says that it has made it; clean up that job to delete it"
        );
        Kept(TaskError::new(MAY_NOT_BE_OURS, message))
    }

    pub fn may_not_be_ours(object: &str, why: &str) -> Self {
        let message = format!("{object} stays: nobody knows who made it, and it is not what was sent: {why}");
        Kept(TaskError::new(MAY_NOT_BE_OURS, message))
    }
}

/// Where decisions go, and their sums.
pub struct Plan<'a> {
    sink: &'a mut dyn TaskSink,
    force: bool,
    to_delete: u32,
    gone: u32,
    kept: BTreeMap<&'static str, u32>,
}

impl Plan<'_> {
    pub async fn claim(&mut self, names: Vec<String>) -> Result<(), PlanError> {
        self.sink.claim(names).await
    }

    pub async fn delete(&mut self, index: u32, name: &str, target: &Target) -> Result<(), PlanError> {
        self.to_delete += 1;
        self.push(index, name, Some(target), None).await
    }

    pub async fn gone(&mut self, index: u32, name: &str) -> Result<(), PlanError> {
        self.gone += 1;
        self.push(index, name, None, Some(already_gone())).await
    }

    pub async fn keep(&mut self, index: u32, name: &str, target: &Target, why: Kept) -> Result<(), PlanError> {
        *self.kept.entry(target.kind()).or_default() += 1;
        self.push(index, name, Some(target), Some(why.0)).await
    }

    /// Deletes what is as it was made; what differs only where that is asked for. `object`: `DPSK pool "Lobby"`.
    pub async fn delete_unless_changed(
        &mut self,
        index: u32,
        name: &str,
        target: &Target,
        object: &str,
        differences: &Differences,
    ) -> Result<(), PlanError> {
        if differences.is_empty() || self.force {
            return self.delete(index, name, target).await;
        }
        let message = format!("{object} stays: it was changed since it was made: {differences}");
        self.keep(index, name, target, Kept(TaskError::new(CHANGED_SINCE, message)))
            .await
    }

    async fn push(
        &mut self,
        index: u32,
        name: &str,
        target: Option<&Target>,
        skip: Option<TaskError>,
    ) -> Result<(), PlanError> {
        let input = TaskInput {
            index,
            name: name.to_owned(),
            data: serde_json::to_value(target).map_err(StoreError::from)?,
            preset: skip.map(|why| Outcome::skipped(index, why)),
        };
        self.sink.push(Task { input, secret: None }).await
    }

    fn facts(&self) -> Value {
        json!({"to_delete": self.to_delete, "gone": self.gone, "kept": self.kept})
    }
}

/// Names of all that the cleanup may take away and that other jobs build on: an import that found one of them while its keys are being
/// deleted would build on it.
async fn reserved(work: &Work<'_>) -> Result<Vec<String>, PlanError> {
    Ok([
        groups::names(work).await?,
        pools::names(work).await?,
        policies::names(work).await?,
    ]
    .concat())
}

/// The executor of a phase.
pub struct Remove<R> {
    clients: Arc<Clients>,
    of: PhantomData<R>,
}

impl<R: Removal> Remove<R> {
    pub fn new(clients: Arc<Clients>) -> Self {
        Remove {
            clients,
            of: PhantomData,
        }
    }

    fn work<'a>(&self, cx: &'a Context) -> Result<Work<'a>, PlanError> {
        Ok(Work {
            cx,
            r1: self.clients.get(cx.spec.controller)?,
            order: order(cx)?,
        })
    }
}

fn already_gone() -> TaskError {
    TaskError::new(ALREADY_GONE, "it is not there any more")
}

fn read(task: &Task) -> Result<Target, CallError> {
    Target::deserialize(&task.input.data).map_err(unreadable_task)
}

fn done(cx: &Context, task: &Task, target: &Target) -> Outcome {
    let resource = target.deleted(&cx.spec.venue_id, &task.input.name);
    Outcome::completed(task.input.index, resource)
}

/// Codes by which RUCKUS One refuses to delete what is still used, where it is not by status 409: what used it was deleted a moment ago,
/// or will be refused as long.
fn is_in_use(status: Option<u16>, code: &str) -> bool {
    status == Some(409) || ["DPSK-026", "GENERAL-026", "GENERAL-409", "WIFI-10001"].contains(&code)
}

#[async_trait]
impl<R: Removal> Executor for Remove<R> {
    fn name(&self) -> &'static str {
        R::EXECUTOR
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let work = self.work(cx)?;
        let mut plan = Plan {
            sink,
            force: work.order.force,
            to_delete: 0,
            gone: 0,
            kept: BTreeMap::new(),
        };
        R::plan(&work, &mut plan).await?;
        Ok(Some(plan.facts()))
    }

    fn hold(&self) -> Option<Hold> {
        Some(Hold::Remove)
    }

    async fn needs(&self, cx: &Context) -> Result<Vec<String>, PlanError> {
        reserved(&self.work(cx)?).await
    }

    fn writes_names(&self, task: &Task) -> Vec<String> {
        read(task).map_or_else(|_| Vec::new(), |target| target.claimed(&task.input.name))
    }

    fn writes_throughout(&self, cx: &Context) -> Vec<String> {
        R::throughout(cx)
    }

    /// Reads are behind for a while after a change of what is on the air.
    fn shown_within(&self) -> Duration {
        SHOWN_WITHIN + Duration::from_secs(2)
    }

    fn waits_out(&self) -> fn(Option<u16>, &str) -> bool {
        is_in_use
    }

    fn would(&self, cx: &Context, task: &Task) -> Result<Outcome, CallError> {
        Ok(done(cx, task, &read(task)?))
    }

    async fn send(&self, cx: &Context, task: &Task, permit: Permit) -> Sent {
        let both = || Ok((self.clients.get(cx.spec.controller)?, read(task)?));
        let (r1, target) = match both() {
            Ok(both) => both,
            Err(e) => return Sent::Failed(e),
        };
        match target.delete(&r1, &cx.spec.venue_id, permit).await {
            Ok(Written::Accepted { request_id, .. }) => Sent::Accepted {
                request_id,
                resource_id: None,
            },
            // it is what was wanted
            Ok(Written::Done { .. }) | Err(CallError::NotFound { .. }) => Sent::Done(done(cx, task, &target)),
            Err(e) => Sent::Failed(e),
        }
    }

    fn settled(&self, _cx: &Context, _task: &Task, _resource_id: Option<&str>) -> Settle {
        Settle::ReadBack
    }

    async fn read_back(&self, cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        let r1 = self.clients.get(cx.spec.controller)?;
        let targets = tasks
            .iter()
            .map(|(task, _)| Ok((task.input.name.as_str(), read(task)?)));
        let targets: Vec<(&str, Target)> = targets.collect::<Result<_, CallError>>()?;
        let all = standing(&r1, cx, &targets).await?;
        let found = tasks
            .iter()
            .zip(&targets)
            .zip(all)
            .map(|(((task, ours), (_, target)), how)| {
                let index = task.input.index;
                match how {
                    Standing::There => Found::Remains,
                    Standing::Gone if *ours => Found::Present(done(cx, task, target)),
                    Standing::Gone => Found::Present(Outcome::skipped(index, already_gone())),
                    Standing::InUse(users) => {
                        let users: Vec<String> = users.iter().take(5).map(|user| quoted(user)).collect();
                        let message = format!("they stay: somebody gave a key to {}", users.join(", "));
                        Found::Present(Outcome::skipped(index, TaskError::new(CHANGED_SINCE, message)))
                    }
                }
            });
        Ok(found.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waits_for_another_end_is_waited_out() {
        for (status, code, waits) in [
            (Some(409), "HTTP_409", true),
            (None, "DPSK-026", true),
            (None, "GENERAL-026", true),
            (Some(422), "WIFI-10001", true),
            (Some(422), "HTTP_422", false),
            (Some(400), "GENERAL-400", false),
            (None, "ACTIVITY_FAIL", false),
        ] {
            assert_eq!(is_in_use(status, code), waits, "{status:?} {code}");
        }
    }
}
