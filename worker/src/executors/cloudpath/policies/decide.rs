//! What becomes of a policy or a set of the plan, and what reading back says of one. Pure.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use shared::cloudpath::{NameConflict, PolicySetSpec, PolicySpec};
use shared::job::outcome::{Origin, Outcome, TaskError};
use shared::job::task::TaskInput;

use super::super::compare::{Differences, ambiguous, name_conflict, quoted};
use super::found::{self, Conditions};
use super::{CONDITIONS, POLICY, POLICY_SET, RESPONSE, resource};
use crate::executors::Found;
use crate::r1::policy::Policy;
use crate::r1::policy_set::PolicySet;
use crate::r1::radius::RadiusGroup;

/// What a task carries besides its name. Stored in batch blobs: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t")]
pub enum Data {
    #[serde(rename = "p")]
    Policy {
        /// Id and name of the RADIUS attribute group.
        #[serde(rename = "r")]
        radius: String,
        #[serde(rename = "n")]
        radius_name: String,
        /// Id of the policy whose response is changed; absent: one is made.
        #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
        update: Option<String>,
    },
    #[serde(rename = "s")]
    Set {
        #[serde(rename = "d")]
        description: String,
    },
}

impl Data {
    pub fn kind(&self) -> &'static str {
        match self {
            Data::Policy { .. } => POLICY,
            Data::Set { .. } => POLICY_SET,
        }
    }

    /// The end of a task whose write was carried out. `id`: of what was made.
    pub fn done(&self, task: &TaskInput, id: &str) -> Outcome {
        let (id, origin) = match self {
            Data::Policy { update: Some(id), .. } => (id.as_str(), Origin::Updated),
            _ => (id, Origin::Created),
        };
        Outcome::completed(task.index, Some(resource(self.kind(), id, &task.name, origin)))
    }
}

/// RADIUS attribute groups, both ways.
#[derive(Default)]
pub struct Radius {
    ids: HashMap<String, String>,
    names: HashMap<String, String>,
}

impl Radius {
    pub fn add(&mut self, group: RadiusGroup) {
        self.names.insert(group.id.clone(), group.name.clone());
        self.ids.insert(group.name, group.id);
    }

    fn named(&self, id: &str) -> String {
        self.names.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }
}

/// What one planned object comes to.
pub struct Planned {
    pub data: Data,
    /// Its end, where nothing is left to be done.
    pub preset: Option<Outcome>,
    /// What of it differs and stays.
    pub left: Differences,
}

impl Planned {
    fn new(data: Data, preset: Option<Outcome>) -> Self {
        Planned {
            data,
            preset,
            left: Differences::default(),
        }
    }
}

/// Pure. `conditions`: of the one that is there.
pub fn plan_policy(
    wanted: &PolicySpec,
    radius: &Radius,
    there: &[Policy],
    conditions: &Conditions,
    policy: NameConflict,
) -> Planned {
    let mut data = Data::Policy {
        radius: radius.ids.get(&wanted.radius_group).cloned().unwrap_or_default(),
        radius_name: wanted.radius_group.clone(),
        update: None,
    };
    let failed = |error| Some(Outcome::failed(wanted.index, error));
    let Some(group) = radius.ids.get(&wanted.radius_group) else {
        let message = format!(
            "RADIUS attribute group {} does not exist any more",
            quoted(&wanted.radius_group)
        );
        return Planned::new(data, failed(TaskError::new("RADIUS_GROUP_MISSING", message)));
    };
    let found = match there {
        [] => return Planned::new(data, None),
        [found] => found,
        several => {
            let error = ambiguous("adaptive policy", &wanted.name, several.len());
            return Planned::new(data, failed(error));
        }
    };
    let differences = found::policy(wanted, group, found, conditions, |id| radius.named(id));
    let adopted = resource(POLICY, &found.id, &wanted.name, Origin::Adopted);
    let adopted = Some(Outcome::completed(wanted.index, Some(adopted)));
    match policy {
        _ if differences.is_empty() => Planned::new(data, adopted),
        NameConflict::Adopt => Planned {
            left: differences,
            ..Planned::new(data, adopted)
        },
        NameConflict::Update if !differences.has(CONDITIONS) => {
            // its pattern is changed where its condition is
            if !differences.has(RESPONSE) {
                return Planned::new(data, adopted);
            }
            if let Data::Policy { update, .. } = &mut data {
                *update = Some(found.id.clone());
            }
            Planned::new(data, None)
        }
        _ => Planned::new(data, failed(name_conflict(&found::object(&wanted.name), &differences))),
    }
}

/// Pure.
pub fn plan_set(wanted: &PolicySetSpec, index: u32, there: &[PolicySet]) -> Planned {
    let data = Data::Set {
        description: wanted.description.clone(),
    };
    let outcome = match there {
        [] => None,
        [found] => {
            let resource = resource(POLICY_SET, &found.id, &wanted.name, Origin::Adopted);
            Some(Outcome::completed(index, Some(resource)))
        }
        several => Some(Outcome::failed(
            index,
            ambiguous("policy set", &wanted.name, several.len()),
        )),
    };
    Planned::new(data, outcome)
}

