//! Pause, resume, cancel, from outside.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::harness::wait_until;

use crate::world::{TIMEOUT, World, resources};

/// 300 keys at 100 calls a second.
async fn running() -> (World, String) {
    let world = World::new(300, 6000, 2).await;
    let job = world.import().await;
    world.written(60).await;
    (world, job)
}

/// Writes at the simulator once they have stopped: none within a second, in which a hundred would have been.
async fn writes_at_rest(world: &World) -> u64 {
    let now = async || world.counts().await["writes"].as_u64().unwrap();
    let rest = wait_until("writes to stop", TIMEOUT, async || {
        let before = now().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        (now().await == before).then_some(before)
    });
    rest.await.unwrap()
}

#[tokio::test]
async fn a_paused_job_writes_nothing_until_it_is_resumed() {
    let (world, job) = running().await;
    let api = &world.fleet.api;
    assert_eq!(api.steer(&job, "pause").await.unwrap().0, 200);
    let paused = api
        .job_until(&job, "to pause", TIMEOUT, |job: &Value| job["status"] == "PAUSED")
        .await
        .unwrap();
    assert_eq!(paused["limited_by"], "paused");
    let writes = writes_at_rest(&world).await;
    assert!(writes < 304, "it was paused on the way");
    // again changes nothing
    let (status, again) = api.steer(&job, "pause").await.unwrap();
    assert_eq!((status, &again["changed"]), (200, &Value::Bool(false)));
    assert_eq!(world.counts().await["writes"], writes);

    assert_eq!(api.steer(&job, "resume").await.unwrap().0, 200);
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
    assert_eq!(resources(&job, "passphrases"), (300, 0));
}

#[tokio::test]
async fn an_import_that_is_to_be_confirmed_asks_the_controller_nothing_before() {
    let world = World::new(20, 60_000, 1).await;
    let api = &world.fleet.api;
    let options = json!({"require_confirmation": true});
    let held = api.import(1, &world.export, options.clone()).await.unwrap();
    // the same again, and an import that is not held: the worker does work, and nothing of the held ones
    let unwanted = api.import(1, &world.export, options).await.unwrap();
    let mut other = testkit::export::full(5, 12, world.submitted);
    for pool in other["dpskPools"].as_array_mut().unwrap() {
        pool["displayName"] = format!("Other {}", pool["displayName"].as_str().unwrap()).into();
    }
    let beside = api.import(1, &other, json!({})).await.unwrap();
    assert_eq!(world.ended(&beside).await["status"], "COMPLETED");
    let calls = async || {
        let counts = world.counts().await;
        ["writes", "reads"].map(|kind| counts[kind].as_u64().unwrap())
    };
    let before = calls().await;
    for id in [&held, &unwanted] {
        let job = api.job(id).await.unwrap();
        assert_eq!(
            (&job["status"], &job["started_at"]),
            (&json!("AWAITING_CONFIRMATION"), &Value::Null)
        );
    }
    assert_eq!(api.steer(&unwanted, "cancel").await.unwrap().0, 200);
    assert_eq!(world.ended(&unwanted).await["status"], "CANCELLED");
    assert_eq!(calls().await, before, "nothing was asked for either");

    let (status, told) = api.steer(&held, "confirm").await.unwrap();
    assert_eq!((status, &told["status"]), (200, &json!("PENDING")));
    let job = world.ended(&held).await;
    assert_eq!(job["status"], "COMPLETED");
    assert_eq!(resources(&job, "passphrases").0, 20);
}

#[tokio::test]
async fn a_cancelled_job_ends_what_it_began_and_tells_all_it_created() {
    let (world, job) = running().await;
    let api = &world.fleet.api;
    assert_eq!(api.steer(&job, "cancel").await.unwrap().0, 200);
    let ended = world.ended(&job).await;
    assert_eq!(ended["status"], "CANCELLED");
    let writes = writes_at_rest(&world).await;
    let verdict = world.verdict().await;
    assert!(verdict.keys_right < 300, "it was cancelled on the way");
    assert!(
        verdict.different.is_empty() && verdict.extra.is_empty() && verdict.duplicates.is_empty(),
        "{verdict:#?}"
    );
    assert_eq!(
        resources(&ended, "passphrases"),
        (verdict.keys_right as u64, 0),
        "the ledger and the job agree"
    );
    // every task has an outcome, and none is a failure
    let phase = ended["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|phase| phase["id"] == "create_passphrases")
        .unwrap();
    let of = |what: &str| phase["tasks"][what].as_u64().unwrap();
    assert_eq!(
        (
            of("total"),
            of("completed") + of("cancelled"),
            of("failed") + of("unknown")
        ),
        (300, 300, 0),
        "{phase}"
    );

    assert_eq!(api.steer(&job, "cancel").await.unwrap().0, 200);
    for call in ["pause", "resume"] {
        let (status, problem) = api.steer(&job, call).await.unwrap();
        assert_eq!((status, &problem["state"]), (409, &"CANCELLED".into()), "{problem}");
    }
    assert_eq!(world.counts().await["writes"], writes);
}

/// The promise: two seconds after a cancel is answered no call begins but to settle what was accepted.
#[tokio::test]
async fn a_cancelled_job_writes_nothing_two_seconds_later() {
    // nine seconds' worth of calls
    let world = World::new(900, 6000, 2).await;
    let job = world.import().await;
    world.written(60).await;
    assert_eq!(world.fleet.api.steer(&job, "cancel").await.unwrap().0, 200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let writes = world.counts().await["writes"].as_u64().unwrap();
    let ended = world.ended(&job).await;
    assert_eq!(ended["status"], "CANCELLED");
    assert_eq!(world.counts().await["writes"], writes);
    assert!(writes < 600, "it was cancelled on the way: {writes}");
    assert_eq!(
        ended["summary"]["unknown"], 0,
        "what was accepted is settled: {}",
        ended["summary"]
    );
}
