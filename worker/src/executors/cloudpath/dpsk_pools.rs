//! `create_dpsk_pools`: the DPSK services the keys go into, each in its identity group; found by exact name or created.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::cloudpath::{GroupSpec, NameConflict, PoolSpec};
use shared::job::outcome::{Origin, Outcome, Resource, TaskError};
use shared::job::task::TaskInput;
use shared::store::StoreError;

use super::compare::{self, GROUP_OF_POOL, ambiguous, name_conflict, quoted};
use super::staged::{import_plan, made_by, options, policy, sent, unreadable_task};
use crate::executors::clients::Clients;
use crate::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::r1::R1;
use crate::r1::pool::{Pool, PoolBody};
use crate::remote::CallError;

const KIND: &str = "dpsk_pool";

/// What a task carries: the pool as it shall be, and the id of the one to be changed into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Data {
    #[serde(rename = "g")]
    group: String,
    #[serde(rename = "b")]
    body: PoolBody,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    update: Option<String>,
}

pub struct CreateDpskPools {
    clients: Arc<Clients>,
}

impl CreateDpskPools {
    pub fn new(clients: Arc<Clients>) -> Self {
        CreateDpskPools { clients }
    }
}

/// What there is to know about existing pools.
#[derive(Default)]
struct There {
    by_name: HashMap<String, Vec<Pool>>,
    /// Name of the pool an identity group belongs to; it can have one only.
    of_group: HashMap<String, String>,
}

impl There {
    async fn sweep(r1: &R1, cx: &Context) -> Result<Self, CallError> {
        let mut there = Self::default();
        let mut sweep = r1.list_pools(None);
        sweep.visit(cx.gate.as_ref(), |pool| there.add(pool)).await?;
        Ok(there)
    }

    fn add(&mut self, pool: Pool) {
        if let Some(group) = &pool.identity_group_id {
            self.of_group.insert(group.clone(), pool.body.name.clone());
        }
        self.by_name.entry(pool.body.name.clone()).or_default().push(pool);
    }
}

/// What is to be done about a pool.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Settled(Outcome),
    Write(Data),
}

fn resource(id: &str, name: &str, origin: Origin) -> Resource {
    Resource {
        kind: KIND.into(),
        id: id.into(),
        name: name.into(),
        origin,
    }
}

/// What is claimed of a pool, against other jobs.
fn claimed(name: &str) -> String {
    format!("{KIND}|{name}")
}

fn object(name: &str) -> String {
    format!("DPSK pool {}", quoted(name))
}

/// Pure: adopted, refused, changed or made.
fn decide(
    wanted: &PoolSpec,
    group: &GroupSpec,
    group_id: Option<&str>,
    there: &There,
    policy: NameConflict,
) -> Decision {
    let index = wanted.index.into();
    let failed = |error| Decision::Settled(Outcome::failed(index, error));
    let Some(group_id) = group_id else {
        let message = format!(
            "{} can't be made: there is no identity group {} for it",
            object(&wanted.name),
            quoted(&group.name)
        );
        return failed(TaskError::new("GROUP_MISSING", message));
    };
    let body = compare::pool_body(wanted);
    let found = match there.by_name.get(&wanted.name).map_or(&[][..], Vec::as_slice) {
        [] => {
            if let Some(other) = there.of_group.get(group_id) {
                let message = format!(
                    "{} can't be made: its identity group {} belongs to DPSK pool {} already",
                    object(&wanted.name),
                    quoted(&group.name),
                    quoted(other)
                );
                return failed(TaskError::new("GROUP_HAS_POOL", message));
            }
            return Decision::Write(Data {
                group: group_id.into(),
                body,
                update: None,
            });
        }
        [found] => found,
        several => return failed(ambiguous("DPSK pool", &wanted.name, several.len())),
    };
    let differences = compare::pool(&body, group_id, found);
    if differences.is_empty() || policy == NameConflict::Adopt {
        let resource = resource(&found.id, &wanted.name, Origin::Adopted);
        return Decision::Settled(Outcome::completed(index, Some(resource)));
    }
    let mut error = name_conflict(&object(&wanted.name), &differences);
    if policy == NameConflict::Fail {
        return failed(error);
    }
    if differences.has(GROUP_OF_POOL) {
        error
            .message
            .push_str("; a pool can't be moved to another identity group");
        return failed(error);
    }
    Decision::Write(Data {
        group: group_id.into(),
        body: compare::pool_change(wanted, found),
        update: Some(found.id.clone()),
    })
}

