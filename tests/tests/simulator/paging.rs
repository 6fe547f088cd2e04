//! The mixed paging styles and the query traps.

use serde_json::{Value, json};
use testkit::sim::Settings;

use crate::client::{Remote, TENANT};

async fn with_keys(settings: Settings, count: usize) -> (Remote, String) {
    let remote = Remote::start(settings).await;
    let keys: Vec<Value> = (0..count)
        .map(|n| json!({"pool": "P", "username": format!("u{n:04}"), "passphrase": format!("secret-{n:04}")}))
        .collect();
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "identity_groups": [{"id": "g", "name": "G"}],
        "dpsk_pools": [{"id": "p", "name": "P", "group": "G"}], "passphrases": keys}),
    );
    (remote, "/dpskServices/p/passphrases/query".into())
}

fn names(page: &Value) -> Vec<&str> {
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["username"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn dpsk_pages_start_at_one_or_at_zero() {
    let (remote, query) = with_keys(Settings::quick(), 25).await;
    let page = |page: u64| {
        remote.post(
            &query,
            json!({"page": page, "pageSize": 10, "sortField": "username", "sortOrder": "ASC"}),
        )
    };
    let (zero, one, three) = (page(0).await.body, page(1).await.body, page(3).await.body);
    assert_eq!(names(&zero), names(&one));
    assert_eq!(
        (names(&one)[0], names(&three)),
        ("u0000", vec!["u0020", "u0021", "u0022", "u0023", "u0024"])
    );
    assert_eq!((&one["totalCount"], &one["totalPages"]), (&json!(25), &json!(3)));
    remote.sim.post("settings", &json!({"dpsk_first_page": 0}));
    assert_eq!(names(&page(1).await.body)[0], "u0010");
    let newest = remote
        .post(
            &query,
            json!({"page": 0, "pageSize": 2, "sortField": "username", "sortOrder": "DESC"}),
        )
        .await
        .body;
    assert_eq!(names(&newest), ["u0024", "u0023"]);
}

#[tokio::test]
async fn pages_are_capped_without_a_word() {
    let (remote, query) = with_keys(
        Settings {
            page_cap: 20,
            ..Settings::quick()
        },
        25,
    )
    .await;
    let page = remote.post(&query, json!({"page": 1, "pageSize": 5000})).await.body;
    assert_eq!((names(&page).len(), &page["totalCount"]), (20, &json!(25)));
    let page = remote.get("/identityGroups/g/identities?page=0&size=5000").await.body;
    assert_eq!(
        (page["content"].as_array().unwrap().len(), &page["last"]),
        (20, &json!(false))
    );
    let page = remote.get("/identityGroups/g/identities?page=1&size=5000").await.body;
    assert_eq!(
        (page["content"].as_array().unwrap().len(), &page["last"]),
        (5, &json!(true))
    );
}

#[tokio::test]
async fn passphrases_are_found_by_name_and_id_but_never_by_value() {
    let (remote, query) = with_keys(Settings::quick(), 5).await;
    let find = |filters: Value| remote.post(&query, json!({"page": 1, "pageSize": 10, "filters": filters}));
    let found = find(json!({"username": ["u0003", "u0001", "nobody"]})).await.body;
    assert_eq!((found["totalCount"].clone(), names(&found).len()), (json!(2), 2));
    assert_eq!(found["data"][0]["passphrase"], "secret-0003");
    let id = found["data"][0]["id"].clone();
    assert_eq!(names(&find(json!({"passphrase": [id]})).await.body), ["u0003"]);
    assert_eq!(find(json!({"passphrase": ["secret-0003"]})).await.body["totalCount"], 0);
    assert_eq!(
        find(json!({"userName": ["u0003"]})).await.body["totalCount"],
        0,
        "unknown filters are 200 with nothing"
    );
    let search = remote
        .post(
            &query,
            json!({"page": 1, "pageSize": 10, "searchString": "secret-0003"}),
        )
        .await
        .body;
    assert_eq!(search["totalCount"], 0);
    assert_eq!(find(json!({"status": ["REVOKED"]})).await.body["totalCount"], 0);
}

#[tokio::test]
async fn group_queries_want_keyword_and_pool_queries_no_unknown_fields() {
    let (remote, _) = with_keys(Settings::quick(), 0).await;
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "identity_groups": [{"name": "Other"}]}),
    );
    let found = |body: Value| remote.post("/identityGroups/query?page=0&size=10", body);
    assert_eq!(found(json!({"keyword": "oth"})).await.body["totalElements"], 1);
    assert_eq!(found(json!({"searchString": "oth"})).await.body["totalElements"], 2);
    assert_eq!(
        remote
            .post("/identityGroups/query?page=1&size=10", json!({}))
            .await
            .body["content"],
        json!([])
    );
    assert_eq!(
        remote
            .post("/dpskServices/query", json!({"page": 1, "keyword": "P"}))
            .await
            .status,
        500
    );
    assert_eq!(
        remote
            .post("/dpskServices/query", json!({"page": 1, "searchString": "p"}))
            .await
            .body["totalCount"],
        1
    );
}

