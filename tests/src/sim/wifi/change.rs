//! Changes of what is on the air: links to DPSK services, activations in venues and on AP groups, their limits and what they cost.

use serde_json::Value;

use super::{Activation, Before, GroupSettings, Network, PoolLink};
use crate::sim::clock::Millis;
use crate::sim::errors::Fault;
use crate::sim::tenant::Tenant;

/// A change of one network; carried out when its activity ends.
#[derive(Clone)]
pub struct Change {
    /// The network.
    pub network: String,
    /// What becomes of it.
    pub what: What,
    /// The request that asked for it.
    pub request_id: String,
}

/// What a change does.
#[derive(Clone)]
#[allow(missing_docs, reason = "the operations of RUCKUS One")]
pub enum What {
    Link {
        pool: String,
    },
    Unlink,
    Activate {
        venue: String,
        settings: VenueSettings,
        shown: bool,
    },
    Deactivate {
        venue: String,
    },
    Settings {
        venue: String,
        settings: VenueSettings,
    },
    AddGroup {
        venue: String,
        group: String,
    },
    DropGroup {
        venue: String,
        group: String,
    },
    GroupSettings {
        venue: String,
        group: String,
        radio_types: Vec<String>,
        vlan_id: Option<i64>,
    },
    Update(Box<Network>),
}

/// Settings of an activation.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct VenueSettings {
    pub is_all_ap_groups: bool,
    pub radio_types: Vec<String>,
    pub vlan_id: Option<i64>,
    pub scheduler: Value,
}

/// Most SSIDs an AP group carries and most SSIDs a DPSK service serves.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "self-explanatory")]
pub struct Limits {
    pub ssids_per_ap_group: usize,
    pub ssids_per_pool: usize,
}

impl What {
    /// The kind of change in counts of pushes.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Link { .. } | Self::Unlink => "network_pool",
            Self::Activate { .. } | Self::Deactivate { .. } => "venue_network",
            Self::Settings { .. } => "venue_network_settings",
            Self::AddGroup { .. } | Self::DropGroup { .. } => "ap_group_network",
            Self::GroupSettings { .. } => "ap_group_network_settings",
            Self::Update(_) => "network",
        }
    }

    fn venue(&self) -> Option<&str> {
        match self {
            Self::Link { .. } | Self::Unlink | Self::Update(_) => None,
            Self::Activate { venue, .. }
            | Self::Deactivate { venue }
            | Self::Settings { venue, .. }
            | Self::AddGroup { venue, .. }
            | Self::DropGroup { venue, .. }
            | Self::GroupSettings { venue, .. } => Some(venue),
        }
    }
}

impl Tenant {
    /// Whether a change fits the limits and what it is about still exists.
    pub fn changeable(&self, change: &Change) -> Result<(), Fault> {
        let (id, limits) = (&change.network, self.limits);
        let network = self.wifi.networks.get(id);
        let network = network.ok_or_else(|| Fault::not_found("Wi-Fi network", id))?;
        let active = |venue: &str| self.wifi.on(venue, id);
        let on = |venue: &str| {
            active(venue).ok_or_else(|| Fault::not_found("Wi-Fi network on the venue", &format!("{venue}/{id}")))
        };
        match &change.what {
            What::Link { pool } => {
                self.pool(pool).ok_or_else(|| Fault::not_found("DPSK service", pool))?;
                let others = self.wifi.of_pool(pool).filter(|other| other.id != *id).count();
                match others < limits.ssids_per_pool {
                    true => Ok(()),
                    false => Err(too_many("DPSK service", limits.ssids_per_pool)),
                }
            }
            What::Unlink | What::Update(_) => Ok(()),
            What::Activate { venue, settings, .. } => match settings.is_all_ap_groups {
                true => self.room_everywhere(venue, network),
                false => Ok(()),
            },
            What::Settings { venue, settings } => {
                on(venue)?;
                match settings.is_all_ap_groups {
                    true => self.room_everywhere(venue, network),
                    false => Ok(()),
                }
            }
            What::Deactivate { venue } => on(venue).map(|_| ()),
            What::AddGroup { venue, group } => {
                if on(venue)?.is_all_ap_groups {
                    let text = "the Wi-Fi network is on all AP groups of the venue: set isAllApGroups to false first";
                    return Err(Fault::new(422, "WIFI-10001", text));
                }
                self.room(venue, group, network)
            }
            What::DropGroup { venue, group } | What::GroupSettings { venue, group, .. } => {
                let found = on(venue)?.ap_groups.contains_key(group);
                found
                    .then_some(())
                    .ok_or_else(|| Fault::not_found("AP group on the Wi-Fi network", group))
            }
        }
    }

    fn room_everywhere(&self, venue: &str, network: &Network) -> Result<(), Fault> {
        let groups: Vec<&str> = self.wifi.groups_of(venue).map(|group| group.id.as_str()).collect();
        groups
            .into_iter()
            .try_for_each(|group| self.room(venue, group, network))
    }

