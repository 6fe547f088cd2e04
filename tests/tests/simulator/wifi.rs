//! Wi-Fi networks and their DPSK services: creates, links, limits, finding them.

use serde_json::{Value, json};
use testkit::sim::Settings;

use crate::client::{Remote, TENANT};

pub fn network(name: &str) -> Value {
    json!({"type": "dpsk", "name": name, "useDpskService": true,
           "wlan": {"ssid": name, "vlanId": 1, "enabled": true, "wlanSecurity": "WPA2Personal"}})
}

/// A network that exists: its id.
pub async fn created(remote: &Remote, name: &str) -> String {
    let accepted = remote.post("/wifiNetworks", network(name)).await;
    assert_eq!(remote.finish(&accepted).await["status"], "SUCCESS");
    accepted.body["response"]["id"].as_str().unwrap().to_owned()
}

pub fn names(answer: &Value) -> Vec<&str> {
    let rows = answer["data"].as_array().unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_network_is_made_linked_and_shown_by_the_pool() {
    let remote = Remote::quick().await;
    let (group, pool) = remote.pool(8).await;
    let id = created(&remote, "Residents").await;
    let seen = remote.get(&format!("/wifiNetworks/{id}")).await.body;
    assert_eq!(
        (&seen["type"], &seen["wlan"]["ssid"]),
        (&json!("dpsk"), &json!("Residents"))
    );
    let links = format!("/wifiNetworks/{id}/dpskServices");
    assert_eq!(remote.get(&links).await.body["data"], json!([]));
    let link = format!("{links}/{pool}");
    let accepted = remote.put(&link, Value::Null).await;
    assert_eq!(accepted.body.as_object().unwrap().len(), 1, "only a request id");
    remote.finish(&accepted).await;
    assert_eq!(
        remote.get(&links).await.body["data"],
        json!([{"id": pool, "name": "Pool"}])
    );
    assert_eq!(
        remote.get(&format!("/dpskServices/{pool}")).await.body["networkCount"],
        1
    );
    assert_eq!(
        remote.get(&format!("/identityGroups/{group}")).await.body["networkCount"],
        1
    );
    let row = remote.ledger()["network_pools"][0].clone();
    assert_eq!((&row["network_id"], &row["pool_id"]), (&json!(id), &json!(pool)));
    assert_eq!(remote.counts()["ap_pushes"], 0, "it is nowhere on the air");
    // a pool in use stays
    let refused = remote.delete(&format!("/dpskServices/{pool}")).await;
    assert_eq!(refused.status, 409);
    remote.done("DELETE", &link, Value::Null).await;
    assert_eq!(remote.delete(&link).await.status, 404);
    remote
        .done("DELETE", &format!("/dpskServices/{pool}"), Value::Null)
        .await;
}

#[tokio::test]
async fn networks_check_their_fields_and_names() {
    let remote = Remote::quick().await;
    for (field, value) in [
        ("/name", json!("x")),
        ("/name", json!("x".repeat(33))),
        ("/name", json!(" blank")),
        ("/name", json!("tick`")),
        ("/type", json!("carrier-pigeon")),
        ("/wlan/ssid", json!("")),
        ("/wlan/vlanId", json!(4095)),
        ("/wlan/wlanSecurity", json!("WEP")),
        ("/wlan", Value::Null),
    ] {
        let mut body = network("Residents");
        *body.pointer_mut(field).unwrap() = value.clone();
        let answer = remote.post("/wifiNetworks", body).await;
        assert_eq!(answer.status, 422, "{field}: {value}");
        assert!(answer.body["errors"][0]["code"].is_string() && answer.body.get("downloadUrl").is_some());
    }
    created(&remote, "Residents").await;
    assert_eq!(remote.post("/wifiNetworks", network("Residents")).await.status, 422);
    assert_eq!(remote.counts()["refused_by"], json!({"network/existed": 1}));
    remote.sim.post("settings", &json!({"refuse_existing": "activity"}));
    let accepted = remote.post("/wifiNetworks", network("Residents")).await;
    assert_eq!(remote.finish(&accepted).await["status"], "FAIL");
    assert_eq!(remote.ledger()["totals"]["wifi_networks"], 1);
}

#[tokio::test]
async fn only_networks_made_for_it_take_a_dpsk_service() {
    let remote = Remote::quick().await;
    let (_, pool) = remote.pool(8).await;
    let mut body = network("Plain");
    body["useDpskService"] = false.into();
    let accepted = remote.post("/wifiNetworks", body.clone()).await;
    remote.finish(&accepted).await;
    let id = accepted.body["response"]["id"].as_str().unwrap();
    let link = format!("/wifiNetworks/{id}/dpskServices/{pool}");
    assert_eq!(remote.put(&link, Value::Null).await.status, 422);
    body["useDpskService"] = true.into();
    remote.done("PUT", &format!("/wifiNetworks/{id}"), body).await;
    remote.done("PUT", &link, Value::Null).await;
    let nobody = remote
        .put(&format!("/wifiNetworks/{id}/dpskServices/x"), Value::Null)
        .await;
    assert_eq!(nobody.status, 404);
    assert_eq!(
        remote
            .put(&format!("/wifiNetworks/x/dpskServices/{pool}"), Value::Null)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_link_made_again_is_counted_and_costs_a_push_in_every_venue() {
    let rules = json!([{"operation": "PUT /wifiNetworks/{wifiNetworkId}/dpskServices/{dpskServiceId}", "nth": [1], "kind": "cut_after_apply"}]);
    let remote = Remote::with_faults(rules).await;
    let (_, pool) = remote.pool(8).await;
    remote.sim.post(
        "seed",
        &json!({"tenant": TENANT, "venues": [{"id": "v2", "name": "Annex"}],
                "wifi_networks": [{"id": "n", "name": "Residents", "activations": [{"venue": "venue-sim-1"}, {"venue": "v2"}]}]}),
    );
    let link = format!("/wifiNetworks/n/dpskServices/{pool}");
    remote.send("PUT", &link, Value::Null, &[]).await.unwrap_err();
    remote
        .until("/wifiNetworks/n/dpskServices", |seen| seen.body["totalCount"] == 1)
        .await;
    remote.done("PUT", &link, Value::Null).await;
    let counts = remote.counts();
    assert_eq!(counts["relinks_by"], json!({"network_pool/after_cut": 1}));
    assert_eq!(counts["ap_pushes_by"], json!({"network_pool": 4}));
    assert_eq!(counts["duplicates"], 0);
    assert_eq!(remote.ledger()["activations"][0]["ap_pushes"], 2);
}

#[tokio::test]
async fn a_dpsk_service_serves_so_many_networks() {
    for form in ["http", "activity"] {
        let remote = Remote::start(Settings {
            ssids_per_pool: 2,
            ..Settings::quick()
        })
        .await;
        remote.sim.post("settings", &json!({"refuse_limit": form}));
        let networks = json!([{"id": "n1", "name": "N1", "pool": "P"}, {"id": "n2", "name": "N2", "pool": "P"}, {"id": "n3", "name": "N3"}]);
        remote.sim.post(
            "seed",
            &json!({"tenant": TENANT, "dpsk_pools": [{"id": "p", "name": "P"}], "wifi_networks": networks}),
        );
        remote.done("PUT", "/wifiNetworks/n2/dpskServices/p", Value::Null).await;
        let third = remote.put("/wifiNetworks/n3/dpskServices/p", Value::Null).await;
        match form {
            "http" => assert_eq!(third.status, 422),
            _ => assert_eq!(remote.finish(&third).await["status"], "FAIL"),
        }
        assert_eq!(remote.ledger()["totals"]["network_pools"], 2);
    }
}

#[tokio::test]
async fn queries_know_their_filters_and_answer_nothing_to_others() {
    let remote = Remote::quick().await;
    let networks = json!([{"id": "a", "name": "A", "ssid": "One", "activations": [{"venue": "venue-sim-1"}]}, {"id": "b", "name": "B", "ssid": "Two"}]);
    remote
        .sim
        .post("seed", &json!({"tenant": TENANT, "wifi_networks": networks}));
    let find = async |filters: Value| {
        let body =
            json!({"page": 1, "pageSize": 500, "fields": ["id", "name", "ssid", "venueApGroups"], "filters": filters});
        remote.post("/wifiNetworks/query", body).await
    };
    assert_eq!(names(&find(json!({})).await.body), ["A", "B"]);
    assert_eq!(names(&find(json!({"ssid": ["Two", "Three"]})).await.body), ["B"]);
    let here = find(json!({"venueApGroups.venueId": ["venue-sim-1"]})).await.body;
    assert_eq!(
        here["data"],
        json!([{"id": "a", "name": "A", "ssid": "One", "venueApGroups":
            [{"venueId": "venue-sim-1", "apGroupIds": ["venue-sim-1-default"], "isAllApGroups": true}]}])
    );
    assert_eq!(find(json!({"venueId": ["venue-sim-1"]})).await.status, 400);
    assert_eq!(find(json!({"venues": ["venue-sim-1"]})).await.body["totalCount"], 0);
    remote.sim.post("settings", &json!({"unknown_filters_ignored": true}));
    assert_eq!(find(json!({"venues": ["venue-sim-1"]})).await.body["totalCount"], 2);
}

#[tokio::test]
async fn ap_groups_belong_to_a_venue_that_always_has_one() {
    let remote = Remote::quick().await;
    let path = "/venues/venue-sim-1/apGroups";
    let accepted = remote
        .post(
            path,
            json!({"name": "Lobby", "apSerialNumbers": [{"serialNumber": "302002015732"}]}),
        )
        .await;
    assert_eq!(accepted.body.as_object().unwrap().len(), 1, "only a request id");
    remote.finish(&accepted).await;
    let v11 = [("accept", "application/vnd.ruckus.v1.1+json")];
    let roof = remote.send("POST", path, json!({"name": "Roof"}), &v11).await.unwrap();
    remote.finish(&roof).await;
    let roof = format!("{path}/{}", roof.body["response"]["id"].as_str().unwrap());
    assert_eq!(remote.post(path, json!({"name": "Lobby"})).await.status, 422);
    assert_eq!(remote.post(path, json!({"name": "x"})).await.status, 422);
    assert_eq!(
        remote
            .post("/venues/nowhere/apGroups", json!({"name": "Lobby"}))
            .await
            .status,
        404
    );
    let body = json!({"page": 1, "pageSize": 100, "filters": {"venueId": ["venue-sim-1"]}});
    let found = remote.post("/venues/apGroups/query", body).await.body;
    let rows = found["data"].as_array().unwrap();
    assert_eq!(
        (rows.len(), &rows[0]["isDefault"], rows[0].get("name")),
        (3, &json!(true), None)
    );
    assert_eq!(rows[1]["apSerialNumbers"], json!(["302002015732"]));
    assert_eq!(remote.get(path).await.body.as_array().unwrap().len(), 3);
    assert_eq!(remote.delete(&format!("{path}/venue-sim-1-default")).await.status, 422);
    remote.done("PUT", &roof, json!({"name": "Top"})).await;
    assert_eq!(remote.get(&roof).await.body["name"], "Top");
    remote.done("DELETE", &roof, Value::Null).await;
    assert_eq!(remote.get(&roof).await.status, 404);
}
