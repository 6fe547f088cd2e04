//! The simulator's own view of what a tenant holds: the witness the product is checked against.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::clock::{Millis, iso};
use super::model::{Origin, Passphrase};
use super::settings::Settings;
use super::tenant::Tenant;
use super::view::status_of;

/// A row with its times and the request that made it.
pub fn born(mut value: Value, origin: &Origin) -> Value {
    value["created_at"] = iso(origin.created_at).into();
    value["updated_at"] = iso(origin.updated_at).into();
    value["created_by_request"] = origin.request_id.clone().into();
    value
}

impl Tenant {
    /// Every live object with every field; absent values are null. Objects still in flight are only counted.
    pub fn ledger(&self, now: Millis) -> Value {
        let groups = self.live_groups.values().filter_map(|id| self.groups.get(id));
        let groups: Vec<Value> = groups
            .map(|g| {
                let row = json!({"id": g.id, "name": g.name, "description": g.description, "dpsk_pool_id": g.pool_id,
                    "policy_set_id": g.policy_set_id, "mac_registration_pool_id": g.mac_registration_pool_id,
                    "auto_cleanup_enabled": g.auto_cleanup,
                    "identity_count": self.people.get(&g.id).map_or(0, |people| people.live.len())});
                born(row, &g.origin)
            })
            .collect();
        let pools = self.live_pools.values().filter_map(|id| self.pools.get(id));
        let pools: Vec<Value> = pools
            .map(|p| {
                let row = json!({"id": p.id, "name": p.name, "identity_group_id": p.group_id,
                    "passphrase_format": p.passphrase_format, "passphrase_length": p.passphrase_length,
                    "device_count_limit": p.device_count_limit, "expiration_type": p.expiration_type,
                    "expiration_offset": p.expiration_offset, "expiration_date": p.expiration_date.map(iso),
                    "policy_default_access": p.policy_default_access, "policy_set_id": p.policy_set_id,
                    "passphrase_count": self.keys.get(&p.id).map_or(0, |keys| keys.live.len())});
                born(row, &p.origin)
            })
            .collect();
        let passphrases: Vec<Value> = self.live_keys().map(|key| self.ledger_key(key, now)).collect();
        let identities = self.live_identities.values().filter_map(|id| self.identities.get(id));
        let identities: Vec<Value> = identities
            .map(|i| {
                let row = json!({"id": i.id, "group_id": i.group_id, "name": i.name, "display_name": i.display_name,
                    "description": i.description, "email": i.email, "phone_number": i.phone_number, "vlan": i.vlan,
                    "passphrase_id": i.passphrase_id, "invented": i.invented});
                born(row, &i.origin)
            })
            .collect();
        let (policy_sets, policies, radius_groups) = self.ledger_policies();
        let in_flight = json!({
            "identity_groups": self.groups.len() - groups.len(), "dpsk_pools": self.pools.len() - pools.len(),
            "passphrases": self.passphrases.len() - passphrases.len(),
            "identities": self.identities.len() - identities.len(), "activities": self.activities.open(),
            "policies": self.policy.policies.in_flight(), "wifi_networks": self.wifi.networks.in_flight(),
            "ap_groups": self.wifi.ap_groups.in_flight(),
        });
        let mut ledger = json!({
            "tenant": self.id, "in_flight": in_flight, "venues": self.venues,
            "totals": {"identity_groups": groups.len(), "dpsk_pools": pools.len(), "passphrases": passphrases.len(),
                       "identities": identities.len(), "activities": self.activities.all.len(),
                       "policy_sets": policy_sets.len(), "policies": policies.len(),
                       "radius_attribute_groups": radius_groups.len()},
            "identity_groups": groups, "dpsk_pools": pools, "passphrases": passphrases, "identities": identities,
            "policy_sets": policy_sets, "policies": policies, "radius_attribute_groups": radius_groups,
        });
        for (part, rows) in self.ledger_wifi() {
            ledger["totals"][part] = rows.len().into();
            ledger[part] = rows.into();
        }
        ledger
    }

    /// Live passphrases, pool by pool.
    pub fn live_keys(&self) -> impl Iterator<Item = &Passphrase> {
        let members = self.live_pools.values().filter_map(|id| self.keys.get(id));
        members
            .flat_map(|members| members.live.values())
            .filter_map(|id| self.passphrases.get(id))
    }

