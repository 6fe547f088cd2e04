//! Putting objects into a tenant, changing and deleting them behind the client's back: `POST /_sim/seed` and `--seed-file`.
//!
//! ```json
//! {"tenant": "t1",
//!  "identity_groups": [{"name": "Cloudpath Import"}],
//!  "dpsk_pools": [{"name": "Main", "group": "Cloudpath Import", "passphraseFormat": "MOST_SECURED", "passphraseLength": 8}],
//!  "passphrases": [{"pool": "Main", "username": "anna", "passphrase": "secret-one", "vlanId": 44}],
//!  "identities": [{"group": "Cloudpath Import", "name": "ben"}],
//!  "venues": [{"id": "v2", "name": "Annex"}],
//!  "radius_attribute_groups": [{"name": "gigabit", "pinned": false}],
//!  "policies": [{"name": "gigabit", "radius": "gigabit", "conditions": [{"attribute": 1012, "pattern": "^.*_gigabit$"}]}],
//!  "ap_groups": [{"venue": "v2", "name": "Lobby"}],
//!  "wifi_networks": [{"name": "Residents", "ssid": "Residents", "pool": "Main", "activations": [{"venue": "v2", "apGroups": ["Lobby"]}]}],
//!  "policy_sets": [{"name": "Main-PS", "policies": ["gigabit"]}],
//!  "change": [{"id": "…", "vlanId": 45}],
//!  "delete": ["…"]}
//! ```
//! Every part but `tenant` may be absent; `group`, `pool`, `radius`, `policies` and the `policySet` of groups and pools are names or
//! ids, as are `venue` and `apGroups`; `id` may be given. An activation without `apGroups` is on all of the venue. Fields are those of the vendor.
//! A passphrase gets its identity in the pool's group unless `"identity": false`. Uniqueness is *not* checked, so that tests can
//! make twins. Changed and deleted objects are given by id, and deleting takes what is inside along. The answer has all new ids.

use serde_json::{Map, Value, json};

use super::call::fresh_id;
use super::clock::{Millis, parse_iso};
use super::model::{Group, Identity, Kind, Passphrase, Pool, Ref, Venue};
use super::tenant::Tenant;
use super::world::World;

/// The parts of a seed in the order in which they are put: each may name objects of the parts before it.
const PARTS: [&str; 10] = [
    "radius_attribute_groups",
    "policies",
    "policy_sets",
    "identity_groups",
    "dpsk_pools",
    "passphrases",
    "identities",
    "venues",
    "ap_groups",
    "wifi_networks",
];

/// Carries out a seed, or a list of them; an error names the row and leaves the rows before it done.
pub fn seed(world: &mut World, seed: &Value, now: Millis) -> Result<Value, String> {
    if let Some(all) = seed.as_array() {
        return all.iter().map(|one| self::seed(world, one, now)).collect();
    }
    let fields = seed.as_object().ok_or("a seed is an object or a list of objects")?;
    let known = |key: &&String| PARTS.contains(&key.as_str()) || ["tenant", "change", "delete"].contains(&key.as_str());
    if let Some(unknown) = fields.keys().find(|key| !known(key)) {
        return Err(format!("no such part of a seed: {unknown}"));
    }
    let id = seed["tenant"].as_str().ok_or("/tenant: required")?;
    let mut ids: Vec<String> = Vec::new();
    let rows = PARTS
        .iter()
        .map(|part| seed[part].as_array().map_or(0, Vec::len) * 2)
        .sum();
    for _ in 0..rows {
        ids.push(fresh_id(&mut world.rng));
    }
    let tenant = world
        .tenant(id, now)
        .ok_or("/tenant: not among the tenants of this simulator")?;
    tenant.settle(now);
    let mut seeder = Seeder { tenant, ids, now };
    let mut answer = json!({});
    for part in &PARTS {
        let mut made = Vec::new();
        for (index, row) in seed[part].as_array().into_iter().flatten().enumerate() {
            let row = row
                .as_object()
                .ok_or_else(|| format!("/{part}/{index}: an object is required"))?;
            made.push(
                seeder
                    .put(part, row)
                    .map_err(|text| format!("/{part}/{index}: {text}"))?,
            );
        }
        answer[*part] = made.into();
    }
    for (index, row) in seed["change"].as_array().into_iter().flatten().enumerate() {
        let of = seeder
            .find(&row["id"])
            .ok_or_else(|| format!("/change/{index}: no such object"))?;
        seeder.tenant.change(&of, row.as_object().unwrap_or(&Map::new()), now);
    }
    for (index, id) in seed["delete"].as_array().into_iter().flatten().enumerate() {
        let of = seeder
            .find(id)
            .ok_or_else(|| format!("/delete/{index}: no such object"))?;
        seeder.tenant.remove(&of);
    }
    Ok(answer)
}

