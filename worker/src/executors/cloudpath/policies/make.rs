//! `create_policy_sets`: one policy for each suffix, one set for each pool that has users with one. Both are found by exact name, or
//! made; policies come first.
//!
//! RUCKUS One answers the create of a policy with 202 and no request id, shows it a little later, and what it answers with later
//! still: a policy without that is not there yet, and never a different one. Only its response is changed here; its pattern is a
//! condition, which `attach_policies` sees to. A set's description decides nothing, so one that differs is adopted.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::cloudpath::{Change, Field, ImportPlan, Reason};
use shared::job::outcome::Outcome;
use shared::job::task::TaskInput;
use shared::store::{Hold, StoreError};

use super::super::builds_on;
use super::super::staged::{LEFT_DIFFERENT, import_plan, leave, options, policy, sent, tell_changes, unreadable_task};
use super::decide::{Data, Planned, Radius, judge_policy, judge_set, plan_policy, plan_set};
use super::found::Conditions;
use super::{POLICY, POLICY_SET};
use crate::executors::clients::Clients;
use crate::executors::dry::planned_id;
use crate::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::r1::policy::{NewPolicy, Policy, PolicyPatch};
use crate::r1::policy_set::{NewPolicySet, PolicySet};
use crate::r1::{R1, Written};
use crate::remote::CallError;

const NAME: &str = "cloudpath.create_policy_sets";

/// What is there of the names wanted.
#[derive(Default)]
struct There {
    policies: HashMap<String, Vec<Policy>>,
    sets: HashMap<String, Vec<PolicySet>>,
}

impl There {
    async fn policies(&mut self, r1: &R1, cx: &Context) -> Result<(), CallError> {
        let all = &mut self.policies;
        let keep = |policy: Policy| all.entry(policy.name.clone()).or_default().push(policy);
        r1.policies().visit(cx.gate.as_ref(), keep).await
    }

    async fn sets(&mut self, r1: &R1, cx: &Context) -> Result<(), CallError> {
        let all = &mut self.sets;
        let keep = |set: PolicySet| all.entry(set.name.clone()).or_default().push(set);
        r1.policy_sets().visit(cx.gate.as_ref(), keep).await
    }

    fn policy(&self, name: &str) -> &[Policy] {
        self.policies.get(name).map_or(&[], Vec::as_slice)
    }

    fn set(&self, name: &str) -> &[PolicySet] {
        self.sets.get(name).map_or(&[], Vec::as_slice)
    }
}

pub struct CreatePolicySets {
    clients: Arc<Clients>,
}

/// What is claimed of the policies and sets of an import.
pub fn names(plan: &ImportPlan) -> Vec<String> {
    let policies = plan.policies.iter().map(|policy| claimed(POLICY, &policy.name));
    let sets = plan.policy_sets.iter().map(|set| claimed(POLICY_SET, &set.name));
    policies.chain(sets).collect()
}

pub fn claimed(kind: &str, name: &str) -> String {
    format!("{kind}|{name}")
}

fn read(task: &Task) -> Result<Data, CallError> {
    Data::deserialize(&task.input.data).map_err(unreadable_task)
}

/// A name, and why it is not made of the suffix or the pool's name alone.
struct Named {
    name: String,
    change: Option<Change>,
}

impl Named {
    fn of(name: &str, reason: Option<Reason>) -> Self {
        let change = |reason| Change {
            field: Field::Name,
            from: None,
            to: Some(name.to_owned()),
            reason,
        };
        Named {
            name: name.to_owned(),
            change: reason.map(change),
        }
    }
}

impl CreatePolicySets {
    pub fn new(clients: Arc<Clients>) -> Self {
        CreatePolicySets { clients }
    }

    async fn planned(&self, cx: &Context, plan: &ImportPlan) -> Result<Vec<(u32, Named, Planned)>, PlanError> {
        let (r1, conflicts) = (self.clients.get(cx.spec.controller)?, options(&cx.spec)?.name_conflict);
        let mut there = There::default();
        there.policies(&r1, cx).await?;
        there.sets(&r1, cx).await?;
        let mut radius = Radius::default();
        let mut groups = r1.radius_groups();
        groups.visit(cx.gate.as_ref(), |group| radius.add(group)).await?;
        let mut all = Vec::new();
        for wanted in &plan.policies {
            let found = there.policy(&wanted.name);
            let conditions = match found {
                [one] if one.conditions_count != Some(0) => Conditions::read(&r1, cx.gate.as_ref(), &one.id).await?,
                _ => Conditions::default(),
            };
            let planned = plan_policy(wanted, &radius, found, &conditions, conflicts);
            all.push((wanted.index, Named::of(&wanted.name, wanted.name_reason), planned));
        }
        for (wanted, index) in plan.policy_sets.iter().zip(plan.policies.len() as u32..) {
            let planned = plan_set(wanted, index, there.set(&wanted.name));
            all.push((index, Named::of(&wanted.name, wanted.name_reason), planned));
        }
        Ok(all)
    }
}

