//! An operator's commands, beside a fleet that runs.

use std::process::Stdio;

use serde_json::{Value, json};
use testkit::harness::{Fleet, Signal, wait_until};

use crate::world::{TIMEOUT, World};

/// `phaseline-worker` with a command: its exit code, and the document it printed or what it complained of.
async fn operate(fleet: &Fleet, arguments: &[&str]) -> (Option<i32>, Value) {
    let mut command = tokio::process::Command::from(fleet.command("phaseline-worker").unwrap());
    command.args(arguments).stdin(Stdio::null());
    let said = command.output().await.unwrap();
    let told = match said.status.success() {
        true => serde_json::from_slice(&said.stdout).unwrap(),
        false => json!(String::from_utf8_lossy(&said.stderr)),
    };
    (said.status.code(), told)
}

/// The same for a reader that has gone (`| head`): its exit code, and what it complained of.
async fn unheard(fleet: &Fleet, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::from(fleet.command("phaseline-worker").unwrap());
    command.args(arguments).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let said = child.wait_with_output().await.unwrap();
    (said.status.code(), String::from_utf8_lossy(&said.stderr).into_owned())
}

#[tokio::test]
async fn a_batch_of_a_frozen_worker_is_looked_at_and_taken_away() {
    // what was about to be sent is looked for after so long: whoever has it may still send it
    let mut world = World::with(200, 6_000, 2, |plan| plan.lock_ttl_seconds = Some(15)).await;
    let job = world.import().await;
    world.written(30).await;
    let (frozen, held) = world.catch(&job).await;
    let id = world.fleet.workers[frozen].id.clone();
    let (code, seen) = operate(&world.fleet, &["inspect", "job", &job]).await;
    assert_eq!((code, &seen["status"]), (Some(0), &json!("RUNNING")), "{seen}");
    assert_eq!(
        unheard(&world.fleet, &["inspect", "job", &job]).await,
        (Some(0), String::new())
    );
    let units = seen["units"].as_array().unwrap();
    let of_frozen: Vec<&Value> = units.iter().filter(|unit| unit["worker"] == json!(id)).collect();
    assert_eq!(of_frozen.len(), held.batches(), "{seen}");
    for unit in &of_frozen {
        assert_eq!(unit["state"], "CLAIMED", "{unit}");
        let (phase, batch) = (unit["phase"].as_str().unwrap(), unit["batch"].to_string());
        let (_, alone) = operate(&world.fleet, &["inspect", "batch", &job, phase, &batch]).await;
        assert_eq!((&alone["entry"], &alone["worker"]), (&unit["entry"], &json!(id)));
        let (code, done) = operate(&world.fleet, &["requeue", &job, phase, &batch]).await;
        assert_eq!((code, &done["was"]), (Some(0), &json!("CLAIMED")), "{done}");
    }
    let ended = world.ended(&job).await;
    world.assert_done(&ended).await;
    // not asked: how many batches were taken over. A frozen worker still waits at the stream, and may be given one of them once more
    let (phase, batch) = (
        of_frozen[0]["phase"].as_str().unwrap(),
        of_frozen[0]["batch"].to_string(),
    );
    let (code, said) = operate(&world.fleet, &["requeue", &job, phase, &batch]).await;
    assert!(
        code == Some(1) && said.as_str().unwrap().contains("nothing was changed"),
        "{said}"
    );
    // it wakes up, and what it does then changes nothing
    world.fleet.workers[frozen].process.signal(Signal::Continue).unwrap();
    let fenced = wait_until("the worker that was frozen to be heard of again", TIMEOUT, async || {
        world.fleet.workers[frozen].metrics().await.ok()
    });
    fenced.await.unwrap();
    world.assert_done(&world.fleet.api.job(&job).await.unwrap()).await;
}

#[tokio::test]
async fn a_worker_that_is_drained_hands_its_work_on_and_ends() {
    let mut world = World::new(200, 6_000, 2).await;
    let job = world.import().await;
    world.written(20).await;
    let (code, seen) = operate(&world.fleet, &["inspect", "consumers"]).await;
    let there = |id: &str| {
        seen.as_array()
            .unwrap()
            .iter()
            .any(|w| w["id"] == json!(id) && w["alive"] == true)
    };
    let id = world.fleet.workers[0].id.clone();
    assert!(
        code == Some(0) && there(&id) && there(&world.fleet.workers[1].id),
        "{seen}"
    );
    let (code, asked) = operate(&world.fleet, &["drain", &id]).await;
    assert_eq!((code, &asked["asked_to_stop"]), (Some(0), &json!(true)), "{asked}");
    let fleet = &mut world.fleet;
    let how = fleet.workers[0].process.ended_within(TIMEOUT).await.unwrap();
    assert!(how.success(), "{how}");
    let ended = world.ended(&job).await;
    world.assert_done(&ended).await;
    let (code, said) = operate(&world.fleet, &["drain", "nobody-1-abcd"]).await;
    assert!(
        code == Some(1) && said.as_str().unwrap().contains("inspect consumers"),
        "{said}"
    );
}

