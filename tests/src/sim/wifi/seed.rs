//! Seeding networks, their activations, and AP groups.

use serde_json::{Map, Value, json};

use super::{Activation, ApGroup, GroupSettings, Network, PoolLink};
use crate::sim::model::{Kind, Ref};
use crate::sim::seed::{Seeder, name, optional};
use crate::sim::tenant::Tenant;

type Row = Map<String, Value>;

/// The id of the default AP group of a venue.
pub fn default_group(venue: &str) -> String {
    format!("{venue}-default")
}

impl Tenant {
    /// Gives a venue the AP group every venue has.
    pub fn add_default_group(&mut self, venue: &str, now: u64) {
        let (id, origin) = (default_group(venue), self.origin(None, now));
        self.wifi.ap_groups.insert(ApGroup {
            id: id.clone(),
            venue_id: venue.into(),
            is_default: true,
            origin,
            ..ApGroup::default()
        });
        self.wifi.ap_groups.appear(&id);
    }
}

impl Seeder<'_> {
    fn venue_id(&self, wanted: Option<&str>) -> Result<String, String> {
        let venues = &self.tenant.venues;
        let found = venues
            .iter()
            .find(|venue| wanted.is_none_or(|wanted| venue.id == wanted || venue.name == wanted));
        found
            .map(|venue| venue.id.clone())
            .ok_or_else(|| "/venue: no such object".into())
    }

    /// `{name, venue?, description?, apSerialNumbers?}`; without a venue it is in the first.
    pub fn ap_group(&mut self, row: &Row) -> Result<String, String> {
        let (id, origin) = (self.id(row)?, self.tenant.origin(None, self.now));
        let serials = row.get("apSerialNumbers").cloned().unwrap_or(Value::Null);
        let venue_id = self.venue_id(row.get("venue").and_then(Value::as_str))?;
        self.tenant.wifi.ap_groups.insert(ApGroup {
            id: id.clone(),
            venue_id,
            name: name(row, "name")?,
            description: optional(row, "description"),
            is_default: false,
            serials: serials
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            origin,
        });
        self.tenant.appear(&Ref::new(Kind::ApGroup, &id));
        Ok(id)
    }

    /// `{name, ssid?, type?, vlanId?, useDpskService?, pool?, activations: [{venue, apGroups?: [name or id]}]}`. Without `apGroups` it
    /// is on all of them.
    pub fn network(&mut self, row: &Row) -> Result<String, String> {
        let (id, origin, name) = (self.id(row)?, self.tenant.origin(None, self.now), name(row, "name")?);
        let pool = self.container(row, "pool")?;
        let pool = pool.map(|pool_id| PoolLink {
            pool_id,
            created_at: self.now,
            request_id: None,
        });
        self.tenant.wifi.networks.insert(Network {
            id: id.clone(),
            kind: optional(row, "type").unwrap_or_else(|| "dpsk".into()),
            description: optional(row, "description"),
            ssid: optional(row, "ssid").unwrap_or_else(|| name.clone()),
            name,
            vlan_id: row.get("vlanId").and_then(Value::as_i64).unwrap_or(1),
            security: "WPA2Personal".into(),
            enabled: true,
            use_dpsk_service: row.get("useDpskService") != Some(&Value::Bool(false)),
            pool,
            origin,
            ..Network::default()
        });
        self.tenant.appear(&Ref::new(Kind::Network, &id));
        for (index, on) in row
            .get("activations")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            self.activation(&id, on)
                .map_err(|text| format!("/activations/{index}{text}"))?;
        }
        Ok(id)
    }

    fn activation(&mut self, network: &str, row: &Value) -> Result<(), String> {
        let venue = self.venue_id(row["venue"].as_str())?;
        let mut on = Activation {
            is_all_ap_groups: row["apGroups"].is_null(),
            radio_types: vec!["2.4-GHz".into(), "5-GHz".into()],
            scheduler: json!({"type": "ALWAYS_ON"}),
            shown: true,
            created_at: self.now,
            updated_at: self.now,
            ..Activation::default()
        };
        for wanted in row["apGroups"].as_array().into_iter().flatten() {
            let (wanted, all) = (wanted.as_str().unwrap_or_default(), &self.tenant.wifi.ap_groups);
            let found = all.any(wanted).or_else(|| all.owner(&venue, wanted));
            let id = found.map(|group| group.id.clone()).ok_or("/apGroups: no such object")?;
            on.ap_groups.insert(id, GroupSettings::default());
        }
        let venues = self.tenant.wifi.activations.entry(network.into()).or_default();
        venues.insert(venue, on);
        Ok(())
    }
}