#[async_trait]
impl Executor for CreatePolicySets {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let plan = import_plan(&cx.spec)?;
        if plan.policies.is_empty() && plan.policy_sets.is_empty() {
            return Ok(None);
        }
        sink.claim(names(&plan)).await?;
        let (mut creates, mut updates, mut left_different) = (0, 0, 0);
        for (index, Named { name, change }, Planned { data, preset, left }) in self.planned(cx, &plan).await? {
            match (&preset, &data) {
                (None, Data::Policy { update: Some(_), .. }) => updates += 1,
                (None, _) => creates += 1,
                (Some(_), _) => {}
            }
            let mut data = serde_json::to_value(data).map_err(StoreError::from)?;
            if !left.is_empty() {
                left_different += 1;
                leave(&mut data, &left);
            }
            tell_changes(&mut data, &change);
            let input = TaskInput {
                index,
                name,
                data,
                preset,
            };
            sink.push(Task { input, secret: None }).await?;
        }
        let mut facts = json!({"policies": plan.policies.len(), "policy_sets": plan.policy_sets.len(),
            "to_create": creates, "to_update": updates});
        if left_different > 0 {
            facts[LEFT_DIFFERENT] = left_different.into();
        }
        Ok(Some(facts))
    }

    fn hold(&self) -> Option<Hold> {
        Some(Hold::Rely)
    }

    async fn needs(&self, cx: &Context) -> Result<Vec<String>, PlanError> {
        builds_on(&cx.spec)
    }

    fn writes_name(&self, task: &Task) -> Option<String> {
        read(task).ok().map(|data| claimed(data.kind(), &task.input.name))
    }

    fn would(&self, _cx: &Context, task: &Task) -> Result<Outcome, CallError> {
        let data = read(task)?;
        Ok(data.done(&task.input, &planned_id(data.kind(), task.input.index)))
    }

    async fn send(&self, cx: &Context, task: &Task, permit: Permit) -> Sent {
        let (r1, data) = match self
            .clients
            .get(cx.spec.controller)
            .and_then(|r1| Ok((r1, read(task)?)))
        {
            Ok(both) => both,
            Err(e) => return Sent::Failed(e),
        };
        let name = task.input.name.clone();
        let answer = match &data {
            Data::Set { description } => {
                let description = description.clone();
                r1.create_policy_set(permit, &NewPolicySet { name, description }).await
            }
            Data::Policy {
                radius,
                update: Some(id),
                ..
            } => {
                let patch = PolicyPatch {
                    name,
                    description: None,
                    on_match_response: Some(radius.clone()),
                };
                r1.update_policy(permit, id, &patch).await
            }
            Data::Policy { radius, .. } => {
                let new = NewPolicy {
                    name,
                    description: None,
                    on_match_response: radius.clone(),
                };
                match r1.create_policy(permit, &new).await {
                    Ok(Written::Done { id: None }) => return Sent::Unconfirmed,
                    answer => answer,
                }
            }
        };
        sent(answer, |id| data.done(&task.input, id))
    }

    fn settled(&self, _cx: &Context, task: &Task, resource_id: Option<&str>) -> Settle {
        match (read(task), resource_id) {
            // what a new policy answers with may be set later than its activity ends
            (Ok(Data::Policy { update: None, .. }), _) | (Err(_), _) => Settle::ReadBack,
            (Ok(data @ Data::Policy { .. }), id) => Settle::Done(data.done(&task.input, id.unwrap_or_default())),
            (Ok(data), Some(id)) => Settle::Done(data.done(&task.input, id)),
            (Ok(_), None) => Settle::ReadBack,
        }
    }

    async fn read_back(&self, cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        let (r1, conflicts) = (self.clients.get(cx.spec.controller)?, policy(&cx.spec));
        let all: Result<Vec<Data>, CallError> = tasks.iter().map(|(task, _)| read(task)).collect();
        let (all, mut there) = (all?, There::default());
        if all.iter().any(|data| data.kind() == POLICY) {
            there.policies(&r1, cx).await?;
        }
        if all.iter().any(|data| data.kind() == POLICY_SET) {
            there.sets(&r1, cx).await?;
        }
        let judge = |((task, ours), data): (&(&Task, bool), &Data)| {
            let input = &task.input;
            match data {
                Data::Set { description } => judge_set(input, description, there.set(&input.name), *ours),
                Data::Policy {
                    radius,
                    radius_name,
                    update,
                } => {
                    let found = there.policy(&input.name);
                    judge_policy(input, radius, radius_name, update.as_deref(), found, conflicts, *ours)
                }
            }
        };
        Ok(tasks.iter().zip(&all).map(judge).collect())
    }
}
