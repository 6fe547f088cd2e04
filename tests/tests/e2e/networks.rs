//! Imports that put SSIDs on the air.

use std::process::Stdio;

use serde_json::{Map, Value, json};

use crate::world::{REMOTE, World, resources};

/// More than one batch of tasks: 23.
const SSIDS: [&str; 8] = ["Attic", "Bar", "Cellar", "Deck", "Gym", "Lobby", "Pool", "Roof"];

/// A fleet, and an export whose first pool is used by [`SSIDS`] and one more.
async fn world() -> World {
    world_of(World::new(60, 60_000, 2).await)
}

fn world_of(mut world: World) -> World {
    let used = SSIDS.into_iter().chain(["Vault"]);
    world.export["dpskPools"][0]["ssidList"] = used.collect();
    world
}

/// The lobby's network is there, the others are to be made.
fn options(ssids: &[&str]) -> Value {
    let network = |ssid: &&str| if *ssid == "Lobby" { "n-lobby" } else { "create" };
    let map: Map<String, Value> = ssids
        .iter()
        .map(|ssid| (ssid.to_string(), network(ssid).into()))
        .collect();
    json!({"just_copy_dpsks": false, "ssid_network_map": map})
}

async fn seed(world: &World) {
    let seed = json!({"tenant": REMOTE, "ap_groups": [{"name": "Top floor"}],
        "wifi_networks": [{"id": "n-lobby", "name": "Ground floor", "ssid": "Lobby"}]});
    world.fleet.simulators[0].seed(seed).await.unwrap();
}

/// The row of the ledger that has this value there.
fn row<'l>(ledger: &'l Value, part: &str, field: &str, value: &Value) -> &'l Value {
    let mut rows = ledger[part].as_array().unwrap().iter();
    rows.find(|row| row[field] == *value)
        .unwrap_or_else(|| panic!("no {value} in {part}"))
}

#[tokio::test]
async fn ssids_are_put_on_the_air_one_change_after_another_and_a_second_run_writes_nothing() {
    let world = world().await;
    seed(&world).await;
    let first = world.fleet.api.import(1, &world.export, options(&SSIDS)).await.unwrap();
    let first = world.ended(&first).await;
    world.assert_done(&first).await;
    for (kind, created) in [("wifi_networks", 7), ("network_pools", 8), ("activations", 8)] {
        assert_eq!(resources(&first, kind), (created, 0), "{kind}");
    }
    let phase = |id: &str| {
        let phases = first["phases"].as_array().unwrap();
        phases.iter().find(|phase| phase["id"] == id).unwrap().clone()
    };
    let left_out =
        "not activated, since ssid_network_map does not name them: \"Devices\", \"HarborView-Staff\", \"Vault\"";
    assert_eq!(phase("parse_validate")["facts"]["warnings"], json!([left_out]));
    assert_eq!(first["notices"][0], left_out, "{}", first["notices"]);

    let ledger = world.fleet.simulators[0].ledger(REMOTE).await.unwrap();
    let mut times: Vec<String> = Vec::new();
    for ssid in SSIDS {
        let network = row(&ledger, "wifi_networks", "ssid", &json!(ssid));
        if ssid != "Lobby" {
            times.push(network["created_at"].as_str().unwrap().to_owned());
        }
        let link = row(&ledger, "network_pools", "network_id", &network["id"]);
        let on_air = row(&ledger, "activations", "network_id", &network["id"]);
        assert_eq!(
            (&on_air["is_all_ap_groups"], &on_air["ap_pushes"]),
            (&json!(true), &json!(1)),
            "{ssid}"
        );
        times.extend([link, on_air].map(|row| row["created_at"].as_str().unwrap().to_owned()));
    }
    assert!(times.is_sorted() && times.len() == 23, "{times:?}");
    let counts = world.counts().await;
    for count in ["relinks", "http_423_locked", "empty_activations"] {
        assert_eq!(counts[count], 0, "{count}");
    }

    world.fleet.simulators[0].reset_counts().await.unwrap();
    let file = world.fleet.folder.join("export.json");
    std::fs::write(&file, world.export.to_string()).unwrap();
    let mut client = tokio::process::Command::from(world.fleet.client().unwrap());
    client
        .arg("import")
        .arg(&file)
        .args(["--controller", "1", "--venue", "venue-sim-1", "--watch"])
        .args(["--option", "just_copy_dpsks=false", "--option"])
        .arg(format!("ssid_network_map={}", options(&SSIDS)["ssid_network_map"]));
    let ended = client.stdin(Stdio::null()).output().await.unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("  notice: {left_out}")), "{said}");
    let newest = world.fleet.api.jobs().await.unwrap().remove(0);
    let second = world.ended(&newest).await;
    for (kind, adopted) in [("wifi_networks", 7), ("network_pools", 8), ("activations", 8)] {
        assert_eq!(resources(&second, kind), (0, adopted), "{kind}");
    }
    let counts = world.counts().await;
    for count in ["writes", "relinks", "ap_pushes"] {
        assert_eq!(counts[count], 0, "{count}: {counts}");
    }
}

