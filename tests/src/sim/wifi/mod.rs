//! Wi-Fi networks, AP groups, and what is switched on where.

pub mod change;
mod ledger;
mod seed;
mod view;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::clock::Millis;
use super::model::{Kind, Origin, Ref};
use super::shelf::{Item, Shelf};

/// A Wi-Fi network.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct Network {
    pub id: String,
    pub name: String,
    /// `dpsk` and so on.
    pub kind: String,
    pub description: Option<String>,
    pub ssid: String,
    pub vlan_id: i64,
    pub security: String,
    pub enabled: bool,
    pub use_dpsk_service: bool,
    pub pool: Option<PoolLink>,
    /// What reads that are behind still show, and since when it is history.
    pub before: Before,
    pub origin: Origin,
}

/// The DPSK service of a network.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "self-explanatory")]
pub struct PoolLink {
    pub pool_id: String,
    pub created_at: Millis,
    pub request_id: Option<String>,
}

/// A network as it was before its last change.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "self-explanatory")]
pub struct Before {
    pub changed_at: Millis,
    pub places: Vec<Place>,
    pub pool_id: Option<String>,
}

/// Where a network is on the air, as the queries show it.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct Place {
    pub venue_id: String,
    pub ap_group_ids: Vec<String>,
    pub is_all_ap_groups: bool,
}

/// AP group of a venue. Every venue has a default one, which has no name.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct ApGroup {
    pub id: String,
    pub venue_id: String,
    pub name: String,
    pub description: Option<String>,
    pub is_default: bool,
    pub serials: Vec<String>,
    pub origin: Origin,
}

/// A network switched on in a venue.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct Activation {
    pub is_all_ap_groups: bool,
    /// AP groups it is on while it is not on all of them.
    pub ap_groups: BTreeMap<String, GroupSettings>,
    pub radio_types: Vec<String>,
    pub vlan_id: Option<i64>,
    pub scheduler: Value,
    /// False after an activation with an empty body: it works, but the queries do not show it, as seen live.
    pub shown: bool,
    /// Configurations sent to the APs of the venue on its account.
    pub pushes: u64,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub request_id: Option<String>,
}

/// Settings of a network on one AP group.
#[derive(Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct GroupSettings {
    pub radio_types: Vec<String>,
    pub vlan_id: Option<i64>,
    pub request_id: Option<String>,
}

macro_rules! item {
    ($type:ty, $scope:expr) => {
        impl Item for $type {
            fn id(&self) -> &str {
                &self.id
            }
            fn name(&self) -> &str {
                &self.name
            }
            fn set_name(&mut self, name: &str) {
                self.name = name.into();
            }
            fn scope(&self) -> &str {
                let scope: fn(&Self) -> &str = $scope;
                scope(self)
            }
            fn origin(&self) -> &Origin {
                &self.origin
            }
            fn origin_mut(&mut self) -> &mut Origin {
                &mut self.origin
            }
        }
    };
}

item!(Network, |_| "");
item!(ApGroup, |group| &group.venue_id);

/// All of it, of one tenant.
#[derive(Default)]
pub struct Wifi {
    /// Networks.
    pub networks: Shelf<Network>,
    /// AP groups of all venues.
    pub ap_groups: Shelf<ApGroup>,
    /// By network, then by venue.
    pub activations: BTreeMap<String, BTreeMap<String, Activation>>,
    /// Networks with a change under way, and until when: other changes are 423 meanwhile.
    pub busy: HashMap<String, Millis>,
}

impl Wifi {
    /// AP groups of a venue, oldest first.
    pub fn groups_of<'w>(&'w self, venue: &'w str) -> impl Iterator<Item = &'w ApGroup> {
        self.ap_groups.live().filter(move |group| group.venue_id == venue)
    }

    /// Networks on the air in an AP group.
    pub fn on_group<'w>(&'w self, group: &'w ApGroup) -> impl Iterator<Item = &'w str> {
        self.activations
            .iter()
            .filter(|(_, venues)| venues.get(&group.venue_id).is_some_and(|on| on.covers(group)))
            .map(|(network, _)| network.as_str())
    }

    /// Networks that use a DPSK service.
    pub fn of_pool<'w>(&'w self, pool: &'w str) -> impl Iterator<Item = &'w Network> {
        self.networks
            .live()
            .filter(move |network| network.pool.as_ref().is_some_and(|link| link.pool_id == pool))
    }

    /// The activation of a network in a venue.
    pub fn on(&self, venue: &str, network: &str) -> Option<&Activation> {
        self.activations.get(network)?.get(venue)
    }

    /// The same, to change it.
    pub fn on_mut(&mut self, venue: &str, network: &str) -> Option<&mut Activation> {
        self.activations.get_mut(network)?.get_mut(venue)
    }

    /// Activations of a network, by venue.
    pub fn of_network<'w>(&'w self, network: &str) -> impl Iterator<Item = (&'w String, &'w Activation)> {
        self.activations.get(network).into_iter().flatten()
    }

    /// Venues a network is on in.
    pub fn venues_of<'w>(&'w self, network: &'w str) -> impl Iterator<Item = &'w str> {
        self.of_network(network).map(|(venue, _)| venue.as_str())
    }

    /// Changes a network or AP group without a push: `name`, `description`, of a network `ssid` and `vlanId`, of a group
    /// `apSerialNumbers`.
    pub fn change(&mut self, of: &Ref, fields: &Map<String, Value>, now: Millis) {
        let text = |field: &str| fields.get(field).and_then(Value::as_str).map(str::to_owned);
        if of.kind == Kind::Network {
            if let Some(name) = text("name") {
                self.networks.rename(&of.id, &name);
            }
            if let Some(network) = self.networks.any_mut(&of.id) {
                network.origin.updated_at = now;
                network.description = text("description").or_else(|| network.description.take());
                network.ssid = text("ssid").unwrap_or_else(|| std::mem::take(&mut network.ssid));
                network.vlan_id = fields.get("vlanId").and_then(Value::as_i64).unwrap_or(network.vlan_id);
            }
            return;
        }
        if let Some(name) = text("name") {
            self.ap_groups.rename(&of.id, &name);
        }
        if let Some(group) = self.ap_groups.any_mut(&of.id) {
            group.origin.updated_at = now;
            group.description = text("description").or_else(|| group.description.take());
            if let Some(rows) = fields.get("apSerialNumbers").and_then(Value::as_array) {
                group.serials = rows.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            }
        }
    }

    /// Where a network is on the air: activations that the queries do not show are left out.
    pub fn places(&self, network: &str) -> Vec<Place> {
        let here = self.of_network(network).filter(|(_, on)| on.shown);
        here.map(|(venue, on)| Place {
            venue_id: venue.clone(),
            ap_group_ids: match on.is_all_ap_groups {
                true => self.groups_of(venue).map(|group| group.id.clone()).collect(),
                false => on.ap_groups.keys().cloned().collect(),
            },
            is_all_ap_groups: on.is_all_ap_groups,
        })
        .collect()
    }

    /// The same as a read sees it that is `stale_ms` behind.
    pub fn places_seen(&self, network: &Network, stale_ms: u64, now: Millis) -> Vec<Place> {
        match now < network.before.changed_at.saturating_add(stale_ms) {
            true => network.before.places.clone(),
            false => self.places(&network.id),
        }
    }
}

impl Activation {
    /// Whether an AP group of its venue is among those it is on.
    pub fn covers(&self, group: &ApGroup) -> bool {
        self.is_all_ap_groups || self.ap_groups.contains_key(&group.id)
    }
}
