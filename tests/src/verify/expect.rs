//! What an import of an export should leave in RUCKUS One.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::links::{self, Network, Policy, PolicySet, Source};
use super::options::{Expired, Options};

/// Longest name of a pool and of a group, in UTF-16 units.
const POOL_NAME_MAX: usize = 32;
const GROUP_NAME_MAX: usize = 255;
const DEVICES_MAX: i64 = 512;

#[derive(Debug, Default)]
pub struct Expected {
    pub pools: Vec<Pool>,
    pub keys: Vec<Key>,
    /// Rows of the export that are left out.
    pub skipped: Vec<usize>,
    pub policies: Vec<Policy>,
    pub sets: Vec<PolicySet>,
    pub networks: Vec<Network>,
}

/// A DPSK pool and its identity group.
#[derive(Debug)]
pub struct Pool {
    pub name: String,
    pub group: String,
    pub description: String,
    pub format: &'static str,
    pub length: usize,
    pub devices: Option<i64>,
    pub expiration_type: Option<String>,
    pub expiration_offset: Option<i64>,
    pub expiration_date: Option<Timestamp>,
    /// Whether users whom no policy answers get in; none: left to the controller.
    pub lets_in: Option<bool>,
}

/// Not `Debug`: it holds the passphrase.
pub struct Key {
    /// Its place in the export, over all pools.
    pub row: usize,
    /// Index of its pool.
    pub pool: usize,
    pub username: String,
    /// What stands behind the last `_` of its name.
    pub suffix: Option<String>,
    pub passphrase: String,
    pub vlan: Option<i64>,
    pub devices: Option<i64>,
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?})", self.username)
    }
}

/// The three shapes of an export: pools with their DPSKs; the bare array has a nameless one.
fn sources(export: &Value) -> Result<Vec<(Value, &[Value])>, String> {
    let list = |value: &'_ Value| value.as_array().cloned();
    if let Some(dpsks) = export.as_array() {
        return Ok(vec![(Value::Null, dpsks)]);
    }
    if let Some(pools) = export["dpskPools"].as_array() {
        return Ok(pools
            .iter()
            .map(|pool| (pool.clone(), pool["dpsks"].as_array().map_or(&[][..], Vec::as_slice)))
            .collect());
    }
    match (list(&export["dpsks"]), &export["dpsks"]) {
        (Some(_), Value::Array(dpsks)) => Ok(vec![(export["pool"].clone(), dpsks)]),
        _ => Err("not a Cloudpath export: neither an array, nor dpsks, nor dpskPools".to_owned()),
    }
}

/// With default options.
pub fn expected(export: &Value, now: Timestamp) -> Result<Expected, String> {
    expected_with(export, &Options::default(), now)
}

pub fn expected_with(export: &Value, options: &Options, now: Timestamp) -> Result<Expected, String> {
    // a whole request body holds the export as dpsk_data
    let export = export.get("dpsk_data").unwrap_or(export);
    let mut expected = Expected::default();
    let (mut names, mut sources_of) = (Vec::new(), Vec::new());
    let sources = sources(export)?;
    let is_only_pool = sources.len() == 1;
    let mut row = 0;
    for (at, (pool, dpsks)) in sources.iter().enumerate() {
        let mut parts: BTreeMap<Option<i64>, Vec<Key>> = BTreeMap::new();
        for dpsk in *dpsks {
            row += 1;
            match key(dpsk, row - 1, options, now)? {
                Some(key) if is_active(dpsk) => {
                    let vlan = key.vlan.filter(|_| options.by_vlan);
                    parts.entry(vlan).or_default().push(key);
                }
                _ => expected.skipped.push(row - 1),
            }
        }
        for (vlan, keys) in parts {
            let index = expected.pools.len();
            let named = wanted_names(pool, vlan, options, is_only_pool);
            names.push((named.group.clone(), named.name.clone(), named.guid.clone()));
            sources_of.push(Source {
                export_pool: at,
                full_name: named.name.clone(),
                guid: named.guid.clone(),
            });
            expected.pools.push(settings(pool, &keys, options, now, named));
            expected
                .keys
                .extend(keys.into_iter().map(|key| Key { pool: index, ..key }));
        }
    }
    let groups: Vec<(&str, &str)> = names.iter().map(|(group, _, guid)| (&**group, &**guid)).collect();
    let pools: Vec<(&str, &str)> = names.iter().map(|(_, name, guid)| (&**name, &**guid)).collect();
    let fitted = fit(&groups, GROUP_NAME_MAX).into_iter().zip(fit(&pools, POOL_NAME_MAX));
    for (pool, (group, name)) in expected.pools.iter_mut().zip(fitted) {
        (pool.group, pool.name) = (group, name);
    }
    if options.policies {
        (expected.policies, expected.sets) = links::policies(&expected, &sources_of);
    }
    expected.networks = links::networks(&sources, &sources_of, options)?;
    Ok(expected)
}

