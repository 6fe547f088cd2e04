//! What a task of `create_passphrases` carries, its passphrase apart. Stored in batch blobs: fields are only ever added.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::cloudpath::Row;

use super::staged::unreadable_task;
use crate::remote::CallError;

/// The fields of a key that can be set, besides user name and passphrase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// 1–4094.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// 1–512; absent = unlimited.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u16>,
    /// RFC 3339 in UTC; absent = never.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

impl Wanted {
    pub fn of(row: &Row) -> Self {
        Wanted {
            vlan: row.vlan,
            devices: row.devices,
            expires: row.expires.clone(),
        }
    }
}

/// How the key comes to be as wanted: one write in each case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t")]
pub enum Op {
    /// A new passphrase, and with it a new identity of that name in the pool's group.
    #[default]
    #[serde(rename = "c")]
    Create,
    /// An existing passphrase gets our values. What we do not set has to be said again, or it is cleared.
    #[serde(rename = "u")]
    Update {
        #[serde(rename = "k")]
        id: String,
        /// Its user name there, when that is not the row's.
        #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(rename = "em", default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        #[serde(rename = "ph", default, skip_serializing_if = "Option::is_none")]
        phone: Option<String>,
        /// [`Key::mark`](super::snapshot::Key::mark) of what it was. Absent in tasks planned before there were any.
        #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
        was: Option<String>,
    },
    /// An identity that has no passphrase gets ours. RUCKUS One names the passphrase after the identity.
    #[serde(rename = "i")]
    Identity {
        #[serde(rename = "g")]
        group: String,
        #[serde(rename = "k")]
        id: String,
        #[serde(rename = "n")]
        name: String,
    },
}

/// The task's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTask {
    /// Id of the pool.
    #[serde(rename = "p")]
    pub pool: String,
    #[serde(flatten)]
    pub wanted: Wanted,
    /// The passphrase is shorter than the pool's minimum: it may be replaced although all seems well, so it is read back.
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_short: bool,
    #[serde(rename = "o", default, skip_serializing_if = "is_create")]
    pub op: Op,
}

fn is_create(op: &Op) -> bool {
    *op == Op::Create
}

impl KeyTask {
    pub fn read(data: &Value) -> Result<Self, CallError> {
        Self::deserialize(data).map_err(unreadable_task)
    }

    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("strings, numbers and flags always serialise")
    }

    /// The user name it has, or will have, in the pool. `username` is the row's.
    pub fn name_there<'a>(&'a self, username: &'a str) -> &'a str {
        match &self.op {
            Op::Identity { name, .. } | Op::Update { name: Some(name), .. } => name,
            Op::Create | Op::Update { name: None, .. } => username,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blobs of running jobs outlive deploys: these lines were written by the first version and must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        for line in [
            r#"{"p":"pool-1","v":44}"#,
            r#"{"p":"pool-1","d":5,"e":"2027-01-01T00:00:00Z","c":true}"#,
            r#"{"p":"pool-1","o":{"t":"u","k":"key-1","em":"a@b.cd"}}"#,
            r#"{"p":"pool-1","o":{"t":"u","k":"key-1","n":"anna","w":"0a1b2c3d"}}"#,
            r#"{"p":"pool-1","o":{"t":"i","g":"group-1","k":"identity-1","n":"anna"}}"#,
        ] {
            let task = KeyTask::read(&serde_json::from_str(line).unwrap()).unwrap();
            assert_eq!(serde_json::to_string(&task).unwrap(), line);
        }
    }
}
