//! What an activity changes when it ends.

use super::clock::{Millis, parse_iso};
use super::errors::Fault;
use super::model::{Kind, Passphrase, Ref};
use super::settings::RenameToTaken;
use super::tenant::Tenant;
use super::wifi::change::Change;
use serde_json::{Map, Value};

/// A change that is decided, but not carried out yet.
#[derive(Default)]
pub enum Effect {
    /// Nothing; also what is left once it was applied.
    #[default]
    Nothing,
    /// Objects inserted at the 202 become visible.
    Appear(Vec<Ref>),
    /// Objects go.
    Remove(Vec<Ref>),
    /// Fields of objects change; `null` clears one.
    Change(Vec<Ref>, Map<String, Value>),
    /// An identity changes; a passphrase set on it is made under `fresh_id` when it has none.
    ChangeIdentity {
        /// The identity.
        id: String,
        /// Its new fields.
        fields: Map<String, Value>,
        /// Id for the passphrase.
        fresh_id: String,
        /// The value sent was too short and has been replaced.
        replaced: bool,
    },
    /// A group gets a pool.
    Attach {
        /// The group.
        group: String,
        /// The pool.
        pool: String,
    },
    /// A pool or a group gets a policy set, or loses the one it has.
    Assign {
        /// The pool or group.
        of: Ref,
        /// The set; `None` takes it away.
        set: Option<String>,
    },
    /// A policy is associated with the RADIUS group it answers with.
    Answer {
        /// The policy.
        policy: String,
        /// The RADIUS group.
        radius: String,
    },
    /// A Wi-Fi network changes, or where it is on the air.
    Wifi(Change),
    /// A policy leaves a set.
    TakeFromSet {
        /// The set.
        set: String,
        /// The policy.
        policy: String,
    },
}

impl Tenant {
    /// Carries a change out. An error leaves nothing of it behind.
    pub fn apply(&mut self, effect: Effect, now: Millis) -> Result<(), Fault> {
        match effect {
            Effect::Nothing => Ok(()),
            Effect::Appear(refs) => {
                if refs.iter().all(|of| self.can_appear(of)) {
                    refs.iter().for_each(|of| {
                        self.appear(of);
                    });
                    Ok(())
                } else {
                    refs.iter().for_each(|of| self.remove(of));
                    Err(Fault::new(404, "GENERAL-404", "the object's container is gone"))
                }
            }
            Effect::Remove(refs) => {
                refs.iter().try_for_each(|of| self.removable(of))?;
                refs.iter().for_each(|of| self.remove(of));
                Ok(())
            }
            Effect::Change(refs, fields) => {
                for of in &refs {
                    self.renamable(of, &fields)?;
                }
                refs.iter().for_each(|of| self.change(of, &fields, now));
                Ok(())
            }
            Effect::ChangeIdentity {
                id,
                fields,
                fresh_id,
                replaced,
            } => self.change_identity(&id, fields, &fresh_id, replaced, now),
            Effect::Attach { group, pool } => {
                if self.pool(&pool).is_none() {
                    return Err(Fault::not_found("DPSK pool", &pool));
                }
                let row = self
                    .groups
                    .get_mut(&group)
                    .ok_or_else(|| Fault::not_found("Identity group", &group))?;
                row.pool_id = Some(pool.clone());
                if let Some(row) = self.pools.get_mut(&pool) {
                    row.group_id = Some(group);
                }
                Ok(())
            }
            Effect::Assign { of, set } => self.assign(&of, set, now),
            Effect::Answer { policy, radius } => {
                let exists = self.policy.radius.get(&radius).is_some();
                match self.policy.policies.any_mut(&policy).filter(|_| exists) {
                    Some(row) => row.response = Some(radius),
                    None => return Err(Fault::not_found("RADIUS attribute group", &radius)),
                }
                Ok(())
            }
            Effect::Wifi(change) => self.carry_out(change, now),
            Effect::TakeFromSet { set, policy } => {
                let row = self.policy.sets.any_mut(&set);
                row.ok_or_else(|| Fault::not_found("Policy set", &set))?
                    .policies
                    .retain(|id| *id != policy);
                Ok(())
            }
        }
    }

