//! Venues: they exist, nothing here makes them.

use serde_json::{Value, json};

use super::strings;
use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::model::Venue;

fn full(venue: &Venue) -> Value {
    let address = json!({"country": "United States", "city": "Sunnyvale", "addressLine": "350 W Java Dr", "timezone": "America/Los_Angeles"});
    json!({"id": venue.id, "name": venue.name, "address": address})
}

/// `GET /venues`: used live, not in the documents at hand.
pub fn list(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    Ok(Reply::ok(ctx.tenant.venues.iter().map(full).collect()))
}

/// `GET /venues/{id}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = ctx.param(0);
    let found = ctx.tenant.venues.iter().find(|venue| venue.id == id);
    found
        .map(|venue| Reply::ok(full(venue)))
        .ok_or_else(|| Fault::not_found("Venue", &id))
}

/// `POST /venues/query`: body paging from 1, filters `id` and `name`, search in the name.
pub fn query(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let page = ctx.body_page(1, 10);
    let (ids, names) = (
        strings(&ctx.body["filters"]["id"]),
        strings(&ctx.body["filters"]["name"]),
    );
    let search = ctx.body["searchString"].as_str().unwrap_or_default().to_lowercase();
    let chosen = |venue: &&Venue| {
        (ids.is_empty() || ids.contains(&venue.id))
            && (names.is_empty() || names.contains(&venue.name))
            && venue.name.to_lowercase().contains(&search)
    };
    let (total, rows) = page.cut(ctx.tenant.venues.iter().filter(chosen).collect(), |venue, _| {
        venue.name.clone()
    });
    let tenant = ctx.tenant.id.clone();
    let row = |venue: &Venue| json!({"id": venue.id, "name": venue.name, "city": "Sunnyvale", "country": "United States", "tenantId": tenant});
    Ok(Reply::ok(page.body_answer(total, rows.into_iter().map(row).collect())))
}
