//! What a task was given, in words for people. Tasks are stored by the executors under short names (100,000 of them are kept per
//! job), and with the ids the controller gave; here both are spelled out, secrets masked. Pure.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::job::audit::Finding;
use crate::workflow::plan::ONLY_PLANNED;

/// Stands for a value that is there and never shown.
const MASKED: &str = "***";
/// Member of a task's data: what of its object does not arrive as it was, with the reason; an array of sentences. Fact of a phase of
/// keys: how many of them, by reason.
pub const CHANGES: &str = "changes";

/// Phases whose resources a task of this executor names by id.
pub fn named_by(executor: &str) -> &'static [&'static str] {
    match plain(executor) {
        "cloudpath.create_dpsk_pools" => &["create_identity_groups"],
        "cloudpath.create_passphrases" => &["create_identity_groups", "create_dpsk_pools"],
        "cloudpath.attach_policies" => &["create_policy_sets", "create_dpsk_pools"],
        "cloudpath.activate_networks" | "cloudpath.audit_results" => &["create_dpsk_pools"],
        _ => &[],
    }
}

/// The executor that one which only plans stands for: their tasks carry the same.
fn plain(executor: &str) -> &str {
    executor.strip_prefix(ONLY_PLANNED).unwrap_or(executor)
}

/// `data` of the task `name` of an executor. `names`: of the resources that [`named_by`] asks for, by id. Data of an executor that is
/// not known here is shown as it is.
pub fn shown(executor: &str, name: &str, data: &Value, names: &HashMap<String, String>) -> Value {
    let shown = Shown { out: Map::new(), names };
    let mut shown = in_words(shown, plain(executor), name, data);
    // What was there differs, and was left: in which fields, with both values. What does not arrive as it was, and why.
    for told in ["left_as_is", CHANGES] {
        if let (Some(out), Some(told_so)) = (shown.as_object_mut(), data.get(told)) {
            out.insert(told.to_owned(), told_so.clone());
        }
    }
    shown
}

fn in_words(shown: Shown<'_>, executor: &str, name: &str, data: &Value) -> Value {
    match executor {
        "cloudpath.create_identity_groups" => shown.group(name, data),
        "cloudpath.create_dpsk_pools" => shown.pool(name, data),
        "cloudpath.create_passphrases" => shown.key(name, data),
        "cloudpath.activate_networks" => shown.network(data),
        "cloudpath.create_policy_sets" => shown.policy_or_set(name, data),
        "cloudpath.attach_policies" => shown.attached(data),
        "cloudpath.audit_results" if data.get("ps").is_some() => shown
            .with("policy_set", name.into())
            .with_id("policy_set_id", &data["ps"])
            .out(),
        "cloudpath.audit_results" => shown.with("pool", name.into()).with_id("pool_id", &data["p"]).out(),
        "cloudpath.audit_identity_groups"
        | "cloudpath.audit_dpsk_pools"
        | "cloudpath.audit_policy_sets"
        | "cloudpath.audit_policy_links"
        | "cloudpath.audit_passphrases"
        | "cloudpath.audit_networks" => found(data),
        _ => data.clone(),
    }
}

/// What an audit has found of an item.
fn found(data: &Value) -> Value {
    let Some(finding) = Finding::of(data) else {
        return json!({});
    };
    let differences = finding.fields.into_iter().map(|field| {
        let masked = || (MASKED.to_owned(), MASKED.to_owned());
        let (found, expected) = field.values.unwrap_or_else(masked);
        json!({"field": field.field, "found": found, "expected": expected})
    });
    json!({"verdict": finding.verdict, "kind": finding.kind, "id": finding.id, "where": finding.place, "origin": finding.origin,
        "differences": differences.collect::<Vec<_>>(), "note": finding.note})
}

/// The DPSK pool of a key, by its name, or by its id where that is not known. None: the task is no key, or the key was not to be made.
pub fn pool_of(executor: &str, data: &Value, names: &HashMap<String, String>) -> Option<String> {
    let id = data["p"]
        .as_str()
        .filter(|_| executor == "cloudpath.create_passphrases")?;
    Some(names.get(id).map_or(id, String::as_str).to_owned())
}

struct Shown<'a> {
    out: Map<String, Value>,
    names: &'a HashMap<String, String>,
}

