//! Imports with adaptive policies.

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::harness::wait_until;

use crate::world::{REMOTE, TIMEOUT, World, resources};

/// The suffixes of all names of an export.
fn suffixes(export: &Value) -> BTreeSet<String> {
    let pools = export["dpskPools"].as_array().unwrap();
    let keys = pools.iter().flat_map(|pool| pool["dpsks"].as_array().unwrap());
    let suffix = |key: &Value| Some(key["name"].as_str()?.trim().rsplit_once('_')?.1.to_owned());
    keys.filter_map(suffix).filter(|suffix| !suffix.is_empty()).collect()
}

async fn radius(world: &World, names: &BTreeSet<String>) {
    let groups: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    let seed = json!({"tenant": REMOTE, "radius_attribute_groups": groups});
    world.fleet.simulators[0].seed(seed).await.unwrap();
}

/// Sets, places, assignments, policies and conditions in the ledger.
async fn standing(world: &World) -> [usize; 5] {
    let ledger = world.fleet.simulators[0].ledger(REMOTE).await.unwrap();
    let rows = |part: &str| ledger[part].as_array().unwrap().clone();
    let inner = |rows: &[Value], field: &str| rows.iter().map(|row| row[field].as_array().unwrap().len()).sum();
    let (sets, policies) = (rows("policy_sets"), rows("policies"));
    [
        sets.len(),
        inner(&sets, "policies"),
        inner(&sets, "assignments"),
        policies.len(),
        inner(&policies, "conditions"),
    ]
}

#[tokio::test]
async fn policies_stand_once_and_a_second_import_writes_nothing() {
    let world = World::new(600, 60_000, 2).await;
    let names = suffixes(&world.export);
    radius(&world, &names).await;
    let import = async || {
        let options = json!({"include_adaptive_policy_sets": true});
        let job = world.fleet.api.import(1, &world.export, options).await.unwrap();
        let job = world.ended(&job).await;
        world.assert_done(&job).await;
        job
    };
    let first = import().await;
    let made = |kind: &str| resources(&first, kind);
    let [sets, places, assignments, policies, conditions] = standing(&world).await;
    assert_eq!((policies, conditions), (names.len(), names.len()));
    assert!(
        sets > 1 && assignments == sets && places >= sets,
        "{sets} sets, {places} places"
    );
    let expected = [
        ("policies", policies),
        ("policy_sets", sets),
        ("prioritized_policies", places),
        ("pool_policy_sets", assignments),
    ];
    for (kind, count) in expected {
        assert_eq!(made(kind), (count as u64, 0), "{kind}");
    }
    assert_eq!(world.counts().await["relinks"], 0);

    world.fleet.simulators[0].reset_counts().await.unwrap();
    let second = import().await;
    for (kind, count) in expected {
        assert_eq!(resources(&second, kind), (0, count as u64), "{kind}");
    }
    let counts = world.counts().await;
    assert_eq!(
        (&counts["writes"], &counts["relinks"]),
        (&json!(0), &json!(0)),
        "{counts}"
    );
}

#[tokio::test]
async fn of_two_imports_at_once_one_makes_a_policy_and_the_other_finds_it() {
    let world = World::new(100, 60_000, 2).await;
    let names = suffixes(&world.export);
    radius(&world, &names).await;
    let options = || json!({"include_adaptive_policy_sets": true});
    let api = &world.fleet.api;
    let both = tokio::try_join!(
        api.import(1, &world.export, options()),
        api.import(1, &world.export, options())
    );
    let both = both.unwrap();
    let ends = tokio::join!(world.ended(&both.0), world.ended(&both.1));
    for job in [&ends.0, &ends.1] {
        // nothing twice, and nothing that had to be refused
        world.assert_done(job).await;
    }
    assert_eq!(world.counts().await["relinks"], 0);
    let [sets, places, assignments, policies, conditions] = standing(&world).await;
    assert_eq!((policies, conditions, assignments), (names.len(), names.len(), sets));
    for (kind, count) in [
        ("policies", policies),
        ("policy_sets", sets),
        ("prioritized_policies", places),
    ] {
        let made = resources(&ends.0, kind).0 + resources(&ends.1, kind).0;
        assert_eq!(made, count as u64, "{kind}");
    }
}

