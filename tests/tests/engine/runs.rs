//! Jobs that run through.

use std::time::Duration;

use serde_json::{Value, json};
use shared::job::{JobStatus, PhaseStatus, TaskStatus};
use shared::store::model::TaskFilter;
use shared::workflow::Definition;

use crate::toy::{Fault, Toy, Toys};
use crate::world::{TWO_PHASES, World, check_sums, definition};

fn one_toy(rate: f64) -> (Toy, Toys) {
    let toy = Toy::new("c1", rate);
    (toy.clone(), Toys([(1, toy)].into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_to_its_end_and_a_second_one_writes_nothing() {
    let (toy, toys) = one_toy(500.0);
    let w = World::start(toys, 2).await;
    let d = definition(TWO_PHASES);
    let first = w.submit(&w.job(d, 1, json!({ "n": 53 }))).await;
    let v = w.ended(first).await;
    check_sums(&v);
    assert_eq!(v.status, JobStatus::Completed, "{v:#?}");
    assert_eq!((v.counts.completed, v.resources["thing"].created), (106, 106));
    let states: Vec<_> = v.phases.iter().map(|p| p.status).collect();
    assert_eq!(
        states,
        [PhaseStatus::Completed, PhaseStatus::Skipped, PhaseStatus::Completed]
    );
    {
        let l = toy.ledger.lock().unwrap();
        assert_eq!((l.things.len(), l.creates, l.refused_doubles), (106, 106, 0));
    }
    let again = w.submit(&w.job(d, 1, json!({ "n": 53 }))).await;
    let v = w.ended(again).await;
    check_sums(&v);
    assert_eq!(
        (v.status, v.resources["thing"].created, v.resources["thing"].adopted),
        (JobStatus::Completed, 0, 106)
    );
    assert_eq!(toy.ledger.lock().unwrap().creates, 106, "the second run wrote");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_listed_page_by_page_with_what_became_of_them() {
    let (_, toys) = one_toy(500.0);
    let w = World::start(toys, 1).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 23 }))).await;
    w.ended(job).await;
    let known = w.store.known_job(&World::tenant(), job).await.unwrap().unwrap();
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = w
            .store
            .tasks(&known, &TaskFilter::default(), cursor.as_deref(), 7)
            .await
            .unwrap();
        assert!(page.items.len() <= 7);
        seen.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 46);
    assert!(
        seen.iter()
            .all(|t| t.status == TaskStatus::Completed && t.request_id.is_some())
    );
    assert!(!format!("{seen:?}").contains("secret-of"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_must_not_be_parallel_begin_when_the_one_before_has_ended() {
    const IN_ORDER: &str = "
name: toy
version: 1
phases:
  - {id: first, name: First, executor: toy.first, batch_size: 3, parallelizable: false}
";
    let (toy, toys) = one_toy(500.0);
    // within a batch, and at the end of one; tried again after a while, read back, never reported done
    toy.fault("a1", 0, Fault::Refused);
    toy.fault("a2", 0, Fault::LostReply);
    toy.fault("a4", 0, Fault::Throttled(1));
    toy.fault("a5", 0, Fault::NeverEnds);
    let w = World::with(toys, 2, |e| e.poll_attempts_max = 6).await;
    let mut new = w.job(definition(IN_ORDER), 1, json!({ "n": 8 }));
    new.expected_tasks = 8;
    let job = w.submit(&new).await;
    let v = w.ended(job).await;
    check_sums(&v);
    assert_eq!((v.status, v.counts.completed), (JobStatus::Completed, 8), "{v:#?}");
    let l = toy.ledger.lock().unwrap();
    assert_eq!(l.order, (0..8).map(|i| format!("a{i}")).collect::<Vec<_>>());
    assert_eq!((l.overlaps, l.refused_doubles), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_do_not_grow_with_workers() {
    let mut polls = Vec::new();
    for workers in [1, 8] {
        let (toy, toys) = one_toy(100.0);
        let w = World::start(toys, workers).await;
        let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 300 }))).await;
        assert_eq!(w.ended(job).await.status, JobStatus::Completed);
        polls.push(toy.ledger.lock().unwrap().polls);
    }
    assert!(
        f64::from(polls[1]) <= f64::from(polls[0]) * 1.2 + 1.0,
        "polls with 1 and 8 workers: {polls:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_plan_fails_a_critical_job_with_its_reason() {
    let (_, toys) = one_toy(500.0);
    let w = World::start(toys, 1).await;
    let job = w
        .submit(&w.job(
            definition(TWO_PHASES),
            1,
            json!({ "n": 3, "refuse": "VENUE_NOT_FOUND" }),
        ))
        .await;
    let v = w.ended(job).await;
    assert_eq!(
        (v.status, v.errors[0].code.as_str()),
        (JobStatus::Failed, "VENUE_NOT_FOUND")
    );
    assert_eq!(v.phases[2].status, PhaseStatus::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_foreseen_and_not_wanted_after_all_is_not_told_as_cancelled() {
    let (_, toys) = one_toy(500.0);
    let w = World::start(toys, 1).await;
    let mut new = w.job(definition(TWO_PHASES), 1, json!({ "n": 3 }));
    new.expected_tasks = 9;
    let job = w.submit(&new).await;
    let v = w.ended(job).await;
    let told = (v.status, v.counts.cancelled, v.counts.total(), v.percent);
    assert_eq!(told, (JobStatus::Completed, 0, 6, 100.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_without_workers_starts_when_they_come() {
    let (toy, toys) = one_toy(1000.0);
    let mut w = World::start(toys, 0).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 40 }))).await;
    assert_eq!(w.view(job).await.status, JobStatus::Pending);
    w.add_worker().await;
    let v = w.wait(job, Duration::from_secs(30), |v| v.status.is_terminal()).await;
    assert_eq!(
        (v.status, toy.ledger.lock().unwrap().things.len()),
        (JobStatus::Completed, 80)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_a_job_would_do_and_writes_nothing() {
    let (toy, toys) = one_toy(500.0);
    let w = World::start(toys, 2).await;
    let d = definition(TWO_PHASES);
    let plan: &'static Definition = Box::leak(Box::new(d.for_plan()));
    let planned = async || {
        let job = w.submit(&w.job(plan, 1, json!({ "n": 12 }))).await;
        let v = w.ended(job).await;
        check_sums(&v);
        assert_eq!(v.status, JobStatus::Completed, "{v:#?}");
        let facts = |at: usize| v.phases[at].facts["plan"].clone();
        [facts(0), facts(2)]
    };
    let counts = |plan: &Value| ["create", "adopt"].map(|what| plan[what].as_u64().unwrap());
    let before = planned().await;
    assert_eq!(before.each_ref().map(counts), [[12, 0], [12, 0]]);
    assert_eq!(planned().await, before, "nothing has changed");
    assert_eq!(toy.ledger.lock().unwrap().creates, 0);
    let job = w.submit(&w.job(d, 1, json!({ "n": 12 }))).await;
    assert_eq!(w.ended(job).await.resources["thing"].created, 24);
    let after = planned().await;
    assert_eq!(after.each_ref().map(counts), [[0, 12], [0, 12]]);
    assert_ne!(after[0]["hash"], before[0]["hash"]);
    assert_eq!(toy.ledger.lock().unwrap().creates, 24);
}
