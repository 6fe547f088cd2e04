//! Whether a policy set does what it should: its policies are in it, and the dry check names the right one for a user of each suffix.

use std::collections::HashMap;

use shared::cloudpath::{ImportPlan, NameConflict, PolicySetSpec, PolicySpec};
use shared::job::outcome::{Origin, TaskError};

use super::super::compare::quoted;
use super::{Made, example};
use crate::gate::Gate;
use crate::r1::policy_set::PrioritizedPolicy;
use crate::r1::{R1, asked};
use crate::remote::CallError;

/// Policies named in an error.
const NAMED_MAX: usize = 5;

/// Ids of the policies in a set, foreign ones too, and the place of each.
pub async fn members(r1: &R1, gate: &dyn Gate, set: &str) -> Result<HashMap<String, u32>, CallError> {
    let mut places = HashMap::new();
    let mut sweep = r1.prioritized_policies(set);
    let keep = |place: PrioritizedPolicy| _ = places.insert(place.policy_id, place.priority);
    sweep.visit(gate, keep).await?;
    Ok(places)
}

/// Answers of a controller that has no dry check, or another one: it is in no vendor document. Other refusals pass.
const NO_DRY_CHECK: [u16; 4] = [400, 404, 405, 501];

/// Id and name of the policy the set answers a user of this suffix with; none also where the controller has no dry check.
pub async fn answering(
    r1: &R1,
    gate: &dyn Gate,
    set: &str,
    wanted: &PolicySpec,
) -> Result<Option<(String, String)>, CallError> {
    let user = example(wanted);
    match asked(gate, |permit| r1.evaluate_policy_set(permit, set, &user, None)).await {
        Ok(report) if report.was_matched => Ok(report.policy_id.zip(report.policy_name)),
        Ok(_) | Err(CallError::NotFound { .. }) => Ok(None),
        Err(CallError::Rejected { status, .. }) if NO_DRY_CHECK.contains(&status) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Which policy the set would answer a user of this suffix with, if it is not the one of id `policy`: in words. The check is in no
/// vendor document: a controller that refuses it is not blamed on the set.
pub async fn dry_check(
    r1: &R1,
    gate: &dyn Gate,
    set: &str,
    wanted: &PolicySpec,
    policy: &str,
) -> Result<Option<String>, CallError> {
    let user = example(wanted);
    match asked(gate, |permit| r1.evaluate_policy_set(permit, set, &user, None)).await {
        Ok(report) if report.was_matched && report.policy_id.as_deref() == Some(policy) => Ok(None),
        Ok(report) if report.was_matched => {
            let other = quoted(&report.policy_name.unwrap_or_default());
            Ok(Some(format!("user {} would be answered by {other}", quoted(&user))))
        }
        Ok(_) => Ok(Some(format!("user {} would be answered by none", quoted(&user)))),
        Err(CallError::NotFound { .. } | CallError::Rejected { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

/// A policy whose differences were accepted may answer others than its suffix.
pub fn is_accepted(origin: Origin, policy: NameConflict) -> bool {
    origin == Origin::Adopted && policy == NameConflict::Adopt
}

/// Why a set must not decide for a pool yet; none: it may.
pub(super) async fn lack(
    r1: &R1,
    gate: &dyn Gate,
    plan: &ImportPlan,
    made: &Made,
    set: (&PolicySetSpec, &str),
    policy: NameConflict,
) -> Result<Option<TaskError>, CallError> {
    let (wanted, id) = set;
    let (members, mut lacks) = (members(r1, gate, id).await?, Vec::new());
    for spec in wanted.policies.iter().filter_map(|at| plan.policies.get(*at as usize)) {
        let name = quoted(&spec.name);
        match made.policy(spec) {
            None => lacks.push(format!("policy {name} was not made")),
            Some(found) if !members.contains_key(&found.id) => lacks.push(format!("policy {name} is not in it")),
            Some(found) if is_accepted(found.origin, policy) => {}
            Some(found) => {
                let wrong = dry_check(r1, gate, id, spec, &found.id).await?;
                lacks.extend(wrong.map(|wrong| format!("{wrong} instead of {name}")));
            }
        }
    }
    Ok((!lacks.is_empty()).then(|| {
        let object = format!(
            "policy set {} is not assigned, for it is not whole",
            quoted(&wanted.name)
        );
        TaskError::new("SET_NOT_WHOLE", format!("{object}: {}", listed(&lacks)))
    }))
}

/// The first few, and how many more.
pub fn listed(all: &[String]) -> String {
    let (named, more) = all.split_at(all.len().min(NAMED_MAX));
    let more = match more.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}
