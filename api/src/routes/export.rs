//! The shapes of an import and its export, for the OpenAPI document. The body itself is read as a stream; what is not named here is passed over.
#![allow(dead_code, reason = "for the OpenAPI document")]

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use crate::openapi::scalars::{Flag, Guid, Info, Name, Ssids, Title, Vlan, Whole};
use crate::openapi::words::{ExpiredWord, InvalidRowsWord, NameConflictWord};

/// What is sent to import an export. Other members are refused.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Import)]
pub struct ImportBody {
    /// One of the tenant's controllers.
    #[schema(example = 1)]
    controller_id: i64,
    /// Id of the venue, from the address of its page in RUCKUS One.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "venue-sim-1"
    )]
    venue_id: String,
    dpsk_data: DpskData,
    options: Option<ImportOptions>,
}

/// Absent and null mean the default; other options are refused.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ImportOptions {
    /// `false`: also activates the networks of `ssid_network_map`.
    #[schema(default = true)]
    just_copy_dpsks: Option<bool>,
    /// Per pool one policy set `<pool>-PS`; per suffix behind the last `_` of the user names one policy `<suffix>-POL`, which answers with
    /// the RADIUS attribute group of that name. A missing group fails `parse_validate` (`RADIUS_GROUP_MISSING`) before anything is made.
    #[schema(default = false)]
    include_adaptive_policy_sets: Option<bool>,
    /// One group and one pool per VLAN.
    #[schema(default = false)]
    group_by_vlan: Option<bool>,
    #[schema(value_type = Option<NameConflictWord>, default = "fail")]
    name_conflict: Option<String>,
    #[schema(value_type = Option<InvalidRowsWord>, default = "fail")]
    invalid_rows: Option<String>,
    #[schema(value_type = Option<ExpiredWord>, default = "import")]
    expired: Option<String>,
    /// SSID → id of an existing network, or `create`; at most 15. Needs `just_copy_dpsks: false`. SSIDs that are not named are not
    /// activated, and told in the facts of `parse_validate`.
    #[schema(schema_with = network_map)]
    ssid_network_map: Option<()>,
    /// Pauses the job above this share of failed tasks.
    #[schema(minimum = 0, maximum = 100, example = 5)]
    failure_budget_percent: Option<f64>,
    /// For the whole job; null: from its size.
    #[schema(minimum = 1, maximum = 2592000, example = 7200)]
    timeout_seconds: Option<u64>,
    /// Holds the job in `AWAITING_CONFIRMATION`: nothing is asked of the controller until it is confirmed. It is
    /// cancelled when nobody does within `JOB_TTL_DAYS`.
    #[schema(default = false)]
    require_confirmation: Option<bool>,
    /// Hash of a plan of the same export and options: the import begins only if a plan made now would be the same. Not for plans.
    #[schema(
        min_length = 32,
        max_length = 32,
        pattern = "^[0-9A-Fa-f]{32}$",
        nullable = false,
        example = "5f0c2e6ab1d94c1f8b1fd1a2c0b7e3d4"
    )]
    plan_hash: Option<String>,
}

fn network_map() -> RefOr<Schema> {
    let network = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some(r"\S"));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .additional_properties(Some(network))
        .max_properties(Some(15))
        .examples([json!({"Lobby": "create", "Staff": "8f3b1c0e7d5a4a0f9b2c6d1e0f4a7b3c"})])
        .into()
}

/// What people have: the extractor's object, a bare array of DPSKs, or a full export.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum DpskData {
    Extracted(ExtractedPool),
    Dpsks(Vec<Dpsk>),
    Full(FullExport),
}

/// One pool, as the extractor writes it. Other members, such as `metadata`, are passed over.
#[derive(Serialize, ToSchema)]
struct ExtractedPool {
    pool: Pool,
    #[schema(max_items = 100000)]
    dpsks: Vec<Dpsk>,
}

/// Everything: pools with their DPSKs inside. Other members are passed over.
#[derive(Serialize, ToSchema)]
struct FullExport {
    #[serde(rename = "dpskPools")]
    #[schema(max_items = 1000)]
    dpsk_pools: Vec<PoolWithDpsks>,
}

#[derive(Serialize, ToSchema)]
struct PoolWithDpsks {
    #[serde(flatten)]
    pool: Pool,
    #[schema(max_items = 100000)]
    dpsks: Vec<Dpsk>,
}

/// A Cloudpath pool. These fields are read, others are passed over.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CloudpathPool)]
struct Pool {
    /// Tells the pool from others of its name.
    #[schema(value_type = Guid)]
    guid: (),
    /// The identity group and the pool in RUCKUS One are named after it.
    #[schema(value_type = Title)]
    display_name: (),
    #[schema(value_type = Info, required = false)]
    description: Option<()>,
    #[schema(value_type = Option<Flag>)]
    enabled: Option<()>,
    #[schema(value_type = Option<Whole>)]
    phrase_default_length: Option<()>,
    #[schema(value_type = Ssids, required = false)]
    ssid_list: Option<()>,
    #[schema(value_type = Option<Flag>)]
    enforce_expiration_date: Option<()>,
    #[schema(value_type = Info, required = false)]
    expiration_date_type: Option<()>,
    #[schema(value_type = Info, required = false)]
    expiration_date_value: Option<()>,
    #[schema(value_type = Option<Flag>)]
    enforce_device_count_limit: Option<()>,
    #[schema(value_type = Option<Whole>)]
    device_count_limit: Option<()>,
    #[schema(value_type = Option<Flag>)]
    supports_policies: Option<()>,
    #[schema(value_type = Info, required = false)]
    default_access: Option<()>,
}

/// A key. These fields are read, others are passed over; a likely misspelling of one that is missing (`vlanId`, `expirationDate`,
/// `username`) is a fault.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CloudpathDpsk)]
struct Dpsk {
    /// Identifies the key in Cloudpath; once in an export.
    #[schema(value_type = Guid)]
    guid: (),
    /// The user's name. Empty or missing: `DPSK-<guid>`.
    #[schema(value_type = Option<Name>)]
    name: Option<()>,
    /// Printable ASCII.
    #[schema(
        min_length = 8,
        max_length = 63,
        pattern = "^[ -~]+$",
        write_only,
        example = "maple-otter-42"
    )]
    passphrase: String,
    /// Other than `ACTIVE`: the key is skipped.
    #[schema(default = "ACTIVE")]
    status: Option<String>,
    #[schema(value_type = Ssids, required = false)]
    ssid_list: Option<()>,
    /// A date and time with an offset.
    #[schema(example = "2026-06-15T00:00-07:00[America/Denver]")]
    expiration_date_time: Option<String>,
    /// False: `deviceCountLimit` means nothing. Required beside a limit.
    #[schema(value_type = Option<Flag>)]
    use_device_count_limit: Option<()>,
    /// Devices that may use the key, at least 1.
    #[schema(value_type = Option<Whole>)]
    device_count_limit: Option<()>,
    #[serde(rename = "vlanid")]
    #[schema(value_type = Option<Vlan>)]
    vlan_id: Option<()>,
}
