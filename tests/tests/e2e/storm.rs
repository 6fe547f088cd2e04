//! The whole import against a RUCKUS One in fair weather and in every weather at once: what the job says of each of its tasks has to be
//! what is there.

use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::harness::Plan;
use testkit::scene::{Scene, not_mended};
use testkit::sim;
use testkit::verify::rows::{Case, account};
use testkit::verify::{Options, verify_with};

use crate::world::{REMOTE, World};

/// Activities that never end are given up after eight seconds, and retries come soon.
fn hurry(plan: &mut Plan) {
    let settings = [
        ("ASYNC_POLL_INTERVAL", "0.5"),
        ("ASYNC_MAX_ATTEMPTS", "16"),
        ("TASK_RETRY_BACKOFF", "0.3"),
    ];
    let pairs = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    plan.environment.extend(pairs);
}

async fn ledger(world: &World) -> Value {
    world.fleet.simulators[0].ledger(REMOTE).await.unwrap()
}

/// With policies and networks; what they need is there.
async fn set_up(world: &World) -> Scene {
    let scene = Scene::of(&world.export, true, true).unwrap();
    let mut seed = scene.seed.clone();
    seed.insert("tenant".to_owned(), REMOTE.into());
    world.fleet.simulators[0].seed(seed.into()).await.unwrap();
    scene
}

/// Imports, and holds the job to its word. Answers the job.
async fn import(world: &World, scene: &Scene) -> (Value, Vec<String>) {
    let (before, submitted) = (ledger(world).await, Timestamp::now());
    let options: Value = scene.options.clone().into();
    let id = world.fleet.api.import(1, &world.export, options.clone()).await.unwrap();
    let job = world.ended(&id).await;
    let (tasks, after) = (world.fleet.api.tasks(&id).await.unwrap(), ledger(world).await);
    let case = Case {
        export: &world.export,
        options: &Options::read(&options),
        submitted,
        job: &job,
        tasks: &tasks,
        before: &before,
        after: &after,
    };
    let untruths = account(&case).unwrap();
    (job, untruths)
}

#[tokio::test]
async fn five_hundred_keys_with_everything_stand_once_and_a_second_run_writes_nothing() {
    let world = World::new(500, 60_000, 2).await;
    let scene = set_up(&world).await;
    let options = Options::read(&scene.options.clone().into());
    for run in ["first", "second"] {
        world.fleet.simulators[0].reset_counts().await.unwrap();
        let (job, untruths) = import(&world, &scene).await;
        assert_eq!(
            job["status"],
            "COMPLETED",
            "{run}: {}",
            testkit::harness::api::summary(&job)
        );
        let verdict = verify_with(&world.export, &options, &ledger(&world).await, world.submitted).unwrap();
        assert!(verdict.agrees(), "{run}: {verdict:#?}");
        assert!(untruths.is_empty(), "{run}: {untruths:#?}");
        let counts = world.counts().await;
        assert_eq!(
            (&counts["duplicates"], &counts["relinks"]),
            (&0.into(), &0.into()),
            "{run}"
        );
        if run == "second" {
            assert_eq!(
                (&counts["writes"], &counts["ap_pushes"]),
                (&0.into(), &0.into()),
                "{counts}"
            );
        }
    }
}

/// The world after the storm, and the scene that was played in it.
async fn weather(seed: u64) -> (World, Scene) {
    let mut world = World::with(160, 60_000, 2, hurry).await;
    world.export = testkit::export::full(160, seed, world.submitted);
    let scene = set_up(&world).await;
    world.fleet.simulators[0].faults(sim::storm(seed, None)).await.unwrap();
    let (job, untruths) = import(&world, &scene).await;
    let told = format!("seed {seed}: {untruths:#?}\n{}", testkit::harness::api::summary(&job));
    assert!(job["status"] == "COMPLETED" || job["status"] == "PARTIAL", "{told}");
    assert!(untruths.is_empty(), "{told}");
    let counts = world.counts().await;
    let twice = format!("{} {}", counts["existing_twice"], counts["refused"]);
    assert_eq!(counts["duplicates"], 0, "{told}\n{twice}");
    let injected = counts["injected"].as_object().unwrap();
    assert!(injected.len() >= 20, "seed {seed}: few kinds of fault: {injected:?}");
    (world, scene)
}

#[tokio::test]
async fn a_job_tells_the_truth_in_a_storm() {
    weather(1).await;
}

#[tokio::test]
async fn a_job_tells_the_truth_in_another_storm() {
    weather(2).await;
}

#[tokio::test]
async fn what_a_storm_left_undone_is_done_by_a_second_import() {
    let (world, mut scene) = weather(3).await;
    world.fleet.simulators[0].faults(json!({"rules": []})).await.unwrap();
    scene.mend();
    let (job, untruths) = import(&world, &scene).await;
    let told = format!("{untruths:#?}\n{}", testkit::harness::api::summary(&job));
    assert!(untruths.is_empty(), "{told}");
    let tasks = world.fleet.api.tasks(job["id"].as_str().unwrap()).await.unwrap();
    let others = not_mended(&tasks);
    assert!(others.is_empty(), "{others:#?}\n{told}");
    let options = Options::read(&scene.options.clone().into());
    let verdict = verify_with(&world.export, &options, &ledger(&world).await, world.submitted).unwrap();
    let failed = tasks
        .iter()
        .filter(|task| task["phase"] == "create_passphrases" && task["status"] == "FAILED");
    assert_eq!(
        verdict.keys_right + failed.count(),
        verdict.keys_expected,
        "{told}\n{verdict:#?}"
    );
}