/// Pure: what reading back says of a task. `ours`: a write of ours may have made or changed it.
fn judge(index: u32, data: &Data, found: &[Pool], policy: NameConflict, ours: bool) -> Found {
    let name = &data.body.name;
    let pool = match (found, &data.update) {
        (_, Some(id)) => found.iter().find(|p| p.id == *id),
        ([], None) => None,
        ([pool], None) => Some(pool),
        (several, None) => return Found::Present(Outcome::failed(index, ambiguous("DPSK pool", name, several.len()))),
    };
    let Some(pool) = pool else {
        return Found::Absent;
    };
    let differences = compare::pool(&data.body, &data.group, pool);
    let origin = match (differences.is_empty(), &data.update, policy) {
        (true, _, _) if !ours => Origin::Adopted,
        // one that fits and is not what we sent was made by somebody else
        (true, None, _) if !compare::is_as_sent(&data.body, pool) => Origin::Adopted,
        (true, None, _) => Origin::Created,
        (true, Some(_), _) => Origin::Updated,
        // The change has not been made (yet).
        (false, Some(_), _) => return Found::Absent,
        (false, None, NameConflict::Adopt) => Origin::Adopted,
        (false, None, _) => return Found::Present(Outcome::failed(index, name_conflict(&object(name), &differences))),
    };
    Found::Present(Outcome::completed(index, Some(resource(&pool.id, name, origin))))
}

fn read(task: &Task) -> Result<Data, CallError> {
    Data::deserialize(&task.input.data).map_err(unreadable_task)
}

