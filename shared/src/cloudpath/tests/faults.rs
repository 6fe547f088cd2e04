//! Each kind of fault of a row, all of them together, and what `invalid_rows: skip` makes of them.

use serde_json::{Value, json};

use super::super::*;
use super::samples::*;

#[test]
fn a_field_by_another_name_is_a_fault_unless_the_right_one_is_there() {
    for (field, other, value) in [
        ("expirationDateTime", "expirationDate", json!("2027-06-15T00:00Z")),
        ("vlanid", "vlanId", json!(44)),
        ("name", "username", json!("anna")),
    ] {
        let refused = |row| match parse_request(body(json!([row]), json!({})).to_string().as_bytes(), now()) {
            Err(RequestError::Content(faults)) => faults.into_list(),
            Err(error) => panic!("{error:?}"),
            Ok(_) => Vec::new(),
        };
        let faults = refused(with(without(dpsk(0), field), json!({ other: value })));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(
            (faults[0].pointer.as_str(), faults[0].code),
            (format!("/dpsk_data/0/{field}").as_str(), Code::UnknownField)
        );
        assert!(faults[0].detail.contains(other), "{}", faults[0].detail);
        assert!(refused(with(dpsk(0), json!({ other: value }))).is_empty(), "{other}");
        assert!(
            refused(with(without(dpsk(0), field), json!({ other: "" }))).is_empty(),
            "{other}"
        );
    }
}

#[test]
fn each_fault_of_a_row_is_found_at_its_place() {
    let cases: Vec<(Value, &str, Code)> = vec![
        (json!(7), "", Code::WrongType),
        (json!(null), "", Code::WrongType),
        (without(dpsk(0), "guid"), "/guid", Code::MissingField),
        (with(dpsk(0), json!({"guid": " "})), "/guid", Code::MissingField),
        (with(dpsk(0), json!({"guid": "g".repeat(129)})), "/guid", Code::BadName),
        (with(dpsk(0), json!({"guid": []})), "/guid", Code::WrongType),
        (without(dpsk(0), "passphrase"), "/passphrase", Code::MissingField),
        (
            with(without(dpsk(0), "useDeviceCountLimit"), json!({"deviceCountLimit": 3})),
            "/useDeviceCountLimit",
            Code::MissingField,
        ),
        (
            with(dpsk(0), json!({"passphrase": null})),
            "/passphrase",
            Code::MissingField,
        ),
        (
            with(dpsk(0), json!({"passphrase": ""})),
            "/passphrase",
            Code::MissingField,
        ),
        (
            with(dpsk(0), json!({"passphrase": 12345678})),
            "/passphrase",
            Code::WrongType,
        ),
        (
            with(dpsk(0), json!({"passphrase": "1234567"})),
            "/passphrase",
            Code::BadPassphrase,
        ),
        (
            with(dpsk(0), json!({"passphrase": "x".repeat(64)})),
            "/passphrase",
            Code::BadPassphrase,
        ),
        (
            with(dpsk(0), json!({"passphrase": "0aB".repeat(21) + "f"})),
            "/passphrase",
            Code::BadPassphrase,
        ),
        (
            with(dpsk(0), json!({"passphrase": "pässwörter"})),
            "/passphrase",
            Code::BadPassphrase,
        ),
        (
            with(dpsk(0), json!({"passphrase": "pass\tword"})),
            "/passphrase",
            Code::BadPassphrase,
        ),
        (with(dpsk(0), json!({"name": "x".repeat(256)})), "/name", Code::BadName),
        (with(dpsk(0), json!({"name": "a\u{0}b"})), "/name", Code::BadName),
        (with(dpsk(0), json!({"name": {"a": 1}})), "/name", Code::WrongType),
        (with(dpsk(0), json!({"status": 1})), "/status", Code::WrongType),
        (with(dpsk(0), json!({"vlanid": "0"})), "/vlanid", Code::BadVlan),
        (with(dpsk(0), json!({"vlanid": 4095})), "/vlanid", Code::BadVlan),
        (with(dpsk(0), json!({"vlanid": "+44"})), "/vlanid", Code::BadVlan),
        (with(dpsk(0), json!({"vlanid": 44.5})), "/vlanid", Code::BadVlan),
        (with(dpsk(0), json!({"vlanid": "forty"})), "/vlanid", Code::BadVlan),
        (with(dpsk(0), json!({"vlanid": [44]})), "/vlanid", Code::WrongType),
        (
            with(dpsk(0), json!({"useDeviceCountLimit": "maybe"})),
            "/useDeviceCountLimit",
            Code::WrongType,
        ),
        (
            with(dpsk(0), json!({"useDeviceCountLimit": true})),
            "/deviceCountLimit",
            Code::BadDeviceLimit,
        ),
        (
            without(with(dpsk(0), json!({"useDeviceCountLimit": true})), "deviceCountLimit"),
            "/deviceCountLimit",
            Code::MissingField,
        ),
        (
            with(dpsk(0), json!({"useDeviceCountLimit": true, "deviceCountLimit": "x"})),
            "/deviceCountLimit",
            Code::WrongType,
        ),
        (
            with(dpsk(0), json!({"expirationDateTime": "tomorrow"})),
            "/expirationDateTime",
            Code::BadDate,
        ),
        (
            with(dpsk(0), json!({"expirationDateTime": 1781503200})),
            "/expirationDateTime",
            Code::WrongType,
        ),
    ];
    for (row, suffix, code) in cases {
        let expected = (format!("/dpsk_data/dpsks/1{suffix}"), code);
        assert_eq!(row_faults(vec![dpsk(1), row.clone()]), [expected], "{row}");
    }
}

