//! What a job's status and tasks tell a person.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::harness::api::{Api, has_ended};
use testkit::harness::wait_until;

use crate::world::{TIMEOUT, World, resources};

/// Names of all members, at any depth.
fn names<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                found.push(name);
                names(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|v| names(v, found)),
        _ => {}
    }
}

async fn tasks(world: &World, job: &str, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/jobs/{job}/tasks?limit=200{query}");
    let (status, page) = world.fleet.api.get(&path).await.unwrap();
    assert_eq!((status, &page["next_cursor"]), (200, &Value::Null), "{page}");
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_task_tells_what_it_was_given_in_words_and_how_often_it_was_asked_after() {
    let world = World::new(60, 60_000, 1).await;
    let job = world.import().await;
    world.assert_done(&world.ended(&job).await).await;
    let pools = tasks(&world, &job, "&phase=create_dpsk_pools").await;
    let keys = tasks(&world, &job, "&phase=create_passphrases").await;
    assert_eq!(keys.len(), 60);
    let vlans = keys.iter().filter(|t| t["input_data"]["vlan"].is_u64()).count();
    assert!(vlans > 0, "some keys of the export have a VLAN");
    for key in &keys {
        let given = &key["input_data"];
        assert_eq!(
            (&given["username"], &given["passphrase"]),
            (&key["name"], &json!("***")),
            "{key}"
        );
        let pool = given["pool"]
            .as_str()
            .unwrap_or_else(|| panic!("no pool is named: {key}"));
        assert!(pools.iter().any(|p| p["name"] == pool), "{key}");
    }
    for task in tasks(&world, &job, "").await {
        let mut found = Vec::new();
        names(&task["input_data"], &mut found);
        assert!(found.iter().all(|name| name.len() > 2 || *name == "id"), "{task}");
        let polls = task["poll_count"].as_u64().unwrap();
        let asked = task["request_id"].is_string();
        assert!(
            asked == (polls > 0) && polls <= task["max_polls"].as_u64().unwrap(),
            "{task}"
        );
    }
}

/// Until a job's status says that the controller is down; then up again, until it says no more of it and the job has ended. What was
/// said.
async fn told(world: &World, job: &str) -> String {
    let api = &world.fleet.api;
    let is_told = |job: &Value| !job["warnings"].as_array().unwrap().is_empty() || has_ended(job);
    let down = api.job_until(job, "to warn", TIMEOUT, is_told).await.unwrap();
    assert_eq!(
        (&down["limited_by"], &down["eta_seconds"]),
        (&json!("cool_down"), &Value::Null),
        "{down}"
    );
    assert_eq!(
        (&down["errors"], &down["pause_reason"]),
        (&json!([]), &Value::Null),
        "no task has failed for it"
    );
    let (_, status) = api
        .get(&format!("/api/cloudpath-dpsk/jobs/{job}/status"))
        .await
        .unwrap();
    assert_eq!(status["warnings"].as_array().unwrap().len(), 1, "{status}");
    let warning = down["warnings"][0].as_str().unwrap().to_owned();
    assert!(
        warning.starts_with("controller 1 has not answered since 20"),
        "{warning}"
    );
    assert!(warning.contains("goes on by itself"), "{warning}");

    world.fleet.simulators[0].down(false).await.unwrap();
    let over = |job: &Value| job["warnings"] == json!([]);
    api.job_until(job, "to go on", TIMEOUT, over).await.unwrap();
    let ended = world.ended(job).await;
    world.assert_done(&ended).await;
    warning
}

/// Lines of the workers' logs.
fn logged(world: &World, text: &str) -> usize {
    let logs = world.fleet.logs().unwrap();
    let of_workers = logs
        .iter()
        .filter(|(path, _)| path.to_string_lossy().contains("worker-"));
    of_workers
        .map(|(_, log)| String::from_utf8_lossy(log).matches(text).count())
        .sum()
}

#[tokio::test]
async fn a_controller_that_is_down_when_a_job_begins_is_told() {
    let world = World::new(60, 6000, 1).await;
    world.fleet.simulators[0].down(true).await.unwrap();
    let job = world.import().await;
    told(&world, &job).await;
    // on each change, not with each try
    let (down, back) = (
        logged(&world, "the controller does not answer"),
        logged(&world, "the controller answers again"),
    );
    assert_eq!((down, back), (1, 1));
}

#[tokio::test]
async fn a_controller_that_fails_in_the_middle_of_a_job_is_told() {
    let world = World::new(300, 6000, 2).await;
    let job = world.import().await;
    world.written(60).await;
    let simulator = Api::new(world.fleet.simulators[0].base()).unwrap();
    let body = json!({"down": true, "mode": "503"});
    assert_eq!(simulator.post("/_sim/down", Some(&body)).await.unwrap().0, 200);
    let warning = told(&world, &job).await;
    assert!(warning.contains(": the controller failed (503)"), "{warning}");
    assert!(logged(&world, "the controller does not answer") >= 1);
}

/// Calls to the controller once there are none within three seconds, in which a job that waits looks at least once.
async fn calls_at_rest(world: &World) -> u64 {
    let now = async || {
        let counts = world.counts().await;
        ["reads", "writes", "polls"]
            .map(|kind| counts[kind].as_u64().unwrap())
            .iter()
            .sum::<u64>()
    };
    let rest = wait_until("calls to stop", TIMEOUT, async || {
        let before = now().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        (now().await == before).then_some(before)
    });
    rest.await.unwrap()
}

#[tokio::test]
async fn a_job_that_waits_for_another_says_so_and_calls_nobody() {
    let world = World::new(300, 6000, 2).await;
    let api = &world.fleet.api;
    let first = world.import().await;
    world.written(60).await;
    assert_eq!(api.steer(&first, "pause").await.unwrap().0, 200);
    let second = world.import().await;
    let is_told = |job: &Value| !job["warnings"].as_array().unwrap().is_empty() || has_ended(job);
    let waits = api.job_until(&second, "to warn", TIMEOUT, is_told).await.unwrap();
    assert_eq!(
        waits["warnings"],
        json!([format!(
            "waits for job {first}, which uses the same names; it goes on by itself when that one has ended or is through with them (if that one is paused or awaits confirmation, it has to be resumed, confirmed or cancelled first)"
        )])
    );
    assert_eq!(
        (&waits["status"], &waits["limited_by"], &waits["eta_seconds"]),
        (&json!("RUNNING"), &json!("polling"), &Value::Null),
        "{waits}"
    );
    calls_at_rest(&world).await;
    let still = api.job(&second).await.unwrap();
    assert_eq!(still["warnings"], waits["warnings"], "{still}");
    assert_eq!(logged(&world, "waits: another job"), 1, "once, not with each look");

    assert_eq!(api.steer(&first, "resume").await.unwrap().0, 200);
    for (job, made) in [(&first, (300, 0)), (&second, (0, 300))] {
        let ended = world.ended(job).await;
        world.assert_done(&ended).await;
        assert_eq!(
            (resources(&ended, "passphrases"), &ended["warnings"]),
            (made, &json!([]))
        );
    }
}
