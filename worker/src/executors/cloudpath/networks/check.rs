//! What `parse_validate` finds out about networks before anything is made: those named exist and fit, and what would be on the air
//! keeps within the limits.

use std::collections::BTreeMap;

use shared::cloudpath::limits::MAX_SSIDS_PER_POOL;
use shared::cloudpath::{ImportPlan, NameConflict, NetworkSpec, OnAir};
use shared::job::outcome::TaskError;

use super::there::There;
use crate::executors::Context;
use crate::r1::network::WifiNetwork;
use crate::r1::{R1, asked};
use crate::remote::CallError;

/// Everything that stands in the way, in one error: the plan's networks can't all be activated. Reads only, and nothing at all without
/// networks.
pub async fn refusal(
    r1: &R1,
    cx: &Context,
    plan: &ImportPlan,
    policy: NameConflict,
) -> Result<Option<TaskError>, CallError> {
    if plan.networks.is_empty() {
        return Ok(None);
    }
    let there = There::look(r1, cx, &plan.networks).await?;
    let (mut wanted, mut errors) = (Vec::new(), Vec::new());
    for spec in &plan.networks {
        match there.resolve(spec) {
            Ok(found) => wanted.push((spec, found)),
            Err(error) => errors.push(error),
        }
    }
    let on_air = on_air(r1, cx, plan, &there, &wanted).await?;
    let venue = &cx.spec.venue_id;
    // One that is on some AP groups stays there, unless it is to be changed.
    let stays = |found: &WifiNetwork| policy != NameConflict::Update && found.at(venue).is_some();
    let joining = wanted.iter().filter(|(_, found)| !found.is_some_and(stays));
    let joining: Vec<_> = joining
        .map(|(spec, found)| (spec.ssid.as_str(), found.map(|network| network.id.as_str())))
        .collect();
    let clashes = on_air.clashes(&joining);
    errors.extend(clashes.into_iter().map(|text| TaskError::new("ACTIVATION_CLASH", text)));
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    let message = messages.join("; ");
    Ok(errors.first().map(|first| TaskError::new(&first.code, message)))
}

async fn on_air(
    r1: &R1,
    cx: &Context,
    plan: &ImportPlan,
    there: &There,
    wanted: &[(&NetworkSpec, Option<&WifiNetwork>)],
) -> Result<OnAir, CallError> {
    let (gate, venue) = (cx.gate.as_ref(), &cx.spec.venue_id);
    let mut on_air = OnAir::default();
    for network in there.all().iter().filter(|network| network.at(venue).is_some()) {
        if let Some(ssid) = &network.ssid {
            let bearers = on_air.ssids.entry(ssid.clone()).or_default();
            bearers.insert(network.id.clone());
        }
    }
    for group in r1.ap_groups(gate, venue).await? {
        let name = match (group.name, group.is_default) {
            (Some(name), _) if !name.is_empty() => name,
            (_, Some(true)) => "default".to_owned(),
            _ => group.id,
        };
        let networks = group.wifi_network_ids.into_iter().flatten();
        on_air.ap_groups.push((name, networks.collect()));
    }
    let mut links: BTreeMap<u16, u32> = BTreeMap::new();
    for (spec, _) in wanted {
        *links.entry(spec.pool).or_default() += 1;
    }
    let named = |index: &u16| {
        plan.pools
            .get(usize::from(*index))
            .map(|pool| (pool.name.clone(), *index))
    };
    let of_name: BTreeMap<String, u16> = links.keys().filter_map(named).collect();
    let mut pools = Vec::new();
    let mut sweep = r1.list_pools(None);
    sweep
        .visit(gate, |pool| {
            pools.extend(Some(pool).filter(|pool| of_name.contains_key(&pool.body.name)))
        })
        .await?;
    for pool in pools {
        let (index, count) = (of_name[&pool.body.name], pool.network_count.unwrap_or_default());
        let mut new = links[&index];
        // perhaps some of those it serves are the wanted ones
        if count.saturating_add(new) > MAX_SSIDS_PER_POOL {
            new -= linked_already(r1, cx, &pool.id, index, wanted).await?;
        }
        on_air.pools.push((pool.body.name, count, new));
    }
    Ok(on_air)
}

/// How many of the networks for a pool are linked to it.
async fn linked_already(
    r1: &R1,
    cx: &Context,
    pool: &str,
    index: u16,
    wanted: &[(&NetworkSpec, Option<&WifiNetwork>)],
) -> Result<u32, CallError> {
    let mut linked = 0;
    let of_pool = wanted.iter().filter(|(spec, _)| spec.pool == index);
    for network in of_pool.filter_map(|(_, found)| *found) {
        let ask = |permit| r1.pools_of_network(permit, &network.id);
        let pools = asked(cx.gate.as_ref(), ask).await?;
        linked += u32::from(pools.iter().any(|p| p.id == pool));
    }
    Ok(linked)
}
