//! What an import will create: the small document that names groups, pools and totals, and one record per row.
//! Both are stored between the phases of a job, hence the short names in a row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::{Change, Field, Reason};
use super::export::Skip;
use super::fault::Code;

/// Everything but the rows. About 300 bytes a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportPlan {
    pub groups: Vec<GroupSpec>,
    pub pools: Vec<PoolSpec>,
    /// Adaptive policies, each shared by all pools that have users of its suffix. Absent in plans made without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicySpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_sets: Vec<PolicySetSpec>,
    /// Networks to activate. Absent in plans that only copy keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkSpec>,
    /// Sentences for a person. At most one per Cloudpath pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    pub totals: Totals,
}

/// An identity group to find or create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    pub index: u16,
    /// At most 255 UTF-16 units.
    pub name: String,
    /// At most 255 UTF-16 units; the same in every run, so that a second run finds the group equal.
    pub description: String,
}

/// A DPSK pool to find or create, in the group of the same import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSpec {
    pub index: u16,
    /// Index of its [`GroupSpec`].
    pub group: u16,
    /// 2–32 UTF-16 units.
    pub name: String,
    pub passphrase_format: PassphraseFormat,
    /// 8–63. The shortest passphrase's: RUCKUS One silently replaces shorter ones.
    pub passphrase_length: u8,
    /// 1–512; absent = unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_count_limit: Option<u16>,
    /// What RUCKUS One gives keys made in the pool later. Imported keys carry their own expiry or, explicitly, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<PoolExpiration>,
    /// Whether users whom no policy answers get in. Absent where there are no policies: it is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_default_access: Option<bool>,
    /// Guid of the Cloudpath pool; empty for a bare array.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cloudpath_guid: String,
    /// Keys to import into it.
    pub passphrases: u32,
    /// Of the pool and of its group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

impl PoolSpec {
    /// What of the pool itself does not arrive as it was.
    pub fn own_changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.field != Field::GroupName)
    }

    /// What of its group does not.
    pub fn changes_of_group(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.field == Field::GroupName)
    }
}

/// An adaptive policy to find or create, with one condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySpec {
    pub index: u32,
    /// At most 255 UTF-16 units; unique in the import and, as far as that can be, in the tenant.
    pub name: String,
    /// Why the name is not the suffix and `-POL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_reason: Option<Reason>,
    /// Regular expression the user name has to match. At most 255 characters.
    pub pattern: String,
    /// Name of the RADIUS attribute group it answers with, which has to exist. It is the suffix.
    pub radius_group: String,
    /// Users it answers.
    pub users: u32,
}

/// A policy set to find or create, and to be assigned to its pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySetSpec {
    pub index: u16,
    /// Index of its [`PoolSpec`].
    pub pool: u16,
    /// At most 255 UTF-16 units.
    pub name: String,
    /// Why the name is not that of the pool and `-PS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_reason: Option<Reason>,
    pub description: String,
    /// Indices of the [`PolicySpec`]s it has to hold. Their order decides nothing: no user name matches two of them.
    pub policies: Vec<u32>,
}

/// An SSID to put on the air, on all AP groups of the venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    pub index: u16,
    pub ssid: String,
    /// Index of the [`PoolSpec`] whose keys it takes.
    pub pool: u16,
    pub target: NetworkTarget,
}

/// Which network bears an SSID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkTarget {
    /// One of its name, found or created.
    Create,
    /// The one of this id, which has to exist.
    Existing(String),
}

impl ImportPlan {
    /// The RADIUS attribute groups without which the policies can't be made, as one sentence; `None` when all exist.
    pub fn missing_radius_groups(&self, exists: impl Fn(&str) -> bool) -> Option<String> {
        let names = self.policies.iter().map(|policy| &*policy.radius_group);
        let missing: Vec<_> = names
            .filter(|name| !exists(name))
            .map(|name| format!("{name:?}"))
            .collect();
        let more = missing.len().saturating_sub(NAMED_IN_A_SENTENCE);
        let named = missing[..missing.len() - more].join(", ");
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!missing.is_empty()).then(|| {
            format!("policies answer with RADIUS attribute groups that do not exist; make them first: {named}{more}")
        })
    }
}

/// Missing RADIUS groups named in one error.
const NAMED_IN_A_SENTENCE: usize = 50;

/// As on RUCKUS One's wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PassphraseFormat {
    /// Digits only.
    NumbersOnly,
    /// Letters and digits.
    KeyboardFriendly,
    /// Any printable ASCII character.
    MostSecured,
}

/// Expiration rule of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolExpiration {
    #[serde(rename = "type")]
    pub kind: ExpirationType,
    /// With the `…_AFTER_TIME` types: how many of the unit, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// With `SPECIFIED_DATE`: RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// As on RUCKUS One's wire; Cloudpath uses the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExpirationType {
    SpecifiedDate,
    HoursAfterTime,
    DaysAfterTime,
    WeeksAfterTime,
    MonthsAfterTime,
    YearsAfterTime,
}

/// One DPSK as it will be in RUCKUS One, without its passphrase, which is kept apart (and sealed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Place in the input from 0, over all pools: the index of its task, whatever else is skipped.
    #[serde(rename = "i")]
    pub row: u32,
    /// Index of its [`PoolSpec`]; absent for a skipped row whose pool is not made.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<u16>,
    /// Guid in Cloudpath; empty only for a row skipped for lacking it.
    #[serde(rename = "g")]
    pub guid: String,
    #[serde(rename = "u")]
    pub username: String,
    /// 1–4094.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// 1–512; absent = unlimited.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u16>,
    /// RFC 3339 in UTC, whole seconds; absent = never, which must be sent as such: left out, the pool's rule may apply.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Why it is not imported; absent = it is.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<Skip>,
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// Sums over the whole import.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub rows: u32,
    /// Rows to import; the others are skipped.
    pub imports: u32,
    pub skips: u32,
    pub skips_by_code: BTreeMap<Code, u32>,
    /// Rows (not pools) by what was changed in them.
    pub changes_by_reason: BTreeMap<Reason, u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blobs of running jobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        for line in [
            r#"{"i":0,"g":"guid","u":"anna"}"#,
            r#"{"i":3,"p":1,"g":"guid","u":"anna","v":12,"d":2,"e":"2027-06-15T07:00:00Z"}"#,
        ] {
            let read: Row = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), line);
        }
    }
}