    fn assign(&mut self, of: &Ref, set: Option<String>, now: Millis) -> Result<(), Fault> {
        if let Some(id) = set.as_ref().filter(|id| self.policy.sets.get(id).is_none()) {
            return Err(Fault::not_found("Policy set", id));
        }
        match of.kind {
            Kind::Pool => {
                let row = self.pools.get_mut(&of.id);
                let row = row.ok_or_else(|| Fault::not_found("DPSK pool", &of.id))?;
                (row.policy_set_id, row.origin.updated_at) = (set, now);
            }
            _ => {
                let row = self.groups.get_mut(&of.id);
                let row = row.ok_or_else(|| Fault::not_found("Identity group", &of.id))?;
                (row.policy_set_id, row.origin.updated_at) = (set, now);
            }
        }
        Ok(())
    }

    /// Undoes what the 202 reserved.
    pub fn discard(&mut self, effect: &Effect) {
        if let Effect::Appear(refs) = effect {
            refs.iter().for_each(|of| self.remove(of));
        }
    }

    fn can_appear(&self, of: &Ref) -> bool {
        match of.kind {
            Kind::Group => self.groups.contains_key(&of.id),
            Kind::Pool => self
                .pools
                .get(&of.id)
                .is_some_and(|p| p.group_id.as_ref().is_none_or(|g| self.groups.contains_key(g))),
            Kind::Passphrase => self
                .passphrases
                .get(&of.id)
                .is_some_and(|k| self.keys.contains_key(&k.pool_id)),
            Kind::Identity => self
                .identities
                .get(&of.id)
                .is_some_and(|i| self.people.contains_key(&i.group_id)),
            Kind::PolicySet => self.policy.sets.any(&of.id).is_some(),
            Kind::Policy => self.policy.policies.any(&of.id).is_some(),
            Kind::RadiusGroup => self.policy.radius.any(&of.id).is_some(),
            Kind::Network => self.wifi.networks.any(&of.id).is_some(),
            Kind::ApGroup => self.wifi.ap_groups.any(&of.id).is_some(),
        }
    }

    /// DPSK-026 for a pool with passphrases, GENERAL-026 for a group with a pool; a pool that networks use, and a network that is on in
    /// a venue, cannot go either (their codes are not in the documents).
    pub fn removable(&self, of: &Ref) -> Result<(), Fault> {
        let inside = self.keys.get(&of.id).map_or(0, |keys| keys.total);
        match of.kind {
            Kind::Pool if inside > 0 => Err(Fault::new(
                409,
                "DPSK-026",
                format!("DPSK service still contains {inside} passphrases"),
            )),
            Kind::Pool if self.wifi.of_pool(&of.id).next().is_some() => Err(Fault::new(
                409,
                "GENERAL-409",
                "DPSK service is still used by a Wi-Fi network",
            )),
            Kind::Network if self.wifi.venues_of(&of.id).next().is_some() => Err(Fault::new(
                422,
                "WIFI-10001",
                "The Wi-Fi network is still activated on a venue",
            )),
            Kind::Group if self.groups.get(&of.id).is_some_and(|group| group.pool_id.is_some()) => Err(Fault::new(
                409,
                "GENERAL-026",
                "Identity group is still associated with a DPSK service",
            )),
            _ => Ok(()),
        }
    }

