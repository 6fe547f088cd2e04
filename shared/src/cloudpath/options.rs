//! The options of an import: names, defaults, and every fault of a given set at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fault::{Code, Fault, child, quote};
use super::limits::{MAX_NAME, MAX_NETWORK_MAP, length};
use crate::workflow::plan::HASH_DIGITS;

/// What to do when the target already holds an object of the wanted name that differs in a field that matters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameConflict {
    Adopt,
    Update,
    #[default]
    Fail,
}

/// What to do with a row that cannot be imported as it is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvalidRows {
    /// Any bad row refuses the whole request.
    #[default]
    Fail,
    /// A bad row becomes a skipped task with its reason.
    Skip,
}

/// What to do with a key whose expiry lies in the past.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expired {
    /// Import it without an expiry.
    #[default]
    Import,
    /// Leave it out, with the reason.
    Skip,
    /// The original expiry plus as many whole years as it takes to lie ahead.
    Renew,
}

/// Options of an import. Absent and `null` mean the default, but for `plan_hash`, which is a hash or left out. A request's unknown names are
/// refused; those of stored options are passed over, for a later version may have stored them. Persisted with the job: fields are only ever
/// added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportOptions {
    /// Copy the keys, activate no network. Default true.
    pub just_copy_dpsks: bool,
    /// One policy for each suffix of user names, and one policy set for each pool. Default false.
    pub include_adaptive_policy_sets: bool,
    /// One group and one pool per VLAN. Default false.
    pub group_by_vlan: bool,
    pub name_conflict: NameConflict,
    pub invalid_rows: InvalidRows,
    pub expired: Expired,
    /// SSID → id of an existing network, or `create`. Needs `just_copy_dpsks: false`.
    pub ssid_network_map: BTreeMap<String, String>,
    /// Percent of failed tasks (0–100) above which the job pauses. Default none.
    pub failure_budget_percent: Option<f64>,
    /// Seconds (1 to [`MAX_TIMEOUT_SECONDS`]) the whole job may take. Default none: predicted from its size.
    pub timeout_seconds: Option<u64>,
    /// Wait for a confirmation before anything is written. Default false.
    pub require_confirmation: bool,
    /// Hash of a plan: nothing is written when one made anew would be another. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
}

/// Thirty days.
pub const MAX_TIMEOUT_SECONDS: u64 = 30 * 24 * 3600;

const KNOWN: [&str; 11] = [
    "just_copy_dpsks",
    "include_adaptive_policy_sets",
    "group_by_vlan",
    "name_conflict",
    "invalid_rows",
    "expired",
    "ssid_network_map",
    "failure_budget_percent",
    "timeout_seconds",
    "require_confirmation",
    "plan_hash",
];
const AT: &str = "/options";

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            just_copy_dpsks: true,
            include_adaptive_policy_sets: false,
            group_by_vlan: false,
            name_conflict: NameConflict::default(),
            invalid_rows: InvalidRows::default(),
            expired: Expired::default(),
            ssid_network_map: BTreeMap::new(),
            failure_budget_percent: None,
            timeout_seconds: None,
            require_confirmation: false,
            plan_hash: None,
        }
    }
}

impl ImportOptions {
    /// Reads the members of the request's `options`. All faults are returned, each with its pointer.
    pub fn from_members(members: &Map<String, Value>) -> Result<Self, Vec<Fault>> {
        let mut read = Read {
            members,
            faults: Vec::new(),
        };
        let options = Self {
            just_copy_dpsks: read.flag("just_copy_dpsks", true),
            include_adaptive_policy_sets: read.flag("include_adaptive_policy_sets", false),
            group_by_vlan: read.flag("group_by_vlan", false),
            name_conflict: read.choice("name_conflict", "adopt, update, fail"),
            invalid_rows: read.choice("invalid_rows", "fail, skip"),
            expired: read.choice("expired", "import, skip, renew"),
            ssid_network_map: read.network_map("ssid_network_map"),
            failure_budget_percent: read.percent("failure_budget_percent"),
            timeout_seconds: read.seconds("timeout_seconds"),
            require_confirmation: read.flag("require_confirmation", false),
            plan_hash: read.hash("plan_hash"),
        };
        for name in members.keys().filter(|name| !KNOWN.contains(&name.as_str())) {
            let detail = format!("unknown option {}; known are {}", quote(name), KNOWN.join(", "));
            read.faults
                .push(Fault::new(child(AT, name), Code::UnknownField, detail));
        }
        if read.faults.is_empty() {
            Ok(options)
        } else {
            Err(read.faults)
        }
    }
}

