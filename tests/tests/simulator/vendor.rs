//! A recorded session of every operation. The record has the form the vendor's documents can be checked against by hand;
//! here its own promises are checked: every call is in it, in order, without secrets of the token call.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::sim::Settings;

use crate::client::Remote;
use crate::policies::{POLICIES, condition, radius};
use crate::wifi::{created, network};

/// Adaptive policies from the RADIUS group to the assignment, and all of it away again.
async fn policies(remote: &Remote, group: &str, pool: &str) {
    let list = json!({"page": 0, "pageSize": 500, "sortField": "name", "sortOrder": "ASC"});
    let radius = remote.created("/radiusAttributeGroups", radius("gigabit")).await;
    let radius_path = format!("/radiusAttributeGroups/{radius}");
    remote.get("/radiusAttributeGroups?page=0&size=500&sort=name,asc").await;
    remote.post("/radiusAttributeGroups/query", list.clone()).await;
    remote.get(&radius_path).await;
    remote.patch(&radius_path, json!({"description": {}})).await;
    remote.post("/policyTemplates/query", list.clone()).await;
    remote.get("/policyTemplates/100").await;
    remote.get("/policyTemplates/100/attributes?page=0&size=50").await;
    remote.post("/policyTemplates/100/attributes/query", list.clone()).await;
    remote.get("/policyTemplates/100/attributes/1013").await;

    let body = json!({"name": "gigabit", "description": "x", "policyType": "DPSK", "onMatchResponse": radius});
    let accepted = remote.post(POLICIES, body).await;
    let policy = accepted.body["id"].as_str().unwrap().to_owned();
    let policy_path = format!("{POLICIES}/{policy}");
    remote
        .until(&policy_path, |answer| answer.body["onMatchResponse"].is_string())
        .await;
    remote.get(&format!("{POLICIES}?page=0&size=50")).await;
    remote.post(&format!("{POLICIES}/query"), list.clone()).await;
    remote.post("/policyTemplates/policies/query", list.clone()).await;
    remote
        .patch(&policy_path, json!({"name": "gigabit", "description": "y"}))
        .await;
    let conditions = format!("{policy_path}/conditions");
    let mut ids = Vec::new();
    for (attribute, pattern) in [(1012, "^.*_gigabit$"), (1013, "Residents")] {
        let mut body = condition(attribute, pattern);
        body["policyId"] = policy.clone().into();
        ids.push(remote.created(&conditions, body).await);
    }
    remote.get(&format!("{conditions}?page=0&size=50")).await;
    let ssid = format!("{conditions}/{}", ids[1]);
    remote.get(&ssid).await;
    remote.patch(&ssid, json!({"templateAttributeId": 1013})).await;
    remote.delete(&ssid).await;

    let set = remote
        .created("/policySets", json!({"name": "Pool-PS", "description": "x"}))
        .await;
    let set_path = format!("/policySets/{set}");
    remote.post("/policySets/query", list.clone()).await;
    remote.get(&set_path).await;
    remote
        .patch(&set_path, json!({"name": "Pool-PS", "description": "y"}))
        .await;
    let place = format!("{set_path}/prioritizedPolicies/{policy}");
    remote.put(&place, json!({"priority": 1})).await;
    remote.get(&place).await;
    remote.get(&format!("{set_path}/prioritizedPolicies")).await;
    let criteria =
        json!([{"matchName": "Dpsk_Username", "value": {"type": "StringEvaluation", "stringValue": "a_gigabit"}}]);
    let report = json!({"policySetId": set, "evaluationCriteria": criteria});
    remote.post(&format!("{set_path}/evaluationReports"), report).await;
    let assigned = [
        format!("/dpskServices/{pool}/policySets/{set}"),
        format!("/identityGroups/{group}/policySets/{set}"),
    ];
    for path in &assigned {
        remote.done("PUT", path, Value::Null).await;
    }
    let seen = remote.get(&format!("{set_path}/assignments?page=0&size=50")).await.body;
    remote.post(&format!("{set_path}/assignments/query"), list).await;
    let one = seen["content"][0]["id"].as_str().unwrap();
    assert_eq!(remote.get(&format!("{set_path}/assignments/{one}")).await.status, 200);
    remote.get(&set_path).await;
    for path in &assigned {
        remote.done("DELETE", path, Value::Null).await;
    }
    for path in [&place, &set_path, &policy_path, &radius_path] {
        assert_eq!(remote.delete(path).await.status, 204, "{path}");
    }
}