struct Named {
    group: String,
    name: String,
    description: String,
    guid: String,
}

fn wanted_names(pool: &Value, vlan: Option<i64>, options: &Options, is_only_pool: bool) -> Named {
    let text = |field: &str| pool[field].as_str().unwrap_or_default().trim().to_owned();
    let (guid, display) = (text("guid"), text("displayName"));
    let mut description = match guid.as_str() {
        "" => "Imported from Cloudpath".to_owned(),
        guid => format!("Imported from Cloudpath pool {guid}"),
    };
    let (group, name) = if options.by_vlan {
        let of = vlan.map_or("No VLAN".to_owned(), |vlan| format!("VLAN {vlan}"));
        description.push_str(&vlan.map_or(", no VLAN".to_owned(), |vlan| format!(", VLAN {vlan}")));
        match is_only_pool {
            true => (of.clone(), format!("{of} - Cloudpath DPSKs")),
            false => (format!("{of} - {display}"), format!("{of} - {display}-DPSK")),
        }
    } else {
        match display.as_str() {
            "" => ("Cloudpath Import".to_owned(), "Cloudpath DPSKs".to_owned()),
            display => (format!("{display}-IDG"), format!("{display}-DPSK")),
        }
    };
    Named {
        group,
        name,
        description,
        guid,
    }
}

fn is_active(dpsk: &Value) -> bool {
    let status = dpsk["status"].as_str().unwrap_or_default().trim();
    status.is_empty() || status.eq_ignore_ascii_case("ACTIVE")
}

/// None: it has expired, and shall be left out.
fn key(dpsk: &Value, row: usize, options: &Options, now: Timestamp) -> Result<Option<Key>, String> {
    let text = |field: &str| match &dpsk[field] {
        Value::Number(number) => number.to_string(),
        other => other.as_str().unwrap_or_default().trim().to_owned(),
    };
    let username = match text("name") {
        name if name.is_empty() => format!("DPSK-{}", text("guid")),
        name => name,
    };
    let number = |field: &str| match text(field) {
        written if written.is_empty() => Ok(None),
        written => written
            .parse::<i64>()
            .map(Some)
            .map_err(|_| format!("{username:?}: {field} is no number")),
    };
    let is_limited = dpsk["useDeviceCountLimit"] == true || text("useDeviceCountLimit").eq_ignore_ascii_case("true");
    let devices = number("deviceCountLimit")?
        .filter(|_| is_limited)
        .map(|devices| devices.min(DEVICES_MAX));
    let expires = match text("expirationDateTime") {
        written if written.is_empty() => None,
        written => Some(instant(&written).ok_or_else(|| format!("{username:?}: expirationDateTime is no date"))?),
    };
    let expires = match (expires.filter(|at| *at <= now), options.expired) {
        (None, _) => expires,
        (Some(_), Expired::Import) => None,
        (Some(_), Expired::Skip) => return Ok(None),
        (Some(at), Expired::Renew) => Some(renewed(at, now)?),
    };
    let suffix = text("name").rsplit_once('_').map(|(_, suffix)| suffix.to_owned());
    Ok(Some(Key {
        row,
        pool: 0,
        suffix: suffix.filter(|suffix| !suffix.is_empty()),
        passphrase: dpsk["passphrase"].as_str().unwrap_or_default().to_owned(),
        vlan: number("vlanid")?,
        devices,
        expires,
        username,
    }))
}

