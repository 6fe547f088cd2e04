//! A Redis that has forgotten what it acknowledged: what workers know and Redis does not, nobody may wait for or do twice.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use shared::job::JobStatus;
use testkit::harness::resp::Resp;

use crate::toy::{Toy, Toys};
use crate::world::{TWO_PHASES, World, check_sums, definition};

const P: &str = "workflow:{p0}:";

fn toy(rate: f64, activity_time: Duration) -> (Toy, Toys) {
    let mut toy = Toy::new("c1", rate);
    toy.activity_time = activity_time;
    (toy.clone(), Toys([(1, toy)].into()))
}

/// The request ids of a parked batch are forgotten, their intents are not: they are read back, once it is too late for a call to be
/// under way. (Once the batch was put aside again and again, each time for as long as a call may last.)
#[tokio::test(flavor = "multi_thread")]
async fn forgotten_request_ids_are_read_back() {
    let (t, toys) = toy(100.0, Duration::from_secs(4));
    // waited for: shorter than the product allows
    let w = World::with(toys, 1, |e| e.lock_ttl = Duration::from_secs(6)).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 5 }))).await;
    let mut redis = Resp::connect(w.redis.port()).unwrap();
    let (batches, checkpoints) = (format!("{P}jobs:{job}:b:first"), format!("{P}jobs:{job}:ck:first:0"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !redis.call(&["HGET", &batches, "0"]).unwrap().text().starts_with('W') {
        assert!(Instant::now() < deadline, "never put aside");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut forget = vec!["HSET", &checkpoints];
    for task in ["0", "1", "2", "3", "4"] {
        forget.extend([task, r#"{"s":"S","n":0,"b":5}"#]);
    }
    redis.call(&forget).unwrap();
    let v = w.ended(job).await;
    check_sums(&v);
    let l = t.ledger.lock().unwrap();
    assert_eq!(
        (v.status, l.things.len(), l.refused_doubles),
        (JobStatus::Completed, 10, 0),
        "{v:#?}"
    );
    assert!(
        l.reads > 0,
        "it was put aside for too short a time to be made to forget"
    );
    assert_eq!(v.resources["thing"].created, 10, "an intent makes what is found ours");
}

/// Redis is killed and comes back as it was some time before, again and again, as after a crash of its machine.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_of_redis_stops_nothing() {
    let (t, toys) = toy(60.0, Duration::from_millis(300));
    let mut w = World::with(toys, 2, |e| e.lock_ttl = Duration::from_secs(8)).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 200 }))).await;
    let creates = || t.ledger.lock().unwrap().creates;
    // somewhere else in the work each time: tasks completed, and the creates since then that are forgotten
    for (completed, forgotten) in [(10, 3), (40, 60), (100, 10), (150, 35), (210, 20), (270, 5), (320, 45)] {
        let limit = Duration::from_secs(60);
        w.wait(job, limit, |v| v.counts.completed >= completed).await;
        let before = creates();
        let kept = tempfile::tempdir().unwrap();
        let files = w.redis.dir().join("appendonlydir");
        copy(&files, kept.path());
        w.wait(job, limit, |_| creates() >= (before + forgotten).min(400)).await;
        w.redis.kill();
        copy(kept.path(), &files);
        w.redis.restart().unwrap();
    }
    let v = w.ended(job).await;
    check_sums(&v);
    let l = t.ledger.lock().unwrap();
    println!(
        "{} creates of {} things, {} refused",
        l.creates,
        l.things.len(),
        l.refused_doubles
    );
    assert_eq!((v.status, l.things.len()), (JobStatus::Completed, 400), "{v:#?}");
    assert!(l.things.values().all(|n| *n == 1), "something exists twice");
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
