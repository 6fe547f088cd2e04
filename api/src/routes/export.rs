//! The shapes of an export, for the OpenAPI document. The body itself is read as a stream; what is not named here is passed over.
#![allow(dead_code, reason = "for the OpenAPI document")]

use serde::Serialize;
use utoipa::ToSchema;

/// What people have: the extractor's object, a bare array of DPSKs, or a full export.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum DpskData {
    Extracted(ExtractedPool),
    Dpsks(Vec<Dpsk>),
    Full(FullExport),
}

/// One pool, as the extractor writes it: `{metadata, pool, dpsks[]}`.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({
    "metadata": {"mode": "dpsk_only"},
    "pool": {"guid": "AccountDpskPool-1", "displayName": "Lobby"},
    "dpsks": [{"guid": "AccountDpsk-1", "name": "anna", "passphrase": "correct horse battery", "vlanid": "44"}]
})))]
pub struct ExtractedPool {
    pool: Pool,
    dpsks: Vec<Dpsk>,
}

/// Everything: `{…, dpskPools: [{…, dpsks[]}]}`.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({
    "dpskPools": [{"guid": "AccountDpskPool-1", "displayName": "Lobby", "dpsks": [
        {"guid": "AccountDpsk-1", "name": "anna", "passphrase": "correct horse battery"}]}]
})))]
pub struct FullExport {
    #[serde(rename = "dpskPools")]
    dpsk_pools: Vec<PoolWithDpsks>,
}

#[derive(Serialize, ToSchema)]
pub struct PoolWithDpsks {
    #[serde(flatten)]
    pool: Pool,
    dpsks: Vec<Dpsk>,
}

/// A Cloudpath pool. These fields are read, others are passed over.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CloudpathPool)]
pub struct Pool {
    /// Tells the pool from others of its name.
    guid: String,
    /// The identity group and the pool in RUCKUS One are named after it.
    display_name: String,
    description: Option<String>,
    enabled: Option<bool>,
    phrase_default_length: Option<u32>,
    ssid_list: Option<Vec<String>>,
    enforce_expiration_date: Option<bool>,
    #[schema(example = "MONTHS_AFTER_TIME")]
    expiration_date_type: Option<String>,
    #[schema(example = "12")]
    expiration_date_value: Option<String>,
    enforce_device_count_limit: Option<bool>,
    device_count_limit: Option<u32>,
    supports_policies: Option<bool>,
    #[schema(example = "ACCEPT")]
    default_access: Option<String>,
}

/// A key. These fields are read, others are passed over; a likely misspelling of one that is missing (`vlanId`, `expirationDate`,
/// `username`) is a fault.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CloudpathDpsk)]
pub struct Dpsk {
    /// Identifies the key in Cloudpath; once in an export.
    guid: String,
    /// The user's name. Empty or missing: `DPSK-<guid>`.
    name: Option<String>,
    /// 8 to 63 printable ASCII characters.
    #[schema(min_length = 8, max_length = 63, write_only)]
    passphrase: String,
    /// Other than `ACTIVE`: the key is skipped.
    #[schema(default = "ACTIVE")]
    status: Option<String>,
    ssid_list: Option<Vec<String>>,
    /// With an offset.
    #[schema(example = "2026-06-15T00:00-07:00[America/Denver]")]
    expiration_date_time: Option<String>,
    /// False: `deviceCountLimit` means nothing. Required beside a limit.
    use_device_count_limit: Option<bool>,
    device_count_limit: Option<u32>,
    /// 1 to 4094, as a string or a number; empty: none.
    #[serde(rename = "vlanid")]
    vlan_id: Option<Vlan>,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Vlan {
    Text(String),
    Number(u16),
}
