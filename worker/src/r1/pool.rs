//! DPSK services, called pools: what passphrases live in.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::sweep::{List, Row};
use super::wire::{Media, Request};
use super::{R1, Sweep, Written};
use crate::gate::Permit;
use crate::remote::CallError;

/// How generated passphrases look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PassphraseFormat {
    MostSecured,
    KeyboardFriendly,
    NumbersOnly,
    /// Newer than the others.
    DictionaryWords,
    /// Any the vendor adds later, kept as it is.
    #[serde(untagged)]
    Other(String),
}

/// When passphrases of a pool end unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExpirationType {
    SpecifiedDate,
    HoursAfterTime,
    DaysAfterTime,
    WeeksAfterTime,
    MonthsAfterTime,
    YearsAfterTime,
    #[serde(untagged)]
    Other(String),
}

/// The fields of a pool that can be set. A pool has no description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolBody {
    /// 2–32 characters.
    pub name: String,
    pub passphrase_format: PassphraseFormat,
    /// 8–63. An enforced minimum: passphrases shorter than this are silently replaced by generated ones.
    pub passphrase_length: u32,
    /// 1–512; absent = unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_count_limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_type: Option<ExpirationType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_offset: Option<u32>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_default_access: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_notifications_enabled: Option<bool>,
}

/// A pool as it is on the controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    pub id: String,
    #[serde(flatten)]
    pub body: PoolBody,
    #[serde(default)]
    pub identity_group_id: Option<String>,
    #[serde(default)]
    pub network_count: Option<u32>,
    #[serde(default)]
    pub is_referenced: Option<bool>,
}

impl Row for Pool {
    fn id(&self) -> &str {
        &self.id
    }
}

impl R1 {
    /// All pools, or with `name` those whose name the controller finds it in (compare yourself).
    pub fn list_pools(&self, name: Option<&str>) -> Sweep<Pool> {
        let mut body = serde_json::Map::new();
        if let Some(name) = name {
            // Nothing else: fields the query does not know are answered with 500.
            body.insert("searchString".into(), name.into());
            body.insert("searchTargetFields".into(), serde_json::json!(["name"]));
        }
        let path = ["dpskServices", "query"].map(String::from).to_vec();
        Sweep::new(
            self,
            List::Body {
                path,
                media: Media::DpskV2,
                body,
            },
        )
    }

    /// `GET /dpskServices/{id}`.
    pub async fn pool(&self, permit: Permit, id: &str) -> Result<Pool, CallError> {
        let request = Request::read(Method::GET, ["dpskServices", id]).media(Media::DpskV2);
        self.wire.call(permit, request).await?.parse()
    }

    /// `POST /identityGroups/{group}/dpskServices`; the older `POST /dpskServices` is on its way out.
    pub async fn create_pool(&self, permit: Permit, group: &str, pool: &PoolBody) -> Result<Written, CallError> {
        let request = Request::write(Method::POST, ["identityGroups", group, "dpskServices"]).json(pool, Vec::new());
        self.write(permit, request).await
    }

    /// `PUT /dpskServices/{id}`: the pool becomes `pool`, what is absent there is cleared. Start from the body that was read.
    pub async fn update_pool(&self, permit: Permit, id: &str, pool: &PoolBody) -> Result<Written, CallError> {
        let request = Request::write(Method::PUT, ["dpskServices", id])
            .media(Media::DpskV2)
            .json(pool, Vec::new());
        self.write(permit, request).await
    }

    /// `DELETE /dpskServices/{id}`. Refused (DPSK-026) while it holds passphrases.
    pub async fn delete_pool(&self, permit: Permit, id: &str) -> Result<Written, CallError> {
        self.write(
            permit,
            Request::write(Method::DELETE, ["dpskServices", id]).media(Media::DpskV2),
        )
        .await
    }
}
