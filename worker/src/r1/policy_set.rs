//! Policy sets: adaptive policies by priority, and what a set is assigned to.
//!
//! A policy that is in no set does nothing, and a set that is assigned to nothing neither. What a DPSK pool is assigned is no field of
//! the pool: the sets tell what they are assigned to.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::sweep::{List, Row};
use super::wire::{Media, Request};
use super::{R1, Sweep, Written};
use crate::gate::Permit;
use crate::remote::CallError;

/// A policy set as it is on the controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicySet {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    /// Policies in it.
    #[serde(default)]
    pub mapped_policy_count: Option<u64>,
    /// What it is assigned to, by service.
    #[serde(default, deserialize_with = "null_is_none_assigned")]
    pub external_assignments: Vec<AssignmentGroup>,
}

impl PolicySet {
    /// Whether it is assigned to this DPSK pool. Ids are unique over all services, so the words the services go by, which no
    /// document lists, are not asked for.
    pub fn is_assigned_to(&self, pool: &str) -> bool {
        let mut ids = self.external_assignments.iter().flat_map(|group| &group.identity_id);
        ids.any(|id| id == pool)
    }
}

impl Row for PolicySet {
    fn id(&self) -> &str {
        &self.id
    }
}

/// The objects of one service a set is assigned to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentGroup {
    /// The service, in the controller's words.
    #[serde(default)]
    pub identity_name: String,
    /// Ids of its objects, such as DPSK pools.
    #[serde(default)]
    pub identity_id: Vec<String>,
}

fn null_is_none_assigned<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<AssignmentGroup>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A policy set to be made. The vendor's document requires the description, if only an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewPolicySet {
    /// Unique in the tenant.
    pub name: String,
    pub description: String,
}

/// One object a set is assigned to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    pub id: String,
    /// Id of the object, such as a DPSK pool.
    pub identity_id: String,
    #[serde(default)]
    pub identity_name: String,
}

impl Row for Assignment {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A policy's place in a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrioritizedPolicy {
    pub policy_id: String,
    /// From 1, the highest: the first policy that matches answers. The controller numbers the others anew at every change, and takes
    /// a place behind the end for the end.
    pub priority: u32,
}

impl Row for PrioritizedPolicy {
    fn id(&self) -> &str {
        &self.policy_id
    }
}

impl R1 {
    /// All policy sets of the tenant. The query takes no filter that could be relied on: unknown ones are silently ignored.
    pub fn policy_sets(&self) -> Sweep<PolicySet> {
        let path = ["policySets", "query"].map(String::from).to_vec();
        let (media, body) = (Media::Json, Map::new());
        Sweep::new(self, List::Body { path, media, body })
    }

    /// `POST /policySets`: 201 at once.
    pub async fn create_policy_set(&self, permit: Permit, set: &NewPolicySet) -> Result<Written, CallError> {
        let request = Request::write(Method::POST, ["policySets"]).json(set, Vec::new());
        self.write(permit, request).await
    }

    /// `DELETE /policySets/{id}`. Refused (409) while it is assigned to anything; its policies stay.
    pub async fn delete_policy_set(&self, permit: Permit, id: &str) -> Result<Written, CallError> {
        let request = Request::write(Method::DELETE, ["policySets", id]);
        self.write(permit, request).await
    }

    /// What a set is assigned to.
    pub fn policy_set_assignments(&self, set: &str) -> Sweep<Assignment> {
        let path = ["policySets", set, "assignments"].map(String::from).to_vec();
        Sweep::new(self, List::Unordered { path })
    }

    /// The policies of a set with their places, in no order.
    pub fn prioritized_policies(&self, set: &str) -> Sweep<PrioritizedPolicy> {
        let path = ["policySets", set, "prioritizedPolicies"].map(String::from).to_vec();
        Sweep::new(self, List::Unordered { path })
    }

    /// `PUT /policySets/{set}/prioritizedPolicies/{policy}`: puts a policy into a set, or to another place in it; 201 at once. The
    /// answer names no id, hence the link goes by that of the policy.
    pub async fn put_prioritized_policy(
        &self,
        permit: Permit,
        set: &str,
        place: &PrioritizedPolicy,
    ) -> Result<Written, CallError> {
        let path = ["policySets", set, "prioritizedPolicies", &place.policy_id];
        let written = self
            .write(permit, Request::write(Method::PUT, path).json(place, Vec::new()))
            .await?;
        Ok(match written {
            Written::Done { .. } => Written::Done {
                id: Some(place.policy_id.clone()),
            },
            accepted => accepted,
        })
    }

    /// `DELETE /policySets/{set}/prioritizedPolicies/{policy}`. Documented as done at once; live it was seen to be accepted, and until
    /// its activity has ended the policy can't be deleted.
    pub async fn delete_prioritized_policy(
        &self,
        permit: Permit,
        set: &str,
        policy: &str,
    ) -> Result<Written, CallError> {
        let path = ["policySets", set, "prioritizedPolicies", policy];
        self.write(permit, Request::write(Method::DELETE, path)).await
    }

    /// `PUT /dpskServices/{pool}/policySets/{set}`: the set decides for the users of the pool from now on, instead of the one it had.
    /// Read [`PolicySet::is_assigned_to`] before: assigning the same set again is a change to the controller.
    pub async fn assign_policy_set(&self, permit: Permit, pool: &str, set: &str) -> Result<Written, CallError> {
        let path = ["dpskServices", pool, "policySets", set];
        self.write(permit, Request::write(Method::PUT, path)).await
    }

    /// `DELETE /dpskServices/{pool}/policySets/{set}`. 404 when it is another set that is assigned, or none.
    pub async fn unassign_policy_set(&self, permit: Permit, pool: &str, set: &str) -> Result<Written, CallError> {
        let path = ["dpskServices", pool, "policySets", set];
        self.write(permit, Request::write(Method::DELETE, path)).await
    }
}
