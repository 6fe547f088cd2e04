//! What must hold for every workflow in the catalogue, whatever it does: each of its calls may fail once, each answer to it may be lost
//! once, and its worker may die at every commit point; it ends as if nothing had happened, and a second run changes nothing.

mod killable;
#[path = "../../protocol/proto.rs"]
#[allow(dead_code, reason = "of the protocol's suite, of which this needs the scripts")]
mod proto;
mod subject;
mod tap;

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::workflow::catalog;

use self::killable::Killable;
use self::proto::Scripts;
use self::subject::{SUBJECTS, Subject};
use self::tap::{Fuse, Tap};

#[test]
fn every_workflow_is_held_to_the_laws() {
    let shipped: Vec<&str> = catalog::all()
        .iter()
        .map(|definition| definition.name.as_str())
        .collect();
    assert_eq!(shipped, SUBJECTS);
}

/// Every operation that a run of the workflow uses, but the login's.
async fn operations(workflow: &'static str) -> Vec<String> {
    let mut subject = Subject::new(workflow).await;
    subject.world.fleet.add_worker().await.unwrap();
    let job = subject.begin().await;
    subject.judge(&job).await;
    let counts = subject.world.counts().await;
    let calls = counts["calls"].as_object().unwrap();
    calls
        .keys()
        .filter(|operation| !operation.contains("token"))
        .cloned()
        .collect()
}

/// Runs it while each operation meets a fault of this kind once, and then once more.
async fn with_faults(workflow: &'static str, operations: &[String], fault: Value) {
    let mut subject = Subject::new(workflow).await;
    let rules: Vec<Value> = (operations.iter())
        .map(|operation| {
            let mut rule = fault.clone();
            rule["operation"] = json!(operation);
            rule["nth"] = json!([1]);
            rule
        })
        .collect();
    let plan = json!({ "rules": rules });
    subject.world.fleet.simulators[0].faults(plan).await.unwrap();
    subject.world.fleet.add_worker().await.unwrap();
    let job = subject.begin().await;
    subject.judge(&job).await;
    let counts = subject.world.counts().await;
    let kind = fault["kind"].as_str().unwrap();
    assert_eq!(counts["injected"][kind], operations.len(), "{workflow}: {operations:?}");
    subject.again_writes_nothing().await;
}

/// Each call fails once; and each answer is lost once: whatever was done may have to be done again, since nobody knows that it was.
#[tokio::test]
async fn each_call_may_fail_once_and_each_answer_be_lost_once() {
    join_all(SUBJECTS.map(async |workflow| {
        let operations = operations(workflow).await;
        assert!(operations.len() >= 5, "{workflow}: {operations:?}");
        tokio::join!(
            with_faults(workflow, &operations, json!({"kind": "5xx", "status": 503})),
            with_faults(workflow, &operations, json!({"kind": "cut_after_apply"})),
        );
    }))
    .await;
}

/// When a worker dies: with its so manieth call of this script about a phase, which is carried out, or never arrives.
struct Death {
    script: &'static str,
    nth: u32,
    arrives: bool,
    /// Phases of any workflow that have to have met it, for the test to mean something.
    least: usize,
}

/// With each of these phases a worker dies so. Answers with how many did.
async fn with_deaths(workflow: &'static str, death: &Death, phases: &[String]) -> usize {
    let mut subject = Subject::new(workflow).await;
    let fuse = Arc::new(Fuse::new(
        &Scripts::real().sha(death.script),
        death.nth,
        death.arrives,
        phases.iter().cloned(),
    ));
    let redis = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, subject.world.fleet.redis.port()));
    let job = subject.begin().await;
    loop {
        let tap = Tap::start(redis, fuse.clone()).await;
        let worker = Killable::start(&subject.world.fleet, tap.address);
        let is_killed = tokio::select! {
            _ = tap.ended() => true,
            _ = subject.world.ended(&job) => false,
        };
        drop(worker);
        if !is_killed {
            break;
        }
    }
    subject.world.fleet.add_worker().await.unwrap();
    subject.judge(&job).await;
    // nothing was even tried a second time
    let counts = subject.world.counts().await;
    assert_eq!(counts["refused"], json!([]), "{workflow}: {}", counts["calls"]);
    subject.again_writes_nothing().await;
    phases.len() - fuse.left()
}

const fn death(script: &'static str, nth: u32, arrives: bool, least: usize) -> Death {
    Death {
        script,
        nth,
        arrives,
        least,
    }
}

/// After each kind of commit; and before those behind which something was sent.
const DEATHS: [Death; 8] = [
    death("plan_put", 1, true, 7),
    death("plan_commit", 1, true, 7),
    // intents; nothing is sent before
    death("checkpoint", 1, true, 6),
    death("park", 1, true, 5),
    death("complete", 1, true, 7),
    // what was accepted
    death("checkpoint", 2, false, 5),
    death("park", 1, false, 5),
    death("complete", 1, false, 7),
];

/// `at_once`: so many workers die over one job. Five in a row with the same unit in their hands would make it poison, which is what is meant
/// to happen; where phases are planned side by side that would be so.
async fn dies_at_every_commit_point(workflow: &'static str, deaths: &[Death], at_once: usize) {
    let phases = catalog::find(workflow)
        .unwrap()
        .phases
        .iter()
        .map(|phase| phase.id.to_string());
    let phases: Vec<String> = phases.collect();
    let died = join_all(deaths.iter().map(async |death| {
        let parts = phases.chunks(at_once).map(|part| with_deaths(workflow, death, part));
        join_all(parts).await.into_iter().sum::<usize>()
    }));
    let died = died.await;
    for (death, died) in deaths.iter().zip(&died) {
        let Death { script, least, .. } = death;
        assert!(died >= least, "{workflow}: {died} deaths at {script}, of all {died:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_import_survives_a_death_at_every_commit_point() {
    dies_at_every_commit_point(catalog::CLOUDPATH_DPSK_IMPORT, &DEATHS, 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cleanup_survives_a_death_at_every_commit_point() {
    dies_at_every_commit_point(catalog::CLOUDPATH_DPSK_CLEANUP, &DEATHS, 8).await;
}

/// It writes nothing: what is decided is committed as it was planned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_survives_a_death_at_every_commit_point() {
    let deaths = [
        death("plan_put", 1, true, 5),
        death("plan_commit", 1, true, 5),
        death("complete", 1, true, 5),
        death("complete", 1, false, 5),
    ];
    dies_at_every_commit_point(catalog::CLOUDPATH_DPSK_AUDIT, &deaths, 3).await;
}
