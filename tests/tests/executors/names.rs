//! Names: rows that resolve to one user, names RUCKUS One can't hold, and people who are there already with another key.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::cloudpath::{Code, Fault, RequestError, parse_request};

use super::harness::*;

const UPDATE_KEY: &str = "PUT /dpskServices/{poolId}/passphrases/{id}";

fn faults(data: &Value) -> Vec<Fault> {
    let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let body = json!({"controller_id": 1, "venue_id": "v", "dpsk_data": data}).to_string();
    match parse_request(body.as_bytes(), now) {
        Err(RequestError::Content(faults)) => faults.into_list(),
        other => panic!("it is not refused: {:?}", other.is_ok()),
    }
}

fn key(guid: &str, name: &str) -> Value {
    json!({"guid": guid, "name": name, "passphrase": format!("secret-of-{guid}"), "status": "ACTIVE"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rows_of_one_user_are_refused_with_both_rows_or_the_second_is_skipped() {
    // RUCKUS One compares names exactly; white space around one is dropped on the way
    let twice = export(json!([key("d-0", "anna"), key("d-1", "ben"), key("d-2", " anna ")]));
    let faults = faults(&twice);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(
        (faults[0].pointer.as_str(), faults[0].code, &*faults[0].detail),
        (
            "/dpsk_data/dpsks/2/name",
            Code::DuplicateUsername,
            "same user name in one pool as row 0 (d-0)"
        )
    );
    let world = World::start();
    let (keys, audit) = world
        .job(twice.clone(), json!({"invalid_rows": "skip"}))
        .run_all()
        .await;
    let ends: Vec<_> = keys.outcomes.iter().map(|o| format!("{:?}", o.status)).collect();
    assert_eq!(ends, ["Completed", "Completed", "Skipped"]);
    let why = keys.outcomes[2].error.as_ref().unwrap();
    assert_eq!(
        (why.code.as_str(), why.message.as_str()),
        ("DUPLICATE_USERNAME", "name: same user name in one pool as row 0 (d-0)")
    );
    assert_eq!(audit.outcomes[0].error, None);
    assert_eq!(world.ledger()["anna"]["passphrase"], "secret-of-d-0", "the first row's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_differ_in_case_or_inside_are_two_users() {
    let world = World::start();
    let rows = || {
        export(json!([
            key("d-0", "anna b"),
            key("d-1", "Anna b"),
            key("d-2", "anna  b")
        ]))
    };
    let (keys, audit) = world.job(rows(), json!({})).run_all().await;
    assert!(
        keys.all("created") && audit.outcomes[0].error.is_none(),
        "{:?}",
        keys.outcomes
    );
    assert_eq!(world.ledger().len(), 3);
    let before = world.writes();
    let (keys, _) = world.job(rows(), json!({})).run_all().await;
    assert!(keys.all("adopted"));
    assert_eq!(world.writes(), before);
}

/// Names of pools in the ledger, in order.
fn pools(world: &World) -> Vec<String> {
    let ledger = world.sim.ledger(TENANT);
    let pools = ledger["dpsk_pools"].as_array().unwrap().iter();
    let mut names: Vec<_> = pools.map(|pool| pool["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_names_and_names_that_come_out_alike_get_a_pool_each_and_the_same_one_every_time() {
    let long = |end: &str| format!("Sunrise Apartments Building 7 {end}");
    let names = [
        // alike in what is left of them
        long("North wing"),
        long("South wing"),
        // alike altogether, and but for case
        "Lobby".to_owned(),
        "Lobby".to_owned(),
        "LOBBY".to_owned(),
        // 27 letters fit beside -DPSK, 28 do not; units of two and four bytes
        "x".repeat(27),
        "x".repeat(28),
        "ä".repeat(33),
        "🔑".repeat(40),
    ];
    let pool = |(at, name): (usize, &String)| json!({"guid": format!("pool-{at}"), "displayName": name, "dpsks": [key(&format!("d-{at}"), &format!("user-{at}"))]});
    let data = json!({"dpskPools": names.iter().enumerate().map(pool).collect::<Vec<_>>()});
    let world = World::start();
    let (keys, audit) = world.job(data.clone(), json!({})).run_all().await;
    assert!(keys.all("created") && audit.outcomes.iter().all(|o| o.error.is_none()));
    let made = pools(&world);
    assert_eq!(made.len(), names.len());
    assert!(
        made.iter().all(|name| (2..=32).contains(&name.encode_utf16().count())),
        "{made:?}"
    );
    let mut told_apart: Vec<_> = made.iter().map(|name| name.to_lowercase()).collect();
    told_apart.sort();
    told_apart.dedup();
    assert_eq!(told_apart.len(), names.len(), "{made:?}");
    let before = world.writes();
    let (keys, _) = world.job(data, json!({"name_conflict": "update"})).run_all().await;
    assert!(keys.all("adopted"));
    assert_eq!((world.writes(), pools(&world)), (before, made));
}

/// anna's identity is there by her name, Ben's by his Cloudpath guid; both have other keys than in the export.
async fn people_with_other_keys(world: &World) {
    let job = world.job(two(), json!({}));
    job.run("create_identity_groups").await;
    job.run("create_dpsk_pools").await;
    let there =
        |name: &str| json!({"pool": "Lobby-DPSK", "username": name, "passphrase": format!("old-key-of-{name}")});
    world.seed(json!({"passphrases": [there("anna"), there("Benjamin")]}));
    let ledger = world.sim.ledger(TENANT);
    let people = ledger["identities"].as_array().unwrap().iter();
    let ben = people
        .filter(|row| row["name"] == "Benjamin")
        .map(|row| row["id"].clone())
        .next();
    world.seed(json!({"change": [{"id": ben.unwrap(), "description": "AccountDpsk-ben"}]}));
}

fn two() -> Value {
    export(json!([dpsk("anna", json!({"vlanid": "44"})), dpsk("ben", json!({}))]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_with_another_key_is_refused_left_or_given_ours_and_never_made_again() {
    for policy in ["fail", "adopt", "update"] {
        let world = World::start();
        people_with_other_keys(&world).await;
        let before = world.writes();
        let (keys, audit) = world.job(two(), json!({"name_conflict": policy})).run_all().await;
        let left = keys
            .tasks
            .iter()
            .map(|t| t.input.data["left_as_is"].as_str().unwrap_or_default());
        let left: Vec<_> = left.collect();
        let writes = world.writes() - before;
        let value = |name: &str| world.ledger()[name]["passphrase"].as_str().unwrap().to_owned();
        // a name that somebody gave the identity is theirs
        let differ = ["passphrase differs; vlanId is none, wanted 44", "passphrase differs"];
        match policy {
            "fail" => {
                assert_eq!(
                    (keys.code("anna"), keys.code("ben"), writes),
                    ("NAME_CONFLICT", "NAME_CONFLICT", 0)
                );
                for (user, differs) in ["anna", "ben"].iter().zip(differ) {
                    let message = &keys.of(user).error.as_ref().unwrap().message;
                    assert!(
                        message.contains(&format!("user \"{user}\"")) && message.ends_with(differs),
                        "{message}"
                    );
                }
            }
            "adopt" => {
                assert!(keys.all("adopted") && writes == 0);
                assert_eq!(left, differ);
                assert_eq!(value("anna"), "old-key-of-anna");
            }
            _ => {
                assert!(keys.all("updated") && writes == 2, "{:?}", keys.outcomes);
                assert_eq!(
                    (value("anna"), value("Benjamin")),
                    ("secret-of-anna".into(), "secret-of-ben".into())
                );
                assert_eq!(world.ledger()["anna"]["vlan_id"], 44);
                let (keys, _) = world.job(two(), json!({"name_conflict": policy})).run_all().await;
                assert!(keys.all("adopted"), "{:?}", keys.outcomes);
                assert_eq!(world.writes() - before, 2, "the second import wrote");
            }
        }
        assert_eq!(audit.outcomes[0].error, None, "{policy}");
        let totals = world.sim.ledger(TENANT)["totals"].clone();
        assert_eq!(
            (&totals["identities"], &totals["passphrases"]),
            (&json!(2), &json!(2)),
            "{policy}"
        );
        assert_eq!(world.sim.counts(TENANT)["duplicates"], 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_came_to_something_else_in_an_update_is_told() {
    for (kind, code, said) in [
        (
            "replace_passphrase",
            "PASSPHRASE_REPLACED",
            "RUCKUS One has stored another passphrase for user \"anna\" than the one sent",
        ),
        (
            "clamp_devices",
            "FIELDS_NOT_SET",
            "user \"anna\": it was changed, but not as sent: numberOfDevices is 1, wanted 5",
        ),
    ] {
        let world = World::start();
        people_with_other_keys(&world).await;
        let rule = json!({"operation": UPDATE_KEY, "nth": [1], "kind": kind});
        world.sim.post("faults", &json!({ "rules": [rule] }));
        let limited = json!({"useDeviceCountLimit": true, "deviceCountLimit": 5});
        let data = export(json!([dpsk("anna", limited)]));
        let (keys, audit) = world.job(data, json!({"name_conflict": "update"})).run_all().await;
        let error = keys.of("anna").error.clone().expect(kind);
        assert_eq!(error.code, code, "{}", error.message);
        assert!(error.message.starts_with(said), "{}", error.message);
        assert!(!error.message.contains("secret-of"));
        let resource = keys
            .of("anna")
            .resource
            .as_ref()
            .expect("it was changed by us: the ledger knows it");
        assert_eq!(format!("{:?}", resource.origin), "Updated");
        assert_eq!(audit.task_facts[0]["not_imported"], 1, "nothing is claimed of it");
    }
}

/// Its key opens another pool, perhaps for somebody else's tenants: no policy takes it away from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_whose_key_is_in_another_pool_is_named_and_left_alone() {
    for policy in ["fail", "adopt", "update"] {
        let world = World::start();
        // made in the group's first pool, which has been taken apart from it since
        world.job(two(), json!({})).run("create_identity_groups").await;
        world.seed(json!({"dpsk_pools": [{"id": "old", "name": "Old", "group": "Lobby-IDG"}]}));
        world.seed(json!({"passphrases": [{"pool": "Old", "username": "anna", "passphrase": "old-key-of-anna"}]}));
        world.seed(json!({"dpsk_pools": [{"name": "Lobby-DPSK", "group": "Lobby-IDG"}]}));
        let before = world.writes();
        let (keys, _) = world.job(two(), json!({"name_conflict": policy})).run_all().await;
        assert_eq!(
            (keys.code("anna"), keys.end("ben").as_str()),
            ("IDENTITY_HAS_KEY", "created"),
            "{policy}"
        );
        let message = &keys.of("anna").error.as_ref().unwrap().message;
        assert!(
            message.starts_with("identity \"anna\", which is that of user \"anna\", has a passphrase in another pool"),
            "{message}"
        );
        assert_eq!(world.writes() - before, 1, "ben's");
        assert_eq!(world.ledger()["anna"]["passphrase"], "old-key-of-anna");
    }
}