    fn room(&self, venue: &str, group: &str, network: &Network) -> Result<(), Fault> {
        let found = self.wifi.ap_groups.get(group).filter(|row| row.venue_id == venue);
        let row = found.ok_or_else(|| Fault::not_found("AP group", group))?;
        let others = self.wifi.on_group(row).filter(|other| *other != network.id).count();
        match others < self.limits.ssids_per_ap_group {
            true => Ok(()),
            false => Err(too_many("AP group", self.limits.ssids_per_ap_group)),
        }
    }

    /// Carries a change out and counts what it costs: one push for every venue whose APs get a new configuration.
    pub fn carry_out(&mut self, change: Change, now: Millis) -> Result<(), Fault> {
        self.changeable(&change)?;
        let Change {
            network: id,
            what,
            request_id,
        } = change;
        let (word, venue) = (what.word(), what.venue().map(str::to_owned));
        let mut venues: Vec<String> = self.wifi.venues_of(&id).map(str::to_owned).collect();
        if let Some(venue) = venue {
            venues = vec![venue];
        }
        let before = Before {
            changed_at: now,
            places: self.wifi.places(&id),
            pool_id: self.pool_of(&id),
        };
        self.change_network(&id, what, &request_id, now);
        if let Some(network) = self.wifi.networks.any_mut(&id) {
            network.origin.updated_at = now;
            network.before = before;
        }
        for venue in venues {
            self.counts.pushed(word);
            if let Some(on) = self.wifi.on_mut(&venue, &id) {
                (on.pushes, on.updated_at) = (on.pushes + 1, now);
            }
        }
        Ok(())
    }

    fn pool_of(&self, network: &str) -> Option<String> {
        let link = self.wifi.networks.any(network)?.pool.as_ref()?;
        Some(link.pool_id.clone())
    }

    fn change_network(&mut self, id: &str, what: What, request_id: &str, now: Millis) {
        let request_id = Some(request_id.to_owned());
        match what {
            What::Link { pool } => {
                if let Some(network) = self.wifi.networks.any_mut(id)
                    && network.pool.as_ref().is_none_or(|link| link.pool_id != pool)
                {
                    network.pool = Some(PoolLink {
                        pool_id: pool,
                        created_at: now,
                        request_id,
                    });
                }
            }
            What::Unlink => {
                if let Some(network) = self.wifi.networks.any_mut(id) {
                    network.pool = None;
                }
            }
            What::Activate { venue, settings, shown } => {
                let fresh = Activation {
                    created_at: now,
                    request_id,
                    ..Activation::default()
                };
                let venues = self.wifi.activations.entry(id.to_owned()).or_default();
                let on = venues.entry(venue).or_insert(fresh);
                on.shown |= shown;
                on.set(settings);
            }
            What::Deactivate { venue } => {
                if let Some(venues) = self.wifi.activations.get_mut(id) {
                    venues.remove(&venue);
                }
            }
            What::Settings { venue, settings } => {
                if let Some(on) = self.wifi.on_mut(&venue, id) {
                    on.shown = true;
                    on.set(settings);
                }
            }
            What::AddGroup { venue, group } => {
                if let Some(on) = self.wifi.on_mut(&venue, id) {
                    on.shown = true;
                    on.ap_groups.entry(group).or_insert(GroupSettings {
                        request_id,
                        ..GroupSettings::default()
                    });
                }
            }
            What::DropGroup { venue, group } => {
                if let Some(on) = self.wifi.on_mut(&venue, id) {
                    on.ap_groups.remove(&group);
                }
            }
            What::GroupSettings {
                venue,
                group,
                radio_types,
                vlan_id,
            } => {
                if let Some(row) = self.wifi.on_mut(&venue, id).and_then(|on| on.ap_groups.get_mut(&group)) {
                    (row.radio_types, row.vlan_id) = (radio_types, vlan_id);
                }
            }
            What::Update(new) => {
                self.wifi.networks.rename(id, &new.name);
                if let Some(network) = self.wifi.networks.any_mut(id) {
                    (network.description, network.ssid) = (new.description, new.ssid);
                    (network.vlan_id, network.security) = (new.vlan_id, new.security);
                    (network.enabled, network.use_dpsk_service) = (new.enabled, new.use_dpsk_service);
                }
            }
        }
    }
}

impl Activation {
    /// Off all AP groups it is on none, until each is added.
    fn set(&mut self, settings: VenueSettings) {
        if settings.is_all_ap_groups {
            self.ap_groups.clear();
        }
        self.is_all_ap_groups = settings.is_all_ap_groups;
        self.radio_types = settings.radio_types;
        (self.vlan_id, self.scheduler) = (settings.vlan_id, settings.scheduler);
    }
}

/// 422 for a limit; its code is not in the documents.
fn too_many(what: &str, limit: usize) -> Fault {
    Fault::new(422, "WIFI-10001", format!("{what}: at most {limit} SSIDs"))
}
