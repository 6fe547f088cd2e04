//! Identity groups and identities.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::secret::SecretString;

use super::sweep::{List, Row};
use super::wire::{Media, Request};
use super::{R1, Sweep, Written, plain_option};
use crate::gate::{Gate, Permit};
use crate::remote::CallError;

/// An identity group as it is on the controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityGroup {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub dpsk_pool_id: Option<String>,
    #[serde(default)]
    pub policy_set_id: Option<String>,
    #[serde(default)]
    pub identity_count: Option<u64>,
}

impl Row for IdentityGroup {
    fn id(&self) -> &str {
        &self.id
    }
}

/// An identity group to be made. Name and description: at most 255 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewIdentityGroup {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A person or unit in a group, and the passphrase bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub group_id: Option<String>,
    /// Id of the passphrase.
    #[serde(default)]
    pub dpsk_guid: Option<String>,
    #[serde(default)]
    pub dpsk_passphrase: Option<SecretString>,
    #[serde(default)]
    pub vlan: Option<u32>,
    #[serde(default)]
    pub revoked: Option<bool>,
}

impl Row for Identity {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What to change of an identity; `None` leaves as is.
///
/// A passphrase shorter than the pool's minimum is *reported as success and replaced by a generated one*: read back and compare.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityPatch {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plain_option")]
    pub dpsk_passphrase: Option<SecretString>,
    /// 1–4094.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl R1 {
    /// All identity groups, or those `keyword` matches in whatever way the controller matches.
    pub fn identity_groups(&self, keyword: Option<&str>) -> Sweep<IdentityGroup> {
        let body = keyword.map_or_else(|| json!({}), |k| json!({ "keyword": k }));
        let path = ["identityGroups", "query"].map(String::from).to_vec();
        Sweep::new(
            self,
            List::Query {
                method: Method::POST,
                path,
                body: Some(body),
            },
        )
    }

    /// The identity group of exactly this name.
    pub async fn find_identity_group(&self, gate: &dyn Gate, name: &str) -> Result<Option<IdentityGroup>, CallError> {
        let mut sweep = self.identity_groups(Some(name));
        while let Some(groups) = sweep.next(gate).await? {
            if let Some(group) = groups.into_iter().find(|g| g.name == name) {
                return Ok(Some(group));
            }
        }
        Ok(None)
    }

    /// `GET /identityGroups/{id}`.
    pub async fn identity_group(&self, permit: Permit, id: &str) -> Result<IdentityGroup, CallError> {
        self.wire
            .call(permit, Request::read(Method::GET, ["identityGroups", id]))
            .await?
            .parse()
    }

    /// `POST /identityGroups`.
    pub async fn create_identity_group(&self, permit: Permit, group: &NewIdentityGroup) -> Result<Written, CallError> {
        let request = Request::write(Method::POST, ["identityGroups"])
            .media(Media::IdentityV1_1)
            .json(group, Vec::new());
        self.write(permit, request).await
    }

    /// `DELETE /identityGroups/{id}`. Refused (GENERAL-026) while a DPSK pool belongs to it.
    pub async fn delete_identity_group(&self, permit: Permit, id: &str) -> Result<Written, CallError> {
        self.write(
            permit,
            Request::write(Method::DELETE, ["identityGroups", id]).media(Media::IdentityV1_1),
        )
        .await
    }

    /// All identities of a group.
    pub fn sweep_identities(&self, group: &str) -> Sweep<Identity> {
        let path = ["identityGroups", group, "identities"].map(String::from).to_vec();
        Sweep::new(
            self,
            List::Query {
                method: Method::GET,
                path,
                body: None,
            },
        )
    }

    /// `DELETE /identityGroups/{group}/identities` with these ids. Passphrases that are bound to them go with them.
    pub async fn delete_identities(&self, permit: Permit, group: &str, ids: &[&str]) -> Result<Written, CallError> {
        let request = Request::write(Method::DELETE, ["identityGroups", group, "identities"])
            .media(Media::IdentityV1_1)
            .json(&ids, Vec::new());
        self.write(permit, request).await
    }

    /// `GET /identityGroups/{group}/identities/{id}`.
    pub async fn identity(&self, permit: Permit, group: &str, id: &str) -> Result<Identity, CallError> {
        let request = Request::read(Method::GET, ["identityGroups", group, "identities", id]);
        self.wire.call(permit, request).await?.parse()
    }

    /// `PATCH /identityGroups/{group}/identities/{id}`: puts a passphrase on an identity that exists already (creating a passphrase
    /// with the name of such an identity is refused with GENERAL-010).
    pub async fn patch_identity(
        &self,
        permit: Permit,
        group: &str,
        id: &str,
        patch: &IdentityPatch,
    ) -> Result<Written, CallError> {
        let secrets = patch.dpsk_passphrase.iter().cloned().collect();
        let request = Request::write(Method::PATCH, ["identityGroups", group, "identities", id])
            .media(Media::IdentityV1_1)
            .json(patch, secrets);
        self.write(permit, request).await
    }
}
