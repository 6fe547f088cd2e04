//! Which SSID goes on the air with which pool.

use serde_json::{Value, json};

use super::super::*;
use super::samples::*;

fn on(name: &str, ssids: Value) -> Value {
    with(pool(name), json!({"ssidList": ssids}))
}

fn options(map: &[(&str, &str)]) -> ImportOptions {
    ImportOptions {
        just_copy_dpsks: false,
        ssid_network_map: map
            .iter()
            .map(|(ssid, id)| (ssid.to_string(), id.to_string()))
            .collect(),
        ..ImportOptions::default()
    }
}

fn planned_with(data: Value, map: &[(&str, &str)]) -> ImportPlan {
    let request = parse(&body(data, json!({}))).unwrap();
    plan(&request.export, &options(map), now()).0
}

/// What is refused. Pointers without what all have in common.
fn refused(data: Value, map: &[(&str, &str)]) -> Vec<(String, Code)> {
    let given: serde_json::Map<_, _> = map.iter().map(|(ssid, id)| (ssid.to_string(), json!(id))).collect();
    let request = body(data, json!({"just_copy_dpsks": false, "ssid_network_map": given}));
    let faults = match parse(&request) {
        Ok(_) => Vec::new(),
        Err(_) => faults(&request),
    };
    let short = |pointer: String| pointer.strip_prefix("/options/ssid_network_map").unwrap().to_owned();
    faults
        .into_iter()
        .map(|(pointer, code)| (short(pointer), code))
        .collect()
}

#[test]
fn ssids_go_to_the_pool_whose_keys_use_them() {
    let own = with(dpsk(2), json!({"ssidList": ["Roof"]}));
    let data = || {
        full(vec![
            (on("Empty", json!(["Void"])), vec![]),
            (on("A", json!(["Lobby", "Bar"])), vec![dpsk(1)]),
            (on("B", json!(["Gym"])), vec![own.clone()]),
        ])
    };
    let map = [("Lobby", "create"), ("Roof", "n-7")];
    let plan = planned_with(data(), &map);
    assert_eq!(
        serde_json::to_value(&plan.networks).unwrap(),
        json!([
            {"index": 0, "ssid": "Lobby", "pool": 0, "target": "create"},
            {"index": 1, "ssid": "Roof", "pool": 1, "target": {"existing": "n-7"}},
        ])
    );
    assert_eq!(
        plan.warnings.last().unwrap(),
        r#"not activated, since ssid_network_map does not name them: "Bar", "Gym""#
    );
    let stored = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<ImportPlan>(&stored).unwrap(), plan);
    assert_eq!(refused(data(), &map), []);
}

