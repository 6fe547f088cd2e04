//! What becomes of what: the table at the head of the module, line by line.

use serde_json::{Value, json};

use super::super::*;
use super::samples::*;

fn reasons(changes: &[Change]) -> Vec<Reason> {
    changes.iter().map(|change| change.reason).collect()
}

fn only_row(dpsk: Value, options: Value) -> Row {
    planned(extract(vec![dpsk]), options).1.remove(0).0
}

#[test]
fn the_three_shapes_give_the_same_rows() {
    let dpsks = || {
        vec![
            dpsk(0),
            with(
                dpsk(1),
                json!({"vlanid": "44", "useDeviceCountLimit": true, "deviceCountLimit": 3}),
            ),
        ]
    };
    let (plan_array, rows_array) = planned(json!(dpsks()), json!({}));
    let (plan_pool, rows_pool) = planned(extract(dpsks()), json!({}));
    let (plan_full, rows_full) = planned(full(vec![(pool("Lobby"), dpsks())]), json!({}));
    assert!(rows_array == rows_pool && rows_pool == rows_full);
    assert_eq!(plan_pool, plan_full);
    assert_eq!(
        (&*plan_array.groups[0].name, &*plan_array.pools[0].name),
        ("Cloudpath Import", "Cloudpath DPSKs")
    );
    assert_eq!(
        (&*plan_pool.groups[0].name, &*plan_pool.pools[0].name),
        ("Lobby-IDG", "Lobby-DPSK")
    );
    assert_eq!(
        plan_pool.groups[0].description,
        "Imported from Cloudpath pool AccountDpskPool-Lobby"
    );
    let shapes = [json!(dpsks()), extract(dpsks()), full(vec![(pool("Lobby"), dpsks())])]
        .map(|data| parse(&body(data, json!({}))).unwrap().export.shape);
    assert_eq!(shapes, [Shape::Array, Shape::Pool, Shape::Full]);
}

#[test]
fn a_plain_row_is_carried_over_without_a_change() {
    let (_, mut rows) = planned(
        extract(vec![with(
            dpsk(7),
            json!({"vlanid": 44, "useDeviceCountLimit": "true", "deviceCountLimit": "3",
            "expirationDateTime": "2027-06-15T00:00-06:00[America/Denver]"}),
        )]),
        json!({}),
    );
    let (row, secret) = rows.remove(0);
    assert_eq!(secret.expose(), "k7-secret!");
    assert_eq!(
        serde_json::to_string(&row).unwrap(),
        r#"{"i":0,"p":0,"g":"AccountDpsk-7","u":"unit 7","v":44,"d":3,"e":"2027-06-15T06:00:00Z"}"#
    );
    assert_eq!(
        serde_json::from_str::<Row>(&serde_json::to_string(&row).unwrap()).unwrap(),
        row
    );
}

#[test]
fn every_change_of_a_row_has_its_reason() {
    let row = only_row(
        with(
            dpsk(0),
            json!({"name": " Ann ", "useDeviceCountLimit": true, "deviceCountLimit": 70_000, "ssidList": ["x"]}),
        ),
        json!({}),
    );
    assert_eq!((&*row.username, row.devices), ("Ann", Some(512)));
    assert_eq!(
        reasons(&row.changes),
        [Reason::Trimmed, Reason::DevicesClamped, Reason::SsidsKeptAsInfo]
    );
    assert_eq!(
        (row.changes[1].from.as_deref(), row.changes[1].to.as_deref()),
        (Some("70000"), Some("512"))
    );
    for name in [json!(""), json!("  "), json!(null)] {
        let row = only_row(with(dpsk(0), json!({"name": name})), json!({}));
        assert_eq!(
            (&*row.username, reasons(&row.changes)),
            ("DPSK-AccountDpsk-0", vec![Reason::NoName])
        );
    }
    assert_eq!(only_row(with(dpsk(0), json!({"name": 101})), json!({})).username, "101");
    let clamped = only_row(
        with(dpsk(0), json!({"useDeviceCountLimit": true, "deviceCountLimit": 512})),
        json!({}),
    );
    assert_eq!((clamped.devices, clamped.changes.len()), (Some(512), 0));
}

