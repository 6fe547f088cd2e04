//! Objects as RUCKUS One shows them. The vendor's schemas allow no nulls: absent means absent.

use serde_json::{Value, json};

use super::clock::{Millis, iso};
use super::model::{Group, Identity, Passphrase, Pool};
use super::tenant::Tenant;

/// Drops null fields.
pub fn compact(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    value
}

impl Tenant {
    /// An identity group.
    pub fn view_group(&self, group: &Group) -> Value {
        let pool = group.pool_id.as_deref().filter(|pool| self.pool(pool).is_some());
        compact(json!({
            "id": group.id, "name": group.name, "description": group.description, "dpskPoolId": pool,
            "policySetId": group.policy_set_id, "macRegistrationPoolId": group.mac_registration_pool_id,
            "autoCleanupEnabled": group.auto_cleanup,
            "networkCount": pool.map_or(0, |pool| self.wifi.of_pool(pool).count()),
            "identityCount": self.people.get(&group.id).map_or(0, |people| people.live.len()),
            "createdAt": iso(group.origin.created_at), "updatedAt": iso(group.origin.updated_at),
        }))
    }

    /// A pool. Media type v1.2 does not name the identity group.
    pub fn view_pool(&self, pool: &Pool, with_group: bool) -> Value {
        compact(json!({
            "id": pool.id, "name": pool.name, "passphraseFormat": pool.passphrase_format,
            "passphraseLength": pool.passphrase_length, "deviceCountLimit": pool.device_count_limit,
            "expirationType": pool.expiration_type, "expirationOffset": pool.expiration_offset,
            "expirationDate": pool.expiration_date.map(iso), "policyDefaultAccess": pool.policy_default_access,
            "isReferenced": pool.group_id.is_some(), "isEnforced": false,
            "networkCount": self.wifi.of_pool(&pool.id).count(),
            "identityGroupId": pool.group_id.as_ref().filter(|_| with_group),
            "createdDate": iso(pool.origin.created_at), "lastModifiedDate": iso(pool.origin.updated_at),
        }))
    }

    /// A passphrase with its value, as the vendor shows it.
    pub fn view_passphrase(&self, key: &Passphrase) -> Value {
        let devices: Vec<Value> = key.mac.iter().map(|mac| json!({"mac": mac})).collect();
        compact(json!({
            "id": key.id, "username": key.username, "passphrase": key.value, "vlanId": key.vlan_id,
            "vxlanId": key.vxlan_id, "numberOfDevices": key.number_of_devices,
            "expirationDate": key.expiration_date.map(iso), "email": key.email, "phoneNumber": key.phone_number,
            "revocationReason": key.revocation_reason, "revocationDate": key.revocation_date.map(iso),
            "identityId": key.identity_id, "identityGroupId": self.pools.get(&key.pool_id).and_then(|pool| pool.group_id.clone()),
            "isReferenced": key.identity_id.is_some(), "devices": devices,
            "createdDate": iso(key.origin.created_at), "lastModifiedDate": iso(key.origin.updated_at),
        }))
    }

    /// An identity with its passphrase.
    pub fn view_identity(&self, identity: &Identity) -> Value {
        let key = identity.passphrase_id.as_ref().and_then(|id| self.passphrase(id));
        compact(json!({
            "id": identity.id, "groupId": identity.group_id, "name": identity.name,
            "displayName": identity.display_name, "description": identity.description, "email": identity.email,
            "phoneNumber": identity.phone_number, "vlan": identity.vlan, "revoked": false, "deviceCount": 0,
            "devices": [], "dpskGuid": key.map(|key| &key.id), "dpskPassphrase": key.map(|key| &key.value),
            "createdAt": iso(identity.origin.created_at), "updatedAt": iso(identity.origin.updated_at),
        }))
    }
}

/// `ACTIVE` `REVOKED` `EXPIRED`.
pub fn status_of(key: &Passphrase, now: Millis) -> &'static str {
    match (key.revocation_date, key.expiration_date) {
        (Some(_), _) => "REVOKED",
        (_, Some(end)) if end <= now => "EXPIRED",
        _ => "ACTIVE",
    }
}
