//! Requests to try, built from the shape of real exports.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::*;
use crate::secret::SecretString;

pub fn now() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().unwrap()
}

/// All ten keys, as in every real export. Passphrase `k<number>-secret!`.
pub fn dpsk(number: usize) -> Value {
    json!({"guid": format!("AccountDpsk-{number}"), "name": format!("unit {number}"), "status": "ACTIVE",
        "passphrase": format!("k{number}-secret!"), "ssidList": [], "expirationDateTime": null,
        "useDeviceCountLimit": false, "deviceCountLimit": 0, "deviceCount": 3, "vlanid": ""})
}

pub fn with(mut value: Value, changes: Value) -> Value {
    for (key, change) in changes.as_object().unwrap() {
        value[key] = change.clone();
    }
    value
}

pub fn without(mut value: Value, key: &str) -> Value {
    value.as_object_mut().unwrap().remove(key).unwrap();
    value
}

pub fn pool(name: &str) -> Value {
    json!({"guid": format!("AccountDpskPool-{name}"), "displayName": name, "description": "", "enabled": true,
        "phraseDefaultLength": 10, "phraseRandomCharactersType": "ALPHANUMERIC_MIXED", "ssidList": ["Lobby"],
        "enforceExpirationDate": false, "expirationDateType": "MONTHS_AFTER_TIME", "expirationDateValue": "12",
        "enforceDeviceCountLimit": false, "deviceCountLimit": 0, "supportsPolicies": false, "defaultAccess": "ACCEPT"})
}

pub fn extract(dpsks: Vec<Value>) -> Value {
    json!({"metadata": {"mode": "dpsk_only", "pool_id": 3}, "pool": pool("Lobby"), "dpsks": dpsks})
}

pub fn full(pools: Vec<(Value, Vec<Value>)>) -> Value {
    let pools: Vec<_> = pools
        .into_iter()
        .map(|(pool, dpsks)| with(pool, json!({"dpsks": dpsks})))
        .collect();
    json!({"metadata": {}, "authenticationServers": [{"x": [1, 2]}], "policies": [], "dpskPools": pools})
}

pub fn body(data: Value, options: Value) -> Value {
    json!({"controller_id": 1, "venue_id": "v-1", "dpsk_data": data, "options": options})
}

pub fn parse(body: &Value) -> Result<ImportRequest, RequestError> {
    parse_request(body.to_string().as_bytes(), now())
}

/// Pointers and codes of all faults.
pub fn faults(body: &Value) -> Vec<(String, Code)> {
    match parse(body) {
        Err(RequestError::Content(faults)) => faults
            .into_list()
            .into_iter()
            .map(|fault| (fault.pointer, fault.code))
            .collect(),
        other => panic!("expected faults of content, found {other:?}"),
    }
}

pub fn row_faults(dpsks: Vec<Value>) -> Vec<(String, Code)> {
    faults(&body(extract(dpsks), json!({})))
}

/// The plan and all rows with their secrets.
pub fn planned(data: Value, options: Value) -> (ImportPlan, Vec<(Row, SecretString)>) {
    let request = parse(&body(data, options)).unwrap();
    let (plan, mapper) = plan(&request.export, &request.options, now());
    (
        plan,
        request.export.rows.into_iter().map(|row| mapper.map(row)).collect(),
    )
}