#[test]
fn expired_keys_follow_the_option() {
    let old = || with(dpsk(0), json!({"expirationDateTime": "2020-02-29T00:00Z"}));
    let imported = only_row(old(), json!({}));
    assert_eq!(
        (imported.expires, imported.skip, reasons(&imported.changes)),
        (None, None, vec![Reason::Expired])
    );
    let today = |at| only_row(with(dpsk(0), json!({"expirationDateTime": at})), json!({})).expires;
    assert_eq!(
        today("2026-11-22T08:00Z"),
        None,
        "a key is expired from the moment it names"
    );
    assert_eq!(today("2026-11-22T08:00:01Z").as_deref(), Some("2026-11-22T08:00:01Z"));
    let renewed = only_row(old(), json!({"expired": "renew"}));
    assert_eq!(
        (renewed.expires.as_deref(), reasons(&renewed.changes)),
        (Some("2027-02-28T00:00:00Z"), vec![Reason::Renewed])
    );
    let untrimmed = with(old(), json!({"name": " x "}));
    let (plan, rows) = planned(extract(vec![untrimmed, dpsk(1)]), json!({"expired": "skip"}));
    assert!(
        rows[0].0.changes.is_empty() && plan.totals.changes_by_reason.is_empty(),
        "nothing is changed in it"
    );
    let skip = rows[0].0.skip.as_ref().unwrap();
    assert_eq!(
        (skip.code, &*skip.detail),
        (Code::Expired, "expired at 2020-02-29T00:00:00Z")
    );
    assert_eq!((plan.totals.imports, rows[1].0.row), (1, 1));
    assert_eq!(
        rows[0].1.expose(),
        "",
        "the passphrase of a key that stays out is not kept"
    );
}

#[test]
fn a_renewed_key_exported_again_stays_as_it_is() {
    let row = only_row(
        with(dpsk(0), json!({"expirationDateTime": "2020-06-15T00:00Z"})),
        json!({"expired": "renew"}),
    );
    let expires = row.expires.unwrap();
    let again = only_row(
        with(dpsk(0), json!({"expirationDateTime": expires})),
        json!({"expired": "renew"}),
    );
    assert_eq!(
        (again.expires.as_deref(), again.changes.len()),
        (Some("2027-06-15T00:00:00Z"), 0)
    );
}

