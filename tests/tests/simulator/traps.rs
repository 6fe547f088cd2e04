//! What live systems were seen to do to identities, passphrases, names and lengths.

use serde_json::{Value, json};
use testkit::sim::{Refusal, RenameToTaken, Settings};

use crate::client::{Remote, nested};

fn keys(pool: &str) -> String {
    format!("/dpskServices/{pool}/passphrases")
}

#[tokio::test]
async fn a_new_user_name_makes_an_identity_and_a_passphrase() {
    let remote = Remote::quick().await;
    let (group, pool) = remote.pool(8).await;
    let sent = json!({"username": "anna", "passphrase": "correct-horse", "vlanId": 44, "numberOfDevices": 3, "numberOfDevicesType": "LIMITED",
        "expirationDate": "2031-06-15T00:00:00-07:00"});
    let id = remote.done("POST", &keys(&pool), sent).await;
    let ledger = remote.ledger();
    let (key, person) = (&ledger["passphrases"][0], &ledger["identities"][0]);
    assert_eq!(key["id"], id.as_str());
    assert_eq!(key["passphrase"], "correct-horse");
    assert_eq!((&key["vlan_id"], &key["number_of_devices"]), (&json!(44), &json!(3)));
    assert_eq!(key["expiration_date"], "2031-06-15T07:00:00.000Z");
    assert_eq!((&key["pool_id"], &key["group_id"]), (&json!(pool), &json!(group)));
    assert_eq!(
        (&person["name"], &person["group_id"], &person["passphrase_id"]),
        (&json!("anna"), &json!(group), &json!(id))
    );
    assert_eq!(key["identity_id"], person["id"]);
}

#[tokio::test]
async fn without_a_user_name_one_is_invented_and_identity_id_is_ignored() {
    let remote = Remote::quick().await;
    let (group, pool) = remote.pool(8).await;
    let person = remote
        .done(
            "POST",
            &format!("/identityGroups/{group}/identities?autoDpskPassphraseCreation=false"),
            json!({"name": "anna"}),
        )
        .await;
    remote
        .done(
            "POST",
            &keys(&pool),
            json!({"identityId": person, "passphrase": "correct-horse"}),
        )
        .await;
    let ledger = remote.ledger();
    let name = ledger["passphrases"][0]["username"].as_str().unwrap().to_owned();
    assert!(name.starts_with("DPSK_User_") && name.ends_with("_1"), "{name}");
    assert_eq!(ledger["identities"].as_array().unwrap().len(), 2);
    assert_ne!(ledger["passphrases"][0]["identity_id"], person.as_str());
    assert_eq!(remote.counts()["invented_names"], 1);
}

#[tokio::test]
async fn an_existing_user_name_is_dpsk_020() {
    let remote = Remote::quick().await;
    let (_, pool) = remote.pool(8).await;
    remote
        .done(
            "POST",
            &keys(&pool),
            json!({"username": "anna", "passphrase": "correct-horse"}),
        )
        .await;
    let again = remote
        .post(
            &keys(&pool),
            json!({"username": "anna", "passphrase": "another-horse", "identityId": "x"}),
        )
        .await;
    assert_eq!(again.status, 409);
    assert_eq!(again.body["errors"][0]["code"], "DPSK-020");
    assert!(
        again.body["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("'anna' already exists")
    );
    assert_eq!(remote.ledger()["passphrases"][0]["passphrase"], "correct-horse");
}

#[tokio::test]
async fn an_identity_without_passphrase_is_general_010() {
    let remote = Remote::quick().await;
    let (group, pool) = remote.pool(8).await;
    remote
        .done(
            "POST",
            &format!("/identityGroups/{group}/identities?autoDpskPassphraseCreation=false"),
            json!({"name": "anna"}),
        )
        .await;
    let accepted = remote
        .post(&keys(&pool), json!({"username": "anna", "passphrase": "correct-horse"}))
        .await;
    let activity = remote.finish(&accepted).await;
    assert_eq!(
        (&activity["status"], &nested(&activity)["code"]),
        (&json!("FAIL"), &json!("GENERAL-010"))
    );
    remote.sim.post("settings", &json!({"refuse_identity": "http"}));
    let refused = remote
        .post(&keys(&pool), json!({"username": "anna", "passphrase": "correct-horse"}))
        .await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["code"]),
        (409, &json!("GENERAL-010"))
    );
    assert_eq!(remote.counts()["refused_by"]["identity/existed"], 2);
}

