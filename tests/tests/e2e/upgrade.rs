//! A rolling upgrade: workers of the first version and of this one share the jobs, whoever began them.

use serde_json::{Value, json};
use testkit::harness::api::{has_ended, summary};

use crate::world::{TIMEOUT, World, resources};

/// False in a clone without history, of which the first version can't be built: `tests/first-worker` says so, and `tests/run` sets this.
fn is_there() -> bool {
    std::env::var_os("PHASELINE_FIRST").is_none_or(|said| said != "absent")
}

/// Batches a worker has ended.
async fn ended(world: &World, worker: usize) -> f64 {
    let metrics = world.fleet.workers[worker].metrics().await.unwrap();
    metrics.get("phaseline_worker_batches_completed_total")
}

#[tokio::test]
async fn workers_of_both_versions_share_a_job() {
    if !is_there() {
        return;
    }
    let mut world = World::new(400, 6_000, 0).await;
    let old = world.fleet.add_first_worker().await.unwrap();
    let new = world.fleet.add_worker().await.unwrap();
    let job = world.import().await;
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
    assert_eq!(resources(&job, "passphrases"), (400, 0));
    let both = (ended(&world, old).await, ended(&world, new).await);
    assert!(both.0 >= 1.0 && both.1 >= 1.0, "one did nothing: {both:?}");
    // a second run, by either, finds all of it
    world.fleet.simulators[0].reset_counts().await.unwrap();
    let again = world.import().await;
    let again = world.ended(&again).await;
    world.assert_done(&again).await;
    assert_eq!(world.counts().await["writes"], 0);
}

/// What one version leaves behind in the middle of its work the other takes up, in both directions.
#[tokio::test]
async fn what_a_killed_worker_of_one_version_leaves_the_other_takes_up() {
    if !is_there() {
        return;
    }
    for is_old_first in [true, false] {
        let mut world = World::with(200, 6_000, 0, |plan| plan.lock_ttl_seconds = Some(15)).await;
        let add = async |world: &mut World, is_old: bool| match is_old {
            true => world.fleet.add_first_worker().await.unwrap(),
            false => world.fleet.add_worker().await.unwrap(),
        };
        add(&mut world, is_old_first).await;
        let job = world.import().await;
        world.written(60).await;
        let (first, held) = world.catch(&job).await;
        assert!(held.batches() > 0);
        world.fleet.workers[first].process.kill();
        let second = add(&mut world, !is_old_first).await;
        let job = world.ended(&job).await;
        assert_eq!(job["status"], "COMPLETED", "{}", summary(&job));
        world.assert_done(&job).await;
        assert!(ended(&world, second).await >= 1.0);
    }
}

fn phase<'a>(job: &'a Value, id: &str) -> &'a Value {
    let phases = job["phases"].as_array().unwrap();
    phases.iter().find(|phase| phase["id"] == id).unwrap()
}

/// The first version does not know what a cleanup has reserved, nor how to run one: it goes on as far as nothing is being deleted,
/// and then waits for the phase that deletes.
#[tokio::test]
async fn an_import_of_the_first_version_waits_for_a_cleanup_of_this_one() {
    if !is_there() {
        return;
    }
    let mut world = World::new(60, 6_000, 1).await;
    let made = world.import().await;
    world.assert_done(&world.ended(&made).await).await;

    // held while its pools are being deleted
    let locked = json!({"rules": [{"operation": "DELETE /dpskServices/{poolId}", "kind": "locked_423"}]});
    world.fleet.simulators[0].faults(locked).await.unwrap();
    let path = format!("/api/cloudpath-dpsk/jobs/{made}/cleanup");
    let body = json!({"delete_partial_resources": true}).to_string();
    let sent = world
        .fleet
        .api
        .post_with(&path, &[("prefer", "wait=0")], body.as_bytes());
    let (_, answer) = sent.await.unwrap();
    let cleanup = answer["job_id"].as_str().unwrap().to_owned();
    let deletes_pools = |job: &Value| phase(job, "delete_dpsk_pools")["tasks"]["total"] != 0;
    let api = &world.fleet.api;
    api.job_until(&cleanup, "to delete pools", TIMEOUT, deletes_pools)
        .await
        .unwrap();
    let (status, answer) = api.steer(&cleanup, "pause").await.unwrap();
    assert_eq!(status, 200, "{answer}");
    world.fleet.workers[0].process.terminate().await.unwrap();
    world.fleet.simulators[0].faults(json!({"rules": []})).await.unwrap();

    let first = world.fleet.add_first_worker().await.unwrap();
    let import = world.import().await;
    let waits = |job: &Value| has_ended(job) || !job["warnings"].as_array().unwrap().is_empty();
    let api = &world.fleet.api;
    let told = api.job_until(&import, "to wait", TIMEOUT, waits).await.unwrap();
    let begun = ["create_identity_groups", "create_dpsk_pools"].map(|id| &phase(&told, id)["status"]);
    assert_eq!(begun, ["COMPLETED", "RUNNING"], "{}", summary(&told));
    let warning = told["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.contains(&cleanup), "{}", summary(&told));

    world.fleet.workers[first].process.terminate().await.unwrap();
    world.fleet.add_worker().await.unwrap();
    let (status, answer) = world.fleet.api.steer(&cleanup, "cancel").await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let import = world.ended(&import).await;
    // that of people who were left without their keys is told
    assert_eq!(resources(&import, "passphrases"), (60, 0), "{}", summary(&import));
    assert_eq!(resources(&import, "dpsk_pools"), (0, 2), "{}", summary(&import));
}
