//! Policy sets, policies, conditions, RADIUS groups: how they come to be, what they answer, and how they are found.

use serde_json::{Value, json};

use crate::client::{Remote, TENANT};

pub const POLICIES: &str = "/policyTemplates/100/policies";
const SYNCHRONOUS: [(&str, &str); 1] = [("accept", "application/ruckus.one.v1-synchronous+json")];

pub fn radius(name: &str) -> Value {
    json!({"name": name, "attributeAssignments": [
        {"attributeName": "WISPr-Bandwidth-Max-Down", "operator": "ADD", "attributeValue": "1000000000", "dataType": "INTEGER"}]})
}

pub fn condition(attribute: i64, pattern: &str) -> Value {
    json!({"templateAttributeId": attribute, "evaluationRule": {"criteriaType": "StringCriteria", "regexStringCriteria": pattern}})
}

/// A policy with one condition about the user name: its id.
pub async fn policy(remote: &Remote, name: &str, radius: &str, pattern: &str) -> String {
    let body = json!({"name": name, "policyType": "DPSK", "onMatchResponse": radius});
    let made = remote.send("POST", POLICIES, body, &SYNCHRONOUS).await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.body["id"].as_str().unwrap().to_owned();
    remote
        .created(&format!("{POLICIES}/{id}/conditions"), condition(1012, pattern))
        .await;
    id
}

#[tokio::test]
async fn a_policy_is_404_then_there_and_answers_last_of_all() {
    let remote = Remote::quick().await;
    let group = remote.created("/radiusAttributeGroups", radius("gigabit")).await;
    let create = async |name: &str, hidden_ms: u64, ms: u64| {
        remote.sim.post(
            "settings",
            &json!({"activity_hidden_ms": hidden_ms, "activity_ms": [ms, ms]}),
        );
        let body = json!({"name": name, "policyType": "DPSK", "onMatchResponse": group});
        let accepted = remote.post(POLICIES, body).await;
        assert_eq!((accepted.status, accepted.body.get("requestId")), (202, None));
        format!("{POLICIES}/{}", accepted.body["id"].as_str().unwrap())
    };
    let hidden = create("hidden", 3_600_000, 3_600_000).await;
    assert_eq!(remote.get(&hidden).await.status, 404);
    assert_eq!(remote.ledger()["in_flight"]["policies"], 1);
    let pending = create("pending", 10, 3_600_000).await;
    let seen = remote.until(&pending, |answer| answer.status == 200).await;
    assert_eq!(seen.body.get("onMatchResponse"), None, "associated later");
    let done = create("done", 10, 30).await;
    let done = remote
        .until(&done, |answer| answer.body["onMatchResponse"].is_string())
        .await;
    assert_eq!(done.body["onMatchResponse"], group.as_str());
    let activities = remote
        .post("/activities/query", json!({"page": 1, "pageSize": 9}))
        .await;
    assert_eq!(activities.body["totalCount"], 0, "no activity can be asked for");
}

#[tokio::test]
async fn the_synchronous_media_type_and_the_setting_give_201() {
    let remote = Remote::quick().await;
    let group = remote.created("/radiusAttributeGroups", radius("gigabit")).await;
    let body = |name: &str| json!({"name": name, "policyType": "DPSK", "onMatchResponse": group});
    let made = remote.send("POST", POLICIES, body("a"), &SYNCHRONOUS).await.unwrap();
    assert_eq!((made.status, &made.body["onMatchResponse"]), (201, &json!(group)));
    assert_eq!(made.content_type, SYNCHRONOUS[0].1);
    remote.sim.post("settings", &json!({"policy_create_201": true}));
    remote.created(POLICIES, body("b")).await;
    assert_eq!(remote.ledger()["totals"]["policies"], 2);
}

#[tokio::test]
async fn a_failed_association_leaves_a_policy_that_answers_nothing() {
    let rules = json!([{"operation": "create_policy", "kind": "activity_fail", "code": "X", "message": "no"}]);
    let remote = Remote::with_faults(rules).await;
    let group = remote.created("/radiusAttributeGroups", radius("gigabit")).await;
    let body = json!({"name": "gigabit", "policyType": "DPSK", "onMatchResponse": group});
    let accepted = remote.post(POLICIES, body).await;
    let path = format!("{POLICIES}/{}", accepted.body["id"].as_str().unwrap());
    remote.until(&path, |answer| answer.status == 200).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while remote.ledger()["in_flight"]["activities"] != 0 {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(remote.get(&path).await.body.get("onMatchResponse"), None);
    assert_eq!(remote.ledger()["policies"][0]["radius_group_id"], Value::Null);
}

#[tokio::test]
async fn a_set_keeps_its_policies_numbered_from_one() {
    let remote = Remote::quick().await;
    let group = remote.created("/radiusAttributeGroups", radius("gigabit")).await;
    let set = remote
        .created("/policySets", json!({"name": "Main-PS", "description": ""}))
        .await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(policy(&remote, name, &group, name).await);
    }
    let path = format!("/policySets/{set}/prioritizedPolicies");
    let put = async |id: &str, body: Value| remote.put(&format!("{path}/{id}"), body).await;
    assert_eq!(put(&ids[0], json!({"priority": 1})).await.status, 201);
    put(&ids[1], json!({})).await;
    put(&ids[2], json!({"priority": 1})).await;
    let order = async || {
        let rows = remote.get(&path).await.body["content"].as_array().unwrap().clone();
        let numbers: Vec<i64> = rows.iter().map(|row| row["priority"].as_i64().unwrap()).collect();
        assert_eq!(numbers, (1..=rows.len() as i64).collect::<Vec<_>>());
        let place = |row: &Value| ids.iter().position(|id| row["policyId"] == id.as_str()).unwrap();
        rows.iter().map(place).collect::<Vec<_>>()
    };
    assert_eq!(order().await, [2, 0, 1]);
    assert_eq!(remote.counts()["relinks"], 0);
    // the same again changes nothing and is counted
    assert_eq!(put(&ids[2], json!({"priority": 1})).await.status, 201);
    assert_eq!(order().await, [2, 0, 1]);
    assert_eq!(remote.counts()["relinks_by"], json!({"prioritized_policy/existed": 1}));
    assert_eq!(put(&ids[0], json!({"priority": 0})).await.status, 409);
    assert_eq!(put("nobody", json!({})).await.status, 409);
    assert_eq!(remote.delete(&format!("{path}/{}", ids[2])).await.status, 204);
    assert_eq!(order().await, [0, 1]);
    let seen = remote.get(&format!("/policySets/{set}")).await.body;
    assert_eq!(
        (&seen["mappedPolicyCount"], &seen["policyNames"]),
        (&json!(2), &json!(["a", "b"]))
    );
    let row = remote.ledger()["policy_sets"][0].clone();
    assert_eq!(row["policies"][1]["policy_name"], "b");
}

