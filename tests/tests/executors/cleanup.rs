//! Cleanups: what an import made goes, whatever happens on the way, and the controller is as it was before.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::job::TaskStatus;
use testkit::sim::Settings;

use super::harness::*;
use super::policies::{radius, two_pools};

/// In their order.
pub const CLEANUP: [&str; 7] = [
    "delete_passphrases",
    "deactivate_networks",
    "detach_policies",
    "delete_dpsk_pools",
    "delete_identities",
    "delete_identity_groups",
    "delete_policies",
];

/// Runs a cleanup to its end.
pub async fn clean(job: &Job<'_>) -> Vec<(&'static str, Phase)> {
    let mut phases = Vec::new();
    for phase in CLEANUP {
        phases.push((phase, job.run(phase).await));
    }
    phases
}

/// Runs an import to its end.
pub async fn import(job: &Job<'_>) {
    for phase in PHASES {
        let ended = job.run(phase).await;
        let failed: Vec<_> = ended.outcomes.iter().filter_map(|o| o.error.as_ref()).collect();
        assert!(failed.is_empty(), "{phase}: {failed:?}");
    }
}

/// Two pools, policies, and a network for each.
pub fn everything() -> (Value, Value) {
    let mut export = two_pools();
    for (at, ssid) in ["Bar", "Roof"].into_iter().enumerate() {
        export["dpskPools"][at]["ssidList"] = json!([ssid]);
    }
    let options = json!({"include_adaptive_policy_sets": true, "just_copy_dpsks": false, "name_conflict": "adopt",
        "ssid_network_map": {"Bar": "create", "Roof": "create"}});
    (export, options)
}

/// Everything the controller has. Without times: what is assigned to an object, and taken away again, changes those.
pub fn state(world: &World) -> Value {
    fn timeless(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for time in ["activities", "ap_pushes", "updated_at", "shown"] {
                    fields.remove(time);
                }
                fields.values_mut().for_each(timeless);
            }
            Value::Array(all) => all.iter_mut().for_each(timeless),
            _ => {}
        }
    }
    // a tenant begins with its first call
    world.seed(json!({}));
    let mut ledger = world.sim.ledger(TENANT);
    // not what in_flight says of activities, but of objects
    timeless(&mut ledger);
    ledger
}

