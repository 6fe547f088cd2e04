//! Adaptive policies for DPSK users, and their conditions: which RADIUS attributes answer whom.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::sweep::{List, Row};
use super::wire::{Media, Request};
use super::{R1, Sweep, Written};
use crate::gate::Permit;
use crate::remote::CallError;

/// The policy template for DPSK; every path names it.
const DPSK_TEMPLATE: &str = "100";
/// The attribute "DPSK user name" of that template, as seen live; evaluations call it [`DPSK_USERNAME_MATCH`].
pub const DPSK_USERNAME: i64 = 1012;
/// What evaluations call [`DPSK_USERNAME`].
pub const DPSK_USERNAME_MATCH: &str = "Dpsk_Username";
/// Longest pattern of a condition, in characters.
pub const PATTERN_MAX: usize = 255;

/// A policy as it is on the controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    /// Id of the RADIUS attribute group it answers with. Absent for a while after a policy was made.
    #[serde(default)]
    pub on_match_response: Option<String>,
    /// A policy without conditions matches nobody.
    #[serde(default)]
    pub conditions_count: Option<u64>,
    /// Sets it is in; a policy that is in any can't be deleted.
    #[serde(default)]
    pub policy_set_count: Option<u64>,
}

impl Row for Policy {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A policy to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewPolicy {
    /// Unique in the tenant.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Id of a RADIUS attribute group, which has to exist (409 else).
    pub on_match_response: String,
}

/// What to change of a policy. The name is required, if only the one it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyPatch {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_match_response: Option<String>,
}

/// A condition of a policy: all of them have to hold. At most one for each attribute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    pub id: String,
    pub template_attribute_id: i64,
    #[serde(default)]
    pub evaluation_rule: Option<Rule>,
}

impl Condition {
    /// The pattern, where it is about a text.
    pub fn pattern(&self) -> Option<&str> {
        self.evaluation_rule.as_ref()?.regex_string_criteria.as_deref()
    }
}

impl Row for Condition {
    fn id(&self) -> &str {
        &self.id
    }
}

/// When a condition holds. Others than texts (numbers, dates) are not read further.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    #[serde(default)]
    pub regex_string_criteria: Option<String>,
}

impl R1 {
    /// All policies for DPSK users.
    pub fn policies(&self) -> Sweep<Policy> {
        let path = ["policyTemplates", DPSK_TEMPLATE, "policies", "query"];
        let path = path.map(String::from).to_vec();
        let (media, body) = (Media::Json, Map::new());
        Sweep::new(self, List::Body { path, media, body })
    }

    /// `GET /policyTemplates/100/policies/{id}`. 404 also for a while after it was made.
    pub async fn policy(&self, permit: Permit, id: &str) -> Result<Policy, CallError> {
        let request = Request::read(Method::GET, policy_path(id));
        self.wire.call(permit, request).await?.parse()
    }

    /// `POST /policyTemplates/100/policies`. Live it answers 202 with the policy and *no request id*: there is nothing to poll, the
    /// policy can't be read at first, and what it answers with is set later. So only a whole policy is told by its id; everything
    /// else is `Done` without one, to be read back.
    pub async fn create_policy(&self, permit: Permit, policy: &NewPolicy) -> Result<Written, CallError> {
        let mut body = json!(policy);
        body["policyType"] = "DPSK".into();
        let path = ["policyTemplates", DPSK_TEMPLATE, "policies"];
        let request = Request::write(Method::POST, path).json(&body, Vec::new());
        let answer = self.wire.call(permit, request).await?;
        if answer.status == 202 {
            return Ok(super::write::read(&answer).unwrap_or(Written::Done { id: None }));
        }
        let id = match answer.parse::<Policy>() {
            Ok(made) if made.on_match_response.as_ref() == Some(&policy.on_match_response) => Some(made.id),
            _ => None,
        };
        Ok(Written::Done { id })
    }

    /// `PATCH /policyTemplates/100/policies/{id}`: 200 at once.
    pub async fn update_policy(&self, permit: Permit, id: &str, patch: &PolicyPatch) -> Result<Written, CallError> {
        let request = Request::write(Method::PATCH, policy_path(id)).json(patch, Vec::new());
        self.write(permit, request).await
    }

    /// `DELETE /policyTemplates/100/policies/{id}`, its conditions with it. Refused (409) while it is in a set.
    pub async fn delete_policy(&self, permit: Permit, id: &str) -> Result<Written, CallError> {
        self.write(permit, Request::write(Method::DELETE, policy_path(id)))
            .await
    }

    /// The conditions of a policy.
    pub fn conditions(&self, policy: &str) -> Sweep<Condition> {
        let path = condition_path(policy).map(String::from).to_vec();
        Sweep::new(self, List::Unordered { path })
    }

    /// `POST …/policies/{policy}/conditions`: the policy applies to users whose name matches `pattern`, a regular expression of at
    /// most [`PATTERN_MAX`] characters. 201 at once; 409 when there is a condition on the user name already, in words that do not sound
    /// like it.
    pub async fn create_condition(&self, permit: Permit, policy: &str, pattern: &str) -> Result<Written, CallError> {
        let mut body = rule(pattern);
        body["policyId"] = policy.into();
        let request = Request::write(Method::POST, condition_path(policy)).json(&body, Vec::new());
        self.write(permit, request).await.map_err(|error| match error {
            CallError::Conflict {
                status, code, detail, ..
            } => CallError::Conflict {
                status,
                code,
                detail,
                uniqueness: true,
            },
            other => other,
        })
    }

    /// `PATCH …/policies/{policy}/conditions/{condition}`: another pattern for the user name.
    pub async fn update_condition(
        &self,
        permit: Permit,
        policy: &str,
        condition: &str,
        pattern: &str,
    ) -> Result<Written, CallError> {
        let path = condition_path(policy).into_iter().chain([condition]);
        let request = Request::write(Method::PATCH, path).json(&rule(pattern), Vec::new());
        self.write(permit, request).await
    }
}

fn rule(pattern: &str) -> serde_json::Value {
    json!({
        "templateAttributeId": DPSK_USERNAME,
        "evaluationRule": {"criteriaType": "StringCriteria", "regexStringCriteria": pattern},
    })
}

fn policy_path(id: &str) -> [&str; 4] {
    ["policyTemplates", DPSK_TEMPLATE, "policies", id]
}

fn condition_path(policy: &str) -> [&str; 5] {
    ["policyTemplates", DPSK_TEMPLATE, "policies", policy, "conditions"]
}
