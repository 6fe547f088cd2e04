//! Plans: what an import would do is known before, to the row, and nothing is written for it; and an import that follows one begins only if
//! nothing has changed.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::harness::{VENUE, wait_until};

use crate::world::{TIMEOUT, World};

fn body(export: &Value, options: Value) -> Value {
    json!({"controller_id": 1, "venue_id": VENUE, "dpsk_data": export, "options": options})
}

/// A plan, ended.
async fn plan(world: &World, options: Value) -> Value {
    let path = "/api/cloudpath-dpsk/plan";
    let asked = body(&world.export, options);
    let (status, answer) = world.fleet.api.post(path, Some(&asked)).await.unwrap();
    assert_eq!(status, 202, "{answer}");
    world.ended(answer["job_id"].as_str().unwrap()).await
}

async fn import(world: &World, options: Value) -> (u16, Value) {
    let asked = body(&world.export, options);
    world
        .fleet
        .api
        .post("/api/cloudpath-dpsk/import", Some(&asked))
        .await
        .unwrap()
}

fn dpsks(export: &mut Value) -> &mut Vec<Value> {
    export["dpskPools"][0]["dpsks"].as_array_mut().unwrap()
}

/// Task → what the report says became, or would become, of it, in the words of a plan.
async fn rows(world: &World, job: &Value) -> BTreeMap<(String, u64), String> {
    let path = format!("/api/v1/jobs/{}/report", job["id"].as_str().unwrap());
    let (status, report) = world.fleet.api.get(&path).await.unwrap();
    assert_eq!(status, 200, "{report}");
    let word = |row: &Value| match (row["outcome"].as_str(), row["status"].as_str().unwrap()) {
        (Some("created"), _) => "create".to_owned(),
        (Some("updated"), _) => "update".to_owned(),
        (Some("adopted"), _) => "adopt".to_owned(),
        (Some(planned), _) => planned.to_owned(),
        (None, "FAILED") => "conflict".to_owned(),
        (None, "SKIPPED") => "skip".to_owned(),
        (None, other) => other.to_owned(),
    };
    let rows = report["rows"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["phase"] != "audit_results");
    rows.map(|row| {
        let task = (row["phase"].as_str().unwrap().to_owned(), row["row"].as_u64().unwrap());
        (task, word(row))
    })
    .collect()
}

/// The sums of a plan, from its rows.
fn sums(rows: &BTreeMap<(String, u64), String>) -> Value {
    let of = |word: &str| rows.values().filter(|w| *w == word).count();
    json!({"create": of("create"), "update": of("update"), "adopt": of("adopt"), "conflict": of("conflict"), "skip": of("skip")})
}

#[tokio::test]
async fn an_import_does_what_its_plan_said_and_is_refused_with_the_difference_when_something_has_changed() {
    let mut world = World::new(120, 60_000, 2).await;
    // half of the keys are there, and five of them are not as the export has them
    let whole = world.export.clone();
    dpsks(&mut world.export).truncate(20);
    for row in dpsks(&mut world.export).iter_mut().take(5) {
        row["vlanid"] = "77".into();
    }
    let first = world.import().await;
    world.ended(&first).await;
    world.export = whole;

    world.fleet.simulators[0].reset_counts().await.unwrap();
    let planned = plan(&world, json!({})).await;
    assert_eq!(world.counts().await["writes"], 0, "a plan only reads");
    assert_eq!(planned["workflow_name"], "cloudpath_dpsk_import_plan");
    assert_eq!(
        planned["status"],
        "PARTIAL",
        "{}",
        testkit::harness::api::summary(&planned)
    );
    let found = &planned["plan"];
    let foretold = rows(&world, &planned).await;
    assert_eq!(found["totals"], sums(&foretold), "the sums are those of the rows");
    assert_eq!(found["totals"]["conflict"], 5, "{found}");
    assert_eq!(found["totals"]["create"], 55, "{found}");
    assert!(found["calls"].as_u64() > found["totals"]["create"].as_u64(), "{found}");
    assert!(found["predicted_duration_seconds"].is_u64(), "{found}");
    assert_eq!(
        planned["created_resources"]["passphrases"],
        json!([]),
        "it has made nothing"
    );
    assert_eq!(planned["summary"]["resources"], json!({}));
    let link = format!(
        "{}&planned=conflict",
        found["phases"]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["id"] == "create_passphrases")
            .unwrap()["link"]
            .as_str()
            .unwrap()
    );
    let (_, conflicts) = world.fleet.api.get(&link).await.unwrap();
    assert_eq!(conflicts["items"].as_array().unwrap().len(), 5, "{conflicts}");
    assert_eq!(conflicts["items"][0]["planned"], "conflict");

    // nothing has changed: it begins, and does just that
    let hash = found["hash"].as_str().unwrap().to_owned();
    let (status, accepted) = import(&world, json!({"plan_hash": hash})).await;
    assert_eq!(status, 202, "{accepted}");
    let done = world.ended(accepted["job_id"].as_str().unwrap()).await;
    assert!(done["plan_checked_by"].is_string(), "{done}");
    assert_eq!(rows(&world, &done).await, foretold);
    let writes = world.counts().await["writes"].as_u64();
    assert_eq!(writes, found["totals"]["create"].as_u64(), "one write for each");

    // what was to be made is there now
    let (status, problem) = import(&world, json!({"plan_hash": hash})).await;
    assert_eq!(status, 409, "{problem}");
    let difference = &problem["difference"];
    let seen = world
        .fleet
        .api
        .job(difference["planned_by"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(seen["plan"]["hash"], hash, "{problem}");
    assert_eq!(difference["planned"], found["totals"]);
    assert_eq!(difference["now"]["create"], 0, "{difference}");
    // the made ones are there now; the groups and pools of them are no longer planned but found
    assert!(
        difference["rows_total"].as_u64() >= found["totals"]["create"].as_u64(),
        "{difference}"
    );
    assert_eq!(difference["rows"][0]["planned"], "create");
    assert_eq!(difference["rows"][0]["now"], "adopt");
    assert_eq!(
        world.counts().await["writes"].as_u64(),
        writes,
        "refused before anything was sent"
    );
    // what it would do now can be followed
    let (status, accepted) = import(&world, json!({"plan_hash": difference["now_hash"]})).await;
    assert_eq!(status, 202, "{accepted}");
    let again = world.ended(accepted["job_id"].as_str().unwrap()).await;
    assert_eq!(again["summary"]["failed"], 5);
    let refused = world.fleet.api.get("/api/v1/jobs?status=CANCELLED").await.unwrap().1;
    let error = refused["items"][0]["error_details"][0]["code"].as_str();
    assert_eq!(error, Some("PLAN_CHANGED"), "{refused}");
    // a retry would begin without the plan
    let path = format!("/api/v1/jobs/{}/retry", refused["items"][0]["id"].as_str().unwrap());
    let (status, problem) = world.fleet.api.post(&path, None).await.unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 409 && detail.contains("plan the export anew"), "{problem}");
}

