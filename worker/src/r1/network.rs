//! Wi-Fi networks, and the DPSK pools linked to them.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::sweep::{List, Row};
use super::wire::{Media, Request};
use super::{R1, Sweep, Written};
use crate::gate::Permit;
use crate::remote::CallError;

/// What is asked of each network: a query that names no fields leaves it to the controller which come.
const FIELDS: [&str; 7] = [
    "id",
    "name",
    "ssid",
    "nwSubType",
    "vlan",
    "securityProtocol",
    "venueApGroups",
];

/// A Wi-Fi network as the query shows it. (Read by its id, it shows activations of the past.)
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WifiNetwork {
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub ssid: Option<String>,
    /// `dpsk`, `psk`, `aaa`, `guest`, `open`, `hotspot20`.
    #[serde(default)]
    pub nw_sub_type: Option<String>,
    #[serde(default)]
    pub vlan: Option<u32>,
    #[serde(default)]
    pub security_protocol: Option<String>,
    /// Where it is active.
    #[serde(default)]
    pub venue_ap_groups: Option<Vec<VenueApGroups>>,
}

/// Where in a venue a network is active.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VenueApGroups {
    pub venue_id: String,
    #[serde(default)]
    pub ap_group_ids: Option<Vec<String>>,
    /// On all AP groups, those made later included.
    #[serde(default)]
    pub is_all_ap_groups: Option<bool>,
}

impl WifiNetwork {
    /// How it is active in a venue; `None` when it is not.
    pub fn at(&self, venue: &str) -> Option<&VenueApGroups> {
        self.venue_ap_groups.iter().flatten().find(|v| v.venue_id == venue)
    }

    /// Whether it takes DPSKs.
    pub fn is_dpsk(&self) -> bool {
        self.nw_sub_type
            .as_deref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("dpsk"))
    }
}

impl Row for WifiNetwork {
    fn id(&self) -> &str {
        &self.id
    }
}

/// How clients of a DPSK network and its access points talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Security {
    #[serde(rename = "WPA2Personal")]
    Wpa2Personal,
    /// WPA2 and WPA3 side by side.
    #[serde(rename = "WPA23Mixed")]
    Wpa23Mixed,
}

/// A DPSK network to be made. It is active nowhere, and takes no key before a pool is linked to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDpskNetwork {
    /// Unique in the tenant; 2–32 characters, no white space at the ends, no backtick.
    pub name: String,
    /// The same, but not unique.
    pub ssid: String,
    /// 1–4094, for clients whose key names none.
    pub vlan: u16,
    pub security: Security,
}

/// A DPSK pool as a network names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LinkedPool {
    pub id: String,
    #[serde(default)]
    pub name: String,
}

/// A list in any of the forms lists come in.
#[derive(Deserialize)]
#[serde(untagged)]
enum Linked {
    Bare(Vec<LinkedPool>),
    Page {
        #[serde(alias = "content")]
        data: Vec<LinkedPool>,
    },
}

impl R1 {
    /// All Wi-Fi networks of the tenant.
    pub fn wifi_networks(&self) -> Sweep<WifiNetwork> {
        self.query_networks(Map::new())
    }

    /// Those active in a venue. (By this key and no other: `venueId` is refused, and keys the query does not know give nothing, or
    /// everything.)
    pub fn wifi_networks_of_venue(&self, venue: &str) -> Sweep<WifiNetwork> {
        self.query_networks(Map::from_iter([("venueApGroups.venueId".into(), json!([venue]))]))
    }

    fn query_networks(&self, filters: Map<String, serde_json::Value>) -> Sweep<WifiNetwork> {
        let mut body = Map::from_iter([("fields".into(), json!(FIELDS))]);
        if !filters.is_empty() {
            body.insert("filters".into(), filters.into());
        }
        let path = ["wifiNetworks", "query"].map(String::from).to_vec();
        let media = Media::Json;
        Sweep::new(self, List::Body { path, media, body })
    }

    /// `POST /wifiNetworks`. Licences may be lacking: the activity then fails with WIFI-10126.
    pub async fn create_dpsk_network(&self, permit: Permit, network: &NewDpskNetwork) -> Result<Written, CallError> {
        let body = json!({
            "type": "dpsk",
            "name": network.name,
            "useDpskService": true,
            "wlan": {
                "ssid": network.ssid,
                "vlanId": network.vlan,
                "enabled": true,
                "wlanSecurity": network.security,
                "advancedCustomization": {},
            },
        });
        let request = Request::write(Method::POST, ["wifiNetworks"]).json(&body, Vec::new());
        self.write(permit, request).await
    }

    /// `DELETE /wifiNetworks/{id}`.
    pub async fn delete_wifi_network(&self, permit: Permit, id: &str) -> Result<Written, CallError> {
        self.write(permit, Request::write(Method::DELETE, ["wifiNetworks", id]))
            .await
    }

    /// `GET /wifiNetworks/{network}/dpskServices`: the pools linked to it.
    pub async fn pools_of_network(&self, permit: Permit, network: &str) -> Result<Vec<LinkedPool>, CallError> {
        let request = Request::read(Method::GET, ["wifiNetworks", network, "dpskServices"]);
        let answer = self.wire.call(permit, request).await?;
        if answer.json().is_none() {
            return Ok(Vec::new());
        }
        Ok(match answer.parse()? {
            Linked::Bare(pools) | Linked::Page { data: pools } => pools,
        })
    }

    /// `PUT /wifiNetworks/{network}/dpskServices/{pool}`. Ask [`R1::pools_of_network`] before: linking again what is linked sends a
    /// new configuration to every access point of the network. A pool serves at most 64 SSIDs.
    pub async fn link_pool(&self, permit: Permit, network: &str, pool: &str) -> Result<Written, CallError> {
        let path = ["wifiNetworks", network, "dpskServices", pool];
        self.write(permit, Request::write(Method::PUT, path)).await
    }

    /// `DELETE /wifiNetworks/{network}/dpskServices/{pool}`.
    pub async fn unlink_pool(&self, permit: Permit, network: &str, pool: &str) -> Result<Written, CallError> {
        let path = ["wifiNetworks", network, "dpskServices", pool];
        self.write(permit, Request::write(Method::DELETE, path)).await
    }
}