struct Read<'a> {
    members: &'a Map<String, Value>,
    faults: Vec<Fault>,
}

impl<'a> Read<'a> {
    fn given(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn refuse(&mut self, name: &str, code: Code, detail: String) {
        self.faults.push(Fault::new(child(AT, name), code, detail));
    }

    fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.given(name) {
            None => default,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                self.refuse(
                    name,
                    Code::WrongType,
                    format!("expected true or false, found {}", kind(other)),
                );
                default
            }
        }
    }

    fn choice<T: Default + for<'de> Deserialize<'de>>(&mut self, name: &str, known: &str) -> T {
        match self.given(name) {
            None => T::default(),
            Some(Value::String(text)) => {
                let choice = T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text));
                choice.unwrap_or_else(|_| {
                    self.refuse(name, Code::UnknownValue, format!("{} is none of {known}", quote(text)));
                    T::default()
                })
            }
            Some(other) => {
                self.refuse(
                    name,
                    Code::WrongType,
                    format!("expected one of {known}, found {}", kind(other)),
                );
                T::default()
            }
        }
    }

    fn percent(&mut self, name: &str) -> Option<f64> {
        let value = self.given(name)?;
        match value.as_f64() {
            Some(percent) if (0.0..=100.0).contains(&percent) => return Some(percent),
            Some(percent) => self.refuse(name, Code::OutOfRange, format!("{percent} is not within 0 and 100")),
            None => self.refuse(
                name,
                Code::WrongType,
                format!("expected a number from 0 to 100, found {}", kind(value)),
            ),
        }
        None
    }

    fn hash(&mut self, name: &str) -> Option<String> {
        // null as well: whoever wants a pin and has lost it on the way would get none
        let value = self.members.get(name)?;
        let form = format!("the hash of a plan: {HASH_DIGITS} hexadecimal digits");
        match value {
            Value::String(text) => {
                let is_hash = text.len() == HASH_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
                if is_hash {
                    return Some(text.to_ascii_lowercase());
                }
                self.refuse(name, Code::UnknownValue, format!("{} is not {form}", quote(text)));
            }
            other => self.refuse(name, Code::WrongType, format!("expected {form}, found {}", kind(other))),
        }
        None
    }

    fn seconds(&mut self, name: &str) -> Option<u64> {
        let value = self.given(name)?;
        let range = format!("whole seconds from 1 to {MAX_TIMEOUT_SECONDS}");
        match value {
            Value::Number(number) => match number.as_u64() {
                Some(seconds) if (1..=MAX_TIMEOUT_SECONDS).contains(&seconds) => return Some(seconds),
                _ => self.refuse(name, Code::OutOfRange, format!("expected {range}, found {number}")),
            },
            other => self.refuse(
                name,
                Code::WrongType,
                format!("expected {range}, found {}", kind(other)),
            ),
        }
        None
    }

    fn network_map(&mut self, name: &str) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        let entries = match self.given(name) {
            None => return map,
            Some(Value::Object(entries)) => entries,
            Some(other) => {
                let detail = format!("expected an object of SSIDs and network ids, found {}", kind(other));
                self.refuse(name, Code::WrongType, detail);
                return map;
            }
        };
        if entries.len() > MAX_NETWORK_MAP {
            self.refuse(
                name,
                Code::TooLarge,
                format!("{} entries; at most {MAX_NETWORK_MAP}", entries.len()),
            );
            return map;
        }
        for (ssid, network) in entries {
            match network {
                Value::String(id) if !id.trim().is_empty() && length(id) <= MAX_NAME => {
                    map.insert(ssid.clone(), id.clone());
                }
                other => {
                    let detail = format!("expected a network's id or \"create\", found {}", kind(other));
                    self.faults
                        .push(Fault::new(child(&child(AT, name), ssid), Code::WrongType, detail));
                }
            }
        }
        map
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(text) if text.trim().is_empty() => "an empty string",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<ImportOptions, Vec<Fault>> {
        ImportOptions::from_members(value.as_object().unwrap())
    }
    /// What runs or is kept outlives deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let none: ImportOptions = serde_json::from_str("{}").unwrap();
        assert_eq!(none, ImportOptions::default());
        let line = concat!(
            r#"{"just_copy_dpsks":false,"include_adaptive_policy_sets":true,"group_by_vlan":true,"name_conflict":"adopt","#,
            r#""invalid_rows":"skip","expired":"renew","ssid_network_map":{"Lobby":"create"},"failure_budget_percent":2.5,"#,
            r#""timeout_seconds":60,"require_confirmation":true,"plan_hash":"ab"}"#
        );
        let read: ImportOptions = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }

    #[test]
    fn absent_and_null_give_the_defaults() {
        let nullable = KNOWN.iter().filter(|name| **name != "plan_hash");
        let nulls = nullable.map(|name| (name.to_string(), Value::Null)).collect();
        for options in [read(json!({})).unwrap(), read(Value::Object(nulls)).unwrap()] {
            assert_eq!(options, ImportOptions::default());
            assert!(options.just_copy_dpsks && !options.group_by_vlan);
            assert_eq!(
                (options.name_conflict, options.invalid_rows),
                (NameConflict::Fail, InvalidRows::Fail)
            );
        }
    }

    #[test]
    fn known_names_are_the_names_on_the_wire_and_survive_storage() {
        let given = read(
            json!({"name_conflict": "update", "invalid_rows": "skip", "expired": "renew",
            "group_by_vlan": true, "failure_budget_percent": 2.5, "timeout_seconds": 60, "require_confirmation": true,
            "just_copy_dpsks": false, "include_adaptive_policy_sets": true, "ssid_network_map": {"Lobby": "create"},
            "plan_hash": "0123456789ABCDEF0123456789abcdef"}),
        )
        .unwrap();
        let stored = serde_json::to_value(&given).unwrap();
        let mut names: Vec<_> = stored.as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = KNOWN.to_vec();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
        assert_eq!(serde_json::from_value::<ImportOptions>(stored).unwrap(), given);
    }

    #[test]
    fn a_pin_that_got_lost_is_no_import_without_one() {
        for lost in [json!(null), json!("")] {
            let faults = read(json!({ "plan_hash": lost })).unwrap_err();
            assert!(faults[0].detail.contains("the hash of a plan"), "{faults:?}");
        }
        assert_eq!(read(json!({})).unwrap().plan_hash, None);
    }

    #[test]
    fn every_fault_is_reported_with_its_pointer() {
        let faults = read(
            json!({"group_by_vlan": "yes", "expired": "keep", "invalid_rows": 3, "name_conflict": "Fail",
            "failure_budget_percent": 101, "timeout_seconds": 0, "ssid_network_map": {"a/b": 7, "c": " "},
            "plan_hash": "0123", "just_copy_dpsk": true}),
        )
        .unwrap_err();
        let found: Vec<_> = faults
            .iter()
            .map(|fault| (fault.pointer.as_str(), fault.code))
            .collect();
        assert_eq!(
            found,
            [
                ("/options/group_by_vlan", Code::WrongType),
                ("/options/name_conflict", Code::UnknownValue),
                ("/options/invalid_rows", Code::WrongType),
                ("/options/expired", Code::UnknownValue),
                ("/options/ssid_network_map/a~1b", Code::WrongType),
                ("/options/ssid_network_map/c", Code::WrongType),
                ("/options/failure_budget_percent", Code::OutOfRange),
                ("/options/timeout_seconds", Code::OutOfRange),
                ("/options/plan_hash", Code::UnknownValue),
                ("/options/just_copy_dpsk", Code::UnknownField),
            ]
        );
        assert!(
            faults[9]
                .detail
                .contains("known are just_copy_dpsks, include_adaptive_policy_sets")
        );
        assert!(faults[3].detail.contains("import, skip, renew"));
        assert_eq!(
            read(json!({"timeout_seconds": 1.5})).unwrap_err()[0].code,
            Code::OutOfRange
        );
        assert_eq!(
            read(json!({"failure_budget_percent": "5"})).unwrap_err()[0].code,
            Code::WrongType
        );
    }
}
