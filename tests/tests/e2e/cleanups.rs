//! Cleanups: whatever an import came to, and whoever dies on the way, RUCKUS One is as it was before.

use std::process::Stdio;

use serde_json::{Value, json};
use testkit::harness::wait_until;

use crate::world::{REMOTE, TIMEOUT, World};

/// Shortest time until take-over that the product takes.
const LOCK_TTL_SECONDS: u32 = 15;

/// What was there before the import: the first pool's group and pool fit and are adopted, with keys of others in it.
async fn seed(world: &World) {
    let pool = world.export["dpskPools"][0]["displayName"].as_str().unwrap();
    let (group, pool) = (format!("{pool}-IDG"), format!("{pool}-DPSK"));
    let seed = json!({"tenant": REMOTE, "identity_groups": [{"name": group, "description": "theirs"}, {"name": "Theirs"}],
        "dpsk_pools": [{"name": pool, "group": group, "passphraseFormat": "MOST_SECURED", "passphraseLength": 8}],
        "passphrases": [{"pool": pool, "username": "their guest", "passphrase": "their-own-secret"}]});
    world.fleet.simulators[0].seed(seed).await.unwrap();
}

/// Everything there is. An adopted object that was written to would tell by its time.
async fn state(world: &World) -> Value {
    let mut ledger = world.fleet.simulators[0].ledger(REMOTE).await.unwrap();
    ledger["totals"]["activities"] = Value::Null;
    ledger
}

async fn import(world: &World) -> String {
    let options = json!({"name_conflict": "adopt"});
    world.fleet.api.import(1, &world.export, options).await.unwrap()
}

/// Cleans up until it is told that all is gone; the job that did it.
async fn clean(world: &World, job: &str) -> Value {
    let path = format!("/api/cloudpath-dpsk/jobs/{job}/cleanup");
    let body = json!({"delete_partial_resources": true});
    let (status, answer) = world.fleet.api.post(&path, Some(&body)).await.unwrap();
    assert!(status == 200 || status == 202, "{status} {answer}");
    let cleanup = answer["job_id"].as_str().unwrap().to_owned();
    let ended = world.ended(&cleanup).await;
    assert_eq!(
        ended["status"],
        "COMPLETED",
        "{}",
        testkit::harness::api::summary(&ended)
    );
    let old = world.fleet.api.job(job).await.unwrap();
    assert_eq!(
        (&old["cleaned_by"], &ended["cleanup_of"]),
        (&json!(cleanup), &json!(job))
    );
    ended
}

async fn assert_nothing_left(world: &World, job: &str, before: &Value) {
    assert_eq!(&state(world).await, before);
    world.fleet.simulators[0].reset_counts().await.unwrap();
    let again = clean(world, job).await;
    assert_eq!(world.counts().await["writes"], 0);
    assert_eq!(again["summary"]["completed"], 0, "{}", again["summary"]);
    assert_eq!(&state(world).await, before);
}

#[tokio::test]
async fn after_a_cancelled_import_whose_worker_died_all_is_as_it_was() {
    let mut world = World::with(200, 6_000, 2, |plan| plan.lock_ttl_seconds = Some(LOCK_TTL_SECONDS)).await;
    seed(&world).await;
    let before = state(&world).await;
    let job = import(&world).await;
    let (victim, _) = world.catch(&job).await;
    world.fleet.workers[victim].process.kill();
    assert_eq!(world.fleet.api.steer(&job, "cancel").await.unwrap().0, 200);
    let ended = world.ended(&job).await;
    assert_eq!(ended["status"], "CANCELLED");
    assert_ne!(state(&world).await, before, "it has made something");
    let cleaned = clean(&world, &job).await;
    let created = &ended["summary"]["resources"]["passphrases"]["created"];
    assert_eq!(&cleaned["deleted"]["passphrases"], created);
    assert_nothing_left(&world, &job, &before).await;
}

#[tokio::test]
async fn after_a_partial_import_all_is_as_it_was_and_its_dry_run_said_so() {
    let world = World::new(120, 60_000, 2).await;
    seed(&world).await;
    let before = state(&world).await;
    let rule = json!({"operation": "create_passphrase", "nth": [3, 50, 77], "kind": "permanent_4xx"});
    let faults = json!({ "rules": [rule] });
    world.fleet.simulators[0].faults(faults).await.unwrap();
    let job = import(&world).await;
    assert_eq!(world.ended(&job).await["status"], "PARTIAL");
    let after = state(&world).await;

    let run = async |more: &[&str]| {
        let mut client = tokio::process::Command::from(world.fleet.client().unwrap());
        client
            .args(["cleanup", &job, "--wait", "60", "--json"])
            .args(more)
            .stdin(Stdio::null());
        let said = client.output().await.unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(
            said.status.code(),
            Some(0),
            "{text} {}",
            String::from_utf8_lossy(&said.stderr)
        );
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let planned = run(&["--dry-run"]).await;
    assert_eq!(
        (&planned["status"], state(&world).await),
        (&json!("planned"), after),
        "{planned}"
    );
    let cleaned = run(&[]).await;
    assert_eq!(
        (&cleaned["status"], &cleaned["deleted"]),
        (&json!("cleaned"), &planned["deleted"]),
        "{cleaned}"
    );
    assert_eq!(cleaned["deleted"]["passphrases"], 117);
    assert_nothing_left(&world, &job, &before).await;
}

#[tokio::test]
async fn a_cleaning_worker_that_is_killed_twice_leaves_nothing_behind() {
    let mut world = World::with(300, 6_000, 1, |plan| plan.lock_ttl_seconds = Some(LOCK_TTL_SECONDS)).await;
    seed(&world).await;
    let before = state(&world).await;
    let job = import(&world).await;
    let ended = world.ended(&job).await;
    assert_eq!(
        ended["status"],
        "COMPLETED",
        "{}",
        testkit::harness::api::summary(&ended)
    );
    world.fleet.simulators[0].reset_counts().await.unwrap();

    let path = format!("/api/v1/jobs/{job}/cleanup");
    let body = json!({"delete_partial_resources": true});
    let cleaning = world.fleet.api.post(&path, Some(&body));
    let first = async {
        // in the middle of the keys, and later among what held them
        let written = wait_until("some deletes", TIMEOUT, async || {
            (world.counts().await["writes"].as_u64()? >= 60).then_some(())
        });
        written.await.unwrap();
    };
    let (answer, ()) = tokio::join!(cleaning, first);
    let (_, answer) = answer.unwrap();
    let cleanup = answer["job_id"].as_str().unwrap().to_owned();
    for writes in [80, 200] {
        world.written(writes).await;
        let victim = world.fleet.running()[0];
        world.fleet.workers[victim].process.kill();
        world.fleet.add_worker().await.unwrap();
    }
    let ended = world.ended(&cleanup).await;
    assert_eq!(
        ended["status"],
        "COMPLETED",
        "{}",
        testkit::harness::api::summary(&ended)
    );
    assert_nothing_left(&world, &job, &before).await;
}
