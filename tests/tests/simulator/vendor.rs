//! A recorded session of every operation. The record has the form the vendor's documents can be checked against by hand;
//! here its own promises are checked: every call is in it, in order, without secrets of the token call.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::sim::Settings;

use crate::client::Remote;

async fn everything(remote: &Remote) {
    let (group, pool) = remote.pool(8).await;
    let (groups, pools) = (format!("/identityGroups/{group}"), format!("/dpskServices/{pool}"));
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
        known, 33,
        "every operation but GET /venues and POST /dpskServices: {:#}",
        counts["calls"]
    );
}
