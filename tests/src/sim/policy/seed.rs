//! Seeding policies, sets and RADIUS groups.

use serde_json::{Map, Value, json};

use super::templates::DPSK_TEMPLATE;
use super::{Condition, Policy, PolicySet, RadiusGroup};
use crate::sim::model::{Kind, Ref};
use crate::sim::seed::{Seeder, name, optional};

type Row = Map<String, Value>;

impl Seeder<'_> {
    /// `{name, description?, attributeAssignments?, pinned?}`; without attributes it gets a bandwidth of 1 Gbit/s.
    pub fn radius_group(&mut self, row: &Row) -> Result<String, String> {
        let (id, origin) = (self.id(row)?, self.tenant.origin(None, self.now));
        let gigabit = json!([{"attributeName": "WISPr-Bandwidth-Max-Down", "operator": "ADD", "attributeValue": "1000000000",
                              "dataType": "INTEGER", "vendorName": "WISPr"}]);
        let assignments = row.get("attributeAssignments").unwrap_or(&gigabit);
        self.tenant.policy.radius.insert(RadiusGroup {
            id: id.clone(),
            name: name(row, "name")?,
            description: optional(row, "description"),
            assignments: assignments
                .as_array()
                .cloned()
                .ok_or("/attributeAssignments: a list is required")?,
            pinned: row.get("pinned") == Some(&Value::Bool(true)),
            origin,
        });
        self.tenant.appear(&Ref::new(Kind::RadiusGroup, &id));
        Ok(id)
    }

    /// `{name, description?, radius?, conditions: [{attribute, pattern}]}`.
    pub fn policy(&mut self, row: &Row) -> Result<String, String> {
        let (id, origin) = (self.id(row)?, self.tenant.origin(None, self.now));
        let radius = &self.tenant.policy.radius;
        let response = match optional(row, "radius") {
            None => None,
            Some(wanted) => {
                let found = radius.any(&wanted).or_else(|| radius.owner("", &wanted));
                Some(found.map(|group| group.id.clone()).ok_or("/radius: no such object")?)
            }
        };
        let mut conditions = Vec::new();
        for (index, one) in row
            .get("conditions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            let attribute_id = one["attribute"].as_i64();
            conditions.push(Condition {
                id: format!("{id}-{index}"),
                attribute_id: attribute_id.ok_or("/conditions/attribute: required")?,
                pattern: one["pattern"].as_str().ok_or("/conditions/pattern: required")?.into(),
                request_id: None,
            });
        }
        self.tenant.policy.policies.insert(Policy {
            id: id.clone(),
            name: name(row, "name")?,
            description: optional(row, "description"),
            template_id: DPSK_TEMPLATE,
            policy_type: "DPSK".into(),
            response,
            conditions,
            origin,
        });
        self.tenant.appear(&Ref::new(Kind::Policy, &id));
        Ok(id)
    }

    /// `{name, description?, policies: [name or id, …]}`, highest priority first.
    pub fn policy_set(&mut self, row: &Row) -> Result<String, String> {
        let (id, origin) = (self.id(row)?, self.tenant.origin(None, self.now));
        let mut policies = Vec::new();
        for wanted in row.get("policies").and_then(Value::as_array).into_iter().flatten() {
            let (wanted, all) = (wanted.as_str().unwrap_or_default(), &self.tenant.policy.policies);
            let found = all.any(wanted).or_else(|| all.owner("", wanted));
            policies.push(
                found
                    .map(|policy| policy.id.clone())
                    .ok_or("/policies: no such object")?,
            );
        }
        self.tenant.policy.sets.insert(PolicySet {
            id: id.clone(),
            name: name(row, "name")?,
            description: optional(row, "description").unwrap_or_default(),
            policies,
            origin,
        });
        self.tenant.appear(&Ref::new(Kind::PolicySet, &id));
        Ok(id)
    }

    /// The `policySet` of a group or pool: its name or id.
    pub fn policy_set_of(&self, row: &Row) -> Result<Option<String>, String> {
        let (Some(wanted), sets) = (optional(row, "policySet"), &self.tenant.policy.sets) else {
            return Ok(None);
        };
        let found = sets.any(&wanted).or_else(|| sets.owner("", &wanted));
        found
            .map(|set| Some(set.id.clone()))
            .ok_or_else(|| "/policySet: no such object".into())
    }
}
