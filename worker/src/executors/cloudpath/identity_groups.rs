//! `create_identity_groups`: one identity group for each pool of the plan, found by its exact name or created.
//!
//! RUCKUS One has no call that changes a group's description, and nothing depends on it: under `update` a group that differs is
//! adopted as it is.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::cloudpath::{Change, GroupSpec, ImportPlan, NameConflict};
use shared::job::outcome::{Origin, Outcome};
use shared::job::task::TaskInput;

use super::compare::{self, ambiguous, name_conflict, quoted};
use super::named::{Decision, Kind, resource};
use super::staged::unreadable_task;
use crate::executors::{Context, Found, PlanError};
use crate::gate::Permit;
use crate::r1::identity::{IdentityGroup, NewIdentityGroup};
use crate::r1::{R1, Written};
use crate::remote::CallError;

pub struct IdentityGroups;

/// What a task carries besides the name.
#[derive(Serialize, Deserialize)]
pub struct Data {
    #[serde(rename = "d", default)]
    pub description: String,
}

/// A group of the plan, and why it is not named after its pool.
pub struct Wanted {
    group: GroupSpec,
    changes: Vec<Change>,
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
        Some(resource::<IdentityGroups>(&group.id, &wanted.name, origin)),
    ))
}

#[async_trait]
impl Kind for IdentityGroups {
    const EXECUTOR: &'static str = "cloudpath.create_identity_groups";
    const KIND: &'static str = "identity_group";
    type Wanted = Wanted;
    type Data = Data;
    type There = HashMap<String, Vec<IdentityGroup>>;

    async fn wanted(_cx: &Context, plan: &ImportPlan) -> Result<Vec<Wanted>, PlanError> {
        let mut changes: HashMap<u16, Vec<Change>> = HashMap::new();
        for pool in &plan.pools {
            changes
                .entry(pool.group)
                .or_default()
                .extend(pool.changes_of_group().cloned());
        }
        let wanted = plan.groups.iter().map(|group| Wanted {
            changes: changes.remove(&group.index).unwrap_or_default(),
            group: group.clone(),
        });
        Ok(wanted.collect())
    }

    fn identity(wanted: &Wanted) -> (u32, &str) {
        (wanted.group.index.into(), &wanted.group.name)
    }

    fn changed(wanted: &Wanted) -> Vec<&Change> {
        wanted.changes.iter().collect()
    }

    /// Not by keyword: how the controller matches words is its own affair, and a group that is overlooked is a group that can't be made.
    async fn look(r1: &R1, cx: &Context, names: &[&str]) -> Result<Self::There, CallError> {
        let mut found: Self::There = names.iter().map(|n| (n.to_string(), Vec::new())).collect();
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

    fn decide(Wanted { group: wanted, .. }: &Wanted, there: &Self::There, policy: NameConflict) -> Decision<Data> {
        let data = || Data {
            description: wanted.description.clone(),
        };
        let found = &there[&wanted.name];
        match judge(wanted, found, policy, Origin::Adopted) {
            None => Decision::Write(data()),
            Some(outcome) if outcome.error.is_some() => Decision::Settled(outcome),
            Some(outcome) => match found.first().map(|group| compare::group(wanted, group)) {
                Some(differences) if !differences.is_empty() => Decision::Left(outcome, differences),
                _ => Decision::Settled(outcome),
            },
        }
    }

    async fn write(r1: &R1, permit: Permit, name: &str, data: &Data) -> Result<Written, CallError> {
        let new = NewIdentityGroup {
            name: name.to_owned(),
            description: Some(data.description.clone()).filter(|d| !d.is_empty()),
        };
        r1.create_identity_group(permit, &new).await
    }

    fn judge(
        task: &TaskInput,
        data: &Data,
        there: &Self::There,
        policy: NameConflict,
        ours: bool,
    ) -> Result<Found, CallError> {
        let wanted = GroupSpec {
            index: u16::try_from(task.index).map_err(unreadable_task)?,
            name: task.name.clone(),
            description: data.description.clone(),
        };
        let origin = if ours { Origin::Created } else { Origin::Adopted };
        let outcome = judge(&wanted, &there[&task.name], policy, origin);
        Ok(outcome.map_or(Found::Absent, Found::Present))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
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
            Outcome::completed(3, Some(resource::<IdentityGroups>("g", "Lobby-IDG", Origin::Created)))
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

    /// Blobs of running jobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let line = r#"{"d":"from Cloudpath"}"#;
        let read: Data = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        assert_eq!(serde_json::from_str::<Data>("{}").unwrap().description, "");
    }
}
