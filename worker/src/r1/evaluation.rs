//! The dry check of a policy set: which policy would answer a user. Changes nothing.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::R1;
use super::policy::DPSK_USERNAME_MATCH;
use super::wire::Request;
use crate::gate::Permit;
use crate::remote::CallError;

/// What a policy set says of a user. In no vendor document; seen live.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    #[serde(default)]
    pub was_matched: bool,
    #[serde(default)]
    pub policy_id: Option<String>,
    #[serde(default)]
    pub policy_name: Option<String>,
    /// Id of the RADIUS attribute group that would answer.
    #[serde(default)]
    pub on_match_response: Option<String>,
}

impl R1 {
    /// `POST /policySets/{set}/evaluationReports` for the user name of a key, and with the SSID where it matters. Safe to repeat.
    pub async fn evaluate_policy_set(
        &self,
        permit: Permit,
        set: &str,
        username: &str,
        ssid: Option<&str>,
    ) -> Result<Evaluation, CallError> {
        let criterion = |name: &str, value: &str| json!({"matchName": name, "value": {"type": "StringEvaluation", "stringValue": value}});
        let mut criteria = vec![criterion(DPSK_USERNAME_MATCH, username)];
        criteria.extend(ssid.map(|ssid| criterion("SSID", ssid)));
        let body = json!({"policySetId": set, "evaluationCriteria": criteria});
        let path = ["policySets", set, "evaluationReports"];
        let request = Request::read(Method::POST, path).json(&body, Vec::new());
        self.wire.call(permit, request).await?.parse()
    }
}