/// Pure: what reading back says of a policy. `ours`: a write of ours may have made or changed it.
pub fn judge_policy(
    task: &TaskInput,
    radius: &str,
    radius_name: &str,
    update: Option<&str>,
    there: &[Policy],
    policy: NameConflict,
    ours: bool,
) -> Found {
    let found = match (there, update) {
        (_, Some(id)) => there.iter().find(|p| p.id == id),
        ([], None) => None,
        ([found], None) => Some(found),
        (several, None) => {
            let error = ambiguous("adaptive policy", &task.name, several.len());
            return Found::Present(Outcome::failed(task.index, error));
        }
    };
    let Some(found) = found else {
        return Found::Absent;
    };
    let response = match (found.on_match_response.as_deref(), update) {
        (Some(response), _) => response,
        (None, None) => return Found::Unfinished,
        // the change has not been made (yet)
        (None, Some(_)) => return Found::Absent,
    };
    let origin = match (response == radius, update) {
        (true, _) if !ours => Origin::Adopted,
        (true, None) => Origin::Created,
        (true, Some(_)) => Origin::Updated,
        // the change has not been made (yet)
        (false, Some(_)) => return Found::Absent,
        (false, None) if policy == NameConflict::Adopt => Origin::Adopted,
        (false, None) => {
            let mut differences = Differences::default();
            differences.values(RESPONSE, Some(response.to_owned()), Some(radius_name.to_owned()));
            let error = name_conflict(&found::object(&task.name), &differences);
            return Found::Present(Outcome::failed(task.index, error));
        }
    };
    let resource = resource(POLICY, &found.id, &task.name, origin);
    Found::Present(Outcome::completed(task.index, Some(resource)))
}

/// Pure: what reading back says of a set.
pub fn judge_set(task: &TaskInput, description: &str, there: &[PolicySet], ours: bool) -> Found {
    let outcome = match there {
        [] => return Found::Absent,
        [found] => {
            // one with another description was made by somebody else
            let as_sent = found.description.as_deref().unwrap_or_default() == description;
            let origin = if ours && as_sent {
                Origin::Created
            } else {
                Origin::Adopted
            };
            let resource = resource(POLICY_SET, &found.id, &task.name, origin);
            Outcome::completed(task.index, Some(resource))
        }
        several => Outcome::failed(task.index, ambiguous("policy set", &task.name, several.len())),
    };
    Found::Present(outcome)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn there(id: &str, response: Option<&str>) -> Policy {
        serde_json::from_value(json!({"id": id, "name": "gold-POL", "onMatchResponse": response})).unwrap()
    }

    fn planned(there: &[Policy], policy: NameConflict) -> Planned {
        let wanted: PolicySpec = serde_json::from_value(
            json!({"index": 3, "name": "gold-POL", "pattern": "^.*_gold$", "radius_group": "gold", "users": 1}),
        )
        .unwrap();
        let mut radius = Radius::default();
        for (id, name) in [("r-1", "gold"), ("r-2", "iron")] {
            radius.add(serde_json::from_value(json!({"id": id, "name": name})).unwrap());
        }
        plan_policy(&wanted, &radius, there, &Conditions::default(), policy)
    }

    #[test]
    fn a_policy_is_made_adopted_changed_or_refused() {
        let policies = [NameConflict::Fail, NameConflict::Adopt, NameConflict::Update];
        for policy in policies {
            let Planned { data, preset, .. } = planned(&[], policy);
            assert!(preset.is_none() && matches!(data, Data::Policy { radius, update: None, .. } if radius == "r-1"));
            let equal = planned(&[there("p", Some("r-1"))], policy).preset.unwrap();
            assert_eq!(equal.resource.unwrap().origin, Origin::Adopted);
            let twins = [there("p", Some("r-1")), there("q", Some("r-1"))];
            assert_eq!(
                planned(&twins, policy).preset.unwrap().error.unwrap().code,
                "AMBIGUOUS_NAME"
            );
        }
        let other = [there("p", Some("r-2"))];
        assert_eq!(
            planned(&other, NameConflict::Fail).preset.unwrap().error.unwrap().code,
            "NAME_CONFLICT"
        );
        let adopted = planned(&other, NameConflict::Adopt);
        assert_eq!(
            (
                adopted.preset.unwrap().resource.unwrap().id.as_str(),
                adopted.left.to_string().as_str()
            ),
            ("p", "onMatchResponse is iron, wanted gold")
        );
        let Planned { data, preset, .. } = planned(&other, NameConflict::Update);
        assert!(preset.is_none() && matches!(data, Data::Policy { update: Some(id), .. } if id == "p"));
    }

    #[test]
    fn a_policy_that_is_still_being_made_is_never_a_different_one() {
        let input = TaskInput {
            index: 3,
            name: "gold-POL".into(),
            data: json!(null),
            preset: None,
        };
        let judged = |there: &[Policy], update: Option<&str>, ours| {
            judge_policy(&input, "r-1", "gold", update, there, NameConflict::Fail, ours)
        };
        assert!(matches!(judged(&[], None, true), Found::Absent));
        assert!(matches!(judged(&[there("p", None)], None, true), Found::Unfinished));
        assert!(
            matches!(judged(&[there("p", None)], Some("p"), true), Found::Absent),
            "not changed yet"
        );
        assert!(matches!(
            judged(&[there("p", Some("r-2"))], Some("p"), true),
            Found::Absent
        ));
        let origin = |found: Found| match found {
            Found::Present(o) => o.resource.map(|r| r.origin),
            _ => None,
        };
        let equal = [there("p", Some("r-1"))];
        assert_eq!(origin(judged(&equal, None, true)), Some(Origin::Created));
        assert_eq!(origin(judged(&equal, None, false)), Some(Origin::Adopted));
        assert_eq!(origin(judged(&equal, Some("p"), true)), Some(Origin::Updated));
        let other = judged(&[there("p", Some("r-2"))], None, true);
        assert!(matches!(other, Found::Present(o) if o.error.as_ref().is_some_and(|e| e.code == "NAME_CONFLICT")));
    }

    /// Blobs of running jobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        for line in [
            r#"{"t":"p","r":"radius","n":"gold"}"#,
            r#"{"t":"p","r":"radius","n":"gold","u":"policy"}"#,
            r#"{"t":"s","d":"from Cloudpath"}"#,
        ] {
            let read: Data = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), line);
        }
    }
}
