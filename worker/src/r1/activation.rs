//! Wi-Fi networks on the air: in a venue as a whole, or on single AP groups of it.
//!
//! Whether a network is active is not read here but by [`R1::wifi_networks_of_venue`], which is right at once; the network itself
//! shows activations of the past for a while.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::wire::Request;
use super::{R1, Written};
use crate::gate::Permit;
use crate::remote::CallError;

/// A radio band.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Radio {
    #[serde(rename = "2.4-GHz")]
    Ghz2_4,
    #[serde(rename = "5-GHz")]
    Ghz5,
    #[serde(rename = "6-GHz")]
    Ghz6,
    #[serde(untagged)]
    Other(String),
}

/// How a network is active in a venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VenueSettings {
    /// On all AP groups, those made later included; `false`: on those it was activated on one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_all_ap_groups: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_ap_groups_radio_types: Option<Vec<Radio>>,
    /// 1–4094; absent: the network's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_ap_groups_vlan_id: Option<u16>,
    /// The schedule and whatever else there is: written back as it was read.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// How a network is active on one AP group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApGroupSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radio_types: Option<Vec<Radio>>,
    /// 1–4094; absent: the network's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan_id: Option<u16>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl R1 {
    /// `PUT /venues/{venue}/wifiNetworks/{network}`: on all AP groups of the venue, always on, 2.4 and 5 GHz. All of it is said:
    /// after an empty body the controller was seen to go on showing what was before.
    pub async fn activate_network(&self, permit: Permit, venue: &str, network: &str) -> Result<Written, CallError> {
        let body = json!({
            "venueId": venue,
            "networkId": network,
            "apGroups": [],
            "scheduler": {"type": "ALWAYS_ON"},
            "isAllApGroups": true,
            "allApGroupsRadio": "Both",
            "allApGroupsRadioTypes": [Radio::Ghz2_4, Radio::Ghz5],
        });
        let request = Request::write(Method::PUT, ["venues", venue, "wifiNetworks", network]).json(&body, Vec::new());
        self.write(permit, request).await
    }

    /// `DELETE /venues/{venue}/wifiNetworks/{network}`: nowhere in the venue.
    pub async fn deactivate_network(&self, permit: Permit, venue: &str, network: &str) -> Result<Written, CallError> {
        let path = ["venues", venue, "wifiNetworks", network];
        self.write(permit, Request::write(Method::DELETE, path)).await
    }

    /// `GET /venues/{venue}/wifiNetworks/{network}/settings`. [`CallError::NotFound`] when it is not active there.
    pub async fn venue_settings(&self, permit: Permit, venue: &str, network: &str) -> Result<VenueSettings, CallError> {
        let path = ["venues", venue, "wifiNetworks", network, "settings"];
        self.wire.call(permit, Request::read(Method::GET, path)).await?.parse()
    }

    /// `PUT /venues/{venue}/wifiNetworks/{network}/settings`. What is absent is cleared: start from the settings that were read.
    pub async fn update_venue_settings(
        &self,
        permit: Permit,
        venue: &str,
        network: &str,
        settings: &VenueSettings,
    ) -> Result<Written, CallError> {
        let path = ["venues", venue, "wifiNetworks", network, "settings"];
        let request = Request::write(Method::PUT, path).json(settings, Vec::new());
        self.write(permit, request).await
    }

    /// `PUT /venues/{venue}/wifiNetworks/{network}/apGroups/{group}`: on one AP group, for networks that are not on all of them. The
    /// changes of one AP group have to be made strictly one after another. An AP group carries at most 15 SSIDs.
    pub async fn activate_on_ap_group(
        &self,
        permit: Permit,
        venue: &str,
        network: &str,
        group: &str,
    ) -> Result<Written, CallError> {
        let path = ["venues", venue, "wifiNetworks", network, "apGroups", group];
        self.write(permit, Request::write(Method::PUT, path)).await
    }

    /// `DELETE /venues/{venue}/wifiNetworks/{network}/apGroups/{group}`.
    pub async fn deactivate_on_ap_group(
        &self,
        permit: Permit,
        venue: &str,
        network: &str,
        group: &str,
    ) -> Result<Written, CallError> {
        let path = ["venues", venue, "wifiNetworks", network, "apGroups", group];
        self.write(permit, Request::write(Method::DELETE, path)).await
    }

    /// `GET …/apGroups/{group}/settings`.
    pub async fn ap_group_settings(
        &self,
        permit: Permit,
        venue: &str,
        network: &str,
        group: &str,
    ) -> Result<ApGroupSettings, CallError> {
        let path = ["venues", venue, "wifiNetworks", network, "apGroups", group, "settings"];
        self.wire.call(permit, Request::read(Method::GET, path)).await?.parse()
    }

    /// `PUT …/apGroups/{group}/settings`. What is absent is cleared: start from the settings that were read.
    pub async fn update_ap_group_settings(
        &self,
        permit: Permit,
        venue: &str,
        network: &str,
        group: &str,
        settings: &ApGroupSettings,
    ) -> Result<Written, CallError> {
        let path = ["venues", venue, "wifiNetworks", network, "apGroups", group, "settings"];
        let request = Request::write(Method::PUT, path).json(settings, Vec::new());
        self.write(permit, request).await
    }
}
