//! Corrected rows of a retry.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::*;
use crate::id::JobId;
use crate::secret::SecretString;

fn now() -> Timestamp {
    "2026-11-27T12:00:00Z".parse().unwrap()
}

fn dpsk(n: u32, change: Value) -> Value {
    let mut row = json!({"guid": format!("g-{n}"), "name": format!("user-{n}"), "passphrase": format!("secret-of-{n}"),
        "status": "ACTIVE", "ssidList": [], "vlanid": ""});
    row.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    row
}

/// The job before: its plan, options and rows as they were staged.
struct Before {
    plan: ImportPlan,
    options: ImportOptions,
    rows: Vec<Staged>,
}

fn before(dpsks: &[Value], options: Value) -> Before {
    let body = json!({"controller_id": 1, "venue_id": "v", "dpsk_data": dpsks, "options": options}).to_string();
    let request = parse_request(body.as_bytes(), now()).unwrap();
    let (plan, mapper) = plan(&request.export, &request.options, now());
    let keep = |(row, secret): (Row, SecretString)| (row.skip.is_none().then_some(secret), row);
    let rows = request.export.rows.into_iter().map(|row| {
        let (secret, row) = keep(mapper.map(row));
        (row, secret)
    });
    Before {
        plan,
        options: request.options,
        rows: rows.collect(),
    }
}

/// The rows as the retry has them, in chunks of two, with its plan.
fn revised(before: &Before, scope: RowScope, job: JobId, body: &Value) -> Result<(ImportPlan, Vec<Staged>), Faults> {
    let corrections = parse_corrections(body.to_string().as_bytes(), job).unwrap();
    let mut revision = Revision::new(corrections, before.plan.clone(), before.options.clone(), scope);
    before.rows.chunks(2).for_each(|chunk| revision.look(chunk));
    let mut judging = revision.correct(now());
    before.rows.chunks(2).for_each(|chunk| judging.look(chunk));
    let mut revised = judging.finish()?;
    let mut rows = before.rows.clone();
    rows.chunks_mut(2).for_each(|chunk| revised.apply(chunk));
    Ok((revised.plan, rows))
}

fn refused(before: &Before, scope: RowScope, body: &Value) -> Vec<(String, String)> {
    let faults = revised(before, scope, JobId::generate(), body).unwrap_err();
    let told = |f: &Fault| {
        assert!(!f.detail.contains("secret-of") && !f.detail.contains("2short"), "{f:?}");
        (f.pointer.clone(), json!(f.code).as_str().unwrap().to_owned())
    };
    faults.list().iter().map(told).collect()
}

fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(at, code)| ((*at).to_owned(), (*code).to_owned()))
        .collect()
}

