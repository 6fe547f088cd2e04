//! Networks and AP groups as RUCKUS One shows them.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Activation, ApGroup, Network, Place};
use crate::sim::clock::{Millis, iso};
use crate::sim::tenant::Tenant;
use crate::sim::view::compact;

fn place(place: &Place) -> Value {
    json!({"venueId": place.venue_id, "apGroupIds": place.ap_group_ids, "isAllApGroups": place.is_all_ap_groups})
}

impl Tenant {
    /// `GET /wifiNetworks/{id}`: its `venueApGroups` are those before the last change, as seen live.
    pub fn view_network(&self, network: &Network) -> Value {
        let places: Vec<Value> = network.before.places.iter().map(place).collect();
        compact(json!({
            "id": network.id, "name": network.name, "type": network.kind, "description": network.description,
            "useDpskService": network.use_dpsk_service, "venueApGroups": places,
            "wlan": {"ssid": network.ssid, "vlanId": network.vlan_id, "enabled": network.enabled,
                     "wlanSecurity": network.security},
        }))
    }

    /// A row of `POST /wifiNetworks/query`, `stale_ms` behind.
    pub fn network_row(&self, network: &Network, stale_ms: u64, now: Millis) -> Value {
        let places = self.wifi.places_seen(network, stale_ms, now);
        compact(json!({
            "id": network.id, "name": network.name, "description": network.description, "ssid": network.ssid,
            "vlan": network.vlan_id, "nwType": network.kind, "nwSubType": network.kind,
            "securityProtocol": network.security, "clientCount": 0, "apCount": 0,
            "venueApGroups": places.iter().map(place).collect::<Vec<_>>(),
            "crtTime": iso(network.origin.created_at), "lastUpdTime": iso(network.origin.updated_at),
        }))
    }

    /// Networks on the air by AP group, as a read sees them that is `stale_ms` behind.
    pub fn networks_by_group(&self, stale_ms: u64, now: Millis) -> HashMap<String, Vec<&str>> {
        let mut found: HashMap<String, Vec<&str>> = HashMap::new();
        for network in self.wifi.networks.live() {
            for place in self.wifi.places_seen(network, stale_ms, now) {
                for group in place.ap_group_ids {
                    found.entry(group).or_default().push(&network.id);
                }
            }
        }
        found
    }
}

impl ApGroup {
    /// A row of `POST /venues/apGroups/query` with the networks on it.
    pub fn row(&self, networks: &[&str]) -> Value {
        let mut row = self.view();
        row["venueId"] = self.venue_id.as_str().into();
        row["wifiNetworkIds"] = networks.into();
        row["clientCount"] = 0.into();
        row
    }

    /// `GET /venues/{v}/apGroups/{id}`: the default group has no name.
    pub fn view(&self) -> Value {
        let name = Some(&self.name).filter(|name| !name.is_empty());
        compact(
            json!({"id": self.id, "name": name, "description": self.description, "isDefault": self.is_default,
                       "apSerialNumbers": self.serials}),
        )
    }
}

impl Activation {
    /// `GET /venues/{v}/wifiNetworks/{n}/settings`.
    pub fn view(&self) -> Value {
        compact(
            json!({"isAllApGroups": self.is_all_ap_groups, "allApGroupsRadioTypes": self.radio_types,
                       "allApGroupsVlanId": self.vlan_id, "scheduler": self.scheduler}),
        )
    }
}
