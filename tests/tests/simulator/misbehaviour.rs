//! What live systems were seen to do now and then, each as a fault of the plan: the call succeeds and something else is stored, or
//! a read does not tell the truth.

use serde_json::{Value, json};

use crate::client::{Remote, TENANT, nested};
use crate::wifi::{created, names};

fn keys(pool: &str) -> String {
    format!("/dpskServices/{pool}/passphrases")
}

fn anna() -> Value {
    json!({"username": "anna", "passphrase": "correct-horse", "numberOfDevices": 5})
}

async fn plan(remote: &Remote, rules: Value) {
    remote.sim.post("faults", &json!({ "rules": rules }));
}

#[tokio::test]
async fn device_counts_are_clamped_below_what_was_asked_for() {
    let remote = Remote::with_faults(json!([{"operation": "any", "kind": "clamp_devices", "to": 2}])).await;
    let (_, pool) = remote.pool(8).await;
    let id = remote.done("POST", &keys(&pool), anna()).await;
    let count = || remote.ledger()["passphrases"][0]["number_of_devices"].clone();
    assert_eq!(count(), 2);
    plan(&remote, json!([])).await;
    let path = format!("{}/{id}", keys(&pool));
    remote.done("PATCH", &path, json!({"numberOfDevices": 5})).await;
    assert_eq!(count(), 5);
    plan(&remote, json!([{"operation": "write", "kind": "clamp_devices"}])).await;
    remote.done("PATCH", &path, json!({"numberOfDevices": 4})).await;
    assert_eq!(count(), 1);
    assert_eq!(remote.counts()["clamped_device_counts"], 2);
}

#[tokio::test]
async fn a_good_value_is_replaced_all_the_same() {
    let remote = Remote::with_faults(json!([{"operation": "any", "kind": "replace_passphrase"}])).await;
    let (group, pool) = remote.pool(8).await;
    remote.done("POST", &keys(&pool), anna()).await;
    let row = remote.ledger()["passphrases"][0].clone();
    assert_ne!(row["passphrase"], "correct-horse");
    assert_eq!(row["replaced"], true);
    let person = format!(
        "/identityGroups/{group}/identities/{}",
        row["identity_id"].as_str().unwrap()
    );
    remote
        .done("PATCH", &person, json!({"dpskPassphrase": "correct-goose"}))
        .await;
    assert_ne!(remote.get(&person).await.body["dpskPassphrase"], "correct-goose");
    let counts = remote.counts();
    assert_eq!(
        (&counts["replaced_passphrases"], &counts["injected"]),
        (&json!(2), &json!({"replace_passphrase": 2}))
    );
}

#[tokio::test]
async fn a_user_name_is_dropped_and_another_made_up() {
    let remote = Remote::with_faults(json!([{"operation": "any", "max": 1, "kind": "invent_name"}])).await;
    let (_, pool) = remote.pool(8).await;
    remote.done("POST", &keys(&pool), anna()).await;
    let row = remote.ledger()["passphrases"][0].clone();
    assert!(row["username"].as_str().unwrap().starts_with("DPSK_User_"), "{row}");
    assert_eq!(
        (&row["invented"], &row["passphrase"]),
        (&json!(true), &json!("correct-horse"))
    );
    // who does not find the name and creates again has a twin of the value
    remote.done("POST", &keys(&pool), anna()).await;
    assert_eq!(remote.counts()["existing_twice"]["passphrase_values"], 1);
}

