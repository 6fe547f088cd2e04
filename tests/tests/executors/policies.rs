//! Adaptive policies in fair weather and in bad: everything once, whatever becomes of a reply.

use serde_json::{Value, json};
use testkit::sim::Settings;

use super::harness::*;

pub fn with_policies() -> Value {
    json!({"include_adaptive_policy_sets": true})
}

/// Two pools that share a suffix; one of them has users without any.
pub fn two_pools() -> Value {
    let pool = |name: &str, dpsks: Value| {
        json!({"guid": format!("AccountDpskPool-{name}"), "displayName": name, "supportsPolicies": true,
            "defaultAccess": "REJECT", "dpsks": dpsks})
    };
    let key = |name: &str| dpsk(name, json!({}));
    json!({"dpskPools": [
        pool("Lobby", json!([key("anna_gold"), key("ben_silver"), key("eve_gold")])),
        pool("Attic", json!([key("carl_gold"), key("dora")])),
    ]})
}

pub fn radius(world: &World, names: &[&str]) {
    let groups: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    world.seed(json!({ "radius_attribute_groups": groups }));
}

/// Set, its pool and the names of its policies, by set; policy, its RADIUS group and its patterns, by policy.
pub fn standing(world: &World) -> (Vec<Value>, Vec<Value>) {
    let ledger = world.sim.ledger(TENANT);
    let rows = |part: &str| ledger[part].as_array().unwrap().clone();
    let names = |rows: &Value, field: &str| -> Vec<Value> {
        rows.as_array().unwrap().iter().map(|row| row[field].clone()).collect()
    };
    let pool = |set: &Value| -> Vec<Value> {
        let ids = names(&set["assignments"], "id");
        let of = |pool: &Value| ids.contains(&pool["id"]).then(|| pool["name"].clone());
        rows("dpsk_pools").iter().filter_map(of).collect()
    };
    let sets = rows("policy_sets");
    let sets = sets.iter().map(|set| {
        let mut policies = names(&set["policies"], "policy_name");
        policies.sort_by_key(Value::to_string);
        json!([set["name"], pool(set), policies])
    });
    let policies = rows("policies");
    let policies = policies
        .iter()
        .map(|p| json!([p["name"], p["radius_group_name"], names(&p["conditions"], "pattern")]));
    let (mut sets, mut policies): (Vec<_>, Vec<_>) = (sets.collect(), policies.collect());
    sets.sort_by_key(Value::to_string);
    policies.sort_by_key(Value::to_string);
    (sets, policies)
}

/// What two_pools() comes to.
fn assert_whole(world: &World) {
    let (sets, policies) = standing(world);
    assert_eq!(
        sets,
        [
            json!(["Attic-PS", ["Attic-DPSK"], ["gold-POL"]]),
            json!(["Lobby-PS", ["Lobby-DPSK"], ["gold-POL", "silver-POL"]])
        ]
    );
    assert_eq!(
        policies,
        [
            json!(["gold-POL", "gold", ["^.*_gold$"]]),
            json!(["silver-POL", "silver", ["^.*_silver$"]])
        ]
    );
    let counts = world.sim.counts(TENANT);
    assert_eq!(
        (&counts["existing_twice"]["total"], &counts["relinks"]),
        (&json!(0), &json!(0))
    );
}

