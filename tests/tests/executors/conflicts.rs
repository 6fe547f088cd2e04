//! What is there already and differs.

use serde_json::{Value, json};

use super::harness::*;

fn three() -> Value {
    export(json!([
        dpsk("anna", json!({"vlanid": "44"})),
        dpsk("ben", json!({})),
        dpsk("carl", json!({}))
    ]))
}

/// A first import, then somebody changes anna's VLAN and gives ben another passphrase.
async fn tampered(world: &World) {
    world.job(three(), json!({})).run_all().await;
    let ledger = world.ledger();
    let change = json!([
        {"id": ledger["anna"]["id"], "vlanId": 45},
        {"id": ledger["ben"]["id"], "passphrase": "changed-by-hand", "email": "ben@example.com"},
    ]);
    world.seed(json!({ "change": change }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fail_names_every_field_and_writes_nothing() {
    let world = World::start();
    tampered(&world).await;
    let before = world.writes();
    let (keys, audit) = world.job(three(), json!({})).run_all().await;
    assert_eq!(
        keys.of("anna").error.as_ref().unwrap().message,
        "the passphrase of user \"anna\" in pool \"Lobby-DPSK\" exists and differs: vlanId is 45, wanted 44"
    );
    assert_eq!(
        keys.of("ben").error.as_ref().unwrap().message,
        "the passphrase of user \"ben\" in pool \"Lobby-DPSK\" exists and differs: passphrase differs"
    );
    assert_eq!(keys.end("carl"), "adopted");
    // What failed is not claimed to be right.
    assert_eq!(
        (&audit.outcomes[0].error, &audit.task_facts[0]["expected"]),
        (&None, &json!(1))
    );
    assert_eq!(world.writes(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adopt_takes_it_as_it_is() {
    let world = World::start();
    tampered(&world).await;
    let before = world.writes();
    let (keys, audit) = world.job(three(), json!({"name_conflict": "adopt"})).run_all().await;
    assert!(keys.all("adopted"));
    let left: Vec<_> = keys.tasks.iter().map(|t| t.input.data["left_as_is"].clone()).collect();
    assert_eq!(
        left,
        [
            json!("vlanId is 45, wanted 44"),
            json!("passphrase differs"),
            Value::Null
        ]
    );
    assert_eq!(keys.facts["left_different"], 2);
    assert_eq!(
        (&audit.outcomes[0].error, &audit.task_facts[0]["changed"]),
        (&None, &json!(2))
    );
    assert_eq!(world.writes(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn update_sets_it_right_and_keeps_what_is_not_ours() {
    let world = World::start();
    tampered(&world).await;
    let (keys, audit) = world.job(three(), json!({"name_conflict": "update"})).run_all().await;
    assert_eq!(
        ["anna", "ben", "carl"].map(|n| keys.end(n)),
        ["updated", "updated", "adopted"].map(String::from)
    );
    assert_eq!(audit.outcomes[0].error, None);
    let ledger = world.ledger();
    assert_eq!(ledger["anna"]["vlan_id"], 44);
    assert_eq!(
        (&ledger["ben"]["passphrase"], &ledger["ben"]["email"]),
        (&json!("secret-of-ben"), &json!("ben@example.com"))
    );
    let before = world.writes();
    let (keys, _) = world.job(three(), json!({})).run_all().await;
    assert!(keys.all("adopted"));
    assert_eq!(world.writes(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_differs_goes_by_the_policy() {
    let world = World::start();
    world.job(three(), json!({})).run("create_identity_groups").await;
    world.seed(
        json!({"dpsk_pools": [{"name": "Lobby-DPSK", "group": "Lobby-IDG", "passphraseFormat": "MOST_SECURED",
        "passphraseLength": 20, "policyDefaultAccess": false}]}),
    );
    let pools = |policy: &str| {
        let job = world.job(three(), json!({"name_conflict": policy}));
        async move {
            assert!(job.run("create_identity_groups").await.all("adopted"));
            job.run("create_dpsk_pools").await
        }
    };
    let refused = pools("fail").await;
    assert_eq!(
        refused.of("Lobby-DPSK").error.as_ref().unwrap().message,
        "DPSK pool \"Lobby-DPSK\" exists and differs: passphraseLength is 20, wanted 13; the pool would not take keys of \
         this export: with name_conflict=update it is widened (existing keys stay as they are), with adopt it is used as it is and \
         keys it does not take fail"
    );
    assert_eq!(pools("adopt").await.end("Lobby-DPSK"), "adopted");
    assert_eq!(pools("update").await.end("Lobby-DPSK"), "updated");
    let ledger = world.sim.ledger(TENANT);
    assert_eq!(ledger["dpsk_pools"][0]["passphrase_length"], 13);
    assert_eq!(
        ledger["dpsk_pools"][0]["policy_default_access"], false,
        "not ours to change"
    );
    assert_eq!(pools("fail").await.end("Lobby-DPSK"), "adopted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_has_lost_its_shortest_key_finds_its_pool_again() {
    let world = World::start();
    world.job(three(), json!({})).run_all().await;
    let before = world.writes();
    // ben's was the shortest: the pool would be made with a higher minimum now
    let rest = export(json!([dpsk("anna", json!({"vlanid": "44"})), dpsk("carl", json!({}))]));
    for policy in ["fail", "update"] {
        let job = world.job(rest.clone(), json!({"name_conflict": policy}));
        let (keys, audit) = job.run_all().await;
        assert!(keys.all("adopted") && audit.outcomes[0].error.is_none(), "{policy}");
    }
    assert_eq!(world.writes(), before, "nobody asked for another minimum");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_belongs_to_another_pool_is_told() {
    let world = World::start();
    let job = world.job(three(), json!({}));
    job.run("create_identity_groups").await;
    world.seed(json!({"dpsk_pools": [{"name": "Theirs", "group": "Lobby-IDG"}]}));
    let pools = job.run("create_dpsk_pools").await;
    assert_eq!(
        pools.of("Lobby-DPSK").error.as_ref().unwrap().message,
        "DPSK pool \"Lobby-DPSK\" can't be made: its identity group \"Lobby-IDG\" belongs to DPSK pool \"Theirs\" already"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_users_passphrase_is_refused_and_an_invented_name_never_adopted() {
    let world = World::start();
    let job = world.job(three(), json!({"name_conflict": "adopt"}));
    job.run("create_identity_groups").await;
    job.run("create_dpsk_pools").await;
    world.seed(json!({"passphrases": [
        {"pool": "Lobby-DPSK", "username": "DPSK_User_0A1B2C3D_1", "passphrase": "secret-of-anna"}]}));
    let keys = job.run("create_passphrases").await;
    assert_eq!(keys.code("anna"), "PASSPHRASE_TAKEN");
    assert_eq!(
        (keys.end("ben"), keys.end("carl")),
        ("created".into(), "created".into())
    );
    assert!(keys.outcomes.iter().all(|o| !format!("{o:?}").contains("secret-of")));
    let audit = job.run("audit_results").await;
    assert_eq!(
        (&audit.outcomes[0].error, &audit.task_facts[0]["extra"]),
        (&None, &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_finds_what_others_took_away_or_changed() {
    let world = World::start();
    let job = world.job(three(), json!({}));
    let (_, audit) = job.run_all().await;
    assert_eq!(audit.outcomes[0].error, None);
    let ledger = world.ledger();
    world
        .seed(json!({"delete": [ledger["carl"]["id"]], "change": [{"id": ledger["ben"]["id"], "numberOfDevices": 2}]}));
    let audit = job.run("audit_results").await;
    let error = audit.outcomes[0].error.clone().unwrap();
    assert_eq!(error.code, "AUDIT_MISMATCH");
    assert!(
        error.message.contains(
            "1 missing and 1 different; missing: \"carl\"; different: \"ben\" (numberOfDevices is 2, wanted none)"
        ),
        "{}",
        error.message
    );
}
