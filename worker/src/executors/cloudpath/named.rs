//! What phases that make things with names have in common: each wanted object is found by its exact name, or made.
//!
//! A [`Kind`] says what is wanted, what is there, and what follows; [`FindOrMake`] is the executor: it claims the names, looks once for all
//! of them, plans a task for each, sends, and reads back.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::cloudpath::{Change, ImportPlan, NameConflict};
use shared::job::outcome::{Origin, Outcome, Resource};
use shared::job::task::TaskInput;
use shared::store::{Hold, StoreError};

use super::builds_on;
use super::compare::Differences;
use super::staged::{LEFT_DIFFERENT, import_plan, leave, options, policy, sent, tell_changes, unreadable_task};
use crate::executors::clients::Clients;
use crate::executors::dry::planned_id;
use crate::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::r1::{R1, Written};
use crate::remote::CallError;

/// What is to be done about a wanted object.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision<D> {
    /// Nothing: adopted or refused.
    Settled(Outcome),
    /// Adopted as it is, with these differences: `name_conflict` says so, or nobody can change them.
    Left(Outcome, Differences),
    /// One write, with what its task has to carry.
    Write(D),
}

/// A kind of object that has a name of its own on the controller.
#[async_trait]
pub trait Kind: Send + Sync + 'static {
    /// What definitions call the executor.
    const EXECUTOR: &'static str;
    /// What the ledger calls the object, such as `dpsk_pool`.
    const KIND: &'static str;
    /// An object of the import's plan, with what of earlier phases belongs to it.
    type Wanted: Send + Sync;
    /// What a task carries besides index and name, as it is stored in batch blobs.
    type Data: Serialize + DeserializeOwned + Send + Sync;
    /// What the controller has, as far as it matters.
    type There: Send + Sync;

    async fn wanted(cx: &Context, plan: &ImportPlan) -> Result<Vec<Self::Wanted>, PlanError>;
    /// Index and name.
    fn identity(wanted: &Self::Wanted) -> (u32, &str);
    /// What of it does not arrive as it was in the export.
    fn changed(wanted: &Self::Wanted) -> Vec<&Change>;
    /// One sweep for all the names.
    async fn look(r1: &R1, cx: &Context, names: &[&str]) -> Result<Self::There, CallError>;
    /// Pure: adopted, refused, changed or made.
    fn decide(wanted: &Self::Wanted, there: &Self::There, policy: NameConflict) -> Decision<Self::Data>;
    async fn write(r1: &R1, permit: Permit, name: &str, data: &Self::Data) -> Result<Written, CallError>;
    /// Id of the object the write changes; absent: it makes one.
    fn changes(_data: &Self::Data) -> Option<&str> {
        None
    }
    /// Pure: what reading back says of a task. `ours`: a write of ours may have made or changed what is there.
    fn judge(
        task: &TaskInput,
        data: &Self::Data,
        there: &Self::There,
        policy: NameConflict,
        ours: bool,
    ) -> Result<Found, CallError>;
}

/// An object for the ledger.
pub fn resource<K: Kind>(id: &str, name: &str, origin: Origin) -> Resource {
    Resource {
        kind: K::KIND.into(),
        id: id.into(),
        name: name.into(),
        origin,
    }
}

/// The executor of a kind.
pub struct FindOrMake<K> {
    clients: Arc<Clients>,
    kind: PhantomData<K>,
}

impl<K: Kind> FindOrMake<K> {
    pub fn new(clients: Arc<Clients>) -> Self {
        FindOrMake {
            clients,
            kind: PhantomData,
        }
    }

    pub fn claimed(name: &str) -> String {
        format!("{}|{name}", K::KIND)
    }

    fn read(task: &Task) -> Result<K::Data, CallError> {
        K::Data::deserialize(&task.input.data).map_err(unreadable_task)
    }