/// Ends of the tasks that came to something: `phase: task: end`.
pub fn ends(phases: &[(&'static str, Phase)]) -> Vec<String> {
    let of_phase = |(phase, ended): &(&'static str, Phase)| {
        let tasks = ended.tasks.iter().zip(&ended.outcomes);
        let end = |(task, outcome): (&worker::executors::Task, &shared::job::outcome::Outcome)| {
            let why = outcome
                .error
                .as_ref()
                .map_or_else(String::new, |e| format!(" {}", e.code));
            format!("{phase}: {}: {:?}{why}", task.input.name, outcome.status)
        };
        tasks.map(end).collect::<Vec<_>>()
    };
    phases.iter().flat_map(of_phase).collect()
}

fn all_are(phases: &[(&'static str, Phase)], end: &str) -> bool {
    let ends = ends(phases);
    assert!(!ends.is_empty());
    ends.iter().all(|one| one.ends_with(end))
}

fn fault(world: &World, rules: Value) {
    world.sim.post("faults", &json!({ "rules": rules }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_an_import_made_goes_and_a_second_cleanup_writes_nothing() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    // of somebody else, and in nobody's way
    world.seed(json!({"identity_groups": [{"name": "Theirs"}], "policies": [{"name": "theirs", "radius": "gold"}],
        "dpsk_pools": [{"name": "Theirs", "group": "Theirs", "passphraseFormat": "MOST_SECURED", "passphraseLength": 8}],
        "passphrases": [{"pool": "Theirs", "username": "zoe", "passphrase": "secret-of-zoe"}],
        "wifi_networks": [{"name": "Theirs", "ssid": "Theirs", "pool": "Theirs", "activations": [{"venue": "venue-sim-1"}]}]}));
    let before = state(&world);
    let (export, options) = everything();
    let job = world.job(export, options);
    import(&job).await;
    assert_ne!(state(&world), before);

    let done = clean(&job.cleanup(false)).await;
    assert!(all_are(&done, ": Completed"), "{:#?}", ends(&done));
    assert_eq!(state(&world), before);
    let deleted = |phase: &str| done.iter().find(|(p, _)| *p == phase).unwrap().1.facts["to_delete"].clone();
    let counts = CLEANUP.map(deleted);
    // five keys; two networks, links and activations; two assignments and three places; a bulk of identities for each group
    assert_eq!(counts.map(|n| n.as_u64().unwrap()), [5, 6, 5, 2, 2, 2, 4]);

    let writes = world.writes();
    let again = clean(&job.cleanup(true)).await;
    assert!(all_are(&again, ": Skipped ALREADY_GONE"), "{:#?}", ends(&again));
    assert_eq!((world.writes(), state(&world)), (writes, before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_adopted_stays_as_it_was_and_loses_only_what_was_put_into_it() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    world.seed(json!({"identity_groups": [{"name": "Lobby-IDG", "description": "theirs"}],
        "dpsk_pools": [{"name": "Lobby-DPSK", "group": "Lobby-IDG", "passphraseFormat": "MOST_SECURED", "passphraseLength": 8}],
        "passphrases": [{"pool": "Lobby-DPSK", "username": "anna_gold", "passphrase": "secret-of-anna_gold"},
            {"pool": "Lobby-DPSK", "username": "zoe", "passphrase": "secret-of-zoe"}],
        "identities": [{"group": "Lobby-IDG", "name": "ben_silver"}],
        "policies": [{"name": "gold-POL", "radius": "gold", "conditions": [{"attribute": 1012, "pattern": "^.*_gold$"}]}],
        "policy_sets": [{"name": "Lobby-PS", "policies": ["gold-POL"]}],
        "wifi_networks": [{"name": "Bar", "ssid": "Bar"}]}));
    let before = state(&world);
    let (export, options) = everything();
    let job = world.job(export, options);
    import(&job).await;
    let done = clean(&job.cleanup(false)).await;
    assert!(all_are(&done, ": Completed"), "{:#?}", ends(&done));
    assert_eq!(state(&world), before, "also ben, who was there without a key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_replies_and_refusals_that_pass_change_nothing_about_it() {
    for (refusal, seed) in [("http", 1), ("activity", 2)] {
        let settings = Settings {
            refuse_delete: serde_json::from_value(json!(refusal)).unwrap(),
            ..Settings::quick()
        };
        let world = World::with(settings);
        radius(&world, &["gold", "silver"]);
        let before = state(&world);
        let (export, options) = everything();
        let job = world.job(export, options);
        import(&job).await;
        fault(
            &world,
            json!([
                {"operation": "DELETE /dpskServices/{poolId}/passphrases", "nth": [2], "kind": "cut_after_apply"},
                {"operation": "DELETE /dpskServices/{poolId}/passphrases", "nth": [4], "kind": "cut_before_apply"},
                {"operation": "DELETE /dpskServices/{poolId}", "nth": [1, 2], "kind": "permanent_4xx", "status": 409, "code": "DPSK-026", "message": "still contains"},
                {"operation": "DELETE /identityGroups/{id}", "nth": [seed], "kind": "activity_fail", "code": "GENERAL-026", "message": "still associated"},
                {"operation": "DELETE /policySets/{policySetId}", "nth": [1], "kind": "cut_after_apply"},
                {"operation": "DELETE /wifiNetworks/{wifiNetworkId}", "nth": [1], "kind": "locked_423"},
            ]),
        );
        let done = clean(&job.cleanup(false)).await;
        assert!(all_are(&done, ": Completed"), "{refusal}: {:#?}", ends(&done));
        assert_eq!(state(&world), before, "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_when_it_is_to_be_deleted_is_a_success() {
    let world = World::start();
    let job = world.job(
        export(json!([dpsk("anna", json!({})), dpsk("ben", json!({}))])),
        json!({}),
    );
    job.run_all().await;
    let cleanup = job.cleanup(false);
    let (tasks, facts) = cleanup.plan("delete_passphrases").await.unwrap();
    let anna = world.ledger()["anna"]["id"].clone();
    world.seed(json!({ "delete": [anna] }));
    let keys = cleanup.carry_out("delete_passphrases", tasks, facts).await;
    assert!(keys.all("deleted"), "{:?}", keys.outcomes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_knows_the_end_of_is_ours_where_it_is_what_was_sent() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    let before = state(&world);
    let (export, options) = everything();
    let job = world.job(export, options);
    import(&job).await;
    for (phase, name) in [
        ("create_passphrases", "anna_gold"),
        ("create_dpsk_pools", "Lobby-DPSK"),
        ("create_identity_groups", "Attic-IDG"),
        ("create_policy_sets", "gold-POL"),
        ("create_policy_sets", "Attic-PS"),
        ("attach_policies", "silver-POL in Lobby-PS"),
        ("attach_policies", "Lobby-PS on Lobby-DPSK"),
        ("activate_networks", "create Bar"),
        ("activate_networks", "activate Roof"),
    ] {
        job.doubt(phase, name);
    }
    let done = clean(&job.cleanup(false)).await;
    assert!(all_are(&done, ": Completed"), "{:#?}", ends(&done));
    assert_eq!(state(&world), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_the_cleanup_then_does_and_writes_nothing() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    let (export, options) = everything();
    let job = world.job(export, options);
    import(&job).await;
    let (there, writes) = (state(&world), world.writes());
    let planned = clean(&job.cleanup(false).dry()).await;
    assert_eq!((state(&world), world.writes()), (there, writes));
    let done = clean(&job.cleanup(false)).await;
    assert_eq!(ends(&planned), ends(&done));
    let keys = &planned[0].1;
    assert!(
        keys.all("deleted") && keys.facts["plan"]["delete"] == 5,
        "{}",
        keys.facts
    );
}

/// As the store has it: a second phase sees only what became of tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_was_cut_short_is_cleaned_of_what_it_has_made() {
    let world = World::start();
    let before = state(&world);
    let keys = json!([dpsk("anna", json!({})), dpsk("ben", json!({}))]);
    let job = world.job(export(keys), json!({}));
    for phase in ["parse_validate", "create_identity_groups", "create_dpsk_pools"] {
        job.run(phase).await;
    }
    let done = clean(&job.cleanup(false)).await;
    assert!(all_are(&done, ": Completed"), "{:#?}", ends(&done));
    let is_empty = |(_, phase): &(&str, Phase)| phase.outcomes.iter().all(|o| o.status == TaskStatus::Completed);
    assert!(done.iter().all(is_empty));
    assert_eq!(state(&world), before);
}

/// From the first phase of each on: what an import builds on and what its cleanup may take away are the same names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_other_jobs_build_on_is_reserved_before_the_first_key_goes() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    // adopted: relied on, and not to be taken away
    world.seed(json!({"identity_groups": [{"name": "Lobby-IDG"}]}));
    let (export, options) = everything();
    let job = world.job(export, options);
    let (mut relied_on, mut builds) = (BTreeSet::new(), Vec::new());
    for phase in PHASES {
        let (sink, facts) = job.plan_into_sink(phase).await.unwrap();
        if !sink.relied_on.is_empty() {
            assert!(relied_on.is_empty() || relied_on == sink.relied_on, "{phase}");
            relied_on = sink.relied_on;
            builds.push(phase);
        }
        job.carry_out(phase, sink.tasks, facts).await;
    }
    // all of them in each, or a job that lost them would get them back piece by piece
    assert_eq!(builds, PHASES[1..PHASES.len() - 1]);
    assert!(relied_on.remove("identity_group|Lobby-IDG"), "{relied_on:?}");
    assert_eq!(
        relied_on.len(),
        7,
        "a group, two pools, two sets, two policies: {relied_on:?}"
    );
    let cleanup = job.cleanup(false);
    for phase in CLEANUP {
        let (sink, facts) = cleanup.plan_into_sink(phase).await.unwrap();
        assert_eq!(sink.reserved, relied_on, "{phase}");
        cleanup.carry_out(phase, sink.tasks, facts).await;
    }
}