#[test]
fn keys_with_ssids_of_their_own_are_told_where_they_will_work() {
    let data = || extract(vec![with(dpsk(0), json!({"ssidList": ["Lobby"]}))]);
    let reasons = |options: &ImportOptions| {
        let request = parse(&body(data(), json!({}))).unwrap();
        let (plan, _) = plan(&request.export, options, now());
        plan.totals.changes_by_reason.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(reasons(&ImportOptions::default()), [Reason::SsidsKeptAsInfo]);
    assert_eq!(reasons(&options(&[("Lobby", "n")])), [Reason::SsidsOfPool]);
}

#[test]
fn a_map_that_names_nothing_is_told() {
    let nothing = "no network is activated: just_copy_dpsks is false, but ssid_network_map names no SSID";
    let without = planned_with(json!([dpsk(0)]), &[]);
    assert_eq!(
        (without.networks.len(), without.warnings),
        (0, vec![nothing.to_owned()])
    );
    let with_ssids = planned_with(full(vec![(on("A", json!(["Lobby"])), vec![dpsk(0)])]), &[]);
    let left_out = r#"not activated, since ssid_network_map does not name them: "Lobby""#;
    assert_eq!(with_ssids.warnings, [nothing, left_out]);
}

#[test]
fn an_export_without_ssids_leaves_the_choice_where_there_is_one_pool() {
    let plan = planned_with(json!([dpsk(0)]), &[("Lobby", "create")]);
    assert_eq!((plan.networks[0].pool, plan.warnings.len()), (0, 0));
    assert_eq!(refused(json!([dpsk(0)]), &[("Lobby", "create")]), []);
    let two = full(vec![
        (on("A", json!([])), vec![dpsk(0)]),
        (on("B", json!([])), vec![dpsk(1)]),
    ]);
    assert_eq!(
        refused(two, &[("Lobby", "create")]),
        [("/Lobby".to_owned(), Code::AmbiguousSsid)]
    );
}

#[test]
fn what_can_not_be_meant_is_refused_at_its_ssid() {
    let at = |ssid: &str, code| (format!("/{ssid}"), code);
    let shared = || {
        full(vec![
            (on("Empty", json!(["Void"])), vec![]),
            (on("A", json!(["Lobby", "Bar"])), vec![dpsk(0)]),
            (on("B", json!(["Lobby"])), vec![dpsk(1)]),
        ])
    };
    assert_eq!(
        refused(
            shared(),
            &[("Lobby", "n"), ("Loby", "create"), ("Void", "create"), ("Bar", "m")]
        ),
        [
            at("Lobby", Code::AmbiguousSsid),
            at("Loby", Code::UnknownSsid),
            at("Void", Code::UnknownSsid)
        ]
    );
    let one = |ssids: Value| full(vec![(on("A", ssids), vec![dpsk(0)])]);
    assert_eq!(
        refused(one(json!(["Bar", "Gym"])), &[("Bar", "n"), ("Gym", "n")]),
        [at("Gym", Code::DuplicateNetwork)]
    );
    for (ssid, code) in [
        ("x", Some(Code::BadSsid)),
        ("a`b", Some(Code::BadSsid)),
        ("a$(b", Some(Code::BadSsid)),
        ("äöüäöüäöüäöüäöüäöü", Some(Code::BadSsid)),
        ("äö $ ü", None),
    ] {
        let found = refused(one(json!([ssid])), &[(ssid, "create")]);
        assert_eq!(found.first().map(|(_, code)| *code), code, "{ssid}");
        assert_eq!(refused(one(json!([ssid])), &[(ssid, "n")]), [], "there already: {ssid}");
    }
}

#[test]
fn more_ssids_than_an_ap_group_carries_are_refused_before_anything_is_made() {
    let ssids: Vec<_> = (0..16).map(|n| format!("S{n}")).collect();
    let ids: Vec<_> = (0..16).map(|n| format!("n{n}")).collect();
    let map: Vec<_> = ssids
        .iter()
        .zip(&ids)
        .map(|(ssid, id)| (ssid.as_str(), id.as_str()))
        .collect();
    let data = || full(vec![(on("A", json!(ssids)), vec![dpsk(0)])]);
    assert_eq!(refused(data(), &map), [(String::new(), Code::TooManySsids)]);
    assert_eq!(refused(data(), &map[..15]), []);
    assert_eq!(planned_with(data(), &map[..15]).networks.len(), 15);
}

#[test]
fn one_pool_per_vlan_leaves_no_ssid_to_one_of_them() {
    let rows = vec![dpsk(0), with(dpsk(1), json!({"vlanid": "44"}))];
    let map = json!({"Lobby": "create"});
    let asked = body(
        extract(rows),
        json!({"group_by_vlan": true, "just_copy_dpsks": false, "ssid_network_map": map}),
    );
    let found = parse(&asked).unwrap_err();
    let RequestError::Content(found) = found else {
        panic!("{found}")
    };
    let last = found.list().last().unwrap();
    assert_eq!(
        (&*last.pointer, last.code),
        ("/options/ssid_network_map/Lobby", Code::AmbiguousSsid)
    );
    assert!(
        last.detail.contains(r#"several pools made of "Lobby""#),
        "{}",
        last.detail
    );
}

#[test]
fn a_map_that_would_be_passed_over_is_a_contradiction() {
    let given = faults(&body(
        extract(vec![dpsk(0)]),
        json!({"ssid_network_map": {"Lobby": "create"}}),
    ));
    assert_eq!(
        given.last().unwrap(),
        &("/options/ssid_network_map".to_owned(), Code::Contradiction)
    );
    let request = parse(&body(extract(vec![dpsk(0)]), json!({}))).unwrap();
    let copy_only = ImportOptions {
        just_copy_dpsks: true,
        ..options(&[("Lobby", "create")])
    };
    let (plan, _) = plan(&request.export, &copy_only, now());
    assert!(plan.networks.is_empty() && plan.warnings.is_empty());
}
