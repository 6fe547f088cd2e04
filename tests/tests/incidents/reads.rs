//! Reading what is there: whole, and once.

use serde_json::{Value, json};
use shared::job::outcome::{Origin, Outcome};
use testkit::sim::Settings;

use crate::harness::*;

const LIST_IDENTITIES: &str = "GET /identityGroups/{groupId}/identities";
const QUERY_KEYS: &str = "POST /dpskServices/{poolId}/passphrases/query";

/// Calls of an operation, by status.
fn calls(world: &World, operation: &str) -> Value {
    world.sim.counts(TENANT)["calls"][operation].clone()
}

fn users(count: usize) -> Value {
    export((0..count).map(|n| dpsk(&format!("user-{n:04}"), json!({}))).collect())
}

/// About sixty keys were refused with GENERAL-010 (an identity of that name without a key), and each refusal paged through the whole
/// group again: 1,400 calls, in which the service answered nobody. Here: one sweep finds them all before anything is sent, none is
/// refused, and each is given its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn general_010_sixty_times_sweeps_the_group_once() {
    let world = World::start();
    let job = world.job(users(60), json!({}));
    job.run("create_identity_groups").await;
    job.run("create_dpsk_pools").await;
    // 60 who wait for a key among 1,140 others: three pages
    let mut people: Vec<Value> = (0..1_140)
        .map(|n| json!({"group": "Lobby-IDG", "name": format!("other-{n}")}))
        .collect();
    people.extend((0..60).map(|n| json!({"group": "Lobby-IDG", "name": format!("user-{n:04}")})));
    world.seed(json!({ "identities": people }));
    let job = world.job(users(60), json!({}));
    let (keys, audit) = job.run_all().await;
    assert!(
        keys.all("created") && audit.outcomes[0].error.is_none(),
        "{:?}",
        keys.outcomes
    );
    assert_eq!(
        calls(&world, LIST_IDENTITIES),
        json!({"200": 3}),
        "one sweep of three pages"
    );
    let counts = world.sim.counts(TENANT);
    assert_eq!(
        (&counts["duplicates"], &counts["refused_creates"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(
        world.sim.ledger(TENANT)["totals"]["identities"],
        1_200,
        "nobody was doubled"
    );

    // those that came after the plan are refused, and cost no sweep each either
    let world = World::start();
    let job = world.job(users(4), json!({}));
    job.run("create_identity_groups").await;
    job.run("create_dpsk_pools").await;
    let (tasks, facts) = job.plan("create_passphrases").await.unwrap();
    let people: Vec<Value> = (0..4)
        .map(|n| json!({"group": "Lobby-IDG", "name": format!("user-{n:04}")}))
        .collect();
    world.seed(json!({ "identities": people }));
    let keys = job.carry_out("create_passphrases", tasks, facts).await;
    assert!(
        keys.outcomes
            .iter()
            .all(|o| o.error.as_ref().is_some_and(|e| e.code == "GENERAL-010"))
    );
    assert_eq!(calls(&world, LIST_IDENTITIES), Value::Null);
}

/// The proxy answered page 2 of 8 with a page of HTML and status 503; it was parsed as data, and 3,700 rows were lost. Here the same
/// page is asked for again, no row is lost, and nothing is made twice because it was not seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn html_503_in_page_2_of_8_loses_no_row() {
    let world = World::start();
    let job = world.job(users(4_000), json!({}));
    job.run("create_identity_groups").await;
    job.run("create_dpsk_pools").await;
    let there = |n: usize| json!({"pool": "Lobby-DPSK", "username": format!("user-{n:04}"), "passphrase": format!("secret-of-user-{n:04}")});
    world.seed(json!({"passphrases": (0..4_000).map(there).collect::<Vec<_>>()}));
    let rule = json!({"operation": QUERY_KEYS, "pages": [2], "max": 1, "kind": "html_503"});
    world.sim.post("faults", &json!({ "rules": [rule] }));
    let before = world.writes();
    let job = world.job(users(4_000), json!({}));
    for phase in ["create_identity_groups", "create_dpsk_pools"] {
        job.run(phase).await;
    }
    let (tasks, facts) = job.plan("create_passphrases").await.unwrap();
    let keys = job.carry_out("create_passphrases", tasks, facts).await;
    assert_eq!(keys.outcomes.len(), 4_000);
    let is_found = |o: &Outcome| o.resource.as_ref().is_some_and(|r| r.origin == Origin::Adopted);
    assert!(keys.outcomes.iter().all(is_found), "a row was lost on the way");
    let calls = calls(&world, QUERY_KEYS);
    assert_eq!(calls["503"], 1, "{calls}");
    let pages = calls["200"].as_u64().unwrap();
    assert!(
        (8..=10).contains(&pages),
        "the page is asked for again, not the whole: {calls}"
    );
    assert_eq!(world.writes(), before);
}

/// Lists were taken for whole where the service had cut them without a word. Here a page shorter than asked for ends nothing: it is
/// read on until all that was announced is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pagination_truncation() {
    let world = World::start();
    world.job(users(90), json!({})).run_all().await;
    let before = world.writes();
    for rows in [1, 40] {
        let rule = json!({"operation": QUERY_KEYS, "nth": [1], "kind": "page_cap", "rows": rows});
        world.sim.post("faults", &json!({ "rules": [rule] }));
        let (keys, audit) = world.job(users(90), json!({})).run_all().await;
        assert!(
            keys.all("adopted") && audit.outcomes[0].error.is_none(),
            "cut to {rows}"
        );
    }
    // every page of every list
    let world = World::with(Settings {
        page_cap: 20,
        ..Settings::quick()
    });
    world.job(users(90), json!({})).run_all().await;
    let (keys, audit) = world.job(users(90), json!({})).run_all().await;
    assert!(keys.all("adopted") && audit.outcomes[0].error.is_none());
    assert_eq!(world.sim.counts(TENANT)["duplicates"], 0);
    assert_eq!(world.writes(), before, "the same writes as of one import");
}

/// Some lists count pages from 0 and some from 1, and the documents are wrong about one of them: 500 rows were skipped or read twice.
/// Here both give every row once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_begin_at_zero_or_one() {
    for dpsk_first_page in [0, 1] {
        let world = World::with(Settings {
            dpsk_first_page,
            ..Settings::quick()
        });
        let job = world.job(users(3), json!({}));
        job.run("create_identity_groups").await;
        job.run("create_dpsk_pools").await;
        // more than one page of keys, and of identities
        let there = |n: usize| json!({"pool": "Lobby-DPSK", "username": format!("user-{n:04}"), "passphrase": format!("secret-of-user-{n:04}")});
        world.seed(json!({"passphrases": (0..1_200).map(there).collect::<Vec<_>>()}));
        let (before, wanted) = (world.writes(), users(1_201));
        let (keys, audit) = world.job(wanted, json!({})).run_all().await;
        assert_eq!(audit.outcomes[0].error, None);
        let created: Vec<_> = keys
            .tasks
            .iter()
            .filter(|t| keys.end(&t.input.name) == "created")
            .collect();
        assert_eq!(
            created.len(),
            1,
            "the one that was not there, with pages from {dpsk_first_page}"
        );
        assert_eq!(created[0].input.name, "user-1200");
        assert_eq!(world.writes(), before + 1);
        assert_eq!(world.sim.counts(TENANT)["duplicates"], 0);
    }
}