/// The same day and time of the first year that lies ahead.
fn renewed(at: Timestamp, now: Timestamp) -> Result<Timestamp, String> {
    let original = at.to_zoned(jiff::tz::TimeZone::UTC);
    for years in 1..9999 {
        let later = original
            .checked_add(jiff::Span::new().years(years))
            .map_err(|e| e.to_string())?;
        if later.timestamp() > now {
            return Ok(later.timestamp());
        }
    }
    Err("an expiry that no year renews".to_owned())
}

/// Whole seconds; the offset decides, not the zone in brackets behind it.
fn instant(written: &str) -> Option<Timestamp> {
    let plain = written.split('[').next().unwrap_or_default();
    let at = match plain.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => written.parse::<jiff::Zoned>().ok()?.timestamp(),
    };
    Timestamp::from_second(at.as_second()).ok()
}

fn settings(pool: &Value, keys: &[Key], options: &Options, now: Timestamp, named: Named) -> Pool {
    let bytes = || keys.iter().flat_map(|key| key.passphrase.bytes());
    let format = if bytes().any(|byte| !byte.is_ascii_alphanumeric()) {
        "MOST_SECURED"
    } else if bytes().any(|byte| byte.is_ascii_alphabetic()) {
        "KEYBOARD_FRIENDLY"
    } else {
        "NUMBERS_ONLY"
    };
    let is_unlimited = keys.iter().any(|key| key.devices.is_none());
    let most = keys.iter().filter_map(|key| key.devices).max();
    let (mut kind, mut offset, mut date) = (None, None, None);
    if pool["enforceExpirationDate"] == true {
        let rule = pool["expirationDateType"].as_str().unwrap_or_default();
        let value = match &pool["expirationDateValue"] {
            Value::Number(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().trim().to_owned(),
        };
        match rule {
            "SPECIFIED_DATE" => date = instant(&value).filter(|at| *at > now),
            "HOURS_AFTER_TIME" | "DAYS_AFTER_TIME" | "WEEKS_AFTER_TIME" | "MONTHS_AFTER_TIME" | "YEARS_AFTER_TIME" => {
                offset = value
                    .parse::<i64>()
                    .ok()
                    .filter(|offset| (1..=i64::from(i32::MAX)).contains(offset));
            }
            _ => {}
        }
        kind = (offset.is_some() || date.is_some()).then(|| rule.to_owned());
    }
    let rejects = pool["supportsPolicies"] == true
        && pool["defaultAccess"]
            .as_str()
            .is_some_and(|access| access.eq_ignore_ascii_case("REJECT"));
    Pool {
        name: named.name,
        group: named.group,
        description: named.description,
        lets_in: options.policies.then_some(!rejects),
        format,
        length: keys.iter().map(|key| key.passphrase.len()).min().unwrap_or(8),
        devices: most.filter(|_| !is_unlimited),
        expiration_type: kind,
        expiration_offset: offset,
        expiration_date: date,
    }
}

/// Names and guids to names of at most `max` UTF-16 units: too long ones end in a hash of the whole, and those that come out alike
/// (whatever the case of their letters) in a hash of name and guid.
pub(super) fn fit(wanted: &[(&str, &str)], max: usize) -> Vec<String> {
    let short: Vec<String> = wanted
        .iter()
        .map(|(name, _)| match name.encode_utf16().count() {
            units if units <= max => (*name).to_owned(),
            _ => hashed(name, name, max),
        })
        .collect();
    let mut bearers: HashMap<String, usize> = HashMap::new();
    for name in &short {
        *bearers.entry(name.to_lowercase()).or_default() += 1;
    }
    short
        .iter()
        .zip(wanted)
        .map(|(short, (name, guid))| match bearers[&short.to_lowercase()] {
            1 => short.clone(),
            _ => hashed(name, &format!("{name}\0{guid}"), max),
        })
        .collect()
}

fn hashed(name: &str, of: &str, max: usize) -> String {
    let mut begin = String::new();
    for letter in name.chars() {
        begin.push(letter);
        if begin.encode_utf16().count() > max - 9 {
            begin.pop();
            break;
        }
    }
    let hash = Sha256::digest(of);
    let end: String = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{end}", begin.trim_end_matches([' ', '-']))
}