    fn ledger_key(&self, key: &Passphrase, now: Millis) -> Value {
        let pool = self.pools.get(&key.pool_id);
        let row = json!({
            "id": key.id, "pool_id": key.pool_id, "pool_name": pool.map(|pool| &pool.name),
            "group_id": pool.and_then(|pool| pool.group_id.as_ref()), "identity_id": key.identity_id,
            "username": key.username, "passphrase": key.value, "vlan_id": key.vlan_id, "vxlan_id": key.vxlan_id,
            "number_of_devices": key.number_of_devices, "expiration_date": key.expiration_date.map(iso),
            "email": key.email, "phone_number": key.phone_number, "mac": key.mac,
            "revocation_reason": key.revocation_reason, "revocation_date": key.revocation_date.map(iso),
            "status": status_of(key, now), "invented": key.invented, "replaced": key.replaced,
        });
        born(row, &key.origin)
    }

    /// How often an object exists once too often, counted over the ledger itself and not from the indexes:
    /// names of groups and pools in the tenant, of identities in their group, user names and values of passphrases in their pool.
    pub fn twins(&self) -> Value {
        let groups = surplus(
            self.live_groups
                .values()
                .filter_map(|id| self.groups.get(id))
                .map(|g| ("", g.name.as_str())),
        );
        let pools = surplus(
            self.live_pools
                .values()
                .filter_map(|id| self.pools.get(id))
                .map(|p| ("", p.name.as_str())),
        );
        let people = self.live_identities.values().filter_map(|id| self.identities.get(id));
        let people = surplus(people.map(|i| (i.group_id.as_str(), i.name.as_str())));
        let names = surplus(self.live_keys().map(|k| (k.pool_id.as_str(), k.username.as_str())));
        let values = surplus(self.live_keys().map(|k| (k.pool_id.as_str(), k.value.as_str())));
        // a key is one too many when its name or its value was there before; its identity usually comes with it
        let (mut seen_names, mut seen_values) = (HashSet::new(), HashSet::new());
        let keys = self.live_keys().filter(|key| {
            let name = seen_names.insert((&key.pool_id, &key.username));
            let value = seen_values.insert((&key.pool_id, &key.value));
            !(name && value)
        });
        let keys = keys.count() as u64;
        let (sets, policies, radius) = self.policy_twins();
        let (networks, ap_groups, ssids) = self.wifi_twins();
        let total = groups + pools + people.max(keys) + sets + policies + radius + networks + ap_groups + ssids;
        json!({"identity_groups": groups, "dpsk_pools": pools, "identities": people, "usernames": names,
               "passphrase_values": values, "passphrases": keys, "policy_sets": sets, "policies": policies,
               "radius_attribute_groups": radius, "wifi_networks": networks, "ap_groups": ap_groups,
               "ssids_on_air": ssids, "total": total})
    }

    /// The time an ideal client needs for what the ledger holds:
    /// `max((W + R − bucket) / rate, W × write latency / concurrency) + 3 × longest activity`.
    /// W counts policies, networks, links and activations only when they were asked for, not when they were seeded.
    pub fn ideal(&self, settings: &Settings) -> Value {
        let keys = self.live_keys().count();
        let (groups, pools) = (self.live_groups.len(), self.live_pools.len());
        let others = self.policy_writes() + self.wifi_writes();
        let (w, r) = (
            (groups + pools + keys + others) as f64,
            10.0 + 2.0 * keys.div_ceil(500) as f64,
        );
        let (bucket, rate) = (settings.capacity(), settings.per_second());
        let by_rate = ((w + r - bucket) / rate).max(0.0);
        let by_latency = w * settings.write_ms as f64 / 1000.0 / settings.ideal_concurrency;
        let activities = 3.0 * settings.activity_ms.1 as f64 / 1000.0;
        let seconds = by_rate.max(by_latency) + activities;
        json!({
            "tenant": self.id, "ideal_seconds": seconds, "w": w, "r": r, "identity_groups": groups, "dpsk_pools": pools,
            "passphrases": keys, "other_writes": others, "by_rate_seconds": by_rate, "by_latency_seconds": by_latency,
            "activities_seconds": activities, "bucket": bucket, "rate_per_second": rate, "write_ms": settings.write_ms,
            "concurrency": settings.ideal_concurrency, "activity_max_ms": settings.activity_ms.1,
        })
    }

    /// Counters with the duplicates of this tenant.
    pub fn counts_view(&self) -> Value {
        let twins = self.twins();
        let existing = twins["total"].as_u64().unwrap_or_default();
        let mut view = serde_json::to_value(&self.counts).unwrap_or_default();
        view["tenant"] = self.id.clone().into();
        view["existing_twice"] = twins;
        view["duplicates"] = (existing + self.counts.refused_creates).into();
        view
    }
}

/// How many rows repeat an earlier one.
pub fn surplus<'t>(rows: impl Iterator<Item = (&'t str, &'t str)>) -> u64 {
    let mut seen: HashMap<(&str, &str), u64> = HashMap::new();
    rows.for_each(|row| *seen.entry(row).or_default() += 1);
    seen.values().map(|count| count - 1).sum()
}
