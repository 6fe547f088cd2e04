//! Retries: what failed, and what was never begun, is made by a job of its own, each key once.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::world::{World, resources};

fn keys_of(job: &Value) -> (u64, u64) {
    resources(job, "passphrases")
}

/// All keys of the full export, wherever they stand.
fn dpsks(export: &mut Value) -> Vec<&mut Value> {
    let pools = export["dpskPools"].as_array_mut().unwrap();
    pools
        .iter_mut()
        .flat_map(|pool| pool["dpsks"].as_array_mut().unwrap())
        .collect()
}

/// The controller refuses every 33rd key for good, for its user's name. Those users get other names, and the export with them.
async fn corrected(world: &mut World, job: &str) -> Value {
    let failed = world.fleet.api.tasks(job).await.unwrap();
    let failed = failed.iter().filter(|task| task["status"] == "FAILED");
    let mut corrections = Vec::new();
    for task in failed {
        let (id, name) = (task["id"].as_str().unwrap(), task["name"].as_str().unwrap());
        let better = name.replace(' ', "-") + "-corrected";
        let mut rows = dpsks(&mut world.export);
        let row = rows
            .iter_mut()
            .find(|row| row["name"].as_str().map(str::trim) == Some(name))
            .unwrap();
        row["name"] = better.clone().into();
        corrections.push(json!({"task_id": id, "fields": {"name": better}}));
    }
    json!({ "corrections": corrections })
}

async fn refuse(world: &mut World) -> usize {
    let names: Vec<String> = dpsks(&mut world.export)
        .iter()
        .step_by(33)
        .filter_map(|row| Some(row["name"].as_str()?.trim().to_owned()))
        .collect();
    let rule = json!({"operation": "create_passphrase", "usernames": names, "kind": "permanent_4xx"});
    world.fleet.simulators[0]
        .faults(json!({ "rules": [rule] }))
        .await
        .unwrap();
    names.len()
}

#[tokio::test]
async fn what_failed_is_corrected_and_made_once_by_a_job_of_its_own() {
    let mut world = World::new(2_000, 60_000, 2).await;
    let refused = refuse(&mut world).await as u64;
    let first = world.import().await;
    let ended = world.ended(&first).await;
    assert_eq!(ended["status"], "PARTIAL", "{}", testkit::harness::api::summary(&ended));
    assert_eq!(
        (ended["summary"]["failed"].as_u64(), keys_of(&ended).0),
        (Some(refused), 2_000 - refused)
    );

    let body = corrected(&mut world, &first).await;
    world.fleet.simulators[0].reset_counts().await.unwrap();
    let path = format!("/api/v1/jobs/{first}/retry");
    let (status, answer) = world.fleet.api.post(&path, Some(&body)).await.unwrap();
    assert_eq!((status, &answer["resume_of"]), (202, &json!(first)), "{answer}");
    let second = answer["job_id"].as_str().unwrap().to_owned();
    let retried = world.ended(&second).await;
    // every key of the corrected export is there as it says, and none twice
    world.assert_done(&retried).await;
    assert_eq!(keys_of(&retried), (refused, 0));
    let planned = retried["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["id"] == "create_passphrases");
    assert_eq!(planned.unwrap()["tasks"]["total"], refused, "it is about what was left");
    assert_eq!(world.counts().await["writes"], refused, "{}", world.counts().await);
    let old = world.fleet.api.job(&first).await.unwrap();
    assert_eq!(
        (&old["status"], &old["retried_by"]),
        (&json!("PARTIAL"), &json!(second))
    );
    let (status, problem) = world
        .fleet
        .api
        .post(&format!("/api/v1/jobs/{second}/retry"), None)
        .await
        .unwrap();
    assert_eq!((status, &problem["state"]), (409, &json!("COMPLETED")), "{problem}");
}

#[tokio::test]
async fn what_a_cancelled_import_never_began_is_made_by_its_retry_from_the_command_line() {
    let world = World::new(100, 6_000, 2).await;
    // refused for a moment: no pool, so no key was planned when it is cancelled
    let rule = json!({"operation": "create_pool", "kind": "429_retry_after", "seconds": 2});
    world.fleet.simulators[0]
        .faults(json!({ "rules": [rule] }))
        .await
        .unwrap();
    let first = world.import().await;
    let begun = |job: &Value| resources(job, "identity_groups").0 > 0;
    let api = &world.fleet.api;
    api.job_until(&first, "to make its groups", crate::world::TIMEOUT, begun)
        .await
        .unwrap();
    assert_eq!(api.steer(&first, "cancel").await.unwrap().0, 200);
    let cancelled = world.ended(&first).await;
    assert_eq!(
        (&cancelled["status"], keys_of(&cancelled)),
        (&json!("CANCELLED"), (0, 0))
    );
    world.fleet.simulators[0].faults(json!({ "rules": [] })).await.unwrap();

    let mut client = tokio::process::Command::from(world.fleet.client().unwrap());
    client.args(["retry", &first, "--watch"]).stdin(Stdio::null());
    let said = client.output().await.unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{text}");
    let old = api.job(&first).await.unwrap();
    let retried = api.job(old["retried_by"].as_str().unwrap()).await.unwrap();
    world.assert_done(&retried).await;
    assert_eq!((keys_of(&retried), &old["status"]), ((100, 0), &json!("CANCELLED")));
}
