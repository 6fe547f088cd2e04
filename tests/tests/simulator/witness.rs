//! The simulator as a witness: ledger, counts, duplicates, ideal, seeds.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::sim::{Settings, Simulator};

use crate::client::{Remote, TENANT, nested};

fn anna() -> Value {
    json!({"username": "anna", "passphrase": "correct-horse"})
}

#[tokio::test]
async fn of_two_creates_in_flight_one_wins_and_the_other_is_counted() {
    for form in ["http", "activity"] {
        let settings = Settings {
            activity_ms: (300, 300),
            ..Settings::quick()
        };
        let remote = Remote::start(settings).await;
        remote.sim.post("settings", &json!({"refuse_in_flight": form}));
        let (_, pool) = remote.pool(8).await;
        let path = format!("/dpskServices/{pool}/passphrases");
        let (one, two) = tokio::join!(remote.post(&path, anna()), remote.post(&path, anna()));
        let (won, lost) = if one.status == 409 { (two, one) } else { (one, two) };
        if form == "http" {
            assert_eq!(
                (lost.status, &lost.body["errors"][0]["code"]),
                (409, &json!("DPSK-020"))
            );
            assert_eq!(remote.finish(&won).await["status"], "SUCCESS");
        } else {
            let ends = [remote.finish(&won).await, remote.finish(&lost).await];
            let failed: Vec<_> = ends.iter().filter(|end| end["status"] == "FAIL").collect();
            assert_eq!(
                (failed.len(), nested(failed[0])["code"].clone()),
                (1, json!("DPSK-020"))
            );
        }
        assert_eq!(remote.ledger()["totals"]["passphrases"], 1);
        let counts = remote.counts();
        assert_eq!(counts["refused_by"], json!({"passphrase/in_flight": 1}));
        assert_eq!(
            (
                &counts["refused_creates"],
                &counts["existing_twice"]["total"],
                &counts["duplicates"]
            ),
            (&json!(1), &json!(0), &json!(1))
        );
        assert_eq!(counts["refused"][0]["name"], "anna");
    }
}

#[tokio::test]
async fn nothing_is_visible_before_its_activity_ends_unless_told_so() {
    for visible in [false, true] {
        let settings = Settings {
            visible_at_202: visible,
            activity_ms: (60_000, 60_000),
            ..Settings::quick()
        };
        let remote = Remote::start(settings).await;
        let accepted = remote.post("/identityGroups", json!({"name": "G"})).await;
        let path = format!("/identityGroups/{}", accepted.body["id"].as_str().unwrap());
        assert_eq!(remote.get(&path).await.status, if visible { 200 } else { 404 });
        let ledger = remote.ledger();
        assert_eq!(ledger["totals"]["identity_groups"], u64::from(visible));
        assert_eq!(ledger["in_flight"]["identity_groups"], u64::from(!visible));
    }
}

#[tokio::test]
async fn the_write_is_done_even_if_the_client_dies_while_it_waits() {
    let remote = Remote::quick().await;
    remote.sim.post("settings", &json!({"write_ms": 3_600_000}));
    let url = format!("{}/identityGroups", remote.sim.base_url);
    let hanging = remote
        .http
        .post(url)
        .bearer_auth(&remote.token)
        .json(&json!({"name": "G"}))
        .timeout(Duration::from_millis(200))
        .send();
    assert!(hanging.await.unwrap_err().is_timeout());
    assert_eq!(remote.ledger()["in_flight"]["identity_groups"], 1);
    let deadline = Instant::now() + Duration::from_secs(5);
    while remote.counts()["concurrent"] != 0 {
        assert!(Instant::now() < deadline, "a client that hung up is not in progress");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn twins_are_counted_over_the_ledger_itself() {
    let sim = Simulator::start(Settings::quick()).unwrap();
    sim.post(
        "seed",
        &json!({"tenant": TENANT, "identity_groups": [{"id": "g", "name": "G"}, {"id": "g2", "name": "G"}],
        "dpsk_pools": [{"id": "p", "name": "P", "group": "g"}, {"id": "q", "name": "Q", "group": "g2"}],
        "passphrases": [
            {"id": "k1", "pool": "P", "username": "anna", "passphrase": "correct-horse"},
            {"id": "k2", "pool": "P", "username": "anna", "passphrase": "another-horse"},
            {"id": "k3", "pool": "P", "username": "ben", "passphrase": "correct-horse"},
            {"id": "k4", "pool": "Q", "username": "anna", "passphrase": "correct-horse"}]}),
    );
    let twins = &sim.counts(TENANT)["existing_twice"];
    assert_eq!(
        twins,
        &json!({"identity_groups": 1, "dpsk_pools": 0, "identities": 1, "usernames": 1, "passphrase_values": 1, "passphrases": 2,
            "policy_sets": 0, "policies": 0, "radius_attribute_groups": 0, "wifi_networks": 0, "ap_groups": 0, "ssids_on_air": 0, "total": 3})
    );
    sim.post(
        "seed",
        &json!({"tenant": TENANT, "delete": ["k2", "g2"], "change": [{"id": "k3", "passphrase": "third-horse"}]}),
    );
    let counts = sim.counts(TENANT);
    assert_eq!(
        (&counts["existing_twice"]["total"], &counts["duplicates"]),
        (&json!(1), &json!(1)),
        "k2 has left its identity behind"
    );
}

#[tokio::test]
async fn objects_can_be_changed_behind_the_clients_back() {
    let remote = Remote::quick().await;
    let made = remote.sim.post("seed", &json!({"tenant": TENANT, "identity_groups": [{"name": "G"}], "dpsk_pools": [{"name": "P", "group": "G"}],
        "passphrases": [{"pool": "P", "username": "anna", "passphrase": "correct-horse", "vlanId": 4}], "venues": [{"id": "v2", "name": "Annex"}]}));
    let (pool, key) = (
        made["dpsk_pools"][0].as_str().unwrap(),
        made["passphrases"][0].as_str().unwrap(),
    );
    let path = format!("/dpskServices/{pool}/passphrases/{key}");
    assert_eq!(remote.get(&path).await.body["vlanId"], 4);
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "change": [{"id": key, "vlanId": 5, "username": "anne"}]}),
    );
    let seen = remote.get(&path).await.body;
    assert_eq!(
        (&seen["vlanId"], &seen["username"], &seen["passphrase"]),
        (&json!(5), &json!("anne"), &json!("correct-horse"))
    );
    remote.sim.post("seed", &json!({"tenant": TENANT, "delete": [key]}));
    assert_eq!(remote.get(&path).await.status, 404);
    assert_eq!(remote.get("/venues/v2").await.status, 200);
    assert_eq!(remote.ledger()["identities"][0]["passphrase_id"], Value::Null);
}

