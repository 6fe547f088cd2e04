//! `attach_policies`: conditions onto policies, then policies into sets, then sets onto pools; one task after another.
//!
//! In this order because a policy without a condition is of unknown effect, and a set decides for the users of its pool from the
//! moment it is assigned; one after another because every change of a set numbers all its places anew. So a place waits for the
//! condition of its policy, and an assignment for the whole set, and both are refused when that has failed. Foreign policies in a
//! set stay where they are.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use shared::cloudpath::NameConflict;
use shared::job::outcome::{Origin, Outcome, TaskError};
use shared::job::task::TaskInput;
use shared::store::Hold;

use super::super::builds_on;
use super::super::compare::quoted;
use super::super::staged::{import_plan, options, policy, sent, unreadable_task};
use super::found::{self, Conditions, Next};
use super::links::Link;
use super::{ASSIGNMENT, Made, resource, whole};
use crate::executors::clients::Clients;
use crate::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::r1::R1;
use crate::r1::policy_set::{PolicySet, PrioritizedPolicy};
use crate::remote::CallError;

const NAME: &str = "cloudpath.attach_policies";

pub struct AttachPolicies {
    clients: Arc<Clients>,
}

/// Pure: what a pool that has the set `current` comes to; none: the set of the link is to be put there.
pub(super) fn assigned(
    link: &Link,
    index: u32,
    name: &str,
    current: Option<&PolicySet>,
    policy: NameConflict,
) -> Option<Outcome> {
    let Link::Assignment {
        pool, set, replaces, ..
    } = link
    else {
        return None;
    };
    let current = current?;
    if current.id == *set {
        return Some(link.done_with(index, name, Origin::Adopted));
    }
    if replaces.as_ref() == Some(&current.id) {
        return None;
    }
    if policy == NameConflict::Adopt {
        let resource = resource(ASSIGNMENT, &format!("{pool}/{}", current.id), name, Origin::Adopted);
        return Some(Outcome::completed(index, Some(resource)));
    }
    let message = format!(
        "{} can't be: policy set {} is assigned to the pool already",
        quoted(name),
        quoted(&current.name)
    );
    Some(Outcome::failed(index, TaskError::new("NAME_CONFLICT", message)))
}

/// The set that decides for a pool now.
async fn set_of(r1: &R1, cx: &Context, pool: &str) -> Result<Option<PolicySet>, CallError> {
    let mut found = None;
    let keep = |set: PolicySet| {
        if set.is_assigned_to(pool) {
            found = Some(set);
        }
    };
    r1.policy_sets().visit(cx.gate.as_ref(), keep).await?;
    Ok(found)
}

/// Pure: what reading back says of a condition.
fn judge_condition(
    link: &Link,
    task: &TaskInput,
    pattern: &str,
    there: &Conditions,
    policy: NameConflict,
    ours: bool,
) -> Found {
    let equal = there.username.as_ref().is_some_and(|(_, found)| found == pattern);
    let origin = if ours { link.written() } else { Origin::Adopted };
    if equal {
        return Found::Present(link.done(task, origin));
    }
    match (&there.username, link) {
        // none yet, or not changed yet
        (None, _) | (_, Link::Condition { update: Some(_), .. }) => Found::Absent,
        (Some(_), _) => match found::condition(&task.name, pattern, there, policy) {
            Next::Refused(error) => Found::Present(Outcome::failed(task.index, error)),
            Next::Done | Next::Left(_) => Found::Present(link.done(task, Origin::Adopted)),
            // made by somebody else since the plan, and it was not asked whether to change that
            Next::Create | Next::Change(_) => {
                let message = "somebody gave the policy another condition meanwhile; import once more to change it";
                Found::Present(Outcome::failed(task.index, TaskError::new("NAME_CONFLICT", message)))
            }
        },
    }
}

impl AttachPolicies {
    pub fn new(clients: Arc<Clients>) -> Self {
        AttachPolicies { clients }
    }

