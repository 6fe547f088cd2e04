//! What a task is about, from its place among the tasks of its phase: kind and key of an object, whether it is there or not.

use serde_json::Value;

use super::super::expect::{Expected, Key};
use super::super::text;

/// None: a task that only looks.
pub fn of(task: &Value, expected: &Expected) -> Option<(&'static str, String)> {
    let (name, index) = (text(task, "name"), task["index"].as_u64()? as usize);
    let (policies, places) = (
        expected.policies.len(),
        expected.sets.iter().map(|set| set.policies.len()).sum::<usize>(),
    );
    let kind = match text(task, "phase") {
        "create_identity_groups" => "identity_group",
        "create_dpsk_pools" => "dpsk_pool",
        "create_policy_sets" if index < policies => "policy",
        "create_policy_sets" => "policy_set",
        "attach_policies" if index < policies => "condition",
        "attach_policies" if index < policies + places => "prioritized_policy",
        "attach_policies" => "pool_policy_set",
        "create_passphrases" => {
            let key = key(task, expected)?;
            return Some(("passphrase", key_of(&expected.pools[key.pool].name, &key.username)));
        }
        "activate_networks" if name.starts_with("create ") => "wifi_network",
        "activate_networks" if name.starts_with("link ") => "network_pool",
        "activate_networks" => "activation",
        _ => return None,
    };
    Some((kind, name.to_owned()))
}

/// The key a task is to make.
pub fn key<'a>(task: &Value, expected: &'a Expected) -> Option<&'a Key> {
    let index = task["index"].as_u64()? as usize;
    let mut keys = expected.keys.iter();
    keys.find(|key| text(task, "phase") == "create_passphrases" && key.row == index)
}

/// User names are unique in their pool.
pub fn key_of(pool: &str, username: &str) -> String {
    format!("{username}\u{1}{pool}")
}
