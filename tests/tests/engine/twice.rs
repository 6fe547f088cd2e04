//! Two jobs that would make the same things.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use shared::id::JobId;
use shared::job::{JobStatus, PhaseStatus};
use shared::store::model::{Flag, JobView};
use shared::store::{Claiming, Hold, NamesClaimed, Writer};

use crate::toy::{Fault, Toy, Toys};
use crate::world::{TWO_PHASES, World, check_sums, definition};

const SOON: Duration = Duration::from_secs(30);

fn toy(rate: f64) -> (Toy, Toys) {
    let toy = Toy::new("c1", rate);
    (toy.clone(), Toys([(1, toy)].into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_jobs_at_once_one_makes_it_all_and_the_other_finds_it() {
    let (t, toys) = toy(200.0);
    let w = World::start(toys, 2).await;
    let new = || w.job(definition(TWO_PHASES), 1, json!({ "n": 60 }));
    let jobs = [w.submit(&new()).await, w.submit(&new()).await];
    let other = w
        .submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 3, "tag": "x" })))
        .await;
    let mut made = Vec::new();
    for job in jobs {
        let v = w.ended(job).await;
        check_sums(&v);
        assert_eq!(v.status, JobStatus::Completed, "{v:#?}");
        let things = v.resources["thing"];
        assert_eq!(things.created + things.adopted, 120);
        made.push((things.created, v.completed_ms.unwrap()));
    }
    assert_eq!(made[0].0 + made[1].0, 120, "{made:?}");
    let other = w.ended(other).await;
    assert_eq!(other.resources["thing"].created, 6);
    let last = made.iter().map(|m| m.1).max().unwrap();
    assert!(
        other.completed_ms.unwrap() < last,
        "a job with other names waits for nobody"
    );
    let l = t.ledger.lock().unwrap();
    assert_eq!((l.things.len(), l.creates, l.refused_doubles), (126, 126, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_held_for_long_looks_again_before_it_goes_on() {
    let t = Toy::new("c1", 200.0).stopping_after(40);
    let w = World::start(Toys([(1, t.clone())].into()), 2).await;
    let tenant = World::tenant();
    let held = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 150 }))).await;
    let creates = || t.ledger.lock().unwrap().creates;
    w.wait(held, SOON, |_| creates() == 40).await;
    w.store.pause(&tenant, held, "a person").await.unwrap();
    // no call begins any more, and those under way (50 at once) are answered
    w.wait(held, SOON, |_| {
        let runs = w.workers.iter().flat_map(|w| w.core.active.all());
        runs.into_iter().all(|run| *run.flag.borrow() == Flag::Held)
    })
    .await;
    t.answer();
    w.wait(held, SOON, |_| w.workers.iter().all(|w| w.core.active.is_empty()))
        .await;
    let unsent = 150 - creates();
    assert!(unsent >= 60, "it was held too late: {unsent} were left to be sent");
    // its claim runs out
    let writer = Writer {
        job: held,
        phase: Some("first".parse().unwrap()),
    };
    w.store.release_all_names("c1", &writer).await.unwrap();
    let second = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 150 }))).await;
    let second = w.ended(second).await;
    assert_eq!(second.status, JobStatus::Completed, "{second:#?}");
    w.store.resume(&tenant, held).await.unwrap();
    let held = w.ended(held).await;
    check_sums(&held);
    assert_eq!(held.status, JobStatus::Completed, "{held:#?}");
    let created = [&held, &second].map(|v| v.resources["thing"].created);
    assert_eq!(created[0] + created[1], 300, "{created:?}");
    let l = t.ledger.lock().unwrap();
    assert_eq!((l.things.len(), l.creates, l.refused_doubles), (300, 300, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_another_says_so_and_is_not_planned_each_time() {
    let (t, toys) = toy(40.0);
    // its batch keeps all its names for some 12 s
    t.fault("a0", 0, Fault::NeverEnds);
    let w = World::with(toys, 2, |e| e.poll_attempts_max = 24).await;
    let first = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 100 }))).await;
    w.wait(first, SOON, |v| v.counts.completed >= 10).await;
    let plans = || t.ledger.lock().unwrap().plans;
    let before = plans();

    let second = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 160 }))).await;
    let mut looks = HashSet::new();
    while looks.len() < 3 {
        let is_news = |v: &JobView| v.waits.as_ref().is_some_and(|w| !looks.contains(&w.until_ms));
        let v = w.wait(second, SOON, is_news).await;
        let waits = v.waits.unwrap();
        assert_eq!(
            (v.status, v.limited_by, v.eta_seconds, waits.job),
            (JobStatus::Running, "polling", None, Some(first))
        );
        looks.insert(waits.until_ms);
    }
    assert_eq!(plans() - before, 1, "the name that was taken tells enough");
    let mut of_others = w.job(definition(TWO_PHASES), 1, json!({ "n": 3 }));
    of_others.tenant = "other".parse().unwrap();
    w.submit(&of_others).await;
    let waits = loop {
        let v = w.store.job(&of_others.tenant, of_others.id).await.unwrap().unwrap();
        assert!(!v.status.is_terminal());
        if let Some(waits) = v.waits {
            break waits;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(waits.job, None, "another tenant's job is nobody's business");

    let is_planned = |v: &JobView| v.phases[0].counts.tasks > 0 && v.phases[0].status == PhaseStatus::Running;
    let v = w.wait(second, SOON, is_planned).await;
    assert_eq!(v.waits, None, "{v:#?}");
    for job in [first, second] {
        assert_eq!(w.ended(job).await.status, JobStatus::Completed);
    }
    assert_eq!(t.ledger.lock().unwrap().refused_doubles, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_is_not_waited_for() {
    let (t, toys) = toy(40.0);
    let w = World::start(toys, 2).await;
    let new = || w.job(definition(TWO_PHASES), 1, json!({ "n": 300 }));
    let first = w.submit(&new()).await;
    w.wait(first, SOON, |v| v.counts.completed >= 10).await;
    let second = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 300 }))).await;
    w.store.cancel(&World::tenant(), first, "a person").await.unwrap();
    let first = w.ended(first).await;
    assert_eq!(first.status, JobStatus::Cancelled);
    // minutes earlier than its claim would run out
    w.wait(second, SOON, |v| {
        v.resources.get("thing").is_some_and(|t| t.created > 20)
    })
    .await;
    assert_eq!(t.ledger.lock().unwrap().refused_doubles, 0);
}

