//! Reading identities: Spring paging everywhere.

use serde_json::Value;

use super::strings;
use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::model::Identity;
use crate::sim::paging::Page;
use crate::sim::tenant::Tenant;

/// `GET /identityGroups/{g}/identities/{id}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (group, id) = (ctx.param(0), ctx.param(1));
    let found = ctx.tenant.identity(&id).filter(|identity| identity.group_id == group);
    found
        .map(|identity| Reply::ok(ctx.tenant.view_identity(identity)))
        .ok_or_else(|| Fault::not_found("Identity", &id))
}

/// `GET /identityGroups/{g}/identities`: a page object live, a bare array in the documents (a setting).
pub fn list_of_group(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let group = ctx.param(0);
    ctx.tenant
        .group(&group)
        .ok_or_else(|| Fault::not_found("Identity group", &group))?;
    let page = ctx.spring_page();
    let (total, content) = pick(ctx.tenant, &page, Some(&group), |_| true);
    Ok(Reply::ok(if ctx.settings.identities_bare_array {
        content.into()
    } else {
        page.spring_answer(total, content)
    }))
}

/// `GET /identities` and `POST /identities/query` with `groupId`, `dpskPoolId`, `keyword`, `ids`; other keys are ignored.
pub fn query(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let page = ctx.spring_page();
    let keyword = ctx.body["keyword"].as_str().unwrap_or_default().to_lowercase();
    let ids = strings(&ctx.body["ids"]);
    let group = match ctx.body["dpskPoolId"].as_str() {
        // a pool that is gone or has no group has no identities either
        Some(pool) => Some(
            ctx.tenant
                .pool(pool)
                .and_then(|pool| pool.group_id.clone())
                .unwrap_or_default(),
        ),
        None => ctx.body["groupId"].as_str().map(str::to_owned),
    };
    let chosen = |identity: &Identity| {
        (ids.is_empty() || ids.contains(&identity.id))
            && (keyword.is_empty() || identity.name.to_lowercase().contains(&keyword))
    };
    let (total, content) = pick(ctx.tenant, &page, group.as_deref(), chosen);
    Ok(Reply::ok(page.spring_answer(total, content)))
}

fn pick(tenant: &Tenant, page: &Page, group: Option<&str>, chosen: impl Fn(&Identity) -> bool) -> (usize, Vec<Value>) {
    let ids = match group {
        None => Some(&tenant.live_identities),
        Some(group) => tenant.people.get(group).map(|people| &people.live),
    };
    let rows = ids.into_iter().flat_map(|ids| ids.values());
    let rows = rows
        .filter_map(|id| tenant.identities.get(id))
        .filter(|identity| chosen(identity))
        .collect();
    let (total, rows) = page.cut(rows, |identity, field| match field {
        "name" => identity.name.clone(),
        _ => format!("{:020}", identity.origin.seq),
    });
    (
        total,
        rows.into_iter()
            .map(|identity| tenant.view_identity(identity))
            .collect(),
    )
}