#[tokio::test]
async fn work_that_somebody_deleted_is_found_again() {
    let mut world = World::new(20, 60_000, 0).await;
    let job = world.import().await;
    let mut redis = world.fleet.redis_connection().unwrap();
    redis
        .call(&["DEL", "workflow:{p0}:tq:dev|1", "workflow:{p0}:work"])
        .unwrap();
    let (_, seen) = operate(&world.fleet, &["inspect", "stream"]).await;
    assert_eq!(seen[0]["entries"], 0, "{seen}");
    world.fleet.add_worker().await.unwrap();
    let (code, done) = operate(&world.fleet, &["reconcile", &job]).await;
    assert_eq!((code, &done["repairs"]), (Some(0), &json!(1)), "{done}");
    let ended = world.ended(&job).await;
    world.assert_done(&ended).await;
    let (code, dead) = operate(&world.fleet, &["dead-letters", "list", "--job", &job]).await;
    assert_eq!((code, dead), (Some(0), json!([])));
    let (code, said) = operate(
        &world.fleet,
        &["inspect", "job", "01a21c3f-b648-7329-8625-546bb5256438"],
    )
    .await;
    assert!(
        code == Some(1) && said.as_str().unwrap().contains("there is no job"),
        "{said}"
    );
}

/// A batch was given up, as it is when its workers die over it: the operator finds it, and takes it up through the API.
#[tokio::test]
async fn a_dead_letter_is_found_and_taken_up() {
    let world = World::new(150, 60_000, 1).await;
    // so many that some are in each batch, in whatever order they were sent
    let nth: Vec<u64> = (1..=150).step_by(3).collect();
    let rule = json!({"operation": "create_passphrase", "nth": nth, "kind": "permanent_4xx"});
    world.fleet.simulators[0]
        .faults(json!({ "rules": [rule] }))
        .await
        .unwrap();
    let job = world.import().await;
    assert_eq!(world.ended(&job).await["status"], "PARTIAL");
    let mut redis = world.fleet.redis_connection().unwrap();
    let dead = [
        "j",
        &job,
        "ph",
        "create_passphrases",
        "b",
        "0",
        "l",
        "dev|1",
        "crashes",
        "5",
        "why",
        "workers kept crashing on it",
    ];
    redis
        .call(&[&["XADD", "workflow:{p0}:dlq", "*"][..], &dead].concat())
        .unwrap();

    let (code, seen) = operate(&world.fleet, &["dead-letters", "list", "--job", &job]).await;
    assert_eq!(
        (code, &seen[0]["job"], &seen[0]["batch"]),
        (Some(0), &json!(job), &json!(0)),
        "{seen}"
    );
    let letter = seen[0]["id"].as_str().unwrap();
    let url = world.fleet.api.base();
    let replay = ["dead-letters", "replay", letter, "--url", url];
    let (code, told) = operate(&world.fleet, &replay).await;
    assert_eq!((code, &told["resume_of"]), (Some(0), &json!(job)), "{told}");
    let ended = world.ended(told["job_id"].as_str().unwrap()).await;
    assert_eq!(
        ended["status"],
        "COMPLETED",
        "{}",
        testkit::harness::api::summary(&ended)
    );
    // those of the first batch alone: a hundred of the phase's tasks, as its definition has them
    let made = crate::world::resources(&ended, "passphrases").0;
    let tasks = world.fleet.api.tasks(&job).await.unwrap();
    let failed = tasks
        .iter()
        .filter(|t| t["status"] == "FAILED" && t["phase"] == "create_passphrases");
    let failed: Vec<u64> = failed.map(|t| t["index"].as_u64().unwrap()).collect();
    let of_batch = failed.iter().filter(|index| **index < 100).count() as u64;
    assert_eq!((failed.len(), made), (50, of_batch), "{failed:?}");
    assert!((1..50).contains(&of_batch), "{failed:?}");
    let (_, again) = operate(&world.fleet, &replay).await;
    assert_eq!(again["job_id"], told["job_id"]);
    let (_, left) = operate(&world.fleet, &["dead-letters", "list"]).await;
    assert_eq!(left, json!([]));
    // of what it came to nothing is left to be done, and of what nobody can read nothing is known
    let of_done = ["j", told["job_id"].as_str().unwrap()];
    let of_done = [&of_done[..], &dead[2..]].concat();
    for (fields, advice) in [(&of_done[..], "COMPLETED"), (&["x", "y"], "can't be read")] {
        redis
            .call(&[&["XADD", "workflow:{p0}:dlq", "*"][..], fields].concat())
            .unwrap();
        let (_, seen) = operate(&world.fleet, &["dead-letters", "list"]).await;
        assert!(seen[0]["advice"].as_str().unwrap().contains(advice), "{seen}");
        let letter = seen[0]["id"].as_str().unwrap();
        let (code, said) = operate(&world.fleet, &["dead-letters", "replay", letter, "--url", url]).await;
        assert!(code == Some(1) && said.as_str().unwrap().contains(advice), "{said}");
        let dismiss = ["dead-letters", "dismiss", letter];
        let (code, done) = operate(&world.fleet, &dismiss).await;
        assert_eq!((code, &done["dismissed"]), (Some(0), &json!(true)), "{done}");
        let (code, said) = operate(&world.fleet, &dismiss).await;
        assert!(
            code == Some(1) && said.as_str().unwrap().contains("no dead letter"),
            "{said}"
        );
    }
    let (code, said) = operate(&world.fleet, &["dead-letters", "replay", "0.1-1", "--url", url]).await;
    assert!(
        code == Some(1) && said.as_str().unwrap().contains("404: there is no dead letter"),
        "{said}"
    );
}
