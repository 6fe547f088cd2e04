//! Faults of the document: its shape, its pools, its top level, its sizes.

use serde_json::{Value, json};

use super::super::*;
use super::samples::*;

#[test]
fn faults_of_the_document_name_what_was_expected() {
    let one = |data: Value| {
        let found = faults(&body(data, json!({"invalid_rows": "skip"})));
        assert_eq!(found.len(), 1, "{found:?}");
        found
            .into_iter()
            .next()
            .map(|(pointer, code)| (pointer.replacen("/dpsk_data", "", 1), code))
            .unwrap()
    };
    let at = |pointer: &str, code| (pointer.to_owned(), code);
    assert_eq!(one(json!({})), at("", Code::UnknownShape));
    assert_eq!(one(json!({"pools": []})), at("", Code::UnknownShape));
    assert_eq!(one(json!("file.json")), at("", Code::WrongType));
    assert_eq!(one(json!([])), at("", Code::EmptyExport));
    assert_eq!(one(json!({"dpskPools": []})), at("", Code::EmptyExport));
    assert_eq!(one(full(vec![(pool("A"), vec![])])), at("", Code::EmptyExport));
    assert_eq!(
        one(without(extract(vec![dpsk(0)]), "pool")),
        at("/pool", Code::MissingField)
    );
    assert_eq!(
        one(with(extract(vec![dpsk(0)]), json!({"pool": []}))),
        at("/pool", Code::WrongType)
    );
    assert_eq!(
        one(with(extract(vec![dpsk(0)]), json!({"dpskPools": []}))),
        at("", Code::UnknownShape)
    );
    for (field, value, code) in [
        ("guid", json!(null), Code::MissingField),
        ("displayName", json!(" "), Code::MissingField),
        ("displayName", json!("a\nb"), Code::BadName),
        ("enabled", json!("often"), Code::WrongType),
        ("phraseDefaultLength", json!([]), Code::WrongType),
    ] {
        let data = with(
            extract(vec![dpsk(0)]),
            json!({"pool": with(pool("A"), json!({field: value}))}),
        );
        assert_eq!(one(data), at(&format!("/pool/{field}"), code));
    }
    let twins = vec![(pool("A"), vec![dpsk(0)]), (pool("A"), vec![dpsk(1)])];
    assert_eq!(one(full(twins)), at("/dpskPools/1/guid", Code::DuplicateGuid));
    let mut data = full(vec![(pool("A"), vec![dpsk(0)]), (pool("B"), vec![])]);
    data["dpskPools"][1].as_object_mut().unwrap().remove("dpsks");
    assert_eq!(one(data), at("/dpskPools/1/dpsks", Code::MissingField));
}

#[test]
fn a_document_without_rows_says_so_besides_what_is_missing() {
    let found = faults(&body(json!({"pool": pool("A")}), json!({})));
    let expected = [
        ("/dpsk_data/dpsks", Code::MissingField),
        ("/dpsk_data", Code::EmptyExport),
    ];
    assert_eq!(found, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
}

#[test]
fn the_top_level_is_checked() {
    let good = body(json!([dpsk(0)]), json!({}));
    let one = |request: Value| faults(&request).remove(0);
    let at = |pointer: &str, code| (pointer.to_owned(), code);
    assert_eq!(one(json!([1])), at("/", Code::WrongType));
    assert_eq!(
        one(with(good.clone(), json!({"controller_id": "1"}))),
        at("/controller_id", Code::WrongType)
    );
    assert_eq!(
        one(with(good.clone(), json!({"controller_id": 1.5}))),
        at("/controller_id", Code::WrongType)
    );
    assert_eq!(
        one(with(good.clone(), json!({"venue_id": ""}))),
        at("/venue_id", Code::UnknownValue)
    );
    assert_eq!(
        one(with(good.clone(), json!({"venue_id": null}))),
        at("/venue_id", Code::WrongType)
    );
    assert_eq!(
        one(with(good.clone(), json!({"options": []}))),
        at("/options", Code::WrongType)
    );
    assert_eq!(
        one(with(good.clone(), json!({"dry/run": true}))),
        at("/dry~1run", Code::UnknownField)
    );
    let huge: Vec<_> = (0..10_000).collect();
    assert_eq!(
        one(with(good.clone(), json!({"options": {"x": huge}}))),
        at("/options", Code::TooLarge)
    );
    for key in ["controller_id", "venue_id", "dpsk_data"] {
        assert_eq!(
            one(without(good.clone(), key)),
            at(&format!("/{key}"), Code::MissingField)
        );
    }
    assert!(parse(&without(good.clone(), "options")).is_ok());
    assert!(parse(&with(good, json!({"options": null}))).is_ok());
}

#[test]
fn keys_given_twice_are_refused_at_every_level() {
    let text = body(extract(vec![dpsk(0)]), json!({"expired": "skip"})).to_string();
    for (once, pointer) in [
        (r#""venue_id":"v-1""#, "/venue_id"),
        (r#""expired":"skip""#, "/options/expired"),
        (r#""displayName":"Lobby""#, "/dpsk_data/pool/displayName"),
        (r#""passphrase":"k0-secret!""#, "/dpsk_data/dpsks/0/passphrase"),
    ] {
        assert!(text.contains(once));
        let twice = text.replacen(once, &format!("{once},{once}"), 1);
        let Err(RequestError::Content(faults)) = parse_request(twice.as_bytes(), now()) else {
            panic!("{pointer}")
        };
        assert_eq!(
            (faults.list()[0].pointer.as_str(), faults.list()[0].code),
            (pointer, Code::DuplicateField)
        );
    }
}

#[test]
fn more_faults_than_are_listed_are_counted() {
    let rows: Vec<_> = (0..limits::MAX_FAULTS + 50)
        .map(|row| with(dpsk(row), json!({"vlanid": "x"})))
        .collect();
    match parse(&body(extract(rows), json!({}))) {
        Err(RequestError::Content(faults)) => {
            assert_eq!(
                (faults.list().len(), faults.total()),
                (limits::MAX_FAULTS, limits::MAX_FAULTS as u64 + 50)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn pools_are_counted_before_and_after_the_mapping() {
    let pools = (0..limits::MAX_POOLS + 1)
        .map(|number| (pool(&number.to_string()), vec![dpsk(number)]))
        .collect();
    let found = faults(&body(full(pools), json!({})));
    assert_eq!(found, [("/dpsk_data/dpskPools".into(), Code::TooManyPools)]);

    let rows = |from: usize, count: usize| {
        (0..count)
            .map(|vlan| with(dpsk(from + vlan), json!({"vlanid": vlan + 1})))
            .collect()
    };
    let request = |count| {
        let data = full(vec![(pool("A"), rows(0, 4094)), (pool("B"), rows(5000, count))]);
        parse(&body(data, json!({"group_by_vlan": true}))).map(|_| ())
    };
    assert!(request(limits::MAX_PLANNED_POOLS - 4094).is_ok());
    let Err(RequestError::Content(found)) = request(limits::MAX_PLANNED_POOLS - 4093) else {
        panic!("accepted")
    };
    assert_eq!(
        (found.total(), &*found.list()[0].pointer),
        (1, "/options/group_by_vlan")
    );
}