#[tokio::test]
async fn a_patched_identity_gets_the_passphrase_itself() {
    let remote = Remote::quick().await;
    let (group, pool) = remote.pool(12).await;
    let path = format!("/identityGroups/{group}/identities");
    let person = remote
        .done(
            "POST",
            &format!("{path}?autoDpskPassphraseCreation=false"),
            json!({"name": "anna"}),
        )
        .await;
    let patch = async |body: Value| remote.done("PATCH", &format!("{path}/{person}"), body).await;
    patch(json!({"dpskPassphrase": "correct-horse", "vlan": 7})).await;
    let row = remote.ledger()["passphrases"][0].clone();
    assert_eq!(
        (&row["username"], &row["passphrase"], &row["vlan_id"]),
        (&json!("anna"), &json!("correct-horse"), &json!(7))
    );
    assert_eq!((&row["identity_id"], &row["pool_id"]), (&json!(person), &json!(pool)));
    let seen = remote.get(&format!("{path}/{person}")).await.body;
    assert_eq!(
        (&seen["dpskPassphrase"], &seen["dpskGuid"]),
        (&json!("correct-horse"), &row["id"])
    );
    // too short for the pool: SUCCESS, but another value
    patch(json!({"dpskPassphrase": "short-one"})).await;
    let row = remote.ledger()["passphrases"][0].clone();
    assert_ne!(row["passphrase"], "short-one");
    assert_eq!(
        (row["passphrase"].as_str().unwrap().len(), &row["replaced"]),
        (12, &json!(true))
    );
    assert_eq!(remote.ledger()["totals"]["passphrases"], 1);
}

#[tokio::test]
async fn a_short_passphrase_is_silently_replaced_and_a_very_short_one_refused() {
    let remote = Remote::quick().await;
    let (_, pool) = remote.pool(12).await;
    remote
        .done(
            "POST",
            &keys(&pool),
            json!({"username": "anna", "passphrase": "elevenchars"}),
        )
        .await;
    let row = remote.ledger()["passphrases"][0].clone();
    assert_eq!(
        (row["passphrase"].as_str().unwrap().len(), &row["replaced"]),
        (12, &json!(true))
    );
    assert_eq!(remote.counts()["replaced_passphrases"], 1);
    let refused = remote
        .post(&keys(&pool), json!({"username": "ben", "passphrase": "seven77"}))
        .await;
    assert_eq!(refused.status, 400);
    let refused = remote
        .post(&keys(&pool), json!({"username": "ben", "passphrase": "x".repeat(64)}))
        .await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn device_counts_are_clamped_to_512() {
    let remote = Remote::quick().await;
    let (_, pool) = remote.pool(8).await;
    remote
        .done(
            "POST",
            &keys(&pool),
            json!({"username": "anna", "passphrase": "correct-horse", "numberOfDevices": 9999}),
        )
        .await;
    assert_eq!(remote.ledger()["passphrases"][0]["number_of_devices"], 512);
    remote.done("POST", &keys(&pool), json!({"username": "ben", "passphrase": "correct-goose", "numberOfDevices": 9, "numberOfDevicesType": "UNLIMITED"})).await;
    assert_eq!(remote.ledger()["passphrases"][1]["number_of_devices"], Value::Null);
    assert_eq!(remote.counts()["clamped_device_counts"], 1);
}

#[tokio::test]
async fn an_identity_renamed_to_a_taken_name_fails_or_gets_a_suffix() {
    for (rename_to_taken, wanted) in [(RenameToTaken::Fail, "ben"), (RenameToTaken::Suffix, "anna_1")] {
        let remote = Remote::start(Settings {
            rename_to_taken,
            ..Settings::quick()
        })
        .await;
        let (group, _) = remote.pool(8).await;
        let path = format!("/identityGroups/{group}/identities");
        remote.done("POST", &path, json!({"name": "anna"})).await;
        let ben = remote.done("POST", &path, json!({"name": "ben"})).await;
        let accepted = remote
            .send("PATCH", &format!("{path}/{ben}"), json!({"name": "anna"}), &[])
            .await
            .unwrap();
        let activity = remote.finish(&accepted).await;
        if rename_to_taken == RenameToTaken::Fail {
            assert_eq!(nested(&activity)["code"], "GENERAL-010");
        } else {
            assert_eq!(activity["status"], "SUCCESS");
        }
        assert_eq!(remote.get(&format!("{path}/{ben}")).await.body["name"], wanted);
    }
}

#[tokio::test]
async fn a_new_identity_in_a_group_with_a_pool_mints_a_passphrase() {
    let remote = Remote::quick().await;
    let (group, _) = remote.pool(8).await;
    let person = remote
        .done(
            "POST",
            &format!("/identityGroups/{group}/identities"),
            json!({"name": "anna"}),
        )
        .await;
    let ledger = remote.ledger();
    assert_eq!(
        (
            &ledger["passphrases"][0]["username"],
            &ledger["passphrases"][0]["identity_id"]
        ),
        (&json!("anna"), &json!(person))
    );
}

#[tokio::test]
async fn taken_names_of_groups_and_pools_are_refused_in_both_forms() {
    let remote = Remote::quick().await;
    let (group, _) = remote.pool(8).await;
    let other = remote.done("POST", "/identityGroups", json!({"name": "H"})).await;
    let pool = json!({"name": "Pool", "passphraseFormat": "MOST_SECURED", "passphraseLength": 8});
    let pools = format!("/identityGroups/{other}/dpskServices");
    assert_eq!(remote.post("/identityGroups", json!({"name": "G"})).await.status, 409);
    assert_eq!(remote.post(&pools, pool.clone()).await.status, 409);
    remote
        .sim
        .post("settings", &json!({"refuse_existing": Refusal::Activity}));
    let activity = remote.finish(&remote.post(&pools, pool).await).await;
    assert_eq!(
        nested(&activity)["subErrors"][0],
        json!({"object": "DPSK service", "field": "name", "message": "Name must be unique"})
    );
    let activity = remote
        .finish(&remote.post("/identityGroups", json!({"name": "G"})).await)
        .await;
    assert_eq!(activity["status"], "FAIL");
    assert_eq!(remote.counts()["refused_creates"], 4);
    assert_eq!(remote.ledger()["totals"]["identity_groups"], 2);
    assert_eq!(remote.get(&format!("/identityGroups/{group}")).await.status, 200);
}

#[tokio::test]
async fn pools_check_their_fields() {
    let remote = Remote::quick().await;
    let group = remote.done("POST", "/identityGroups", json!({"name": "G"})).await;
    let good = json!({"name": "Pool", "passphraseFormat": "MOST_SECURED", "passphraseLength": 8});
    for (field, value) in [
        ("name", json!("x")),
        ("name", json!("x".repeat(33))),
        ("name", Value::Null),
        ("passphraseFormat", json!("ROT13")),
        ("passphraseLength", json!(7)),
        ("expirationType", json!("SOMEDAY")),
        ("expirationDate", json!("2031-06-15")),
    ] {
        let mut pool = good.clone();
        pool[field] = value.clone();
        let answer = remote
            .post(&format!("/identityGroups/{group}/dpskServices"), pool)
            .await;
        assert_eq!(answer.status, 400, "{field}: {value}");
    }
    assert_eq!(
        remote
            .post("/identityGroups/nowhere/dpskServices", good.clone())
            .await
            .status,
        404
    );
    remote
        .done("POST", &format!("/identityGroups/{group}/dpskServices"), good)
        .await;
}

#[tokio::test]
async fn pools_with_keys_and_groups_with_pools_cannot_be_deleted() {
    let remote = Remote::quick().await;
    let (group, pool) = remote.pool(8).await;
    let key = remote
        .done(
            "POST",
            &keys(&pool),
            json!({"username": "anna", "passphrase": "correct-horse"}),
        )
        .await;
    let delete = async |path: String, body: Value| remote.send("DELETE", &path, body, &[]).await.unwrap();
    let refused = delete(format!("/dpskServices/{pool}"), Value::Null).await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["code"]),
        (409, &json!("DPSK-026"))
    );
    let refused = delete(format!("/identityGroups/{group}"), Value::Null).await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["code"]),
        (409, &json!("GENERAL-026"))
    );
    remote.sim.post("settings", &json!({"refuse_delete": "activity"}));
    let activity = remote
        .finish(&delete(format!("/dpskServices/{pool}"), Value::Null).await)
        .await;
    assert_eq!(nested(&activity)["code"], "DPSK-026");
    // the way down
    remote.done("DELETE", &keys(&pool), json!([key])).await;
    assert_eq!(
        remote.ledger()["totals"]["identities"],
        1,
        "deleting a passphrase leaves its identity"
    );
    remote
        .done("DELETE", &format!("/dpskServices/{pool}"), Value::Null)
        .await;
    remote
        .done("DELETE", &format!("/identityGroups/{group}"), Value::Null)
        .await;
    assert_eq!(remote.ledger()["totals"]["identities"], 0);
    assert_eq!(
        delete(format!("/identityGroups/{group}"), Value::Null).await.status,
        404
    );
}