/// A network from its create to the air and back.
async fn wifi(remote: &Remote, pool: &str) {
    let groups = "/venues/venue-sim-1/apGroups";
    remote
        .finish(&remote.post(groups, json!({"name": "Lobby", "description": "x1"})).await)
        .await;
    let body = json!({"page": 1, "pageSize": 100, "fields": ["id", "name", "isDefault", "wifiNetworkIds"], "filters": {"venueId": ["venue-sim-1"]}});
    let found = remote.post("/venues/apGroups/query", body).await.body;
    let group = found["data"][1]["id"].as_str().unwrap().to_owned();
    let group_path = format!("{groups}/{group}");
    remote.get(&group_path).await;
    remote.done("PUT", &group_path, json!({"name": "Foyer"})).await;

    let id = created(remote, "Residents").await;
    let path = format!("/wifiNetworks/{id}");
    remote.get(&path).await;
    remote.done("PUT", &path, network("Residents")).await;
    let link = format!("{path}/dpskServices/{pool}");
    remote.done("PUT", &link, Value::Null).await;
    remote.get(&format!("{path}/dpskServices")).await;
    let on = format!("/venues/venue-sim-1/wifiNetworks/{id}");
    let all = json!({"isAllApGroups": true, "allApGroupsRadioTypes": ["2.4-GHz", "5-GHz"], "scheduler": {"type": "ALWAYS_ON"}});
    remote.done("PUT", &on, all.clone()).await;
    let body = json!({"page": 1, "pageSize": 500, "filters": {"venueApGroups.venueId": ["venue-sim-1"]}, "sortField": "name", "sortOrder": "ASC"});
    assert_eq!(remote.post("/wifiNetworks/query", body).await.body["totalCount"], 1);
    remote.get(&format!("{on}/settings")).await;
    let single = json!({"isAllApGroups": false, "scheduler": {"type": "ALWAYS_ON"}});
    remote.done("PUT", &format!("{on}/settings"), single).await;
    let here = format!("{on}/apGroups/{group}");
    remote.done("PUT", &here, Value::Null).await;
    remote
        .done(
            "PUT",
            &format!("{here}/settings"),
            json!({"radioTypes": ["5-GHz"], "vlanId": 44}),
        )
        .await;
    remote.get(&format!("{here}/settings")).await;
    for path in [here, on, link, path, group_path] {
        remote.done("DELETE", &path, Value::Null).await;
    }
}

