//! Imports that come again, and rows that come twice.

use serde_json::{Value, json};

use crate::harness::*;

/// Two pools with policies and networks.
fn everything() -> Value {
    let pool = |name: &str, ssid: &str, keys: &[&str]| {
        let dpsks: Vec<Value> = keys.iter().map(|name| dpsk(name, json!({}))).collect();
        json!({"guid": format!("AccountDpskPool-{name}"), "displayName": name, "supportsPolicies": true, "ssidList": [ssid],
            "dpsks": dpsks})
    };
    json!({"dpskPools": [
        pool("Lobby", "Bar", &["anna_gold", "ben_silver", "eve_gold"]),
        pool("Attic", "Roof", &["carl_gold", "dora_silver"]),
    ]})
}

fn options() -> Value {
    json!({"include_adaptive_policy_sets": true, "just_copy_dpsks": false,
        "ssid_network_map": {"Bar": "create", "Roof": "create"}})
}

fn radius(world: &World, names: &[&str]) {
    let groups: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    world.seed(json!({ "radius_attribute_groups": groups }));
}

async fn import(world: &World, data: Value) -> Vec<Phase> {
    let job = world.job(data, options());
    let mut ended = Vec::new();
    for name in PHASES {
        let phase = job.run(name).await;
        let errors: Vec<_> = phase.outcomes.iter().filter_map(|o| o.error.as_ref()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        ended.push(phase);
    }
    ended
}

/// A second run did everything again: policies, conditions, places in sets, renames, links (each of which sends a configuration to all
/// access points) and activations. Here it makes no write at all, also after somebody has given an identity another name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_run_writes_nothing() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    import(&world, everything()).await;
    let before = world.sim.counts(TENANT);
    // groups, pools and keys; policies, conditions, sets, places, assignments; networks, links, activations
    assert_eq!(before["writes"], (2 + 2 + 5) + (2 + 2 + 2 + 4 + 2) + (2 + 2 + 2));

    let ledger = world.sim.ledger(TENANT);
    let person = ledger["identities"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "eve_gold");
    let renamed = json!({"id": person.unwrap()["id"], "name": "Eve A._gold", "description": "AccountDpsk-eve_gold"});
    world.seed(json!({ "change": [renamed] }));
    for _ in 0..2 {
        let ended = import(&world, everything()).await;
        for phase in &ended[1..7] {
            assert!(
                phase.tasks.iter().all(|task| task.input.preset.is_some()),
                "a write was planned"
            );
        }
        let after = world.sim.counts(TENANT);
        for count in ["writes", "relinks", "ap_pushes", "duplicates"] {
            assert_eq!(before[count], after[count], "{count}");
        }
    }
}

/// Two rows of a file came to one policy name; the last one won, and nobody was told. Here: two suffixes that differ in letter case
/// only would come to one name, so each gets a policy of its own, and the import says so; users of one suffix share one policy, whose
/// answer is the same for all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rows_one_policy_name() {
    let world = World::start();
    radius(&world, &["gold", "GOLD"]);
    let rows = ["anna_gold", "ben_GOLD", "carl_gold"].map(|name| dpsk(name, json!({})));
    let job = world.job(
        export(rows.into_iter().collect()),
        json!({"include_adaptive_policy_sets": true}),
    );
    let warnings = job.warnings();
    assert!(
        warnings
            .iter()
            .any(|line| line.contains("\"GOLD\" and \"gold\" differ in letter case only")),
        "{warnings:?}"
    );
    let (made, attached) = job.run_policies().await;
    assert!(made.all("created") && attached.outcomes.iter().all(|o| o.error.is_none()));
    let ledger = world.sim.ledger(TENANT);
    let policies = ledger["policies"].as_array().unwrap();
    let mut answers: Vec<_> = policies
        .iter()
        .map(|p| {
            (
                p["conditions"][0]["pattern"].as_str().unwrap(),
                p["radius_group_name"].as_str().unwrap(),
            )
        })
        .collect();
    answers.sort_unstable();
    assert_eq!(answers, [("^.*_GOLD$", "GOLD"), ("^.*_gold$", "gold")]);
    let mut names: Vec<_> = policies
        .iter()
        .map(|p| p["name"].as_str().unwrap().to_lowercase())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 2, "told apart whatever the letter case");
}

/// 161 residents became 254 identities: keys were made for an identity's id, which the service ignores, inventing a name for each. Here
/// a person who is there is given the key (by Cloudpath guid, then by name), nobody is doubled, a name the service invented is nobody's,
/// and one that was invented all the same is told by its row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicated_residents_and_invented_names() {
    let world = World::start();
    let rows = || {
        export(
            ["anna", "ben", "carl"]
                .iter()
                .map(|name| dpsk(name, json!({})))
                .collect(),
        )
    };
    let job = world.job(rows(), json!({}));
    job.run("create_identity_groups").await;
    job.run("create_dpsk_pools").await;
    world.seed(json!({"identities": [
        {"group": "Lobby-IDG", "name": "anna"},
        {"group": "Lobby-IDG", "name": "Benjamin", "description": "AccountDpsk-ben"},
        {"group": "Lobby-IDG", "name": "DPSK_User_0A1B2C3D_1", "description": "AccountDpsk-carl"},
    ]}));
    let (keys, audit) = world.job(rows(), json!({})).run_all().await;
    assert!(
        keys.all("created") && audit.outcomes[0].error.is_none(),
        "{:?}",
        keys.outcomes
    );
    let mut names: Vec<_> = world.ledger().into_keys().collect();
    names.sort();
    assert_eq!(names, ["Benjamin", "anna", "carl"]);
    let counts = world.sim.counts(TENANT);
    assert_eq!(
        (&counts["invented_names"], &counts["duplicates"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(
        world.sim.ledger(TENANT)["totals"]["identities"],
        4,
        "two of the three, carl, and the invented one"
    );

    let world = World::start();
    let rule = json!({"operation": "create_passphrase", "usernames": ["anna"], "kind": "invent_name"});
    world.sim.post("faults", &json!({ "rules": [rule] }));
    let (keys, _) = world.job(rows(), json!({})).run_all().await;
    let error = keys.of("anna").error.clone().unwrap();
    assert_eq!(error.code, "STORED_UNDER_ANOTHER_NAME");
    assert!(
        error.message.contains("under the name \"DPSK_User_"),
        "{}",
        error.message
    );
    let (keys, _) = world.job(rows(), json!({"name_conflict": "adopt"})).run_all().await;
    assert_eq!(keys.code("anna"), "PASSPHRASE_TAKEN", "never adopted");
}