/// Puts the rows of one seed.
pub struct Seeder<'a> {
    /// Where to.
    pub tenant: &'a mut Tenant,
    /// Fresh ids, two for every row.
    ids: Vec<String>,
    /// When.
    pub now: Millis,
}

impl Seeder<'_> {
    fn put(&mut self, part: &str, row: &Map<String, Value>) -> Result<String, String> {
        match part {
            "identity_groups" => self.group(row),
            "dpsk_pools" => self.pool(row),
            "passphrases" => self.passphrase(row),
            "identities" => self.identity(row),
            "radius_attribute_groups" => self.radius_group(row),
            "policies" => self.policy(row),
            "policy_sets" => self.policy_set(row),
            "ap_groups" => self.ap_group(row),
            "wifi_networks" => self.network(row),
            _ => self.venue(row),
        }
    }

    /// A fresh id, or the one given.
    pub fn id(&mut self, row: &Map<String, Value>) -> Result<String, String> {
        match row.get("id").and_then(Value::as_str) {
            Some(id) => Ok(id.to_owned()),
            None => self.ids.pop().ok_or_else(|| "no id left".to_owned()),
        }
    }

    fn find(&self, id: &Value) -> Option<Ref> {
        let (id, tenant) = (id.as_str()?, &self.tenant);
        let kind = match () {
            () if tenant.passphrases.contains_key(id) => Kind::Passphrase,
            () if tenant.identities.contains_key(id) => Kind::Identity,
            () if tenant.pools.contains_key(id) => Kind::Pool,
            () if tenant.groups.contains_key(id) => Kind::Group,
            () if tenant.policy.sets.any(id).is_some() => Kind::PolicySet,
            () if tenant.policy.policies.any(id).is_some() => Kind::Policy,
            () if tenant.policy.radius.any(id).is_some() => Kind::RadiusGroup,
            () if tenant.wifi.networks.any(id).is_some() => Kind::Network,
            () if tenant.wifi.ap_groups.any(id).is_some() => Kind::ApGroup,
            () => return None,
        };
        Some(Ref::new(kind, id))
    }

    fn group(&mut self, row: &Map<String, Value>) -> Result<String, String> {
        let id = self.id(row)?;
        let origin = self.tenant.origin(None, self.now);
        let (name, description) = (name(row, "name")?, optional(row, "description"));
        self.tenant.insert_group(Group {
            id: id.clone(),
            name,
            description,
            policy_set_id: self.policy_set_of(row)?,
            origin,
            ..Group::default()
        });
        self.tenant.appear(&Ref::new(Kind::Group, &id));
        Ok(id)
    }

    fn pool(&mut self, row: &Map<String, Value>) -> Result<String, String> {
        let id = self.id(row)?;
        let group_id = self.container(row, "group")?;
        let origin = self.tenant.origin(None, self.now);
        self.tenant.insert_pool(Pool {
            id: id.clone(),
            name: name(row, "name")?,
            passphrase_format: optional(row, "passphraseFormat").unwrap_or_else(|| "MOST_SECURED".into()),
            passphrase_length: row.get("passphraseLength").and_then(Value::as_u64).unwrap_or(8) as usize,
            device_count_limit: row.get("deviceCountLimit").and_then(Value::as_i64),
            expiration_type: optional(row, "expirationType"),
            expiration_offset: row.get("expirationOffset").and_then(Value::as_i64),
            expiration_date: optional(row, "expirationDate").as_deref().and_then(parse_iso),
            policy_default_access: row.get("policyDefaultAccess").and_then(Value::as_bool).unwrap_or(true),
            group_id,
            policy_set_id: self.policy_set_of(row)?,
            origin,
        });
        self.tenant.appear(&Ref::new(Kind::Pool, &id));
        Ok(id)
    }

    fn passphrase(&mut self, row: &Map<String, Value>) -> Result<String, String> {
        let id = self.id(row)?;
        let pool_id = self.container(row, "pool")?.ok_or("/pool: required")?;
        let username = name(row, "username")?;
        let group = self.tenant.pools.get(&pool_id).and_then(|pool| pool.group_id.clone());
        let group = group.filter(|_| row.get("identity") != Some(&Value::Bool(false)));
        let identity_id = match group {
            Some(group_id) => {
                let (person, origin) = (self.ids.pop().ok_or("no id left")?, self.tenant.origin(None, self.now));
                self.tenant.insert_identity(Identity {
                    id: person.clone(),
                    group_id,
                    name: username.clone(),
                    vlan: row.get("vlanId").and_then(Value::as_i64),
                    passphrase_id: Some(id.clone()),
                    origin,
                    ..Identity::default()
                });
                self.tenant.appear(&Ref::new(Kind::Identity, &person));
                Some(person)
            }
            None => None,
        };
        let (value, mut origin) = (name(row, "passphrase")?, self.tenant.origin(None, self.now));
        if let Some(created) = row.get("createdDate").and_then(Value::as_str) {
            origin.created_at = parse_iso(created).ok_or("/createdDate: not a date")?;
        }
        let key = Passphrase {
            id: id.clone(),
            pool_id,
            identity_id,
            username,
            value,
            origin,
            ..Passphrase::default()
        };
        self.tenant.insert_passphrase(key);
        self.tenant.appear(&Ref::new(Kind::Passphrase, &id));
        let rest: Map<String, Value> = row
            .iter()
            .filter(|(key, _)| key.as_str() != "username")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        self.tenant.change(&Ref::new(Kind::Passphrase, &id), &rest, self.now);
        Ok(id)
    }

    fn identity(&mut self, row: &Map<String, Value>) -> Result<String, String> {
        let id = self.id(row)?;
        let group_id = self.container(row, "group")?.ok_or("/group: required")?;
        let origin = self.tenant.origin(None, self.now);
        self.tenant.insert_identity(Identity {
            id: id.clone(),
            group_id,
            name: name(row, "name")?,
            display_name: optional(row, "displayName"),
            description: optional(row, "description"),
            vlan: row.get("vlan").and_then(Value::as_i64),
            origin,
            ..Identity::default()
        });
        self.tenant.appear(&Ref::new(Kind::Identity, &id));
        Ok(id)
    }

    fn venue(&mut self, row: &Map<String, Value>) -> Result<String, String> {
        let id = self.id(row)?;
        self.tenant.venues.push(Venue {
            id: id.clone(),
            name: name(row, "name")?,
        });
        self.tenant.add_default_group(&id, self.now);
        Ok(id)
    }

    /// A group or pool by id or name.
    pub fn container(&self, row: &Map<String, Value>, field: &str) -> Result<Option<String>, String> {
        let Some(wanted) = row.get(field).and_then(Value::as_str) else {
            return Ok(None);
        };
        let (exists, names) = match field {
            "group" => (self.tenant.groups.contains_key(wanted), &self.tenant.group_names),
            _ => (self.tenant.pools.contains_key(wanted), &self.tenant.pool_names),
        };
        match (exists, names.get(wanted)) {
            (true, _) => Ok(Some(wanted.to_owned())),
            (false, Some(id)) => Ok(Some(id.clone())),
            (false, None) => Err(format!("/{field}: no such object")),
        }
    }
}

/// A required text.
pub fn name(row: &Map<String, Value>, field: &str) -> Result<String, String> {
    optional(row, field).ok_or_else(|| format!("/{field}: required"))
}

/// A text that may be absent.
pub fn optional(row: &Map<String, Value>, field: &str) -> Option<String> {
    row.get(field).and_then(Value::as_str).map(str::to_owned)
}
