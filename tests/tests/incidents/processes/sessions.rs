//! Sessions at the controller.

use serde_json::json;

use crate::fleet::World;

/// 50 minutes into an import the service ended the session. Every call was answered 401, every poll of an accepted write counted as
/// failed work, and a breaker failed 17 units that the service had accepted. Here: both workers' sessions end in the middle of an
/// import; each logs in once more, however many of its calls were refused, and no task fails or is unknown.
#[tokio::test]
async fn token_dies_in_the_middle_of_an_import() {
    let world = World::new(200, 6000, 2).await;
    let dies = json!({"operation": "token", "kind": "token_dies_early", "after_calls": 60, "tokens": 2});
    let simulator = &world.fleet.simulators[0];
    simulator.faults(json!({ "rules": [dies] })).await.unwrap();
    let job = world.ended(&world.import().await).await;
    world.assert_done(&job).await;
    for count in ["failed", "unknown", "cancelled"] {
        assert_eq!(
            job["summary"][count].as_u64().unwrap_or(0),
            0,
            "{count}: {}",
            job["summary"]
        );
    }
    let counts = world.counts().await;
    assert_eq!(
        counts["token_grants"], 4,
        "one login more for each of two workers: {counts}"
    );
    assert!(
        counts["unauthorized"].as_u64().unwrap() >= 2,
        "no session ended: {counts}"
    );
}
