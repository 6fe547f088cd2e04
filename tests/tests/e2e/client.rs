//! The client command against the API itself: what its tests against canned answers take for granted.

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::world::World;

async fn run(world: &World, arguments: &[&str]) -> Output {
    let mut client = tokio::process::Command::from(world.fleet.client().unwrap());
    client.args(arguments).stdin(Stdio::null()).output().await.unwrap()
}

/// What it printed; it has succeeded.
async fn printed(world: &World, arguments: &[&str]) -> String {
    let output = run(world, arguments).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

async fn document(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(world, arguments).await).unwrap()
}

#[tokio::test]
async fn a_report_of_a_job_that_goes_on_says_so() {
    let world = World::new(300, 6000, 1).await;
    let job = world.import().await;
    world.written(20).await;
    assert_eq!(world.fleet.api.steer(&job, "pause").await.unwrap().0, 200);
    let file = world.fleet.folder.join("report.csv");
    let to_file = ["report", &job, "--output", file.to_str().unwrap()];
    for arguments in [&to_file[..], &["report", &job], &["report", &job, "--json"]] {
        let output = run(&world, arguments).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("has not ended (PAUSED)"), "{arguments:?}: {said}");
    }
    assert_eq!(world.fleet.api.steer(&job, "resume").await.unwrap().0, 200);
    let ended = world.ended(&job).await;
    assert_eq!(ended["status"], "COMPLETED");
    let output = run(&world, &["report", &job]).await;
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[tokio::test]
async fn waiting_lists_reports_and_the_fleet_work_against_the_api_itself() {
    let world = World::new(230, 60_000, 1).await;
    let file = world.fleet.folder.join("export.json");
    std::fs::write(&file, world.export.to_string()).unwrap();
    let import = [
        "--json",
        "import",
        file.to_str().unwrap(),
        "--controller",
        "1",
        "--venue",
        "venue-sim-1",
        "--wait",
        "60",
    ];
    let accepted = document(&world, &import).await;
    assert_eq!(accepted["status"], "COMPLETED", "{accepted}");
    let job = accepted["job_id"].as_str().unwrap();

    let report = world.fleet.folder.join("report.csv");
    let report = report.to_str().unwrap();
    let said = printed(&world, &["report", job, "--output", report]).await;
    let whole = document(&world, &["report", job, "--json"]).await;
    let rows = whole["rows_total"].as_u64().unwrap();
    assert!(said.contains(&format!("report.csv: {rows} rows")), "{said}");
    let keys: Vec<&Value> = whole["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["resource_type"] == "passphrase")
        .collect();
    assert_eq!(keys.len(), 230);
    let csv = std::fs::read_to_string(report).unwrap();
    assert!(
        csv.starts_with("phase,row,task_id,name,pool,status,outcome,"),
        "{}",
        &csv[..80]
    );
    for pool in world.export["dpskPools"].as_array().unwrap() {
        let secret = pool["dpsks"][0]["passphrase"].as_str().unwrap();
        assert!(
            !csv.contains(secret) && !whole.to_string().contains(secret),
            "a passphrase is in the report"
        );
    }
    let some = document(&world, &["report", job, "--json", "--status", "FAILED,UNKNOWN"]).await;
    assert_eq!(some["rows_total"], 0);

    // more than a page of them, in one document
    let all = document(
        &world,
        &["--json", "tasks", job, "--all", "--status", "completed,skipped"],
    )
    .await;
    assert_eq!(
        (all["items"].as_array().unwrap().len() as u64, &all["next_cursor"]),
        (rows, &Value::Null)
    );
    let name = keys[0]["name"].as_str().unwrap().to_uppercase();
    let one = document(
        &world,
        &["--json", "tasks", job, "--name", &name, "--phase", "create_passphrases"],
    )
    .await;
    assert_eq!(one["items"][0]["name"], keys[0]["name"], "{one}");
    let filters = [
        "--status",
        "PARTIAL,COMPLETED",
        "--controller",
        "1",
        "--venue",
        "venue-sim-1",
        "--from",
        "2026-01-01",
    ];
    let jobs = document(
        &world,
        &[&["--json", "jobs", "--workflow", "cloudpath_dpsk_import"][..], &filters].concat(),
    )
    .await;
    assert_eq!(jobs["items"][0]["id"], job);
    assert!(
        printed(&world, &["jobs", "--to", "2026-01-01"])
            .await
            .contains("no such jobs")
    );

    let text = printed(&world, &["admin", "workers"]).await;
    assert!(
        text.contains(&world.fleet.workers[0].id) && text.contains("alive"),
        "{text}"
    );
    let text = printed(&world, &["admin", "limits"]).await;
    assert!(text.contains("60000"), "{text}");
    let streams = document(&world, &["--json", "admin", "streams"]).await;
    assert_eq!(streams["items"][0]["jobs_unfinished"], 0, "{streams}");
    assert!(printed(&world, &["admin", "streams"]).await.contains("BACKLOG"));
}
