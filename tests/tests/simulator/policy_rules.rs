//! What policies, sets, conditions and RADIUS groups refuse: taken names, things in use, rules of the documents.

use serde_json::{Value, json};

use crate::client::{Remote, TENANT};
use crate::policies::{POLICIES, condition, policy, radius};

#[tokio::test]
async fn taken_names_are_409_and_counted() {
    let remote = Remote::quick().await;
    let group = remote.created("/radiusAttributeGroups", radius("gigabit")).await;
    remote
        .created("/policySets", json!({"name": "PS", "description": "x"}))
        .await;
    policy(&remote, "P", &group, "x").await;
    let again = [
        ("/radiusAttributeGroups", radius("gigabit")),
        ("/policySets", json!({"name": "PS", "description": "y"})),
        (POLICIES, json!({"name": "P", "policyType": "DPSK"})),
    ];
    for (path, body) in again {
        let refused = remote.post(path, body).await;
        assert_eq!(
            (refused.status, &refused.body["status"]),
            (409, &json!("409 CONFLICT")),
            "{path}"
        );
        assert!(refused.body["nestedErrors"].is_array(), "{}", refused.text);
    }
    let counts = remote.counts();
    assert_eq!(
        counts["refused_by"],
        json!({"policy/existed": 1, "policy_set/existed": 1, "radius_group/existed": 1})
    );
    assert_eq!(counts["duplicates"], 3);
    let other = remote
        .created("/policySets", json!({"name": "PS2", "description": ""}))
        .await;
    let renamed = remote
        .patch(&format!("/policySets/{other}"), json!({"name": "PS"}))
        .await;
    assert_eq!(renamed.status, 409);
    let renamed = remote
        .patch(&format!("/policySets/{other}"), json!({"name": "PS3"}))
        .await;
    assert_eq!((renamed.status, &renamed.body["name"]), (200, &json!("PS3")));
}

#[tokio::test]
async fn two_creates_of_one_policy_in_flight_leave_one() {
    let remote = Remote::quick().await;
    remote.sim.post("settings", &json!({"activity_hidden_ms": 3_600_000}));
    let body = json!({"name": "P", "policyType": "DPSK"});
    let (one, two) = tokio::join!(remote.post(POLICIES, body.clone()), remote.post(POLICIES, body));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409]);
    assert_eq!(remote.counts()["refused_by"], json!({"policy/in_flight": 1}));
}