#[tokio::test]
async fn an_import_that_follows_a_plan_begins_by_itself_when_its_submitter_died_waiting() {
    let mut world = World::new(40, 60_000, 1).await;
    let planned = plan(&world, json!({})).await;
    assert_eq!(planned["status"], "COMPLETED");
    let hash = planned["plan"]["hash"].clone();
    // nobody can make the plan anew now
    let worker = world.fleet.workers.remove(0);
    drop(worker);
    let asked = body(&world.export, json!({"plan_hash": hash}));
    let api = world.fleet.api.clone();
    let asking = tokio::spawn(async move { api.post("/api/cloudpath-dpsk/import", Some(&asked)).await });
    let held = wait_until("the import is held", TIMEOUT, async || {
        let (_, page) = world
            .fleet
            .api
            .get("/api/v1/jobs?status=AWAITING_CONFIRMATION")
            .await
            .ok()?;
        Some(page["items"].get(0)?["id"].as_str()?.to_owned())
    });
    let import = held.await.unwrap();
    let job = world.fleet.api.job(&import).await.unwrap();
    let by = job["plan_checked_by"].as_str().unwrap();
    let warning = job["warnings"][0].as_str().unwrap();
    assert!(warning.contains(by) && warning.contains("makes its plan anew"), "{job}");
    let (status, problem) = world.fleet.api.steer(&import, "confirm").await.unwrap();
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(by), "{problem}");

    world.fleet.restart_api().await.unwrap();
    assert!(asking.await.unwrap().is_err(), "its answer was lost");
    world.fleet.add_worker().await.unwrap();
    let done = world.ended(&import).await;
    world.assert_done(&done).await;
    assert_eq!(done["summary"]["resources"]["passphrases"]["created"], 40, "{done}");
}

#[tokio::test]
async fn a_plan_that_cannot_be_made_anew_refuses_its_import() {
    let world = World::new(10, 60_000, 1).await;
    let hash = plan(&world, json!({})).await["plan"]["hash"].clone();
    let mut asked = body(&world.export, json!({"plan_hash": hash}));
    asked["venue_id"] = "no-such-venue".into();
    let path = "/api/cloudpath-dpsk/import";
    let (status, problem) = world.fleet.api.post(path, Some(&asked)).await.unwrap();
    assert_eq!(status, 409, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    let by = detail
        .split_whitespace()
        .find_map(|word| word.trim_end_matches(';').parse::<uuid::Uuid>().ok());
    let said = world.fleet.api.job(&by.unwrap().to_string()).await.unwrap();
    assert_eq!(
        (&said["status"], &said["plan"]["hash"]),
        (&json!("FAILED"), &Value::Null)
    );
    assert_eq!(said["error_details"][0]["code"], "VENUE_NOT_FOUND", "{said}");

    // a plan follows none, and is not retried
    asked["venue_id"] = VENUE.into();
    let (status, problem) = world
        .fleet
        .api
        .post("/api/cloudpath-dpsk/plan", Some(&asked))
        .await
        .unwrap();
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (400, &json!("/options/plan_hash"))
    );
    let (status, problem) = world
        .fleet
        .api
        .steer(said["id"].as_str().unwrap(), "retry")
        .await
        .unwrap();
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("a plan is not retried"));
}
