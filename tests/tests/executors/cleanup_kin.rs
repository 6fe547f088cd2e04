//! What a cleanup leaves to the retry, or the job it is a retry of, that says it has made it.

use serde_json::json;

use super::cleanup::{clean, ends, everything, import, state};
use super::cleanup_kept::{kept, lobby};
use super::harness::*;
use super::policies::radius;

const THEIRS: &str = "says that it has made it; clean up that job to delete it";

/// Everything that stays since it is a relative's: `phase: task`.
fn left_to_kin(done: &[(&'static str, Phase)]) -> Vec<String> {
    let of_phase = |(phase, ended): &(&'static str, Phase)| {
        let tasks = ended.tasks.iter().zip(&ended.outcomes);
        let theirs = tasks.filter(|(_, outcome)| outcome.error.as_ref().is_some_and(|e| e.message.ends_with(THEIRS)));
        let told = theirs.map(|(task, _)| format!("{phase}: {}", task.input.name));
        told.collect::<Vec<_>>()
    };
    done.iter().flat_map(of_phase).collect()
}

/// The first job never learnt what became of anna's key, which was not made; its retry made just what the first had sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_doubt_that_a_retry_has_made_is_the_retrys() {
    let world = World::start();
    let first = world.job(lobby(), json!({}));
    first.run_all().await;
    let anna = world.ledger()["anna"]["id"].clone();
    world.seed(json!({ "delete": [anna] }));
    first.doubt("create_passphrases", "anna");
    let retry = world.job(lobby(), json!({}));
    retry.run_all().await;

    let done = clean(&first.cleanup_beside(false, &[&retry])).await;
    assert_eq!(kept(&done)[0], "delete_passphrases: anna: Skipped MAY_NOT_BE_OURS");
    let error = done[0].1.of("anna").error.clone().unwrap();
    assert!(error.message.contains("a retry of the job"), "{}", error.message);
    assert_eq!(world.ledger().keys().collect::<Vec<_>>(), ["anna"]);

    clean(&retry.cleanup_beside(false, &[&first])).await;
    assert!(world.ledger().is_empty(), "it has made it, and knows it");
}

/// Whatever the first job sent came to nothing, and it does not know; the retry gets as far as its groups, or to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_retry_that_was_cut_short_has_made_is_the_retrys() {
    let groups = PHASES
        .iter()
        .position(|phase| *phase == "create_identity_groups")
        .unwrap()
        + 1;
    for phases in [groups, PHASES.len()] {
        let world = World::start();
        radius(&world, &["gold", "silver"]);
        let before = state(&world);
        let (export, options) = everything();
        let first = world.job(export.clone(), options.clone());
        import(&first).await;
        clean(&first.cleanup(false)).await;
        assert_eq!(state(&world), before);
        for phase in PHASES.into_iter().filter(|phase| *phase != "audit_results") {
            first.doubt_all(phase);
        }
        let retry = world.job(export, options);
        for phase in PHASES.into_iter().take(phases) {
            retry.run(phase).await;
        }
        let made = state(&world);
        let done = clean(&first.cleanup_beside(true, &[&retry])).await;
        assert_eq!(state(&world), made, "{:#?}", ends(&done));
        let theirs = left_to_kin(&done);
        assert!(
            theirs.contains(&"delete_identity_groups: Lobby-IDG".to_owned()),
            "{theirs:?}"
        );
        clean(&retry.cleanup_beside(false, &[&first])).await;
        assert_eq!(state(&world), before, "it has made it, and knows it");
    }
}

/// The first job made everything but the links between it, of which it does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_a_retry_has_made_are_the_retrys() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    world.seed(json!({"wifi_networks": [{"name": "Bar", "ssid": "Bar"}, {"name": "Roof", "ssid": "Roof"}]}));
    let (export, options) = everything();
    let first = world.job(export.clone(), options.clone());
    import(&first).await;
    let cleanup = first.cleanup(false);
    for phase in ["deactivate_networks", "detach_policies"] {
        cleanup.run(phase).await;
    }
    for phase in ["attach_policies", "activate_networks"] {
        first.doubt_all(phase);
    }
    let retry = world.job(export, options);
    import(&retry).await;

    let cleanup = first.cleanup_beside(true, &[&retry]);
    let mut done = Vec::new();
    for phase in ["deactivate_networks", "detach_policies"] {
        done.push((phase, cleanup.run(phase).await));
    }
    assert_eq!(left_to_kin(&done).len(), ends(&done).len(), "{:#?}", ends(&done));
    assert!(done.iter().all(|(_, phase)| phase.tasks.len() > 3));
}