#[tokio::test]
async fn a_policy_has_to_fit_its_template_and_its_radius_group_to_exist() {
    let remote = Remote::quick().await;
    let create = async |path: &str, body: Value| remote.post(path, body).await.status;
    let good = json!({"name": "P", "policyType": "DPSK"});
    assert_eq!(
        create(POLICIES, json!({"name": "P", "policyType": "RADIUS"})).await,
        409
    );
    assert_eq!(create(POLICIES, json!({"name": "P"})).await, 400);
    assert_eq!(create(POLICIES, json!({"policyType": "DPSK"})).await, 400);
    let nobody = json!({"name": "P", "policyType": "DPSK", "onMatchResponse": "nobody"});
    assert_eq!(create(POLICIES, nobody).await, 409);
    assert_eq!(create("/policyTemplates/7/policies", good.clone()).await, 404);
    assert_eq!(create("/policyTemplates/x/policies", good).await, 400);
    let attributes = remote.get("/policyTemplates/100/attributes?size=50").await.body;
    let ids: Vec<i64> = attributes["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, [1012], "the SSID is not listed");
    assert_eq!(
        remote.get("/policyTemplates/100/attributes/1013").await.body["attributeTextMatch"],
        "SSID"
    );
}

#[tokio::test]
async fn conditions_are_one_an_attribute_and_never_none_again() {
    let remote = Remote::quick().await;
    let group = remote.created("/radiusAttributeGroups", radius("gigabit")).await;
    let id = policy(&remote, "P", &group, "^anna$").await;
    let path = format!("{POLICIES}/{id}/conditions");
    let post = async |body: Value| remote.post(&path, body).await.status;
    assert_eq!(post(condition(1012, "ben")).await, 409);
    assert_eq!(
        remote.counts()["relinks_by"],
        json!({"policy_condition/existed": 1}),
        "counted, for a client that forgot it had made it"
    );
    assert_eq!(post(condition(9, "x")).await, 404);
    assert_eq!(post(condition(1013, "(")).await, 400);
    assert_eq!(post(condition(1013, &"x".repeat(256))).await, 400);
    let wrong =
        json!({"templateAttributeId": 1013, "evaluationRule": {"criteriaType": "NumberCriteria", "numberCriteria": 1}});
    assert_eq!(post(wrong).await, 400);
    let listed = remote.get(&path).await.body;
    let first = listed["content"][0].clone();
    assert_eq!(
        (
            &first["evaluationRule"]["regexStringCriteria"],
            &first["templateAttribute"]["attributeTextMatch"]
        ),
        (&json!("^anna$"), &json!("Dpsk_Username"))
    );
    let last = format!("{path}/{}", first["id"].as_str().unwrap());
    assert_eq!(remote.delete(&last).await.status, 409, "the last one stays");
    let ssid = remote.created(&path, condition(1013, "Residents")).await;
    let moved = json!({"templateAttributeId": 1012});
    assert_eq!(remote.patch(&format!("{path}/{ssid}"), moved).await.status, 409);
    assert_eq!(remote.delete(&last).await.status, 204);
    assert_eq!(remote.ledger()["policies"][0]["conditions"][0]["pattern"], "Residents");
}

#[tokio::test]
async fn nothing_in_use_can_be_deleted() {
    let remote = Remote::quick().await;
    let (group, pool) = remote.pool(8).await;
    let gigabit = remote.created("/radiusAttributeGroups", radius("gigabit")).await;
    let id = policy(&remote, "P", &gigabit, "x").await;
    let set = remote
        .created("/policySets", json!({"name": "PS", "description": ""}))
        .await;
    let place = format!("/policySets/{set}/prioritizedPolicies/{id}");
    remote.put(&place, json!({"priority": 1})).await;
    let (to_pool, to_group) = (
        format!("/dpskServices/{pool}/policySets/{set}"),
        format!("/identityGroups/{group}/policySets/{set}"),
    );
    remote.done("PUT", &to_pool, Value::Null).await;
    remote.done("PUT", &to_group, Value::Null).await;
    let assigned = remote.get(&format!("/policySets/{set}/assignments")).await.body;
    let assigned: Vec<&Value> = assigned["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["identityId"])
        .collect();
    assert_eq!(assigned, [&json!(pool), &json!(group)]);
    assert_eq!(
        remote.get(&format!("/identityGroups/{group}")).await.body["policySetId"],
        set.as_str()
    );
    assert_eq!(remote.ledger()["dpsk_pools"][0]["policy_set_id"], set.as_str());

    let (set_path, policy_path) = (format!("/policySets/{set}"), format!("{POLICIES}/{id}"));
    let radius_path = format!("/radiusAttributeGroups/{gigabit}");
    for path in [&set_path, &policy_path, &radius_path] {
        assert_eq!(remote.delete(path).await.status, 409, "{path}");
    }
    // assigned once more, it is only counted
    remote.done("PUT", &to_pool, Value::Null).await;
    assert_eq!(remote.counts()["relinks_by"], json!({"pool_policy_set/existed": 1}));
    // the way down
    remote.done("DELETE", &to_pool, Value::Null).await;
    assert_eq!(remote.delete(&set_path).await.status, 409, "the group still has it");
    remote.done("DELETE", &to_group, Value::Null).await;
    assert_eq!(remote.delete(&to_group).await.status, 404);
    remote.sim.post(
        "settings",
        &json!({"policy_removal_async": true, "activity_ms": [1500, 1500]}),
    );
    let removed = remote.delete(&place).await;
    assert_eq!(removed.status, 202);
    assert_eq!(remote.delete(&policy_path).await.status, 409, "not taken out yet");
    remote.finish(&removed).await;
    for path in [&set_path, &policy_path, &radius_path] {
        assert_eq!(remote.delete(path).await.status, 204, "{path}");
    }
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "radius_attribute_groups": [{"id": "held", "name": "held", "pinned": true}]}),
    );
    assert_eq!(
        remote.delete("/radiusAttributeGroups/held").await.status,
        409,
        "held by a service no list shows"
    );
}

#[tokio::test]
async fn groups_are_found_by_their_policy_set_and_their_network() {
    let remote = Remote::quick().await;
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "policy_sets": [{"id": "s", "name": "PS"}],
                "identity_groups": [{"name": "A", "policySet": "PS"}, {"name": "B"}],
                "dpsk_pools": [{"name": "P", "group": "B"}], "wifi_networks": [{"id": "n", "name": "N", "pool": "P"}]}),
    );
    let found = async |body: Value| {
        let page = remote.post("/identityGroups/query?page=0&size=9", body).await.body;
        let rows = page["content"].as_array().unwrap();
        rows.iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<String>()
    };
    assert_eq!(found(json!({"policySetId": "s"})).await, "A");
    assert_eq!(found(json!({"networkId": "n"})).await, "B");
    assert_eq!(found(json!({"networkId": "nobody"})).await, "");
    let group = json!({"name": "C", "policySetId": "nobody"});
    assert_eq!(remote.post("/identityGroups", group).await.status, 404);
    remote
        .done("POST", "/identityGroups", json!({"name": "C", "policySetId": "s"}))
        .await;
    assert_eq!(found(json!({"policySetId": "s"})).await, "AC");
}

#[tokio::test]
async fn an_assignment_fails_when_its_set_goes_meanwhile() {
    let remote = Remote::quick().await;
    let (_, pool) = remote.pool(8).await;
    let set = remote
        .created("/policySets", json!({"name": "PS", "description": ""}))
        .await;
    let path = format!("/dpskServices/{pool}/policySets/{set}");
    assert_eq!(
        remote
            .put(&format!("/dpskServices/{pool}/policySets/x"), Value::Null)
            .await
            .status,
        404
    );
    remote.sim.post("settings", &json!({"activity_ms": [1500, 1500]}));
    let accepted = remote.put(&path, Value::Null).await;
    assert_eq!(accepted.body.as_object().unwrap().len(), 1, "only a request id");
    assert_eq!(remote.delete(&format!("/policySets/{set}")).await.status, 204);
    assert_eq!(remote.finish(&accepted).await["status"], "FAIL");
    assert_eq!(remote.ledger()["dpsk_pools"][0]["policy_set_id"], Value::Null);
}
