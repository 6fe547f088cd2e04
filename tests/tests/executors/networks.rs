//! Networks made, linked and put on the air; and what is there already.

use serde_json::{Value, json};

use super::harness::*;

pub fn keys(ssids: Value) -> Value {
    let mut export = export(json!([dpsk("anna", json!({})), dpsk("ben", json!({}))]));
    export["pool"]["ssidList"] = ssids;
    export
}

pub fn options(map: Value) -> Value {
    json!({"just_copy_dpsks": false, "ssid_network_map": map})
}

pub fn options_with(policy: &str, map: Value) -> Value {
    json!({"just_copy_dpsks": false, "ssid_network_map": map, "name_conflict": policy})
}

/// All phases up to that of the networks; that one, and the audit.
pub async fn run(job: &Job<'_>) -> (Phase, Phase) {
    job.run_all_but_networks().await;
    (job.run("activate_networks").await, job.run("audit_results").await)
}

pub fn ends(phase: &Phase) -> Vec<(String, String)> {
    let end = |name: &String| (name.clone(), phase.end(name));
    phase.tasks.iter().map(|task| end(&task.input.name)).collect()
}

pub fn told(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

pub fn message<'p>(phase: &'p Phase, name: &str) -> &'p str {
    phase.of(name).error.as_ref().map_or("none", |e| &e.message)
}

