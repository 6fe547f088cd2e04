//! Audits: what was done behind an import's back is found, nothing is written, and no passphrase is told.

use std::process::Stdio;

use serde_json::{Value, json};
use testkit::harness::wait_until;

use crate::search::{Secrets, dump};
use crate::world::{REMOTE, TIMEOUT, World};

/// Shortest time until take-over that the product takes.
const LOCK_TTL_SECONDS: u32 = 15;
const THEIRS: &str = "put-there-by-somebody";

async fn ledger(world: &World) -> Value {
    let mut ledger = world.fleet.simulators[0].ledger(REMOTE).await.unwrap();
    ledger["totals"]["activities"] = Value::Null;
    ledger
}

/// Deletes a key, changes the passphrase of another, puts one into the first pool, and changes that pool; their user names and its name.
async fn tamper(world: &World) -> [String; 4] {
    let there = ledger(world).await;
    let pool = &there["dpsk_pools"][0];
    let keys: Vec<&Value> = there["passphrases"].as_array().unwrap().iter().collect();
    let name = |of: &Value, field: &str| of[field].as_str().unwrap().to_owned();
    let change = json!([{"id": keys[1]["id"], "passphrase": THEIRS}, {"id": pool["id"], "deviceCountLimit": 7}]);
    let extra = json!([{"pool": name(pool, "name"), "username": "a stranger", "passphrase": "a-strangers-secret"}]);
    let seed = json!({"tenant": REMOTE, "delete": [keys[0]["id"]], "change": change, "passphrases": extra});
    world.fleet.simulators[0].seed(seed).await.unwrap();
    [
        name(keys[0], "username"),
        name(keys[1], "username"),
        "a stranger".to_owned(),
        name(pool, "name"),
    ]
}

/// `verdict kind name` of a list of the answer.
fn told(audit: &Value, list: &str) -> Vec<String> {
    let rows = audit[list].as_array().unwrap().iter();
    rows.map(|row| format!("{} {}", row["kind"].as_str().unwrap(), row["name"].as_str().unwrap()))
        .collect()
}

fn assert_finds(audit: &Value, [gone, changed, stranger, pool]: &[String; 4]) {
    assert_eq!(
        (&audit["status"], &audit["is_as_left"]),
        (&json!("audited"), &json!(false)),
        "{audit}"
    );
    assert_eq!(told(audit, "missing"), [format!("passphrase {gone}")]);
    assert_eq!(
        told(audit, "changed"),
        [format!("dpsk_pool {pool}"), format!("passphrase {changed}")]
    );
    assert_eq!(told(audit, "extra"), [format!("passphrase {stranger}")]);
    let masked = json!([{"field": "passphrase", "found": "***", "expected": "***"}]);
    assert_eq!(audit["changed"][1]["differences"], masked);
    assert_eq!(audit["changed"][0]["differences"][0]["field"], "deviceCountLimit");
}