#[tokio::test]
async fn the_ideal_is_the_formula_over_the_ledger() {
    let sim = Simulator::start(Settings {
        rng_seed: Some(1),
        ..Settings::default()
    })
    .unwrap();
    let keys: Vec<Value> = (0..2000)
        .map(|n| json!({"pool": "P", "username": format!("u{n}"), "passphrase": format!("secret-{n}")}))
        .collect();
    let seed = json!({"tenant": TENANT, "identity_groups": [{"name": "G"}], "dpsk_pools": [{"name": "P", "group": "G"}], "passphrases": keys});
    sim.post("seed", &seed);
    let ideal = |sim: &testkit::sim::Handle| {
        let url = format!("{}/_sim/ideal?tenant={TENANT}", sim.base_url);
        async move {
            crate::client::http()
                .get(url)
                .send()
                .await
                .unwrap()
                .json::<Value>()
                .await
                .unwrap()
        }
    };
    let view = ideal(&sim).await;
    assert_eq!((view["w"].as_f64(), view["r"].as_f64()), (Some(2002.0), Some(18.0)));
    // (2002 + 18 − 34) ÷ 33.33 + 3
    assert!((view["ideal_seconds"].as_f64().unwrap() - 62.58).abs() < 0.01, "{view}");
    // with a rate that never limits, latency does: 2002 × 0.04 ÷ 50 + 3
    sim.post("settings", &json!({"calls_per_minute": 6_000_000.0}));
    let view = ideal(&sim).await;
    assert!(
        (view["ideal_seconds"].as_f64().unwrap() - 4.6016).abs() < 0.0001,
        "{view}"
    );
}

#[tokio::test]
async fn counts_can_start_over_without_losing_the_objects() {
    let remote = Remote::quick().await;
    let (_, pool) = remote.pool(8).await;
    remote
        .done("POST", &format!("/dpskServices/{pool}/passphrases"), anna())
        .await;
    let counts = remote.counts();
    assert_eq!((&counts["writes"], &counts["token_grants"]), (&json!(3), &json!(1)));
    assert!(counts["polls"].as_u64().unwrap() >= 3);
    assert_eq!(
        counts["per_container"][&pool]
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_u64)
            .sum::<u64>(),
        1
    );
    assert_eq!(counts["per_client"]["me"], counts["per_minute"]);
    let reset = |query: &str| {
        remote
            .http
            .post(format!("{}/_sim/reset{query}", remote.sim.base_url))
            .send()
    };
    reset("?what=counts").await.unwrap();
    assert_eq!(remote.get(&format!("/dpskServices/{pool}")).await.status, 200);
    let counts = remote.counts();
    assert_eq!(
        (&counts["writes"], &counts["polls"], &counts["reads"]),
        (&json!(0), &json!(0), &json!(1))
    );
    reset("").await.unwrap();
    assert_eq!(remote.ledger()["totals"]["dpsk_pools"], 0);
    assert_eq!(remote.get(&format!("/dpskServices/{pool}")).await.status, 404);
}

#[tokio::test]
async fn only_loopback_is_served() {
    let started = Simulator::start(Settings {
        bind: "0.0.0.0:0".into(),
        ..Settings::quick()
    });
    assert!(started.err().unwrap().to_string().contains("loopback"));
}