#[test]
fn pointers_follow_the_shape() {
    let bad = || with(dpsk(5), json!({"vlanid": "x"}));
    let pointer = |data| faults(&body(data, json!({}))).remove(0).0;
    assert_eq!(pointer(json!([dpsk(1), bad()])), "/dpsk_data/1/vlanid");
    assert_eq!(pointer(extract(vec![dpsk(1), bad()])), "/dpsk_data/dpsks/1/vlanid");
    let pools = vec![(pool("A"), vec![dpsk(1), dpsk(2)]), (pool("B"), vec![dpsk(3), bad()])];
    assert_eq!(pointer(full(pools)), "/dpsk_data/dpskPools/1/dpsks/1/vlanid");
}

#[test]
fn doubles_are_found_within_their_pool() {
    let double = |changes| row_faults(vec![dpsk(0), dpsk(1), with(dpsk(2), changes)]);
    let at = |field: &str, code| vec![(format!("/dpsk_data/dpsks/2/{field}"), code)];
    assert_eq!(
        double(json!({"guid": "AccountDpsk-0"})),
        at("guid", Code::DuplicateGuid)
    );
    assert_eq!(
        double(json!({"name": " unit 1  "})),
        at("name", Code::DuplicateUsername)
    );
    assert_eq!(
        double(json!({"passphrase": "k0-secret!"})),
        at("passphrase", Code::DuplicatePassphrase)
    );
    // A name that another key falls back to.
    let rows = vec![
        with(dpsk(0), json!({"name": ""})),
        with(dpsk(1), json!({"name": "DPSK-AccountDpsk-0"})),
    ];
    assert_eq!(
        row_faults(rows),
        [("/dpsk_data/dpsks/1/name".into(), Code::DuplicateUsername)]
    );
    // Letter case makes another name.
    assert!(
        parse(&body(
            extract(vec![dpsk(0), with(dpsk(1), json!({"name": "UNIT 0"}))]),
            json!({})
        ))
        .is_ok()
    );

    let twin = with(dpsk(0), json!({"guid": "other"}));
    let pools = vec![(pool("A"), vec![dpsk(0)]), (pool("B"), vec![twin.clone()])];
    assert!(
        parse(&body(full(pools), json!({}))).is_ok(),
        "names and passphrases are unique per pool only"
    );
    let pools = vec![(pool("A"), vec![dpsk(0)]), (pool("B"), vec![dpsk(0)])];
    assert_eq!(
        faults(&body(full(pools), json!({})))[0].1,
        Code::DuplicateGuid,
        "guids are unique in the file"
    );

    let by_vlan = |first: &str, second: &str| {
        let rows = vec![
            with(dpsk(0), json!({"vlanid": first})),
            with(twin.clone(), json!({"vlanid": second})),
        ];
        parse(&body(extract(rows), json!({"group_by_vlan": true}))).is_ok()
    };
    assert!(
        by_vlan("1", "2") && by_vlan("", "2") && !by_vlan("2", "2"),
        "one pool per VLAN"
    );
}

#[test]
fn an_old_key_and_its_successor_may_share_a_name() {
    let old = with(dpsk(0), json!({"expirationDateTime": "2020-01-01T00:00Z"}));
    let rows = |old| {
        vec![
            old,
            with(dpsk(1), json!({"name": "unit 0", "passphrase": "k0-secret!"})),
        ]
    };
    assert!(parse(&body(extract(rows(old.clone())), json!({"expired": "skip"}))).is_ok());
    assert_eq!(faults(&body(extract(rows(old)), json!({"expired": "renew"}))).len(), 2);
    assert!(
        parse(&body(
            extract(rows(with(dpsk(0), json!({"status": "REVOKED"})))),
            json!({})
        ))
        .is_ok()
    );
}

