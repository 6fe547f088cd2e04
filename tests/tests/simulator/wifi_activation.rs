//! Networks on the air: in a venue, on AP groups, one change after another, and what stays hidden.

use serde_json::{Value, json};
use testkit::sim::Settings;

use crate::client::{Remote, TENANT};
use crate::wifi::created;

const VENUE: &str = "/venues/venue-sim-1/wifiNetworks";

fn all() -> Value {
    json!({"venueId": "venue-sim-1", "networkId": "n", "apGroups": [], "scheduler": {"type": "ALWAYS_ON"}, "isAllApGroups": true,
           "allApGroupsRadio": "Both", "allApGroupsRadioTypes": ["2.4-GHz", "5-GHz"]})
}

async fn places(remote: &Remote, id: &str) -> Value {
    let body = json!({"page": 1, "pageSize": 1, "filters": {"id": [id]}});
    remote.post("/wifiNetworks/query", body).await.body["data"][0]["venueApGroups"].clone()
}

#[tokio::test]
async fn the_query_shows_where_a_network_is_on_and_the_network_itself_is_stale() {
    let remote = Remote::quick().await;
    let id = created(&remote, "Residents").await;
    remote.done("PUT", &format!("{VENUE}/{id}"), all()).await;
    assert_eq!(
        places(&remote, &id).await,
        json!([{"venueId": "venue-sim-1", "apGroupIds": ["venue-sim-1-default"], "isAllApGroups": true}])
    );
    assert_eq!(
        remote.get(&format!("/wifiNetworks/{id}")).await.body["venueApGroups"],
        json!([])
    );
    let settings = remote.get(&format!("{VENUE}/{id}/settings")).await.body;
    assert_eq!(settings["allApGroupsRadioTypes"], json!(["2.4-GHz", "5-GHz"]));
    let refused = remote.delete(&format!("/wifiNetworks/{id}")).await;
    assert_eq!(refused.status, 422, "it is still on");
    remote.done("DELETE", &format!("{VENUE}/{id}"), Value::Null).await;
    assert_eq!(remote.delete(&format!("{VENUE}/{id}")).await.status, 404);
    remote.done("DELETE", &format!("/wifiNetworks/{id}"), Value::Null).await;
    assert_eq!(remote.ledger()["totals"]["wifi_networks"], 0);
}

#[tokio::test]
async fn an_activation_with_an_empty_body_works_but_is_not_shown() {
    let remote = Remote::quick().await;
    let id = created(&remote, "Residents").await;
    remote.done("PUT", &format!("{VENUE}/{id}"), Value::Null).await;
    assert_eq!(places(&remote, &id).await, json!([]));
    assert_eq!(remote.ledger()["activations"][0]["shown"], false);
    assert_eq!(remote.counts()["empty_activations"], 1);
    remote.done("PUT", &format!("{VENUE}/{id}/settings"), all()).await;
    assert_eq!(places(&remote, &id).await[0]["isAllApGroups"], true);
}

#[tokio::test]
async fn single_ap_groups_come_after_all_of_them() {
    let remote = Remote::quick().await;
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "ap_groups": [{"id": "lobby", "name": "Lobby"}, {"id": "roof", "name": "Roof"}]}),
    );
    let id = created(&remote, "Residents").await;
    let (on, group) = (format!("{VENUE}/{id}"), format!("{VENUE}/{id}/apGroups/lobby"));
    assert_eq!(
        remote.put(&group, Value::Null).await.status,
        404,
        "the venue comes first"
    );
    remote.done("PUT", &on, all()).await;
    assert_eq!(
        remote.put(&group, Value::Null).await.status,
        422,
        "it is on all of them"
    );
    remote
        .done("PUT", &format!("{on}/settings"), json!({"isAllApGroups": false}))
        .await;
    assert_eq!(
        places(&remote, &id).await[0]["apGroupIds"],
        json!([]),
        "off all of them"
    );
    assert_eq!(
        remote.put(&format!("{on}/apGroups/nowhere"), Value::Null).await.status,
        404
    );
    remote.done("PUT", &group, Value::Null).await;
    let radios = json!({"radioTypes": ["5-GHz"], "vlanId": 44});
    remote.done("PUT", &format!("{group}/settings"), radios.clone()).await;
    assert_eq!(remote.get(&format!("{group}/settings")).await.body, radios);
    assert_eq!(
        remote
            .put(&format!("{group}/settings"), json!({"vlanId": 0}))
            .await
            .status,
        422
    );
    let row = remote.ledger()["activations"][0].clone();
    assert_eq!(
        (&row["is_all_ap_groups"], &row["ap_groups"][0]["id"]),
        (&json!(false), &json!("lobby"))
    );
    let found = remote
        .post(
            "/venues/apGroups/query",
            json!({"page": 1, "pageSize": 9, "filters": {"id": ["lobby"]}}),
        )
        .await;
    assert_eq!(found.body["data"][0]["wifiNetworkIds"], json!([id]));
    assert_eq!(remote.counts()["relinks"], 0);
    remote.done("PUT", &group, Value::Null).await;
    let counts = remote.counts();
    assert_eq!(counts["relinks_by"], json!({"ap_group_network/existed": 1}));
    assert_eq!(
        counts["ap_pushes_by"],
        json!({"venue_network": 1, "venue_network_settings": 1, "ap_group_network": 2, "ap_group_network_settings": 1})
    );
    remote.done("DELETE", &group, Value::Null).await;
    assert_eq!(remote.get(&format!("{group}/settings")).await.status, 404);
}