    /// The end of a task whose write was carried out. `id`: of what was made, as far as it is known.
    fn done(task: &Task, data: &K::Data, id: Option<&str>) -> Option<Outcome> {
        let made = match (K::changes(data), id) {
            (Some(id), _) => resource::<K>(id, &task.input.name, Origin::Updated),
            (None, Some(id)) => resource::<K>(id, &task.input.name, Origin::Created),
            (None, None) => return None,
        };
        Some(Outcome::completed(task.input.index, Some(made)))
    }
}

#[async_trait]
impl<K: Kind> Executor for FindOrMake<K> {
    fn name(&self) -> &'static str {
        K::EXECUTOR
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let (plan, policy) = (import_plan(&cx.spec)?, options(&cx.spec)?.name_conflict);
        let all = K::wanted(cx, &plan).await?;
        if all.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = all.iter().map(|wanted| K::identity(wanted).1).collect();
        sink.claim(names.iter().map(|name| Self::claimed(name)).collect())
            .await?;
        let there = K::look(&self.clients.get(cx.spec.controller)?, cx, &names).await?;
        let (mut creates, mut updates, mut left) = (0, 0, 0);
        for wanted in &all {
            let (index, name) = K::identity(wanted);
            let (mut data, preset) = match K::decide(wanted, &there, policy) {
                Decision::Settled(outcome) => (Value::Null, Some(outcome)),
                Decision::Left(outcome, differences) => {
                    left += 1;
                    let mut data = Value::Null;
                    leave(&mut data, &differences);
                    (data, Some(outcome))
                }
                Decision::Write(data) => {
                    *if K::changes(&data).is_some() {
                        &mut updates
                    } else {
                        &mut creates
                    } += 1;
                    (serde_json::to_value(data).map_err(StoreError::from)?, None)
                }
            };
            tell_changes(&mut data, K::changed(wanted));
            let input = TaskInput {
                index,
                name: name.to_owned(),
                data,
                preset,
            };
            sink.push(Task { input, secret: None }).await?;
        }
        let mut facts = json!({"to_create": creates, "to_update": updates});
        if left > 0 {
            facts[LEFT_DIFFERENT] = left.into();
        }
        facts[format!("{}s", K::KIND)] = all.len().into();
        Ok(Some(facts))
    }

    fn hold(&self) -> Option<Hold> {
        Some(Hold::Rely)
    }

    async fn needs(&self, cx: &Context) -> Result<Vec<String>, PlanError> {
        builds_on(&cx.spec)
    }

    fn writes_name(&self, task: &Task) -> Option<String> {
        Some(Self::claimed(&task.input.name))
    }

    fn would(&self, _cx: &Context, task: &Task) -> Result<Outcome, CallError> {
        let (data, id) = (Self::read(task)?, planned_id(K::KIND, task.input.index));
        Ok(Self::done(task, &data, Some(&id)).expect("an id is there"))
    }

    async fn send(&self, cx: &Context, task: &Task, permit: Permit) -> Sent {
        let both = || Ok((self.clients.get(cx.spec.controller)?, Self::read(task)?));
        match both() {
            Ok((r1, data)) => sent(K::write(&r1, permit, &task.input.name, &data).await, |id| {
                Self::done(task, &data, Some(id)).expect("an id is there")
            }),
            Err(e) => Sent::Failed(e),
        }
    }

    fn settled(&self, _cx: &Context, task: &Task, resource_id: Option<&str>) -> Settle {
        let done = Self::read(task)
            .ok()
            .and_then(|data| Self::done(task, &data, resource_id));
        done.map_or(Settle::ReadBack, Settle::Done)
    }

    async fn read_back(&self, cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        let (r1, policy) = (self.clients.get(cx.spec.controller)?, policy(&cx.spec));
        let names: Vec<&str> = tasks.iter().map(|(task, _)| task.input.name.as_str()).collect();
        let there = K::look(&r1, cx, &names).await?;
        let found = tasks
            .iter()
            .map(|(task, ours)| K::judge(&task.input, &Self::read(task)?, &there, policy, *ours));
        found.collect()
    }
}
