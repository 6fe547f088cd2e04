//! What the ledger says about policies.

use serde_json::{Value, json};

use crate::sim::ledger::{born, surplus};
use crate::sim::tenant::Tenant;

impl Tenant {
    /// Rows of sets (with their policies by priority and what they are assigned to), policies (with conditions), RADIUS groups.
    pub fn ledger_policies(&self) -> (Vec<Value>, Vec<Value>, Vec<Value>) {
        let sets = self.policy.sets.live().map(|set| {
            let policies: Vec<Value> = (1..)
                .zip(&set.policies)
                .map(|(priority, id)| {
                    json!({"priority": priority, "policy_id": id,
                           "policy_name": self.policy.policies.any(id).map(|policy| &policy.name)})
                })
                .collect();
            let assigned: Vec<Value> = self
                .assignments_of(&set.id)
                .map(|(service, id)| json!({"service": service, "id": id}))
                .collect();
            let row = json!({"id": set.id, "name": set.name, "description": set.description, "policies": policies,
                             "assignments": assigned});
            born(row, &set.origin)
        });
        let policies = self.policy.policies.live().map(|policy| {
            let conditions: Vec<Value> = policy
                .conditions
                .iter()
                .map(|one| {
                    json!({"id": one.id, "attribute_id": one.attribute_id, "pattern": one.pattern,
                           "created_by_request": one.request_id})
                })
                .collect();
            let radius = policy.response.as_ref().and_then(|id| self.policy.radius.any(id));
            let sets: Vec<&str> = self.policy.sets_with(&policy.id).map(|set| set.id.as_str()).collect();
            let row = json!({"id": policy.id, "name": policy.name, "description": policy.description,
                "template_id": policy.template_id, "policy_type": policy.policy_type, "radius_group_id": policy.response,
                "radius_group_name": radius.map(|radius| &radius.name), "conditions": conditions, "policy_set_ids": sets});
            born(row, &policy.origin)
        });
        let radius = self.policy.radius.live().map(|group| {
            let row = json!({"id": group.id, "name": group.name, "description": group.description,
                "attributes": group.assignments, "pinned": group.pinned,
                "policy_count": self.policy.answering_with(&group.id).count()});
            born(row, &group.origin)
        });
        (sets.collect(), policies.collect(), radius.collect())
    }

    /// Writes it takes to make what was not seeded: sets, policies, conditions, places in sets and assignments.
    pub fn policy_writes(&self) -> usize {
        let mut writes = 0;
        for set in self.policy.sets.live().filter(|set| set.origin.request_id.is_some()) {
            writes += 1 + set.policies.len() + self.assignments_of(&set.id).count();
        }
        for policy in self.policy.policies.live() {
            let made = policy.conditions.iter().filter(|one| one.request_id.is_some()).count();
            writes += made + usize::from(policy.origin.request_id.is_some());
        }
        writes
    }

    /// Names of sets, policies and RADIUS groups that exist once too often.
    pub fn policy_twins(&self) -> (u64, u64, u64) {
        (
            surplus(self.policy.sets.live().map(|set| ("", set.name.as_str()))),
            surplus(self.policy.policies.live().map(|policy| ("", policy.name.as_str()))),
            surplus(self.policy.radius.live().map(|group| ("", group.name.as_str()))),
        )
    }
}
