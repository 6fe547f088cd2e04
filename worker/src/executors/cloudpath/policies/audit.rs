//! The policies' part of `audit_results`: every set the job made or found is asked whom it answers. What the job reports done has to be
//! so: the policies in the set, each answering the users of its suffix, and the set on its pool.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::cloudpath::ImportPlan;
use shared::job::outcome::{Outcome, TaskError};
use shared::job::task::TaskInput;
use shared::store::StoreError;

use super::super::compare::quoted;
use super::super::staged::{import_plan, made_by, policy, store_failed, unreadable_task};
use super::{Made, first_assignment, first_place, places, whole};
use crate::executors::Context;
use crate::r1::R1;
use crate::remote::CallError;

/// What the task of a set carries. Stored in batch blobs: fields are only ever added.
#[derive(Serialize, Deserialize)]
pub struct Data {
    /// Id of the set.
    #[serde(rename = "ps")]
    set: String,
    /// Its index in the plan.
    #[serde(rename = "i")]
    index: u16,
}

/// A task for each set that is there. `first`: index of the first one.
pub async fn tasks(cx: &Context, plan: &ImportPlan, first: u32) -> Result<Vec<TaskInput>, StoreError> {
    if plan.policy_sets.is_empty() {
        return Ok(Vec::new());
    }
    let made = Made::read(cx, plan).await?;
    let mut tasks = Vec::new();
    for set in &plan.policy_sets {
        // what was not made was told by its own phase
        let Some(found) = made.set(set) else { continue };
        let data = Data {
            set: found.id.clone(),
            index: set.index,
        };
        tasks.push(TaskInput {
            index: first + u32::from(set.index),
            name: set.name.clone(),
            data: serde_json::to_value(data)?,
            preset: None,
        });
    }
    Ok(tasks)
}

/// Audits one set.
pub async fn read(r1: &R1, cx: &Context, task: &TaskInput, data: &Data) -> Result<(Outcome, Option<Value>), CallError> {
    let (gate, conflicts) = (cx.gate.as_ref(), policy(&cx.spec));
    let plan = import_plan(&cx.spec).map_err(unreadable_task)?;
    let made = Made::read(cx, &plan).await.map_err(|e| store_failed(&e))?;
    let attached = made_by(cx, "attach_policies").await.map_err(|e| store_failed(&e))?;
    let members = whole::members(r1, gate, &data.set).await?;
    let (mut missing, mut wrong, mut expected) = (Vec::new(), Vec::new(), 0);
    let ours = places(&plan).zip(first_place(&plan)..);
    for ((_, spec, _), index) in ours.filter(|((set, ..), _)| set.index == data.index) {
        // claimed is only what the job reports done
        let (Some(found), true) = (made.policy(spec), attached.contains_key(&index)) else {
            continue;
        };
        expected += 1;
        if !members.contains_key(&found.id) {
            missing.push(quoted(&spec.name));
        } else if !whole::is_accepted(found.origin, conflicts) {
            wrong.extend(whole::dry_check(r1, gate, &data.set, spec, &found.id).await?);
        }
    }
    let claim = attached.get(&(first_assignment(&plan) + u32::from(data.index)));
    // another set that was there may have been accepted
    let pool = claim.and_then(|claim| claim.id.strip_suffix(&data.set)?.strip_suffix('/'));
    let is_assigned = match pool {
        None => None,
        Some(pool) => Some(is_assigned(r1, cx, &data.set, pool).await?),
    };
    let facts = json!({
        "policy_set": task.name, "expected": expected, "missing": missing.len(), "changed": wrong.len(), "assigned": is_assigned,
    });
    let mut faults = Vec::new();
    if !missing.is_empty() {
        faults.push(format!("policies not in it: {}", whole::listed(&missing)));
    }
    if !wrong.is_empty() {
        faults.push(whole::listed(&wrong));
    }
    if is_assigned == Some(false) {
        faults.push("it is not assigned to its pool".to_owned());
    }
    let outcome = match faults.is_empty() {
        true => Outcome::completed(task.index, None),
        false => {
            let message = format!("policy set {}: {}", quoted(&task.name), faults.join("; "));
            Outcome::failed(task.index, TaskError::new("AUDIT_MISMATCH", message))
        }
    };
    Ok((outcome, Some(facts)))
}

async fn is_assigned(r1: &R1, cx: &Context, set: &str, pool: &str) -> Result<bool, CallError> {
    let mut is_assigned = false;
    let mut sweep = r1.policy_sets();
    let look = |found: crate::r1::policy_set::PolicySet| is_assigned |= found.id == set && found.is_assigned_to(pool);
    sweep.visit(cx.gate.as_ref(), look).await?;
    Ok(is_assigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What runs or is kept outlives deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let line = r#"{"ps":"set-1","i":2}"#;
        let read: Data = serde_json::from_str(line).unwrap();
        assert_eq!((read.set.as_str(), read.index), ("set-1", 2));
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }
}
