//! One tenant's objects with the indexes that keep creates and polls free of scans.
//!
//! An object is inserted when its create is accepted (its name is taken from then on) and made live when the activity ends.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::activity::Activities;
use super::bucket::Bucket;
use super::bulk::Bulks;
use super::clock::Millis;
use super::counts::Counts;
use super::model::{Group, Identity, Kind, Origin, Passphrase, Pool, Ref, Venue};
use super::policy::Policies;
use super::settings::{RenameToTaken, Settings};
use super::wifi::Wifi;
use super::wifi::change::Limits;

/// Members of a pool or a group.
#[derive(Debug, Default)]
pub struct Members {
    /// Those that can be seen, in order of creation.
    pub live: BTreeMap<u64, String>,
    /// The same by name.
    pub sorted: BTreeSet<(String, u64)>,
    /// Names taken, by objects live or still in flight, with the id of the owner.
    pub names: HashMap<String, String>,
    /// Live and in flight.
    pub total: usize,
}

/// A remote tenant.
#[allow(missing_docs, reason = "maps by id, and the ids that are live in order of creation")]
pub struct Tenant {
    pub id: String,
    pub bucket: Bucket,
    pub counts: Counts,
    pub activities: Activities,
    pub venues: Vec<Venue>,
    pub groups: HashMap<String, Group>,
    pub pools: HashMap<String, Pool>,
    pub passphrases: HashMap<String, Passphrase>,
    pub identities: HashMap<String, Identity>,
    pub live_groups: BTreeMap<u64, String>,
    pub live_pools: BTreeMap<u64, String>,
    pub live_identities: BTreeMap<u64, String>,
    pub group_names: HashMap<String, String>,
    pub pool_names: HashMap<String, String>,
    /// Passphrases of a pool, by pool id.
    pub keys: HashMap<String, Members>,
    /// Identities of a group, by group id.
    pub people: HashMap<String, Members>,
    /// Creates whose reply was cut after they were accepted: (kind, container, name).
    pub cut: HashSet<(Kind, String, String)>,
    /// Links whose reply was cut after they were accepted: (kind of link, from, to).
    pub cut_links: HashSet<(&'static str, String, String)>,
    pub policy: Policies,
    pub wifi: Wifi,
    pub bulks: Bulks,
    pub limits: Limits,
    pub rename_to_taken: RenameToTaken,
    pub seq: u64,
}

impl Tenant {
    /// An empty tenant with the one venue every tenant has.
    pub fn new(id: &str, settings: &Settings, now: Millis) -> Self {
        let mut tenant = Self {
            id: id.into(),
            bucket: Bucket::full(settings.capacity(), settings.per_second(), now),
            counts: Counts::default(),
            activities: Activities::default(),
            venues: vec![Venue {
                id: "venue-sim-1".into(),
                name: "Main Campus".into(),
            }],
            groups: HashMap::new(),
            pools: HashMap::new(),
            passphrases: HashMap::new(),
            identities: HashMap::new(),
            live_groups: BTreeMap::new(),
            live_pools: BTreeMap::new(),
            live_identities: BTreeMap::new(),
            group_names: HashMap::new(),
            pool_names: HashMap::new(),
            keys: HashMap::new(),
            people: HashMap::new(),
            cut: HashSet::new(),
            cut_links: HashSet::new(),
            policy: Policies::default(),
            wifi: Wifi::default(),
            bulks: Bulks::default(),
            limits: settings.limits(),
            rename_to_taken: settings.rename_to_taken,
            seq: 0,
        };
        tenant.add_default_group("venue-sim-1", now);
        tenant
    }

    /// The origin of an object accepted now.
    pub fn origin(&mut self, request_id: Option<&str>, now: Millis) -> Origin {
        self.seq += 1;
        Origin {
            seq: self.seq,
            created_at: now,
            updated_at: now,
            request_id: request_id.map(str::to_owned),
            live: false,
        }
    }

    /// A group that can be seen.
    pub fn group(&self, id: &str) -> Option<&Group> {
        self.groups.get(id).filter(|group| group.origin.live)
    }

    /// A pool that can be seen.
    pub fn pool(&self, id: &str) -> Option<&Pool> {
        self.pools.get(id).filter(|pool| pool.origin.live)
    }

