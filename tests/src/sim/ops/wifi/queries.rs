//! Queries of networks and AP groups: body paging from 1.
//!
//! A filter they do not know is answered 200 with nothing (or ignored, a setting); `venueId` alone is a 400 for networks.

use serde_json::Value;

use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;

/// Rows a page when the body names no `pageSize`.
const PAGE_DEFAULT: usize = 10;

/// Whether a row passes the filters: each a list of texts, one of which the row has to have in that field.
fn passes(filters: &Value, has: impl Fn(&str, &str) -> Option<bool>, ignore_unknown: bool) -> bool {
    let filters = filters.as_object().into_iter().flatten();
    filters
        .filter(|(_, wanted)| wanted.as_array().is_some_and(|wanted| !wanted.is_empty()))
        .all(|(field, wanted)| {
            let wanted = wanted.as_array().into_iter().flatten().filter_map(Value::as_str);
            let mut found = wanted.map(|wanted| has(field, wanted));
            found.any(|found| found.unwrap_or(ignore_unknown))
        })
}

/// `POST /wifiNetworks/query`: filters `id` `name` `ssid` `nwSubType` `venueApGroups.venueId` `venueApGroups.apGroupIds`.
pub fn networks(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (page, filters) = (ctx.body_page(1, PAGE_DEFAULT), &ctx.body["filters"]);
    if filters.get("venueId").is_some() {
        return Err(Fault::new(400, "GENERAL-400", "filters.venueId: no such field"));
    }
    let search = ctx.body["searchString"].as_str().unwrap_or_default().to_lowercase();
    let (tenant, now, stale_ms) = (&*ctx.tenant, ctx.now, ctx.stale_ms());
    let ignore = ctx.settings.unknown_filters_ignored;
    let rows = tenant.wifi.networks.live().filter(|network| {
        let places = || tenant.wifi.places_seen(network, stale_ms, now);
        let has = |field: &str, wanted: &str| {
            Some(match field {
                "id" => network.id == wanted,
                "name" => network.name == wanted,
                "ssid" => network.ssid == wanted,
                "nwSubType" => network.kind == wanted,
                "venueApGroups.venueId" => places().iter().any(|place| place.venue_id == wanted),
                "venueApGroups.apGroupIds" => places().iter().any(|p| p.ap_group_ids.iter().any(|id| id == wanted)),
                _ => return None,
            })
        };
        let text = format!("{}\n{}", network.name, network.ssid).to_lowercase();
        text.contains(&search) && passes(filters, has, ignore)
    });
    let (total, rows) = page.cut(rows.collect(), |network, field| match field {
        "name" => network.name.clone(),
        "ssid" => network.ssid.clone(),
        _ => format!("{:020}", network.origin.seq),
    });
    let rows = rows
        .into_iter()
        .map(|network| tenant.network_row(network, stale_ms, now))
        .collect();
    Ok(Reply::ok(page.body_answer(total, rows)))
}

/// `POST /venues/apGroups/query`: filters `id` `name` `venueId` `isDefault`.
pub fn ap_groups(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (page, filters) = (ctx.body_page(1, PAGE_DEFAULT), &ctx.body["filters"]);
    let search = ctx.body["searchString"].as_str().unwrap_or_default().to_lowercase();
    let (tenant, now, stale_ms) = (&*ctx.tenant, ctx.now, ctx.stale_ms());
    let ignore = ctx.settings.unknown_filters_ignored;
    let rows = tenant.wifi.ap_groups.live().filter(|group| {
        let has = |field: &str, wanted: &str| {
            Some(match field {
                "id" => group.id == wanted,
                "name" => group.name == wanted,
                "venueId" => group.venue_id == wanted,
                "isDefault" => group.is_default.to_string() == wanted,
                _ => return None,
            })
        };
        group.name.to_lowercase().contains(&search) && passes(filters, has, ignore)
    });
    let (total, rows) = page.cut(rows.collect(), |group, field| match field {
        "name" => group.name.clone(),
        _ => format!("{:020}", group.origin.seq),
    });
    let on = tenant.networks_by_group(stale_ms, now);
    let here = |id: &str| on.get(id).map_or(&[][..], Vec::as_slice);
    let rows = rows.into_iter().map(|group| group.row(here(&group.id))).collect();
    Ok(Reply::ok(page.body_answer(total, rows)))
}
