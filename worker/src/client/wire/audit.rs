//! What an audit has found, as far as this command reads it.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Audited {
    pub status: String,
    pub job_id: String,
    pub job_status: String,
    pub venue_id: String,
    pub venue_name: Option<String>,
    pub total_identity_groups: u64,
    pub total_dpsk_pools: u64,
    pub total_passphrases: u64,
    pub passphrases_of_others: u64,
    /// None: it is not known of everything.
    pub is_as_left: Option<bool>,
    /// Verdict → how many.
    pub verdicts: BTreeMap<String, u64>,
    /// The first ones.
    pub missing: Vec<Row>,
    pub changed: Vec<Row>,
    pub extra: Vec<Row>,
    pub errors_total: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Row {
    pub kind: String,
    pub name: String,
    #[serde(rename = "where")]
    pub place: Option<String>,
    pub differences: Vec<FieldDiffers>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct FieldDiffers {
    pub field: String,
    pub found: String,
    pub expected: String,
}
