//! Each kind of lie is caught.

use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn export() -> Value {
    let key =
        |guid: &str, name: &str, value: &str| json!({"guid": guid, "name": name, "passphrase": value, "vlanid": "44"});
    json!({"dpskPools": [{"guid": "g-1", "displayName": "Lobby", "ssidList": ["Bar"],
        "dpsks": [key("1", "anna_gold", "value-of-anna"), key("2", "ben", "value-of-ben"), key("3", "carl", "value-of-carl")]}]})
}

fn options() -> Value {
    json!({"include_adaptive_policy_sets": true, "just_copy_dpsks": false, "ssid_network_map": {"Bar": "create"}})
}

fn before() -> Value {
    json!({"radius_attribute_groups": [{"id": "r", "name": "gold"}]})
}

/// All is there but carl's key, which nobody could make.
fn after() -> Value {
    let made = |mut row: Value| {
        row["created_by_request"] = "q".into();
        row
    };
    let key = |id: &str, user: &str, value: &str| {
        made(
            json!({"id": id, "pool_name": "Lobby-DPSK", "username": user, "passphrase": value, "identity_id": format!("i-{id}"),
            "vlan_id": 44, "number_of_devices": null, "expiration_date": null, "revocation_date": null}),
        )
    };
    json!({
        "identity_groups": [made(json!({"id": "g", "name": "Lobby-IDG", "description": "Imported from Cloudpath pool g-1"}))],
        "dpsk_pools": [made(json!({"id": "p", "name": "Lobby-DPSK", "passphrase_format": "MOST_SECURED", "passphrase_length": 12,
            "device_count_limit": null, "identity_group_id": "g", "policy_default_access": true}))],
        "passphrases": [key("k1", "anna_gold", "value-of-anna"), key("k2", "ben", "value-of-ben")],
        "identities": [made(json!({"id": "i-k1", "name": "anna_gold"})), made(json!({"id": "i-k2", "name": "ben"}))],
        "policies": [made(json!({"id": "y", "name": "gold-POL", "radius_group_name": "gold",
            "conditions": [{"id": "c", "attribute_id": 1012, "pattern": "^.*_gold$", "created_by_request": "q"}]}))],
        "policy_sets": [made(json!({"id": "s", "name": "Lobby-PS", "policies": [{"policy_id": "y", "policy_name": "gold-POL"}],
            "assignments": [{"service": "DPSK", "id": "p"}]}))],
        "wifi_networks": [made(json!({"id": "n", "name": "Bar", "ssid": "Bar", "type": "dpsk"}))],
        "network_pools": [made(json!({"network_id": "n", "pool_id": "p"}))],
        "activations": [made(json!({"venue_id": "v", "network_id": "n", "ssid": "Bar", "is_all_ap_groups": true}))],
    })
}

fn task(phase: &str, index: u32, name: &str, made: Option<(&str, &str)>) -> Value {
    let made = made.map(|(kind, id)| json!({"type": kind, "id": id, "name": name, "origin": "created"}));
    json!({"phase": phase, "index": index, "name": name, "status": "COMPLETED", "output_data": made,
        "error_code": null, "error_message": null})
}

