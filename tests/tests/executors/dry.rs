//! A dry plan says what the import then does, and writes nothing.

use serde_json::{Value, json};
use shared::workflow::plan::{FACT, PlannedPhase};

use super::harness::*;
use super::policies::{radius, two_pools};

/// Two pools, policies, and a network for each.
fn everything() -> Value {
    let mut export = two_pools();
    for (at, ssid) in ["Bar", "Roof"].into_iter().enumerate() {
        export["dpskPools"][at]["ssidList"] = json!([ssid]);
    }
    export
}

fn options(policy: &str) -> Value {
    json!({"include_adaptive_policy_sets": true, "just_copy_dpsks": false, "name_conflict": policy,
        "ssid_network_map": {"Bar": "create", "Roof": "create"}})
}

/// Phase, task, and what becomes of it.
fn ends(phases: &[(&'static str, Phase)]) -> Vec<String> {
    let of_phase = |(phase, planned): &(&'static str, Phase)| {
        let end = |name: &String| format!("{phase}: {name}: {}", planned.end(name));
        planned
            .tasks
            .iter()
            .map(|task| end(&task.input.name))
            .collect::<Vec<_>>()
    };
    phases.iter().flat_map(of_phase).collect()
}

async fn import(job: &Job<'_>) -> Vec<(&'static str, Phase)> {
    let mut phases = Vec::new();
    for phase in PHASES.into_iter().filter(|phase| *phase != "audit_results") {
        phases.push((phase, job.run(phase).await));
    }
    phases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_import_does_what_its_dry_plan_said_and_the_plan_wrote_nothing() {
    // nothing is there; something is, and differs; something is half there
    let differing = json!({"identity_groups": [{"name": "Lobby-IDG"}],
        "dpsk_pools": [{"name": "Lobby-DPSK", "group": "Lobby-IDG", "passphraseFormat": "MOST_SECURED", "passphraseLength": 8,
            "policyDefaultAccess": false}],
        "passphrases": [{"pool": "Lobby-DPSK", "username": "anna_gold", "passphrase": "secret-of-anna_gold"},
            {"pool": "Lobby-DPSK", "username": "ben_silver", "passphrase": "quite-another"}],
        "policies": [{"name": "gold-POL", "radius": "silver"}],
        "wifi_networks": [{"id": "n", "name": "Bar", "ssid": "Bar"}]});
    for there in [json!({}), differing] {
        for policy in ["fail", "adopt", "update"] {
            let world = World::start();
            radius(&world, &["gold", "silver"]);
            world.seed(there.clone());
            let before = world.writes();
            let (planned, hash) = world.job(everything(), options(policy)).dry_run().await;
            assert_eq!(world.writes(), before, "{policy}: a plan only reads");
            let foretold = planned.iter().map(|(_, planned)| {
                let planned: PlannedPhase = serde_json::from_value(planned.facts[FACT].clone()).unwrap();
                planned.writes
            });
            let foretold: u64 = foretold.sum();
            let (_, again) = world.job(everything(), options(policy)).dry_run().await;
            assert_eq!(hash, again, "{policy}: nothing has changed");
            let done = import(&world.job(everything(), options(policy))).await;
            assert_eq!(ends(&planned), ends(&done), "{policy}");
            assert_eq!(
                world.writes() - before,
                foretold,
                "{policy}: one call for each that was to be written"
            );
            let (afterwards, hash) = world.job(everything(), options(policy)).dry_run().await;
            assert_ne!(hash, again, "{policy}: what was to be made is there");
            let is_quiet = |end: &String| !end.ends_with("created") && !end.ends_with("updated");
            assert!(
                ends(&afterwards).iter().all(is_quiet),
                "{policy}: {:?}",
                ends(&afterwards)
            );
        }
    }
}
