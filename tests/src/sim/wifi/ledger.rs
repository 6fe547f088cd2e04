//! What the ledger says about networks, their links and activations.

use serde_json::{Value, json};

use crate::sim::clock::iso;
use crate::sim::ledger::{born, surplus};
use crate::sim::tenant::Tenant;

impl Tenant {
    /// `(part, rows)`: networks, their links to DPSK services, activations in venues, AP groups. Here nothing is stale or hidden.
    pub fn ledger_wifi(&self) -> Vec<(&'static str, Vec<Value>)> {
        let networks = self.wifi.networks.live().map(|network| {
            let row = json!({"id": network.id, "name": network.name, "type": network.kind, "ssid": network.ssid,
                "description": network.description, "vlan_id": network.vlan_id, "security": network.security,
                "use_dpsk_service": network.use_dpsk_service,
                "dpsk_pool_id": network.pool.as_ref().map(|link| &link.pool_id)});
            born(row, &network.origin)
        });
        let links = self.wifi.networks.live().filter_map(|network| {
            let link = network.pool.as_ref()?;
            Some(
                json!({"network_id": network.id, "network_name": network.name, "pool_id": link.pool_id,
                "pool_name": self.pools.get(&link.pool_id).map(|pool| &pool.name), "created_at": iso(link.created_at),
                "created_by_request": link.request_id}),
            )
        });
        let activations = self
            .wifi
            .activations
            .iter()
            .flat_map(|(id, venues)| venues.iter().map(move |on| (id, on)));
        let activations = activations.map(|(id, (venue, on))| {
            let network = self.wifi.networks.any(id);
            let groups: Vec<Value> = on
                .ap_groups
                .iter()
                .map(|(group, settings)| {
                    json!({"id": group, "radio_types": settings.radio_types, "vlan_id": settings.vlan_id,
                           "created_by_request": settings.request_id})
                })
                .collect();
            json!({"venue_id": venue, "network_id": id, "network_name": network.map(|network| &network.name),
                "ssid": network.map(|network| &network.ssid), "is_all_ap_groups": on.is_all_ap_groups,
                "ap_groups": groups, "radio_types": on.radio_types, "vlan_id": on.vlan_id, "scheduler": on.scheduler,
                "shown": on.shown, "ap_pushes": on.pushes, "created_at": iso(on.created_at),
                "updated_at": iso(on.updated_at), "created_by_request": on.request_id})
        });
        let groups = self.wifi.ap_groups.live().map(|group| {
            let on: Vec<&str> = self.wifi.on_group(group).collect();
            let row = json!({"id": group.id, "venue_id": group.venue_id, "name": group.name,
                "description": group.description, "is_default": group.is_default,
                "ap_serial_numbers": group.serials, "wifi_network_ids": on});
            born(row, &group.origin)
        });
        vec![
            ("wifi_networks", networks.collect()),
            ("network_pools", links.collect()),
            ("activations", activations.collect()),
            ("ap_groups", groups.collect()),
        ]
    }

    /// Writes it takes to make what was not seeded: networks, links, activations.
    pub fn wifi_writes(&self) -> usize {
        let networks = self.wifi.networks.live();
        let made = networks.map(|network| {
            let link = network.pool.as_ref().is_some_and(|link| link.request_id.is_some());
            usize::from(network.origin.request_id.is_some()) + usize::from(link)
        });
        let on = self
            .wifi
            .activations
            .values()
            .flat_map(|venues| venues.values())
            .map(|on| {
                let groups = on.ap_groups.values().filter(|group| group.request_id.is_some());
                usize::from(on.request_id.is_some()) + groups.count()
            });
        made.sum::<usize>() + on.sum::<usize>()
    }

    /// Network names that exist once too often in the tenant, AP group names in their venue, and SSIDs in an AP group.
    pub fn wifi_twins(&self) -> (u64, u64, u64) {
        let names = surplus(self.wifi.networks.live().map(|network| ("", network.name.as_str())));
        let groups = self.wifi.ap_groups.live();
        let groups = surplus(groups.map(|group| (group.venue_id.as_str(), group.name.as_str())));
        // one SSID twice in a venue is one twin, in however many groups it is seen
        let ssids = self.venues.iter().map(|venue| {
            let each = self.wifi.groups_of(&venue.id).map(|group| {
                let on = self.wifi.on_group(group);
                surplus(
                    on.filter_map(|id| self.wifi.networks.any(id))
                        .map(|network| ("", network.ssid.as_str())),
                )
            });
            each.max().unwrap_or_default()
        });
        (names, groups, ssids.sum())
    }
}
