//! What a worker tells of itself, what it says of facts that are too long, and what it leaves to another build.

use std::time::Duration;

use serde_json::json;
use shared::job::JobStatus;
use testkit::harness::metrics::Metrics;
use testkit::harness::wait_until;

use crate::toy::{Fault, Toy, Toys};
use crate::world::{TWO_PHASES, World, definition};

fn toys() -> (Toy, Toys) {
    let toy = Toy::new("c1", 500.0);
    (toy.clone(), Toys([(1, toy)].into()))
}

fn numbers(w: &World) -> Metrics {
    let core = &w.workers[0].core;
    Metrics::parse(&core.metrics.text(core.settings.slots, &core.store.script_times()))
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_calls_retries_and_scripts_are_counted() {
    let (t, toys) = toys();
    t.fault("a0", 0, Fault::Throttled(0));
    t.fault("a1", 0, Fault::Refused);
    t.fault("a1", 1, Fault::Refused);
    let w = World::start(toys, 1).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 5 }))).await;
    let v = w.ended(job).await;
    assert_eq!(v.status, JobStatus::Completed, "{v:#?}");
    const COMPLETED: &str = r#"phaseline_worker_script_duration_seconds_count{script="complete"}"#;
    // the job is seen to end before the worker has the answer to its last call
    let ended = wait_until("two batches", Duration::from_secs(20), async || {
        Some(numbers(&w)).filter(|m| m.get(COMPLETED) >= 2.0)
    });
    let m = ended.await.unwrap();
    let calls = |result: &str| {
        m.get(&format!(
            r#"phaseline_worker_calls_total{{controller="c1",result="{result}"}}"#
        ))
    };
    assert_eq!(m.get(r#"phaseline_worker_calls_throttled_total{controller="c1"}"#), 1.0);
    assert_eq!(calls("throttled"), 1.0);
    // two phases of five, and three attempts more
    assert_eq!(m.get("phaseline_worker_tasks_sent_total"), 13.0);
    assert_eq!(m.get("phaseline_worker_task_retries_total"), 3.0);
    assert_eq!(t.ledger.lock().unwrap().creates, 13, "as the controller saw it");
    assert!(calls("answered") >= 13.0, "twelve creates and a poll at least");
    // a call that was not answered in time is made again, and counted again
    let repeated = m.get("phaseline_worker_store_retries_total");
    let scripts = |name: &str, at_least: f64| {
        let count = m.get(&format!(
            r#"phaseline_worker_script_duration_seconds_count{{script="{name}"}}"#
        ));
        assert!(count >= at_least, "{name}: {count} calls, {at_least} at least");
        assert!(
            count <= at_least + repeated,
            "{name}: {count} calls, {repeated} repeated"
        );
    };
    scripts("complete", 2.0);
    // one of the three plans is of a phase that is skipped
    scripts("plan_commit", 3.0);
    let claims = m.get(r#"phaseline_worker_script_duration_seconds_count{script="claim"}"#);
    assert!(claims >= m.get("phaseline_worker_batches_claimed_total"));
    assert_eq!(m.get("phaseline_worker_slots"), 64.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_are_too_long_leave_word_of_it() {
    let (_, toys) = toys();
    let w = World::start(toys, 1).await;
    let facts = async |length: usize| {
        let options = json!({ "n": 1, "tag": length.to_string(), "facts": "x".repeat(length) });
        let job = w.submit(&w.job(definition(TWO_PHASES), 1, options)).await;
        w.ended(job).await.phases[0].facts.clone()
    };
    assert_eq!(facts(4_094).await, json!("x".repeat(4_094)));
    assert_eq!(
        facts(4_095).await,
        json!({ "truncated": true, "bytes": 4_097, "bytes_max": 4_096 })
    );
}

/// In a rolling upgrade a worker may be given a phase that only the next version can do.
#[tokio::test(flavor = "multi_thread")]
async fn a_phase_of_another_build_holds_the_job_with_the_reason() {
    let (_, toys) = toys();
    let w = World::start(toys, 1).await;
    let later = definition(
        "name: toy\nversion: 2\nphases:\n  - {id: first, name: First, executor: toy.later, critical: true}\n",
    );
    let job = w.submit(&w.job(later, 1, json!({ "n": 1 }))).await;
    let v = w
        .wait(job, Duration::from_secs(20), |v| {
            v.status == JobStatus::Paused || v.status.is_terminal()
        })
        .await;
    assert_eq!(v.status, JobStatus::Paused, "{v:#?}");
    assert!(v.pause_reason.unwrap().contains("toy.later"));
}