/// Its names were lost while it was held; cancelled then, what was never sent is cancelled, not unknown, though nobody can be asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_cancelled_after_its_names_were_lost_has_nothing_unknown() {
    let (t, toys) = toy(5.0);
    let w = World::start(toys, 1).await;
    let tenant = World::tenant();
    let job = w.submit(&w.job(definition(TWO_PHASES), 1, json!({ "n": 40 }))).await;
    w.wait(job, SOON, |v| v.counts.completed >= 5).await;
    w.store.pause(&tenant, job, "a person").await.unwrap();
    w.wait(job, SOON, |_| w.workers[0].core.active.is_empty()).await;
    t.ledger.lock().unwrap().down = true;
    let writer = Writer {
        job,
        phase: Some("first".parse().unwrap()),
    };
    w.store.release_all_names("c1", &writer).await.unwrap();
    let sent = u64::from(t.ledger.lock().unwrap().creates);
    w.store.cancel(&tenant, job, "a person").await.unwrap();
    let v = w.ended(job).await;
    check_sums(&v);
    assert!(v.counts.cancelled >= 80 - sent, "{v:#?}");
    assert!(v.counts.unknown <= sent - 5, "{v:#?}");
}

/// What a phase writes throughout stays its own between its batches: of two phases that write it, one has ended before the other begins.
#[tokio::test(flavor = "multi_thread")]
async fn what_all_batches_of_a_phase_write_is_kept_until_it_has_ended() {
    let (t, toys) = toy(200.0);
    let w = World::start(toys, 2).await;
    // task by task, so that the phase has batches before it and behind it while the other job asks
    let phase = "{id: first, name: First, executor: toy.first, batch_size: 1, parallelizable: false}";
    let toy = format!("name: toy\nversion: 1\nphases:\n  - {phase}\n");
    let options = |tag: &str| json!({"n": 6, "tag": tag, "throughout": "venue"});
    let submitted = |tag: &str| w.job(definition(&toy), 1, options(tag));
    for job in [w.submit(&submitted("x")).await, w.submit(&submitted("y")).await] {
        let v = w.ended(job).await;
        check_sums(&v);
        assert_eq!(
            (v.status, v.resources["thing"].created),
            (JobStatus::Completed, 6),
            "{v:#?}"
        );
    }
    let (order, reads) = {
        let l = t.ledger.lock().unwrap();
        (l.order.clone(), l.reads)
    };
    let mut jobs: Vec<&str> = order.iter().map(|name| &name[..2]).collect();
    jobs.dedup();
    assert_eq!(jobs.len(), 2, "one job after the other: {order:?}");
    assert_eq!(reads, 0, "no batch has to look whether somebody else wrote meanwhile");
}

