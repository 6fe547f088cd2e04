//! Imports and cleanups of the same things, side by side: nothing is taken away under what another builds on it.

use serde_json::{Value, json};
use testkit::harness::api::{has_ended, summary};

use crate::world::{REMOTE, TIMEOUT, World, resources};

async fn clean(world: &World, job: &str) -> String {
    let path = format!("/api/cloudpath-dpsk/jobs/{job}/cleanup");
    // answered at once: who waits for its end would see nothing else meanwhile
    let body = json!({"delete_partial_resources": true}).to_string();
    let headers = [("prefer", "wait=0")];
    let sent = world.fleet.api.post_with(&path, &headers, body.as_bytes());
    let (status, answer) = sent.await.unwrap();
    assert_eq!(status, 202, "{answer}");
    answer["job_id"].as_str().unwrap().to_owned()
}

/// Until it says that it waits for the other.
async fn waits_for(world: &World, job: &str, other: &str) {
    let is_told = |job: &Value| !job["warnings"].as_array().unwrap().is_empty() || has_ended(job);
    let told = world
        .fleet
        .api
        .job_until(job, "to wait", TIMEOUT, is_told)
        .await
        .unwrap();
    let warning = told["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.contains(other), "{}", summary(&told));
}

#[tokio::test]
async fn an_import_beside_a_cleanup_of_the_same_pools_begins_when_they_are_gone() {
    let world = World::new(200, 3_000, 2).await;
    let first = world.import().await;
    world.assert_done(&world.ended(&first).await).await;
    world.fleet.simulators[0].reset_counts().await.unwrap();

    let cleanup = clean(&world, &first).await;
    // among the keys: pools and groups stand, and would be adopted
    world.written(40).await;
    let second = world.import().await;
    waits_for(&world, &second, &cleanup).await;

    let cleaned = world.ended(&cleanup).await;
    assert_eq!(cleaned["status"], "COMPLETED", "{}", summary(&cleaned));
    assert_eq!(cleaned["deleted"]["passphrases"], 200, "{cleaned}");
    let second = world.ended(&second).await;
    world.assert_done(&second).await;
    assert_eq!(resources(&second, "passphrases"), (200, 0));
    assert_eq!(resources(&second, "dpsk_pools").1, 0, "none of them was there any more");
}

#[tokio::test]
async fn a_cleanup_waits_for_an_import_that_builds_on_what_it_would_take_away() {
    let world = World::new(200, 3_000, 2).await;
    // the two halves of each pool: no key of one is of the other
    let (mut ours, mut theirs) = (world.export.clone(), world.export.clone());
    for (export, half) in [(&mut ours, 0), (&mut theirs, 1)] {
        for pool in export["dpskPools"].as_array_mut().unwrap() {
            let keys = pool["dpsks"].as_array_mut().unwrap();
            let mut turn = 0..;
            keys.retain(|_| turn.next().unwrap() % 2 == half);
        }
    }
    let import = async |export: &Value| {
        world
            .fleet
            .api
            .import(1, export, json!({"name_conflict": "adopt"}))
            .await
            .unwrap()
    };
    let first = import(&ours).await;
    let made = world.ended(&first).await;
    assert_eq!(made["status"], "COMPLETED", "{}", summary(&made));
    world.fleet.simulators[0].reset_counts().await.unwrap();

    let second = import(&theirs).await;
    world.written(20).await;
    let cleanup = clean(&world, &first).await;
    waits_for(&world, &cleanup, &second).await;

    let (second, cleaned) = (world.ended(&second).await, world.ended(&cleanup).await);
    assert_eq!(second["status"], "COMPLETED", "{}", summary(&second));
    assert_eq!(cleaned["status"], "COMPLETED", "{}", summary(&cleaned));
    let deleted = json!({"passphrases": resources(&made, "passphrases").0, "dpsk_pools": 0, "identity_groups": 0});
    assert_eq!(cleaned["deleted"], deleted, "what holds the others' keys stays");
    let ledger = world.fleet.simulators[0].ledger(REMOTE).await.unwrap();
    let left = ledger["passphrases"].as_array().unwrap().len() as u64;
    assert_eq!((left, 0), resources(&second, "passphrases"));
    assert_eq!(world.counts().await["duplicates"], 0);
}
