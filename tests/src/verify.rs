//! Compares what is in RUCKUS One (the simulator's ledger) with a Cloudpath export, field by field.
//!
//! The expectations are derived here from the export and the options alone, by the published rules of an import, and share no code
//! with the product: what the product's mapping gets wrong shows. Passphrases are compared, never repeated. [`mod@rows`] asks another
//! question: whether what a job says of each of its tasks is what is there.

mod attached;
mod expect;
mod links;
mod options;
pub mod rows;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::Value;

pub use expect::{Expected, Key, Pool, expected, expected_with};
pub use links::{Network, Policy, PolicySet, unambiguous_ssids};
pub use options::{Expired, Options};

/// What is wrong, each in a sentence.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Keys that should be there.
    pub keys_expected: usize,
    /// Keys that are there as they should be.
    pub keys_right: usize,
    /// In the export, not in the ledger: lost.
    pub missing: Vec<String>,
    /// In the ledger, not in the export.
    pub extra: Vec<String>,
    /// There, but not as in the export.
    pub different: Vec<String>,
    /// There more than once.
    pub duplicates: Vec<String>,
}

impl Verdict {
    pub fn agrees(&self) -> bool {
        self.faults().next().is_none()
    }

    /// All of them.
    pub fn faults(&self) -> impl Iterator<Item = &String> {
        [&self.missing, &self.extra, &self.different, &self.duplicates]
            .into_iter()
            .flatten()
    }
}

/// With default options. `now`: when the import was submitted; it decides which keys had expired.
pub fn verify(export: &Value, ledger: &Value, now: Timestamp) -> Result<Verdict, String> {
    verify_with(export, &Options::default(), ledger, now)
}

/// What was there before the import (RADIUS attribute groups, networks to be used) has no request that made it, and is not extra.
pub fn verify_with(export: &Value, options: &Options, ledger: &Value, now: Timestamp) -> Result<Verdict, String> {
    let expected = expected_with(export, options, now)?;
    let mut verdict = Verdict {
        keys_expected: expected.keys.len(),
        ..Verdict::default()
    };
    groups_and_pools(&expected, ledger, &mut verdict);
    keys(&expected, ledger, &mut verdict);
    people(&expected, ledger, &mut verdict);
    if options.policies {
        attached::policies(&expected, ledger, &mut verdict);
    }
    if !options.ssids.is_empty() {
        attached::networks(&expected, ledger, &mut verdict);
    }
    for (what, count) in ledger["in_flight"].as_object().into_iter().flatten() {
        if count.as_u64() != Some(0) {
            verdict.different.push(format!("{count} {what} still in flight"));
        }
    }
    Ok(verdict)
}

fn rows<'l>(ledger: &'l Value, what: &str) -> &'l [Value] {
    ledger[what].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(row: &'v Value, field: &str) -> &'v str {
    row[field].as_str().unwrap_or_default()
}

/// Rows by what must be unique; later ones are noted as duplicates.
fn index<'l, K: Ord + Clone>(
    rows: impl Iterator<Item = (K, &'l Value)>,
    name: impl Fn(&K) -> String,
    verdict: &mut Verdict,
) -> BTreeMap<K, &'l Value> {
    let mut found = BTreeMap::new();
    for (key, row) in rows {
        match found.entry(key) {
            Entry::Occupied(twin) => verdict.duplicates.push(format!("{} exists twice", name(twin.key()))),
            Entry::Vacant(place) => {
                place.insert(row);
            }
        }
    }
    found
}

fn differs(what: &str, field: &str, found: &Value, wanted: &Value, verdict: &mut Verdict) {
    if found != wanted {
        verdict
            .different
            .push(format!("{what}: {field} is {found}, not {wanted}"));
    }
}

