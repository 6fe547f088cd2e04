//! What the first version left in Redis (`tests/golden/first`) is told, done, looked at and taken away by this one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::harness::api::summary;

use crate::world::{REMOTE, World, resources};

const KEYS: &str = include_str!("../../golden/first/redis.jsonl");
const EXPORT: &str = include_str!("../../golden/first/export.json");
const JOBS: &str = include_str!("../../golden/first/jobs.json");

/// Puts it in the place of what the fleet's Redis holds.
async fn restore(world: &World) {
    let client = redis::Client::open(format!("{}1", world.fleet.redis.url())).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let mut all = redis::pipe();
    all.cmd("FLUSHDB").ignore();
    for line in KEYS.lines() {
        let kept: Value = serde_json::from_str(line).unwrap();
        let dump = STANDARD.decode(kept["dump"].as_str().unwrap()).unwrap();
        let restore = all.cmd("RESTORE").arg(kept["key"].as_str().unwrap());
        restore.arg(kept["ttl_ms"].as_u64().unwrap()).arg(dump).ignore();
    }
    all.exec_async(&mut redis).await.unwrap();
}

async fn begin(world: &World, path: &str, body: Option<&Value>) -> Value {
    let (status, answer) = world.fleet.api.post(path, body).await.unwrap();
    assert!([200, 202].contains(&status), "{path}: {answer}");
    world.ended(answer["job_id"].as_str().unwrap()).await
}

#[tokio::test]
async fn jobs_of_the_first_version_are_as_good_as_ours() {
    let payload_key = STANDARD.encode([7_u8; 32]);
    let mut world = World::with(1, 60_000, 0, |plan| {
        plan.environment.push(("PAYLOAD_KEY".into(), payload_key));
    })
    .await;
    restore(&world).await;
    world.export = serde_json::from_str(EXPORT).unwrap();
    let jobs: Value = serde_json::from_str(JOBS).unwrap();
    let [partial, pending] = ["partial", "pending"].map(|name| jobs[name].as_str().unwrap());

    // told as it ended, without a worker
    let api = &world.fleet.api;
    let old = api.job(partial).await.unwrap();
    assert_eq!(old["status"], "PARTIAL", "{}", summary(&old));
    assert_eq!(
        (resources(&old, "passphrases"), &old["summary"]["failed"]),
        ((22, 0), &json!(2))
    );
    let tasks = api.tasks(partial).await.unwrap();
    let failed: Vec<_> = tasks.iter().filter(|task| task["status"] == "FAILED").collect();
    assert!(
        tasks.len() == 31 && failed.len() == 2 && failed.iter().all(|task| task["error_code"] == "GENERAL-422"),
        "{failed:#?}"
    );
    let report = format!("/api/v1/jobs/{partial}/report?format=csv");
    let (status, report) = api.get_text(&report).await.unwrap();
    assert!(status == 200 && report.lines().count() > 24, "{report}");

    world.fleet.add_worker().await.unwrap();
    let done = world.ended(pending).await;
    world.assert_done(&done).await;
    assert_eq!(resources(&done, "passphrases"), (24, 0));
    let ledger = world.fleet.simulators[0].ledger(REMOTE).await.unwrap();
    let writes = world.counts().await["writes"].clone();

    // it kept no rows of a job that has ended
    let path = format!("/api/v1/jobs/{partial}/retry");
    let (status, refused) = world.fleet.api.post(&path, None).await.unwrap();
    let detail = refused["detail"].as_str().unwrap_or_default();
    assert!(status == 409 && detail.contains("import its export again"), "{refused}");
    // of what it made itself nothing is at this controller
    let audited = begin(&world, &format!("/api/v1/jobs/{partial}/audit"), None).await;
    assert_eq!(audited["status"], "COMPLETED", "{}", summary(&audited));
    let found = &audited["audit"];
    assert_eq!(
        (&found["is_as_left"], &found["totals"]["missing"]["total"]),
        (&json!(false), &json!(26)),
        "{found}"
    );
    let delete = json!({"delete_partial_resources": true});
    let cleaned = begin(&world, &format!("/api/v1/jobs/{partial}/cleanup"), Some(&delete)).await;
    assert_eq!(cleaned["status"], "COMPLETED", "{}", summary(&cleaned));
    assert_eq!(
        world.counts().await["writes"],
        writes,
        "nothing of the other job was touched"
    );
    let after = world.fleet.simulators[0].ledger(REMOTE).await.unwrap();
    for kind in ["passphrases", "dpsk_pools", "identity_groups"] {
        assert_eq!(after[kind], ledger[kind], "{kind}");
    }
}