fn tasks() -> Vec<Value> {
    let mut tasks = vec![
        task("parse_validate", 0, "venue and input", None),
        task("create_identity_groups", 0, "Lobby-IDG", Some(("identity_group", "g"))),
        task("create_dpsk_pools", 0, "Lobby-DPSK", Some(("dpsk_pool", "p"))),
        task("create_policy_sets", 0, "gold-POL", Some(("policy", "y"))),
        task("create_policy_sets", 1, "Lobby-PS", Some(("policy_set", "s"))),
        task("attach_policies", 0, "condition of gold-POL", None),
        task(
            "attach_policies",
            1,
            "gold-POL in Lobby-PS",
            Some(("prioritized_policy", "s/y")),
        ),
        task(
            "attach_policies",
            2,
            "Lobby-PS on Lobby-DPSK",
            Some(("pool_policy_set", "p/s")),
        ),
        task("create_passphrases", 0, "anna_gold", Some(("passphrase", "k1"))),
        task("create_passphrases", 1, "ben", Some(("passphrase", "k2"))),
        task("create_passphrases", 2, "carl", None),
        task("activate_networks", 0, "create Bar", Some(("wifi_network", "n"))),
        task("activate_networks", 1, "link Bar", Some(("network_pool", "n/p"))),
        task("activate_networks", 2, "activate Bar", Some(("activation", "v/n"))),
        task("audit_results", 0, "Lobby-DPSK", None),
    ];
    let carl = &mut tasks[10];
    (carl["status"], carl["error_code"]) = ("FAILED".into(), "WIFI-10126".into());
    carl["error_message"] = "Insufficient licenses, as the controller says".into();
    tasks
}

/// A job that sums its rows up as they are.
fn job(tasks: &[Value]) -> Value {
    let count = |phase: Option<&str>| {
        let of = |status: &str| {
            let rows = tasks
                .iter()
                .filter(|task| phase.is_none_or(|phase| task["phase"] == phase));
            rows.filter(|task| task["status"] == status).count()
        };
        json!({"completed": of("COMPLETED"), "failed": of("FAILED"), "skipped": of("SKIPPED"), "unknown": of("UNKNOWN"),
            "cancelled": of("CANCELLED")})
    };
    let ids: std::collections::BTreeSet<&str> = tasks.iter().map(|task| task["phase"].as_str().unwrap()).collect();
    let phases: Value = ids
        .into_iter()
        .map(|id| json!({"id": id, "status": "COMPLETED", "critical": false, "error": null, "tasks": count(Some(id))}))
        .collect();
    let mut kinds = serde_json::Map::new();
    for made in tasks
        .iter()
        .map(|task| &task["output_data"])
        .filter(|made| made.is_object())
    {
        let kind = match made["type"].as_str().unwrap() {
            "policy" => "policies".to_owned(),
            "prioritized_policy" => "prioritized_policies".to_owned(),
            kind => format!("{kind}s"),
        };
        let counts = kinds
            .entry(kind)
            .or_insert(json!({"created": 0, "adopted": 0, "updated": 0}));
        let origin = made["origin"].as_str().unwrap();
        counts[origin] = (counts[origin].as_u64().unwrap() + 1).into();
    }
    let mut summary = count(None);
    let bad = summary["failed"].as_u64().unwrap() + summary["unknown"].as_u64().unwrap();
    summary["resources"] = kinds.clone().into();
    json!({"status": if bad > 0 { "PARTIAL" } else { "COMPLETED" }, "phases": phases, "summary": summary,
        "created_resources": {"totals": kinds}, "errors_total": bad})
}

fn faults(job: &Value, tasks: &[Value], before: &Value, after: &Value) -> Vec<String> {
    let (export, options) = (export(), Options::read(&options()));
    let case = Case {
        export: &export,
        options: &options,
        submitted: now(),
        job,
        tasks,
        before,
        after,
    };
    account(&case).unwrap()
}

/// The one fault of a job that sums up its rows as they are.
fn fault(tasks: &[Value], before: &Value, after: &Value) -> String {
    let faults = faults(&job(tasks), tasks, before, after);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(!faults[0].contains("value-of"), "{faults:?}");
    faults[0].clone()
}

#[test]
fn a_job_that_tells_the_truth_passes() {
    let tasks = tasks();
    assert_eq!(faults(&job(&tasks), &tasks, &before(), &after()), Vec::<String>::new());
}

