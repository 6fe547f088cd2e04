//! Workers and Redis die, freeze and wake while work is under way. Nothing is lost, nothing comes twice.

use testkit::harness::{Signal, wait_until};

use crate::world::{TIMEOUT, World};

/// Shortest time until take-over that the product takes.
const LOCK_TTL_SECONDS: u32 = 15;

/// 300 keys at 100 calls a second.
async fn world() -> World {
    World::with(300, 6000, 2, |plan| plan.lock_ttl_seconds = Some(LOCK_TTL_SECONDS)).await
}

#[tokio::test]
async fn a_killed_workers_batches_are_finished_by_the_other() {
    let mut world = world().await;
    let job = world.import().await;
    let (victim, held) = world.catch(&job).await;
    world.fleet.workers[victim].process.kill();
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
    let other = world.fleet.running()[0];
    let metrics = world.fleet.workers[other].metrics().await.unwrap();
    let reclaimed = metrics.get("phaseline_worker_batches_reclaimed_total");
    assert!(
        reclaimed >= held.units.len() as f64,
        "{reclaimed} of {}",
        held.units.len()
    );
}

#[tokio::test]
async fn a_frozen_worker_that_wakes_changes_nothing() {
    let mut world = world().await;
    let job = world.import().await;
    let (victim, held) = world.catch(&job).await;
    let fleet = &world.fleet;
    let gone = wait_until("take-over", TIMEOUT, async || {
        fleet
            .held(victim)
            .is_ok_and(|now| now.units.is_disjoint(&held.units))
            .then_some(())
    });
    gone.await.unwrap();
    world.fleet.workers[victim].process.signal(Signal::Continue).unwrap();
    let worker = &world.fleet.workers[victim];
    let fenced = wait_until("a fenced write", TIMEOUT, async || {
        let metrics = worker.metrics().await.ok()?;
        (metrics.get("phaseline_worker_writes_fenced_total") >= 1.0).then_some(())
    });
    fenced.await.unwrap();
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
}

#[tokio::test]
async fn redis_is_killed_three_times_and_nothing_accepted_is_lost() {
    let mut world = world().await;
    let job = world.import().await;
    for writes in [10, 100, 220] {
        world.written(writes).await;
        world.fleet.kill_redis();
        // nothing is accepted or told while Redis is away
        let (status, answer) = world.fleet.api.get(&format!("/api/v1/jobs/{job}")).await.unwrap();
        assert_eq!(status, 503, "{answer}");
        world.fleet.restart_redis().unwrap();
    }
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
}

#[tokio::test]
async fn a_worker_told_to_stop_ends_by_itself_and_hands_its_work_on() {
    let mut world = world().await;
    let job = world.import().await;
    world.written(60).await;
    let ended = world.fleet.workers[0].process.terminate().await.unwrap();
    assert!(ended.success(), "{ended}");
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
}

#[tokio::test]
async fn an_api_that_is_killed_comes_back_and_knows_the_job() {
    let mut world = world().await;
    let job = world.import().await;
    world.written(60).await;
    world.fleet.restart_api().await.unwrap();
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
    assert_eq!(world.fleet.api.jobs().await.unwrap().len(), 1);
}