#[test]
fn no_body_and_an_empty_list_correct_nothing() {
    let job = JobId::generate();
    for body in ["", "{}", r#"{"corrections": []}"#, r#"{"corrections": null}"#] {
        assert!(parse_corrections(body.as_bytes(), job).unwrap().is_empty(), "{body}");
    }
    let broken = parse_corrections(r#"{"corrections": ["#.as_bytes(), job);
    assert!(matches!(broken, Err(RequestError::Malformed(_))));
}

#[test]
fn a_corrected_row_is_as_if_it_had_been_exported_so_and_the_others_are_untouched() {
    let dpsks: Vec<Value> = (0..5).map(|n| dpsk(n, json!({}))).collect();
    let before = before(&dpsks, json!({}));
    let job = JobId::generate();
    let body = json!({"corrections": [
        {"row": 1, "fields": {"name": " ann ", "passphrase": "8 chars!", "vlanid": 44}},
        {"task_id": format!("{job}:{ROWS_PHASE}:3"),
         "fields": {"useDeviceCountLimit": true, "deviceCountLimit": 900, "expirationDateTime": "2027-01-01T00:00Z"}},
    ]});
    let (plan, rows) = revised(&before, RowScope::of([1, 3]), job, &body).unwrap();
    let ann = &rows[1];
    assert_eq!(
        (ann.0.username.as_str(), ann.0.vlan, ann.0.guid.as_str()),
        ("ann", Some(44), "g-1")
    );
    assert_eq!(ann.1.as_ref().unwrap().expose(), "8 chars!");
    assert_eq!(ann.0.changes[0].reason, Reason::Trimmed);
    let third = &rows[3];
    assert_eq!(
        (third.0.devices, third.0.expires.as_deref()),
        (Some(512), Some("2027-01-01T00:00:00Z"))
    );
    assert_eq!(third.1, before.rows[3].1, "what is not corrected is as it was");
    for row in [0, 2, 4] {
        assert_eq!(rows[row], before.rows[row]);
    }
    let pool = &plan.pools[0];
    assert_eq!(
        (pool.passphrase_length, pool.passphrases, pool.device_count_limit),
        (8, 5, None)
    );
    assert_eq!(plan.totals.imports, 5);
    assert_eq!(plan.totals.changes_by_reason[&Reason::DevicesClamped], 1);
    // what was told of fields that are not corrected now stays
    let again = Before { rows, plan, ..before };
    let named = json!({"corrections": [{"row": 3, "fields": {"name": "dora"}}]});
    let (_, rows) = revised(&again, RowScope::all(), job, &named).unwrap();
    assert_eq!(rows[3].0.changes[0].reason, Reason::DevicesClamped);
    // a correction of a correction: the clamp is told no more
    let body =
        json!({"corrections": [{"row": 3, "fields": {"useDeviceCountLimit": false, "expirationDateTime": null}}]});
    let (plan, rows) = revised(&again, RowScope::all(), job, &body).unwrap();
    assert_eq!(
        (rows[3].0.devices, &rows[3].0.expires, rows[3].0.changes.len()),
        (None, &None, 0)
    );
    assert!(!plan.totals.changes_by_reason.contains_key(&Reason::DevicesClamped));
}

#[test]
fn every_fault_is_told_with_its_place() {
    let mut dpsks: Vec<Value> = (0..9).map(|n| dpsk(n, json!({}))).collect();
    dpsks[8]["status"] = "REVOKED".into();
    let before = before(&dpsks, json!({}));
    let body = json!({"more": 1, "corrections": [
        {"row": 0, "fields": {"passphrase": "2short!", "vlanid": "5000", "userName": "x", "guid": "g"}},
        {"row": 1, "task_id": "x", "fields": {"name": "b"}},
        {"fields": {"name": "c"}},
        {"row": 2, "fields": {}},
        {"row": 3},
        {"row": 99, "fields": {"name": "d"}},
        {"row": 5, "fields": {"name": "e"}},
        {"row": 0, "fields": {"name": "f"}},
        {"row": 8, "fields": {"name": "g"}},
        {"row": 4, "fields": {"passphrase": null, "deviceCountLimit": 5}},
        {"row": "6", "fields": 7, "what": 1},
        8,
    ]});
    let mut told = refused(&before, RowScope::of([0, 1, 2, 3, 4, 6, 7, 8]), &body);
    told.sort();
    let mut wanted = of(&[
        ("/more", "UNKNOWN_FIELD"),
        ("/corrections/0/fields/passphrase", "BAD_PASSPHRASE"),
        ("/corrections/0/fields/vlanid", "BAD_VLAN"),
        ("/corrections/0/fields/userName", "UNKNOWN_FIELD"),
        ("/corrections/0/fields/guid", "UNKNOWN_FIELD"),
        ("/corrections/1", "CONTRADICTION"),
        ("/corrections/1/task_id", "UNKNOWN_ROW"),
        ("/corrections/2", "MISSING_FIELD"),
        ("/corrections/3/fields", "MISSING_FIELD"),
        ("/corrections/4/fields", "MISSING_FIELD"),
        ("/corrections/5", "UNKNOWN_ROW"),
        ("/corrections/6", "NOT_RETRIED"),
        ("/corrections/7", "DUPLICATE_ROW"),
        ("/corrections/8", "NOT_RETRIED"),
        ("/corrections/9/fields/passphrase", "MISSING_FIELD"),
        ("/corrections/9/fields", "MISSING_FIELD"),
        ("/corrections/10/row", "WRONG_TYPE"),
        ("/corrections/10/fields", "WRONG_TYPE"),
        ("/corrections/10/what", "UNKNOWN_FIELD"),
        ("/corrections/11", "WRONG_TYPE"),
    ]);
    wanted.sort();
    assert_eq!(told, wanted);
}

#[test]
fn names_and_passphrases_stay_unique_in_their_pool() {
    let dpsks: Vec<Value> = (0..6).map(|n| dpsk(n, json!({}))).collect();
    let before = before(&dpsks, json!({}));
    let correct = |row: u32, fields: Value| json!({"row": row, "fields": fields});
    let body = json!({"corrections": [
        correct(0, json!({"name": "user-5"})),
        correct(1, json!({"passphrase": "secret-of-4"})),
        correct(2, json!({"name": "new"})),
        correct(3, json!({"name": "new"})),
    ]});
    let told = refused(&before, RowScope::all(), &body);
    let mut sorted = told.clone();
    sorted.sort();
    let wanted = of(&[
        ("/corrections/0/fields/name", "DUPLICATE_USERNAME"),
        ("/corrections/1/fields/passphrase", "DUPLICATE_PASSPHRASE"),
        ("/corrections/3/fields/name", "DUPLICATE_USERNAME"),
    ]);
    assert_eq!(sorted, wanted);
    // two that change places collide with nobody
    let body = json!({"corrections": [correct(0, json!({"name": "user-1"})), correct(1, json!({"name": "user-0"}))]});
    let (_, rows) = revised(&before, RowScope::all(), JobId::generate(), &body).unwrap();
    assert_eq!((&*rows[0].0.username, &*rows[1].0.username), ("user-1", "user-0"));
}

#[test]
fn what_needs_another_pool_or_policy_is_another_import() {
    let vlan = |n: u32| if n < 2 { json!({"vlanid": "44"}) } else { json!({}) };
    let dpsks: Vec<Value> = (0..4).map(|n| dpsk(n, vlan(n))).collect();
    let by_vlan = before(&dpsks, json!({"group_by_vlan": true}));
    let to = |vlan: Value| json!({"corrections": [{"row": 3, "fields": {"vlanid": vlan}}]});
    let (plan, rows) = revised(&by_vlan, RowScope::all(), JobId::generate(), &to("44".into())).unwrap();
    assert_eq!(rows[3].0.pool, rows[0].0.pool);
    let keys: Vec<u32> = plan.pools.iter().map(|pool| pool.passphrases).collect();
    assert_eq!(keys.iter().sum::<u32>(), 4);
    assert_eq!(keys[usize::from(rows[0].0.pool.unwrap())], 3);
    let wanted = of(&[("/corrections/0/fields/vlanid", "NEEDS_IMPORT")]);
    assert_eq!(refused(&by_vlan, RowScope::all(), &to(45.into())), wanted);

    let gold = |n: u32| json!({"name": format!("user{n}_gold")});
    let dpsks: Vec<Value> = (0..4).map(|n| dpsk(n, gold(n))).collect();
    let policies = before(&dpsks, json!({"include_adaptive_policy_sets": true}));
    let named = |name: &str| json!({"corrections": [{"row": 3, "fields": {"name": name}}]});
    assert!(revised(&policies, RowScope::all(), JobId::generate(), &named("other_gold")).is_ok());
    let wanted = of(&[("/corrections/0/fields/name", "NEEDS_IMPORT")]);
    assert_eq!(refused(&policies, RowScope::all(), &named("other_silver")), wanted);
}