#[tokio::test]
async fn the_v1_media_type_makes_identity_calls_synchronous() {
    let remote = Remote::quick().await;
    let v1 = [("accept", "application/vnd.ruckus.v1+json")];
    let v11 = [("accept", "application/vnd.ruckus.v1.1+json")];
    let made = remote
        .send("POST", "/identityGroups", json!({"name": "G"}), &v1)
        .await
        .unwrap();
    assert_eq!((made.status, &made.body["name"]), (201, &json!("G")));
    let group = made.body["id"].as_str().unwrap().to_owned();
    assert_eq!(
        remote.get(&format!("/identityGroups/{group}")).await.status,
        200,
        "visible at once"
    );
    let path = format!("/identityGroups/{group}/identities");
    let made = remote.send("POST", &path, json!({"name": "anna"}), &v1).await.unwrap();
    assert_eq!(made.status, 201);
    let gone = remote
        .send(
            "DELETE",
            &format!("{path}/{}", made.body["id"].as_str().unwrap()),
            Value::Null,
            &v1,
        )
        .await
        .unwrap();
    assert_eq!((gone.status, gone.body), (200, json!({})));
    let accepted = remote.send("POST", &path, json!({"name": "anna"}), &v11).await.unwrap();
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.content_type, "application/vnd.ruckus.v1.1+json");
    assert!(accepted.body["id"].is_string());
}