/// Names for jobs as a whole, and the same in the other order.
fn many_names() -> (Vec<String>, Vec<String>) {
    let names: Vec<String> = (0..1000).map(|n| format!("pool|{n}")).collect();
    (names.clone(), names.into_iter().rev().collect())
}

/// A job that is held in the midst of its first phase, and has lost all its names, as after more than an hour.
async fn held_and_lost(w: &World, options: Value) -> JobId {
    let (job, tenant) = (
        w.submit(&w.job(definition(TWO_PHASES), 1, options)).await,
        World::tenant(),
    );
    w.wait(job, SOON, |v| v.counts.completed >= 5).await;
    w.store.pause(&tenant, job, "a person").await.unwrap();
    w.wait(job, SOON, |_| w.workers.iter().all(|w| w.core.active.is_empty()))
        .await;
    for phase in [None, Some("first")] {
        let phase = phase.map(|phase| phase.parse().unwrap());
        let writer = Writer { job, phase };
        w.store.release_all_names("c1", &writer).await.unwrap();
    }
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_lost_what_it_needs_has_it_again_before_it_goes_on() {
    let (t, toys) = toy(40.0);
    let w = World::start(toys, 2).await;
    let (needs, reversed) = many_names();
    let held = held_and_lost(&w, json!({"n": 150, "needs": needs})).await;
    // the other's are called ax0, ax1, …
    let made = || {
        let l = t.ledger.lock().unwrap();
        l.things.keys().filter(|name| !name[1..].starts_with('x')).count()
    };
    let before = made();
    let other = w
        .submit(&w.job(
            definition(TWO_PHASES),
            1,
            json!({"n": 60, "tag": "x", "needs": reversed}),
        ))
        .await;
    w.wait(other, SOON, |v| v.counts.completed >= 5).await;
    w.store.resume(&World::tenant(), held).await.unwrap();
    let v = w.wait(held, SOON, |v| v.waits.is_some()).await;
    assert_eq!(v.waits.unwrap().job, Some(other));
    let has_ended = |v: &JobView| {
        let is_over = v.status.is_terminal();
        assert!(is_over || made() == before, "it went on without what it needs");
        is_over
    };
    w.wait(other, SOON, has_ended).await;
    // in the midst of its phase, not only when the next one is planned
    let v = w.wait(held, SOON, |_| made() > before).await;
    assert_eq!(v.phases[0].status, PhaseStatus::Running, "{v:#?}");
    let claiming = Claiming {
        writer: Writer {
            job: JobId::generate(),
            phase: None,
        },
        hold: Hold::Rely,
        ttl: SOON,
        job_ttl: SOON,
        needs_whole: false,
    };
    let last = [needs[999].clone()];
    let taken = w.store.claim_names("c1", &claiming, &last).await.unwrap();
    let by = Writer { job: held, phase: None };
    assert_eq!(
        taken,
        NamesClaimed::Taken {
            name: last[0].clone(),
            by
        }
    );
    assert_eq!(w.ended(held).await.status, JobStatus::Completed);
}

/// With a part of what they need each would have what the other waits for, once the third that both wait for has ended.
#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_that_lost_what_both_need_end() {
    let (_, toys) = toy(40.0);
    let w = World::start(toys, 2).await;
    let (needs, reversed) = many_names();
    let one = held_and_lost(&w, json!({"n": 40, "needs": needs})).await;
    let two = held_and_lost(&w, json!({"n": 40, "tag": "x", "needs": reversed})).await;
    let third = json!({"n": 60, "tag": "y", "needs": [needs[500]]});
    let third = w.submit(&w.job(definition(TWO_PHASES), 1, third)).await;
    w.wait(third, SOON, |v| v.counts.completed >= 5).await;
    for job in [one, two] {
        w.store.resume(&World::tenant(), job).await.unwrap();
        let v = w.wait(job, SOON, |v| v.waits.is_some()).await;
        assert_eq!(v.waits.unwrap().job, Some(third));
    }
    for job in [third, one, two] {
        let v = w.ended(job).await;
        check_sums(&v);
        assert_eq!(v.status, JobStatus::Completed, "{v:#?}");
    }
}