#[test]
fn what_is_done_has_to_be_there_as_asked_for() {
    let with = |part: &str, field: &str, value: Value| {
        let mut after = after();
        after[part][0][field] = value;
        fault(&tasks(), &before(), &after)
    };
    for (part, field, value) in [
        ("passphrases", "passphrase", json!("another")),
        ("passphrases", "vlan_id", json!(7)),
        ("passphrases", "number_of_devices", json!(1)),
        ("passphrases", "expiration_date", json!("2031-01-01T00:00:00Z")),
        ("passphrases", "username", json!("anna_gold_1")),
        ("identity_groups", "description", json!("x")),
        ("dpsk_pools", "passphrase_length", json!(63)),
        ("dpsk_pools", "identity_group_id", json!("g-other")),
        ("dpsk_pools", "policy_default_access", json!("x")),
        ("dpsk_pools", "expiration_type", json!("x")),
        ("policies", "radius_group_name", json!("silver")),
        ("activations", "is_all_ap_groups", json!(false)),
    ] {
        let told = with(part, field, value);
        assert!(told.contains("is COMPLETED, and it"), "{part} {field}: {told}");
    }
    let (mut elsewhere, mut tasks_of_it) = (after(), tasks());
    elsewhere["network_pools"][0]["pool_id"] = "q".into();
    let link = tasks_of_it.iter_mut().find(|task| task["name"] == "link Bar").unwrap();
    link["output_data"]["id"] = "n/q".into();
    assert!(fault(&tasks_of_it, &before(), &elsewhere).contains("is COMPLETED, and it has pool_name"));
    let mut gone = after();
    gone["passphrases"].as_array_mut().unwrap().pop();
    gone["identities"].as_array_mut().unwrap().pop();
    assert!(fault(&tasks(), &before(), &gone).contains("there is none"));
    let mut gone = after();
    gone["policies"][0]["conditions"] = json!([]);
    assert!(fault(&tasks(), &before(), &gone).contains("is COMPLETED, and it is not there"));
    let mut other = after();
    other["policies"][0]["conditions"][0]["pattern"] = "^x$".into();
    assert!(fault(&tasks(), &before(), &other).contains("pattern"));
}

#[test]
fn who_made_it_has_to_be_true() {
    let mut there = before();
    there["passphrases"] = json!([after()["passphrases"][0]]);
    assert!(fault(&tasks(), &there, &after()).contains("it was there before"));
    for origin in ["adopted", "updated"] {
        let mut tasks = tasks();
        tasks[8]["output_data"]["origin"] = origin.into();
        assert!(fault(&tasks, &before(), &after()).contains("it was not there before"));
    }
    let mut seeded = after();
    seeded["wifi_networks"][0]["created_by_request"] = Value::Null;
    assert!(fault(&tasks(), &before(), &seeded).contains("no request has made it"));
}

#[test]
fn what_failed_is_not_there_or_says_what_is() {
    let mut after = after();
    let mut carl = after["passphrases"][1].clone();
    (carl["id"], carl["username"], carl["passphrase"]) = ("k3".into(), "carl".into(), "value-of-carl".into());
    after["passphrases"].as_array_mut().unwrap().push(carl);
    let mut tasks = tasks();
    assert!(fault(&tasks, &before(), &after).contains("and it is there"));
    for status in ["SKIPPED", "CANCELLED"] {
        tasks[10]["status"] = status.into();
        assert!(fault(&tasks, &before(), &after).contains("and it is there"), "{status}");
    }
    tasks[10]["status"] = "UNKNOWN".into();
    assert_eq!(faults(&job(&tasks), &tasks, &before(), &after), Vec::<String>::new());
    // with a resource: it is there, and must not be as asked for
    tasks[10]["status"] = "FAILED".into();
    tasks[10]["error_code"] = "FIELDS_NOT_SET".into();
    tasks[10]["output_data"] = json!({"type": "passphrase", "id": "k3", "name": "carl", "origin": "created"});
    assert!(fault(&tasks, &before(), &after).contains("as asked for"));
    after["passphrases"][2]["number_of_devices"] = 1.into();
    assert_eq!(faults(&job(&tasks), &tasks, &before(), &after), Vec::<String>::new());
    after["passphrases"].as_array_mut().unwrap().pop();
    tasks[10]["output_data"] = Value::Null;
    assert!(fault(&tasks, &before(), &after).contains("there is nothing"));
}