#[tokio::test]
async fn lists_seen_live_can_be_chosen() {
    let (remote, _) = with_keys(Settings::quick(), 3).await;
    assert_eq!(remote.get("/dpskServices/p/passphrases").await.body["totalElements"], 3);
    remote.sim.post(
        "settings",
        &json!({"passphrase_list_empty": true, "identities_bare_array": true}),
    );
    assert_eq!(remote.get("/dpskServices/p/passphrases").await.body["totalElements"], 0);
    assert_eq!(
        remote
            .get("/identityGroups/g/identities")
            .await
            .body
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn activities_are_found_by_id_and_by_time_newest_first() {
    let remote = Remote::quick().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let accepted = remote.post("/identityGroups", json!({"name": format!("G{n}")})).await;
        remote.finish(&accepted).await;
        ids.push(accepted.body["requestId"].clone());
    }
    let query = |body: Value| remote.post("/activities/query", body);
    let found = query(json!({"page": 1, "pageSize": 2, "filters": {"fromTime": "2020-01-01T00:00:00Z", "toTime": "2100-01-01T00:00:00Z"},
        "sortField": "startDatetime", "sortOrder": "DESC"})).await.body;
    assert_eq!(found["totalCount"], 5);
    assert_eq!(found["data"][0]["requestId"], ids[4]);
    let second = query(json!({"page": 2, "pageSize": 2, "sortField": "startDatetime", "sortOrder": "DESC"}))
        .await
        .body;
    assert_eq!(second["data"][0]["requestId"], ids[2]);
    assert_eq!(
        query(json!({"page": 1, "pageSize": 9, "filters": {"toTime": "2020-01-01T00:00:00Z"}}))
            .await
            .body["totalCount"],
        0
    );
    let some = query(json!({"page": 1, "pageSize": 9, "filters": {"id": [ids[1], ids[3], "unknown"]}}))
        .await
        .body;
    assert_eq!(some["totalCount"], 2);
    let bad = query(json!({"page": 1, "pageSize": 9, "filters": {"id": {"in": [ids[1]]}}})).await;
    assert_eq!((bad.status, bad.text.contains("bad SQL grammar")), (500, true));
    assert_eq!(query(json!({"page": 0, "pageSize": 9})).await.status, 400);
    assert_eq!(
        query(json!({"page": 1, "pageSize": 9, "filters": {"status": ["FAIL"]}}))
            .await
            .body["totalCount"],
        0
    );
}

#[tokio::test]
async fn venues_exist() {
    let remote = Remote::quick().await;
    assert_eq!(remote.get("/venues/venue-sim-1").await.body["name"], "Main Campus");
    assert_eq!(remote.get("/venues/elsewhere").await.status, 404);
    let found = remote
        .post(
            "/venues/query",
            json!({"page": 1, "pageSize": 10, "fields": ["id", "name"], "filters": {"id": ["venue-sim-1"]}}),
        )
        .await
        .body;
    assert_eq!(found["data"], json!([{"id": "venue-sim-1", "name": "Main Campus"}]));
}