impl Shown<'_> {
    fn with(mut self, field: &str, value: Value) -> Self {
        self.out.insert(field.to_owned(), value);
        self
    }

    /// An id, where there is one.
    fn with_id(self, field: &str, id: &Value) -> Self {
        if id.is_null() {
            self
        } else {
            self.with(field, id.clone())
        }
    }

    /// An id, and before it the name of what has it, where that is known.
    fn with_named(self, field: &str, id: &Value) -> Self {
        let name = id.as_str().and_then(|id| self.names.get(id)).cloned();
        let named = match name {
            Some(name) => self.with(field, name.into()),
            None => self,
        };
        named.with_id(&format!("{field}_id"), id)
    }

    fn out(self) -> Value {
        Value::Object(self.out)
    }

    fn group(self, name: &str, data: &Value) -> Value {
        self.with("name", name.into())
            .with("description", data["d"].clone())
            .out()
    }

    fn pool(mut self, name: &str, data: &Value) -> Value {
        self = self.with("name", name.into());
        // found as wanted, or refused, when it was planned: nothing was left to be done
        if data.get("b").is_none() {
            return self.out();
        }
        self = self.with_named("identity_group", &data["g"]);
        for (field, value) in data["b"].as_object().into_iter().flatten() {
            self = self.with(&snake_case(field), value.clone());
        }
        self.with_id("updates_pool_id", &data["u"]).out()
    }

    fn policy_or_set(self, name: &str, data: &Value) -> Value {
        let named = self.with("name", name.into());
        match data["t"].as_str() {
            Some("p") => named
                .with("radius_attribute_group", data["n"].clone())
                .with_id("radius_attribute_group_id", &data["r"])
                .with_id("updates_policy_id", &data["u"]),
            Some("s") => named.with("description", data["d"].clone()),
            _ => named,
        }
        .out()
    }

    fn attached(self, data: &Value) -> Value {
        match data["t"].as_str() {
            Some("c") => self
                .with_named("policy", &data["p"])
                .with("user_name_matches", data["x"].clone())
                .with_id("updates_condition_id", &data["u"]),
            Some("l") => self
                .with_named("policy", &data["p"])
                .with_named("policy_set", &data["s"])
                .with("priority", data["n"].clone()),
            Some("a") => self
                .with_named("policy_set", &data["s"])
                .with_named("pool", &data["g"])
                .with_id("replaces_policy_set_id", &data["u"]),
            _ => self,
        }
        .out()
    }

    /// Stored under the names it is shown under; names of pools are added, and what does not apply is left out.
    fn network(mut self, data: &Value) -> Value {
        for (field, value) in data.as_object().into_iter().flatten() {
            self = match (field.as_str(), value) {
                ("needs_pool_id", id) => self.with_named("needs_pool", id),
                (_, Value::Bool(false)) => self,
                (field, value) => self.with(field, value.clone()),
            };
        }
        self.out()
    }

    fn key(mut self, username: &str, data: &Value) -> Value {
        self = self.with("username", username.into());
        if data.get("p").is_some() {
            let fields = [("vlan", "v"), ("device_limit", "d"), ("expires_at", "e")];
            self = self.with_named("pool", &data["p"]).with("passphrase", MASKED.into());
            for (field, short) in fields {
                self = self.with(field, data[short].clone());
            }
        }
        let op = &data["o"];
        self = match op["t"].as_str() {
            Some("u") => {
                let there = json!({"id": op["k"], "username": op["n"], "email": op["em"], "phone": op["ph"]});
                self.with("updates_passphrase", there)
            }
            Some("i") => {
                let there = json!({"id": op["k"], "name": op["n"]});
                self.with_named("identity_group", &op["g"]).with("of_identity", there)
            }
            _ => self,
        };
        self.out()
    }
}

/// What of a task's object does not arrive as it was in the export, a sentence with the reason for each field. Never a passphrase.
pub fn changes_of(data: &Value) -> Vec<String> {
    let told = data[CHANGES].as_array().into_iter().flatten();
    told.filter_map(|change| change.as_str().map(str::to_owned)).collect()
}