    /// DPSK-020 or a validation error when `fields` would give an object a name that another has.
    pub fn renamable(&self, of: &Ref, fields: &Map<String, Value>) -> Result<(), Fault> {
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        let taken = |owner: Option<&String>| owner.is_some_and(|owner| *owner != of.id);
        match of.kind {
            Kind::Passphrase => {
                let names = self
                    .passphrases
                    .get(&of.id)
                    .and_then(|key| self.keys.get(&key.pool_id))
                    .map(|keys| &keys.names);
                match (names, text("username")) {
                    (Some(names), Some(name)) if taken(names.get(name)) => Err(username_exists(name)),
                    _ => Ok(()),
                }
            }
            Kind::Pool => match text("name") {
                Some(name) if taken(self.pool_names.get(name)) => Err(pool_exists()),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Sets fields of a pool or passphrase; unknown fields are ignored, as the real service does.
    pub fn change(&mut self, of: &Ref, fields: &Map<String, Value>, now: Millis) {
        if let (Kind::Passphrase, Some(name)) = (of.kind, fields.get("username").and_then(Value::as_str)) {
            self.rename_passphrase(&of.id, name);
        }
        if let (Kind::Pool, Some(name)) = (of.kind, fields.get("name").and_then(Value::as_str))
            && let Some(pool) = self.pools.get_mut(&of.id)
        {
            super::tenant::release(&mut self.pool_names, &pool.name, &of.id);
            self.pool_names.entry(name.into()).or_insert_with(|| of.id.clone());
            pool.name = name.into();
        }
        match of.kind {
            Kind::Passphrase => {
                if let Some(key) = self.passphrases.get_mut(&of.id) {
                    key.origin.updated_at = now;
                    fields
                        .iter()
                        .for_each(|(field, value)| set_passphrase(key, field, value, now));
                }
            }
            Kind::Pool => {
                if let Some(pool) = self.pools.get_mut(&of.id) {
                    pool.origin.updated_at = now;
                    for (field, value) in fields {
                        match field.as_str() {
                            "passphraseFormat" => pool.passphrase_format = value.as_str().unwrap_or_default().into(),
                            "passphraseLength" => pool.passphrase_length = value.as_u64().unwrap_or(8) as usize,
                            "deviceCountLimit" => pool.device_count_limit = value.as_i64(),
                            "expirationType" => pool.expiration_type = value.as_str().map(str::to_owned),
                            "expirationOffset" => pool.expiration_offset = value.as_i64(),
                            "expirationDate" => pool.expiration_date = value.as_str().and_then(parse_iso),
                            "policyDefaultAccess" => pool.policy_default_access = value.as_bool().unwrap_or(true),
                            _ => {}
                        }
                    }
                }
            }
            Kind::Group => {
                if let Some(group) = self.groups.get_mut(&of.id) {
                    group.origin.updated_at = now;
                    if let Some(text) = fields.get("description") {
                        group.description = text.as_str().map(str::to_owned);
                    }
                }
            }
            Kind::Identity => {
                if let Some(identity) = self.identities.get_mut(&of.id) {
                    identity.origin.updated_at = now;
                    for (field, value) in fields {
                        let text = value.as_str().map(str::to_owned);
                        match field.as_str() {
                            "description" => identity.description = text,
                            "displayName" => identity.display_name = text,
                            "email" => identity.email = text,
                            "phoneNumber" => identity.phone_number = text,
                            "vlan" => identity.vlan = value.as_i64(),
                            _ => {}
                        }
                    }
                }
                if let Some(name) = fields.get("name").and_then(Value::as_str) {
                    self.rename_identity(&of.id, name);
                }
            }
            Kind::PolicySet | Kind::Policy | Kind::RadiusGroup => self.policy.change(of, fields, now),
            Kind::Network | Kind::ApGroup => self.wifi.change(of, fields, now),
        }
    }

    fn change_identity(
        &mut self,
        id: &str,
        mut fields: Map<String, Value>,
        fresh_id: &str,
        replaced: bool,
        now: Millis,
    ) -> Result<(), Fault> {
        let Some(identity) = self.identities.get(id).cloned() else {
            return Err(Fault::not_found("Identity", id));
        };
        if let Some(name) = fields.get("name").and_then(Value::as_str).map(str::to_owned) {
            let names = self.people.get(&identity.group_id).map(|people| &people.names);
            let taken = |name: &str| names.is_some_and(|names| names.get(name).is_some_and(|owner| owner != id));
            if taken(&name) {
                if self.rename_to_taken == RenameToTaken::Fail {
                    return Err(identity_exists(&name));
                }
                let free = (1..).map(|n| format!("{name}_{n}")).find(|name| !taken(name));
                fields.insert("name".into(), free.into());
            }
        }
        if let Some(value) = fields.remove("dpskPassphrase").as_ref().and_then(Value::as_str) {
            let mut changes = Map::from_iter([("passphrase".to_owned(), value.into())]);
            if let Some(vlan) = fields.get("vlan") {
                changes.insert("vlanId".into(), vlan.clone());
            }
            let key = match &identity.passphrase_id {
                Some(key) => key.clone(),
                None => self.mint(&identity.group_id, &identity.name, id, fresh_id, now)?,
            };
            self.change(&Ref::new(Kind::Passphrase, &key), &changes, now);
            if let Some(key) = self.passphrases.get_mut(&key) {
                key.replaced = replaced;
            }
        }
        self.change(&Ref::new(Kind::Identity, id), &fields, now);
        Ok(())
    }

    /// A live, empty passphrase for an identity that had none.
    fn mint(&mut self, group: &str, name: &str, identity: &str, id: &str, now: Millis) -> Result<String, Fault> {
        let pool = self.groups.get(group).and_then(|group| group.pool_id.clone());
        let pool_id = pool.ok_or_else(|| Fault::new(422, "GENERAL-422", "Identity group has no DPSK service"))?;
        if self
            .keys
            .get(&pool_id)
            .is_some_and(|keys| keys.names.contains_key(name))
        {
            return Err(username_exists(name));
        }
        let origin = self.origin(None, now);
        self.insert_passphrase(Passphrase {
            id: id.into(),
            pool_id,
            identity_id: Some(identity.into()),
            username: name.into(),
            origin,
            ..Passphrase::default()
        });
        self.appear(&Ref::new(Kind::Passphrase, id));
        if let Some(identity) = self.identities.get_mut(identity) {
            identity.passphrase_id = Some(id.into());
        }
        Ok(id.into())
    }
}

fn set_passphrase(key: &mut Passphrase, field: &str, value: &Value, now: Millis) {
    let text = value.as_str().map(str::to_owned);
    match field {
        "passphrase" => {
            if let Some(text) = text {
                key.value = text;
                key.replaced = false;
            }
        }
        "replaced" => key.replaced = value == &Value::Bool(true),
        "vlanId" => key.vlan_id = value.as_i64(),
        "numberOfDevices" => key.number_of_devices = value.as_i64(),
        "expirationDate" => key.expiration_date = text.as_deref().and_then(parse_iso),
        "email" => key.email = text,
        "phoneNumber" => key.phone_number = text,
        "revocationReason" => {
            key.revocation_date = text.is_some().then_some(now);
            key.revocation_reason = text;
        }
        _ => {}
    }
}

/// 409 DPSK-020.
pub fn username_exists(name: &str) -> Fault {
    Fault::new(409, "DPSK-020", format!("Username '{name}' already exists"))
}

/// GENERAL-010.
pub fn identity_exists(name: &str) -> Fault {
    Fault::new(
        409,
        "GENERAL-010",
        format!("Identity with name '{name}' already exists in the group"),
    )
}

/// The validation error of a pool name, which comes without a code.
pub fn pool_exists() -> Fault {
    Fault::new(409, "", "DPSK service.name: Name must be unique")
}

/// The validation error of a group name.
pub fn group_exists() -> Fault {
    Fault::new(409, "", "Identity group.name: Name must be unique")
}