#[tokio::test]
async fn two_changes_of_a_network_at_a_time_are_locked() {
    let remote = Remote::quick().await;
    let (one, two) = (created(&remote, "One").await, created(&remote, "Two").await);
    remote.done("PUT", &format!("{VENUE}/{two}"), all()).await;
    remote.done("PUT", &format!("{VENUE}/{two}"), all()).await;
    assert_eq!(remote.counts()["http_423_locked"], 0, "one after another");
    remote
        .sim
        .post("settings", &json!({"activity_ms": [3_600_000, 3_600_000]}));
    assert_eq!(remote.put(&format!("{VENUE}/{one}"), all()).await.status, 202);
    let locked = remote.put(&format!("{VENUE}/{one}"), all()).await;
    assert_eq!((locked.status, locked.body["errors"].is_array()), (423, true));
    let other = remote.put(&format!("{VENUE}/{two}"), all()).await;
    assert_eq!(other.status, 202, "another network is free");
    let counts = remote.counts();
    assert_eq!((&counts["http_423_locked"], &counts["relinks"]), (&json!(1), &json!(2)));
    remote.sim.post("settings", &json!({"lock_networks": false}));
    assert_eq!(remote.put(&format!("{VENUE}/{one}"), all()).await.status, 202);
}

#[tokio::test]
async fn an_ap_group_carries_so_many_ssids() {
    for form in ["http", "activity"] {
        let remote = Remote::quick().await;
        remote.sim.post("settings", &json!({"refuse_limit": form}));
        let networks: Vec<Value> = (0..15)
            .map(|n| json!({"id": format!("n{n}"), "name": format!("N{n:02}"), "activations": [{"venue": "venue-sim-1"}]}))
            .collect();
        remote
            .sim
            .post("seed", &json!({"tenant": TENANT, "wifi_networks": networks}));
        remote.done("PUT", &format!("{VENUE}/n3"), all()).await;
        let id = created(&remote, "Sixteenth").await;
        let refused = remote.put(&format!("{VENUE}/{id}"), all()).await;
        match form {
            "http" => assert_eq!(refused.status, 422),
            _ => assert_eq!(remote.finish(&refused).await["status"], "FAIL"),
        }
        assert_eq!(remote.ledger()["totals"]["activations"], 15);
        remote
            .done("PUT", &format!("{VENUE}/n3/settings"), json!({"isAllApGroups": false}))
            .await;
        remote.done("PUT", &format!("{VENUE}/{id}"), all()).await;
    }
}

#[tokio::test]
async fn a_limit_reached_while_the_activity_runs_fails_it() {
    let settings = Settings {
        ssids_per_ap_group: 1,
        activity_ms: (1500, 1500),
        ..Settings::quick()
    };
    let remote = Remote::start(settings).await;
    let (one, two) = (created(&remote, "One").await, created(&remote, "Two").await);
    let first = remote.put(&format!("{VENUE}/{one}"), all()).await;
    let second = remote.put(&format!("{VENUE}/{two}"), all()).await;
    let mut ends = [remote.finish(&first).await, remote.finish(&second).await].map(|end| end["status"].clone());
    ends.sort_by_key(Value::to_string);
    assert_eq!(ends, [json!("FAIL"), json!("SUCCESS")]);
    assert_eq!(remote.ledger()["totals"]["activations"], 1);
}

#[tokio::test]
async fn one_ssid_twice_on_the_air_is_a_twin() {
    let remote = Remote::quick().await;
    let on = json!([{"venue": "venue-sim-1"}]);
    let networks =
        json!([{"name": "A", "ssid": "One", "activations": on}, {"name": "B", "ssid": "One", "activations": on}]);
    let groups = json!([{"name": "Lobby"}, {"name": "Roof"}]);
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "ap_groups": groups, "wifi_networks": networks}),
    );
    let counts = remote.counts();
    assert_eq!(
        (&counts["existing_twice"]["ssids_on_air"], &counts["duplicates"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn the_ideal_counts_what_was_made_and_not_what_was_there() {
    let remote = Remote::quick().await;
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "radius_attribute_groups": [{"id": "r", "name": "gigabit"}], "policies": [{"name": "old", "radius": "r"}],
                "wifi_networks": [{"name": "Old", "activations": [{"venue": "venue-sim-1"}]}]}),
    );
    let ideal = async || {
        let url = format!("{}/_sim/ideal?tenant={TENANT}", remote.sim.base_url);
        let answer = remote.http.get(url).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["other_writes"].clone()
    };
    assert_eq!(ideal().await, 0);
    let id = created(&remote, "Residents").await;
    remote.done("PUT", &format!("{VENUE}/{id}"), all()).await;
    let policy = crate::policies::policy(&remote, "new", "r", "x").await;
    let set = remote
        .created("/policySets", json!({"name": "PS", "description": ""}))
        .await;
    remote
        .put(&format!("/policySets/{set}/prioritizedPolicies/{policy}"), json!({}))
        .await;
    // network, activation; policy, its condition; the set and the policy's place in it
    assert_eq!(ideal().await, 6);
}
