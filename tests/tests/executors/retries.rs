//! A job that is about some rows of its input only: a retry.

use serde_json::{Value, json};
use shared::job::TaskStatus;

use crate::harness::{World, dpsk, export};

/// Twenty keys, in three chunks.
fn keys() -> Value {
    (0..20).map(|n| dpsk(&format!("user-{n}"), json!({}))).collect()
}

fn refused(world: &World, users: &[&str]) {
    let rule = json!({"operation": "create_passphrase", "usernames": users, "kind": "permanent_4xx"});
    world.sim.post("faults", &json!({ "rules": [rule] }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_rows_that_are_left_are_written_and_the_audit_is_about_them() {
    let world = World::start();
    refused(&world, &["user-3", "user-9", "user-10"]);
    let (first, _) = world.job(export(keys()), json!({})).run_all().await;
    let failed = first.outcomes.iter().filter(|o| o.status == TaskStatus::Failed).count();
    assert_eq!((failed, world.ledger().len()), (3, 17));

    refused(&world, &["user-10"]);
    let before = world.writes();
    let (keys, audit) = world.job(export(keys()), json!({})).about(&[3, 9, 10]).run_all().await;
    let ends: Vec<_> = keys
        .tasks
        .iter()
        .map(|t| (t.input.index, keys.end(&t.input.name)))
        .collect();
    assert_eq!(
        ends,
        [
            (3, "created".to_owned()),
            (9, "created".to_owned()),
            (10, "failed".to_owned())
        ]
    );
    // groups and pools were found, and of the one that is refused nothing was accepted
    assert_eq!((world.writes() - before, world.ledger().len()), (2, 19));
    assert_eq!(audit.outcomes.len(), 1);
    assert!(audit.outcomes[0].error.is_none(), "{:?}", audit.outcomes);
    let facts = &audit.task_facts[0];
    let told = ["expected", "present", "missing", "not_imported", "extra"].map(|what| facts[what].as_u64().unwrap());
    assert_eq!(told, [2, 2, 0, 1, 0], "{facts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_about_no_row_has_no_task_for_one_and_still_makes_the_rest_whole() {
    let world = World::start();
    let (none, audit) = world.job(export(keys()), json!({})).about(&[]).run_all().await;
    assert!(none.tasks.is_empty() && world.ledger().is_empty());
    assert!(audit.all("completed"), "{:?}", audit.outcomes);
    let ledger = world.sim.ledger(crate::harness::TENANT);
    assert_eq!(
        ledger["dpsk_pools"].as_array().map(Vec::len),
        Some(1),
        "the pool is made"
    );
}