#[tokio::test]
async fn names_are_stored_with_a_suffix() {
    let remote = Remote::with_faults(json!([{"operation": "any", "kind": "rename_suffix"}])).await;
    let (group, pool) = remote.pool(8).await;
    remote.done("POST", &keys(&pool), anna()).await;
    remote.done("POST", &keys(&pool), anna()).await;
    let ledger = remote.ledger();
    let stored: Vec<&Value> = ledger["passphrases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["username"])
        .collect();
    assert_eq!(stored, ["anna_1", "anna_2"]);
    assert_eq!(ledger["identities"][0]["name"], "anna_1");
    let people = format!("/identityGroups/{group}/identities");
    let ben = remote
        .done(
            "POST",
            &format!("{people}?autoDpskPassphraseCreation=false"),
            json!({"name": "ben"}),
        )
        .await;
    assert_eq!(remote.get(&format!("{people}/{ben}")).await.body["name"], "ben_1");
    remote
        .done("PATCH", &format!("{people}/{ben}"), json!({"name": "cleo"}))
        .await;
    assert_eq!(remote.get(&format!("{people}/{ben}")).await.body["name"], "cleo_1");
    assert_eq!(remote.counts()["suffixed_names"], 4);
}

#[tokio::test]
async fn a_page_is_cut_and_the_next_one_does_not_make_up_for_it() {
    let rules = json!([{"operation": "read", "pages": [1], "kind": "page_cap", "rows": 3}]);
    let remote = Remote::with_faults(rules).await;
    let rows: Vec<Value> = (0..12).map(|n| json!({"name": format!("G{n:02}")})).collect();
    let pools: Vec<Value> = (0..12).map(|n| json!({"name": format!("P{n:02}")})).collect();
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "identity_groups": rows, "dpsk_pools": pools}),
    );
    let page = async |page: u64| {
        let body = json!({"page": page, "pageSize": 5, "sortField": "name", "sortOrder": "ASC"});
        remote.post("/dpskServices/query", body).await.body
    };
    let (first, second) = (page(1).await, page(2).await);
    assert_eq!(
        (names(&first), &first["totalCount"]),
        (vec!["P00", "P01", "P02"], &json!(12))
    );
    assert_eq!((names(&second)[0], names(&second).len()), ("P05", 5));
    let spring = remote.get("/identityGroups?page=1&size=5").await.body;
    assert_eq!(
        (
            spring["content"].as_array().unwrap().len(),
            &spring["content"][0]["name"]
        ),
        (3, &json!("G05"))
    );
}

#[tokio::test]
async fn page_two_of_eight_answers_html() {
    let rules = json!([{"operation": "POST /wifiNetworks/query", "pages": [2], "max": 1, "kind": "html_503"}]);
    let remote = Remote::with_faults(rules).await;
    let rows: Vec<Value> = (0..40).map(|n| json!({"name": format!("N{n:02}")})).collect();
    remote
        .sim
        .post("seed", &json!({"tenant": TENANT, "wifi_networks": rows}));
    let mut found = Vec::new();
    for number in 1..=8 {
        let body = json!({"page": number, "pageSize": 5});
        let mut page = remote.post("/wifiNetworks/query", body.clone()).await;
        if number == 2 {
            assert_eq!((page.status, page.content_type.as_str()), (503, "text/html"));
            page = remote.post("/wifiNetworks/query", body).await;
        }
        found.extend(names(&page.body).into_iter().map(str::to_owned));
    }
    found.dedup();
    assert_eq!(found.len(), 40);
    assert_eq!(remote.counts()["injected"], json!({"html_503": 1}));
}

#[tokio::test]
async fn filters_find_nothing_or_are_forgotten() {
    let remote = Remote::quick().await;
    let groups = json!([{"name": "One"}, {"name": "Two"}]);
    let networks = json!([{"name": "One"}, {"name": "Two"}]);
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "identity_groups": groups, "wifi_networks": networks}),
    );
    let count = async |kind: &str| {
        let rules = if kind.is_empty() {
            json!([])
        } else {
            json!([{"operation": "any", "kind": kind}])
        };
        plan(&remote, rules).await;
        let filtered = json!({"page": 1, "pageSize": 9, "filters": {"name": ["One"]}});
        let networks = remote.post("/wifiNetworks/query", filtered).await.body;
        let groups = remote
            .post("/identityGroups/query?page=0&size=9", json!({"keyword": "one"}))
            .await
            .body;
        let all = remote
            .post("/wifiNetworks/query", json!({"page": 1, "pageSize": 9}))
            .await
            .body;
        [&networks["totalCount"], &groups["totalElements"], &all["totalCount"]].map(|n| n.as_u64().unwrap())
    };
    assert_eq!(count("filter_nothing").await, [0, 0, 2]);
    assert_eq!(count("filter_ignored").await, [2, 2, 2]);
    assert_eq!(count("").await, [1, 1, 2]);
}