async fn everything(remote: &Remote) {
    let (group, pool) = remote.pool(8).await;
    let (groups, pools) = (format!("/identityGroups/{group}"), format!("/dpskServices/{pool}"));
    policies(remote, &group, &pool).await;
    wifi(remote, &pool).await;
    remote.get("/venues/venue-sim-1").await;
    remote
        .post(
            "/venues/query",
            json!({"page": 1, "pageSize": 10, "fields": ["id", "name"], "filters": {"name": ["Main Campus"]}}),
        )
        .await;
    remote.get("/identityGroups?page=0&size=500").await;
    remote
        .post(
            "/identityGroups/query?page=0&size=500&sort=name,asc",
            json!({"keyword": "G"}),
        )
        .await;
    remote.get(&groups).await;
    remote.get(&pools).await;
    remote.post("/dpskServices/query", json!({"page": 1, "pageSize": 500, "searchString": "Pool", "searchTargetFields": ["name"], "sortField": "name", "sortOrder": "ASC"})).await;
    let change =
        json!({"name": "Pool", "passphraseFormat": "KEYBOARD_FRIENDLY", "passphraseLength": 8, "deviceCountLimit": 5});
    remote.done("PATCH", &pools, change.clone()).await;
    remote.done("PUT", &pools, change).await;

    let keys = format!("{pools}/passphrases");
    let key = json!({"username": "anna", "passphrase": "correct-horse", "vlanId": 44, "numberOfDevices": 3, "numberOfDevicesType": "LIMITED",
        "expirationDate": "2031-06-15T07:00:00.000Z", "email": "anna@example.com"});
    let key = remote.done("POST", &keys, key).await;
    remote
        .done(
            "POST",
            &keys,
            json!({"numberOfPassphrases": 2, "expiration": "ONE_YEAR"}),
        )
        .await;
    remote.get(&format!("{keys}?page=0&size=20")).await;
    remote.get(&format!("{keys}/{key}")).await;
    remote.post(&format!("{keys}/query"), json!({"page": 1, "pageSize": 500, "filters": {"username": ["anna"]}, "sortField": "username", "sortOrder": "ASC"})).await;
    remote
        .done("PATCH", &format!("{keys}/{key}"), json!({"vlanId": 45}))
        .await;
    remote
        .done(
            "PUT",
            &format!("{keys}/{key}"),
            json!({"username": "anna", "passphrase": "correct-horse", "vlanId": 46}),
        )
        .await;
    remote
        .done(
            "PATCH",
            &keys,
            json!({"ids": [key], "changes": {"revocationReason": "moved out"}}),
        )
        .await;

    let people = format!("{groups}/identities");
    let ben = remote
        .done(
            "POST",
            &people,
            json!({"name": "ben", "description": "AccountDpsk-1", "vlan": 7}),
        )
        .await;
    let cleo = remote
        .done(
            "POST",
            &format!("{people}?autoDpskPassphraseCreation=false"),
            json!({"name": "cleo"}),
        )
        .await;
    remote.get(&format!("{people}?page=0&size=20")).await;
    remote.get("/identities?page=0&size=20").await;
    remote
        .post(
            "/identities/query?page=0&size=20",
            json!({"groupId": group, "keyword": "b"}),
        )
        .await;
    remote.get(&format!("{people}/{ben}")).await;
    remote
        .done(
            "PATCH",
            &format!("{people}/{cleo}"),
            json!({"dpskPassphrase": "correct-goose"}),
        )
        .await;
    remote.done("DELETE", &format!("{people}/{ben}"), Value::Null).await;
    remote.done("DELETE", &people, json!([cleo])).await;

    let now = json!({"page": 1, "pageSize": 500, "sortField": "startDatetime", "sortOrder": "DESC",
        "filters": {"fromTime": "2020-01-01T00:00:00Z", "toTime": "2100-01-01T00:00:00Z"}});
    remote.post("/activities/query", now).await;
    let left: Vec<Value> = remote.ledger()["passphrases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["id"].clone())
        .collect();
    remote.done("DELETE", &keys, left.into()).await;
    remote.done("DELETE", &pools, Value::Null).await;
    remote
        .done(
            "PUT",
            &format!("{groups}/dpskPools/{}", pool_without_group(remote)),
            Value::Null,
        )
        .await;
    let spare = remote.ledger()["dpsk_pools"][0]["id"].as_str().unwrap().to_owned();
    remote
        .done("DELETE", &format!("/dpskServices/{spare}"), Value::Null)
        .await;
    remote.done("DELETE", &groups, Value::Null).await;
}

/// Seeded, because the vendor's document no longer has the call that makes one.
fn pool_without_group(remote: &Remote) -> String {
    let made = remote.sim.post(
        "seed",
        &json!({"tenant": crate::client::TENANT, "dpsk_pools": [{"name": "Spare"}]}),
    );
    made["dpsk_pools"][0].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_operation_is_recorded() {
    let place = tempfile::tempdir().unwrap();
    // SIM_TRAFFIC keeps the record for a check against the vendor's documents
    let file = std::env::var_os("SIM_TRAFFIC").map_or_else(|| place.path().join("traffic.jsonl"), Into::into);
    let _ = std::fs::remove_file(&file);
    let remote = Remote::start(Settings {
        record: Some(file.clone()),
        ..Settings::quick()
    })
    .await;
    everything(&remote).await;
    remote.post("/identityGroups", json!({"name": ""})).await;
    remote.sim.post(
        "faults",
        &json!({"rules": [{"operation": "create_group", "kind": "cut_after_apply"}]}),
    );
    remote
        .send("POST", "/identityGroups", json!({"name": "cut"}), &[])
        .await
        .unwrap_err();

    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let counts = remote.counts();
    let counted: u64 = counts["calls"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|by| by.as_object().unwrap().values())
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(lines.len() as u64, counted);
    assert!(!text.contains("sim-secret") && !text.contains(&remote.token));
    let fields: BTreeSet<&str> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        BTreeSet::from(["method", "path", "query", "content_type", "body", "status", "response"])
    );
    assert_eq!(
        (&lines[0]["path"], &lines[0]["body"]),
        (&json!("/oauth2/token/t1"), &Value::Null)
    );
    let cut = lines.last().unwrap();
    assert_eq!(
        (&cut["status"], &cut["response"], &cut["body"]["name"]),
        (&json!(0), &Value::Null, &json!("cut"))
    );
    let known = counts["calls"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| name.as_str() != "unknown")
        .count();
    assert_eq!(
        known, 94,
        "every operation but GET /venues, GET /venues/{{venueId}}/apGroups and POST /dpskServices: {:#}",
        counts["calls"]
    );
}
