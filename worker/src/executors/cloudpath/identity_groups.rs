//! `create_identity_groups`: one identity group for each pool of the plan, found by its exact name or created.
//!
//! RUCKUS One has no call that changes a group's description, and nothing depends on it: under `update` a group that differs is
//! adopted as it is.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::cloudpath::{GroupSpec, NameConflict};
use shared::job::outcome::{Origin, Outcome, Resource};
use shared::job::task::TaskInput;

use super::compare::{self, ambiguous, name_conflict, quoted};
use super::staged::{import_plan, options, policy, sent, unreadable_task};
use crate::executors::clients::Clients;
use crate::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::r1::R1;
use crate::r1::identity::{IdentityGroup, NewIdentityGroup};
use crate::remote::CallError;

const KIND: &str = "identity_group";

/// What a task carries besides the name.
#[derive(Serialize, Deserialize)]
struct Data {
    #[serde(rename = "d", default)]
    description: String,
}

pub struct CreateIdentityGroups {
    clients: Arc<Clients>,
}

impl CreateIdentityGroups {
    pub fn new(clients: Arc<Clients>) -> Self {
        CreateIdentityGroups { clients }
    }
}

/// The groups of the given names, all found in one sweep. Not by keyword: how the controller matches words is its own affair, and a
/// group that is overlooked is a group that can't be made.
async fn find(r1: &R1, cx: &Context, names: &[&str]) -> Result<HashMap<String, Vec<IdentityGroup>>, CallError> {
    let mut found: HashMap<String, Vec<IdentityGroup>> = names.iter().map(|n| (n.to_string(), Vec::new())).collect();
    let mut sweep = r1.identity_groups(None);
    sweep
        .visit(cx.gate.as_ref(), |group| {
            if let Some(same) = found.get_mut(&group.name) {
                same.push(group);
            }
        })
        .await?;
    Ok(found)
}

/// Pure: the end of a group that is there. `origin`: what it is to be called when it fits.
fn judge(wanted: &GroupSpec, found: &[IdentityGroup], policy: NameConflict, origin: Origin) -> Option<Outcome> {
    let index = wanted.index.into();
    let group = match found {
        [] => return None,
        [group] => group,
        _ => {
            return Some(Outcome::failed(
                index,
                ambiguous("identity group", &wanted.name, found.len()),
            ));
        }
    };
    let differences = compare::group(wanted, group);
    let origin = match (differences.is_empty(), policy) {
        (true, _) => origin,
        (false, NameConflict::Adopt | NameConflict::Update) => Origin::Adopted,
        (false, NameConflict::Fail) => {
            let object = format!("identity group {}", quoted(&wanted.name));
            return Some(Outcome::failed(index, name_conflict(&object, &differences)));
        }
    };
    Some(Outcome::completed(
        index,
        Some(resource(&group.id, &wanted.name, origin)),
    ))
}

fn resource(id: &str, name: &str, origin: Origin) -> Resource {
    Resource {
        kind: KIND.into(),
        id: id.into(),
        name: name.into(),
        origin,
    }
}

/// What is claimed of a group, against other jobs.
fn claimed(name: &str) -> String {
    format!("{KIND}|{name}")
}

/// The group a task stands for.
fn wanted(task: &Task) -> Result<GroupSpec, CallError> {
    Ok(GroupSpec {
        index: u16::try_from(task.input.index).map_err(unreadable_task)?,
        name: task.input.name.clone(),
        description: Data::deserialize(&task.input.data)
            .map_err(unreadable_task)?
            .description,
    })
}