/// Rows of the ledger, only with these fields.
fn rows(world: &World, part: &str, fields: &[&str]) -> Value {
    let ledger = world.sim.ledger(TENANT);
    let rows = ledger[part].as_array().unwrap().iter();
    rows.map(|row| Value::Array(fields.iter().map(|field| row[*field].clone()).collect()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn networks_are_made_linked_and_activated_on_all_ap_groups_once_each() {
    let world = World::start();
    world.seed(json!({"ap_groups": [{"name": "Roof"}]}));
    let job = world.job(
        keys(json!(["Bar", "Lobby"])),
        options(json!({"Lobby": "create", "Bar": "create"})),
    );
    let (networks, audit) = run(&job).await;
    let steps = [
        "create Bar",
        "link Bar",
        "activate Bar",
        "create Lobby",
        "link Lobby",
        "activate Lobby",
    ];
    assert_eq!(ends(&networks), told(&steps.map(|step| (step, "created"))));
    assert_eq!(
        networks.facts,
        json!({"networks": 2, "to_create": 2, "to_link": 2, "to_activate": 2})
    );
    assert_eq!(
        rows(
            &world,
            "wifi_networks",
            &["name", "ssid", "type", "vlan_id", "use_dpsk_service"]
        ),
        json!([["Bar", "Bar", "dpsk", 1, true], ["Lobby", "Lobby", "dpsk", 1, true]])
    );
    assert_eq!(
        rows(&world, "network_pools", &["network_name", "pool_name"]),
        json!([["Bar", "Lobby-DPSK"], ["Lobby", "Lobby-DPSK"]])
    );
    let mut on_air = rows(
        &world,
        "activations",
        &["ssid", "venue_id", "is_all_ap_groups", "shown", "ap_pushes"],
    );
    on_air.as_array_mut().unwrap().sort_by_key(Value::to_string);
    assert_eq!(
        on_air,
        json!([
            ["Bar", "venue-sim-1", true, true, 1],
            ["Lobby", "venue-sim-1", true, true, 1]
        ])
    );
    let ledger = world.sim.ledger(TENANT);
    for (at, step) in [(0, "create"), (1, "link"), (2, "activate")] {
        let resource = networks.outcomes[at].resource.as_ref().unwrap();
        let network = ledger["wifi_networks"][0]["id"].as_str().unwrap();
        let pool = ledger["dpsk_pools"][0]["id"].as_str().unwrap();
        let wanted = match step {
            "create" => ("wifi_network", network.to_owned()),
            "link" => ("network_pool", format!("{network}/{pool}")),
            _ => ("activation", format!("venue-sim-1/{network}")),
        };
        assert_eq!((resource.kind.as_str(), resource.id.clone()), wanted);
    }
    assert!(audit.all("completed"), "{:?}", audit.outcomes);
    assert_eq!(
        json!(audit.task_facts[1..]),
        json!([{"ssid": "Bar", "linked": true, "on_air": "all AP groups"},
               {"ssid": "Lobby", "linked": true, "on_air": "all AP groups"}])
    );
    let counts = world.sim.counts(TENANT);
    assert_eq!(
        (&counts["duplicates"], &counts["relinks"], &counts["http_423_locked"]),
        (&json!(0), &json!(0), &json!(0)),
        "{counts}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_again_writes_nothing() {
    let world = World::start();
    world.seed(json!({"wifi_networks": [{"id": "n-bar", "name": "Bar network", "ssid": "Bar"}]}));
    let again = || {
        world.job(
            keys(json!(["Bar", "Lobby"])),
            options(json!({"Lobby": "create", "Bar": "n-bar"})),
        )
    };
    let (first, _) = run(&again()).await;
    assert!(first.all("created"), "{:?}", ends(&first));
    let before = world.sim.counts(TENANT);
    let (second, audit) = run(&again()).await;
    assert!(second.all("adopted"), "{:?}", ends(&second));
    assert!(audit.all("completed"), "{:?}", audit.outcomes);
    let after = world.sim.counts(TENANT);
    for count in ["writes", "relinks", "ap_pushes"] {
        assert_eq!(before[count], after[count], "{count}");
    }
    assert_eq!((&after["relinks"], &after["ap_pushes"]), (&json!(0), &json!(2)));
    let ids = |phase: &Phase| -> Vec<String> {
        let ids = phase.outcomes.iter().map(|o| o.resource.as_ref().unwrap().id.clone());
        ids.collect()
    };
    assert_eq!(ids(&first), ids(&second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_there_is_taken_by_its_id() {
    let world = World::start();
    world.seed(json!({"wifi_networks": [
        {"id": "n-1", "name": "Residents 2.4", "ssid": "Residents"},
        {"id": "n-2", "name": "Residents", "ssid": "Other"},
    ]}));
    let job = world.job(keys(json!([])), options(json!({"Residents": "n-1"})));
    let (networks, audit) = run(&job).await;
    assert_eq!(
        ends(&networks),
        told(&[("link Residents", "created"), ("activate Residents", "created")])
    );
    assert!(audit.all("completed"), "{:?}", audit.outcomes);
    assert_eq!(
        rows(&world, "activations", &["network_id", "ap_pushes"]),
        json!([["n-1", 1]])
    );
    assert_eq!(world.sim.ledger(TENANT)["totals"]["wifi_networks"], 2, "none was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_linked_to_another_pool_goes_by_the_policy() {
    for (policy, link, pool, on_air) in [
        ("fail", "failed", "Theirs", "failed"),
        ("adopt", "adopted", "Theirs", "created"),
        ("update", "updated", "Lobby-DPSK", "created"),
    ] {
        let world = World::start();
        world.seed(json!({"dpsk_pools": [{"name": "Theirs"}],
                          "wifi_networks": [{"id": "n", "name": "Bar", "pool": "Theirs"}]}));
        let job = world.job(keys(json!([])), options_with(policy, json!({"Bar": "n"})));
        let (networks, audit) = run(&job).await;
        assert_eq!(
            ends(&networks),
            told(&[("link Bar", link), ("activate Bar", on_air)]),
            "{policy}"
        );
        assert_eq!(
            rows(&world, "network_pools", &["pool_name"]),
            json!([[pool]]),
            "{policy}"
        );
        assert!(audit.all("completed"), "{policy}: {:?}", audit.outcomes);
        let activations = world.sim.ledger(TENANT)["totals"]["activations"].clone();
        if policy == "fail" {
            assert_eq!(
                message(&networks, "link Bar"),
                "Wi-Fi network \"Bar\" exists and differs: its DPSK pool is \"Theirs\", wanted \"Lobby-DPSK\""
            );
            assert_eq!(networks.code("activate Bar"), "NOT_LINKED");
            assert_eq!(activations, 0, "nobody's keys are put on the air unasked");
        } else {
            assert_eq!(activations, 1);
        }
        if policy == "adopt" {
            let pools = world.sim.ledger(TENANT)["dpsk_pools"].clone();
            let theirs = pools
                .as_array()
                .unwrap()
                .iter()
                .find(|p| p["name"] == "Theirs")
                .unwrap()["id"]
                .clone();
            let id = &networks.outcomes[0].resource.as_ref().unwrap().id;
            assert_eq!(*id, format!("n/{}", theirs.as_str().unwrap()), "the link there is");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_on_some_ap_groups_goes_by_the_policy() {
    for (policy, end, all, pushes) in [
        ("fail", "failed", false, 1),
        ("adopt", "adopted", false, 1),
        ("update", "updated", true, 2),
    ] {
        let world = World::start();
        world.seed(json!({
            "ap_groups": [{"id": "roof", "name": "Roof"}],
            "wifi_networks": [{"id": "n", "name": "Bar", "activations": [{"venue": "venue-sim-1", "apGroups": ["Roof"]}]}],
        }));
        let job = world.job(keys(json!([])), options_with(policy, json!({"Bar": "n"})));
        let (networks, audit) = run(&job).await;
        assert_eq!(
            ends(&networks),
            told(&[("link Bar", "created"), ("activate Bar", end)]),
            "{policy}"
        );
        assert_eq!(
            rows(&world, "activations", &["is_all_ap_groups", "radio_types"]),
            json!([[all, ["2.4-GHz", "5-GHz"]]])
        );
        let counts = world.sim.counts(TENANT);
        // the link is pushed to the venue, and the change of AP groups
        assert_eq!((&counts["ap_pushes"], &counts["relinks"]), (&json!(pushes), &json!(0)));
        assert!(audit.all("completed"), "{policy}: {:?}", audit.outcomes);
        if policy == "fail" {
            assert_eq!(
                message(&networks, "activate Bar"),
                "Wi-Fi network \"Bar\" exists and differs: it is on some AP groups of the venue, wanted all"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssids_that_are_not_named_are_reported_and_not_activated() {
    let world = World::start();
    let job = world.job(keys(json!(["Bar", "Lobby"])), options(json!({"Lobby": "create"})));
    let validated = job.run("parse_validate").await;
    assert_eq!(
        validated.facts["warnings"],
        json!(["not activated, since ssid_network_map does not name them: \"Bar\""])
    );
    run(&job).await;
    assert_eq!(rows(&world, "activations", &["ssid"]), json!([["Lobby"]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_activated_is_refused_before_anything_is_made() {
    let on = json!([{"venue": "venue-sim-1"}]);
    let mut full: Vec<Value> = (0..15)
        .map(|n| json!({"name": format!("Net {n}"), "activations": on}))
        .collect();
    let many: Vec<Value> = (0..64)
        .map(|n| json!({"name": format!("Net {n}"), "pool": "Lobby-DPSK"}))
        .collect();
    let pool = json!([{"name": "Lobby-DPSK"}]);
    full.push(json!({"id": "n", "name": "Bar"}));
    let psk = json!([{"id": "n", "name": "Bar", "type": "psk", "ssid": "Pub"}]);
    let twin = json!([{"id": "n", "name": "Bar 2", "ssid": "Bar", "activations": on}]);
    for (seed, map, code, said) in [
        (
            json!({}),
            json!({"Bar": "n"}),
            "NETWORK_NOT_FOUND",
            "there is no Wi-Fi network of id \"n\", which SSID \"Bar\" shall use",
        ),
        (
            json!({ "wifi_networks": psk }),
            json!({"Bar": "n"}),
            "NETWORK_UNFIT",
            "Wi-Fi network \"Bar\" (n) can't be used: nwSubType is \"psk\", wanted dpsk; ssid is \"Pub\", wanted \"Bar\"",
        ),
        (
            json!({ "wifi_networks": full }),
            json!({"Bar": "n", "Gym": "create"}),
            "ACTIVATION_CLASH",
            "AP group \"default\" carries 15 SSIDs and would carry 17; at most 15",
        ),
        (
            json!({"dpsk_pools": pool, "wifi_networks": many}),
            json!({"Bar": "create"}),
            "ACTIVATION_CLASH",
            "pool \"Lobby-DPSK\" serves 64 SSIDs and would serve 65; at most 64",
        ),
        (
            json!({ "wifi_networks": twin }),
            json!({"Bar": "create"}),
            "ACTIVATION_CLASH",
            "SSID \"Bar\" is on the air in the venue already, by network n; it can't be there twice",
        ),
    ] {
        let world = World::start();
        world.seed(seed);
        let before = world.writes();
        let validated = world.job(keys(json!([])), options(map)).run("parse_validate").await;
        let error = validated.outcomes[0].error.clone().unwrap();
        assert_eq!((error.code.as_str(), error.message.as_str()), (code, said));
        assert_eq!(world.writes(), before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_already_takes_no_room_a_second_time() {
    let world = World::start();
    let on = json!([{"venue": "venue-sim-1"}]);
    let networks: Vec<Value> = (0..64)
        .map(|n| match n {
            0..15 => {
                json!({"id": format!("n{n}"), "name": format!("Net {n}"), "pool": "Lobby-DPSK", "activations": on})
            }
            _ => json!({"name": format!("Net {n}"), "pool": "Lobby-DPSK"}),
        })
        .collect();
    world.seed(json!({"dpsk_pools": [{"name": "Lobby-DPSK"}], "wifi_networks": networks}));
    let job = world.job(keys(json!([])), options(json!({"Net 3": "n3", "Net 4": "create"})));
    let validated = job.run("parse_validate").await;
    assert_eq!(validated.outcomes[0].error, None);
}
