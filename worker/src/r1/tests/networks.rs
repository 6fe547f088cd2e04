//! Wi-Fi networks, their pools, and where they are on the air.

use serde_json::{Value, json};

use super::*;
use crate::r1::Written;
use crate::r1::activation::{ApGroupSettings, Radio};
use crate::r1::network::{NewDpskNetwork, Security};
use crate::remote::CallError;

fn page(rows: Value) -> Act {
    let total = rows.as_array().unwrap().len();
    Act::json(200, &json!({"totalCount": total, "page": 1, "data": rows}).to_string())
}

#[tokio::test]
async fn networks_are_asked_for_by_the_one_filter_that_works() {
    let server = serve(|seen| {
        page(match seen.json().get("filters") {
            None => json!([{"id": "n", "name": "Lobby", "ssid": "Lobby", "nwSubType": "dpsk", "vlan": 1, "venueApGroups": []},
                           {"id": "m", "name": "Open", "nwSubType": "open", "venueApGroups": null}]),
            Some(_) => json!([{"id": "n", "name": "Lobby", "ssid": "Lobby", "nwSubType": "dpsk",
                "venueApGroups": [{"venueId": "w", "apGroupIds": ["g"]},
                                  {"venueId": "v", "apGroupIds": ["a", "b"], "isAllApGroups": false}]}]),
        })
    })
    .await;
    let (r1, gate) = (client(&server), Recorder::default());
    let all = r1.wifi_networks().collect(&gate).await.unwrap();
    assert!(all[0].is_dpsk() && !all[1].is_dpsk() && all[0].at("v").is_none() && all[1].at("v").is_none());
    let of_venue = r1.wifi_networks_of_venue("v").collect(&gate).await.unwrap();
    let there = of_venue[0].at("v").unwrap();
    assert_eq!(
        (there.is_all_ap_groups, there.ap_group_ids.as_ref().unwrap().len()),
        (Some(false), 2)
    );
    let calls = server.calls();
    assert_eq!(calls[0].target, "/wifiNetworks/query");
    let fields = json!([
        "id",
        "name",
        "ssid",
        "nwSubType",
        "vlan",
        "securityProtocol",
        "venueApGroups"
    ]);
    assert_eq!(
        calls.iter().map(Seen::json).collect::<Vec<_>>(),
        [
            json!({"fields": fields, "page": 0, "pageSize": 500}),
            json!({"fields": fields, "filters": {"venueApGroups.venueId": ["v"]}, "page": 0, "pageSize": 500}),
        ]
    );
}

