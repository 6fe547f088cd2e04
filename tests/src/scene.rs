//! Imports with everything switched on: the options for an export, and what RUCKUS One has to hold before.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::verify::{Options, expected_with, unambiguous_ssids};

/// SSIDs an AP group carries, at most.
const SSIDS_MAX: usize = 15;
/// The network that is there already; the others are made.
const NETWORK: &str = "network-1";

/// Errors of keys that an import with `name_conflict=update` cannot mend: the passphrase stands under another user's name, or RUCKUS One
/// still has a write of that name in its works. People delete one of the two there.
pub const LEFT_TO_PEOPLE: [&str; 2] = ["PASSPHRASE_TAKEN", "DPSK-020"];

/// Tasks that did not succeed and are not left to people, each in a line.
pub fn not_mended(tasks: &[Value]) -> Vec<String> {
    let text = |task: &Value, field: &str| task[field].as_str().unwrap_or_default().to_owned();
    let bad = tasks.iter().filter(|task| {
        let is_left_to_people = text(task, "phase") == "create_passphrases"
            && text(task, "status") == "FAILED"
            && LEFT_TO_PEOPLE.contains(&text(task, "error_code").as_str());
        !is_left_to_people && !["COMPLETED", "SKIPPED"].contains(&text(task, "status").as_str())
    });
    bad.map(|task| {
        format!(
            "{} {:?} is {}: {} [{}]",
            text(task, "phase"),
            text(task, "name"),
            text(task, "status"),
            text(task, "error_message"),
            text(task, "error_code")
        )
    })
    .collect()
}

/// What an import is given, and what is seeded for it.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Options of the import.
    pub options: Map<String, Value>,
    /// For the simulator's `/_sim/seed`, without the tenant.
    pub seed: Map<String, Value>,
}

impl Scene {
    /// `policies`: one for each suffix of user names, each with the RADIUS attribute group it answers with. `activate`: every SSID
    /// that only one pool uses, the first of them by a network that is there.
    pub fn of(export: &Value, policies: bool, activate: bool) -> Result<Self, String> {
        let mut scene = Scene::default();
        let (mut set, mut seed) = (
            |name: &str, value: Value| _ = scene.options.insert(name.to_owned(), value),
            Map::new(),
        );
        if policies {
            set("include_adaptive_policy_sets", true.into());
            let options = Options {
                policies,
                ..Options::default()
            };
            let wanted = expected_with(export, &options, Timestamp::now())?.policies;
            let groups: Value = wanted.iter().map(|policy| json!({"name": policy.suffix})).collect();
            seed.insert("radius_attribute_groups".to_owned(), groups);
        }
        if activate {
            let export = export.get("dpsk_data").unwrap_or(export);
            let ssids: Vec<String> = unambiguous_ssids(export).into_iter().take(SSIDS_MAX).collect();
            let network = |at: usize| if at == 0 { NETWORK } else { "create" };
            let map: Map<String, Value> = ssids
                .iter()
                .enumerate()
                .map(|(at, ssid)| (ssid.clone(), network(at).into()))
                .collect();
            set("just_copy_dpsks", false.into());
            set("ssid_network_map", map.into());
            let there = ssids
                .first()
                .map(|ssid| json!({"id": NETWORK, "name": "Ground floor", "ssid": ssid}));
            seed.insert("wifi_networks".to_owned(), there.into_iter().collect());
            seed.insert("ap_groups".to_owned(), json!([{"name": "Top floor"}]));
        }
        scene.seed = seed;
        Ok(scene)
    }

    /// For an import after a storm: what stands and differs is set right.
    pub fn mend(&mut self) {
        self.options.insert("name_conflict".to_owned(), "update".into());
    }

    /// The options as the client command takes them.
    pub fn arguments(&self) -> Vec<String> {
        let one = |(name, value): (&String, &Value)| ["--option".to_owned(), format!("{name}={value}")];
        self.options.iter().flat_map(one).collect()
    }
}

/// Takes out of a ledger what only tells that, and when, something was done: what is left is what there is.
pub fn timeless(ledger: &mut Value) {
    match ledger {
        Value::Object(fields) => {
            for time in ["ap_pushes", "updated_at", "shown"] {
                fields.remove(time);
            }
            fields.values_mut().for_each(timeless);
        }
        Value::Array(all) => all.iter_mut().for_each(timeless),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_somebody_has_to_delete_first_may_be_left() {
        let task = |phase: &str, status: &str, code: &str| json!({"phase": phase, "name": "anna", "status": status, "error_code": code});
        let fine = [
            task("create_passphrases", "COMPLETED", ""),
            task("create_passphrases", "SKIPPED", "EXPIRED"),
            task("create_passphrases", "FAILED", "PASSPHRASE_TAKEN"),
            task("create_passphrases", "FAILED", "DPSK-020"),
        ];
        assert_eq!(not_mended(&fine), Vec::<String>::new());
        for bad in [
            task("create_passphrases", "UNKNOWN", "DPSK-020"),
            task("create_passphrases", "FAILED", "NAME_CONFLICT"),
            task("attach_policies", "FAILED", "PASSPHRASE_TAKEN"),
            task("create_passphrases", "CANCELLED", ""),
        ] {
            assert_eq!(not_mended(&[bad]).len(), 1);
        }
    }
}
