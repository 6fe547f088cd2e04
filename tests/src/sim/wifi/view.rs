//! Networks and AP groups as RUCKUS One shows them.

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

    /// A row of `POST /venues/apGroups/query`, `stale_ms` behind.
    pub fn ap_group_row(&self, group: &ApGroup, stale_ms: u64, now: Millis) -> Value {
        let here = |network: &&Network| {
            // a read that is not behind needs no list of places
            if stale_ms == 0 {
                let on = self.wifi.on(&group.venue_id, &network.id);
                return on.is_some_and(|on| on.shown && on.covers(group));
            }
            let places = self.wifi.places_seen(network, stale_ms, now);
            places
                .iter()
                .any(|place| place.venue_id == group.venue_id && place.ap_group_ids.contains(&group.id))
        };
        let networks: Vec<&str> = self
            .wifi
            .networks
            .live()
            .filter(here)
            .map(|network| network.id.as_str())
            .collect();
        let mut row = group.view();
        row["venueId"] = group.venue_id.as_str().into();
        row["wifiNetworkIds"] = networks.into();
        row["clientCount"] = 0.into();
        row
    }
}

impl ApGroup {
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
