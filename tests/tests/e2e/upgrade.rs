//! A rolling upgrade: workers of the first version and of this one share the jobs, whoever began them.

use testkit::harness::api::summary;

use crate::world::{World, resources};

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