#[test]
fn all_faults_of_a_request_come_together() {
    let pool = with(without(pool("A"), "displayName"), json!({"enabled": 3}));
    let rows = vec![
        with(dpsk(0), json!({"vlanid": "x", "name": 1.5, "passphrase": "short"})),
        dpsk(1),
        with(dpsk(2), json!({"guid": "AccountDpsk-1", "passphrase": "k1-secret!"})),
    ];
    let request = json!({"venue_id": "../x", "controller": 1, "options": {"expired": "never", "x": 1,
        "just_copy_dpsks": false}, "dpsk_data": {"pool": pool, "dpsks": rows}});
    let mut found: Vec<_> = faults(&request).into_iter().map(|(pointer, _)| pointer).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/controller",
            "/controller_id",
            "/dpsk_data/dpsks/0/name",
            "/dpsk_data/dpsks/0/passphrase",
            "/dpsk_data/dpsks/0/vlanid",
            "/dpsk_data/dpsks/2/guid",
            "/dpsk_data/dpsks/2/passphrase",
            "/dpsk_data/pool/displayName",
            "/dpsk_data/pool/enabled",
            "/options/expired",
            "/options/x",
            "/venue_id",
        ]
    );
}

#[test]
fn skipping_bad_rows_keeps_the_good_ones_and_their_places() {
    let rows = vec![
        with(dpsk(0), json!({"vlanid": "x", "passphrase": "short"})),
        dpsk(1),
        json!("no row"),
        with(dpsk(3), json!({"name": "unit 1"})),
        // Collides only with a row that is skipped itself, so it stays.
        with(dpsk(4), json!({"passphrase": "k3-secret!"})),
        dpsk(5),
    ];
    let (plan, rows) = planned(extract(rows), json!({"invalid_rows": "skip"}));
    let skips: Vec<_> = rows
        .iter()
        .map(|(row, _)| row.skip.as_ref().map(|skip| skip.code))
        .collect();
    let expected = [
        Some(Code::BadVlan),
        None,
        Some(Code::WrongType),
        Some(Code::DuplicateUsername),
        None,
        None,
    ];
    let codes: Vec<_> = skips.clone();
    assert_eq!(codes.len(), 6);
    assert!(matches!(codes[0], Some(Code::BadVlan | Code::BadPassphrase)));
    assert_eq!(codes[1..], expected[1..]);
    let detail = &rows[0].0.skip.as_ref().unwrap().detail;
    assert!(
        detail.contains("vlanid: ") && detail.contains("passphrase: must be 8 to 63"),
        "{detail}"
    );
    assert!(
        rows[3]
            .0
            .skip
            .as_ref()
            .unwrap()
            .detail
            .contains("as row 1 (AccountDpsk-1)")
    );
    assert_eq!(
        rows.iter().map(|(row, _)| row.row).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5]
    );
    assert_eq!((plan.totals.rows, plan.totals.imports, plan.totals.skips), (6, 3, 3));
    assert_eq!(plan.totals.skips_by_code[&Code::DuplicateUsername], 1);
}

#[test]
fn without_a_pool_per_vlan_the_vlan_tells_no_names_apart() {
    let rows = vec![
        with(dpsk(0), json!({"vlanid": "1"})),
        with(dpsk(1), json!({"vlanid": "2", "name": "unit 0"})),
    ];
    assert_eq!(
        row_faults(rows),
        [("/dpsk_data/dpsks/1/name".into(), Code::DuplicateUsername)]
    );
}

#[test]
fn a_row_of_unknown_vlan_collides_with_nothing_where_the_vlan_decides() {
    let rows = vec![dpsk(0), with(dpsk(1), json!({"vlanid": "x", "name": "unit 0"}))];
    let found = faults(&body(extract(rows), json!({"group_by_vlan": true})));
    assert_eq!(found, [("/dpsk_data/dpsks/1/vlanid".into(), Code::BadVlan)]);
}

#[test]
fn a_raw_key_is_called_one() {
    let row = with(dpsk(0), json!({"passphrase": "0123456789abcdefABCDEF".repeat(3)[..64]}));
    let Err(RequestError::Content(found)) = parse(&body(extract(vec![row]), json!({}))) else {
        panic!("accepted")
    };
    assert!(
        found.list()[0]
            .detail
            .starts_with("64 hexadecimal digits are a raw key")
    );
}