#[async_trait]
impl Executor for CreateIdentityGroups {
    fn name(&self) -> &'static str {
        "cloudpath.create_identity_groups"
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let (plan, policy) = (import_plan(&cx.spec)?, options(&cx.spec)?.name_conflict);
        if plan.groups.is_empty() {
            return Ok(None);
        }
        sink.claim(plan.groups.iter().map(|g| claimed(&g.name)).collect())
            .await?;
        let r1 = self.clients.get(cx.spec.controller)?;
        let names: Vec<&str> = plan.groups.iter().map(|g| g.name.as_str()).collect();
        let there = find(&r1, cx, &names).await?;
        let mut absent = 0;
        for group in &plan.groups {
            let preset = judge(group, &there[&group.name], policy, Origin::Adopted);
            absent += u32::from(preset.is_none());
            let data = Data {
                description: group.description.clone(),
            };
            let input = TaskInput {
                index: group.index.into(),
                name: group.name.clone(),
                data: serde_json::to_value(data).map_err(shared::store::StoreError::from)?,
                preset,
            };
            sink.push(Task { input, secret: None }).await?;
        }
        Ok(Some(json!({"identity_groups": plan.groups.len(), "to_create": absent})))
    }

    fn writes_name(&self, task: &Task) -> Option<String> {
        Some(claimed(&task.input.name))
    }

    async fn send(&self, cx: &Context, task: &Task, permit: Permit) -> Sent {
        let (r1, group) = match self
            .clients
            .get(cx.spec.controller)
            .and_then(|r1| Ok((r1, wanted(task)?)))
        {
            Ok(both) => both,
            Err(e) => return Sent::Failed(e),
        };
        let new = NewIdentityGroup {
            name: group.name,
            description: Some(group.description).filter(|d| !d.is_empty()),
        };
        let created =
            |id: &str| Outcome::completed(task.input.index, Some(resource(id, &task.input.name, Origin::Created)));
        sent(r1.create_identity_group(permit, &new).await, created)
    }

    fn settled(&self, _cx: &Context, task: &Task, resource_id: Option<&str>) -> Settle {
        resource_id.map_or(Settle::ReadBack, |id| {
            let resource = resource(id, &task.input.name, Origin::Created);
            Settle::Done(Outcome::completed(task.input.index, Some(resource)))
        })
    }

    async fn read_back(&self, cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        let (r1, policy) = (self.clients.get(cx.spec.controller)?, policy(&cx.spec));
        let names: Vec<&str> = tasks.iter().map(|(task, _)| task.input.name.as_str()).collect();
        let there = find(&r1, cx, &names).await?;
        let found = tasks.iter().map(|(task, ours)| {
            let origin = if *ours { Origin::Created } else { Origin::Adopted };
            let outcome = judge(&wanted(task)?, &there[&task.input.name], policy, origin);
            Ok(outcome.map_or(Found::Absent, Found::Present))
        });
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use shared::job::TaskStatus;

    use super::*;

    fn there(id: &str, description: &str) -> IdentityGroup {
        serde_json::from_value(json!({"id": id, "name": "Lobby-IDG", "description": description})).unwrap()
    }

    #[test]
    fn groups_are_adopted_refused_or_made() {
        let wanted = GroupSpec {
            index: 3,
            name: "Lobby-IDG".into(),
            description: "from Cloudpath".into(),
        };
        let judge = |found: &[IdentityGroup], policy| judge(&wanted, found, policy, Origin::Created);
        assert_eq!(judge(&[], NameConflict::Fail), None);
        let equal = judge(&[there("g", "from Cloudpath")], NameConflict::Fail).unwrap();
        assert_eq!(
            equal,
            Outcome::completed(3, Some(resource("g", "Lobby-IDG", Origin::Created)))
        );
        let refused = judge(&[there("g", "mine")], NameConflict::Fail).unwrap();
        assert_eq!(refused.status, TaskStatus::Failed);
        assert_eq!(
            refused.error.unwrap().message,
            "identity group \"Lobby-IDG\" exists and differs: description is mine, wanted from Cloudpath"
        );
        for policy in [NameConflict::Adopt, NameConflict::Update] {
            let adopted = judge(&[there("g", "mine")], policy).unwrap();
            assert_eq!(
                adopted.resource.unwrap().origin,
                Origin::Adopted,
                "what differs was not made by us"
            );
        }
        let twins = judge(&[there("g", "mine"), there("h", "from Cloudpath")], NameConflict::Adopt).unwrap();
        assert_eq!(twins.error.unwrap().code, "AMBIGUOUS_NAME");
    }
}
