//! The keys themselves.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use shared::secret::SecretString;

use super::sweep::{List, Row};
use super::wire::{Media, Request};
use super::{R1, Sweep, Written, plain, plain_option};
use crate::gate::Permit;
use crate::remote::CallError;

/// A passphrase as it is on the controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passphrase {
    pub id: String,
    pub username: Option<String>,
    pub passphrase: Option<SecretString>,
    pub vlan_id: Option<u32>,
    /// Absent = as many as like.
    pub number_of_devices: Option<u32>,
    /// RFC 3339; absent = never.
    pub expiration_date: Option<String>,
    pub identity_id: Option<String>,
    pub identity_group_id: Option<String>,
    /// Bound to an identity: can't be deleted directly.
    pub is_referenced: Option<bool>,
    pub revocation_date: Option<String>,
    pub revocation_reason: Option<String>,
    pub email: Option<String>,
    pub phone_number: Option<String>,
    pub created_date: Option<String>,
}

impl Row for Passphrase {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A passphrase to be made. Always with a user name: without one the controller invents an identity.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewPassphrase {
    pub username: String,
    /// 8–63 characters, not shorter than the pool's minimum.
    #[serde(serialize_with = "plain")]
    pub passphrase: SecretString,
    /// 1–4094.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_id: Option<u16>,
    /// 1–512 (more is clamped silently); `None` = unlimited.
    #[serde(flatten)]
    pub devices: Devices,
    #[serde(flatten)]
    pub expiration: Expiration,
}

/// How many devices may use a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "numberOfDevicesType")]
pub enum Devices {
    #[serde(rename = "UNLIMITED")]
    Unlimited,
    #[serde(rename = "LIMITED")]
    Limited {
        #[serde(rename = "numberOfDevices")]
        at_most: u16,
    },
}

/// When a passphrase ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiration {
    Never,
    /// RFC 3339.
    At(String),
    /// By the pool's rule.
    AsPool,
}

impl Serialize for Expiration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        match self {
            Expiration::Never => map.serialize_entry("expiration", "UNLIMITED")?,
            Expiration::At(date) => map.serialize_entry("expirationDate", date)?,
            Expiration::AsPool => {}
        }
        map.end()
    }
}

/// The whole of a passphrase after an update: what is absent is cleared. Start with [`PassphraseUpdate::of`].
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PassphraseUpdate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain_option")]
    pub passphrase: Option<SecretString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_devices: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_reason: Option<String>,
}

impl PassphraseUpdate {
    /// No change yet.
    pub fn of(now: &Passphrase) -> Self {
        PassphraseUpdate {
            username: now.username.clone(),
            passphrase: now.passphrase.clone(),
            vlan_id: now.vlan_id,
            number_of_devices: now.number_of_devices,
            expiration_date: now.expiration_date.clone(),
            email: now.email.clone(),
            phone_number: now.phone_number.clone(),
            revocation_reason: now.revocation_reason.clone(),
        }
    }
}

impl R1 {
    /// The passphrases of a pool; `body`: `filters` (`username`, `status`, …: lists of values), and how they are sorted. By query: the
    /// plain GET has been seen to return none where there were many.
    pub(super) fn passphrases(&self, pool: &str, body: Map<String, serde_json::Value>) -> Sweep<Passphrase> {
        let path = ["dpskServices", pool, "passphrases", "query"]
            .map(String::from)
            .to_vec();
        Sweep::new(
            self,
            List::Body {
                path,
                media: Media::DpskV2,
                body,
            },
        )
    }

    /// All passphrases of a pool, 500 a call.
    pub fn sweep_passphrases(&self, pool: &str) -> Sweep<Passphrase> {
        self.passphrases(pool, Map::new())
    }

    /// `GET /dpskServices/{pool}/passphrases/{id}`.
    pub async fn passphrase(&self, permit: Permit, pool: &str, id: &str) -> Result<Passphrase, CallError> {
        let request = Request::read(Method::GET, ["dpskServices", pool, "passphrases", id]).media(Media::DpskV2);
        self.wire.call(permit, request).await?.parse()
    }

    /// `POST /dpskServices/{pool}/passphrases`: also makes an identity of that name in the pool's group. Refused with DPSK-020 when the
    /// user name has a passphrase, with GENERAL-010 when there is an identity of that name without one.
    pub async fn create_passphrase(
        &self,
        permit: Permit,
        pool: &str,
        new: &NewPassphrase,
    ) -> Result<Written, CallError> {
        let request = Request::write(Method::POST, ["dpskServices", pool, "passphrases"])
            .media(Media::DpskV2)
            .json(new, vec![new.passphrase.clone()]);
        self.write(permit, request).await
    }

    /// `PUT /dpskServices/{pool}/passphrases/{id}`.
    pub async fn update_passphrase(
        &self,
        permit: Permit,
        pool: &str,
        id: &str,
        update: &PassphraseUpdate,
    ) -> Result<Written, CallError> {
        let request = Request::write(Method::PUT, ["dpskServices", pool, "passphrases", id])
            .media(Media::DpskV2)
            .json(update, update.passphrase.iter().cloned().collect());
        self.write(permit, request).await
    }

    /// `DELETE /dpskServices/{pool}/passphrases` with these ids.
    pub async fn delete_passphrases(&self, permit: Permit, pool: &str, ids: &[&str]) -> Result<Written, CallError> {
        let request = Request::write(Method::DELETE, ["dpskServices", pool, "passphrases"])
            .media(Media::DpskV2)
            .json(&ids, Vec::new());
        self.write(permit, request).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_passphrase_is_written_as_documented_and_shown_masked() {
        let new = NewPassphrase {
            username: "u".into(),
            passphrase: "geheim1234".into(),
            vlan_id: Some(44),
            devices: Devices::Limited { at_most: 5 },
            expiration: Expiration::At("2027-01-01T00:00:00Z".into()),
        };
        assert_eq!(
            serde_json::to_value(&new).unwrap(),
            json!({"username": "u", "passphrase": "geheim1234", "vlanId": 44, "numberOfDevicesType": "LIMITED", "numberOfDevices": 5,
                   "expirationDate": "2027-01-01T00:00:00Z"})
        );
        assert!(!format!("{new:?}").contains("geheim"));
        let unlimited = NewPassphrase {
            devices: Devices::Unlimited,
            expiration: Expiration::Never,
            vlan_id: None,
            ..new
        };
        assert_eq!(
            serde_json::to_value(&unlimited).unwrap(),
            json!({"username": "u", "passphrase": "geheim1234", "numberOfDevicesType": "UNLIMITED", "expiration": "UNLIMITED"})
        );
    }

    #[test]
    fn an_update_starts_from_what_is_there() {
        let now: Passphrase = serde_json::from_value(json!({
            "id": "p", "username": "u", "passphrase": "geheim1234", "vlanId": 4, "numberOfDevices": null, "email": "a@b.cd",
            "createdDate": "2026-01-01T00:00:00Z", "devices": []
        }))
        .unwrap();
        let update = PassphraseUpdate {
            vlan_id: None,
            ..PassphraseUpdate::of(&now)
        };
        assert_eq!(
            serde_json::to_value(&update).unwrap(),
            json!({"username": "u", "passphrase": "geheim1234", "email": "a@b.cd"})
        );
        assert!(!format!("{now:?}{update:?}").contains("geheim"));
    }
}