fn groups_and_pools(expected: &Expected, ledger: &Value, verdict: &mut Verdict) {
    let groups = rows(ledger, "identity_groups")
        .iter()
        .map(|row| (text(row, "name").to_owned(), row));
    let groups = index(groups, |name| format!("group {name:?}"), verdict);
    let pools = rows(ledger, "dpsk_pools")
        .iter()
        .map(|row| (text(row, "name").to_owned(), row));
    let pools = index(pools, |name| format!("pool {name:?}"), verdict);
    for pool in &expected.pools {
        let group = groups.get(&pool.group);
        match group {
            None => verdict.missing.push(format!("group {:?}", pool.group)),
            Some(row) => {
                let what = format!("group {:?}", pool.group);
                differs(
                    &what,
                    "description",
                    &row["description"],
                    &pool.description.clone().into(),
                    verdict,
                );
            }
        }
        let Some(row) = pools.get(&pool.name) else {
            verdict.missing.push(format!("pool {:?}", pool.name));
            continue;
        };
        let what = format!("pool {:?}", pool.name);
        let group_id = group.map_or(Value::Null, |group| group["id"].clone());
        let wanted = [
            ("identity_group_id", group_id),
            ("passphrase_format", pool.format.into()),
            ("passphrase_length", pool.length.into()),
            ("device_count_limit", pool.devices.into()),
            ("expiration_type", pool.expiration_type.clone().into()),
            ("expiration_offset", pool.expiration_offset.into()),
        ];
        let lets_in = pool.lets_in.map(|lets_in| ("policy_default_access", lets_in.into()));
        for (field, wanted) in wanted.into_iter().chain(lets_in) {
            differs(&what, field, &row[field], &wanted, verdict);
        }
        instant(&what, &row["expiration_date"], pool.expiration_date, verdict);
    }
    for name in groups
        .keys()
        .filter(|name| !expected.pools.iter().any(|pool| pool.group == **name))
    {
        verdict.extra.push(format!("group {name:?}"));
    }
    for name in pools
        .keys()
        .filter(|name| !expected.pools.iter().any(|pool| pool.name == **name))
    {
        verdict.extra.push(format!("pool {name:?}"));
    }
}

fn keys(expected: &Expected, ledger: &Value, verdict: &mut Verdict) {
    let place = |row: &Value| (text(row, "pool_name").to_owned(), text(row, "username").to_owned());
    let shown = |(pool, user): &(String, String)| format!("key of {user:?} in {pool:?}");
    let all = rows(ledger, "passphrases");
    let found = index(all.iter().map(|row| (place(row), row)), shown, verdict);
    let mut values: HashMap<(&str, &str), &str> = HashMap::new();
    for row in all {
        let earlier = values.insert((text(row, "pool_name"), text(row, "passphrase")), text(row, "username"));
        if let Some(earlier) = earlier.filter(|earlier| *earlier != text(row, "username")) {
            let message = format!("{} has the passphrase of {earlier:?}", shown(&place(row)));
            verdict.duplicates.push(message);
        }
    }
    let mut left = found.clone();
    for key in &expected.keys {
        let place = (expected.pools[key.pool].name.clone(), key.username.clone());
        let what = shown(&place);
        let Some(row) = left.remove(&place) else {
            verdict.missing.push(what);
            continue;
        };
        let before = verdict.different.len();
        if row["passphrase"] != Value::String(key.passphrase.clone()) {
            verdict.different.push(format!("{what}: another passphrase"));
        }
        differs(&what, "VLAN", &row["vlan_id"], &key.vlan.into(), verdict);
        differs(
            &what,
            "number of devices",
            &row["number_of_devices"],
            &key.devices.into(),
            verdict,
        );
        instant(&what, &row["expiration_date"], key.expires, verdict);
        for flag in ["invented", "replaced"] {
            differs(&what, flag, &row[flag], &false.into(), verdict);
        }
        differs(&what, "revocation date", &row["revocation_date"], &Value::Null, verdict);
        verdict.keys_right += usize::from(verdict.different.len() == before);
    }
    for place in left.keys() {
        verdict.extra.push(shown(place));
    }
}

/// Every key has its user, in the group of its pool, and there are no others.
fn people(expected: &Expected, ledger: &Value, verdict: &mut Verdict) {
    let people: HashMap<&str, &Value> = rows(ledger, "identities")
        .iter()
        .map(|row| (text(row, "id"), row))
        .collect();
    for row in rows(ledger, "passphrases") {
        let what = format!("key of {:?} in {:?}", text(row, "username"), text(row, "pool_name"));
        let is_right = people.get(text(row, "identity_id")).is_some_and(|person| {
            person["name"] == row["username"] && person["group_id"] == row["group_id"] && person["invented"] == false
        });
        if !is_right {
            verdict
                .different
                .push(format!("{what}: no identity of that name in its group"));
        }
    }
    if people.len() > expected.keys.len() {
        verdict
            .extra
            .push(format!("{} identities", people.len() - expected.keys.len()));
    }
}

fn instant(what: &str, found: &Value, wanted: Option<Timestamp>, verdict: &mut Verdict) {
    let read = found.as_str().map(str::parse::<Timestamp>);
    let is_same = match (&read, wanted) {
        (None, None) => true,
        (Some(Ok(found)), Some(wanted)) => *found == wanted,
        _ => false,
    };
    if !is_same {
        let wanted = wanted.map_or("none".to_owned(), |at| at.to_string());
        verdict
            .different
            .push(format!("{what}: expiry is {found}, not {wanted}"));
    }
}

#[cfg(test)]
mod tests;
