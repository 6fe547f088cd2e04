//! The options of an import, as far as they decide what should stand afterwards. Read from the JSON a caller submits.

use std::collections::BTreeMap;

use serde_json::Value;

/// What becomes of keys that have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expired {
    /// Imported without an expiry.
    #[default]
    Import,
    Skip,
    /// Whole years later, until it lies ahead.
    Renew,
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    pub by_vlan: bool,
    pub policies: bool,
    pub expired: Expired,
    /// SSID → id of a network, or `create`.
    pub ssids: BTreeMap<String, String>,
}

impl Options {
    /// `name_conflict` and `invalid_rows` decide nothing of an import into an empty tenant of an export without faults.
    pub fn read(options: &Value) -> Self {
        let is = |name: &str| options[name] == true;
        let ssids = options["ssid_network_map"].as_object().into_iter().flatten();
        Options {
            by_vlan: is("group_by_vlan"),
            policies: is("include_adaptive_policy_sets"),
            expired: match options["expired"].as_str() {
                Some("skip") => Expired::Skip,
                Some("renew") => Expired::Renew,
                _ => Expired::Import,
            },
            ssids: ssids
                .filter_map(|(ssid, network)| Some((ssid.clone(), network.as_str()?.to_owned())))
                .collect(),
        }
    }
}
