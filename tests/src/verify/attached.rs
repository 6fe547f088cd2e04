//! Policies, sets, networks and what ties them together, against what they should be: each there, as wanted, and once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::expect::Expected;
use super::{Verdict, differs, index, rows, text};

/// Template of DPSK policies, and its attribute that is the user name.
const TEMPLATE: i64 = 100;
const USERNAME: i64 = 1012;

/// Rows of a part of the ledger by name; twins are noted.
fn by_name<'l>(ledger: &'l Value, part: &str, what: &str, verdict: &mut Verdict) -> BTreeMap<String, &'l Value> {
    let named = rows(ledger, part).iter().map(|row| (text(row, "name").to_owned(), row));
    index(named, |name| format!("{what} {name:?}"), verdict)
}

/// Made by a call, not there from the start.
fn is_made(row: &Value) -> bool {
    !row["created_by_request"].is_null()
}

fn id_of(ledger: &Value, part: &str, name: &str) -> Value {
    let mut found = rows(ledger, part).iter().filter(|row| row["name"] == name);
    found.next().map_or(Value::Null, |row| row["id"].clone())
}

fn extra(found: &BTreeMap<String, &Value>, what: &str, is_wanted: impl Fn(&str) -> bool, verdict: &mut Verdict) {
    let others = found.iter().filter(|(name, row)| is_made(row) && !is_wanted(name));
    verdict.extra.extend(others.map(|(name, _)| format!("{what} {name:?}")));
}

pub fn policies(expected: &Expected, ledger: &Value, verdict: &mut Verdict) {
    let policies = by_name(ledger, "policies", "policy", verdict);
    for policy in &expected.policies {
        let what = format!("policy {:?}", policy.name);
        let Some(row) = policies.get(&policy.name) else {
            verdict.missing.push(what);
            continue;
        };
        differs(&what, "template", &row["template_id"], &TEMPLATE.into(), verdict);
        differs(&what, "type", &row["policy_type"], &"DPSK".into(), verdict);
        let answer = &row["radius_group_name"];
        differs(
            &what,
            "RADIUS attribute group",
            answer,
            &policy.suffix.clone().into(),
            verdict,
        );
        let conditions = rows(row, "conditions");
        let shown: Value = conditions
            .iter()
            .map(|one| json!([one["attribute_id"], one["pattern"]]))
            .collect();
        differs(
            &what,
            "conditions",
            &shown,
            &json!([[USERNAME, policy.pattern]]),
            verdict,
        );
    }
    let is_wanted = |name: &str| expected.policies.iter().any(|policy| policy.name == name);
    extra(&policies, "policy", is_wanted, verdict);

    let sets = by_name(ledger, "policy_sets", "policy set", verdict);
    for set in &expected.sets {
        let what = format!("policy set {:?}", set.name);
        let Some(row) = sets.get(&set.name) else {
            verdict.missing.push(what);
            continue;
        };
        differs(
            &what,
            "description",
            &row["description"],
            &set.description.clone().into(),
            verdict,
        );
        let mut places: Vec<&str> = rows(row, "policies").iter().map(|p| text(p, "policy_name")).collect();
        let mut wanted: Vec<&str> = set.policies.iter().map(|at| &*expected.policies[*at].name).collect();
        places.sort_unstable();
        wanted.sort_unstable();
        differs(&what, "policies", &json!(places), &json!(wanted), verdict);
        let pool = id_of(ledger, "dpsk_pools", &expected.pools[set.pool].name);
        let assigned: Value = rows(row, "assignments").iter().map(|a| a["id"].clone()).collect();
        differs(&what, "assignments", &assigned, &json!([pool]), verdict);
    }
    extra(
        &sets,
        "policy set",
        |name| expected.sets.iter().any(|set| set.name == name),
        verdict,
    );
}

pub fn networks(expected: &Expected, ledger: &Value, verdict: &mut Verdict) {
    let networks = by_name(ledger, "wifi_networks", "network", verdict);
    let (links, activations) = (rows(ledger, "network_pools"), rows(ledger, "activations"));
    let (mut linked, mut on_air) = (0, 0);
    for network in &expected.networks {
        let what = format!("network of SSID {:?}", network.ssid);
        let row = match &network.id {
            Some(id) => networks.values().find(|row| text(row, "id") == id),
            None => networks.get(&network.ssid),
        };
        let Some(row) = row else {
            verdict.missing.push(what);
            continue;
        };
        let mut wanted = vec![
            ("ssid", json!(network.ssid)),
            ("type", "dpsk".into()),
            ("use_dpsk_service", true.into()),
        ];
        if network.id.is_none() {
            wanted.extend([("vlan_id", 1.into()), ("security", "WPA2Personal".into())]);
        }
        for (field, wanted) in wanted {
            differs(&what, field, &row[field], &wanted, verdict);
        }
        let pools: Value = of(links, &row["id"]).map(|link| link["pool_id"].clone()).collect();
        let pool = id_of(ledger, "dpsk_pools", &expected.pools[network.pool].name);
        differs(&what, "DPSK pools", &pools, &json!([pool]), verdict);
        linked += of(links, &row["id"]).filter(|link| is_made(link)).count();
        let on: Vec<&Value> = of(activations, &row["id"]).collect();
        match on[..] {
            [] => verdict.missing.push(format!("activation of SSID {:?}", network.ssid)),
            [on] => {
                differs(
                    &what,
                    "on all AP groups",
                    &on["is_all_ap_groups"],
                    &true.into(),
                    verdict,
                );
                differs(&what, "shown on the air", &on["shown"], &true.into(), verdict);
                if is_made(on) {
                    on_air += 1;
                    differs(
                        &what,
                        "configurations sent to APs",
                        &on["ap_pushes"],
                        &1.into(),
                        verdict,
                    );
                }
            }
            _ => verdict
                .duplicates
                .push(format!("activation of SSID {:?} exists twice", network.ssid)),
        }
    }
    let is_wanted = |name: &str| {
        expected
            .networks
            .iter()
            .any(|network| network.id.is_none() && network.ssid == name)
    };
    extra(&networks, "network", is_wanted, verdict);
    for (what, rows, wanted) in [("links", links, linked), ("activations", activations, on_air)] {
        let made = rows.iter().filter(|row| is_made(row)).count();
        if made > wanted {
            verdict
                .extra
                .push(format!("{} {what} of other networks", made - wanted));
        }
    }
}

fn of<'l>(rows: &'l [Value], network: &'l Value) -> impl Iterator<Item = &'l Value> {
    rows.iter().filter(move |row| row["network_id"] == *network)
}