#[tokio::test]
async fn linked_pools_come_in_every_form_a_list_has() {
    for body in [
        r#"{"totalCount":1,"data":[{"id":"p","name":"Lobby-DPSK"}]}"#,
        r#"{"content":[{"id":"p"}]}"#,
        r#"[{"id":"p","name":"Lobby-DPSK","passphraseLength":8}]"#,
    ] {
        let server = serve(move |_| Act::json(200, body)).await;
        let pools = client(&server)
            .pools_of_network(Permit::unlimited(), "n")
            .await
            .unwrap();
        assert_eq!(pools.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["p"], "{body}");
        assert_eq!(server.calls()[0].target, "/wifiNetworks/n/dpskServices");
    }
    for (body, pools) in [("", Some(0)), (r#"{"data":[]}"#, Some(0)), (r#"{"error":1}"#, None)] {
        let server = serve(move |_| Act::json(200, body)).await;
        let found = client(&server).pools_of_network(Permit::unlimited(), "n").await;
        assert_eq!(
            found.ok().map(|p| p.len()),
            pools,
            "nothing said is not nothing linked: {body}"
        );
    }
}

#[tokio::test]
async fn networks_are_made_linked_and_put_on_the_air() {
    let server = serve(|_| Act::json(202, r#"{"requestId":"r","response":{"id":"n-1"}}"#)).await;
    let (r1, permit) = (client(&server), Permit::unlimited);
    let network = NewDpskNetwork {
        name: "Lobby".into(),
        ssid: "Lobby Wi-Fi".into(),
        vlan: 1,
        security: Security::Wpa2Personal,
    };
    let made = Written::Accepted {
        request_id: "r".into(),
        resource_id: Some("n-1".into()),
    };
    assert_eq!(r1.create_dpsk_network(permit(), &network).await.unwrap(), made);
    r1.link_pool(permit(), "n", "p").await.unwrap();
    r1.activate_network(permit(), "v", "n").await.unwrap();
    r1.activate_on_ap_group(permit(), "v", "n", "g").await.unwrap();
    let settings = ApGroupSettings {
        radio_types: Some(vec![Radio::Ghz5, Radio::Ghz6]),
        vlan_id: Some(7),
        rest: Default::default(),
    };
    r1.update_ap_group_settings(permit(), "v", "n", "g", &settings)
        .await
        .unwrap();
    r1.deactivate_on_ap_group(permit(), "v", "n", "g").await.unwrap();
    r1.deactivate_network(permit(), "v", "n").await.unwrap();
    r1.unlink_pool(permit(), "n", "p").await.unwrap();
    r1.delete_wifi_network(permit(), "n").await.unwrap();
    let seen: Vec<_> = server
        .calls()
        .iter()
        .map(|s| {
            let body = if s.body.is_empty() { Value::Null } else { s.json() };
            (format!("{} {}", s.method, s.target), body)
        })
        .collect();
    let expected = [
        (
            "POST /wifiNetworks",
            json!({"type": "dpsk", "name": "Lobby", "useDpskService": true, "wlan": {"ssid": "Lobby Wi-Fi", "vlanId": 1,
                "enabled": true, "wlanSecurity": "WPA2Personal", "advancedCustomization": {}}}),
        ),
        ("PUT /wifiNetworks/n/dpskServices/p", Value::Null),
        (
            "PUT /venues/v/wifiNetworks/n",
            json!({"venueId": "v", "networkId": "n", "apGroups": [], "scheduler": {"type": "ALWAYS_ON"}, "isAllApGroups": true,
                "allApGroupsRadio": "Both", "allApGroupsRadioTypes": ["2.4-GHz", "5-GHz"]}),
        ),
        ("PUT /venues/v/wifiNetworks/n/apGroups/g", Value::Null),
        (
            "PUT /venues/v/wifiNetworks/n/apGroups/g/settings",
            json!({"radioTypes": ["5-GHz", "6-GHz"], "vlanId": 7}),
        ),
        ("DELETE /venues/v/wifiNetworks/n/apGroups/g", Value::Null),
        ("DELETE /venues/v/wifiNetworks/n", Value::Null),
        ("DELETE /wifiNetworks/n/dpskServices/p", Value::Null),
        ("DELETE /wifiNetworks/n", Value::Null),
    ];
    assert_eq!(seen, expected.map(|(call, body)| (call.to_owned(), body)));
}

#[tokio::test]
async fn settings_are_written_back_with_what_we_do_not_know() {
    let venue = json!({"isAllApGroups": false, "allApGroupsRadioTypes": ["2.4-GHz", "7-GHz"], "scheduler": {"type": "CUSTOM", "mon": "01"},
        "somethingNew": [1]});
    let group = json!({"radioTypes": ["6-GHz"], "vlanId": 44, "somethingNew": true});
    let (venue_text, group_text) = (venue.to_string(), group.to_string());
    let server = serve(
        move |seen| match (seen.method.as_str(), seen.target.contains("apGroups")) {
            ("GET", _) if seen.target.contains("/gone/") => Act::json(404, r#"{"message":"not active"}"#),
            ("GET", true) => Act::json(200, &group_text),
            ("GET", false) => Act::json(200, &venue_text),
            _ => Act::json(202, r#"{"requestId":"r"}"#),
        },
    )
    .await;
    let (r1, permit) = (client(&server), Permit::unlimited);
    let mut settings = r1.venue_settings(permit(), "v", "n").await.unwrap();
    settings.is_all_ap_groups = Some(true);
    r1.update_venue_settings(permit(), "v", "n", &settings).await.unwrap();
    let unchanged = r1.ap_group_settings(permit(), "v", "n", "g").await.unwrap();
    r1.update_ap_group_settings(permit(), "v", "n", "g", &unchanged)
        .await
        .unwrap();
    assert!(matches!(
        r1.venue_settings(permit(), "v", "gone").await,
        Err(CallError::NotFound { .. })
    ));
    let mut whole = venue;
    whole["isAllApGroups"] = true.into();
    let calls = server.calls();
    assert_eq!((calls[1].json(), calls[3].json()), (whole, group));
    assert_eq!(
        (calls[1].target.as_str(), calls[3].target.as_str()),
        (
            "/venues/v/wifiNetworks/n/settings",
            "/venues/v/wifiNetworks/n/apGroups/g/settings"
        )
    );
}

#[tokio::test]
async fn ap_groups_are_those_of_the_venue_whatever_becomes_of_the_filter() {
    for (name, on_filter, on_all, calls) in [
        ("understood", vec!["v", "v"], vec!["v", "v", "w"], 1),
        ("ignored", vec!["v", "w", "v"], vec![], 1),
        ("taken for nothing", vec![], vec!["w", "v", "v"], 2),
    ] {
        let server = serve(move |seen| {
            let venues = if seen.json().get("filters").is_some() {
                &on_filter
            } else {
                &on_all
            };
            let rows = venues.iter().enumerate().map(|(i, venue)| {
                json!({"id": format!("{venue}{i}"), "isDefault": i == 0, "venueId": venue, "wifiNetworkIds": ["a", "b"]})
            });
            page(rows.collect())
        })
        .await;
        let groups = client(&server).ap_groups(&Recorder::default(), "v").await.unwrap();
        assert_eq!((groups.len(), server.calls().len()), (2, calls), "{name}");
        assert_eq!(groups[0].wifi_network_ids.as_ref().unwrap().len(), 2);
        let first = &server.calls()[0];
        assert_eq!(
            (first.target.as_str(), &first.json()["filters"]),
            ("/venues/apGroups/query", &json!({"venueId": ["v"]}))
        );
    }
}