    /// A passphrase that can be seen.
    pub fn passphrase(&self, id: &str) -> Option<&Passphrase> {
        self.passphrases.get(id).filter(|passphrase| passphrase.origin.live)
    }

    /// An identity that can be seen.
    pub fn identity(&self, id: &str) -> Option<&Identity> {
        self.identities.get(id).filter(|identity| identity.origin.live)
    }

    /// Takes the name and keeps the group unseen.
    pub fn insert_group(&mut self, group: Group) {
        self.group_names
            .entry(group.name.clone())
            .or_insert_with(|| group.id.clone());
        self.people.insert(group.id.clone(), Members::default());
        self.groups.insert(group.id.clone(), group);
    }

    /// Takes the name and the place in its group.
    pub fn insert_pool(&mut self, pool: Pool) {
        self.pool_names
            .entry(pool.name.clone())
            .or_insert_with(|| pool.id.clone());
        self.keys.insert(pool.id.clone(), Members::default());
        if let Some(group) = pool.group_id.as_ref().and_then(|id| self.groups.get_mut(id)) {
            group.pool_id = Some(pool.id.clone());
        }
        self.pools.insert(pool.id.clone(), pool);
    }

    /// Takes the user name in its pool.
    pub fn insert_passphrase(&mut self, passphrase: Passphrase) {
        let members = self.keys.entry(passphrase.pool_id.clone()).or_default();
        members
            .names
            .entry(passphrase.username.clone())
            .or_insert_with(|| passphrase.id.clone());
        members.total += 1;
        self.passphrases.insert(passphrase.id.clone(), passphrase);
    }

    /// Takes the name in its group.
    pub fn insert_identity(&mut self, identity: Identity) {
        let members = self.people.entry(identity.group_id.clone()).or_default();
        members
            .names
            .entry(identity.name.clone())
            .or_insert_with(|| identity.id.clone());
        members.total += 1;
        self.identities.insert(identity.id.clone(), identity);
    }

    /// Makes an object visible; false when it is gone.
    pub fn appear(&mut self, of: &Ref) -> bool {
        match of.kind {
            Kind::Group => {
                let Some(group) = self.groups.get_mut(&of.id) else {
                    return false;
                };
                group.origin.live = true;
                self.live_groups.insert(group.origin.seq, of.id.clone());
            }
            Kind::Pool => {
                let Some(pool) = self.pools.get_mut(&of.id) else {
                    return false;
                };
                pool.origin.live = true;
                self.live_pools.insert(pool.origin.seq, of.id.clone());
            }
            Kind::Passphrase => {
                let Some(key) = self.passphrases.get_mut(&of.id) else {
                    return false;
                };
                let Some(members) = self.keys.get_mut(&key.pool_id) else {
                    return false;
                };
                key.origin.live = true;
                members.live.insert(key.origin.seq, of.id.clone());
                members.sorted.insert((key.username.clone(), key.origin.seq));
            }
            Kind::Identity => {
                let Some(identity) = self.identities.get_mut(&of.id) else {
                    return false;
                };
                let Some(members) = self.people.get_mut(&identity.group_id) else {
                    return false;
                };
                identity.origin.live = true;
                self.live_identities.insert(identity.origin.seq, of.id.clone());
                members.live.insert(identity.origin.seq, of.id.clone());
                members.sorted.insert((identity.name.clone(), identity.origin.seq));
            }
            Kind::PolicySet => return self.policy.sets.appear(&of.id),
            Kind::Policy => return self.policy.policies.appear(&of.id),
            Kind::RadiusGroup => return self.policy.radius.appear(&of.id),
            Kind::Network => return self.wifi.networks.appear(&of.id),
            Kind::ApGroup => return self.wifi.ap_groups.appear(&of.id),
        }
        true
    }