#[test]
fn what_failed_says_why_and_never_with_a_passphrase() {
    for (code, message, told) in [
        ("", "the controller refused it for good", "without an explanation"),
        ("X", "", "without an explanation"),
        ("X", "refused", "without an explanation"),
        ("X", "the value value-of-carl is refused", "repeats a passphrase"),
        ("AUDIT_MISMATCH", "pool \"Lobby\": 1 missing", "contradicts its rows"),
    ] {
        let mut tasks = tasks();
        (tasks[10]["error_code"], tasks[10]["error_message"]) = (code.into(), message.into());
        assert!(fault(&tasks, &before(), &after()).contains(told), "{told}");
    }
    let mut tasks = tasks();
    tasks[9]["error_code"] = "HTTP_500".into();
    assert!(fault(&tasks, &before(), &after()).contains("COMPLETED with an error"));
    tasks[9]["error_code"] = Value::Null;
    tasks[10]["status"] = "POLLING".into();
    let told = faults(&job(&tasks), &tasks, &before(), &after());
    assert!(told[0].contains("although the job has ended"), "{told:?}");
}

#[test]
fn every_new_object_belongs_to_one_row() {
    for (part, list) in [
        ("passphrases", None),
        ("policies", None),
        ("wifi_networks", None),
        ("policies", Some("conditions")),
    ] {
        let mut after = after();
        let rows = match list {
            Some(list) => &mut after[part][0][list],
            None => &mut after[part],
        };
        let mut stray = rows[0].clone();
        (stray["id"], stray["name"], stray["username"]) = ("new".into(), "stray".into(), "stray".into());
        rows.as_array_mut().unwrap().push(stray);
        let told = faults(&job(&tasks()), &tasks(), &before(), &after);
        assert!(
            told.iter()
                .any(|told| told.contains("no row tells of it") || told.contains("more than once")),
            "{part}: {told:?}"
        );
    }
    let mut orphan = after();
    let person = json!({"id": "i-9", "name": "DPSK_User_1_1", "created_by_request": "q"});
    orphan["identities"].as_array_mut().unwrap().push(person);
    assert!(fault(&tasks(), &before(), &orphan).contains("without a passphrase"));
    let mut tasks = tasks();
    tasks[9]["output_data"]["id"] = "k1".into();
    let told = faults(&job(&tasks), &tasks, &before(), &after());
    assert!(told.iter().any(|told| told.contains("same object")), "{told:?}");
}

#[test]
fn sums_and_state_are_those_of_the_rows() {
    let tasks = tasks();
    let right = job(&tasks);
    let changes: [(&[&str], Value); 6] = [
        (&["summary", "failed"], json!(0)),
        (&["summary", "resources", "passphrases", "created"], json!(3)),
        (&["created_resources", "totals", "policies", "adopted"], json!(1)),
        (&["status"], json!("COMPLETED")),
        (&["status"], json!("RUNNING")),
        (&["errors_total"], json!(0)),
    ];
    for (path, value) in changes {
        let mut wrong = right.clone();
        let at = path.iter().fold(&mut wrong, |at, field| &mut at[*field]);
        *at = value;
        assert_eq!(faults(&wrong, &tasks, &before(), &after()).len(), 1, "{path:?}");
    }
    let mut wrong = right.clone();
    wrong["phases"][3]["tasks"]["completed"] = 9.into();
    assert_eq!(faults(&wrong, &tasks, &before(), &after()).len(), 1);
    let lost: Vec<Value> = tasks.iter().filter(|task| task["name"] != "carl").cloned().collect();
    let told = faults(&job(&lost), &lost, &before(), &after());
    assert!(
        told.iter()
            .any(|told| told.contains("the export has 3 rows, and the job 2")),
        "{told:?}"
    );
}