#[tokio::test]
async fn replies_are_lost_and_policies_stand_once_all_the_same() {
    let world = World::new(100, 60_000, 2).await;
    let names = suffixes(&world.export);
    radius(&world, &names).await;
    let operations = [
        "create_policy",
        "create_policy_set",
        "POST /policyTemplates/{templateId}/policies/{policyId}/conditions",
        "PUT /policySets/{policySetId}/prioritizedPolicies/{policyId}",
        "PUT /dpskServices/{poolId}/policySets/{policySetId}",
    ];
    let rules = operations.map(|operation| json!({"operation": operation, "nth": [1], "kind": "cut_after_apply"}));
    world.fleet.simulators[0]
        .faults(json!({ "rules": rules }))
        .await
        .unwrap();
    let options = json!({"include_adaptive_policy_sets": true});
    let job = world.fleet.api.import(1, &world.export, options).await.unwrap();
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
    let [sets, _, assignments, policies, conditions] = standing(&world).await;
    assert_eq!((policies, conditions, assignments), (names.len(), names.len(), sets));
    assert_eq!(
        resources(&job, "policies"),
        (policies as u64, 0),
        "what we made is ours"
    );
    assert_eq!(world.counts().await["relinks"], 0);
}

#[tokio::test]
async fn the_client_command_takes_the_option_and_names_a_missing_radius_group() {
    let world = World::new(20, 60_000, 1).await;
    let file = world.fleet.folder.join("export.json");
    std::fs::write(&file, world.export.to_string()).unwrap();
    let run = async || {
        let mut client = tokio::process::Command::from(world.fleet.client().unwrap());
        client.arg("import").arg(&file);
        client.args(["--controller", "1", "--venue", "venue-sim-1", "--watch"]);
        client.args(["--option", "include_adaptive_policy_sets=true"]);
        let ended = client.stdin(Stdio::null()).output().await.unwrap();
        let said = [ended.stdout, ended.stderr].concat();
        (ended.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let mut names = suffixes(&world.export);
    let missing = names.pop_first().unwrap();
    radius(&world, &names).await;
    let (code, said) = run().await;
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("RADIUS_GROUP_MISSING") && said.contains(&format!("{missing:?}")),
        "{said}"
    );
    assert_eq!(world.counts().await["writes"], 0, "before anything is made");

    radius(&world, &BTreeSet::from([missing])).await;
    let (code, said) = run().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(world.verdict().await.agrees() && said.contains("COMPLETED"), "{said}");
    assert_eq!(standing(&world).await[3], names.len() + 1);
}

#[tokio::test]
async fn workers_killed_among_policies_and_places_double_nothing() {
    let change = |plan: &mut testkit::harness::Plan| plan.lock_ttl_seconds = Some(15);
    let mut world = World::with(100, 60_000, 2, change).await;
    let names = suffixes(&world.export);
    radius(&world, &names).await;
    // time to be killed in
    let slow = [
        "create_policy",
        "PUT /policySets/{policySetId}/prioritizedPolicies/{policyId}",
    ];
    let rules = slow.map(|operation| json!({"operation": operation, "kind": "slow", "ms": 700}));
    world.fleet.simulators[0]
        .faults(json!({ "rules": rules }))
        .await
        .unwrap();
    let options = json!({"include_adaptive_policy_sets": true});
    let job = world.fleet.api.import(1, &world.export, options).await.unwrap();
    // a policy, then a place
    for (part, what) in [(3, "a policy"), (1, "a place")] {
        let there = wait_until(what, TIMEOUT, async || (standing(&world).await[part] > 0).then_some(()));
        there.await.unwrap();
        for worker in world.fleet.running() {
            world.fleet.workers[worker].process.kill();
        }
        world.fleet.add_worker().await.unwrap();
    }
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
    let [sets, places, assignments, policies, conditions] = standing(&world).await;
    assert_eq!((policies, conditions, assignments), (names.len(), names.len(), sets));
    assert_eq!(
        resources(&job, "policies"),
        (policies as u64, 0),
        "what the dead made is ours"
    );
    assert_eq!(resources(&job, "prioritized_policies"), (places as u64, 0));
    assert_eq!(world.counts().await["relinks"], 0);
}
