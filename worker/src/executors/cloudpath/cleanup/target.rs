//! What is taken away: for each kind of object how it is deleted, what of it is claimed against other jobs, and whether it is still there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use shared::job::outcome::{Origin, Resource};

use super::super::dpsk_pools::DpskPools;
use super::super::identity_groups::IdentityGroups;
use super::super::named::FindOrMake;
use super::super::networks::task::{activation_id, claimed as network_name, link_id};
use super::super::networks::there::{Place, There, place};
use super::super::policies::{ASSIGNMENT, PLACE, POLICY, POLICY_SET, make, whole};
use super::super::{decide, passphrases};
use super::listed::Listed;
use crate::executors::Context;
use crate::gate::Permit;
use crate::r1::find::Sought;
use crate::r1::{R1, Written, asked};
use crate::remote::CallError;

/// What a task takes away. Stored in batch blobs: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    Passphrase {
        pool: String,
        id: String,
        /// Its user name there, when that is not the task's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// Several of one group: id and name of each, and the pool whose keys they had.
    Identities {
        group: String,
        pool: String,
        all: Vec<(String, String)>,
    },
    DpskPool {
        id: String,
    },
    IdentityGroup {
        id: String,
    },
    /// Of the job's venue.
    Activation {
        network: String,
    },
    NetworkPool {
        network: String,
        pool: String,
    },
    WifiNetwork {
        id: String,
    },
    PrioritizedPolicy {
        set: String,
        policy: String,
    },
    PoolPolicySet {
        pool: String,
        set: String,
    },
    PolicySet {
        id: String,
    },
    Policy {
        id: String,
    },
}

impl Target {
    /// What the ledger calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Target::Passphrase { .. } => decide::KIND,
            Target::Identities { .. } => "identity",
            Target::DpskPool { .. } => "dpsk_pool",
            Target::IdentityGroup { .. } => "identity_group",
            Target::Activation { .. } => "activation",
            Target::NetworkPool { .. } => "network_pool",
            Target::WifiNetwork { .. } => "wifi_network",
            Target::PrioritizedPolicy { .. } => PLACE,
            Target::PoolPolicySet { .. } => ASSIGNMENT,
            Target::PolicySet { .. } => POLICY_SET,
            Target::Policy { .. } => POLICY,
        }
    }

    /// For the ledger of the cleanup. Identities come and go with their keys: no ledger has them.
    /// As it is in the ledger of who made it; none: it is in none.
    pub fn id(&self, venue: &str) -> Option<String> {
        Some(match self {
            Target::Identities { .. } => return None,
            Target::Passphrase { id, .. }
            | Target::DpskPool { id }
            | Target::IdentityGroup { id }
            | Target::WifiNetwork { id }
            | Target::PolicySet { id }
            | Target::Policy { id } => id.clone(),
            Target::Activation { network } => activation_id(venue, network),
            Target::NetworkPool { network, pool } => link_id(network, pool),
            Target::PrioritizedPolicy { set, policy } => format!("{set}/{policy}"),
            Target::PoolPolicySet { pool, set } => format!("{pool}/{set}"),
        })
    }

    pub fn deleted(&self, venue: &str, name: &str) -> Option<Resource> {
        Some(Resource {
            kind: self.kind().into(),
            id: self.id(venue)?,
            name: name.into(),
            origin: Origin::Deleted,
        })
    }

    /// By the names the import claims when it makes it. `name`: the task's.
    pub fn claimed(&self, name: &str) -> Vec<String> {
        vec![match self {
            Target::Passphrase { pool, .. } => passphrases::claimed(pool, name),
            // an import may put a key on such an identity, which would go with it
            Target::Identities { pool, all, .. } => {
                return all.iter().map(|(_, user)| passphrases::claimed(pool, user)).collect();
            }
            Target::DpskPool { .. } => FindOrMake::<DpskPools>::claimed(name),
            Target::IdentityGroup { .. } => FindOrMake::<IdentityGroups>::claimed(name),
            Target::Activation { .. } | Target::NetworkPool { .. } | Target::WifiNetwork { .. } => network_name(name),
            Target::PrioritizedPolicy { set, policy } => format!("{PLACE}|{set}/{policy}"),
            Target::PoolPolicySet { pool, .. } => format!("{ASSIGNMENT}|{pool}"),
            Target::PolicySet { .. } | Target::Policy { .. } => make::claimed(self.kind(), name),
        }]
    }

    pub async fn delete(&self, r1: &R1, venue: &str, permit: Permit) -> Result<Written, CallError> {
        match self {
            Target::Passphrase { pool, id, .. } => r1.delete_passphrases(permit, pool, &[id]).await,
            Target::Identities { group, all, .. } => {
                let ids: Vec<&str> = all.iter().map(|(id, _)| id.as_str()).collect();
                r1.delete_identities(permit, group, &ids).await
            }
            Target::DpskPool { id } => r1.delete_pool(permit, id).await,
            Target::IdentityGroup { id } => r1.delete_identity_group(permit, id).await,
            Target::Activation { network } => r1.deactivate_network(permit, venue, network).await,
            Target::NetworkPool { network, pool } => r1.unlink_pool(permit, network, pool).await,
            Target::WifiNetwork { id } => r1.delete_wifi_network(permit, id).await,
            Target::PrioritizedPolicy { set, policy } => r1.delete_prioritized_policy(permit, set, policy).await,
            Target::PoolPolicySet { pool, set } => r1.unassign_policy_set(permit, pool, set).await,
            Target::PolicySet { id } => r1.delete_policy_set(permit, id).await,
            Target::Policy { id } => r1.delete_policy(permit, id).await,
        }
    }
}