#[tokio::test]
async fn reads_are_stale_after_an_activation() {
    let remote = Remote::quick().await;
    let (_, pool) = remote.pool(8).await;
    let id = created(&remote, "Residents").await;
    remote
        .done("PUT", &format!("/wifiNetworks/{id}/dpskServices/{pool}"), Value::Null)
        .await;
    remote
        .done(
            "PUT",
            &format!("/venues/venue-sim-1/wifiNetworks/{id}"),
            json!({"isAllApGroups": true}),
        )
        .await;
    let places = async || {
        let body = json!({"page": 1, "pageSize": 9, "filters": {"id": [id]}});
        remote.post("/wifiNetworks/query", body).await.body["data"][0]["venueApGroups"].clone()
    };
    plan(
        &remote,
        json!([{"operation": "read", "nth": [1, 2], "kind": "stale_read", "seconds": 3600}]),
    )
    .await;
    assert_eq!(places().await, json!([]));
    let body = json!({"page": 1, "pageSize": 9});
    let stale = remote.post("/venues/apGroups/query", body.clone()).await.body;
    assert_eq!(stale["data"][0]["wifiNetworkIds"], json!([]));
    assert_eq!(places().await.as_array().unwrap().len(), 1);
    let fresh = remote.post("/venues/apGroups/query", body).await.body;
    assert_eq!(fresh["data"][0]["wifiNetworkIds"], json!([id]));
    remote
        .done("DELETE", &format!("/venues/venue-sim-1/wifiNetworks/{id}"), Value::Null)
        .await;
    remote
        .done(
            "DELETE",
            &format!("/wifiNetworks/{id}/dpskServices/{pool}"),
            Value::Null,
        )
        .await;
    plan(
        &remote,
        json!([{"operation": "read", "kind": "stale_read", "seconds": 3600}]),
    )
    .await;
    assert_eq!(
        remote.get(&format!("/wifiNetworks/{id}/dpskServices")).await.body["totalCount"],
        1,
        "unlinked, still shown"
    );
}

#[tokio::test]
async fn locks_licences_and_rules_come_at_their_rate() {
    let rules = json!([
        {"operation": "write", "nth": [1], "kind": "locked_423"},
        {"operation": "POST /wifiNetworks", "nth": [2], "kind": "licence_error"},
        {"operation": "activate", "probability": 1.0, "kind": "permanent_4xx", "status": 422},
    ]);
    let remote = Remote::with_faults(rules).await;
    let network = crate::wifi::network("Residents");
    let locked = remote.post("/wifiNetworks", network.clone()).await;
    assert_eq!((locked.status, locked.body["errors"].is_array()), (423, true));
    let activity = remote
        .finish(&remote.post("/wifiNetworks", network.clone()).await)
        .await;
    assert_eq!(
        nested(&activity),
        json!({"code": "WIFI-10126", "message": "Insufficient licenses"})
    );
    let id = created(&remote, "Residents").await;
    let refused = remote
        .put(
            &format!("/venues/venue-sim-1/wifiNetworks/{id}"),
            json!({"isAllApGroups": true}),
        )
        .await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        remote.counts()["injected"],
        json!({"locked_423": 1, "licence_error": 1, "permanent_4xx": 1})
    );
    // a kind about activities leaves alone what has none
    plan(&remote, json!([{"operation": "any", "kind": "licence_error"}])).await;
    remote
        .created("/policySets", json!({"name": "PS", "description": ""}))
        .await;
    assert_eq!(remote.counts()["injected"]["licence_error"], 1);
}

#[tokio::test]
async fn activities_end_in_every_way_there_is() {
    let remote = Remote::quick().await;
    for status in ["CANCELLED", "PARTIAL_SUCCESS", "SKIPPED", "FAIL"] {
        let rule = json!([{"operation": "create_group", "kind": "activity_fail", "code": "X", "message": "no", "status": status}]);
        plan(&remote, rule).await;
        let activity = remote
            .finish(&remote.post("/identityGroups", json!({"name": "G"})).await)
            .await;
        assert_eq!(
            (&activity["status"], &nested(&activity)["code"]),
            (&json!(status), &json!("X"))
        );
    }
    assert_eq!(remote.ledger()["totals"]["identity_groups"], 0);
}

#[tokio::test]
async fn answers_come_under_the_wrong_content_type() {
    let rules = json!([
        {"operation": "GET /venues/{venueId}", "nth": [1], "kind": "html_200"},
        {"operation": "GET /venues/{venueId}", "nth": [2], "kind": "text_plain"},
    ]);
    let remote = Remote::with_faults(rules).await;
    let page = remote.get("/venues/venue-sim-1").await;
    assert_eq!(
        (page.status, page.content_type.as_str(), page.body),
        (200, "text/html", Value::Null)
    );
    let plain = remote.get("/venues/venue-sim-1").await;
    assert_eq!(
        (plain.content_type.as_str(), &plain.body["name"]),
        ("text/plain", &json!("Main Campus"))
    );
    assert_eq!(remote.get("/venues/venue-sim-1").await.content_type, "application/json");
}
