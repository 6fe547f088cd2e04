//! Bulk actions, and deletes of many objects at once.

use serde_json::{Value, json};
use testkit::sim::Settings;

use crate::client::{Remote, TENANT, token};

fn delete(template: &str, params: &[Value]) -> Value {
    let actions: Vec<Value> = params.iter().map(|params| json!({ "params": params })).collect();
    json!({"targetApi": {"method": "DELETE", "urlTemplate": template}, "actions": actions})
}

#[tokio::test]
async fn groups_are_deleted_in_bulk_and_completed_is_not_success() {
    let remote = Remote::quick().await;
    let groups = json!([{"id": "a", "name": "A"}, {"id": "b", "name": "B"}, {"id": "c", "name": "C"}]);
    let pools = json!([{"name": "P", "group": "b"}]);
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "identity_groups": groups, "dpsk_pools": pools}),
    );
    remote.sim.post("settings", &json!({"activity_ms": [1500, 1500]}));
    let ids = [
        json!({"groupId": "a"}),
        json!({"groupId": "b"}),
        json!({"groupId": "nobody"}),
    ];
    let accepted = remote
        .post("/bulkActions", delete("/identityGroups/{groupId}", &ids))
        .await;
    assert_eq!(accepted.status, 200);
    let path = format!("/bulkActions/{}", accepted.body["requestId"].as_str().unwrap());
    assert_eq!(remote.get(&path).await.body["status"], "IN_PROGRESS");
    let over = remote
        .until(&path, |seen| seen.body["status"] == "COMPLETED")
        .await
        .body;
    assert_eq!(
        over["progress"],
        json!({"total": 3, "succeeded": 1, "failed": 2, "inProgress": 0})
    );
    let body = json!({"page": 1, "pageSize": 1000, "filters": {"status": ["FAILED"]}});
    let failed = remote.post(&format!("{path}/query"), body).await.body;
    let rows = failed["data"].as_array().unwrap();
    assert_eq!(
        (&rows[0]["sequence"], &rows[0]["httpStatus"], rows.len()),
        (&json!(2), &json!(409), 2)
    );
    assert_eq!(rows[0]["response"]["errors"][0]["code"], "GENERAL-026");
    let ledger = remote.ledger();
    let left: Vec<&Value> = ledger["identity_groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["id"])
        .collect();
    assert_eq!(left, ["b", "c"]);
    let counts = remote.counts();
    assert_eq!(
        counts["bulk_actions"]["DELETE /identityGroups/{id}"],
        json!({"202": 1, "404": 1, "409": 1})
    );
    assert_eq!(counts["calls"].get("DELETE /identityGroups/{id}"), None);
}

#[tokio::test]
async fn identities_are_patched_in_bulk_from_a_template() {
    let remote = Remote::quick().await;
    let people = json!([{"id": "p", "group": "G", "name": "anna"}, {"id": "q", "group": "G", "name": "ben"}]);
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "identity_groups": [{"id": "g", "name": "G"}], "identities": people}),
    );
    let body = json!({
        "targetApi": {"method": "PATCH", "urlTemplate": "/identityGroups/{groupId}/identities/{id}", "payloadTemplate": "{\"vlan\": {{vlan}}}"},
        "actions": [{"params": {"groupId": "g", "id": "p", "vlan": 7}}, {"params": {"groupId": "g", "id": "q", "vlan": 8}}],
    });
    let path = format!(
        "/bulkActions/{}",
        remote.post("/bulkActions", body).await.body["requestId"]
            .as_str()
            .unwrap()
    );
    remote.until(&path, |seen| seen.body["status"] == "COMPLETED").await;
    let ledger = remote.ledger();
    let vlans: Vec<&Value> = ledger["identities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["vlan"])
        .collect();
    assert_eq!(vlans, [&json!(7), &json!(8)]);
}

#[tokio::test]
async fn only_some_operations_may_be_asked_for_in_bulk() {
    let remote = Remote::quick().await;
    let post = async |body: Value| remote.post("/bulkActions", body).await.status;
    let create = json!({"targetApi": {"method": "POST", "urlTemplate": "/dpskServices/{serviceId}/passphrases"}, "actions": [{"params": {"serviceId": "p"}}]});
    assert_eq!(post(create).await, 400);
    assert_eq!(post(delete("/identityGroups/{groupId}", &[])).await, 400);
    assert_eq!(
        post(delete("/identityGroups/{groupId}", &[json!({"id": "a"})])).await,
        400
    );
    let many = vec![json!({"groupId": "a"}); 10_001];
    assert_eq!(post(delete("/identityGroups/{groupId}", &many)).await, 400);
    assert_eq!(remote.get("/bulkActions/nobody").await.status, 404);
}

#[tokio::test]
async fn a_token_acts_for_its_customers_only() {
    let settings = Settings {
        msp_customers: [("t1".to_owned(), vec!["ec1".to_owned()])].into(),
        ..Settings::quick()
    };
    let remote = Remote::start(settings).await;
    let ask = async |bearer: &str, tenant: &str| {
        let request = remote.http.get(format!("{}/identityGroups", remote.sim.base_url));
        let request = request.bearer_auth(bearer).header("x-rks-tenantid", tenant);
        request.send().await.unwrap().status().as_u16()
    };
    let other = token(&remote.http, &remote.sim, "ec1").await;
    assert_eq!(ask(&remote.token, "ec1").await, 200);
    assert_eq!(ask(&remote.token, "t1").await, 200);
    assert_eq!(ask(&remote.token, "ec2").await, 403);
    assert_eq!(ask(&other, "t1").await, 403);
    assert_eq!(remote.sim.counts("ec1")["reads"], 1, "the customer's bucket pays");
}