/// `passphraseFormat` → `passphrase_format`.
fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> HashMap<String, String> {
        HashMap::from([
            ("p-1".to_owned(), "Lobby-DPSK".to_owned()),
            ("g-1".to_owned(), "Lobby-IDG".to_owned()),
        ])
    }

    #[test]
    fn what_was_left_different_or_did_not_arrive_as_it_was_is_told_of_every_kind() {
        let left = json!("description is mine, wanted none");
        let changes = json!(["enabled: false dropped (so it is)"]);
        for executor in [
            "cloudpath.create_identity_groups",
            "cloudpath.create_dpsk_pools",
            "cloudpath.create_policy_sets",
            "cloudpath.attach_policies",
            "cloudpath.create_passphrases",
            "cloudpath.activate_networks",
        ] {
            let shown = shown(executor, "a", &json!({"left_as_is": left, CHANGES: changes}), &names());
            assert_eq!(
                (&shown["left_as_is"], &shown[CHANGES]),
                (&left, &changes),
                "{executor}: {shown}"
            );
        }
    }

    #[test]
    fn a_key_is_told_in_words_and_without_its_passphrase() {
        let data = json!({"p": "p-1", "v": 44, "changes": ["device limit 600 → 512"]});
        let shown = shown("cloudpath.create_passphrases", "anna", &data, &names());
        let wanted = json!({"username": "anna", "pool": "Lobby-DPSK", "pool_id": "p-1", "passphrase": "***", "vlan": 44,
            "device_limit": null, "expires_at": null, "changes": ["device limit 600 → 512"]});
        assert_eq!(shown, wanted);
        let pool = |executor, data: &Value| pool_of(executor, data, &names());
        assert_eq!(
            pool("cloudpath.create_passphrases", &data).as_deref(),
            Some("Lobby-DPSK")
        );
        assert_eq!(
            pool("cloudpath.create_passphrases", &json!({"p": "p-9"})).as_deref(),
            Some("p-9")
        );
        assert_eq!(changes_of(&data), ["device limit 600 → 512"]);
        assert_eq!(changes_of(&Value::Null), [""; 0]);
        assert_eq!(pool("cloudpath.create_passphrases", &json!({})), None);
        assert_eq!(pool("cloudpath.attach_policies", &data), None);
    }

    #[test]
    fn what_exists_already_and_is_changed_is_named() {
        let update = json!({"p": "p-2", "o": {"t": "u", "k": "key-1", "em": "a@b.cd"}});
        let update = shown("cloudpath.create_passphrases", "anna", &update, &names());
        assert_eq!(update["updates_passphrase"]["email"], "a@b.cd");
        assert_eq!((&update["pool_id"], update.get("pool")), (&json!("p-2"), None));
        let identity = json!({"p": "p-1", "o": {"t": "i", "g": "g-1", "k": "identity-1", "n": "anna"}});
        let identity = shown("cloudpath.create_passphrases", "anna", &identity, &names());
        assert_eq!(identity["identity_group"], "Lobby-IDG");
    }

    #[test]
    fn policies_and_what_they_are_attached_to_are_named() {
        let made = |data: Value| shown("cloudpath.create_policy_sets", "gold-POL", &data, &names());
        assert_eq!(
            made(json!({"t": "p", "r": "r-1", "n": "gold"})),
            json!({"name": "gold-POL", "radius_attribute_group": "gold", "radius_attribute_group_id": "r-1"})
        );
        assert_eq!(
            made(json!({"t": "s", "d": "x"})),
            json!({"name": "gold-POL", "description": "x"})
        );
        let names = HashMap::from(
            [("p-1", "Lobby-DPSK"), ("y-1", "gold-POL"), ("s-1", "Lobby-PS")]
                .map(|(id, n)| (id.to_owned(), n.to_owned())),
        );
        let attached = |data: Value| shown("cloudpath.attach_policies", "n", &data, &names);
        assert_eq!(
            attached(json!({"t": "c", "p": "y-1", "x": "^.*_gold$"})),
            json!({"policy": "gold-POL", "policy_id": "y-1", "user_name_matches": "^.*_gold$"})
        );
        assert_eq!(
            attached(json!({"t": "l", "s": "s-1", "p": "y-1", "n": 2, "c": true})),
            json!({"policy": "gold-POL", "policy_id": "y-1", "policy_set": "Lobby-PS", "policy_set_id": "s-1", "priority": 2})
        );
        assert_eq!(
            attached(json!({"t": "a", "g": "p-1", "s": "s-1", "i": 0})),
            json!({"policy_set": "Lobby-PS", "policy_set_id": "s-1", "pool": "Lobby-DPSK", "pool_id": "p-1"})
        );
        let audited = shown(
            "cloudpath.audit_results",
            "Lobby-PS",
            &json!({"ps": "s-1", "i": 0}),
            &names,
        );
        assert_eq!(audited, json!({"policy_set": "Lobby-PS", "policy_set_id": "s-1"}));
    }

    #[test]
    fn networks_are_told_with_the_names_of_their_pools() {
        let shown = |data| shown("cloudpath.activate_networks", "activate Lobby", &data, &names());
        assert_eq!(
            shown(
                json!({"step": "activate", "ssid": "Lobby", "network_id": "n", "needs_pool_id": "p-1", "widens": false})
            ),
            json!({"step": "activate", "ssid": "Lobby", "network_id": "n", "needs_pool": "Lobby-DPSK", "needs_pool_id": "p-1"})
        );
        let link = json!({"step": "link", "ssid": "Lobby", "pool_id": "p-1", "pool": "Lobby-DPSK", "replaces": true});
        assert_eq!(shown(link.clone()), link);
    }

    #[test]
    fn pools_and_groups_have_the_names_of_their_fields() {
        let data =
            json!({"g": "g-1", "b": {"name": "Lobby-DPSK", "passphraseFormat": "NUMBERS_ONLY", "passphraseLength": 8}});
        let pool = shown("cloudpath.create_dpsk_pools", "Lobby-DPSK", &data, &names());
        let wanted = json!({"name": "Lobby-DPSK", "identity_group": "Lobby-IDG", "identity_group_id": "g-1",
            "passphrase_format": "NUMBERS_ONLY", "passphrase_length": 8});
        assert_eq!(pool, wanted);
        let found = shown("cloudpath.create_dpsk_pools", "Lobby-DPSK", &Value::Null, &names());
        assert_eq!(found, json!({"name": "Lobby-DPSK"}));
        let group = shown(
            "cloudpath.create_identity_groups",
            "Lobby-IDG",
            &json!({"d": "x"}),
            &names(),
        );
        assert_eq!(group, json!({"name": "Lobby-IDG", "description": "x"}));
    }
}