#[tokio::test]
async fn queries_page_from_zero_and_ignore_what_they_do_not_know() {
    let remote = Remote::quick().await;
    let sets: Vec<Value> = (0..25).map(|n| json!({"name": format!("PS{n:02}")})).collect();
    let groups: Vec<Value> = (0..25).map(|n| json!({"name": format!("R{n:02}")})).collect();
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "policy_sets": sets, "radius_attribute_groups": groups}),
    );
    let query = async |body: Value| remote.post("/policySets/query", body).await;
    let rows = |answer: &Value| answer["content"].as_array().unwrap().len();
    let first = query(json!({"page": 0, "limit": 100, "filters": {"name": "PS01"}}))
        .await
        .body;
    assert_eq!((rows(&first), &first["paging"]["totalCount"]), (20, &json!(25)));
    let second = query(json!({"page": 1, "pageSize": 20, "sortField": "name", "sortOrder": "ASC"}))
        .await
        .body;
    assert_eq!((rows(&second), &second["content"][0]["name"]), (5, &json!("PS20")));
    assert_eq!(
        second["paging"],
        json!({"totalCount": 25, "page": 1, "pageSize": 20, "pageCount": 2})
    );
    assert_eq!(query(json!({"pageSize": 2001})).await.status, 422);
    assert_eq!(query(json!({"page": -1})).await.status, 422);
    let bare = remote
        .post("/policySets/query?excludeContent=true", json!({}))
        .await
        .body;
    assert_eq!(bare.get("content"), None);
    // the RADIUS service answers in two other forms
    let found = remote
        .post("/radiusAttributeGroups/query", json!({"page": 1, "pageSize": 20}))
        .await
        .body;
    assert_eq!(
        (found["data"].as_array().unwrap().len(), &found["totalCount"]),
        (5, &json!(25))
    );
    let list = remote.get("/radiusAttributeGroups?page=1&size=20").await.body;
    assert_eq!((rows(&list), &list["last"]), (5, &json!(true)));
}

#[tokio::test]
async fn the_dry_check_says_which_policy_wins() {
    let remote = Remote::quick().await;
    let slow = remote.created("/radiusAttributeGroups", radius("slow")).await;
    let fast = remote.created("/radiusAttributeGroups", radius("fast")).await;
    let set = remote
        .created("/policySets", json!({"name": "PS", "description": ""}))
        .await;
    for (name, group) in [("gigabit", &fast), ("bit", &slow)] {
        let id = policy(&remote, name, group, &format!("^.*{name}$")).await;
        remote
            .put(&format!("/policySets/{set}/prioritizedPolicies/{id}"), json!({}))
            .await;
    }
    let ask = async |name: &str, kind: &str| {
        let value = json!({"type": kind, "stringValue": name});
        let criteria = json!([{"matchName": "Dpsk_Username", "value": value}]);
        let body = json!({"policySetId": set, "evaluationCriteria": criteria});
        remote.post(&format!("/policySets/{set}/evaluationReports"), body).await
    };
    let report = ask("anna_gigabit", "StringEvaluation").await.body;
    assert_eq!(
        (&report["wasMatched"], &report["policyName"], &report["onMatchResponse"]),
        (&json!(true), &json!("gigabit"), &json!(fast))
    );
    let report = ask("anna_bit", "StringEvaluation").await.body;
    assert_eq!(report["policyName"], "bit");
    let report = ask("anna", "StringEvaluation").await.body;
    assert_eq!((&report["wasMatched"], report.get("policyId")), (&json!(false), None));
    assert_eq!(ask("anna", "STRING").await.status, 400);
    let counts = remote.counts();
    assert_eq!(
        counts["calls"]["POST /policySets/{policySetId}/evaluationReports"],
        json!({"200": 3, "400": 1})
    );
}
