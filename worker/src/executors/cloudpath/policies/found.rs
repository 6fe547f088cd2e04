//! What is there of a policy or a set, against what is wanted. Pure but for the reading of conditions.

use shared::cloudpath::{NameConflict, PolicySpec};
use shared::job::outcome::TaskError;

use super::super::compare::{Differences, name_conflict, quoted};
use super::{CONDITIONS, PATTERN, RESPONSE};
use crate::gate::Gate;
use crate::r1::R1;
use crate::r1::policy::{Condition, DPSK_USERNAME, Policy};
use crate::remote::CallError;

/// The conditions of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Id and pattern of the one on the user name. There is at most one.
    pub username: Option<(String, String)>,
    /// On other attributes. All conditions of a policy have to hold.
    pub others: u64,
}

impl Conditions {
    pub fn of(all: Vec<Condition>) -> Self {
        let mut conditions = Conditions::default();
        for one in all {
            let pattern = one.pattern().unwrap_or_default().to_owned();
            match one.template_attribute_id {
                DPSK_USERNAME => conditions.username = Some((one.id, pattern)),
                _ => conditions.others += 1,
            }
        }
        conditions
    }

    pub async fn read(r1: &R1, gate: &dyn Gate, policy: &str) -> Result<Self, CallError> {
        Ok(Self::of(r1.conditions(policy).collect(gate).await?))
    }

    /// A missing condition is no difference: an import that was cut short leaves that, and the next one adds it.
    fn compare(&self, pattern: &str, all: &mut Differences) {
        if let Some((_, found)) = &self.username {
            all.values(PATTERN, Some(found.clone()), Some(pattern.to_owned()));
        }
        if self.others > 0 {
            let found = format!("{} on other attributes", self.others);
            all.values(CONDITIONS, Some(found), Some("one on the user name".to_owned()));
        }
    }
}

/// What follows for the condition of a policy.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It is as wanted.
    Done,
    /// It differs, and that is accepted.
    Left(Differences),
    Create,
    /// The condition of this id gets another pattern.
    Change(String),
    Refused(TaskError),
}

/// Pure: what to do about the condition of a policy that is there.
pub fn condition(name: &str, pattern: &str, found: &Conditions, policy: NameConflict) -> Next {
    let mut differences = Differences::default();
    found.compare(pattern, &mut differences);
    match (&found.username, policy) {
        (Some(_), _) if differences.is_empty() => Next::Done,
        (None, _) if differences.is_empty() => Next::Create,
        (_, NameConflict::Adopt) => Next::Left(differences),
        (Some((id, _)), NameConflict::Update) if !differences.has(CONDITIONS) => Next::Change(id.clone()),
        _ => Next::Refused(name_conflict(&object(name), &differences)),
    }
}

pub fn object(name: &str) -> String {
    format!("adaptive policy {}", quoted(name))
}

/// A policy of the name wanted. `radius`: id of the group it should answer with; `named`: the name of the group of an id.
pub fn policy(
    wanted: &PolicySpec,
    radius: &str,
    found: &Policy,
    conditions: &Conditions,
    named: impl Fn(&str) -> String,
) -> Differences {
    let mut all = Differences::default();
    if found.on_match_response.as_deref() != Some(radius) {
        let found = found.on_match_response.as_deref().map(named);
        all.values(RESPONSE, found, Some(wanted.radius_group.clone()));
    }
    conditions.compare(&wanted.pattern, &mut all);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pattern: Option<&str>, others: u64) -> Conditions {
        Conditions {
            username: pattern.map(|pattern| ("c".to_owned(), pattern.to_owned())),
            others,
        }
    }

    #[test]
    fn a_condition_is_kept_added_changed_or_refused() {
        let next = |found: &Conditions, policy| condition("gold-POL", "^.*_gold$", found, policy);
        let all = [NameConflict::Fail, NameConflict::Adopt, NameConflict::Update];
        for policy in all {
            assert_eq!(next(&with(Some("^.*_gold$"), 0), policy), Next::Done);
            assert_eq!(
                next(&with(None, 0), policy),
                Next::Create,
                "left by an import that was cut short"
            );
        }
        let other = with(Some("^gold$"), 0);
        assert!(matches!(next(&other, NameConflict::Adopt), Next::Left(left) if left.has(PATTERN)));
        assert_eq!(next(&other, NameConflict::Update), Next::Change("c".into()));
        let Next::Refused(error) = next(&other, NameConflict::Fail) else {
            panic!("not refused")
        };
        assert_eq!(
            error.message,
            "adaptive policy \"gold-POL\" exists and differs: regexStringCriteria is ^gold$, wanted ^.*_gold$"
        );
        for found in [with(None, 1), with(Some("^.*_gold$"), 1)] {
            assert!(
                matches!(next(&found, NameConflict::Adopt), Next::Left(left) if left.has(CONDITIONS)),
                "nothing is added to what was accepted as it is"
            );
            assert!(
                matches!(next(&found, NameConflict::Update), Next::Refused(_)),
                "taken away is nothing"
            );
        }
    }
}
