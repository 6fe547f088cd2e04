//! Networks in venues and on AP groups.
//!
//! A network is switched on in a venue first, on all its AP groups; `isAllApGroups: false` takes it off all of them, and then it is
//! put on single ones. Limit: 15 SSIDs an AP group.

use serde_json::{Value, json};

use super::{activation, change, network, radio_types, venue, vlan};
use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::view::compact;
use crate::sim::wifi::change::{VenueSettings, What};

fn settings(body: &Value) -> Result<VenueSettings, Fault> {
    let scheduler = match &body["scheduler"] {
        Value::Object(_) => body["scheduler"].clone(),
        _ => json!({"type": "ALWAYS_ON"}),
    };
    Ok(VenueSettings {
        is_all_ap_groups: body["isAllApGroups"] != Value::Bool(false),
        radio_types: radio_types(&body["allApGroupsRadioTypes"])?,
        vlan_id: vlan(&body["allApGroupsVlanId"], "allApGroupsVlanId")?,
        scheduler,
    })
}

/// `PUT /venues/{v}/wifiNetworks/{n}`: with an empty body it is switched on, but the queries do not show it, as seen live. Switched on
/// once more, it takes the new settings and costs a push.
pub fn put(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (venue_id, id) = (ctx.param(0), ctx.param(1));
    venue(ctx, &venue_id)?;
    network(ctx, &id)?;
    let shown = ctx.body.as_object().is_some_and(|fields| !fields.is_empty());
    let what = What::Activate {
        venue: venue_id.clone(),
        settings: settings(&ctx.body)?,
        shown,
    };
    let again = activation(ctx, &venue_id, &id).is_ok();
    let reply = change(ctx, "ActivateWifiNetworkOnVenue", &id, what)?;
    ctx.tenant.counts.empty_activations += u64::from(!shown);
    if again {
        ctx.count_relink("venue_network", &venue_id, &id);
    }
    ctx.remember_link("venue_network", &venue_id, &id);
    Ok(reply)
}

/// `DELETE /venues/{v}/wifiNetworks/{n}`.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (venue_id, id) = (ctx.param(0), ctx.param(1));
    activation(ctx, &venue_id, &id)?;
    change(
        ctx,
        "DeactivateWifiNetworkOnVenue",
        &id,
        What::Deactivate { venue: venue_id },
    )
}

/// `GET /venues/{v}/wifiNetworks/{n}/settings`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    Ok(Reply::ok(activation(ctx, &ctx.param(0), &ctx.param(1))?.view()))
}

/// `PUT /venues/{v}/wifiNetworks/{n}/settings`.
pub fn put_settings(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (venue_id, id) = (ctx.param(0), ctx.param(1));
    activation(ctx, &venue_id, &id)?;
    ctx.object()?;
    let what = What::Settings {
        settings: settings(&ctx.body)?,
        venue: venue_id,
    };
    change(ctx, "UpdateVenueWifiNetworkSettings", &id, what)
}

/// `PUT /venues/{v}/wifiNetworks/{n}/apGroups/{g}`.
pub fn put_group(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (venue_id, id, group) = (ctx.param(0), ctx.param(1), ctx.param(2));
    let again = activation(ctx, &venue_id, &id)?.ap_groups.contains_key(&group);
    let what = What::AddGroup {
        venue: venue_id,
        group: group.clone(),
    };
    let reply = change(ctx, "ActivateApGroupOnWifiNetwork", &id, what)?;
    if again {
        ctx.count_relink("ap_group_network", &group, &id);
    }
    ctx.remember_link("ap_group_network", &group, &id);
    Ok(reply)
}

/// `DELETE /venues/{v}/wifiNetworks/{n}/apGroups/{g}`.
pub fn delete_group(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (venue, id, group) = (ctx.param(0), ctx.param(1), ctx.param(2));
    change(
        ctx,
        "DeactivateApGroupOnWifiNetwork",
        &id,
        What::DropGroup { venue, group },
    )
}

/// `GET /venues/{v}/wifiNetworks/{n}/apGroups/{g}/settings`.
pub fn get_group(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let group = ctx.param(2);
    let found = activation(ctx, &ctx.param(0), &ctx.param(1))?.ap_groups.get(&group);
    let row = found.ok_or_else(|| Fault::not_found("AP group on the Wi-Fi network", &group))?;
    Ok(Reply::ok(compact(
        json!({"radioTypes": row.radio_types, "vlanId": row.vlan_id}),
    )))
}

/// `PUT /venues/{v}/wifiNetworks/{n}/apGroups/{g}/settings`.
pub fn put_group_settings(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (venue, id, group) = (ctx.param(0), ctx.param(1), ctx.param(2));
    ctx.object()?;
    let what = What::GroupSettings {
        venue,
        group,
        radio_types: radio_types(&ctx.body["radioTypes"])?,
        vlan_id: vlan(&ctx.body["vlanId"], "vlanId")?,
    };
    change(ctx, "UpdateVenueWifiNetworkApGroupSettings", &id, what)
}
