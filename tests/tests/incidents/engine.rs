//! State of jobs: the engine on a real Redis.

use std::time::Duration;

use serde_json::json;
use shared::job::{JobStatus, PhaseStatus};
use shared::store::model::Steered;
use testkit::harness::resp::Resp;
use testkit::harness::wait_until;

use crate::bench::{TWO_PHASES, World, check_sums, definition};
use crate::toy::{Fault, Toy, Toys};

const SOON: Duration = Duration::from_secs(30);
const P: &str = "workflow:{p0}:";

fn toy(rate: f64) -> (Toy, Toys) {
    let toy = Toy::new("c1", rate);
    (toy.clone(), Toys([(1, toy)].into()))
}

/// The job's state was one blob, read, changed and written back. 80 units that added what they had created overwrote each other, and
/// the end of a phase: the next one was ready and never scheduled. Here: 80 batches of one task commit at once from four workers, every
/// sum is exact, and the next phase runs.
#[tokio::test(flavor = "multi_thread")]
async fn lost_updates_of_eighty_units_at_once() {
    const ONE_BY_ONE: &str = "
name: toy
version: 1
phases:
  - {id: first, name: First, executor: toy.first, critical: true, batch_size: 1}
  - {id: second, name: Second, executor: toy.second, dependencies: [first], batch_size: 1}
";
    let (t, toys) = toy(5000.0);
    let w = World::start(toys, 4).await;
    let job = w.submit(&w.job(definition(ONE_BY_ONE), 1, json!({ "n": 80 }))).await;
    let v = w.ended(job).await;
    check_sums(&v);
    assert_eq!((v.status, v.counts.completed), (JobStatus::Completed, 160), "{v:#?}");
    assert_eq!((v.resources["thing"].created, v.resources["thing"].adopted), (160, 0));
    let phases: Vec<_> = v.phases.iter().map(|p| (p.status, p.counts.completed)).collect();
    assert_eq!(phases, [(PhaseStatus::Completed, 80); 2]);
    assert_eq!(t.ledger.lock().unwrap().things.len(), 160);
}

/// With nothing in flight and nothing ready the scheduler looped without a heartbeat, until a reaper failed the job; the cause was
/// units flagged running that nobody ran. Here: an idle worker stays known; a unit that was delivered to a worker that is no more,
/// and one whose entry is lost altogether, are found and done.
#[tokio::test(flavor = "multi_thread")]
async fn stall_of_units_that_nobody_runs() {
    let (t, toys) = toy(500.0);
    // shorter than the product allows: tests do not wait a quarter of a minute
    let mut w = World::with(toys, 0, |e| e.lock_ttl = Duration::from_secs(4)).await;
    let mut redis = Resp::connect(w.redis.port()).unwrap();
    let work = format!("{P}work");
    let mut jobs = Vec::new();
    for tag in ["x", "y"] {
        jobs.push(
            w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 4, "tag": tag })))
                .await,
        );
    }
    let ghost = redis
        .call(&[
            "XREADGROUP",
            "GROUP",
            "workers",
            "ghost",
            "COUNT",
            "2",
            "STREAMS",
            &work,
            ">",
        ])
        .unwrap();
    let entries = ghost.list()[0].list()[1].list().to_vec();
    assert_eq!(entries.len(), 2, "the plans of two jobs, in the hands of nobody");
    let lost = entries[1].list()[0].text();
    redis.call(&["XACK", &work, "workers", &lost]).unwrap();
    redis.call(&["XDEL", &work, &lost]).unwrap();

    w.add_worker().await;
    let worker = w.workers[0].core.worker.to_string();
    let mut beat = || redis.call(&["ZSCORE", &format!("{P}workers"), &worker]).unwrap().text();
    let mut beats = Vec::new();
    let known = wait_until("an idle worker to be heard of three times", SOON, async || {
        let now = beat();
        if !now.is_empty() && beats.last() != Some(&now) {
            beats.push(now);
        }
        (beats.len() >= 3).then_some(())
    });
    known.await.unwrap();
    for job in jobs {
        let v = w.ended(job).await;
        check_sums(&v);
        assert_eq!(v.status, JobStatus::Completed, "{v:#?}");
    }
    assert_eq!(t.ledger.lock().unwrap().things.len(), 16);
}

