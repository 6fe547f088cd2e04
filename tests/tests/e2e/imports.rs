//! Imports in fair weather.

use std::process::Stdio;

use serde_json::json;

use crate::world::{World, resources};

#[tokio::test]
async fn every_key_arrives_and_a_second_run_writes_nothing() {
    let world = World::new(200, 60_000, 2).await;
    let first = world.import().await;
    let first = world.ended(&first).await;
    world.assert_done(&first).await;
    assert_eq!(resources(&first, "passphrases"), (200, 0));
    assert_eq!(world.counts().await["http_429"], 0);

    world.fleet.simulators[0].reset_counts().await.unwrap();
    let second = world.import().await;
    let second = world.ended(&second).await;
    world.assert_done(&second).await;
    assert_eq!(resources(&second, "passphrases"), (0, 200));
    assert_eq!(
        (
            resources(&second, "dpsk_pools").0,
            resources(&second, "identity_groups").0
        ),
        (0, 0)
    );
    assert_eq!(world.counts().await["writes"], 0, "{}", world.counts().await);
}

#[tokio::test]
async fn of_two_imports_of_one_export_at_once_one_makes_every_key_and_the_other_finds_it() {
    let world = World::new(200, 6_000, 2).await;
    let both = tokio::join!(world.import(), world.import());
    let ends = tokio::join!(world.ended(&both.0), world.ended(&both.1));
    for job in [&ends.0, &ends.1] {
        // nothing twice, and nothing that had to be refused: a refused create counts as a duplicate
        world.assert_done(job).await;
    }
    for kind in ["identity_groups", "dpsk_pools", "passphrases"] {
        let (first, second) = (resources(&ends.0, kind), resources(&ends.1, kind));
        assert_eq!(
            (first.0 + second.0, first.1 + second.1),
            (second.0.max(first.0), second.1.max(first.1)),
            "{kind}"
        );
        assert_eq!(first.0 + second.0, second.1 + first.1, "{kind}");
    }
    let counts = world.counts().await;
    let made = |kind| resources(&ends.0, kind).0 + resources(&ends.1, kind).0;
    let all = made("identity_groups") + made("dpsk_pools") + made("passphrases");
    assert_eq!(counts["writes"], all, "{counts}");
}

#[tokio::test]
async fn the_client_command_imports_watches_and_tells_the_outcome_by_its_exit_code() {
    let world = World::new(20, 60_000, 1).await;
    let file = world.fleet.folder.join("export.json");
    let run = async |text: String, arguments: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let mut client = tokio::process::Command::from(world.fleet.client().unwrap());
        client
            .arg("import")
            .arg(&file)
            .args(["--controller", "1", "--venue", "venue-sim-1"]);
        let ended = client.args(arguments).stdin(Stdio::null()).output().await.unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr)
        );
        (ended.status.code(), said)
    };
    let (code, said) = run(world.export.to_string(), &["--watch"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(world.verdict().await.agrees() && said.contains("COMPLETED"), "{said}");

    let bad = json!([{"guid": "d1", "name": "a", "passphrase": "2short!"}, {"guid": "d2", "name": "b", "passphrase": "long enough", "vlanid": "5000"}]);
    let (code, said) = run(bad.to_string(), &["--watch"]).await;
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("/dpsk_data/0/passphrase") && said.contains("/dpsk_data/1/vlanid"),
        "{said}"
    );
    assert!(!said.contains("2short!"), "{said}");
    // a venue that is not there fails the job, not the request
    let text = json!({"controller_id": 1, "venue_id": "nowhere", "dpsk_data": world.export}).to_string();
    std::fs::write(&file, text).unwrap();
    let mut client = tokio::process::Command::from(world.fleet.client().unwrap());
    let ended = client
        .arg("import")
        .arg(&file)
        .arg("--watch")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("VENUE_NOT_FOUND"), "{said}");
}
