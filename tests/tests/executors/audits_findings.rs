//! What audits find that was done behind the import's back.

use serde_json::{Value, json};
use shared::job::audit::{FIRST_MAX, Verdict};

use super::audits::{Audited, audit};
use super::cleanup::{clean, everything, import};
use super::harness::*;
use super::policies::radius;

fn id(world: &World, part: &str, name: &str) -> Value {
    let ledger = world.sim.ledger(TENANT);
    let found = ledger[part].as_array().unwrap().iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))["id"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_were_deleted_changed_or_put_there_are_told_with_their_fields() {
    let world = World::start();
    let keys = ["anna", "ben", "carl", "dora", "eve"].map(|name| dpsk(name, json!({"vlanid": "44"})));
    let job = world.job(export(json!(keys)), json!({}));
    job.run_all().await;
    let of = |name: &str| world.ledger()[name]["id"].clone();
    world.seed(json!({"delete": [of("anna"), of("eve")], "change": [
        {"id": of("ben"), "passphrase": "changed-by-them"}, {"id": of("carl"), "vlanId": 45}],
        "passphrases": [{"pool": "Lobby-DPSK", "username": "zoe", "passphrase": "secret-of-zoe"},
            {"pool": "Lobby-DPSK", "username": "eve", "passphrase": "secret-of-eve", "vlanId": 44}]}));
    let found = audit(&world, &job.audit(&[])).await;
    assert_eq!(
        found.other(),
        [
            "passphrase anna: missing",
            "passphrase ben: changed passphrase",
            "passphrase carl: changed vlanId",
            "passphrase zoe: extra",
        ]
    );
    assert_eq!(found.of("carl").fields[0].values, Some(("45".into(), "44".into())));
    assert_eq!(found.of("ben").fields[0].values, None);
    assert_eq!(found.of("zoe").place.as_deref(), Some("Lobby-DPSK"));
    // made anew by somebody, and as it was
    assert!(
        found
            .of("eve")
            .note
            .as_ref()
            .unwrap()
            .contains("another one of this user")
    );
    let facts = &found.facts[4];
    assert_eq!((facts.there, facts.of_others), (5, 0));
    assert_eq!(facts.first[&Verdict::Missing], [0]);
    assert_eq!(facts.first[&Verdict::Extra], [5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_were_changed_or_deleted_are_told_too() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    let (export, options) = everything();
    let job = world.job(export, options);
    import(&job).await;
    let of = |part: &str, name: &str| id(&world, part, name);
    world.seed(json!({"change": [
        {"id": of("identity_groups", "Lobby-IDG"), "description": "mine now"},
        {"id": of("dpsk_pools", "Attic-DPSK"), "deviceCountLimit": 7},
        {"id": of("wifi_networks", "Roof"), "name": "Up there"},
        {"id": of("policy_sets", "Lobby-PS"), "description": "mine now"},
    ], "delete": [of("dpsk_pools", "Lobby-DPSK"), of("wifi_networks", "Bar")]}));
    let found = audit(&world, &job.audit(&[])).await;
    assert_eq!(
        found.other(),
        [
            "identity_group Lobby-IDG: changed description",
            "dpsk_pool Lobby-DPSK: missing",
            "dpsk_pool Attic-DPSK: changed deviceCountLimit",
            "policy_set Lobby-PS: changed description",
            "pool_policy_set Lobby-PS on Lobby-DPSK: missing",
            "passphrase anna_gold: missing",
            "passphrase ben_silver: missing",
            "passphrase eve_gold: missing",
            "wifi_network create Bar: missing",
            "network_pool link Bar: missing",
            "activation activate Bar: missing",
            "wifi_network create Roof: changed name",
        ]
    );
    assert_eq!((found.facts[0].there, found.facts[1].there), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cleanup_took_away_is_missing_now() {
    let world = World::start();
    let job = world.job(export(json!([dpsk("anna", json!({}))])), json!({}));
    job.run_all().await;
    clean(&job.cleanup(false)).await;
    let found = audit(&world, &job.audit(&[])).await;
    assert_eq!(
        found.rows,
        [
            "identity_group Lobby-IDG: missing",
            "dpsk_pool Lobby-DPSK: missing",
            "passphrase anna: missing"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_others_that_were_there_before_are_counted_and_not_extra() {
    let world = World::start();
    world.seed(json!({"identity_groups": [{"name": "Lobby-IDG", "description": "theirs"}],
        "dpsk_pools": [{"name": "Lobby-DPSK", "group": "Lobby-IDG", "passphraseFormat": "MOST_SECURED", "passphraseLength": 8}],
        "passphrases": [{"pool": "Lobby-DPSK", "username": "zoe", "passphrase": "secret-of-zoe", "createdDate": "2026-01-01T00:00:00Z"}]}));
    let job = world.job(
        export(json!([dpsk("anna", json!({}))])),
        json!({"name_conflict": "adopt"}),
    );
    job.run_all().await;
    let late = json!({"pool": "Lobby-DPSK", "username": "yves", "passphrase": "secret-of-yves", "createdDate": "2099-01-01T00:00:00Z"});
    world.seed(json!({ "passphrases": [late] }));
    let found = audit(&world, &job.audit(&[])).await;
    assert_eq!(
        found.other(),
        ["passphrase yves: extra"],
        "and the group is as it was left"
    );
    let facts = &found.facts[4];
    assert_eq!((facts.there, facts.of_others), (3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_retry_made_is_not_extra_to_the_job_nor_the_jobs_to_the_retry() {
    let world = World::start();
    let rule = json!({"operation": "create_passphrase", "nth": [2], "kind": "permanent_4xx"});
    world.sim.post("faults", &json!({ "rules": [rule] }));
    let data = || export(json!([dpsk("anna", json!({})), dpsk("ben", json!({}))]));
    let job = world.job(data(), json!({}));
    job.run_all().await;
    world.sim.post("faults", &json!({"rules": []}));
    let retry = world.job(data(), json!({})).about(&[1]);
    retry.run_all().await;
    let alone = audit(&world, &job.audit(&[])).await;
    assert_eq!(alone.other(), ["passphrase ben: not_expected", "passphrase ben: extra"]);
    let found = audit(&world, &job.audit(&[&retry])).await;
    assert_eq!(found.other(), ["passphrase ben: not_expected"]);
    let found = audit(&world, &retry.audit(&[&job])).await;
    assert_eq!(found.other(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_pool_is_read_once_and_the_first_findings_are_pointed_at() {
    let world = World::start();
    let keys: Vec<Value> = (0..60).map(|n| dpsk(&format!("user-{n:02}"), json!({}))).collect();
    let job = world.job(export(json!(keys)), json!({}));
    job.run_all().await;
    let gone: Vec<Value> = (0..30)
        .map(|n| world.ledger()[&format!("user-{n:02}")]["id"].clone())
        .collect();
    world.seed(json!({ "delete": gone }));
    let reads = || world.sim.counts(TENANT)["reads"].as_u64().unwrap();
    let before = reads();
    let (tasks, facts) = job.audit(&[]).plan("audit_passphrases").await.unwrap();
    // keys that ended a moment ago may be younger than the list, so that those that are missing are asked for once more
    assert!(reads() - before <= 1 + 30, "{}", reads() - before);
    assert_eq!((tasks.len(), &facts["audit"]["verdicts"]["missing"]), (60, &json!(30)));
    let first = facts["audit"]["first"]["missing"].as_array().unwrap();
    assert_eq!(first.len(), FIRST_MAX);
    assert!(facts.to_string().len() < 4096);
}

/// What `name_conflict=adopt` left other than in the export is as it was left until somebody changes it, to whatever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_other_than_in_the_export_is_held_against_what_it_was_then() {
    let world = World::start();
    let data = |vlan: u16| {
        let key = |name: &str| dpsk(name, json!({ "vlanid": vlan.to_string() }));
        export(json!(["anna", "ben", "carl"].map(key)))
    };
    world.job(data(44), json!({})).run_all().await;
    let id = |name: &str| world.ledger()[name]["id"].clone();
    let change = |all: Value| world.seed(json!({ "change": all }));
    change(
        json!([{"id": id("anna"), "passphrase": "changed-by-them"}, {"id": id("ben"), "passphrase": "changed-by-them-2"},
        {"id": id("carl"), "vlanId": 45}]),
    );
    let job = world.job(data(44), json!({"name_conflict": "adopt"}));
    job.run_all().await;
    let found = audit(&world, &job.audit(&[])).await;
    assert_eq!((found.other(), &found.of("anna").note), (vec![], &None));

    change(
        json!([{"id": id("anna"), "passphrase": "changed-by-others"}, {"id": id("ben"), "vlanId": 46},
        {"id": id("carl"), "vlanId": 47}]),
    );
    let found = audit(&world, &job.audit(&[])).await;
    assert_eq!(
        found.other(),
        [
            "passphrase anna: changed passphrase",
            "passphrase ben: changed vlanId",
            "passphrase carl: changed vlanId"
        ]
    );
    let values = |name: &str| found.of(name).fields[0].values.clone();
    let told = |found: &str, expected: &str| Some((found.to_owned(), expected.to_owned()));
    assert_eq!(
        (values("anna"), values("ben"), values("carl")),
        (None, told("46", "44"), told("47", "45"))
    );
    let note = |found: &Audited| found.of("anna").note.clone().unwrap();
    assert!(note(&found).ends_with("it was changed since"), "{}", note(&found));

    // an earlier version has not kept what it was
    job.forget_what_was_left("create_passphrases");
    let found = audit(&world, &job.audit(&[])).await;
    assert_eq!(found.of("anna").verdict, Verdict::Present);
    assert!(
        note(&found).contains("whether it was changed since can't be told"),
        "{}",
        note(&found)
    );
}
