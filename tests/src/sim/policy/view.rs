//! Policies, sets and RADIUS groups as RUCKUS One shows them.

use serde_json::{Value, json};

use super::templates::attribute;
use super::{Condition, Policy, PolicySet, RadiusGroup};
use crate::sim::tenant::Tenant;
use crate::sim::view::compact;

impl Tenant {
    /// A policy set with the names of its policies and what it is assigned to.
    pub fn view_set(&self, set: &PolicySet) -> Value {
        let names: Vec<&str> = set
            .policies
            .iter()
            .filter_map(|id| self.policy.policies.any(id))
            .map(|policy| policy.name.as_str())
            .collect();
        let mut groups: Vec<Value> = Vec::new();
        let mut count = 0;
        for (service, id) in self.assignments_of(&set.id) {
            count += 1;
            match groups.iter_mut().find(|group| group["identityName"] == service) {
                Some(group) => {
                    if let Some(ids) = group["identityId"].as_array_mut() {
                        ids.push(id.into());
                    }
                }
                None => groups.push(json!({"identityName": service, "identityId": [id]})),
            }
        }
        json!({"id": set.id, "name": set.name, "description": set.description, "mappedPolicyCount": set.policies.len(),
               "assignmentCount": count, "policyNames": names, "externalAssignments": groups,
               "policyOverrideEnabled": false})
    }

    /// A policy; `onMatchResponse` is absent until its association with the RADIUS group is done.
    pub fn view_policy(&self, policy: &Policy) -> Value {
        let sets: Vec<&str> = self.policy.sets_with(&policy.id).map(|set| set.name.as_str()).collect();
        compact(json!({
            "id": policy.id, "name": policy.name, "description": policy.description, "policyType": policy.policy_type,
            "onMatchResponse": policy.response, "policySetCount": sets.len(), "conditionsCount": policy.conditions.len(),
            "policySetNames": sets,
        }))
    }

    /// A RADIUS attribute group with the policies that answer with it.
    pub fn view_radius(&self, group: &RadiusGroup) -> Value {
        let policies: Vec<&str> = self
            .policy
            .answering_with(&group.id)
            .map(|policy| policy.id.as_str())
            .collect();
        let used = match policies.is_empty() {
            true => json!([]),
            false => json!([{"serviceName": "ADAPTIVE_POLICY", "externalAssignmentIdentifier": policies}]),
        };
        compact(json!({
            "id": group.id, "name": group.name, "description": group.description,
            "attributeAssignments": group.assignments, "attributeCount": group.assignments.len(),
            "externalAssignmentsCount": policies.len(), "externalServiceAssignments": used,
        }))
    }
}

// A condition with its attribute inline.
fn condition(policy: &Policy, condition: &Condition) -> Value {
    compact(json!({
        "id": condition.id, "policyId": policy.id, "templateAttributeId": condition.attribute_id,
        "templateAttribute": attribute(condition.attribute_id).map(|attribute| attribute.view()),
        "evaluationRule": {"criteriaType": "StringCriteria", "regexStringCriteria": condition.pattern},
    }))
}

impl Policy {
    /// One of its conditions as RUCKUS One shows it.
    pub fn view_condition(&self, one: &Condition) -> Value {
        condition(self, one)
    }
}
