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

/// Who answers the users of a suffix.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    By {
        id: Option<String>,
        name: String,
    },
    Nobody,
    /// The check is in no vendor document: a controller that has none, or another one, is not blamed on the set.
    NoDryCheck,
}

impl Answer {
    /// The policy of another id, in quotes, or `none`; nothing where it is that one, or nobody can tell.
    pub fn other_than(&self, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
        match self {
            Answer::By { id: Some(id), .. } if is_wanted(id) => None,
            Answer::By { name, .. } => Some(quoted(name)),
            Answer::Nobody => Some("none".to_owned()),
            Answer::NoDryCheck => None,
        }
    }
}

/// Which policy the set answers a user of this suffix with. A controller that goes on refusing the check has another one than we know.
pub async fn answering(r1: &R1, gate: &dyn Gate, set: &str, wanted: &PolicySpec) -> Result<Answer, CallError> {
    let user = example(wanted);
    match asked(gate, |permit| r1.evaluate_policy_set(permit, set, &user, None)).await {
        Ok(report) if report.was_matched => Ok(Answer::By {
            id: report.policy_id,
            name: report.policy_name.unwrap_or_default(),
        }),
        Ok(_) => Ok(Answer::Nobody),
        Err(CallError::NotFound { .. } | CallError::Rejected { status: 1.., .. }) => Ok(Answer::NoDryCheck),
        Err(e) => Err(e),
    }
}

/// Which policy the set would answer a user of this suffix with, if it is not the one of id `policy`: in words.
pub async fn dry_check(
    r1: &R1,
    gate: &dyn Gate,
    set: &str,
    wanted: &PolicySpec,
    policy: &str,
) -> Result<Option<String>, CallError> {
    let answer = answering(r1, gate, set, wanted).await?;
    let user = quoted(&example(wanted));
    let other = answer.other_than(|id| id == policy);
    Ok(other.map(|other| format!("user {user} would be answered by {other}")))
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
    Ok((!lacks.is_empty()).then(|| not_whole(&wanted.name, &lacks)))
}

pub(super) fn not_whole(set: &str, lacks: &[String]) -> TaskError {
    let object = format!("policy set {} is not assigned, for it is not whole", quoted(set));
    TaskError::new("SET_NOT_WHOLE", format!("{object}: {}", listed(lacks)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_policy_and_none_differ_and_what_nobody_can_tell_does_not() {
        let by = |id: Option<&str>| Answer::By {
            id: id.map(str::to_owned),
            name: "gold".to_owned(),
        };
        for (answer, other) in [
            (by(Some("ours")), None),
            (by(Some("theirs")), Some("\"gold\"")),
            (by(None), Some("\"gold\"")),
            (Answer::Nobody, Some("none")),
            (Answer::NoDryCheck, None),
        ] {
            assert_eq!(answer.other_than(|id| id == "ours").as_deref(), other, "{answer:?}");
        }
    }
}