fn fails(phase: &Phase) -> Vec<String> {
    let failed = phase
        .tasks
        .iter()
        .zip(&phase.outcomes)
        .filter(|(_, o)| o.error.is_some());
    failed
        .map(|(t, o)| format!("{}: {:?}", t.input.name, o.error))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_conditions_places_and_assignments_stand_once_and_a_second_import_writes_nothing() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    let job = world.job(two_pools(), with_policies());
    let (made, attached) = job.run_policies().await;
    assert!(made.all("created"), "{:?}", fails(&made));
    assert_eq!(
        made.facts,
        json!({"policies": 2, "policy_sets": 2, "to_create": 4, "to_update": 0})
    );
    assert_eq!(fails(&attached), [""; 0]);
    assert_eq!(
        ["gold-POL in Lobby-PS", "Attic-PS on Attic-DPSK"].map(|name| attached.end(name)),
        ["created", "created"].map(String::from)
    );
    assert!(job.run("create_passphrases").await.all("created"));
    let audit = job.run("audit_results").await;
    assert_eq!(fails(&audit), [""; 0]);
    assert_eq!(
        audit.task_facts[2],
        json!({"policy_set": "Lobby-PS", "expected": 2, "missing": 0, "changed": 0, "assigned": true})
    );
    assert_whole(&world);
    // groups, pools, keys; policies, sets, conditions, places, assignments
    assert_eq!(world.writes(), (2 + 2 + 5) + (2 + 2 + 2 + 3 + 2));
    assert_eq!(world.sim.counts(TENANT)["duplicates"], 0);
    let pools = world.sim.ledger(TENANT)["dpsk_pools"].clone();
    assert_eq!(pools[0]["policy_default_access"], false, "as in Cloudpath");

    let before = world.writes();
    let second = world.job(two_pools(), with_policies());
    let (made, attached) = second.run_policies().await;
    assert!(made.all("adopted"));
    for task in made.tasks.iter().chain(&attached.tasks) {
        assert!(task.input.preset.is_some(), "{} was planned", task.input.name);
    }
    assert_eq!(fails(&attached), [""; 0]);
    assert!(second.run("create_passphrases").await.all("adopted"));
    assert_eq!(fails(&second.run("audit_results").await), [""; 0]);
    assert_eq!(world.writes(), before, "a second import wrote");
    assert_whole(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_radius_group_is_named_before_anything_is_made() {
    let world = World::start();
    radius(&world, &["gold"]);
    let phase = world.job(two_pools(), with_policies()).run("parse_validate").await;
    let error = phase.outcomes[0].error.clone().unwrap();
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        (
            "RADIUS_GROUP_MISSING",
            "policies answer with RADIUS attribute groups that do not exist; make them first: \"silver\""
        )
    );
    let without = world.job(two_pools(), json!({})).run("parse_validate").await;
    assert_eq!(without.outcomes[0].error, None, "nobody asked for policies");
    assert_eq!(world.writes(), 0);
}

/// Every write of the policies, by the operation's name in a fault plan.
const WRITES: [&str; 5] = [
    "create_policy",
    "create_policy_set",
    "POST /policyTemplates/{templateId}/policies/{policyId}/conditions",
    "PUT /policySets/{policySetId}/prioritizedPolicies/{policyId}",
    "PUT /dpskServices/{poolId}/policySets/{policySetId}",
];

async fn with_faults(world: &World, kind: Value) {
    let rule = |operation: &&str| {
        let mut rule = kind.clone();
        rule["operation"] = (*operation).into();
        rule
    };
    let rules: Vec<Value> = WRITES.iter().map(rule).collect();
    world.sim.post("faults", &json!({ "rules": rules }));
    let job = world.job(two_pools(), with_policies());
    let (made, attached) = job.run_policies().await;
    assert!(
        made.all("created"),
        "what we made is ours: {:?} {:?}",
        fails(&made),
        made.outcomes
    );
    assert_eq!(fails(&attached), [""; 0]);
    let ends = attached.tasks.iter().map(|t| attached.end(&t.input.name));
    assert!(ends.into_iter().all(|end| end == "created" || end == "completed"));
    assert_whole(world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_lost_after_the_write_double_nothing() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    with_faults(&world, json!({"nth": [1], "kind": "cut_after_apply"})).await;
    assert_eq!(world.sim.counts(TENANT)["duplicates"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_lost_before_they_arrived_are_sent_again() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    with_faults(&world, json!({"nth": [1, 2], "kind": "cut_before_apply"})).await;
    assert_eq!(world.sim.counts(TENANT)["duplicates"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_can_not_be_seen_when_its_reply_was_lost_is_refused_the_second_time_and_ours() {
    // longer hidden than a lost write is looked for: it is sent again, and the name is taken by ourselves
    let world = World::with(Settings {
        activity_hidden_ms: 250,
        activity_ms: (300, 350),
        ..Settings::quick()
    });
    radius(&world, &["gold", "silver"]);
    let cut = json!({"operation": "create_policy", "usernames": ["gold-POL"], "kind": "cut_after_apply"});
    world.sim.post("faults", &json!({"rules": [cut]}));
    let (made, attached) = world.job(two_pools(), with_policies()).run_policies().await;
    assert!(made.all("created"), "{:?}", fails(&made));
    assert_eq!(fails(&attached), [""; 0]);
    assert_eq!(world.sim.counts(TENANT)["refused_by"], json!({"policy/after_cut": 1}));
    assert_whole(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_found_half_made_after_a_lost_reply_is_not_sent_again() {
    // seen at once, and answering later than lost writes are looked for
    let world = World::with(Settings {
        activity_ms: (1_000, 1_000),
        ..Settings::quick()
    });
    radius(&world, &["gold"]);
    let cut = json!({"operation": "create_policy", "nth": [1], "kind": "cut_after_apply"});
    world.sim.post("faults", &json!({"rules": [cut]}));
    let data = export(json!([dpsk("anna_gold", json!({}))]));
    let (made, attached) = world.job(data, with_policies()).run_policies().await;
    assert!(made.all("created") && fails(&attached).is_empty(), "{:?}", fails(&made));
    assert_eq!(world.sim.counts(TENANT)["duplicates"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_suffixes_that_resolve_to_one_policy_name_are_kept_apart_and_told() {
    let world = World::start();
    radius(&world, &["gold", "Gold"]);
    let data = export(json!([dpsk("anna_gold", json!({})), dpsk("ben_Gold", json!({}))]));
    let job = world.job(data, with_policies());
    let told = job.warnings();
    assert!(
        told.iter()
            .any(|line| line.contains("\"Gold\" and \"gold\" differ in letter case only")),
        "{told:?}"
    );
    let (made, attached) = job.run_policies().await;
    assert!(made.all("created") && fails(&attached).is_empty());
    let (sets, policies) = standing(&world);
    let answers: Vec<_> = policies.iter().map(|p| (p[1].clone(), p[2].clone())).collect();
    let each = |suffix: &str| (json!(suffix), json!([format!("^.*_{suffix}$")]));
    assert_eq!(answers.len(), 2);
    assert!(
        answers.contains(&each("gold")) && answers.contains(&each("Gold")),
        "{answers:?}"
    );
    assert_eq!(sets[0][2].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_without_its_condition_gets_no_place_and_its_set_no_pool() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    // gold's condition comes first
    let refused = json!({"operation": WRITES[2], "nth": [1], "kind": "permanent_4xx"});
    world.sim.post("faults", &json!({"rules": [refused]}));
    let job = world.job(two_pools(), with_policies());
    let (_, attached) = job.run_policies().await;
    assert_eq!(attached.code("gold-POL in Lobby-PS"), "CONDITION_MISSING");
    assert_eq!(attached.end("silver-POL in Lobby-PS"), "created");
    for set in ["Lobby-PS on Lobby-DPSK", "Attic-PS on Attic-DPSK"] {
        assert_eq!(attached.code(set), "SET_NOT_WHOLE");
    }
    let (sets, _) = standing(&world);
    assert_eq!(sets[1], json!(["Lobby-PS", [], ["silver-POL"]]));
    job.run("create_passphrases").await;
    assert_eq!(
        fails(&job.run("audit_results").await),
        [""; 0],
        "nothing is claimed of what failed"
    );
    // the next import finishes it
    let (made, attached) = world.job(two_pools(), with_policies()).run_policies().await;
    assert!(
        made.all("adopted") && fails(&attached).is_empty(),
        "{:?}",
        fails(&attached)
    );
    assert_whole(&world);
}
