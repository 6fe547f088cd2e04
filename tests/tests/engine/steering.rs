//! Pause, resume, cancel, failure budget, refused credentials.

use std::time::Duration;

use serde_json::json;
use shared::job::JobStatus;
use shared::store::model::Steered;

use crate::toy::{Fault, Toy, Toys};
use crate::world::{TWO_PHASES, World, check_sums, definition};

const SOON: Duration = Duration::from_secs(30);

fn slow_toy() -> (Toy, Toys) {
    let toy = Toy::new("c1", 40.0);
    (toy.clone(), Toys([(1, toy)].into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_sends_nothing_and_goes_on_where_it_was() {
    let (toy, toys) = slow_toy();
    let w = World::start(toys, 2).await;
    // all of a phase is in flight: five seconds of the rate, of which nothing may leave
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 200 }))).await;
    w.wait(job, SOON, |v| v.counts.completed >= 10).await;
    let t = World::tenant();
    assert_eq!(
        w.store.pause(&t, job, "a person").await.unwrap(),
        Steered::Done(JobStatus::Paused)
    );
    assert_eq!(
        w.store.pause(&t, job, "again").await.unwrap(),
        Steered::Already(JobStatus::Paused)
    );
    // two seconds are promised for cancel; the same holds here
    tokio::time::sleep(Duration::from_secs(2)).await;
    let creates = toy.ledger.lock().unwrap().creates;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(toy.ledger.lock().unwrap().creates, creates, "a paused job wrote");
    let v = w.view(job).await;
    assert_eq!(
        (v.status, v.pause_reason.as_deref(), v.limited_by),
        (JobStatus::Paused, Some("a person"), "paused")
    );
    assert_eq!(
        w.store.resume(&t, job).await.unwrap(),
        Steered::Done(JobStatus::Running)
    );
    assert_eq!(
        w.store.resume(&t, job).await.unwrap(),
        Steered::Refused(JobStatus::Running)
    );
    let v = w.ended(job).await;
    check_sums(&v);
    let l = toy.ledger.lock().unwrap();
    assert_eq!(
        (v.status, l.things.len(), l.refused_doubles),
        (JobStatus::Completed, 400, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_settles_what_it_sent() {
    let (toy, toys) = slow_toy();
    let w = World::start(toys, 2).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 200 }))).await;
    w.wait(job, SOON, |v| v.counts.completed >= 20).await;
    let done = w.store.cancel(&World::tenant(), job, "a person").await.unwrap();
    assert_eq!(done, Steered::Done(JobStatus::Cancelling));
    let v = w.ended(job).await;
    check_sums(&v);
    let l = toy.ledger.lock().unwrap();
    assert_eq!(v.status, JobStatus::Cancelled);
    assert_eq!(
        v.counts.completed as usize,
        l.things.len(),
        "what was created is in the ledger of the job"
    );
    assert!(v.counts.cancelled > 0 && l.things.len() < 200);
}

/// Nobody knows whether they got there when the job is cut short; read back, they are as good as never sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_got_lost_on_its_way_is_cancelled_with_its_job() {
    let (toy, toys) = slow_toy();
    for i in 0..5 {
        toy.fault(&format!("a{i}"), 0, Fault::LostRequest);
    }
    let w = World::start(toys, 1).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 5 }))).await;
    w.wait(job, SOON, |_| toy.ledger.lock().unwrap().creates == 5).await;
    w.store.cancel(&World::tenant(), job, "a person").await.unwrap();
    let v = w.ended(job).await;
    check_sums(&v);
    assert_eq!((v.status, v.counts.cancelled), (JobStatus::Cancelled, 10), "{v:#?}");
    let l = toy.ledger.lock().unwrap();
    assert!(l.creates == 5 && l.reads > 0 && l.things.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_nobody_can_read_holds_its_job_and_ends_when_that_is_cancelled() {
    let (toy, toys) = slow_toy();
    toy.ledger.lock().unwrap().down = true;
    let mut w = World::with(toys, 1, |e| e.shutdown_grace = Duration::from_secs(1)).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 12 }))).await;
    w.wait(job, SOON, |v| v.counts.tasks == 12).await;
    let leaving = w.workers.remove(0);
    worker::engine::drain::run(&leaving.core).await;
    leaving.stop_loops();
    // a deploy with another key: what was sealed with the old one can't be opened
    let key = shared::seal::Sealer::generate_key();
    w.settings.sealer = shared::config::Settings::from_pairs(&[("PAYLOAD_KEY", &key)])
        .unwrap()
        .sealer;
    w.add_worker().await;
    w.wait(job, SOON, |v| v.status == JobStatus::Paused).await;
    w.store.cancel(&World::tenant(), job, "a person").await.unwrap();
    let v = w.ended(job).await;
    check_sums(&v);
    assert_eq!((v.status, v.counts.cancelled), (JobStatus::Cancelled, 24));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failure_budget_pauses_the_job() {
    let (toy, toys) = slow_toy();
    for i in 0..40 {
        toy.fault(&format!("b{i}"), 0, Fault::Rejected);
    }
    let w = World::start(toys, 1).await;
    let mut new = w.job(definition(TWO_PHASES), 1, json!({ "n": 100 }));
    new.failure_budget_percent = Some(5.0);
    let job = w.submit(&new).await;
    let v = w
        .wait(job, SOON, |v| v.status == JobStatus::Paused || v.status.is_terminal())
        .await;
    assert_eq!(v.status, JobStatus::Paused);
    let reason = v.pause_reason.unwrap();
    assert!(
        reason.starts_with("controller 1 (") && reason.contains("failure budget of 5 %") && reason.contains("resume"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_pause_at_once_and_no_task_fails() {
    let (toy, toys) = slow_toy();
    toy.fault("a3", 0, Fault::Unauthorised);
    let w = World::start(toys, 1).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 20 }))).await;
    let v = w.wait(job, SOON, |v| v.status == JobStatus::Paused).await;
    assert!(
        v.pause_reason.unwrap().contains("controller 1"),
        "the reason names the controller"
    );
    w.store.resume(&World::tenant(), job).await.unwrap();
    let v = w.ended(job).await;
    assert_eq!((v.status, v.counts.failed), (JobStatus::Completed, 0));
}

/// Whoever noticed the correction first: the call was made before it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_while_the_credentials_are_corrected_pauses_nothing() {
    let (toy, toys) = slow_toy();
    for name in ["a3", "b1", "b7"] {
        toy.fault(name, 0, Fault::Outdated);
    }
    let w = World::start(toys, 1).await;
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 20 }))).await;
    let v = w.ended(job).await;
    assert_eq!((v.status, v.counts.failed), (JobStatus::Completed, 0));
    assert_eq!(toy.ledger.lock().unwrap().readings, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_cuts_the_job_short() {
    let (_, toys) = slow_toy();
    let w = World::start(toys, 1).await;
    let mut new = w.job(definition(TWO_PHASES), 1, json!({ "n": 400 }));
    new.timeout_seconds = 2;
    let job = w.submit(&new).await;
    let v = w.ended(job).await;
    check_sums(&v);
    assert_eq!(
        (v.status, v.truncation.as_deref()),
        (JobStatus::Failed, Some("TIMEOUT"))
    );
    assert_eq!(v.errors[0].code, "TIMEOUT");
    let said = format!(
        "the job's time (2 s) was over; {} tasks were not sent",
        v.counts.cancelled
    );
    assert!(v.errors[0].message.starts_with(&said), "{:?}", v.errors);
}