/// A job that could not go on was failed with a generic text. Here its error says where it stood, and which phases waited for that.
#[tokio::test(flavor = "multi_thread")]
async fn stall_at_the_deadline_names_the_blocked_phases() {
    let (_, toys) = toy(5.0);
    let w = World::start(toys, 1).await;
    let mut new = w.job(definition(TWO_PHASES), 1, json!({ "n": 400 }));
    new.timeout_seconds = 2;
    let job = w.submit(&new).await;
    let v = w.ended(job).await;
    check_sums(&v);
    assert_eq!((v.status, v.errors[0].code.as_str()), (JobStatus::Failed, "TIMEOUT"));
    let message = &v.errors[0].message;
    let done = v.phases[0].counts.completed;
    let stood = format!("; it stood in: First ({done} of 400 tasks done); waiting for that: Skipped, Second");
    assert!(message.contains(&stood), "{message}");
}

/// The engine crashed and the job stayed RUNNING without a word. Here: without a worker the job says that none runs; the next one goes
/// on to a true end; and nothing changes a job that has ended, nor one whose Redis is away.
#[tokio::test(flavor = "multi_thread")]
async fn engine_crash_leaves_no_silent_job() {
    let (t, toys) = toy(60.0);
    let mut w = World::with(toys, 1, |e| e.lock_ttl = Duration::from_secs(4)).await;
    t.fault("b3", 0, Fault::Rejected);
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 60 }))).await;
    w.wait(job, SOON, |v| v.counts.completed >= 10).await;
    w.workers.remove(0).stop_loops();
    let silent = w.wait(job, SOON, |v| v.is_without_workers).await;
    assert_eq!(silent.status, JobStatus::Running, "not ended by anybody's guess");
    w.add_worker().await;
    let v = w.ended(job).await;
    check_sums(&v);
    assert_eq!((v.status, v.counts.failed), (JobStatus::Partial, 1), "{v:#?}");
    assert_eq!(v.errors[0].code, "HTTP_400", "the real error");
    let tenant = World::tenant();
    assert_eq!(
        w.store.cancel(&tenant, job, "too late").await.unwrap(),
        Steered::Refused(JobStatus::Partial)
    );
    assert_eq!(w.view(job).await.status, JobStatus::Partial);
    w.redis.kill();
    assert!(
        w.store.job(&tenant, job).await.is_err(),
        "an error, no panic and no invented state"
    );
    w.redis.restart().unwrap();
    w.wait(job, SOON, |v| v.status == JobStatus::Partial).await;
}

/// The whole job was one value, megabytes long, written at every change; Redis timed out. Here no value grows with the job: what is
/// stored of one with 1,500 tasks is in small pieces while it runs, and its own hash stays small.
#[tokio::test(flavor = "multi_thread")]
async fn job_blob_too_large() {
    let (_, toys) = toy(2000.0);
    let w = World::start(toys, 2).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 1500 }))).await;
    let mut redis = Resp::connect(w.redis.port()).unwrap();
    let (mut largest, mut looks) = ((0, String::new()), 0);
    loop {
        let ended = w.view(job).await.status.is_terminal();
        for key in redis.call(&["KEYS", &format!("{P}jobs:{job}*")]).unwrap().list() {
            let key = key.text();
            if redis.call(&["TYPE", &key]).unwrap().text() != "hash" {
                continue;
            }
            let values = redis.call(&["HGETALL", &key]).unwrap();
            let longest = values.list().iter().map(|v| v.text().len()).max().unwrap_or(0);
            largest = largest.max((longest, key));
        }
        looks += 1;
        if ended {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(
        looks > 3 && largest.0 > 100,
        "the search saw {looks} states, {largest:?}"
    );
    assert!(largest.0 <= 16 * 1024, "a value of {largest:?}");
    assert_eq!(w.view(job).await.counts.completed, 3000);
}
