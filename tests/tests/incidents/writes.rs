//! Writes that came to something else than was said.

use serde_json::{Value, json};

use crate::harness::*;

fn faults(world: &World, rules: Value) {
    world.sim.post("faults", &json!({ "rules": rules }));
}

fn two() -> Value {
    export(json!([dpsk("anna", json!({})), dpsk("ben", json!({}))]))
}

/// Errors of the service were logged and counted as success. Here: a page of HTML with status 200 is no success, neither for a write
/// nor for a read; a refusal and an activity that fails are failures of their own row, whatever comes of the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_success_on_api_errors() {
    for (nth, end) in [(json!([1]), "created"), (json!([1, 2, 3]), "failed")] {
        let world = World::start();
        faults(
            &world,
            json!([{"operation": "create_passphrase", "nth": nth, "kind": "html_200"}]),
        );
        let keys = world.job(two(), json!({})).run_all_but_networks().await;
        assert_eq!((keys.end("anna").as_str(), keys.end("ben").as_str()), (end, "created"));
        for name in ["anna", "ben"] {
            assert_eq!(keys.end(name) == "created", world.ledger().contains_key(name), "{name}");
        }
        assert_eq!(
            world.sim.counts(TENANT)["injected"]["html_200"],
            nth.as_array().unwrap().len()
        );
    }
    // what is there is never taken for absent
    let world = World::start();
    world.job(two(), json!({})).run_all().await;
    let job = world.job(two(), json!({}));
    job.run("create_identity_groups").await;
    job.run("create_dpsk_pools").await;
    let query = "POST /dpskServices/{poolId}/passphrases/query";
    faults(&world, json!([{"operation": query, "nth": [1], "kind": "html_200"}]));
    let (tasks, _) = job.plan("create_passphrases").await.unwrap();
    assert!(
        tasks.iter().all(|task| task.input.preset.is_some()),
        "a write was planned"
    );
    assert_eq!(world.sim.counts(TENANT)["injected"]["html_200"], 1);

    let world = World::start();
    faults(
        &world,
        json!([{"operation": "create_passphrase", "usernames": ["anna"], "kind": "activity_fail", "code": "WIFI-1", "message": "no way"}]),
    );
    let (keys, audit) = world.job(two(), json!({})).run_all().await;
    assert_eq!((keys.code("anna"), keys.end("ben").as_str()), ("WIFI-1", "created"));
    assert_eq!(keys.of("anna").resource, None, "nothing of it is in the ledger");
    assert_eq!(audit.task_facts[0]["not_imported"], 1);
}

/// SSIDs were made and then left without a pool, on the air with keys for nobody, or made a second time by the next run. Here: what
/// can't be activated is refused before a network is made; one whose link fails is not put on the air; and the next import finishes
/// the same network instead of making another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphan_ssids() {
    let keys = || {
        let mut export = two();
        export["pool"]["ssidList"] = json!(["Bar"]);
        export
    };
    let options = || json!({"just_copy_dpsks": false, "ssid_network_map": {"Bar": "create"}});
    let totals = |world: &World| {
        let totals = world.sim.ledger(TENANT)["totals"].clone();
        ["wifi_networks", "network_pools", "activations"].map(|part| totals[part].as_u64().unwrap())
    };
    let world = World::start();
    let link = "PUT /wifiNetworks/{wifiNetworkId}/dpskServices/{dpskServiceId}";
    faults(
        &world,
        json!([{"operation": link, "kind": "activity_fail", "code": "WIFI-10001", "message": "no way"}]),
    );
    let job = world.job(keys(), options());
    job.run_all_but_networks().await;
    let networks = job.run("activate_networks").await;
    assert_eq!(
        (
            networks.end("create Bar").as_str(),
            networks.code("link Bar"),
            networks.code("activate Bar")
        ),
        ("created", "WIFI-10001", "NOT_LINKED")
    );
    assert_eq!(totals(&world), [1, 0, 0], "made, and not on the air");
    assert!(
        networks.of("create Bar").resource.is_some(),
        "a cleanup can take it away"
    );
    faults(&world, json!([]));
    let job = world.job(keys(), options());
    job.run_all_but_networks().await;
    let networks = job.run("activate_networks").await;
    assert_eq!(
        ["create Bar", "link Bar", "activate Bar"].map(|step| networks.end(step)),
        ["adopted", "created", "created"].map(String::from)
    );
    assert_eq!(totals(&world), [1, 1, 1]);

    let world = World::start();
    let on = json!([{"venue": "venue-sim-1"}]);
    let full: Vec<Value> = (0..15)
        .map(|n| json!({"name": format!("Net {n}"), "activations": on}))
        .collect();
    world.seed(json!({ "wifi_networks": full }));
    let checked = world.job(keys(), options()).run("parse_validate").await;
    assert_eq!(checked.outcomes[0].error.as_ref().unwrap().code, "ACTIVATION_CLASH");
    assert_eq!((totals(&world)[0], world.writes()), (15, 0), "nothing was made");
}