#[tokio::test]
async fn a_deleted_a_changed_and_an_extra_key_are_found_and_no_passphrase_is_told() {
    let world = World::with(120, 60_000, 2, |plan| {
        plan.environment.push(("RUST_LOG".into(), "trace".into()))
    })
    .await;
    let job = world.import().await;
    world.assert_done(&world.ended(&job).await).await;
    let untouched = run(&world, &job, 0).await;
    assert_eq!(
        (&untouched["is_as_left"], &untouched["totals"]["missing"]["total"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(untouched["total_passphrases"], 120);

    let names = tamper(&world).await;
    let before = ledger(&world).await;
    world.fleet.simulators[0].reset_counts().await.unwrap();
    let audit = run(&world, &job, 8).await;
    assert_finds(&audit, &names);
    assert_eq!(
        (world.counts().await["writes"].clone(), ledger(&world).await),
        (json!(0), before),
        "an audit wrote"
    );
    // once for each pool, and not once for each key: venue, groups, pools, keys, and a key that is missing once more
    let reads = world.counts().await["reads"].as_u64().unwrap();
    assert!(reads < 40, "{reads}");
    let again = run(&world, &job, 8).await;
    for list in ["verdicts", "total_passphrases", "venue_name"] {
        assert_eq!(again[list], audit[list], "{list}");
    }
    assert_finds(&again, &names);

    let api = &world.fleet.api;
    let id = audit["job_id"].as_str().unwrap();
    let done = api.job(id).await.unwrap();
    assert_eq!(
        (&done["status"], &done["errors_total"]),
        (&json!("COMPLETED"), &json!(0)),
        "{done}"
    );
    assert_eq!(done["audit"], audit, "the same when it is asked for later");
    let old = api.job(&job).await.unwrap();
    assert_eq!(
        (&old["audited_by"], &old["status"]),
        (&again["job_id"], &json!("COMPLETED"))
    );
    let tasks = api.tasks(id).await.unwrap();
    let groups = ledger(&world).await["identity_groups"].as_array().unwrap().len();
    assert_eq!(
        tasks.len(),
        120 + 1 + 2 * groups,
        "one for each item, and one for what is extra"
    );
    let (_, page) = api
        .get(audit["totals"]["missing"]["link"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(
        (page["items"].as_array().unwrap().len(), &page["items"][0]["name"]),
        (1, &json!(names[0]))
    );

    let mut client = tokio::process::Command::from(world.fleet.client().unwrap());
    client
        .args(["report", id, "--verdict", "missing,extra"])
        .stdin(Stdio::null());
    let report = String::from_utf8(client.output().await.unwrap().stdout).unwrap();
    let mut rows = csv_rows(&report);
    rows.sort_unstable();
    let mut expected = [format!("{} extra", names[2]), format!("{} missing", names[0])];
    expected.sort_unstable();
    assert_eq!(rows, expected);

    let mut secrets = vec![
        ("the changed passphrase".to_owned(), THEIRS.into()),
        ("the stranger's".to_owned(), "a-strangers-secret".into()),
    ];
    for dpsk in world.export["dpskPools"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|pool| pool["dpsks"].as_array().unwrap())
    {
        let secret = dpsk["passphrase"].as_str().unwrap().into();
        secrets.push((format!("the passphrase of {}", dpsk["name"]), secret));
    }
    let secrets = Secrets(secrets);
    secrets.assert_not_in("the answer", audit.to_string().as_bytes());
    for path in [
        "",
        "?resources=100",
        "/tasks?limit=200",
        "/report?format=csv",
        "/report?format=json",
    ] {
        let (status, text) = api.get_text(&format!("/api/v1/jobs/{id}{path}")).await.unwrap();
        assert!(status == 200 && text.len() > 100, "{path}: {status}");
        secrets.assert_not_in(path, text.as_bytes());
    }
    for (place, values) in dump(&mut world.fleet.redis_connection().unwrap()).unwrap() {
        values.iter().for_each(|value| secrets.assert_not_in(&place, value));
    }
    for (path, text) in world.fleet.logs().unwrap() {
        secrets.assert_not_in(&path.display().to_string(), &text);
    }
}

/// `name outcome` of each row; no name of these tests is quoted.
fn csv_rows(report: &str) -> Vec<String> {
    let rows = report.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.map(|cells| format!("{} {}", cells[3], cells[6])).collect()
}

/// Audits with the command, which ends with this exit code; its document.
async fn run(world: &World, job: &str, exit: i32) -> Value {
    let mut client = tokio::process::Command::from(world.fleet.client().unwrap());
    client
        .args(["audit", job, "--wait", "60", "--json"])
        .stdin(Stdio::null());
    let said = client.output().await.unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let errors = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(exit), "{text} {errors}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_paused_import_is_audited_as_it_stands_and_goes_on_afterwards() {
    let world = World::new(300, 6000, 2).await;
    let api = &world.fleet.api;
    let job = world.import().await;
    world.written(60).await;
    let (status, refused) = api.post(&format!("/api/v1/jobs/{job}/audit"), None).await.unwrap();
    assert_eq!((status, &refused["state"]), (409, &json!("RUNNING")), "{refused}");
    assert_eq!(api.steer(&job, "pause").await.unwrap().0, 200);
    // at once, while what was sent is being settled
    let audit = run(&world, &job, 0).await;
    assert_eq!(
        (&audit["status"], &audit["is_as_left"]),
        (&json!("audited"), &json!(true)),
        "{audit}"
    );
    let n = |verdict: &str| audit["verdicts"][verdict].as_u64().unwrap();
    assert!(n("pending") > 0 && n("present") > 0, "{audit}");
    assert_eq!(n("missing") + n("changed") + n("extra") + n("not_judged"), 0);
    let held = api.job(&job).await.unwrap();
    assert_eq!(
        (&held["status"], &held["audited_by"]),
        (&json!("PAUSED"), &audit["job_id"])
    );
    let mut redis = world.fleet.redis_connection().unwrap();
    let key = format!("workflow:{{p0}}:jobs:{job}");
    let alive = redis.call(&["TTL", &key]).unwrap();
    assert_eq!(format!("{alive:?}"), "Int(-1)", "what is paused has no time to live");

    assert_eq!(api.steer(&job, "resume").await.unwrap().0, 200);
    world.assert_done(&world.ended(&job).await).await;
    let audit = run(&world, &job, 0).await;
    assert_eq!(
        (&audit["verdicts"]["pending"], &audit["total_passphrases"]),
        (&json!(0), &json!(300)),
        "{audit}"
    );
}

/// The next list of keys takes three seconds.
async fn slow_keys(world: &World) {
    let slow =
        json!({"operation": "POST /dpskServices/{poolId}/passphrases/query", "kind": "slow", "ms": 3000, "max": 1});
    world.fleet.simulators[0]
        .faults(json!({ "rules": [slow] }))
        .await
        .unwrap();
}

async fn asks_for_keys(world: &World) {
    let reached = wait_until("keys to be asked for", TIMEOUT, async || {
        (world.counts().await["injected"]["slow"].as_u64()? > 0).then_some(())
    });
    reached.await.unwrap();
}

/// Id of the job that does this with a job; answered at once, nobody waits.
async fn accepted(world: &World, job: &str, call: &str, body: Value) -> String {
    let http = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{}/api/v1/jobs/{job}/{call}", world.fleet.api.base()));
    let answer = http.header("prefer", "wait=0").json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let id = answer["job_id"].as_str();
    id.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn what_a_cleanup_takes_away_during_an_audit_is_not_told_as_missing() {
    let world = World::new(60, 60_000, 2).await;
    let job = world.import().await;
    world.assert_done(&world.ended(&job).await).await;
    slow_keys(&world).await;
    let audit = accepted(&world, &job, "audit", json!({})).await;
    asks_for_keys(&world).await;
    let cleanup = accepted(&world, &job, "cleanup", json!({"delete_partial_resources": true})).await;
    let ended = world.ended(&audit).await;
    assert_eq!(ended["status"], "PARTIAL", "{}", testkit::harness::api::summary(&ended));
    let told = &ended["error_details"][0];
    assert_eq!(told["code"], "WENT_ON_MEANWHILE", "{ended}");
    assert!(told["message"].as_str().unwrap().contains(&cleanup), "{told}");
    assert_eq!(
        (&ended["audit"]["status"], &ended["audit"]["totals"]["missing"]["total"]),
        (&json!("partly_audited"), &json!(0)),
        "{}",
        ended["audit"]
    );
    assert_eq!(world.ended(&cleanup).await["status"], "COMPLETED");
}

#[tokio::test]
async fn an_auditing_worker_that_is_killed_is_replaced_and_finds_the_same() {
    let mut world = World::with(120, 60_000, 1, |plan| plan.lock_ttl_seconds = Some(LOCK_TTL_SECONDS)).await;
    let job = world.import().await;
    world.assert_done(&world.ended(&job).await).await;
    let names = tamper(&world).await;
    world.fleet.simulators[0].reset_counts().await.unwrap();
    slow_keys(&world).await;
    let id = accepted(&world, &job, "audit", json!({})).await;
    asks_for_keys(&world).await;
    world.fleet.workers[0].process.kill();
    world.fleet.add_worker().await.unwrap();
    let ended = world.ended(&id).await;
    assert_eq!(
        ended["status"],
        "COMPLETED",
        "{}",
        testkit::harness::api::summary(&ended)
    );
    assert_finds(&ended["audit"], &names);
    assert_eq!(world.counts().await["writes"], 0);
}
