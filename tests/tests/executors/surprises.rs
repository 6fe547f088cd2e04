//! Replies cut, values replaced, names taken between plan and write.

use serde_json::{Value, json};
use shared::job::outcome::Origin;
use testkit::sim::{Refusal, Settings};
use worker::executors::Found;

use super::harness::*;

fn two() -> Value {
    export(json!([dpsk("anna", json!({})), dpsk("ben", json!({}))]))
}

/// Groups and pools stand, the passphrases are planned.
async fn planned(world: &World) -> Job<'_> {
    let job = world.job(two(), json!({}));
    job.run("create_identity_groups").await;
    job.run("create_dpsk_pools").await;
    job
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_cut_after_the_write_doubles_nothing() {
    let world = World::start();
    let cut = |operation: &str| json!({"operation": operation, "nth": [1], "kind": "cut_after_apply"});
    world.sim.post(
        "faults",
        &json!({"rules": [cut("create_group"), cut("create_pool"), cut("create_passphrase")]}),
    );
    let (keys, audit) = world.job(two(), json!({})).run_all().await;
    assert!(keys.all("created"), "what we made is ours, reply or not");
    assert_eq!(audit.outcomes[0].error, None);
    assert_eq!(world.sim.counts(TENANT)["duplicates"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_cut_before_the_write_is_sent_again() {
    let world = World::start();
    world.sim.post(
        "faults",
        &json!({"rules": [
        {"operation": "create_passphrase", "usernames": ["anna"], "kind": "cut_before_apply"}]}),
    );
    let (keys, _) = world.job(two(), json!({})).run_all().await;
    assert!(keys.all("created"));
    assert_eq!(world.sim.counts(TENANT)["duplicates"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_passphrase_that_was_replaced_is_told_and_stays_in_the_ledger() {
    let world = World::start();
    world.job(two(), json!({})).run("create_identity_groups").await;
    // ben's has 13 characters, anna's 14.
    world.seed(
        json!({"dpsk_pools": [{"name": "Lobby-DPSK", "group": "Lobby-IDG", "passphraseFormat": "MOST_SECURED",
        "passphraseLength": 14}]}),
    );
    let (keys, audit) = world.job(two(), json!({"name_conflict": "adopt"})).run_all().await;
    assert_eq!(
        (keys.end("anna").as_str(), keys.code("ben")),
        ("created", "PASSPHRASE_REPLACED")
    );
    assert_ne!(world.ledger()["ben"]["passphrase"], "secret-of-ben");
    assert_eq!(
        keys.of("ben").resource.as_ref().unwrap().id,
        world.ledger()["ben"]["id"].as_str().unwrap()
    );
    assert_eq!(audit.task_facts[0]["expected"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_taken_after_the_plan_is_adopted_if_equal_and_refused_if_not() {
    for refusal in [Refusal::Http, Refusal::Activity] {
        let world = World::with(Settings {
            refuse_existing: refusal,
            ..Settings::quick()
        });
        let job = planned(&world).await;
        let (tasks, facts) = job.plan("create_passphrases").await.unwrap();
        world.seed(json!({"passphrases": [
            {"pool": "Lobby-DPSK", "username": "anna", "passphrase": "secret-of-anna"},
            {"pool": "Lobby-DPSK", "username": "ben", "passphrase": "somebody-elses"},
        ]}));
        let keys = job.carry_out("create_passphrases", tasks, facts).await;
        assert_eq!(keys.end("anna"), "adopted", "{refusal:?}: never ours to delete");
        assert_eq!(
            (keys.end("ben").as_str(), keys.code("ben")),
            ("failed", "NAME_CONFLICT"),
            "{refusal:?}"
        );
        assert_eq!(world.ledger().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_that_waits_for_a_key_is_given_it() {
    let world = World::start();
    planned(&world).await;
    world.seed(json!({"identities": [
        {"group": "Lobby-IDG", "name": "anna"},
        {"group": "Lobby-IDG", "name": "Benjamin", "description": "AccountDpsk-ben"},
    ]}));
    let (keys, audit) = world.job(two(), json!({})).run_all().await;
    assert!(keys.all("created"), "{:?}", keys.outcomes);
    assert_eq!(audit.outcomes[0].error, None);
    let ledger = world.ledger();
    assert_eq!(
        (&ledger["anna"]["passphrase"], &ledger["Benjamin"]["passphrase"]),
        (&json!("secret-of-anna"), &json!("secret-of-ben"))
    );
    assert_eq!(
        world.sim.ledger(TENANT)["totals"]["identities"],
        2,
        "nobody was doubled"
    );
    let before = world.writes();
    let (keys, audit) = world.job(two(), json!({})).run_all().await;
    assert!(
        keys.all("adopted") && audit.outcomes[0].error.is_none(),
        "{:?}",
        keys.outcomes
    );
    assert_eq!(world.writes(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_made_after_the_plan_fails_once_and_a_further_import_helps() {
    let world = World::start();
    let job = planned(&world).await;
    let (tasks, facts) = job.plan("create_passphrases").await.unwrap();
    world.seed(json!({"identities": [{"group": "Lobby-IDG", "name": "anna"}]}));
    let keys = job.carry_out("create_passphrases", tasks, facts).await;
    assert_eq!(
        (keys.code("anna"), keys.end("ben").as_str()),
        ("GENERAL-010", "created")
    );
    let (keys, _) = world.job(two(), json!({})).run_all().await;
    assert_eq!(
        (keys.end("anna").as_str(), keys.end("ben").as_str()),
        ("created", "adopted")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_plan_holds_a_passphrase_in_the_open() {
    let world = World::start();
    let job = planned(&world).await;
    let (tasks, _) = job.plan("create_passphrases").await.unwrap();
    let stored: Vec<_> = tasks.iter().map(|t| serde_json::to_string(&t.input).unwrap()).collect();
    assert_eq!(tasks[0].secret.as_ref().unwrap().expose(), "secret-of-anna");
    assert!(stored.iter().all(|line| !line.contains("secret-of")) && !format!("{tasks:?}").contains("secret-of"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_stored_under_another_name_is_told_at_once_and_never_adopted() {
    for (kind, name) in [("rename_suffix", "anna_1"), ("invent_name", "DPSK_User_")] {
        let world = World::start();
        let rule = json!({"operation": "create_passphrase", "usernames": ["anna"], "kind": kind});
        world.sim.post("faults", &json!({"rules": [rule]}));
        let (keys, audit) = world.job(two(), json!({})).run_all().await;
        let anna = keys.of("anna");
        let (error, made) = (anna.error.clone().expect(kind), anna.resource.clone().expect(kind));
        assert_eq!(error.code, "STORED_UNDER_ANOTHER_NAME", "{kind}");
        let told = format!("under the name \"{name}");
        assert!(error.message.contains(&told), "{}", error.message);
        let is_ours = made.origin == Origin::Created && made.name.starts_with(name);
        assert!(is_ours, "a cleanup takes it away: {made:?}");
        let told = (&audit.outcomes[0].error, &audit.task_facts[0]["extra"]);
        assert_eq!(told, (&None, &json!(1)), "{kind}");
        let (keys, audit) = world.job(two(), json!({"name_conflict": "adopt"})).run_all().await;
        assert_eq!(
            (keys.code("anna"), keys.end("ben").as_str()),
            ("PASSPHRASE_TAKEN", "adopted"),
            "{kind}"
        );
        assert_eq!(audit.task_facts[0]["not_imported"], 1);
    }
}

/// The reply was lost, RUCKUS One made another name of the user's, and so many keys have come since that it is none of the newest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_under_another_name_is_found_among_many_before_its_row_is_sent_again() {
    let (recent, old) = (json!(null), json!("2026-01-01T00:00:00Z"));
    for (stored, created) in [
        ("anna_1", &recent),
        ("DPSK_User_0A1B2C3D_1", &recent),
        ("anna_1", &old),
        ("anna_3", &old),
    ] {
        let world = World::start();
        let job = planned(&world).await;
        let (tasks, _) = job.plan("create_passphrases").await.unwrap();
        let task = |name: &str| tasks.iter().find(|task| task.input.name == name).unwrap();
        let key = |name: &str, value: &str, created: &Value| json!({"pool": "Lobby-DPSK", "username": name, "passphrase": value, "createdDate": created});
        let mut keys = vec![key(stored, "secret-of-anna", created)];
        if stored == "anna_3" {
            // numbers that are somebody's, with keys of their own
            keys.extend(["anna_1", "anna_2"].map(|name| key(name, &format!("key-of-{name}"), created)));
        }
        keys.extend((0..600).map(|n| key(&format!("other-{n}"), &format!("key-of-other-{n}"), &recent)));
        world.seed(json!({ "passphrases": keys }));
        let found = job.look_back("create_passphrases", task("anna"), true).await;
        let Found::Present(outcome) = found else {
            panic!("{stored}: it would be sent again: {found:?}");
        };
        assert_eq!(outcome.error.unwrap().code, "STORED_UNDER_ANOTHER_NAME", "{stored}");
        assert_eq!(&*outcome.resource.unwrap().name, stored);
        // what was never sent is absent by its name alone: that query, the newest keys, and a query with one of them
        let before = world.calls();
        let found = job.look_back("create_passphrases", task("ben"), false).await;
        assert!(matches!(found, Found::Absent), "{found:?}");
        assert_eq!(world.calls() - before, 3);
    }
}

/// Under a name nobody can guess a key is looked for among those of the last minutes, not in the whole pool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_under_an_invented_name_is_looked_for_as_far_back_as_is_set() {
    let now = jiff::Timestamp::now();
    for (minutes, is_found) in [(15, true), (30, false)] {
        let world = World::start();
        let job = planned(&world).await;
        let (tasks, _) = job.plan("create_passphrases").await.unwrap();
        let anna = tasks.iter().find(|task| task.input.name == "anna").unwrap();
        let key = |name: &str, value: &str, minutes: i64| {
            let created = (now - jiff::SignedDuration::from_mins(minutes)).to_string();
            json!({"pool": "Lobby-DPSK", "username": name, "passphrase": value, "createdDate": created})
        };
        let others = |of: &str, minutes: i64| -> Vec<Value> {
            let names = (0..600).map(|n| format!("{of}-{n}"));
            names
                .map(|name| key(&name, &format!("key-of-{name}"), minutes))
                .collect()
        };
        // in the order in which they were made: hers, a page and more, and a page and more of the last minute
        let mut keys = vec![key("DPSK_User_0A1B2C3D_1", "secret-of-anna", minutes)];
        keys.extend(others("old", minutes - 1));
        keys.extend(others("new", 0));
        world.seed(json!({ "passphrases": keys }));
        let found = job.look_back("create_passphrases", anna, true).await;
        assert_eq!(matches!(found, Found::Present(_)), is_found, "{minutes}: {found:?}");
    }
}
