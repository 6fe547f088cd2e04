//! What an audit has found, as far as this command reads it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::exit;

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

impl Audited {
    /// Exit code once nothing changes by itself any more. What was found is worth more than what could not be read.
    pub fn standing(&self) -> Option<u8> {
        match exit::of_standing(&self.job_status)? {
            exit::OK | exit::PARTIAL | exit::FAILED if self.is_as_left == Some(false) => Some(exit::DIFFERENT),
            // no difference was found in what could be told
            exit::OK if self.is_as_left.is_none() => Some(exit::PARTIAL),
            code => Some(code),
        }
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn audited(change: Value) -> Audited {
        let mut all = json!({"status": "audited", "job_id": "j-2", "job_status": "COMPLETED", "is_as_left": true});
        for (name, value) in change.as_object().unwrap() {
            all[name] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn the_exit_code_says_whether_anything_differs() {
        let code = |change| audited(change).standing();
        assert_eq!(code(json!({})), Some(exit::OK));
        assert_eq!(code(json!({"is_as_left": false})), Some(exit::DIFFERENT));
        assert_eq!(code(json!({"is_as_left": null})), Some(exit::PARTIAL));
        assert_eq!(
            code(json!({"is_as_left": false, "job_status": "PARTIAL"})),
            Some(exit::DIFFERENT)
        );
        assert_eq!(
            code(json!({"is_as_left": null, "job_status": "PARTIAL"})),
            Some(exit::PARTIAL)
        );
        assert_eq!(
            code(json!({"is_as_left": null, "job_status": "CANCELLED"})),
            Some(exit::CANCELLED)
        );
        assert_eq!(code(json!({"is_as_left": null, "job_status": "RUNNING"})), None);
        assert_eq!(
            code(json!({"is_as_left": null, "job_status": "PAUSED"})),
            Some(exit::HELD)
        );
    }
}
