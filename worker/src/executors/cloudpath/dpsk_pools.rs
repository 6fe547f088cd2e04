//! `create_dpsk_pools`: the DPSK services the keys go into, each in its identity group; found by exact name or created.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::cloudpath::{Change, GroupSpec, ImportPlan, NameConflict, PoolSpec};
use shared::job::outcome::{Origin, Outcome, TaskError};
use shared::job::task::TaskInput;

use super::compare::{self, GROUP_OF_POOL, ambiguous, pool_conflict, quoted};
use super::named::{self, Kind, resource};
use super::staged::made_by;
use crate::executors::{Context, Found, PlanError};
use crate::gate::Permit;
use crate::r1::pool::{Pool, PoolBody};
use crate::r1::{R1, Written};
use crate::remote::CallError;

pub struct DpskPools;

type Decision = named::Decision<Data>;

/// What a task carries: the pool as it shall be, and the id of the one to be changed into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    #[serde(rename = "g")]
    pub group: String,
    #[serde(rename = "b")]
    pub body: PoolBody,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    update: Option<String>,
}

/// A pool of the plan, and its group.
pub struct Wanted {
    pool: PoolSpec,
    group: GroupSpec,
    /// Absent: there is none.
    group_id: Option<String>,
}

/// What there is to know about existing pools.
#[derive(Default)]
pub struct There {
    by_name: HashMap<String, Vec<Pool>>,
    /// Name of the pool an identity group belongs to; it can have one only.
    of_group: HashMap<String, String>,
}

impl There {
    fn add(&mut self, pool: Pool) {
        if let Some(group) = &pool.identity_group_id {
            self.of_group.insert(group.clone(), pool.body.name.clone());
        }
        self.by_name.entry(pool.body.name.clone()).or_default().push(pool);
    }
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
        let resource = resource::<DpskPools>(&found.id, &wanted.name, Origin::Adopted);
        let outcome = Outcome::completed(index, Some(resource));
        return match differences.is_empty() {
            true => Decision::Settled(outcome),
            false => Decision::Left(outcome, differences),
        };
    }
    let mut error = pool_conflict(&object(&wanted.name), &differences);
    if policy == NameConflict::Fail {
        return failed(error);
    }
    if differences.has(GROUP_OF_POOL) {
        error
            .message
            .push_str("; a pool can't be moved to another identity group: rename one of the two, or use it as it is with name_conflict=adopt");
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
        (false, None, _) => return Found::Present(Outcome::failed(index, pool_conflict(&object(name), &differences))),
    };
    Found::Present(Outcome::completed(
        index,
        Some(resource::<DpskPools>(&pool.id, name, origin)),
    ))
}

#[async_trait]
impl Kind for DpskPools {
    const EXECUTOR: &'static str = "cloudpath.create_dpsk_pools";
    const KIND: &'static str = "dpsk_pool";
    type Wanted = Wanted;
    type Data = Data;
    type There = There;

    async fn wanted(cx: &Context, plan: &ImportPlan) -> Result<Vec<Wanted>, PlanError> {
        let groups = made_by(cx, "create_identity_groups").await?;
        let wanted = plan.pools.iter().map(|pool| {
            let group = plan.groups.get(usize::from(pool.group)).ok_or_else(|| {
                let message = format!("the job's plan can't be read: pool {} has no group", quoted(&pool.name));
                PlanError::Refused(TaskError::new("INPUT_DAMAGED", message))
            })?;
            Ok(Wanted {
                pool: pool.clone(),
                group: group.clone(),
                group_id: groups.get(&pool.group.into()).map(|r| r.id.clone()),
            })
        });
        wanted.collect()
    }

    fn identity(wanted: &Wanted) -> (u32, &str) {
        (wanted.pool.index.into(), &wanted.pool.name)
    }

    fn changed(wanted: &Wanted) -> Vec<&Change> {
        wanted.pool.own_changes().collect()
    }

    async fn look(r1: &R1, cx: &Context, _names: &[&str]) -> Result<There, CallError> {
        let mut there = There::default();
        let mut sweep = r1.list_pools(None);
        sweep.visit(cx.gate.as_ref(), |pool| there.add(pool)).await?;
        Ok(there)
    }

    fn decide(wanted: &Wanted, there: &There, policy: NameConflict) -> Decision {
        decide(&wanted.pool, &wanted.group, wanted.group_id.as_deref(), there, policy)
    }

    async fn write(r1: &R1, permit: Permit, _name: &str, data: &Data) -> Result<Written, CallError> {
        match &data.update {
            None => r1.create_pool(permit, &data.group, &data.body).await,
            Some(id) => r1.update_pool(permit, id, &data.body).await,
        }
    }

    fn changes(data: &Data) -> Option<&str> {
        data.update.as_deref()
    }

    fn judge(
        task: &TaskInput,
        data: &Data,
        there: &There,
        policy: NameConflict,
        ours: bool,
    ) -> Result<Found, CallError> {
        let same_name = there.by_name.get(&task.name).map_or(&[][..], Vec::as_slice);
        Ok(judge(task.index, data, same_name, policy, ours))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
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
        let adopted = Decision::Settled(Outcome::completed(
            2,
            Some(resource::<DpskPools>("p", "Lobby", Origin::Adopted)),
        ));
        assert_eq!(decided(vec![pool("p", "Lobby", "g", 11)], NameConflict::Fail), adopted);
        let differs = || vec![pool("p", "Lobby", "g", 20)];
        assert_eq!(code(decided(differs(), NameConflict::Fail)), "NAME_CONFLICT");
        let Decision::Left(outcome, differences) = decided(differs(), NameConflict::Adopt) else {
            panic!("not told what was left")
        };
        assert_eq!(
            (Decision::Settled(outcome), differences.to_string().as_str()),
            (adopted, "passphraseLength is 20, wanted 11")
        );
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
            Found::Absent | Found::Unfinished | Found::Remains => None,
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

    /// Blobs of running jobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        for line in [
            r#"{"g":"group","b":{"name":"Lobby","passphraseFormat":"MOST_SECURED","passphraseLength":8}}"#,
            r#"{"g":"group","b":{"name":"Lobby","passphraseFormat":"KEYBOARD_FRIENDLY","passphraseLength":12,"deviceCountLimit":5},"u":"pool"}"#,
        ] {
            let read: Data = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), line);
        }
    }
}
