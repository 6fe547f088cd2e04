//! Makes Cloudpath exports that look like those of a real building, the same ones for the same seed.
//!
//! The shape is that of the extractor's full export. What is in it on purpose: pools with a name too long for RUCKUS One, keys of
//! digits only, symbols and mixed lengths in one pool each, VLANs and the empty string, keys with an expiry ahead and a few behind,
//! device limits (one above what RUCKUS One takes), user names with `_suffix`, white space around a name.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// Keys of one pool, about.
const KEYS_PER_POOL: usize = 500;
const POOLS_MAX: usize = 8;
/// Where the building stands: expiries of an export carry its offset.
const ZONE: &str = "America/Denver";

/// Display name, SSID, kind of keys.
const POOLS: [(&str, &str, Keys); POOLS_MAX] = [
    ("Harbor View Apartments", "HarborView", Keys::Mixed(11)),
    ("Harbor View Staff", "HarborView-Staff", Keys::Symbols),
    (
        "Maple Court Residences, Building 7 North",
        "MapleCourt",
        Keys::Mixed(12),
    ),
    ("Door Locks and Cameras", "Devices", Keys::Digits),
    ("Riverside Student Housing", "Riverside", Keys::Uneven),
    ("Conference Guests", "Guests", Keys::Mixed(8)),
    ("Old Mill Lofts", "OldMill", Keys::Mixed(20)),
    ("Pool, Gym and Terrace", "Leisure", Keys::Mixed(10)),
];
const FIRST: [&str; 24] = [
    "anna", "ben", "carla", "david", "elena", "felix", "grace", "hugo", "iris", "jonas", "kira", "liam", "maria",
    "noah", "olga", "peter", "quinn", "rosa", "samir", "tina", "umar", "vera", "walter", "yusuf",
];
const LAST: [&str; 20] = [
    "adams", "baker", "chen", "diaz", "evans", "fischer", "garcia", "hansen", "ivanov", "jones", "kumar", "lopez",
    "miller", "nguyen", "okafor", "patel", "rossi", "smith", "tanaka", "weber",
];
const SUFFIXES: [&str; 4] = ["basic", "fast", "gigabit", "staff"];
const VLANS: [u16; 6] = [10, 44, 120, 301, 1207, 4094];
/// Without the letters and digits that people mix up.
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const SYMBOLS: &[u8] = b"!#$%&*+-.=?@_";

#[derive(Debug, Clone, Copy)]
enum Keys {
    /// Letters and digits, all of one length.
    Mixed(usize),
    /// Ten digits.
    Digits,
    /// With a symbol.
    Symbols,
    /// 8 to 20 characters.
    Uneven,
}

/// A full export with `keys` DPSKs. Expiries are counted from `today`.
pub fn full(keys: usize, seed: u64, today: Timestamp) -> Value {
    let mut maker = Maker {
        rng: StdRng::seed_from_u64(seed),
        seen: HashSet::new(),
        today: today.to_zoned(TimeZone::UTC).datetime().date(),
        made: 0,
    };
    let count = keys.div_ceil(KEYS_PER_POOL).clamp(2, POOLS_MAX).min(keys.max(1));
    let mut pools = Vec::new();
    let mut left = keys;
    for index in 0..count {
        // The first pools are the larger ones, as in real buildings.
        let size = if index + 1 == count {
            left
        } else {
            (left / (count - index) + left / (4 * count)).min(left - (count - index - 1))
        };
        pools.push(maker.pool(index, size));
        left -= size;
    }
    json!({
        "metadata": {"extracted_at": format!("{}T06:00:00+00:00", maker.today), "cloudpath_fqdn": "cloudpath.example.net",
            "extractor_version": "1.4.0", "mode": "extract_all", "extraction_duration_seconds": 12.5},
        "authenticationServers": [], "radiusAttributeGroups": [], "enrollments": [], "certificateTemplates": [],
        "dpskPools": pools, "policies": [],
    })
}

/// What the extractor writes for a single pool: the first pool of [`full`], with all keys.
pub fn single_pool(keys: usize, seed: u64, today: Timestamp) -> Value {
    let mut maker = Maker {
        rng: StdRng::seed_from_u64(seed),
        seen: HashSet::new(),
        today: today.to_zoned(TimeZone::UTC).datetime().date(),
        made: 0,
    };
    let mut pool = maker.pool(0, keys);
    let dpsks = pool.as_object_mut().and_then(|pool| pool.remove("dpsks"));
    json!({"metadata": {"mode": "dpsk_only", "pool_id": pool["guid"]}, "pool": pool, "dpsks": dpsks})
}

struct Maker {
    rng: StdRng,
    /// Passphrases so far: no two people have one.
    seen: HashSet<String>,
    today: jiff::civil::Date,
    made: usize,
}

