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

fn options() -> Options {
    let network = |ssid: &str| {
        (
            ssid.to_owned(),
            if ssid == "HarborView" { "n-0" } else { "create" }.to_owned(),
        )
    };
    Options {
        policies: true,
        ssids: ["HarborView", "HarborView-Staff"].map(network).into(),
        ..Options::default()
    }
}

/// The ledger of an import with policies and networks, made from the expectations.
fn full_ledger(export: &Value) -> Value {
    let expected = expect::expected_with(export, &options(), now()).unwrap();
    let mut all = ledger(export);
    for (pool, wanted) in all["dpsk_pools"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(&expected.pools)
    {
        pool["policy_default_access"] = wanted.lets_in.into();
    }
    let policies = expected.policies.iter().enumerate().map(|(at, policy)| {
        json!({"id": format!("y{at}"), "name": policy.name, "template_id": 100, "policy_type": "DPSK",
            "radius_group_name": policy.suffix, "created_by_request": "q",
            "conditions": [{"attribute_id": 1012, "pattern": policy.pattern}]})
    });
    let policies: Value = policies.collect();
    let sets = expected.sets.iter().map(|set| {
        let places: Value = set
            .policies
            .iter()
            .map(|at| json!({"policy_name": expected.policies[*at].name}))
            .collect();
        json!({"name": set.name, "description": set.description, "policies": places, "created_by_request": "q",
            "assignments": [{"id": format!("p{}", set.pool)}]})
    });
    let sets: Value = sets.collect();
    let (mut networks, mut links, mut on) = (vec![], vec![], vec![]);
    for (at, network) in expected.networks.iter().enumerate() {
        let (id, made) = (format!("n-{at}"), network.id.is_none().then_some("q"));
        networks.push(
            json!({"id": id, "name": network.ssid, "ssid": network.ssid, "type": "dpsk", "use_dpsk_service": true,
            "vlan_id": 1, "security": "WPA2Personal", "created_by_request": made}),
        );
        links.push(json!({"network_id": id, "pool_id": format!("p{}", network.pool), "created_by_request": "q"}));
        on.push(json!({"network_id": id, "is_all_ap_groups": true, "shown": true, "ap_pushes": 1, "created_by_request": "q"}));
    }
    (all["policies"], all["policy_sets"]) = (policies, sets);
    (all["wifi_networks"], all["network_pools"], all["activations"]) = (networks.into(), links.into(), on.into());
    all
}

#[test]
fn policies_and_networks_are_compared_in_every_field_and_stand_once() {
    let export = export::full(120, 3, now());
    let right = full_ledger(&export);
    let agrees = |ledger: &Value| verify_with(&export, &options(), ledger, now()).unwrap();
    let verdict = agrees(&right);
    assert!(verdict.agrees(), "{verdict:#?}");
    let changes: &[(&str, &str, Value)] = &[
        ("dpsk_pools", "policy_default_access", json!(false)),
        ("policies", "radius_group_name", json!("other")),
        ("policies", "policy_type", json!("RADIUS")),
        ("policies", "conditions", json!([])),
        ("policies", "name", json!("other-POL")),
        ("policy_sets", "description", json!("x")),
        ("policy_sets", "policies", json!([])),
        ("policy_sets", "assignments", json!([])),
        ("policy_sets", "assignments", json!([{"id": "p0"}, {"id": "p0"}])),
        ("wifi_networks", "ssid", json!("other")),
        ("network_pools", "pool_id", json!("p9")),
        ("activations", "is_all_ap_groups", json!(false)),
        ("activations", "ap_pushes", json!(2)),
    ];
    for (list, field, value) in changes {
        let mut wrong = right.clone();
        wrong[list][0][field] = value.clone();
        assert!(!agrees(&wrong).agrees(), "{list} {field}");
    }
    for list in [
        "policies",
        "policy_sets",
        "wifi_networks",
        "network_pools",
        "activations",
    ] {
        let (mut twice, mut lost) = (right.clone(), right.clone());
        let rows = twice[list].as_array_mut().unwrap();
        rows.push(rows[1].clone());
        lost[list].as_array_mut().unwrap().pop();
        assert!(!agrees(&twice).agrees() && !agrees(&lost).agrees(), "{list}");
    }
}

#[test]
fn options_decide_what_is_expected() {
    let export = export::full(200, 3, now());
    let expected = |options: Value| expect::expected_with(&export, &Options::read(&options), now()).unwrap();
    let (all, skip, renew) = (
        expected(json!({})),
        expected(json!({"expired": "skip"})),
        expected(json!({"expired": "renew"})),
    );
    let gone = all.keys.len() - skip.keys.len();
    assert!(gone > 0 && skip.skipped.len() == gone, "{gone}");
    let with_expiry = |expected: &Expected| expected.keys.iter().filter(|key| key.expires.is_some()).count();
    assert_eq!(with_expiry(&renew), with_expiry(&all) + gone);
    let by_vlan = expected(json!({"group_by_vlan": true}));
    let pool = by_vlan
        .pools
        .iter()
        .find(|pool| pool.group == "VLAN 44 - Harbor View Staff")
        .unwrap();
    assert_eq!(pool.name, "VLAN 44 - Harbor View Staff-DPSK");
    assert!(pool.description.ends_with(", VLAN 44") && by_vlan.pools[0].group.starts_with("No VLAN"));
}