#[tokio::test]
async fn what_can_not_be_activated_fails_the_import_before_anything_is_made() {
    let world = world().await;
    let job = world
        .fleet
        .api
        .import(1, &world.export, options(&["Bar", "Lobby", "Roof"]))
        .await
        .unwrap();
    let job = world.ended(&job).await;
    assert_eq!(job["status"], "FAILED");
    let error = &job["error_details"][0];
    assert_eq!(
        (&error["code"], &error["phase"]),
        (&json!("NETWORK_NOT_FOUND"), &json!("parse_validate"))
    );
    assert_eq!(world.counts().await["writes"], 0);
}

#[tokio::test]
async fn lost_replies_locks_and_stale_reads_put_nothing_on_the_air_twice() {
    let world = world().await;
    seed(&world).await;
    let rule = |operation: &str, nth: u32, kind: &str| json!({"operation": operation, "nth": [nth], "kind": kind});
    // Less than what a lost reply is given before it is looked after: behind for longer, a link would be made once more, for one push.
    let stale = json!({"operation": "any", "kind": "stale_read", "seconds": 0.5});
    let rules = json!([
        rule("create_network", 1, "cut_after_apply"),
        rule("activate", 1, "cut_after_apply"),
        rule("activate", 3, "locked_423"),
        rule("activate", 4, "cut_before_apply"),
        stale,
    ]);
    world.fleet.simulators[0]
        .faults(json!({ "rules": rules }))
        .await
        .unwrap();
    let job = world
        .fleet
        .api
        .import(1, &world.export, options(&["Bar", "Lobby", "Roof"]))
        .await
        .unwrap();
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
    for (kind, created) in [("wifi_networks", 2), ("network_pools", 3), ("activations", 3)] {
        assert_eq!(resources(&job, kind), (created, 0), "{kind}");
    }
    let counts = world.counts().await;
    assert_eq!(
        (&counts["relinks"], &counts["ap_pushes"]),
        (&json!(0), &json!(3)),
        "{counts}"
    );
    assert_eq!(counts["injected"]["cut_after_apply"], 2);
}

#[tokio::test]
async fn workers_that_are_killed_on_the_way_leave_nothing_undone_and_nothing_twice() {
    let with = World::with(60, 60_000, 1, |plan| plan.lock_ttl_seconds = Some(15));
    let mut world = world_of(with.await);
    seed(&world).await;
    let job = world.fleet.api.import(1, &world.export, options(&SSIDS)).await.unwrap();
    // two groups, two pools, 60 keys; then network by network
    for writes in [64 + 2, 64 + 12] {
        world.written(writes).await;
        world.fleet.workers.last_mut().unwrap().process.kill();
        world.fleet.add_worker().await.unwrap();
    }
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
    for (kind, created) in [("wifi_networks", 7), ("network_pools", 8), ("activations", 8)] {
        assert_eq!(resources(&job, kind), (created, 0), "{kind}");
    }
    let counts = world.counts().await;
    assert_eq!(
        (&counts["relinks"], &counts["ap_pushes"]),
        (&json!(0), &json!(8)),
        "{counts}"
    );
}
