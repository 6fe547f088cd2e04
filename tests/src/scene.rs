//! Imports with everything switched on: the options for an export, and what RUCKUS One has to hold before.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::verify::{Options, expected_with, unambiguous_ssids};

/// SSIDs an AP group carries, at most.
const SSIDS_MAX: usize = 15;
/// The network that is there already; the others are made.
const NETWORK: &str = "network-1";

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

    /// The options as the client command takes them.
    pub fn arguments(&self) -> Vec<String> {
        let one = |(name, value): (&String, &Value)| ["--option".to_owned(), format!("{name}={value}")];
        self.options.iter().flat_map(one).collect()
    }
}