impl Maker {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }

    fn guid(&mut self, kind: &str) -> String {
        let (a, b): (u64, u64) = (self.rng.random(), self.rng.random());
        let hex = format!("{a:016x}{b:016x}");
        format!(
            "{kind}-{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }

    fn pool(&mut self, index: usize, size: usize) -> Value {
        let (name, ssid, kind) = POOLS[index % POOLS_MAX];
        let is_digits = matches!(kind, Keys::Digits);
        let dpsks: Vec<Value> = (0..size).map(|_| self.dpsk(index, kind)).collect();
        json!({
            "guid": self.guid("AccountDpskPool"), "displayName": name, "description": format!("Keys of {name}"), "enabled": true,
            "phraseDefaultLength": 11, "phraseRandomCharactersType": if is_digits { "NUMERIC" } else { "ALPHANUMERIC_MIXED" },
            "ssidList": [ssid], "enforceExpirationDate": index == 0, "expirationDateType": "MONTHS_AFTER_TIME",
            "expirationDateValue": "12", "enforceDeviceCountLimit": index == 2, "deviceCountLimit": 5,
            "supportsPolicies": index == 1, "defaultAccess": "ACCEPT", "dpsks": dpsks,
        })
    }

    fn dpsk(&mut self, pool: usize, kind: Keys) -> Value {
        self.made += 1;
        let number = self.made;
        // A number makes the name unique; every 97th has white space around it, as hand-made ones do.
        let name = match self.rng.random_range(0..10) {
            0..=5 => format!(
                "{}.{}{number}_{}",
                self.pick(&FIRST),
                self.pick(&LAST),
                self.pick(&SUFFIXES)
            ),
            6..=8 => format!(
                "Unit {}-{number}_{}",
                self.rng.random_range(1..30),
                self.pick(&SUFFIXES)
            ),
            _ => format!("device-{number}"),
        };
        let name = if number.is_multiple_of(97) {
            format!(" {name} ")
        } else {
            name
        };
        let is_limited = pool.is_multiple_of(2) && self.rng.random_bool(0.8);
        let devices = match (is_limited, number % 211) {
            (true, 0) => 1000,
            (true, _) => self.rng.random_range(1..=8),
            (false, _) => 0,
        };
        let vlan = match self.rng.random_range(0..10) {
            0..=2 => String::new(),
            _ => self.pick(&VLANS).to_string(),
        };
        json!({
            "guid": self.guid("AccountDpsk"), "name": name, "passphrase": self.passphrase(kind), "status": "ACTIVE",
            "ssidList": if number.is_multiple_of(50) { json!(["Devices"]) } else { json!([]) },
            "expirationDateTime": self.expiry(), "useDeviceCountLimit": is_limited, "deviceCountLimit": devices,
            "deviceCount": 0, "vlanid": vlan,
        })
    }

    fn expiry(&mut self) -> Value {
        let days = match self.rng.random_range(0..100) {
            0..=1 => -self.rng.random_range(2..700),
            2..=39 => self.rng.random_range(30..1500),
            _ => return Value::Null,
        };
        let date = self.today.checked_add(days.days()).unwrap_or(self.today);
        match date.at(0, 0, 0, 0).in_tz(ZONE) {
            Ok(at) => format!("{}[{ZONE}]", at.strftime("%Y-%m-%dT%H:%M%:z")).into(),
            Err(_) => Value::Null,
        }
    }

    fn passphrase(&mut self, kind: Keys) -> String {
        loop {
            let key: String = match kind {
                Keys::Mixed(length) => self.letters(length),
                Keys::Digits => (0..10)
                    .map(|_| char::from(self.rng.random_range(b'0'..=b'9')))
                    .collect(),
                Keys::Symbols => format!(
                    "{}{}{}",
                    self.letters(7),
                    char::from(self.pick(SYMBOLS)),
                    self.letters(5)
                ),
                Keys::Uneven => {
                    let length = self.rng.random_range(8..=20);
                    self.letters(length)
                }
            };
            if self.seen.insert(key.clone()) {
                return key;
            }
        }
    }

    fn letters(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(self.pick(LETTERS))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn dpsks(export: &Value) -> Vec<&Value> {
        let pools = export["dpskPools"].as_array().unwrap();
        pools
            .iter()
            .flat_map(|pool| pool["dpsks"].as_array().unwrap())
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_export_and_another_another() {
        assert_eq!(full(300, 7, today()), full(300, 7, today()));
        assert_ne!(full(300, 7, today()), full(300, 8, today()));
    }

    #[test]
    fn every_number_of_keys_is_met_and_no_pool_is_empty() {
        for keys in [1, 2, 3, 10, 499, 500, 501, 2000, 9000] {
            let export = full(keys, 1, today());
            assert_eq!(dpsks(&export).len(), keys);
            let pools = export["dpskPools"].as_array().unwrap();
            assert!(
                pools.iter().all(|pool| !pool["dpsks"].as_array().unwrap().is_empty()),
                "{keys}"
            );
        }
    }

    #[test]
    fn it_holds_what_imports_stumble_over() {
        let export = full(2000, 1, today());
        let all = dpsks(&export);
        let values: HashSet<&str> = all.iter().map(|d| d["passphrase"].as_str().unwrap()).collect();
        let names: HashSet<&str> = all.iter().map(|d| d["name"].as_str().unwrap().trim()).collect();
        assert_eq!((values.len(), names.len()), (2000, 2000));
        assert!(values.iter().all(|v| (8..=20).contains(&v.len())));
        assert!(values.iter().any(|v| v.bytes().all(|b| b.is_ascii_digit())));
        assert!(all.iter().any(|d| d["vlanid"] == "") && all.iter().any(|d| d["vlanid"] == "44"));
        assert!(all.iter().any(|d| d["deviceCountLimit"] == 1000));
        let past = all
            .iter()
            .filter_map(|d| d["expirationDateTime"].as_str())
            .filter(|at| *at < "2026-11-22");
        assert!((1..100).contains(&past.count()));
        // what the offset says and what the zone says is one instant
        let one = all.iter().find_map(|d| d["expirationDateTime"].as_str()).unwrap();
        assert!(
            one.parse::<jiff::Zoned>().is_ok() && one.parse::<Timestamp>().is_ok(),
            "{one}"
        );
    }
}
