//! Every kind of fault, seen from the client, and what it leaves in the ledger.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::sim::{Settings, Simulator};

use crate::client::{Remote, http, nested};

async fn create(remote: &Remote, pool: &str, name: &str) -> reqwest::Result<crate::client::Answer> {
    let body = json!({"username": name, "passphrase": format!("secret-of-{name}")});
    remote
        .send("POST", &format!("/dpskServices/{pool}/passphrases"), body, &[])
        .await
}

/// Waits for what is in flight.
async fn quiet(remote: &Remote) -> Value {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let ledger = remote.ledger();
        if ledger["in_flight"]["activities"] == 0 {
            return ledger;
        }
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn answers_429_5xx_html_and_4xx() {
    let remote = Remote::with_faults(json!([
        {"operation": "create_passphrase", "nth": [1], "kind": "429_plain"},
        {"operation": "create_passphrase", "nth": [2], "kind": "429_retry_after", "seconds": 3},
        {"operation": "create_passphrase", "nth": [3], "kind": "5xx", "status": 502},
        {"operation": "create_passphrase", "nth": [4], "kind": "html_503"},
        {"operation": "create_passphrase", "usernames": ["never"], "kind": "permanent_4xx", "status": 422, "code": "WIFI-10126", "message": "Insufficient licenses"},
    ]))
    .await;
    let (_, pool) = remote.pool(8).await;
    let plain = create(&remote, &pool, "anna").await.unwrap();
    assert_eq!((plain.status, plain.retry_after), (429, None));
    let polite = create(&remote, &pool, "anna").await.unwrap();
    assert_eq!((polite.status, polite.retry_after.as_deref()), (429, Some("3")));
    let json = create(&remote, &pool, "anna").await.unwrap();
    assert_eq!((json.status, json.body["errors"].is_array()), (502, true));
    let page = create(&remote, &pool, "anna").await.unwrap();
    assert_eq!(
        (page.status, page.content_type.as_str(), page.body),
        (503, "text/html", Value::Null)
    );
    assert_eq!(create(&remote, &pool, "anna").await.unwrap().status, 202);
    for _ in 0..3 {
        let never = create(&remote, &pool, "never").await.unwrap();
        assert_eq!(
            (never.status, &never.body["errors"][0]["code"]),
            (422, &json!("WIFI-10126"))
        );
    }
    let counts = remote.counts();
    assert_eq!(
        counts["injected"],
        json!({"429_plain": 1, "429_retry_after": 1, "5xx": 1, "html_503": 1, "permanent_4xx": 3})
    );
    assert_eq!(
        (
            &counts["http_429"],
            &counts["http_429_injected"],
            &counts["http_429_bucket"]
        ),
        (&json!(2), &json!(2), &json!(0))
    );
    assert_eq!(quiet(&remote).await["totals"]["passphrases"], 1);
}

#[tokio::test]
async fn a_reply_cut_after_the_write_leaves_the_write() {
    let remote = Remote::with_faults(
        json!([{"operation": "create_passphrase", "usernames": ["anna"], "kind": "cut_after_apply"}]),
    )
    .await;
    let (_, pool) = remote.pool(8).await;
    let before = remote.counts()["writes"].as_u64().unwrap();
    let error = create(&remote, &pool, "anna").await.unwrap_err();
    assert!(error.is_request() && !error.is_timeout(), "{error:?}");
    assert_eq!(quiet(&remote).await["passphrases"][0]["username"], "anna");
    // sent again it is refused, and counted apart
    assert_eq!(create(&remote, &pool, "anna").await.unwrap().status, 409);
    let counts = remote.counts();
    assert_eq!(counts["writes"], before + 1);
    assert_eq!(
        counts["calls"]["POST /dpskServices/{poolId}/passphrases"],
        json!({"cut": 1, "409": 1})
    );
    assert_eq!(counts["refused_by"], json!({"passphrase/after_cut": 1}));
    assert_eq!(counts["duplicates"], 1);
}

#[tokio::test]
async fn a_call_cut_before_it_was_looked_at_leaves_nothing() {
    let remote =
        Remote::with_faults(json!([{"operation": "create_passphrase", "nth": [1], "kind": "cut_before_apply"}])).await;
    let (_, pool) = remote.pool(8).await;
    create(&remote, &pool, "anna").await.unwrap_err();
    assert_eq!(quiet(&remote).await["totals"]["passphrases"], 0);
    assert_eq!(create(&remote, &pool, "anna").await.unwrap().status, 202);
    assert_eq!(remote.counts()["duplicates"], 0);
}

#[tokio::test]
async fn activities_are_404_at_first_then_pending_in_progress_and_terminal() {
    let settings = Settings {
        activity_hidden_ms: 600,
        activity_ms: (3000, 3000),
        ..Settings::quick()
    };
    let remote = Remote::start(settings).await;
    // wide enough for a machine with much else to do
    let start = Instant::now();
    let accepted = remote.post("/identityGroups", json!({"name": "G"})).await;
    let path = format!("/activities/{}", accepted.body["requestId"].as_str().unwrap());
    let by_query = json!({"page": 1, "pageSize": 9, "filters": {"id": [accepted.body["requestId"]]}});
    let mut seen: Vec<String> = Vec::new();
    let deadline = start + Duration::from_secs(20);
    while seen.last().is_none_or(|last| last != "SUCCESS") {
        let found = remote.post("/activities/query", by_query.clone()).await.body["totalCount"].clone();
        let answer = remote.get(&path).await;
        let state = if answer.status == 404 {
            "404".to_owned()
        } else {
            answer.body["status"].as_str().unwrap().to_owned()
        };
        assert!(state != "404" || found == 0, "hidden from queries, too");
        if seen.last() != Some(&state) {
            seen.push(state);
        }
        let live = remote.ledger()["totals"]["identity_groups"].clone();
        assert!(
            live == 0 || start.elapsed() >= Duration::from_secs(3),
            "visible before the end"
        );
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    assert_eq!(seen, ["404", "PENDING", "INPROGRESS", "SUCCESS"]);
    assert_eq!(remote.ledger()["totals"]["identity_groups"], 1);
}

#[tokio::test]
async fn a_late_activity_is_404_for_as_long_as_told() {
    let remote = Remote::with_faults(json!([{"operation": "create_group", "kind": "late_404", "seconds": 0.3}])).await;
    let start = Instant::now();
    let accepted = remote.post("/identityGroups", json!({"name": "G"})).await;
    let path = format!("/activities/{}", accepted.body["requestId"].as_str().unwrap());
    while remote.get(&path).await.status == 404 {
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!(remote.finish(&accepted).await["status"], "SUCCESS");
}

#[tokio::test]
async fn a_failed_activity_nests_its_error_twice_and_frees_the_name() {
    let remote = Remote::with_faults(json!([
        {"operation": "create_passphrase", "usernames": ["anna"], "kind": "activity_fail", "code": "WIFI-10126", "message": "Insufficient licenses"}]))
    .await;
    let (_, pool) = remote.pool(8).await;
    let activity = remote.finish(&create(&remote, &pool, "anna").await.unwrap()).await;
    assert_eq!(activity["status"], "FAIL");
    assert_eq!(
        nested(&activity),
        json!({"code": "WIFI-10126", "message": "Insufficient licenses"})
    );
    let ledger = remote.ledger();
    assert_eq!(
        (&ledger["totals"]["passphrases"], &ledger["totals"]["identities"]),
        (&json!(0), &json!(0))
    );
    let activity = remote.finish(&create(&remote, &pool, "anna").await.unwrap()).await;
    assert_eq!(activity["status"], "SUCCESS");
    assert_eq!(remote.counts()["duplicates"], 0);
}

#[tokio::test]
async fn an_activity_that_never_ends_has_done_its_work_or_not() {
    for work_done in [true, false] {
        let remote = Remote::with_faults(json!([
            {"operation": "create_passphrase", "usernames": ["anna"], "kind": "activity_never_ends", "work_done": work_done}]))
        .await;
        let (_, pool) = remote.pool(8).await;
        let accepted = create(&remote, &pool, "anna").await.unwrap();
        let ledger = quiet(&remote).await;
        assert_eq!(ledger["totals"]["passphrases"], u64::from(work_done));
        let path = format!("/activities/{}", accepted.body["requestId"].as_str().unwrap());
        let activity = remote.get(&path).await.body;
        assert_eq!(
            (&activity["status"], activity.get("endDatetime")),
            (&json!("INPROGRESS"), None)
        );
        let again = create(&remote, &pool, "anna").await.unwrap();
        assert_eq!(again.status, if work_done { 409 } else { 202 });
    }
}

#[tokio::test]
async fn slow_answers_are_slow() {
    let remote =
        Remote::with_faults(json!([{"operation": "GET /venues/{venueId}", "nth": [2], "kind": "slow", "ms": 1000}]))
            .await;
    let timed = async || {
        let start = Instant::now();
        remote.get("/venues/venue-sim-1").await;
        start.elapsed().as_millis()
    };
    assert!(timed().await < 800);
    assert!(timed().await >= 1000);
}

#[tokio::test]
async fn down_and_frozen_simulators_come_back() {
    let remote = Remote::quick().await;
    remote.sim.post("down", &json!({"down": true}));
    remote
        .send("GET", "/identityGroups", Value::Null, &[])
        .await
        .unwrap_err();
    http().post(remote.sim.token_url("t1")).send().await.unwrap_err();
    remote.sim.post("down", &json!({"down": true, "mode": "503"}));
    let page = remote.get("/identityGroups").await;
    assert_eq!((page.status, page.content_type.as_str()), (503, "text/html"));
    remote.sim.post("down", &json!({"down": false}));
    assert_eq!(remote.get("/identityGroups").await.status, 200);

    remote.sim.post("freeze", &json!({"freeze": true}));
    let hanging = remote.get("/identityGroups");
    let thaw = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        remote.sim.post("freeze", &json!({"freeze": false}));
        Instant::now()
    };
    let start = Instant::now();
    let (answer, _) = tokio::join!(hanging, thaw);
    assert_eq!(answer.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults() {
    let run = async |rng_seed| {
        let remote = Remote::start(Settings {
            rng_seed: Some(rng_seed),
            ..Settings::quick()
        })
        .await;
        remote.sim.post(
            "faults",
            &json!({"rules": [{"operation": "read", "probability": 0.5, "kind": "html_503"}]}),
        );
        let mut seen = Vec::new();
        for _ in 0..32 {
            seen.push(remote.get("/venues/venue-sim-1").await.status);
        }
        seen
    };
    assert_eq!(run(7).await, run(7).await);
    assert_ne!(run(7).await, run(8).await);
}

#[tokio::test]
async fn a_wrong_plan_is_refused() {
    let sim = Simulator::start(Settings::quick()).unwrap();
    let plan = json!({"rules": [{"operation": "create_everything", "kind": "5xx"}]});
    let answer = http()
        .post(format!("{}/_sim/faults", sim.base_url))
        .json(&plan)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("/rules/0"));
}
