//! Objects of a ledger, each by kind and id, and what one lacks of what was asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::expect::Expected;
use super::super::{rows, text};
use super::subject::key_of;

/// An object.
#[derive(Clone)]
pub struct Thing {
    /// What tells it from others of its kind, as tasks name it.
    pub key: String,
    /// By a call, and not there from the start.
    pub is_made: bool,
    row: Value,
}

/// By kind and id.
#[derive(Default)]
pub struct Things(BTreeMap<(&'static str, String), Thing>);

impl Things {
    pub fn of(ledger: &Value) -> Self {
        let mut all = Things::default();
        for (part, kind, prefix) in [
            ("identity_groups", "identity_group", ""),
            ("dpsk_pools", "dpsk_pool", ""),
            ("policies", "policy", ""),
            ("policy_sets", "policy_set", ""),
            ("wifi_networks", "wifi_network", "create "),
        ] {
            for row in rows(ledger, part) {
                let (id, name) = (text(row, "id").to_owned(), format!("{prefix}{}", text(row, "name")));
                let group = name_of(ledger, "identity_groups", &row["identity_group_id"]);
                all.add(kind, id, name, &with(row, "group_name", group));
            }
        }
        for key in rows(ledger, "passphrases") {
            let name = key_of(text(key, "pool_name"), text(key, "username"));
            all.add("passphrase", text(key, "id").to_owned(), name, key);
        }
        for policy in rows(ledger, "policies") {
            for one in rows(policy, "conditions") {
                let id = format!("{}/{}", text(policy, "id"), text(one, "id"));
                all.add("condition", id, format!("condition of {}", text(policy, "name")), one);
            }
        }
        for set in rows(ledger, "policy_sets") {
            let (id, name) = (text(set, "id"), text(set, "name"));
            for place in rows(set, "policies") {
                let key = format!("{} in {name}", text(place, "policy_name"));
                all.add(
                    "prioritized_policy",
                    format!("{id}/{}", text(place, "policy_id")),
                    key,
                    &json!({"created_by_request": ""}),
                );
            }
            for assigned in rows(set, "assignments") {
                let pool = name_of(ledger, "dpsk_pools", &assigned["id"]);
                let key = format!("{name} on {pool}");
                all.add(
                    "pool_policy_set",
                    format!("{}/{id}", text(assigned, "id")),
                    key,
                    &json!({"created_by_request": ""}),
                );
            }
        }
        for link in rows(ledger, "network_pools") {
            let mut networks = rows(ledger, "wifi_networks")
                .iter()
                .filter(|network| network["id"] == link["network_id"]);
            let ssid = networks.next().map_or("?", |network| text(network, "ssid"));
            let id = format!("{}/{}", text(link, "network_id"), text(link, "pool_id"));
            let pool = name_of(ledger, "dpsk_pools", &link["pool_id"]);
            all.add(
                "network_pool",
                id,
                format!("link {ssid}"),
                &with(link, "pool_name", pool),
            );
        }
        for on in rows(ledger, "activations") {
            let id = format!("{}/{}", text(on, "venue_id"), text(on, "network_id"));
            all.add("activation", id, format!("activate {}", text(on, "ssid")), on);
        }
        all
    }

    fn add(&mut self, kind: &'static str, id: String, key: String, row: &Value) {
        let is_made = !row["created_by_request"].is_null();
        let row = row.clone();
        self.0.insert((kind, id), Thing { key, is_made, row });
    }

    pub fn get(&self, kind: &str, id: &str) -> Option<&Thing> {
        let mut found = self.0.iter().filter(|((k, i), _)| *k == kind && i == id);
        found.next().map(|(_, thing)| thing)
    }

    /// Ids of those of a kind and key.
    pub fn named(&self, kind: &str, key: &str) -> Vec<String> {
        let found = self.0.iter().filter(|((k, _), thing)| *k == kind && thing.key == key);
        found.map(|((_, id), _)| id.clone()).collect()
    }

    /// Ids of the passphrases of a pool that have this value.
    pub fn with_value(&self, pool: &str, value: &str) -> Vec<String> {
        let is_it = |thing: &Thing| text(&thing.row, "pool_name") == pool && text(&thing.row, "passphrase") == value;
        let found = self
            .0
            .iter()
            .filter(|((k, _), thing)| *k == "passphrase" && is_it(thing));
        found.map(|((_, id), _)| id.clone()).collect()
    }

    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str, &Thing)> {
        self.0.iter().map(|((kind, id), thing)| (*kind, id.as_str(), thing))
    }
}

/// Name of an object of a ledger; `?` when there is none of that id.
fn name_of<'l>(ledger: &'l Value, part: &str, id: &Value) -> &'l str {
    let mut found = rows(ledger, part).iter().filter(|row| row["id"] == *id);
    found.next().map_or("?", |row| text(row, "name"))
}

