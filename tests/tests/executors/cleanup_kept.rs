//! What a cleanup leaves alone: what was changed since, what holds things of others, and what may not be ours.

use serde_json::{Value, json};

use super::cleanup::{clean, ends, everything, import, state};
use super::harness::*;
use super::policies::radius;

pub fn lobby() -> Value {
    export(json!([dpsk("anna", json!({})), dpsk("ben", json!({}))]))
}

fn id(world: &World, part: &str, name: &str) -> Value {
    let ledger = world.sim.ledger(TENANT);
    let found = ledger[part].as_array().unwrap().iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))["id"].clone()
}

pub fn kept(phases: &[(&'static str, Phase)]) -> Vec<String> {
    let ends = ends(phases).into_iter();
    ends.filter(|end| !end.ends_with(": Completed")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_changed_is_told_with_its_fields_and_goes_when_that_is_forced() {
    let world = World::start();
    let before = state(&world);
    let job = world.job(lobby(), json!({}));
    job.run_all().await;
    let anna = world.ledger()["anna"]["id"].clone();
    world.seed(json!({"change": [{"id": anna, "vlanId": 45, "passphrase": "changed-by-them"}]}));

    let done = clean(&job.cleanup(false)).await;
    assert_eq!(
        kept(&done),
        [
            "delete_passphrases: anna: Skipped CHANGED_SINCE",
            "delete_dpsk_pools: Lobby-DPSK: Skipped HOLDS_OTHERS",
            "delete_identity_groups: Lobby-IDG: Skipped HOLDS_OTHERS",
        ]
    );
    let error = done[0].1.of("anna").error.clone().unwrap();
    assert_eq!(
        error.message,
        "the passphrase of user \"anna\" stays: it was changed since it was made: passphrase differs; vlanId is 45, wanted none"
    );
    assert_eq!(
        done[0].1.facts,
        json!({"to_delete": 1, "gone": 0, "kept": {"passphrase": 1}})
    );
    assert_eq!(world.ledger().keys().collect::<Vec<_>>(), ["anna"]);

    let forced = clean(&job.cleanup(true)).await;
    assert_eq!(kept(&forced), ["delete_passphrases: ben: Skipped ALREADY_GONE"]);
    assert_eq!(state(&world), before, "ben's identity as well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_with_keys_of_others_stays_whatever_is_forced() {
    let world = World::start();
    let job = world.job(lobby(), json!({}));
    job.run_all().await;
    world.seed(json!({"passphrases": [{"pool": "Lobby-DPSK", "username": "zoe", "passphrase": "secret-of-zoe"}]}));
    for force in [false, true] {
        let done = clean(&job.cleanup(force)).await;
        let kept: Vec<_> = kept(&done)
            .into_iter()
            .filter(|end| !end.ends_with("ALREADY_GONE"))
            .collect();
        assert_eq!(
            kept,
            [
                "delete_dpsk_pools: Lobby-DPSK: Skipped HOLDS_OTHERS",
                "delete_identity_groups: Lobby-IDG: Skipped HOLDS_OTHERS",
            ]
        );
        assert_eq!(world.ledger().keys().collect::<Vec<_>>(), ["zoe"]);
        let dry = clean(&job.cleanup(force).dry()).await;
        assert_eq!(
            ends(&dry[3..]),
            ends(&done[3..])
                .into_iter()
                .filter(|end| !end.contains("identities from"))
                .collect::<Vec<_>>()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_or_is_used_by_others_stays_and_is_told() {
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
    ], "policy_sets": [{"name": "Theirs", "policies": ["silver-POL"]}]}));
    let done = clean(&job.cleanup(false)).await;
    assert_eq!(
        kept(&done),
        [
            "deactivate_networks: Roof: Skipped CHANGED_SINCE",
            "delete_dpsk_pools: Attic-DPSK: Skipped CHANGED_SINCE",
            "delete_identity_groups: Lobby-IDG: Skipped CHANGED_SINCE",
            "delete_identity_groups: Attic-IDG: Skipped HOLDS_OTHERS",
            "delete_policies: Lobby-PS: Skipped CHANGED_SINCE",
            "delete_policies: silver-POL: Skipped HOLDS_OTHERS",
        ]
    );
    let forced = clean(&job.cleanup(true)).await;
    let kept: Vec<_> = kept(&forced)
        .into_iter()
        .filter(|end| !end.ends_with("ALREADY_GONE"))
        .collect();
    assert_eq!(kept, ["delete_policies: silver-POL: Skipped HOLDS_OTHERS"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_knows_the_end_of_stays_where_it_is_not_what_was_sent() {
    let world = World::start();
    let job = world.job(lobby(), json!({}));
    job.run_all().await;
    job.doubt("create_passphrases", "anna");
    let anna = world.ledger()["anna"]["id"].clone();
    world.seed(json!({"change": [{"id": anna, "passphrase": "perhaps-theirs"}]}));
    for force in [false, true] {
        let keys = job.cleanup(force).run("delete_passphrases").await;
        assert_eq!(keys.code("anna"), "MAY_NOT_BE_OURS");
        assert!(!keys.of("anna").error.as_ref().unwrap().message.contains("secret"));
        assert_eq!(world.ledger().keys().collect::<Vec<_>>(), ["anna"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_that_somebody_gave_a_key_in_the_meantime_stays() {
    let world = World::start();
    let job = world.job(lobby(), json!({}));
    job.run_all().await;
    let cleanup = job.cleanup(false);
    for phase in ["delete_passphrases", "deactivate_networks", "detach_policies"] {
        cleanup.run(phase).await;
    }
    let (tasks, _) = cleanup.plan("delete_identities").await.unwrap();
    let names = cleanup.names("delete_identities").await;
    let pool = id(&world, "dpsk_pools", "Lobby-DPSK");
    let pool = pool.as_str().unwrap();
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        [format!("passphrase|{pool}|anna"), format!("passphrase|{pool}|ben")],
        "an import that would give one of them a key waits"
    );
    // one that did not wait: the claim had run out
    let second = world.job(lobby(), json!({}));
    second.run_all().await;
    let found = cleanup.look_back("delete_identities", &tasks[0], false).await;
    let worker::executors::Found::Present(outcome) = found else {
        panic!("{found:?}")
    };
    assert_eq!(outcome.error.unwrap().code, "CHANGED_SINCE");
}