/// How a target stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Gone,
    There,
    /// Identities that have got a key since: their names.
    InUse(Vec<String>),
}

impl From<bool> for Standing {
    fn from(is_there: bool) -> Self {
        if is_there { Standing::There } else { Standing::Gone }
    }
}

/// How they stand, in order, with as few calls as can be. Of each its task's name.
pub async fn standing(r1: &R1, cx: &Context, all: &[(&str, Target)]) -> Result<Vec<Standing>, CallError> {
    let gate = cx.gate.as_ref();
    let has = |kind: fn(&Target) -> bool| all.iter().any(|(_, target)| kind(target));
    let keys = keys(r1, cx, all).await?;
    let networks = match has(|t| {
        matches!(
            t,
            Target::Activation { .. } | Target::NetworkPool { .. } | Target::WifiNetwork { .. }
        )
    }) {
        true => Some(networks(r1, cx, all).await?),
        false => None,
    };
    let pools = match has(|t| matches!(t, Target::DpskPool { .. })) {
        true => Some(Listed::read(gate, || r1.list_pools(None), |_| true).await?),
        false => None,
    };
    let groups = match has(|t| matches!(t, Target::IdentityGroup { .. })) {
        true => Some(Listed::read(gate, || r1.identity_groups(None), |_| true).await?),
        false => None,
    };
    let sets = match has(|t| {
        matches!(
            t,
            Target::PoolPolicySet { .. } | Target::PolicySet { .. } | Target::PrioritizedPolicy { .. }
        )
    }) {
        true => Some(Listed::read(gate, || r1.policy_sets(), |_| true).await?),
        false => None,
    };
    let policies = match has(|t| matches!(t, Target::Policy { .. })) {
        true => Some(Listed::read(gate, || r1.policies(), |_| true).await?),
        false => None,
    };
    let listed = "its list was read above";
    let mut found = Vec::with_capacity(all.len());
    for (_, target) in all {
        found.push(match target {
            Target::Passphrase { id, .. } => keys.contains(id).into(),
            Target::Identities { group, all, .. } => identities(r1, cx, group, all).await?,
            Target::DpskPool { id } => pools.as_ref().expect(listed).has(id)?.into(),
            Target::IdentityGroup { id } => groups.as_ref().expect(listed).has(id)?.into(),
            Target::WifiNetwork { id } => networks.as_ref().expect(listed).with_id(id).is_some().into(),
            Target::Activation { network } => match networks.as_ref().expect(listed).with_id(network) {
                Some(network) => (place(r1, cx, network).await? != Place::Nowhere).into(),
                None => Standing::Gone,
            },
            Target::NetworkPool { network, pool } => match networks.as_ref().expect(listed).with_id(network) {
                Some(network) => {
                    let linked = asked(gate, |permit| r1.pools_of_network(permit, &network.id)).await?;
                    linked.iter().any(|linked| linked.id == *pool).into()
                }
                None => Standing::Gone,
            },
            Target::PrioritizedPolicy { set, policy } => match sets.as_ref().expect(listed).has(set)? {
                true => whole::members(r1, gate, set).await?.contains_key(policy).into(),
                false => Standing::Gone,
            },
            Target::PoolPolicySet { pool, set } => {
                let set = sets.as_ref().expect(listed).get(set)?;
                set.is_some_and(|set| set.is_assigned_to(pool)).into()
            }
            Target::PolicySet { id } => sets.as_ref().expect(listed).has(id)?.into(),
            Target::Policy { id } => policies.as_ref().expect(listed).has(id)?.into(),
        });
    }
    Ok(found)
}

