//! What should stand besides the keys: policies, policy sets, networks, and what each is tied to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::expect::{Expected, fit};
use super::options::Options;

/// Longest name of a policy and of a set, in UTF-16 units.
const NAME_MAX: usize = 255;
const CREATE: &str = "create";

/// The part of the export an expected pool is made of.
pub struct Source {
    /// Place of its Cloudpath pool in the export.
    pub export_pool: usize,
    /// Name of the pool before it was fitted.
    pub full_name: String,
    pub guid: String,
}

/// An adaptive policy: answers users of a suffix with the RADIUS attribute group of that name.
#[derive(Debug)]
pub struct Policy {
    pub name: String,
    pub suffix: String,
    pub pattern: String,
}

/// A policy set, assigned to one pool.
#[derive(Debug)]
pub struct PolicySet {
    pub name: String,
    pub description: String,
    /// Index of its pool.
    pub pool: usize,
    /// Indexes of its policies.
    pub policies: Vec<usize>,
}

/// A network on all AP groups of the venue, linked to one pool.
#[derive(Debug)]
pub struct Network {
    pub ssid: String,
    /// Index of its pool.
    pub pool: usize,
    /// Id of the network that is there; none: one is made, named like its SSID.
    pub id: Option<String>,
}

pub fn policies(expected: &Expected, sources: &[Source]) -> (Vec<Policy>, Vec<PolicySet>) {
    let mut of_pool: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    let mut all: BTreeSet<&str> = BTreeSet::new();
    for key in &expected.keys {
        if let Some(suffix) = &key.suffix {
            all.insert(suffix);
            of_pool.entry(key.pool).or_default().insert(suffix);
        }
    }
    let wanted: Vec<String> = all.iter().map(|suffix| format!("{suffix}-POL")).collect();
    let salted: Vec<(&str, &str)> = wanted.iter().map(String::as_str).zip(all.iter().copied()).collect();
    let policies = all.iter().zip(fit(&salted, NAME_MAX)).map(|(suffix, name)| Policy {
        name,
        suffix: (*suffix).to_owned(),
        pattern: pattern(suffix),
    });
    let wanted: Vec<(String, &str)> = of_pool
        .keys()
        .map(|pool| {
            let source = &sources[*pool];
            let full = source.full_name.as_str();
            (
                format!("{}-PS", full.strip_suffix("-DPSK").unwrap_or(full)),
                source.guid.as_str(),
            )
        })
        .collect();
    let salted: Vec<(&str, &str)> = wanted.iter().map(|(name, guid)| (name.as_str(), *guid)).collect();
    let place = |suffix: &&str| all.iter().position(|other| other == suffix);
    let sets = of_pool
        .iter()
        .zip(fit(&salted, NAME_MAX))
        .map(|((pool, suffixes), name)| PolicySet {
            name,
            description: expected.pools[*pool].description.clone(),
            pool: *pool,
            policies: suffixes.iter().filter_map(place).collect(),
        });
    (policies.collect(), sets.collect())
}

/// User names that end in `_` and the suffix, as a regular expression.
fn pattern(suffix: &str) -> String {
    let escaped: String = suffix
        .chars()
        .flat_map(|letter| {
            let special = "\\^$.|?*+()[]{}".contains(letter);
            special.then_some('\\').into_iter().chain([letter])
        })
        .collect();
    format!("^.*_{escaped}$")
}

pub fn networks(pools: &[(Value, &[Value])], sources: &[Source], options: &Options) -> Result<Vec<Network>, String> {
    let ssids: Vec<BTreeSet<&str>> = pools
        .iter()
        .map(|(pool, dpsks)| {
            let lists = [pool]
                .into_iter()
                .chain(*dpsks)
                .filter_map(|at| at["ssidList"].as_array());
            lists.flatten().filter_map(Value::as_str).map(str::trim).collect()
        })
        .collect();
    let names_any = ssids.iter().any(|ssids| !ssids.is_empty());
    let wanted = options.ssids.iter().map(|(ssid, network)| {
        let uses = |source: &Source| !names_any || ssids[source.export_pool].contains(ssid.as_str());
        let users: Vec<usize> = (0..sources.len()).filter(|at| uses(&sources[*at])).collect();
        match users[..] {
            [pool] => Ok(Network {
                ssid: ssid.clone(),
                pool,
                id: Some(network.clone()).filter(|id| id != CREATE),
            }),
            _ => Err(format!("SSID {ssid:?} is used by {} pools", users.len())),
        }
    });
    wanted.collect()
}

/// SSIDs that exactly one pool of the export uses: those that can be activated.
pub fn unambiguous_ssids(export: &Value) -> BTreeSet<String> {
    let mut users: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    let pools = export["dpskPools"]
        .as_array()
        .map_or(std::slice::from_ref(export), Vec::as_slice);
    for (at, pool) in pools.iter().enumerate() {
        let dpsks = pool["dpsks"].as_array().into_iter().flatten();
        let lists = [pool, &pool["pool"]].into_iter().chain(dpsks);
        let ssids = lists.filter_map(|of| of["ssidList"].as_array()).flatten();
        for ssid in ssids.filter_map(Value::as_str) {
            users.entry(ssid).or_default().insert(at);
        }
    }
    let of_one = users.into_iter().filter(|(_, users)| users.len() == 1);
    of_one.map(|(ssid, _)| ssid.to_owned()).collect()
}