#[test]
fn keys_that_do_not_work_in_cloudpath_stay_out() {
    let (plan, rows) = planned(
        extract(vec![with(dpsk(0), json!({"status": "SUSPENDED"})), dpsk(1)]),
        json!({}),
    );
    let skip = rows[0].0.skip.as_ref().unwrap();
    assert_eq!(
        (skip.code, &*skip.detail),
        (Code::NotActive, r#"its status in Cloudpath is "SUSPENDED", not ACTIVE"#)
    );
    assert_eq!(plan.totals.skips_by_code[&Code::NotActive], 1);
    for status in [json!("active"), json!(""), json!(null)] {
        assert_eq!(only_row(with(dpsk(0), json!({"status": status})), json!({})).skip, None);
    }
}

#[test]
fn pools_take_the_settings_their_keys_need() {
    let limited = |number, passphrase: &str, limit| {
        with(
            dpsk(number),
            json!({"passphrase": passphrase, "useDeviceCountLimit": true, "deviceCountLimit": limit}),
        )
    };
    let (plan, _) = planned(
        full(vec![
            (
                pool("Digits"),
                vec![limited(0, "123456789", 2), limited(1, "1234567890", 9)],
            ),
            (
                pool("Letters"),
                vec![
                    limited(2, "abcdefgh", 2),
                    with(dpsk(3), json!({"passphrase": "12345678"})),
                ],
            ),
            (pool("Symbols"), vec![limited(4, "abcd efgh", 9999)]),
            // A key that stays out decides nothing.
            (
                pool("Out"),
                vec![
                    with(limited(5, "abcd efg", 3), json!({"status": "X"})),
                    limited(6, "1234567890", 4),
                ],
            ),
        ]),
        json!({}),
    );
    let found: Vec<_> = plan
        .pools
        .iter()
        .map(|pool| {
            (
                &*pool.name,
                pool.passphrase_format,
                pool.passphrase_length,
                pool.device_count_limit,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("Digits-DPSK", PassphraseFormat::NumbersOnly, 9, Some(9)),
            ("Letters-DPSK", PassphraseFormat::KeyboardFriendly, 8, None),
            ("Symbols-DPSK", PassphraseFormat::MostSecured, 9, Some(512)),
            ("Out-DPSK", PassphraseFormat::NumbersOnly, 10, Some(4)),
        ]
    );
    assert_eq!(reasons(&plan.pools[0].changes), [Reason::ShortestPassphrase]);
    assert!(plan.pools[3].changes.is_empty());
}

#[test]
fn expiration_rules_of_a_pool_are_taken_or_dropped_with_a_reason() {
    let pool_of = |kind: Value, value: Value| {
        let rule = json!({"enforceExpirationDate": true, "expirationDateType": kind, "expirationDateValue": value});
        planned(full(vec![(with(pool("A"), rule), vec![dpsk(0)])]), json!({}))
            .0
            .pools
            .remove(0)
    };
    for (kind, wire) in [
        (ExpirationType::HoursAfterTime, "HOURS_AFTER_TIME"),
        (ExpirationType::DaysAfterTime, "DAYS_AFTER_TIME"),
        (ExpirationType::WeeksAfterTime, "WEEKS_AFTER_TIME"),
        (ExpirationType::MonthsAfterTime, "MONTHS_AFTER_TIME"),
        (ExpirationType::YearsAfterTime, "YEARS_AFTER_TIME"),
    ] {
        let expected = PoolExpiration {
            kind,
            offset: Some(12),
            date: None,
        };
        assert_eq!(pool_of(json!(wire), json!("12")).expiration, Some(expected.clone()));
        assert_eq!(pool_of(json!(wire), json!(12)).expiration, Some(expected));
    }
    let date = pool_of(json!("SPECIFIED_DATE"), json!("2027-01-01T00:00Z"))
        .expiration
        .unwrap();
    assert_eq!(
        serde_json::to_value(date).unwrap(),
        json!({"type": "SPECIFIED_DATE", "date": "2027-01-01T00:00:00Z"})
    );
    for (kind, value, reason) in [
        (
            json!("SPECIFIED_DATE"),
            json!("2020-01-01T00:00Z"),
            Reason::ExpirationPast,
        ),
        (json!("SPECIFIED_DATE"), json!("soon"), Reason::ExpirationUnknown),
        (json!("END_OF_TERM"), json!("1"), Reason::ExpirationUnknown),
        (json!("DAYS_AFTER_TIME"), json!("0"), Reason::ExpirationUnknown),
        (json!("DAYS_AFTER_TIME"), json!("4294967295"), Reason::ExpirationUnknown),
        (json!(null), json!(null), Reason::ExpirationUnknown),
    ] {
        let pool = pool_of(kind, value);
        assert!(
            pool.expiration.is_none() && reasons(&pool.changes).contains(&reason),
            "{pool:?}"
        );
    }
    let unenforced = planned(extract(vec![dpsk(0)]), json!({})).0.pools.remove(0);
    assert!(unenforced.expiration.is_none() && unenforced.changes.is_empty());
}

#[test]
fn what_a_pool_loses_is_told() {
    let rich = json!({"phraseDefaultLength": "12", "enforceDeviceCountLimit": true, "deviceCountLimit": 5,
        "description": "Main lobby", "supportsPolicies": true, "defaultAccess": "REJECT", "enabled": false});
    let (plan, _) = planned(full(vec![(with(pool("A"), rich), vec![dpsk(0)])]), json!({}));
    assert_eq!(
        reasons(&plan.pools[0].changes),
        [
            Reason::ShortestPassphrase,
            Reason::PoolLimitNotPerKey,
            Reason::NoDescriptionField,
            Reason::PoliciesNotImported,
            Reason::NothingDisabled
        ]
    );
    let limited = json!({"enforceDeviceCountLimit": true, "deviceCountLimit": 5});
    let key = |devices: u32| {
        with(
            dpsk(1),
            json!({"useDeviceCountLimit": true, "deviceCountLimit": devices}),
        )
    };
    let of = |devices| {
        let (plan, _) = planned(
            full(vec![(with(pool("A"), limited.clone()), vec![key(devices)])]),
            json!({}),
        );
        plan.pools[0]
            .changes
            .iter()
            .find(|c| c.reason == Reason::HighestLimit)
            .map(ToString::to_string)
    };
    assert_eq!(of(5), None, "the pool has the limit it had");
    assert!(of(3).unwrap().starts_with("deviceCountLimit: 5 → 3 ("), "{:?}", of(3));
    assert!(
        plan.pools[0]
            .changes
            .iter()
            .all(|change| !change.reason.text().is_empty() && !change.field.name().is_empty())
    );
}

#[test]
fn vlans_get_their_own_groups_and_pools() {
    let rows = || {
        ["44", "", "7", "44"]
            .iter()
            .zip(0..)
            .map(|(vlan, row)| with(dpsk(row), json!({"vlanid": vlan})))
            .collect()
    };
    let options = || json!({"group_by_vlan": true});
    for data in [extract(rows()), json!(Vec::from_iter::<Vec<Value>>(rows()))] {
        let (plan, rows) = planned(data, options());
        let names: Vec<_> = plan
            .groups
            .iter()
            .zip(&plan.pools)
            .map(|(group, pool)| (&*group.name, &*pool.name))
            .collect();
        assert_eq!(
            names,
            [
                ("No VLAN", "No VLAN - Cloudpath DPSKs"),
                ("VLAN 7", "VLAN 7 - Cloudpath DPSKs"),
                ("VLAN 44", "VLAN 44 - Cloudpath DPSKs")
            ]
        );
        assert_eq!(
            rows.iter().map(|(row, _)| row.pool).collect::<Vec<_>>(),
            [Some(2), Some(0), Some(1), Some(2)]
        );
        assert_eq!(
            plan.pools
                .iter()
                .map(|pool| (pool.index, pool.group))
                .collect::<Vec<_>>(),
            [(0, 0), (1, 1), (2, 2)]
        );
    }
    let (plan, _) = planned(
        full(vec![(with(pool("A"), json!({"description": "x"})), rows())]),
        options(),
    );
    let told = plan
        .pools
        .iter()
        .filter(|pool| reasons(&pool.changes).contains(&Reason::NoDescriptionField));
    assert_eq!(told.count(), 1, "what concerns the Cloudpath pool is told once");
    let second = vec![with(dpsk(9), json!({"vlanid": "44"}))];
    let (plan, rows) = planned(full(vec![(pool("A"), rows()), (pool("B"), second)]), options());
    let names: Vec<_> = plan.pools.iter().map(|pool| &*pool.name).collect();
    assert_eq!(
        names,
        [
            "No VLAN - A-DPSK",
            "VLAN 7 - A-DPSK",
            "VLAN 44 - A-DPSK",
            "VLAN 44 - B-DPSK"
        ]
    );
    assert_eq!(plan.groups[3].name, "VLAN 44 - B");
    assert_eq!(
        (rows[4].0.row, rows[4].0.pool),
        (4, Some(3)),
        "a row is counted over all pools"
    );
}

#[test]
fn pool_names_fit_and_never_coincide() {
    let long = "Sunrise Apartments Building 7, North Wing, Floor ";
    let twin = with(pool("Lobby"), json!({"guid": "other"}));
    let mut pools: Vec<_> = (0..40)
        .map(|floor| (pool(&format!("{long}{floor}")), vec![dpsk(floor)]))
        .collect();
    pools.push((pool("Lobby"), vec![dpsk(100)]));
    pools.push((twin, vec![dpsk(101)]));
    let (plan, _) = planned(full(pools), json!({}));
    let mut names: Vec<_> = plan.pools.iter().map(|pool| pool.name.to_lowercase()).collect();
    assert!(
        names.iter().all(|name| (2..=32).contains(&name.chars().count())),
        "{names:?}"
    );
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 42);
    assert_eq!(reasons(&plan.pools[0].changes), [Reason::NameShortened]);
    assert_eq!(plan.pools[0].changes[0].from, Some(format!("{long}0-DPSK")));
    assert_eq!(
        reasons(&plan.pools[41].changes)[..2],
        [Reason::NameTaken, Reason::NameTaken]
    );
    assert_ne!(plan.groups[40].name, plan.groups[41].name);
}

#[test]
fn pools_without_a_key_to_import_are_not_made() {
    let out = with(dpsk(0), json!({"status": "REVOKED"}));
    let (plan, rows) = planned(
        full(vec![
            (pool("A"), vec![]),
            (pool("B"), vec![out]),
            (pool("C"), vec![dpsk(2)]),
        ]),
        json!({}),
    );
    assert_eq!(plan.pools.len(), 1);
    assert_eq!((rows[0].0.pool, rows[1].0.pool, rows[1].0.row), (None, Some(0), 1));
    assert_eq!(plan.warnings.len(), 2);
    assert!(plan.warnings[0].contains(r#"pool "A" (AccountDpskPool-A)"#));
    let (nothing, _) = planned(json!([5]), json!({"invalid_rows": "skip"}));
    assert_eq!(
        (nothing.groups.len(), nothing.warnings.len(), nothing.totals.skips),
        (0, 1, 1)
    );
}

#[test]
fn a_disabled_pool_whose_keys_will_work_is_told() {
    let disabled = |name: &str| with(pool(name), json!({"enabled": false}));
    let (plan, _) = planned(
        full(vec![
            (disabled("A"), vec![dpsk(0)]),
            (disabled("B"), vec![]),
            (pool("C"), vec![dpsk(2)]),
        ]),
        json!({}),
    );
    assert_eq!(
        plan.warnings.len(),
        2,
        "one that is not made is told once: {:?}",
        plan.warnings
    );
    assert!(plan.warnings[1].starts_with(r#"pool "A" (AccountDpskPool-A) is disabled in the export"#));
}

#[test]
fn the_plan_of_hundreds_of_pools_stays_small_and_survives_storage() {
    let pools = (0..300)
        .map(|number| (pool(&format!("Building {number}")), vec![dpsk(number)]))
        .collect();
    let (plan, _) = planned(full(pools), json!({}));
    let stored = serde_json::to_string(&plan).unwrap();
    assert!(stored.len() < 300 * 500, "{} bytes", stored.len());
    assert_eq!(serde_json::from_str::<ImportPlan>(&stored).unwrap(), plan);
}

/// An API of the next version accepted the import; a worker of this one has to go on with what it knows.
#[test]
fn what_a_later_version_stored_is_read() {
    let row =
        r#"{"i":1,"g":"g","u":"u","x":1,"s":{"c":"NOT_YET","d":"later"},"c":[{"f":"colour","a":"red","r":"faded"}]}"#;
    let row: Row = serde_json::from_str(row).unwrap();
    assert_eq!(
        (row.skip.unwrap().code, row.changes[0].reason),
        (Code::Other, Reason::Other)
    );
    let plan = r#"{"groups":[],"pools":[],"later":{},"totals":{"rows":3,"imports":1,"skips":2,"skips_by_code":{"NOT_YET":2},"changes_by_reason":{"faded":1}}}"#;
    let plan: ImportPlan = serde_json::from_str(plan).unwrap();
    assert_eq!((plan.totals.skips_by_code[&Code::Other], plan.totals.rows), (2, 3));
    let options: ImportOptions = serde_json::from_str(r#"{"group_by_vlan":true,"colour":"red"}"#).unwrap();
    assert!(options.group_by_vlan);
}
