//! Controllers that fail, workers that vanish, a Redis that is killed.

use std::time::{Duration, Instant};

use serde_json::json;
use shared::id::JobId;
use shared::job::{JobStatus, TaskStatus};
use shared::store::model::{JobView, TaskFilter};
use shared::store::{UnitState, UnitView};
use testkit::harness::resp::Resp;

use crate::toy::{Fault, Toy, Toys};
use crate::world::{TWO_PHASES, World, check_sums, definition};

fn toy(rate: f64) -> (Toy, Toys) {
    let toy = Toy::new("c1", rate);
    (toy.clone(), Toys([(1, toy)].into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_and_passing_errors_double_nothing() {
    let (t, toys) = toy(500.0);
    for i in 0..30 {
        let fault = [Fault::LostReply, Fault::Refused, Fault::Throttled(0)][i % 3];
        t.fault(&format!("b{i}"), 0, fault);
    }
    let w = World::start(toys, 2).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 60 }))).await;
    let v = w.ended(job).await;
    check_sums(&v);
    let l = t.ledger.lock().unwrap();
    assert_eq!(
        (v.status, l.things.len(), l.refused_doubles),
        (JobStatus::Completed, 120, 0),
        "{v:#?}"
    );
    assert_eq!(
        v.resources["thing"].created, 120,
        "found again after a lost reply is still ours"
    );
    assert!(l.things.values().all(|n| *n == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_apart() {
    let (t, toys) = toy(500.0);
    t.fault("b1", 0, Fault::ActivityFails);
    t.fault("b2", 0, Fault::Rejected);
    t.fault("b3", 0, Fault::NeverEnds);
    let w = World::with(toys, 1, |e| e.poll_attempts_max = 6).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 10 }))).await;
    let v = w.ended(job).await;
    check_sums(&v);
    assert_eq!(
        (v.status, v.counts.failed, v.counts.unknown),
        (JobStatus::Partial, 2, 0),
        "{v:#?}"
    );
    let failed = TaskFilter {
        status: vec![TaskStatus::Failed],
        ..TaskFilter::default()
    };
    let known = w.store.known_job(&World::tenant(), job).await.unwrap().unwrap();
    let page = w.store.tasks(&known, &failed, None, 50).await.unwrap();
    let mut codes: Vec<_> = page.items.into_iter().filter_map(|t| t.error_code).collect();
    codes.sort();
    assert_eq!(codes, ["HTTP_400", "TOY"]);
    assert!(
        t.ledger.lock().unwrap().reads > 0,
        "the one that never ended was read back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vanished_worker_is_replaced_without_doubling_anything() {
    let (t, toys) = toy(60.0);
    // shorter than the product allows: tests do not wait a quarter of a minute
    let mut w = World::with(toys, 2, |e| e.lock_ttl = Duration::from_secs(4)).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 200 }))).await;
    w.wait(job, Duration::from_secs(30), |v| v.counts.completed >= 200)
        .await;
    let victim = w.workers.remove(0);
    // every loop ends at once; its runs go on as a zombie's would, without heartbeat
    victim.stop_loops();
    let v = w.ended(job).await;
    check_sums(&v);
    let l = t.ledger.lock().unwrap();
    assert_eq!((v.status, l.things.len()), (JobStatus::Completed, 400), "{v:#?}");
    assert!(l.things.values().all(|n| *n == 1));
}