fn with(row: &Value, field: &str, value: &str) -> Value {
    let mut row = row.clone();
    row[field] = value.into();
    row
}

/// What the object of a task lacks, each in words that follow "it".
pub fn lacks(task: &Value, thing: &Thing, expected: &Expected) -> Vec<String> {
    let (row, index) = (&thing.row, task["index"].as_u64().unwrap_or_default() as usize);
    let mut wanted: Vec<(&str, Value)> = Vec::new();
    let mut lacks = Vec::new();
    let name = text(task, "name");
    match text(task, "phase") {
        "create_identity_groups" => {
            let pool = expected.pools.iter().find(|pool| pool.group == name);
            wanted.extend(pool.map(|pool| ("description", pool.description.clone().into())));
        }
        "create_dpsk_pools" => {
            if let Some(pool) = expected.pools.iter().find(|pool| pool.name == name) {
                wanted.extend([
                    ("passphrase_format", pool.format.into()),
                    ("passphrase_length", pool.length.into()),
                    ("device_count_limit", pool.devices.into()),
                    ("group_name", pool.group.clone().into()),
                    ("expiration_type", pool.expiration_type.clone().into()),
                    ("expiration_offset", pool.expiration_offset.into()),
                ]);
                wanted.extend(pool.lets_in.map(|lets_in| ("policy_default_access", lets_in.into())));
            }
        }
        "create_policy_sets" => {
            let policy = expected.policies.get(index);
            wanted.extend(policy.map(|policy| ("radius_group_name", policy.suffix.clone().into())));
        }
        "attach_policies" => {
            let policy = expected.policies.get(index);
            wanted.extend(policy.map(|policy| ("pattern", policy.pattern.clone().into())));
        }
        "create_passphrases" => {
            if let Some(key) = expected.keys.iter().find(|key| key.row == index) {
                if row["passphrase"] != Value::String(key.passphrase.clone()) {
                    lacks.push("has another passphrase".to_owned());
                }
                let expires = text(row, "expiration_date").parse::<Timestamp>().ok();
                if expires != key.expires {
                    lacks.push(format!("expires at {}, not {:?}", row["expiration_date"], key.expires));
                }
                wanted.extend([
                    ("vlan_id", key.vlan.into()),
                    ("number_of_devices", key.devices.into()),
                    ("revocation_date", Value::Null),
                ]);
            }
        }
        "activate_networks" if name.starts_with("create ") => {
            wanted.extend([
                ("type", "dpsk".into()),
                ("ssid", name.trim_start_matches("create ").into()),
            ]);
        }
        "activate_networks" if name.starts_with("link ") => {
            let ssid = name.trim_start_matches("link ");
            let network = expected.networks.iter().find(|network| network.ssid == ssid);
            wanted.extend(network.map(|network| ("pool_name", expected.pools[network.pool].name.clone().into())));
        }
        "activate_networks" if name.starts_with("activate ") => wanted.push(("is_all_ap_groups", true.into())),
        _ => {}
    }
    let differing = wanted.iter().filter(|(field, wanted)| row[*field] != *wanted);
    lacks.extend(differing.map(|(field, wanted)| format!("has {field} {}, not {wanted}", row[*field])));
    lacks
}
