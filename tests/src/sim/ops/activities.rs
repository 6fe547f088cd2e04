//! Reading activities, one or in pages.

use serde_json::Value;

use super::strings;
use crate::sim::activity::Activity;
use crate::sim::call::{Ctx, Reply};
use crate::sim::clock::{Millis, parse_iso};
use crate::sim::errors::Fault;

/// `GET /activities/{requestId}`: 404 for an activity not created yet.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = ctx.param(0);
    let found = ctx
        .tenant
        .activities
        .get(&id)
        .filter(|activity| activity.visible_at <= ctx.now);
    let activity = found.ok_or_else(|| Fault::not_found("Activity", &id))?;
    Ok(Reply::ok(activity.view(&ctx.tenant.id, ctx.now)))
}

/// `POST /activities/query`: pages from 1; filters `id` `fromTime` `toTime` `status` `useCase` `product`, lists of values.
/// An object such as `{"in": […]}` as `id` is a 500, as seen live; unknown filters are ignored.
pub fn query(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    for field in ["page", "pageSize"] {
        if ctx.body[field].as_i64().is_some_and(|number| number < 1) {
            return Err(Fault::invalid(field, "must be greater than or equal to 1"));
        }
    }
    let page = ctx.body_page(1, 25);
    let filters = &ctx.body["filters"];
    if filters["id"].is_object() {
        return Err(Fault::new(500, "GENERAL-500", "bad SQL grammar"));
    }
    let now = ctx.now;
    let (statuses, cases, products) = (
        strings(&filters["status"]),
        strings(&filters["useCase"]),
        strings(&filters["product"]),
    );
    let chosen = |activity: &&Activity| {
        activity.visible_at <= now
            && (statuses.is_empty() || statuses.iter().any(|status| status == activity.status(now)))
            && (cases.is_empty() || cases.iter().any(|case| case == activity.use_case))
            && (products.is_empty() || products.iter().any(|product| product == "WIFI"))
    };
    let activities = &ctx.tenant.activities;
    let ids = strings(&filters["id"]);
    let (from, to) = (
        bound(&filters["fromTime"])?.unwrap_or(0),
        bound(&filters["toTime"])?.unwrap_or(Millis::MAX),
    );
    let rows: Vec<&Activity> = if filters["id"].is_null() {
        // all are in order of their start: the window is cut out by bisection
        let first = activities.all.partition_point(|activity| activity.started < from);
        let end = activities.all.partition_point(|activity| activity.started <= to);
        activities.all[first.min(end)..end].iter().filter(chosen).collect()
    } else {
        let mut rows: Vec<_> = ids.iter().filter_map(|id| activities.get(id)).filter(chosen).collect();
        rows.retain(|activity| (from..=to).contains(&activity.started));
        rows.sort_by_key(|activity| activity.started);
        rows.dedup_by(|one, other| one.request_id == other.request_id);
        rows
    };
    let mut page = page;
    // creation order is the order of starts; newest first unless asked otherwise
    if page.sort.as_deref().is_none_or(|field| field == "startDatetime") {
        page.descending = page.descending || (page.sort.is_none() && ctx.body["sortOrder"].is_null());
        page.sort = None;
    }
    let (total, rows) = page.cut(rows, |activity, field| match field {
        "endDatetime" => format!("{:020}", activity.due),
        "status" => activity.status(now).to_owned(),
        "useCase" => activity.use_case.to_owned(),
        _ => activity.request_id.clone(),
    });
    let rows = rows
        .into_iter()
        .map(|activity| activity.view(&ctx.tenant.id, now))
        .collect();
    Ok(Reply::ok(page.body_answer(total, rows)))
}

/// A time bound, compared to the millisecond as it stands.
fn bound(value: &Value) -> Result<Option<Millis>, Fault> {
    match value.as_str() {
        None => Ok(None),
        Some(text) => parse_iso(text)
            .map(Some)
            .ok_or_else(|| Fault::invalid("filters", "fromTime and toTime are date-times")),
    }
}
