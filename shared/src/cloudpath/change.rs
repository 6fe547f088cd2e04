//! What was changed or dropped on the way to RUCKUS One, and why.

use serde::{Deserialize, Serialize};

/// One field that does not arrive as it was. Never holds a passphrase. Persisted with rows and tasks: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    #[serde(rename = "f")]
    pub field: Field,
    /// The value in Cloudpath; absent when there was none, or when it is only dropped.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The value in RUCKUS One; absent when it gets none.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(rename = "r")]
    pub reason: Reason,
}

impl Change {
    pub(super) fn new(field: Field, from: Option<String>, to: Option<String>, reason: Reason) -> Self {
        Self {
            field,
            from,
            to,
            reason,
        }
    }

    pub(super) fn dropped(field: Field, reason: Reason) -> Self {
        Self {
            field,
            from: None,
            to: None,
            reason,
        }
    }
}

impl std::fmt::Display for Change {
    /// `deviceCountLimit: 9999 → 512 (RUCKUS One takes at most 512)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.field.name())?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, ": {from} → {to}")?,
            (Some(from), None) => write!(f, ": {from} dropped")?,
            (None, Some(to)) => write!(f, ": {to}")?,
            (None, None) => f.write_str(": dropped")?,
        }
        write!(f, " ({})", self.reason.text())
    }
}

/// The field, by its name in the export; stored short, since 100,000 rows may carry one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Field {
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "dev")]
    DeviceLimit,
    #[serde(rename = "exp")]
    Expiry,
    #[serde(rename = "ssid")]
    Ssids,
    #[serde(rename = "group")]
    GroupName,
    #[serde(rename = "pool")]
    PoolName,
    #[serde(rename = "desc")]
    Description,
    #[serde(rename = "len")]
    PhraseLength,
    #[serde(rename = "pexp")]
    PoolExpiration,
    #[serde(rename = "pol")]
    Policies,
    #[serde(rename = "on")]
    Enabled,
    /// Stored by a later version.
    #[serde(rename = "other", other)]
    Other,
}

impl Field {
    /// Its name in the export.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::DeviceLimit => "deviceCountLimit",
            Self::Expiry => "expirationDateTime",
            Self::Ssids => "ssidList",
            Self::GroupName | Self::PoolName => "displayName",
            Self::Description => "description",
            Self::PhraseLength => "phraseDefaultLength",
            Self::PoolExpiration => "expirationDateType",
            Self::Policies => "supportsPolicies",
            Self::Enabled => "enabled",
            Self::Other => "another field",
        }
    }
}

/// Why a field was changed or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Trimmed,
    NoName,
    DevicesClamped,
    Expired,
    Renewed,
    SsidsKeptAsInfo,
    SsidsOfPool,
    NameShortened,
    NameTaken,
    PolicyNameTaken,
    NoDescriptionField,
    ShortestPassphrase,
    PoolLimitNotPerKey,
    HighestLimit,
    ExpirationUnknown,
    ExpirationPast,
    PoliciesNotImported,
    NothingDisabled,
    /// Stored by a later version.
    #[serde(other)]
    Other,
}

