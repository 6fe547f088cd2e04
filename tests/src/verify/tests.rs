use serde_json::json;

use super::*;
use crate::export;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// A ledger that is exactly what the export asks for, made from the expectations: it tells what the comparison sees.
fn ledger(export: &Value) -> Value {
    let expected = expect::expected(export, now()).unwrap();
    let date = |at: Option<Timestamp>| at.map(|at| format!("{at:.3}"));
    let (mut groups, mut pools, mut keys, mut people) = (vec![], vec![], vec![], vec![]);
    for (index, pool) in expected.pools.iter().enumerate() {
        groups.push(json!({"id": format!("g{index}"), "name": pool.group, "description": pool.description}));
        pools.push(
            json!({"id": format!("p{index}"), "name": pool.name, "identity_group_id": format!("g{index}"),
            "passphrase_format": pool.format, "passphrase_length": pool.length, "device_count_limit": pool.devices,
            "expiration_type": pool.expiration_type, "expiration_offset": pool.expiration_offset,
            "expiration_date": date(pool.expiration_date)}),
        );
    }
    for (index, key) in expected.keys.iter().enumerate() {
        people.push(
            json!({"id": format!("i{index}"), "name": key.username, "group_id": format!("g{}", key.pool),
            "invented": false}),
        );
        keys.push(json!({"pool_name": expected.pools[key.pool].name, "group_id": format!("g{}", key.pool),
            "identity_id": format!("i{index}"), "username": key.username, "passphrase": key.passphrase, "vlan_id": key.vlan,
            "number_of_devices": key.devices, "expiration_date": date(key.expires), "invented": false, "replaced": false,
            "revocation_date": null}));
    }
    json!({"identity_groups": groups, "dpsk_pools": pools, "passphrases": keys, "identities": people,
        "in_flight": {"activities": 0}})
}

#[test]
fn what_is_as_it_should_be_passes() {
    let export = export::full(600, 3, now());
    let verdict = verify(&export, &ledger(&export), now()).unwrap();
    assert!(verdict.agrees(), "{verdict:?}");
    assert_eq!((verdict.keys_expected, verdict.keys_right), (600, 600));
}

#[test]
fn every_single_deviation_is_seen() {
    let export = export::full(120, 3, now());
    let right = ledger(&export);
    let changes: &[(&str, &str, Value)] = &[
        ("passphrases", "passphrase", json!("something else")),
        ("passphrases", "vlan_id", json!(7)),
        ("passphrases", "number_of_devices", json!(99)),
        ("passphrases", "expiration_date", json!("2031-01-01T00:00:00.000Z")),
        ("passphrases", "replaced", json!(true)),
        ("passphrases", "revocation_date", json!("2026-01-01T00:00:00.000Z")),
        ("passphrases", "username", json!("nobody")),
        ("passphrases", "identity_id", json!("i7")),
        ("identities", "name", json!("nobody")),
        ("identity_groups", "description", json!("x")),
        ("dpsk_pools", "identity_group_id", json!("x")),
        ("dpsk_pools", "passphrase_format", json!("DICTIONARY_WORDS")),
        ("dpsk_pools", "passphrase_length", json!(63)),
        ("dpsk_pools", "device_count_limit", json!(3)),
        ("dpsk_pools", "expiration_offset", json!(3)),
        ("in_flight", "activities", json!(1)),
    ];
    for (list, field, value) in changes {
        let mut wrong = right.clone();
        match *list {
            "in_flight" => wrong[list][field] = value.clone(),
            _ => wrong[list][0][field] = value.clone(),
        }
        let verdict = verify(&export, &wrong, now()).unwrap();
        assert!(!verdict.agrees(), "{list} {field}");
        assert!(
            verdict.faults().all(|fault| !fault.contains("something else")),
            "{verdict:?}"
        );
    }
}

#[test]
fn lost_invented_and_doubled_keys_are_told_apart() {
    let export = export::full(50, 3, now());
    let right = ledger(&export);
    let mut lost = right.clone();
    lost["passphrases"].as_array_mut().unwrap().pop();
    let mut doubled = right.clone();
    let again = doubled["passphrases"][0].clone();
    doubled["passphrases"].as_array_mut().unwrap().push(again);
    let mut extra = right.clone();
    let mut other = extra["passphrases"][0].clone();
    (other["username"], other["passphrase"]) = (json!("stranger"), json!("12345678"));
    extra["passphrases"].as_array_mut().unwrap().push(other);
    let of = |ledger: &Value| {
        let v = verify(&export, ledger, now()).unwrap();
        (v.missing.len(), v.extra.len(), v.duplicates.len())
    };
    assert_eq!((of(&lost).0, of(&doubled).2, of(&extra).1), (1, 1, 1));
}

#[test]
fn names_are_those_of_the_published_rule() {
    let one = |name: &str| {
        json!({"guid": format!("g-{name}"), "displayName": name,
        "dpsks": [{"guid": "d", "name": "a", "passphrase": "12345678"}]})
    };
    let export = json!({"dpskPools": [one("Sunrise Apartments Building 7 North"), one("Lobby"), one("LOBBY")]});
    let pools = expect::expected(&export, now()).unwrap().pools;
    assert_eq!(pools[0].name, "Sunrise Apartments Buil-0771e3e7");
    assert_eq!(pools[0].group, "Sunrise Apartments Building 7 North-IDG");
    assert!(
        pools[1].name.starts_with("Lobby-DPSK-") && pools[2].name.starts_with("LOBBY-DPSK-"),
        "{pools:?}"
    );
    let bare = json!([{"guid": "d", "name": "", "passphrase": "12345678"}]);
    let expected = expect::expected(&bare, now()).unwrap();
    assert_eq!(
        (expected.pools[0].group.as_str(), expected.pools[0].name.as_str()),
        ("Cloudpath Import", "Cloudpath DPSKs")
    );
    assert_eq!(expected.keys[0].username, "DPSK-d");
}
