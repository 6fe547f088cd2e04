//! What an import of an export should leave in RUCKUS One, with default options.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Longest name of a pool and of a group, in UTF-16 units.
const POOL_NAME_MAX: usize = 32;
const GROUP_NAME_MAX: usize = 255;
const DEVICES_MAX: i64 = 512;

#[derive(Debug, Default)]
pub struct Expected {
    pub pools: Vec<Pool>,
    pub keys: Vec<Key>,
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
}

/// Not `Debug`: it holds the passphrase.
pub struct Key {
    /// Index of its pool.
    pub pool: usize,
    pub username: String,
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

pub fn expected(export: &Value, now: Timestamp) -> Result<Expected, String> {
    // a whole request body holds the export as dpsk_data
    let export = export.get("dpsk_data").unwrap_or(export);
    let mut expected = Expected::default();
    let mut names: Vec<(String, String, String)> = Vec::new();
    for (pool, dpsks) in sources(export)? {
        let active: Vec<&Value> = dpsks.iter().filter(|dpsk| is_active(dpsk)).collect();
        if active.is_empty() {
            continue;
        }
        let index = expected.pools.len();
        let first = expected.keys.len();
        for dpsk in active {
            expected.keys.push(key(dpsk, index, now)?);
        }
        let text = |field: &str| pool[field].as_str().unwrap_or_default().trim().to_owned();
        let (guid, display) = (text("guid"), text("displayName"));
        let (group, name) = match display.as_str() {
            "" => ("Cloudpath Import".to_owned(), "Cloudpath DPSKs".to_owned()),
            display => (format!("{display}-IDG"), format!("{display}-DPSK")),
        };
        let description = match guid.as_str() {
            "" => "Imported from Cloudpath".to_owned(),
            guid => format!("Imported from Cloudpath pool {guid}"),
        };
        names.push((group.clone(), name.clone(), guid));
        expected.pools.push(settings(
            &pool,
            &expected.keys[first..],
            now,
            (name, group, description),
        ));
    }
    let groups: Vec<(&str, &str)> = names
        .iter()
        .map(|(group, _, guid)| (group.as_str(), guid.as_str()))
        .collect();
    let pools: Vec<(&str, &str)> = names
        .iter()
        .map(|(_, name, guid)| (name.as_str(), guid.as_str()))
        .collect();
    let fitted = fit(&groups, GROUP_NAME_MAX).into_iter().zip(fit(&pools, POOL_NAME_MAX));
    for (pool, (group, name)) in expected.pools.iter_mut().zip(fitted) {
        (pool.group, pool.name) = (group, name);
    }
    Ok(expected)
}

fn is_active(dpsk: &Value) -> bool {
    let status = dpsk["status"].as_str().unwrap_or_default().trim();
    status.is_empty() || status.eq_ignore_ascii_case("ACTIVE")
}

fn key(dpsk: &Value, pool: usize, now: Timestamp) -> Result<Key, String> {
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
    Ok(Key {
        pool,
        passphrase: dpsk["passphrase"].as_str().unwrap_or_default().to_owned(),
        vlan: number("vlanid")?,
        devices,
        // what has expired already is imported without an expiry
        expires: expires.filter(|expires| *expires > now),
        username,
    })
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

fn settings(pool: &Value, keys: &[Key], now: Timestamp, (name, group, description): (String, String, String)) -> Pool {
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
    Pool {
        name,
        group,
        description,
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
fn fit(wanted: &[(&str, &str)], max: usize) -> Vec<String> {
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