impl Reason {
    /// One sentence for reports.
    pub fn text(self) -> &'static str {
        match self {
            Self::Trimmed => "white space around the name was taken off",
            Self::NoName => "the key has no name; without one RUCKUS One would invent a name",
            Self::DevicesClamped => "RUCKUS One allows at most 512 devices per passphrase",
            Self::Expired => "the expiry lies in the past; the key is imported without one, as asked for",
            Self::Renewed => "the expiry lay in the past; whole years were added, as asked for",
            Self::SsidsKeptAsInfo => "RUCKUS One ties SSIDs to networks, not to keys, and no network is activated",
            Self::SsidsOfPool => {
                "RUCKUS One ties SSIDs to pools, not to keys: the key works on every SSID its pool is activated on"
            }
            Self::NameShortened => "RUCKUS One takes shorter names only; the end is a hash of the full name",
            Self::NameTaken => "another pool of this import has the same name; the end is a hash of the pool's guid",
            Self::PolicyNameTaken => {
                "the policy of another suffix has the same name but for letter case; the end is a hash of the suffix"
            }
            Self::NoDescriptionField => {
                "RUCKUS One has no description for DPSK pools; the group's names the pool's guid"
            }
            Self::ShortestPassphrase => {
                "RUCKUS One replaces passphrases shorter than the pool's length; it is the shortest key's"
            }
            Self::PoolLimitNotPerKey => {
                "only limits of the keys themselves are taken; keys without one stay unlimited, and so does their pool"
            }
            Self::HighestLimit => "the pool must take every key in it; it is the highest limit of its keys",
            Self::ExpirationUnknown => "RUCKUS One knows no such expiration rule; new keys of the pool will not expire",
            Self::ExpirationPast => "the date lies in the past; new keys of the pool will not expire",
            Self::PoliciesNotImported => "adaptive policies are not imported, so the default access has no effect",
            Self::NothingDisabled => {
                "RUCKUS One has no disabled pools; the keys work once a network uses the pool, not before"
            }
            Self::Other => "for a reason that this version does not know",
        }
    }

    /// What so many keys have in common, in one sentence.
    pub fn of_keys(self, keys: u64) -> String {
        let (one, more) = match self {
            Self::Trimmed => (
                "has white space around its user name, which is taken off",
                "have white space around their user names, which is taken off",
            ),
            Self::NoName => (
                "has no name in the export and is named after its guid",
                "have no name in the export and are named after their guids",
            ),
            Self::DevicesClamped => (
                "allows more than 512 devices and gets 512, the most that RUCKUS One takes",
                "allow more than 512 devices and get 512, the most that RUCKUS One takes",
            ),
            Self::Expired => (
                "whose time is over now never expires (expired=import)",
                "whose time is over now never expire (expired=import)",
            ),
            Self::Renewed => (
                "whose time is over gets whole years more (expired=renew)",
                "whose time is over get whole years more (expired=renew)",
            ),
            Self::SsidsKeptAsInfo => (
                "names SSIDs of its own, which are dropped: RUCKUS One ties SSIDs to networks, not to keys",
                "name SSIDs of their own, which are dropped: RUCKUS One ties SSIDs to networks, not to keys",
            ),
            Self::SsidsOfPool => (
                "names SSIDs of its own, which are dropped: it works on every SSID its pool is activated on",
                "name SSIDs of their own, which are dropped: they work on every SSID their pool is activated on",
            ),
            other => {
                let are = if keys == 1 { "key is" } else { "keys are" };
                return format!("{keys} {are} not taken over as in the export: {}", other.text());
            }
        };
        match keys {
            1 => format!("1 key {one}"),
            n => format!("{n} keys {more}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// What runs or is kept outlives deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let line = r#"{"f":"dev","a":"9999","b":"512","r":"devices_clamped"}"#;
        let read: Change = serde_json::from_str(line).unwrap();
        assert_eq!((read.field, read.reason), (Field::DeviceLimit, Reason::DevicesClamped));
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        let dropped: Change = serde_json::from_str(r#"{"f":"name","r":"no_name"}"#).unwrap();
        assert_eq!((dropped.from, dropped.to), (None, None));
    }

    #[test]
    fn keys_that_were_changed_for_one_reason_are_told_in_one_sentence() {
        let told = |reason: Reason, keys| reason.of_keys(keys);
        assert_eq!(
            told(Reason::Expired, 18),
            "18 keys whose time is over now never expire (expired=import)"
        );
        assert_eq!(
            told(Reason::DevicesClamped, 1),
            "1 key allows more than 512 devices and gets 512, the most that RUCKUS One takes"
        );
        assert_eq!(
            told(Reason::Other, 1),
            "1 key is not taken over as in the export: for a reason that this version does not know"
        );
        assert_eq!(
            told(Reason::NameTaken, 2),
            format!(
                "2 keys are not taken over as in the export: {}",
                Reason::NameTaken.text()
            )
        );
    }
}