#[async_trait]
impl Executor for CreateDpskPools {
    fn name(&self) -> &'static str {
        "cloudpath.create_dpsk_pools"
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let (plan, policy) = (import_plan(&cx.spec)?, options(&cx.spec)?.name_conflict);
        if plan.pools.is_empty() {
            return Ok(None);
        }
        sink.claim(plan.pools.iter().map(|p| claimed(&p.name)).collect())
            .await?;
        let groups = made_by(cx, "create_identity_groups").await?;
        let r1 = self.clients.get(cx.spec.controller)?;
        let there = There::sweep(&r1, cx).await?;
        let (mut writes, mut updates) = (0, 0);
        for pool in &plan.pools {
            let group = plan.groups.get(usize::from(pool.group)).ok_or_else(|| {
                let message = format!("the job's plan can't be read: pool {} has no group", quoted(&pool.name));
                PlanError::Refused(TaskError::new("INPUT_DAMAGED", message))
            })?;
            let group_id = groups.get(&pool.group.into()).map(|r| r.id.as_str());
            let (data, preset) = match decide(pool, group, group_id, &there, policy) {
                Decision::Settled(outcome) => (Value::Null, Some(outcome)),
                Decision::Write(data) => {
                    writes += 1;
                    updates += u32::from(data.update.is_some());
                    (serde_json::to_value(data).map_err(StoreError::from)?, None)
                }
            };
            let input = TaskInput {
                index: pool.index.into(),
                name: pool.name.clone(),
                data,
                preset,
            };
            sink.push(Task { input, secret: None }).await?;
        }
        Ok(Some(
            json!({"dpsk_pools": plan.pools.len(), "to_create": writes - updates, "to_update": updates}),
        ))
    }

    fn writes_name(&self, task: &Task) -> Option<String> {
        Some(claimed(&task.input.name))
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
        let (answer, origin) = match &data.update {
            None => (r1.create_pool(permit, &data.group, &data.body).await, Origin::Created),
            Some(id) => (r1.update_pool(permit, id, &data.body).await, Origin::Updated),
        };
        sent(answer, |id| {
            let id = data.update.as_deref().unwrap_or(id);
            Outcome::completed(task.input.index, Some(resource(id, &task.input.name, origin)))
        })
    }

    fn settled(&self, _cx: &Context, task: &Task, resource_id: Option<&str>) -> Settle {
        let update = read(task).ok().and_then(|data| data.update);
        let made = match (&update, resource_id) {
            (Some(id), _) => resource(id, &task.input.name, Origin::Updated),
            (None, Some(id)) => resource(id, &task.input.name, Origin::Created),
            (None, None) => return Settle::ReadBack,
        };
        Settle::Done(Outcome::completed(task.input.index, Some(made)))
    }

    async fn read_back(&self, cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        let (r1, policy) = (self.clients.get(cx.spec.controller)?, policy(&cx.spec));
        let there = There::sweep(&r1, cx).await?;
        let found = tasks.iter().map(|(task, ours)| {
            let same_name = there.by_name.get(&task.input.name).map_or(&[][..], Vec::as_slice);
            Ok(judge(task.input.index, &read(task)?, same_name, policy, *ours))
        });
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use shared::job::TaskStatus;

    use super::*;

    fn wanted() -> PoolSpec {
        serde_json::from_value(
            json!({"index": 2, "group": 1, "name": "Lobby", "passphrase_format": "NUMBERS_ONLY",
            "passphrase_length": 11, "passphrases": 1}),
        )
        .unwrap()
    }

    fn pool(id: &str, name: &str, group: &str, length: u32) -> Pool {
        serde_json::from_value(
            json!({"id": id, "name": name, "passphraseFormat": "NUMBERS_ONLY", "passphraseLength": length,
            "identityGroupId": group, "policyDefaultAccess": false}),
        )
        .unwrap()
    }

    fn decided(there: Vec<Pool>, policy: NameConflict) -> Decision {
        let group = GroupSpec {
            index: 1,
            name: "Lobby-IDG".into(),
            description: String::new(),
        };
        let mut known = There::default();
        there.into_iter().for_each(|pool| known.add(pool));
        decide(&wanted(), &group, Some("g"), &known, policy)
    }

    fn code(decision: Decision) -> String {
        match decision {
            Decision::Settled(Outcome { error: Some(e), .. }) => e.code,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn pools_are_made_adopted_changed_or_refused() {
        let made = Decision::Write(Data {
            group: "g".into(),
            body: compare::pool_body(&wanted()),
            update: None,
        });
        assert_eq!(decided(vec![pool("q", "Other", "h", 11)], NameConflict::Fail), made);
        let adopted = Decision::Settled(Outcome::completed(2, Some(resource("p", "Lobby", Origin::Adopted))));
        assert_eq!(decided(vec![pool("p", "Lobby", "g", 11)], NameConflict::Fail), adopted);
        let differs = || vec![pool("p", "Lobby", "g", 20)];
        assert_eq!(code(decided(differs(), NameConflict::Fail)), "NAME_CONFLICT");
        assert_eq!(decided(differs(), NameConflict::Adopt), adopted);
        let Decision::Write(change) = decided(differs(), NameConflict::Update) else {
            panic!("not changed")
        };
        assert_eq!(
            (change.update.as_deref(), change.body.passphrase_length),
            (Some("p"), 11)
        );
        assert_eq!(
            change.body.policy_default_access,
            Some(false),
            "a PUT clears what it does not say"
        );
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        assert_eq!(
            code(decided(vec![pool("q", "Other", "g", 11)], NameConflict::Fail)),
            "GROUP_HAS_POOL"
        );
        assert_eq!(
            code(decided(vec![pool("p", "Lobby", "h", 11)], NameConflict::Update)),
            "NAME_CONFLICT"
        );
        let twins = vec![pool("p", "Lobby", "g", 11), pool("q", "Lobby", "h", 11)];
        assert_eq!(code(decided(twins, NameConflict::Adopt)), "AMBIGUOUS_NAME");
        let group = GroupSpec {
            index: 1,
            name: "Lobby-IDG".into(),
            description: String::new(),
        };
        let none = decide(&wanted(), &group, None, &There::default(), NameConflict::Fail);
        assert_eq!(code(none), "GROUP_MISSING");
    }

    #[test]
    fn reading_back_tells_made_from_found_and_changed_from_not_yet_changed() {
        let data = |update: Option<&str>| Data {
            group: "g".into(),
            body: compare::pool_body(&wanted()),
            update: update.map(str::to_owned),
        };
        let judged = |data: &Data, found: &[Pool], ours| match judge(2, data, found, NameConflict::Fail, ours) {
            Found::Absent => None,
            Found::Present(o) => Some((o.status, o.resource.map(|r| r.origin))),
        };
        let (equal, other) = ([pool("p", "Lobby", "g", 11)], [pool("p", "Lobby", "g", 20)]);
        let fits = [pool("p", "Lobby", "g", 8)];
        assert_eq!(judged(&data(None), &[], true), None);
        assert_eq!(
            judged(&data(None), &equal, true),
            Some((TaskStatus::Completed, Some(Origin::Created)))
        );
        assert_eq!(
            judged(&data(None), &equal, false),
            Some((TaskStatus::Completed, Some(Origin::Adopted)))
        );
        assert_eq!(judged(&data(None), &other, true), Some((TaskStatus::Failed, None)));
        assert_eq!(
            judged(&data(None), &fits, true),
            Some((TaskStatus::Completed, Some(Origin::Adopted))),
            "not what we sent"
        );
        assert_eq!(
            judged(&data(Some("p")), &equal, true),
            Some((TaskStatus::Completed, Some(Origin::Updated)))
        );
        assert_eq!(judged(&data(Some("p")), &other, true), None);
    }
}