/// Ids of keys that are there, looked for by their user names.
async fn keys(r1: &R1, cx: &Context, all: &[(&str, Target)]) -> Result<BTreeSet<String>, CallError> {
    let mut names: BTreeMap<&str, Vec<Sought>> = BTreeMap::new();
    for (name, target) in all {
        if let Target::Passphrase { pool, user, .. } = target {
            let name = user.as_deref().unwrap_or(name);
            names.entry(pool).or_default().push(Sought { name, written: false });
        }
    }
    let mut there = BTreeSet::new();
    for (pool, names) in names {
        match r1.find_passphrases(cx.gate.as_ref(), pool, &names).await {
            Ok(found) => there.extend(found.into_iter().map(|key| key.id)),
            Err(e @ CallError::NotFound { .. }) if pool_is_there(r1, cx, pool).await? => return Err(e),
            Err(CallError::NotFound { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(there)
}

/// Not by its id: a live system has been seen not to know for a moment what is there.
pub async fn pool_is_there(r1: &R1, cx: &Context, id: &str) -> Result<bool, CallError> {
    Listed::read(cx.gate.as_ref(), || r1.list_pools(None), |pool| pool.id == id)
        .await?
        .has(id)
}

/// The identities of a group by id; none where there is no such group.
pub async fn people(
    r1: &R1,
    cx: &Context,
    group: &str,
) -> Result<HashMap<String, crate::r1::identity::Identity>, CallError> {
    let gate = cx.gate.as_ref();
    match Listed::read(gate, || r1.sweep_identities(group), |_| true).await {
        Err(e @ CallError::NotFound { .. }) => {
            let groups = Listed::read(gate, || r1.identity_groups(None), |g| g.id == group).await?;
            if groups.has(group)? { Err(e) } else { Ok(HashMap::new()) }
        }
        found => found?.whole(),
    }
}

async fn identities(r1: &R1, cx: &Context, group: &str, all: &[(String, String)]) -> Result<Standing, CallError> {
    let there = people(r1, cx, group).await?;
    let there: Vec<_> = all.iter().filter_map(|(id, _)| there.get(id)).collect();
    let users: Vec<String> = there
        .iter()
        .filter(|identity| identity.dpsk_guid.is_some())
        .map(|identity| identity.name.clone())
        .collect();
    Ok(match users.is_empty() {
        false => Standing::InUse(users),
        true => (!there.is_empty()).into(),
    })
}

async fn networks(r1: &R1, cx: &Context, all: &[(&str, Target)]) -> Result<There, CallError> {
    let ids = all.iter().filter_map(|(_, target)| match target {
        Target::Activation { network } | Target::NetworkPool { network, .. } => Some(network.as_str()),
        Target::WifiNetwork { id } => Some(id),
        _ => None,
    });
    let ids: BTreeSet<&str> = ids.collect();
    let there = There::sweep(r1, cx.gate.as_ref(), |network| ids.contains(network.id.as_str())).await?;
    if ids.iter().any(|id| there.with_id(id).is_none()) {
        there.shows_all()?;
    }
    Ok(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blobs of running jobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        for line in [
            r#"{"kind":"passphrase","pool":"p","id":"k"}"#,
            r#"{"kind":"passphrase","pool":"p","id":"k","user":"anna_1"}"#,
            r#"{"kind":"identities","group":"g","pool":"p","all":[["i","anna"]]}"#,
            r#"{"kind":"dpsk_pool","id":"p"}"#,
            r#"{"kind":"activation","network":"n"}"#,
            r#"{"kind":"pool_policy_set","pool":"p","set":"s"}"#,
        ] {
            let target: Target = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&target).unwrap(), line);
        }
    }
}