    /// Removes an object, what it contains, and what points to it. Nothing happens when it is gone already.
    pub fn remove(&mut self, of: &Ref) {
        match of.kind {
            Kind::Group => {
                let Some(group) = self.groups.remove(&of.id) else {
                    return;
                };
                release(&mut self.group_names, &group.name, &of.id);
                self.live_groups.remove(&group.origin.seq);
                let inside: Vec<_> = self
                    .identities
                    .values()
                    .filter(|i| i.group_id == of.id)
                    .map(|i| i.id.clone())
                    .collect();
                inside.iter().for_each(|id| self.remove(&Ref::new(Kind::Identity, id)));
                self.people.remove(&of.id);
                if let Some(pool) = group.pool_id.and_then(|id| self.pools.get_mut(&id)) {
                    pool.group_id = None;
                }
            }
            Kind::Pool => {
                let Some(pool) = self.pools.remove(&of.id) else { return };
                release(&mut self.pool_names, &pool.name, &of.id);
                self.live_pools.remove(&pool.origin.seq);
                let inside: Vec<_> = self
                    .passphrases
                    .values()
                    .filter(|k| k.pool_id == of.id)
                    .map(|k| k.id.clone())
                    .collect();
                inside
                    .iter()
                    .for_each(|id| self.remove(&Ref::new(Kind::Passphrase, id)));
                self.keys.remove(&of.id);
                let group = pool.group_id.and_then(|id| self.groups.get_mut(&id));
                if let Some(group) = group.filter(|group| group.pool_id.as_deref() == Some(of.id.as_str())) {
                    group.pool_id = None;
                }
            }
            Kind::Passphrase => {
                let Some(key) = self.passphrases.remove(&of.id) else {
                    return;
                };
                if let Some(members) = self.keys.get_mut(&key.pool_id) {
                    members.forget(&key.username, &of.id, key.origin.seq);
                }
                let identity = key.identity_id.and_then(|id| self.identities.get_mut(&id));
                if let Some(identity) = identity.filter(|i| i.passphrase_id.as_deref() == Some(of.id.as_str())) {
                    identity.passphrase_id = None;
                }
            }
            Kind::Identity => {
                let Some(identity) = self.identities.remove(&of.id) else {
                    return;
                };
                self.live_identities.remove(&identity.origin.seq);
                if let Some(members) = self.people.get_mut(&identity.group_id) {
                    members.forget(&identity.name, &of.id, identity.origin.seq);
                }
                if let Some(key) = identity.passphrase_id {
                    self.remove(&Ref::new(Kind::Passphrase, &key));
                }
            }
            Kind::PolicySet => {
                self.policy.sets.remove(&of.id);
            }
            Kind::Policy => {
                self.policy.policies.remove(&of.id);
            }
            Kind::RadiusGroup => {
                self.policy.radius.remove(&of.id);
            }
            Kind::Network => {
                self.wifi.networks.remove(&of.id);
                self.wifi.activations.remove(&of.id);
            }
            Kind::ApGroup => {
                self.wifi.ap_groups.remove(&of.id);
                for on in self
                    .wifi
                    .activations
                    .values_mut()
                    .flat_map(|venues| venues.values_mut())
                {
                    on.ap_groups.remove(&of.id);
                }
            }
        }
    }

    /// Changes a passphrase's user name in the row and in the indexes.
    pub fn rename_passphrase(&mut self, id: &str, name: &str) {
        let Some(key) = self.passphrases.get_mut(id) else {
            return;
        };
        let Some(members) = self.keys.get_mut(&key.pool_id) else {
            return;
        };
        members.rename(&key.username, name, id, &key.origin);
        key.username = name.into();
    }

    /// Changes an identity's name in the row and in the indexes.
    pub fn rename_identity(&mut self, id: &str, name: &str) {
        let Some(identity) = self.identities.get_mut(id) else {
            return;
        };
        let Some(members) = self.people.get_mut(&identity.group_id) else {
            return;
        };
        members.rename(&identity.name, name, id, &identity.origin);
        identity.name = name.into();
    }
}

impl Members {
    fn forget(&mut self, name: &str, id: &str, seq: u64) {
        release(&mut self.names, name, id);
        self.live.remove(&seq);
        self.sorted.remove(&(name.into(), seq));
        self.total -= 1;
    }

    fn rename(&mut self, old: &str, new: &str, id: &str, origin: &Origin) {
        release(&mut self.names, old, id);
        self.names.entry(new.into()).or_insert_with(|| id.into());
        self.sorted.remove(&(old.into(), origin.seq));
        if origin.live {
            self.sorted.insert((new.into(), origin.seq));
        }
    }
}

/// Frees a name, unless a twin owns it.
pub fn release(names: &mut HashMap<String, String>, name: &str, id: &str) {
    if names.get(name).is_some_and(|owner| owner == id) {
        names.remove(name);
    }
}