/// The first batch of a job, when it is as it should be.
async fn claimed(w: &World, job: JobId, is_so: impl Fn(&UnitView) -> bool) -> UnitView {
    let partition = w.store.partition_of(&World::tenant());
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (units, _) = w.store.units(partition, job).await.unwrap();
        let batch = units.into_iter().find(|unit| unit.batch == 0);
        if let Some(unit) = batch.filter(|unit| unit.state == UnitState::Claimed && is_so(unit)) {
            return unit;
        }
        assert!(Instant::now() < deadline, "{:#?}", w.view(job).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A look that ends its worker, again and again, would otherwise never be given up.
#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_was_found_is_no_progress() {
    let t = Toy::new("c1", 60.0).stopping_after(0).without_looks();
    let toys = Toys([(1, t.clone())].into());
    let mut w = World::with(toys, 1, |e| e.lock_ttl = Duration::from_secs(4)).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 5 }))).await;
    for deaths in 0..3 {
        // of the first worker the writes are not answered, of those that take over the looks
        let unit = claimed(&w, job, |unit| {
            unit.checkpoints.values().sum::<u64>() == 5 && t.ledger.lock().unwrap().reads == deaths
        })
        .await;
        assert_eq!((unit.crashes, unit.claims), (deaths.into(), u64::from(deaths) + 1));
        w.workers.remove(0).stop_loops();
        w.add_worker().await;
    }
    t.answer();
    let v = w.ended(job).await;
    assert_eq!((v.status, v.counts.completed), (JobStatus::Completed, 10), "{v:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_loses_nothing() {
    let (t, toys) = toy(100.0);
    let mut w = World::with(toys, 2, |e| e.lock_ttl = Duration::from_secs(4)).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 150 }))).await;
    for done in [30, 120] {
        w.wait(job, Duration::from_secs(40), |v| v.counts.completed >= done)
            .await;
        w.redis.kill();
        w.redis.restart().unwrap();
    }
    let v = w.ended(job).await;
    check_sums(&v);
    let l = t.ledger.lock().unwrap();
    assert_eq!(
        (v.status, l.things.len(), l.refused_doubles),
        (JobStatus::Completed, 300, 0),
        "{v:#?}"
    );
    assert!(l.things.values().all(|n| *n == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_worker_hands_back_and_counts_as_no_crash() {
    let t = Toy::new("c1", 200.0).stopping_after(20);
    let mut w = World::with(Toys([(1, t.clone())].into()), 2, |e| {
        e.shutdown_grace = Duration::from_secs(8);
        // so that nothing is taken over because a machine is slow
        e.lock_ttl = Duration::from_secs(40);
        // of the sixty batches neither can have all
        e.slots = 36;
    })
    .await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 300 }))).await;
    // more than can be under way at once, 50 calls
    let enough = |_: &JobView| w.workers[0].core.active.len() >= 15;
    w.wait(job, Duration::from_secs(30), enough).await;
    let leaving = w.workers.remove(0);
    let core = leaving.core.clone();
    let toy = t.clone();
    tokio::spawn(async move {
        // nothing could be finished in time
        core.give_back.cancelled().await;
        toy.answer();
    });
    worker::engine::drain::run(&leaving.core).await;
    assert!(leaving.core.active.is_empty(), "it still holds something");
    assert!(
        leaving.core.metrics.batches_released.get() > 0,
        "nothing was handed back"
    );
    let v = w.wait(job, Duration::from_secs(100), |v| v.status.is_terminal()).await;
    check_sums(&v);
    let l = t.ledger.lock().unwrap();
    assert_eq!(
        (v.status, l.things.len(), l.refused_doubles),
        (JobStatus::Completed, 600, 0)
    );
    let taken_over = w.workers[0].core.metrics.batches_reclaimed.get();
    assert_eq!(taken_over, 0, "what was handed back was waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_worker_hands_polling_on() {
    let (t, toys) = toy(500.0);
    for i in 0..5 {
        t.fault(&format!("a{i}"), 0, Fault::NeverEnds);
    }
    let mut w = World::start(toys, 2).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 5 }))).await;
    w.wait(job, Duration::from_secs(30), |_| t.ledger.lock().unwrap().polls > 0)
        .await;
    let store = w.store.clone();
    let asks = async |worker: &shared::id::WorkerId| store.poll_lease("c1", worker, 5000).await.unwrap();
    let polls_now = asks(&w.workers[0].core.worker).await.1;
    let leaving = w.workers.remove(usize::from(!polls_now));
    worker::engine::drain::run(&leaving.core).await;
    let (pending, ours) = asks(&w.workers[0].core.worker).await;
    assert!(
        pending > 0 && ours,
        "the one that stays has to wait for the lease to run out"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_controllers_trouble_is_not_anothers() {
    for down in [false, true] {
        let (busy, idle) = (Toy::new("busy", 20.0), Toy::new("idle", 50.0));
        let toys = Toys([(1, busy.clone()), (2, idle)].into());
        let w = World::start(toys, 2).await;
        let d = definition(TWO_PHASES);
        let took = |v: &shared::store::model::JobView| v.completed_ms.unwrap() - v.created_ms;
        let alone = w.submit(&w.job(d, 2, json!({ "n": 5 }))).await;
        let alone_ms = took(&w.ended(alone).await);
        let big = w.submit(&w.job(d, 1, json!({ "n": 2000 }))).await;
        w.wait(big, Duration::from_secs(30), |v| v.counts.completed >= 20).await;
        busy.ledger.lock().unwrap().down = down;
        if down {
            w.wait(big, Duration::from_secs(30), |v| v.limited_by == "cool_down")
                .await;
        }
        let small = w.submit(&w.job(d, 2, json!({ "n": 5, "tag": "x" }))).await;
        let v = w.ended(small).await;
        assert_eq!(v.status, JobStatus::Completed);
        let ms = took(&v);
        println!(
            "10 tasks: {ms} ms beside a controller that is {}, {alone_ms} ms alone",
            if down { "down" } else { "saturated" }
        );
        assert!(ms <= 2 * alone_ms + 500, "{ms} ms, {alone_ms} ms alone, down: {down}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_comes_back_is_used_again_and_no_task_failed() {
    let (t, toys) = toy(100.0);
    // no task has a second try: an unreachable controller is no first one
    let w = World::with(toys, 2, |e| e.retry_max = 0).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 150 }))).await;
    w.wait(job, Duration::from_secs(30), |v| v.counts.completed >= 20).await;
    t.ledger.lock().unwrap().down = true;
    w.wait(job, Duration::from_secs(30), |v| v.limited_by == "cool_down")
        .await;
    t.ledger.lock().unwrap().down = false;
    let v = w.ended(job).await;
    check_sums(&v);
    let l = t.ledger.lock().unwrap();
    assert_eq!(
        (v.status, l.things.len(), l.refused_doubles),
        (JobStatus::Completed, 300, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_share_a_controllers_calls() {
    let (t, toys) = toy(60.0);
    let w = World::start(toys, 2).await;
    let d = definition(TWO_PHASES);
    let tags = ["x", "y"];
    let mut jobs = Vec::new();
    for tag in tags {
        jobs.push(w.submit(&w.job(d, 1, json!({ "n": 1000, "tag": tag }))).await);
    }
    for job in jobs {
        w.wait(job, Duration::from_secs(30), |v| v.counts.tasks > 0).await;
    }
    let made = || {
        let l = t.ledger.lock().unwrap();
        tags.map(|tag| l.things.keys().filter(|k| k[1..].starts_with(tag)).count())
    };
    let before = made();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let after = made();
    let share: Vec<f64> = (0..2).map(|i| (after[i] - before[i]) as f64).collect();
    let all = share[0] + share[1];
    println!("two jobs got {} and {} of {all} calls", share[0], share[1]);
    assert!(all > 300.0, "the controller's rate was not used: {all} calls");
    assert!(share.iter().all(|s| *s >= 0.4 * all), "{share:?}");
}

/// While Redis is full a plan waits outside of its slot, so that what was begun can end; then all goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_room_holds_no_slot() {
    let (_, toys) = toy(500.0);
    let mut w = World::with(toys, 0, |e| e.slots = 1).await;
    let mut jobs = Vec::new();
    for tag in ["x", "y"] {
        let options = json!({ "n": 5, "tag": tag });
        jobs.push(w.submit(&w.job(definition(TWO_PHASES), 1, options)).await);
    }
    let mut redis = Resp::connect(w.redis.port()).unwrap();
    redis.call(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    w.add_worker().await;
    // the one slot has looked at both plans
    for job in &jobs {
        let due = w
            .wait(*job, Duration::from_secs(20), |v| v.status == JobStatus::Running)
            .await;
        assert_eq!(due.counts.tasks, 0, "nothing could be planned");
    }
    redis.call(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    for job in jobs {
        assert_eq!(w.ended(job).await.status, JobStatus::Completed);
    }
}

/// A lock is somebody else's change under way: waiting for its end uses up no retries.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_locked_is_waited_for() {
    let toy = Toy::new("c1", 200.0);
    for nth in 0..2 {
        toy.fault("a0", nth, Fault::Locked);
    }
    let w = World::with(Toys([(1, toy)].into()), 1, |e| e.retry_max = 0).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 3 }))).await;
    let v = w.ended(job).await;
    check_sums(&v);
    assert_eq!((v.status, v.counts.completed), (JobStatus::Completed, 6), "{v:#?}");
}
