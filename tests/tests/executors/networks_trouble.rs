//! Networks while replies are cut, reads are behind, networks are locked and licences lack.

use serde_json::{Value, json};
use worker::executors::PlanError;

use super::harness::*;
use super::networks::{ends, keys, message, options, options_with, run, told};

const CREATE: &str = "create_network";
const LINK: &str = "PUT /wifiNetworks/{wifiNetworkId}/dpskServices/{dpskServiceId}";
const ACTIVATE: &str = "PUT /venues/{venueId}/wifiNetworks/{wifiNetworkId}";

fn faults(world: &World, rules: Value) {
    world.sim.post("faults", &json!({ "rules": rules }));
}

fn bar(world: &World) -> Job<'_> {
    world.job(keys(json!([])), options(json!({"Bar": "create"})))
}

fn all(end: &str) -> Vec<(String, String)> {
    told(&["create Bar", "link Bar", "activate Bar"].map(|step| (step, end)))
}

fn assert_nothing_twice(world: &World) {
    let counts = world.sim.counts(TENANT);
    assert_eq!(
        (&counts["duplicates"], &counts["relinks"]),
        (&json!(0), &json!(0)),
        "{counts}"
    );
    let totals = world.sim.ledger(TENANT)["totals"].clone();
    for part in ["wifi_networks", "network_pools", "activations"] {
        assert_eq!(totals[part], 1, "{part}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_cut_after_the_write_doubles_nothing() {
    let world = World::start();
    let cut = |operation: &str| json!({"operation": operation, "nth": [1], "kind": "cut_after_apply"});
    faults(&world, json!([cut(CREATE), cut(LINK), cut(ACTIVATE)]));
    let (networks, audit) = run(&bar(&world)).await;
    assert_eq!(ends(&networks), all("created"), "what we made is ours, reply or not");
    assert!(audit.all("completed"), "{:?}", audit.outcomes);
    assert_eq!(world.sim.counts(TENANT)["injected"]["cut_after_apply"], 3);
    assert_nothing_twice(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_cut_before_the_write_is_sent_again() {
    let world = World::start();
    let cut = |operation: &str| json!({"operation": operation, "nth": [1], "kind": "cut_before_apply"});
    faults(&world, json!([cut(CREATE), cut(LINK), cut(ACTIVATE)]));
    let (networks, _) = run(&bar(&world)).await;
    assert_eq!(ends(&networks), all("created"));
    assert_nothing_twice(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_network_is_tried_again() {
    let world = World::start();
    let locked = |operation: &str| json!({"operation": operation, "nth": [1], "kind": "locked_423"});
    faults(&world, json!([locked(LINK), locked(ACTIVATE)]));
    let (networks, _) = run(&bar(&world)).await;
    assert_eq!(ends(&networks), all("created"));
    assert_eq!(world.sim.counts(TENANT)["injected"]["locked_423"], 2);
    assert_nothing_twice(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_are_behind_make_nothing_twice() {
    let world = World::start();
    faults(
        &world,
        json!([{"operation": "any", "kind": "stale_read", "seconds": 0.5}]),
    );
    let (networks, audit) = run(&bar(&world)).await;
    assert_eq!(ends(&networks), all("created"), "{:?}", networks.outcomes);
    assert!(
        audit.all("completed"),
        "looked at again until it is shown: {:?}",
        audit.outcomes
    );
    assert!(world.sim.counts(TENANT)["injected"]["stale_read"].as_u64().unwrap() > 0);
    assert_nothing_twice(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activation_that_is_not_shown_is_found_by_a_second_run() {
    let world = World::start();
    let (first, _) = run(&bar(&world)).await;
    assert_eq!(ends(&first), all("created"));
    // as if each was changed a moment ago: queries of networks show none of them on the air
    faults(
        &world,
        json!([{"operation": "POST /wifiNetworks/query", "kind": "stale_read", "seconds": 3600}]),
    );
    let before = world.writes();
    let (second, audit) = run(&bar(&world)).await;
    assert_eq!(ends(&second), all("adopted"));
    assert!(audit.all("completed"), "{:?}", audit.outcomes);
    assert_eq!(world.writes(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lacking_licences_are_told_and_what_depends_on_them_is_not_tried() {
    let world = World::start();
    faults(&world, json!([{"operation": CREATE, "kind": "licence_error"}]));
    let (networks, audit) = run(&bar(&world)).await;
    assert_eq!(ends(&networks), all("failed"));
    assert_eq!(networks.code("create Bar"), "WIFI-10126");
    assert!(message(&networks, "create Bar").contains("Insufficient licenses"));
    for step in ["link Bar", "activate Bar"] {
        assert_eq!(
            (networks.code(step), message(&networks, step)),
            ("NETWORK_MISSING", "Wi-Fi network \"Bar\" is not there")
        );
    }
    let audited: Vec<_> = audit.tasks.iter().map(|task| task.input.name.as_str()).collect();
    assert_eq!(audited, ["Lobby-DPSK"], "the job does not say it is on the air");
    // with licences a further import does the rest
    faults(&world, json!([]));
    let (networks, _) = run(&bar(&world)).await;
    assert_eq!(ends(&networks), all("created"));
    assert_nothing_twice(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ssid_whose_pool_could_not_be_linked_is_not_put_on_the_air() {
    let world = World::start();
    let fails = json!({"operation": LINK, "kind": "activity_fail", "code": "WIFI-10001", "message": "no way"});
    faults(&world, json!([fails]));
    let (networks, _) = run(&bar(&world)).await;
    assert_eq!(
        (networks.code("link Bar"), networks.code("activate Bar")),
        ("WIFI-10001", "NOT_LINKED")
    );
    assert_eq!(world.sim.ledger(TENANT)["totals"]["activations"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_made_after_the_plan_is_adopted() {
    let world = World::start();
    let job = bar(&world);
    job.run_all_but_networks().await;
    let (tasks, facts) = job.plan("activate_networks").await.unwrap();
    world.seed(json!({"wifi_networks": [{"id": "n", "name": "Bar"}]}));
    let networks = job.carry_out("activate_networks", tasks, facts).await;
    assert_eq!(
        ends(&networks),
        told(&[
            ("create Bar", "adopted"),
            ("link Bar", "created"),
            ("activate Bar", "created")
        ]),
        "never ours to delete"
    );
    assert_eq!(world.sim.ledger(TENANT)["totals"]["wifi_networks"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_of_another_kind_made_after_the_plan_is_left_alone() {
    let world = World::start();
    let job = bar(&world);
    job.run_all_but_networks().await;
    let (tasks, facts) = job.plan("activate_networks").await.unwrap();
    world.seed(json!({"wifi_networks": [{"id": "n", "name": "Bar", "type": "guest"}]}));
    let before = world.writes();
    let networks = job.carry_out("activate_networks", tasks, facts).await;
    assert_eq!(
        (networks.code("link Bar"), networks.code("activate Bar")),
        ("NETWORK_UNFIT", "NETWORK_UNFIT")
    );
    assert!(
        world.writes() <= before + 1,
        "the create that is refused, and nothing else"
    );
    let totals = &world.sim.ledger(TENANT)["totals"];
    assert_eq!(
        (&totals["network_pools"], &totals["activations"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_somebody_linked_meanwhile_is_not_replaced() {
    for policy in ["fail", "update"] {
        let world = World::start();
        world.seed(
            json!({"dpsk_pools": [{"id": "q", "name": "Theirs"}], "wifi_networks": [{"id": "n", "name": "Bar"}]}),
        );
        let job = world.job(keys(json!([])), options_with(policy, json!({"Bar": "n"})));
        job.run_all_but_networks().await;
        let (tasks, facts) = job.plan("activate_networks").await.unwrap();
        let before = world.writes();
        world.seed(json!({"delete": ["n"]}));
        world.seed(json!({"wifi_networks": [{"id": "n", "name": "Bar", "pool": "Theirs"}]}));
        let networks = job.carry_out("activate_networks", tasks, facts).await;
        let code = if policy == "fail" {
            "NAME_CONFLICT"
        } else {
            "CHANGED_MEANWHILE"
        };
        assert_eq!(
            (networks.code("link Bar"), networks.code("activate Bar")),
            (code, "NOT_LINKED")
        );
        assert!(
            message(&networks, "link Bar").starts_with("Wi-Fi network \"Bar\" "),
            "in our words"
        );
        assert_eq!(world.writes(), before, "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_tells_what_others_took_off_the_air() {
    let world = World::start();
    let job = bar(&world);
    run(&job).await;
    let id = world.sim.ledger(TENANT)["wifi_networks"][0]["id"].clone();
    world.seed(json!({ "delete": [id] }));
    let audit = job.run("audit_results").await;
    assert_eq!(
        audit.end("Lobby-DPSK"),
        "completed",
        "the keys are there, whatever the network"
    );
    let error = audit.of("network Bar").error.clone().unwrap();
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        (
            "AUDIT_MISMATCH",
            "the network of SSID \"Bar\" is not linked to its pool; SSID \"Bar\" is not on the air in the venue"
        )
    );
}

/// An activation goes to every AP group of the venue, and one of them takes one change at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_jobs_with_other_ssids_do_not_activate_in_one_venue_side_by_side() {
    let world = World::start();
    let mut names = Vec::new();
    for ssid in ["Bar", "Roof"] {
        let job = world.job(keys(json!([])), options(json!({ssid: "create"})));
        job.run_all_but_networks().await;
        names.push(job.names("activate_networks").await);
    }
    let both: Vec<_> = names[0].intersection(&names[1]).collect();
    assert_eq!(both, ["ap_groups|venue-sim-1"]);
}

/// Taken for whole, the list would have a network made that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_networks_that_was_cut_says_of_none_that_it_is_absent() {
    let world = World::start();
    let named = |name: &str| json!({"name": name, "ssid": name});
    world.seed(json!({"wifi_networks": [named("Attic"), named("Bar"), named("Roof")]}));
    let cut = json!({"operation": "POST /wifiNetworks/query", "kind": "page_cap", "rows": 1});
    let plan = async || {
        let job = bar(&world);
        for phase in ["create_identity_groups", "create_dpsk_pools"] {
            job.run(phase).await;
        }
        job.plan("activate_networks").await
    };
    faults(&world, json!([cut]));
    match plan().await {
        Err(PlanError::Call(e)) => assert_eq!((e.code().as_str(), e.is_transient()), ("LIST_CUT", true)),
        other => panic!("{other:?}"),
    }
    faults(&world, json!([]));
    let (tasks, _) = plan().await.unwrap();
    assert!(tasks[0].input.preset.is_some(), "it is there");
}