    async fn write(&self, cx: &Context, task: &Task, permit: Permit) -> Result<Sent, CallError> {
        let (r1, link, conflicts) = (
            self.clients.get(cx.spec.controller)?,
            Link::read(task)?,
            policy(&cx.spec),
        );
        let input = &task.input;
        let done = |_: &str| link.done(input, link.written());
        Ok(match &link {
            Link::Condition {
                policy,
                pattern,
                update,
            } => match update {
                None => sent(r1.create_condition(permit, policy, pattern).await, done),
                Some(id) => sent(r1.update_condition(permit, policy, id, pattern).await, done),
            },
            Link::Place {
                set,
                policy,
                priority,
                needs_condition,
                ..
            } => {
                let mut permit = permit;
                if *needs_condition {
                    // given back: what is looked up first takes as long as it takes
                    drop(permit);
                    let conditions = Conditions::read(&r1, cx.gate.as_ref(), policy).await?;
                    if conditions.username.is_none() {
                        let message = format!("{}: the policy has no condition", quoted(&input.name));
                        let error = TaskError::new("CONDITION_MISSING", message);
                        return Ok(Sent::Done(Outcome::failed(input.index, error)));
                    }
                    permit = cx.gate.permit().await?;
                }
                let place = PrioritizedPolicy {
                    policy_id: policy.clone(),
                    priority: *priority,
                };
                sent(r1.put_prioritized_policy(permit, set, &place).await, done)
            }
            Link::Assignment { pool, set, index, .. } => {
                drop(permit);
                // the PUT replaces silently what somebody may have assigned since the plan
                let current = set_of(&r1, cx, pool).await?;
                if let Some(outcome) = assigned(&link, input.index, &input.name, current.as_ref(), conflicts) {
                    return Ok(Sent::Done(outcome));
                }
                let plan = import_plan(&cx.spec).map_err(unreadable_task)?;
                let made = Made::read(cx, &plan).await;
                let made = made.map_err(|e| super::super::staged::store_failed(&e))?;
                let wanted = plan.policy_sets.iter().find(|wanted| wanted.index == *index);
                let wanted = wanted.ok_or_else(|| unreadable_task("its policy set is not planned"))?;
                let gate = cx.gate.as_ref();
                if let Some(error) = whole::lack(&r1, gate, &plan, &made, (wanted, set), conflicts).await? {
                    return Ok(Sent::Done(Outcome::failed(input.index, error)));
                }
                let permit = cx.gate.permit().await?;
                sent(r1.assign_policy_set(permit, pool, set).await, done)
            }
        })
    }
}

#[async_trait]
impl Executor for AttachPolicies {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let (plan, conflicts) = (import_plan(&cx.spec)?, options(&cx.spec)?.name_conflict);
        if plan.policies.is_empty() && plan.policy_sets.is_empty() {
            return Ok(None);
        }
        let r1 = self.clients.get(cx.spec.controller)?;
        super::attach_plan::tasks(&r1, cx, &plan, conflicts, sink)
            .await
            .map(Some)
    }

    fn hold(&self) -> Option<Hold> {
        Some(Hold::Rely)
    }

    async fn needs(&self, cx: &Context) -> Result<Vec<String>, PlanError> {
        builds_on(&cx.spec)
    }

    fn writes_name(&self, task: &Task) -> Option<String> {
        Link::read(task).ok().map(|link| link.claimed())
    }

    fn would(&self, _cx: &Context, task: &Task) -> Result<Outcome, CallError> {
        let link = Link::read(task)?;
        Ok(link.done(&task.input, link.written()))
    }

    async fn send(&self, cx: &Context, task: &Task, permit: Permit) -> Sent {
        self.write(cx, task, permit).await.unwrap_or_else(Sent::Failed)
    }

    fn settled(&self, _cx: &Context, task: &Task, _resource_id: Option<&str>) -> Settle {
        Link::read(task).map_or(Settle::ReadBack, |link| {
            Settle::Done(link.done(&task.input, link.written()))
        })
    }

    async fn read_back(&self, cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        let (r1, conflicts) = (self.clients.get(cx.spec.controller)?, policy(&cx.spec));
        let (gate, mut members) = (cx.gate.as_ref(), HashMap::new());
        let mut all = Vec::new();
        for (task, ours) in tasks {
            let link = Link::read(task)?;
            let there = match &link {
                Link::Condition { policy, pattern, .. } => {
                    let there = Conditions::read(&r1, gate, policy).await?;
                    all.push(judge_condition(&link, &task.input, pattern, &there, conflicts, *ours));
                    continue;
                }
                Link::Place {
                    set,
                    policy,
                    priority,
                    moves,
                    ..
                } => {
                    if !members.contains_key(set) {
                        members.insert(set.clone(), whole::members(&r1, gate, set).await?);
                    }
                    let place = members.get(set).and_then(|places| places.get(policy));
                    place.is_some_and(|place| !moves || place == priority)
                }
                Link::Assignment { pool, set, .. } => set_of(&r1, cx, pool).await?.is_some_and(|now| now.id == *set),
            };
            let origin = if *ours { link.written() } else { Origin::Adopted };
            all.push(match there {
                true => Found::Present(link.done(&task.input, origin)),
                false => Found::Absent,
            });
        }
        Ok(all)
    }
}
