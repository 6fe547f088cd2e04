//! Who may call, for which tenant, and how often.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::sim::{Settings, Simulator};

use crate::client::{Remote, TENANT, http, token};

#[tokio::test]
async fn wrong_credentials_are_401_and_a_wrong_grant_is_a_page_with_200() {
    let (sim, http) = (
        Simulator::start(Settings {
            client_ids: vec!["me".into()],
            ..Settings::quick()
        })
        .unwrap(),
        http(),
    );
    let ask = |grant: &'static str, id: &'static str, secret: &'static str| {
        http.post(sim.token_url(TENANT))
            .form(&[("grant_type", grant), ("client_id", id), ("client_secret", secret)])
            .send()
    };
    for (id, secret) in [("me", "wrong"), ("", "sim-secret"), ("you", "sim-secret")] {
        let refused = ask("client_credentials", id, secret).await.unwrap();
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.json::<Value>().await.unwrap()["error"], "invalid_client");
    }
    let page = ask("password", "me", "sim-secret").await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html");
    let good: Value = ask("client_credentials", "me", "sim-secret")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&good["expires_in"], &good["token_type"]),
        (&json!(7199), &json!("Bearer"))
    );
    let counts = sim.counts(TENANT);
    assert_eq!(counts["token_refusals"], 3);
}

#[tokio::test]
async fn a_token_is_bound_to_its_tenant_and_the_header_chooses_another() {
    let remote = Remote::quick().await;
    remote.done("POST", "/identityGroups", json!({"name": "mine"})).await;
    let header = [("x-rks-tenantid", "t2")];
    let accepted = remote
        .send("POST", "/identityGroups", json!({"name": "theirs"}), &header)
        .await
        .unwrap();
    assert_eq!(accepted.status, 202);
    // the other tenant's activity is not among ours
    let path = format!("/activities/{}", accepted.body["requestId"].as_str().unwrap());
    let deadline = Instant::now() + Duration::from_secs(5);
    while remote.send("GET", &path, Value::Null, &header).await.unwrap().body["status"] != "SUCCESS" {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(remote.get(&path).await.status, 404);
    assert_eq!(remote.ledger()["identity_groups"][0]["name"], "mine");
    assert_eq!(remote.sim.ledger("t2")["identity_groups"][0]["name"], "theirs");
    let all = http()
        .get(format!("{}/_sim/ledger", remote.sim.base_url))
        .send()
        .await
        .unwrap()
        .json::<Value>()
        .await
        .unwrap();
    assert_eq!(all["totals"]["identity_groups"], 2);
    assert_eq!(all["identity_groups"][1]["tenant"], "t2");
}

#[tokio::test]
async fn calls_without_a_good_token_are_401() {
    let mut remote = Remote::quick().await;
    remote.token = "made-up".into();
    let refused = remote.get("/identityGroups").await;
    assert_eq!(
        (refused.status, refused.body["errors"][0]["code"].is_string()),
        (401, true)
    );
}

#[tokio::test]
async fn a_token_that_dies_early_is_dead_on_every_call_until_a_new_one() {
    let sim = Simulator::start(Settings::quick()).unwrap();
    sim.post(
        "faults",
        &json!({"rules": [{"operation": "token", "kind": "token_dies_early", "after_calls": 2}]}),
    );
    let http = http();
    let first = token(&http, &sim, TENANT).await;
    let mut remote = Remote {
        sim,
        http,
        token: first,
    };
    assert_eq!(remote.get("/identityGroups").await.status, 200);
    assert_eq!(remote.get("/activities/x").await.status, 404);
    for path in ["/identityGroups", "/activities/x", "/venues/venue-sim-1"] {
        let dead = remote.get(path).await;
        assert_eq!(
            (dead.status, &dead.body["errors"][0]["code"]),
            (401, &json!("RCG-10003"))
        );
    }
    remote.token = token(&remote.http, &remote.sim, TENANT).await;
    for _ in 0..5 {
        assert_eq!(remote.get("/identityGroups").await.status, 200);
    }
    let counts = remote.counts();
    assert_eq!(
        (&counts["unauthorized"], &counts["token_grants"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(counts["injected"]["token_dies_early"], 1);
}

#[tokio::test]
async fn the_bucket_is_the_tenants_and_empty_means_429_without_retry_after() {
    // no refill to speak of: three calls and no more
    let remote = Remote::start(Settings {
        calls_per_minute: 0.001,
        burst: Some(3.0),
        ..Settings::quick()
    })
    .await;
    for _ in 0..3 {
        assert_eq!(remote.get("/identityGroups").await.status, 200);
    }
    let refused = remote.get("/identityGroups").await;
    assert_eq!((refused.status, refused.retry_after.as_deref()), (429, None));
    assert!(refused.body["errors"][0]["message"].is_string());
    // tokens and our own calls cost nothing, and another tenant has its own bucket
    token(&remote.http, &remote.sim, TENANT).await;
    assert_eq!(
        remote
            .send("GET", "/identityGroups", Value::Null, &[("x-rks-tenantid", "t2")])
            .await
            .unwrap()
            .status,
        200
    );
    remote.sim.post("settings", &json!({"retry_after_s": 7}));
    assert_eq!(remote.get("/identityGroups").await.retry_after.as_deref(), Some("7"));
    let counts = remote.counts();
    assert_eq!(
        (&counts["http_429"], &counts["http_429_bucket"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(counts["calls"]["GET /identityGroups"], json!({"200": 3, "429": 2}));
}

#[tokio::test]
async fn latencies_and_concurrency_are_what_the_settings_say() {
    let settings = Settings {
        write_ms: 80,
        read_ms: 40,
        ..Settings::quick()
    };
    let remote = Remote::start(settings).await;
    let start = Instant::now();
    remote.get("/identityGroups").await;
    assert!(
        (40..1000).contains(&(start.elapsed().as_millis() as u64)),
        "{:?}",
        start.elapsed()
    );
    let names: Vec<_> = (0..7).map(|n| json!({"name": format!("G{n}")})).collect();
    // one after another they would take 560 ms
    let start = Instant::now();
    futures_util::future::join_all(names.into_iter().map(|body| remote.post("/identityGroups", body))).await;
    assert!(
        (80..500).contains(&(start.elapsed().as_millis() as u64)),
        "{:?}",
        start.elapsed()
    );
    let counts = remote.counts();
    assert_eq!(
        (&counts["max_concurrent"], &counts["concurrent"]),
        (&json!(7), &json!(0))
    );
}
