//! Policies, sets and assignments that are there already and differ.

use serde_json::{Value, json};

use super::harness::*;
use super::policies::*;

fn options(policy: &str) -> Value {
    let mut options = with_policies();
    options["name_conflict"] = policy.into();
    options
}

/// The id of the object of this name in the ledger.
fn id(world: &World, part: &str, name: &str) -> String {
    let ledger = world.sim.ledger(TENANT);
    let found = ledger[part].as_array().unwrap().iter().find(|row| row["name"] == name);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_answers_with_another_group_goes_by_the_policy() {
    let world = World::start();
    radius(&world, &["gold", "silver", "iron"]);
    world.job(two_pools(), with_policies()).run_policies().await;
    let (gold, iron) = (
        id(&world, "policies", "gold-POL"),
        id(&world, "radius_attribute_groups", "iron"),
    );
    world.seed(json!({"change": [{"id": gold, "onMatchResponse": iron}]}));
    let before = world.writes();

    let (made, attached) = world.job(two_pools(), options("fail")).run_policies().await;
    assert_eq!(
        made.of("gold-POL").error.as_ref().unwrap().message,
        "adaptive policy \"gold-POL\" exists and differs: onMatchResponse is iron, wanted gold"
    );
    assert_eq!(
        ["condition of gold-POL", "gold-POL in Lobby-PS"].map(|name| attached.code(name)),
        ["POLICY_MISSING"; 2]
    );
    let (made, attached) = world.job(two_pools(), options("adopt")).run_policies().await;
    assert!(made.all("adopted") && attached.outcomes.iter().all(|o| o.error.is_none()));
    assert_eq!(world.writes(), before);

    let (made, attached) = world.job(two_pools(), options("update")).run_policies().await;
    assert_eq!(
        (made.end("gold-POL"), made.end("silver-POL")),
        ("updated".into(), "adopted".into())
    );
    assert!(attached.outcomes.iter().all(|o| o.error.is_none()));
    assert_eq!(
        (standing(&world).1[0][1].clone(), world.writes()),
        (json!("gold"), before + 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_with_another_pattern_goes_by_the_policy() {
    let seeded = || {
        let world = World::start();
        radius(&world, &["gold", "silver"]);
        let condition = json!({"attribute": 1012, "pattern": "^anna_gold$"});
        world.seed(json!({"policies": [{"name": "gold-POL", "radius": "gold", "conditions": [condition]}]}));
        world
    };
    let world = seeded();
    let (made, _) = world.job(two_pools(), options("fail")).run_policies().await;
    assert_eq!(
        made.of("gold-POL").error.as_ref().unwrap().message,
        "adaptive policy \"gold-POL\" exists and differs: regexStringCriteria is ^anna_gold$, wanted ^.*_gold$"
    );
    let world = seeded();
    let job = world.job(two_pools(), options("adopt"));
    let (made, attached) = job.run_policies().await;
    assert_eq!(made.end("gold-POL"), "adopted");
    assert!(
        attached.outcomes.iter().all(|o| o.error.is_none()),
        "{:?}",
        attached.outcomes
    );
    assert_eq!(standing(&world).1[0][2], json!(["^anna_gold$"]), "taken as it is");
    assert!(
        job.run("audit_results")
            .await
            .outcomes
            .iter()
            .all(|o| o.error.is_none())
    );
    let world = seeded();
    let (made, attached) = world.job(two_pools(), options("update")).run_policies().await;
    assert_eq!(
        (made.end("gold-POL"), attached.end("condition of gold-POL")),
        ("adopted".into(), "updated".into())
    );
    assert_eq!(standing(&world).1[0][2], json!(["^.*_gold$"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_on_other_attributes_are_never_taken_away() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    let conditions = json!([{"attribute": 1012, "pattern": "^.*_gold$"}, {"attribute": 1013, "pattern": "Lobby"}]);
    world.seed(json!({"policies": [{"name": "gold-POL", "radius": "gold", "conditions": conditions}]}));
    let (made, _) = world.job(two_pools(), options("update")).run_policies().await;
    let message = &made.of("gold-POL").error.as_ref().unwrap().message;
    assert!(
        message.contains("conditions is 1 on other attributes, wanted one on the user name"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_is_there_is_filled_and_keeps_what_is_not_ours() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    let theirs = json!({"name": "theirs", "radius": "gold", "conditions": [{"attribute": 1012, "pattern": "^zoe$"}]});
    world.seed(json!({"policies": [theirs], "policy_sets": [{"name": "Lobby-PS", "description": "mine", "policies": ["theirs"]}]}));
    let (made, attached) = world.job(two_pools(), options("fail")).run_policies().await;
    assert_eq!(
        (made.end("Lobby-PS"), made.end("Attic-PS")),
        ("adopted".into(), "created".into())
    );
    assert!(
        attached.outcomes.iter().all(|o| o.error.is_none()),
        "{:?}",
        attached.outcomes
    );
    let sets = standing(&world).0;
    assert_eq!(
        sets[1],
        json!(["Lobby-PS", ["Lobby-DPSK"], ["gold-POL", "silver-POL", "theirs"]])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_in_which_another_policy_answers_first_is_not_assigned() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    let all = json!({"name": "all", "radius": "gold", "conditions": [{"attribute": 1012, "pattern": ".*"}]});
    world.seed(json!({"policies": [all], "policy_sets": [{"name": "Lobby-PS", "policies": ["all"]}]}));
    let (_, attached) = world.job(two_pools(), options("fail")).run_policies().await;
    let error = attached.of("Lobby-PS on Lobby-DPSK").error.clone().unwrap();
    assert_eq!(error.code, "SET_NOT_WHOLE");
    assert!(
        error
            .message
            .contains("user \"example_gold\" would be answered by \"all\" instead of \"gold-POL\""),
        "{}",
        error.message
    );
    assert_eq!(attached.end("Attic-PS on Attic-DPSK"), "created");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_set_on_the_pool_goes_by_the_policy() {
    let seeded = async || {
        let world = World::start();
        radius(&world, &["gold", "silver"]);
        let job = world.job(two_pools(), with_policies());
        job.run("create_identity_groups").await;
        world.seed(json!({"policy_sets": [{"name": "Theirs"}],
            "dpsk_pools": [{"name": "Lobby-DPSK", "group": "Lobby-IDG", "passphraseFormat": "MOST_SECURED", "passphraseLength": 8,
                "policyDefaultAccess": false, "policySet": "Theirs"}]}));
        world
    };
    for (policy, end, on_lobby) in [
        ("fail", "failed", "Theirs"),
        ("adopt", "adopted", "Theirs"),
        ("update", "updated", "Lobby-PS"),
    ] {
        let world = seeded().await;
        let job = world.job(two_pools(), options(policy));
        let (_, attached) = job.run_policies().await;
        assert_eq!(attached.end("Lobby-PS on Lobby-DPSK"), end, "{policy}");
        let sets = standing(&world).0;
        let on: Vec<_> = sets
            .iter()
            .filter(|set| set[1] == json!(["Lobby-DPSK"]))
            .map(|set| set[0].clone())
            .collect();
        assert_eq!(on, [json!(on_lobby)], "{policy}");
        if policy == "fail" {
            let error = attached.of("Lobby-PS on Lobby-DPSK").error.as_ref().unwrap();
            assert_eq!(
                error.message,
                "\"Lobby-PS on Lobby-DPSK\" can't be: policy set \"Theirs\" is assigned to the pool already"
            );
        }
        assert!(
            job.run("audit_results")
                .await
                .outcomes
                .iter()
                .all(|o| o.error.is_none()),
            "{policy}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_finds_what_others_took_away() {
    let world = World::start();
    radius(&world, &["gold", "silver", "iron"]);
    let job = world.job(two_pools(), with_policies());
    job.run_policies().await;
    let r1 = world.clients.get(1).unwrap();
    let permit = worker::gate::Permit::unlimited;
    let (set, pool) = (
        id(&world, "policy_sets", "Lobby-PS"),
        id(&world, "dpsk_pools", "Lobby-DPSK"),
    );
    let (gold, silver) = (id(&world, "policies", "gold-POL"), id(&world, "policies", "silver-POL"));
    r1.delete_prioritized_policy(permit(), &set, &gold).await.unwrap();
    let conditions = r1.conditions(&silver).collect(&worker::gate::OpenGate).await.unwrap();
    r1.update_condition(permit(), &silver, &conditions[0].id, "^nobody$")
        .await
        .unwrap();
    r1.unassign_policy_set(permit(), &pool, &set).await.unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while standing(&world).0[1][1] != json!([]) {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let audit = job.run("audit_results").await;
    let error = audit.of("Lobby-PS").error.clone().unwrap();
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        (
            "AUDIT_MISMATCH",
            "policy set \"Lobby-PS\": policies not in it: \"gold-POL\"; user \"example_silver\" would be answered by none; it is not \
             assigned to its pool"
        )
    );
    assert_eq!(audit.of("Attic-PS").error, None);
}
