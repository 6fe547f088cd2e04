//! Identity groups.

use serde_json::json;

use super::{strings, text};
use crate::sim::call::{Ctx, Reply};
use crate::sim::effect::{Effect, group_exists};
use crate::sim::errors::Fault;
use crate::sim::model::{Group, Kind, Ref};
use crate::sim::settings::Refusal;

/// `POST /identityGroups`: 202, or 201 with the object for the v1 media type.
pub fn create(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let fields = ctx.object()?;
    let name = text(&fields, "name")?.ok_or_else(|| Fault::invalid("name", "must not be empty"))?;
    if name.chars().count() > 255 {
        return Err(Fault::invalid("name", "at most 255 characters"));
    }
    if let Some(owner) = ctx.tenant.group_names.get(&name) {
        let live = ctx.tenant.group(owner).is_some();
        ctx.count_refused(Kind::Group, "", &name, live);
        return ctx.refuse(ctx.form_for(live), "CREATE_IDENTITY_GROUP", group_exists());
    }
    let description = text(&fields, "description")?;
    if description.as_ref().is_some_and(|text| text.chars().count() > 255) {
        return Err(Fault::invalid("description", "at most 255 characters"));
    }
    let policy_set_id = text(&fields, "policySetId")?;
    if let Some(set) = &policy_set_id
        && ctx.tenant.policy.sets.get(set).is_none()
    {
        return Err(Fault::not_found("Policy set", set));
    }
    let id = ctx.fresh_id();
    let origin = ctx.tenant.origin(Some(&ctx.request_id), ctx.now);
    ctx.tenant.insert_group(Group {
        id: id.clone(),
        name: name.clone(),
        description,
        pool_id: None,
        policy_set_id,
        mac_registration_pool_id: text(&fields, "macRegistrationPoolId")?,
        auto_cleanup: fields
            .get("autoCleanupEnabled")
            .and_then(|v| v.as_bool())
            .unwrap_or(false),
        origin,
    });
    ctx.remember_cut(Kind::Group, "", &name);
    let appear = Effect::Appear(vec![Ref::new(Kind::Group, &id)]);
    if ctx.is_sync() {
        ctx.tenant.apply(appear, ctx.now)?;
        return Ok(Reply::json(201, ctx.tenant.view_group(&ctx.tenant.groups[&id])));
    }
    Ok(ctx.accept("CREATE_IDENTITY_GROUP", appear, Some(&id)))
}

/// `GET /identityGroups` and `POST /identityGroups/query`: Spring paging; the search word is `keyword`; `groupIds` `dpskPoolId`
/// `policySetId` `networkId` narrow it, other keys are ignored.
pub fn query(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let page = ctx.spring_page();
    let keyword = ctx.body["keyword"].as_str().unwrap_or_default().to_lowercase();
    let (ids, pool) = (strings(&ctx.body["groupIds"]), ctx.body["dpskPoolId"].as_str());
    let (set, network) = (ctx.body["policySetId"].as_str(), ctx.body["networkId"].as_str());
    let tenant = &*ctx.tenant;
    let used = network.and_then(|id| tenant.wifi.networks.get(id));
    let used = used
        .and_then(|network| network.pool.as_ref())
        .map(|link| link.pool_id.clone());
    let chosen = |group: &&Group| {
        group.name.to_lowercase().contains(&keyword)
            && (ids.is_empty() || ids.contains(&group.id))
            && pool.is_none_or(|pool| group.pool_id.as_deref() == Some(pool))
            && set.is_none_or(|set| group.policy_set_id.as_deref() == Some(set))
            && network.is_none_or(|_| used.is_some() && group.pool_id == used)
    };
    let rows = tenant
        .live_groups
        .values()
        .filter_map(|id| tenant.groups.get(id))
        .filter(chosen)
        .collect();
    let (total, rows) = page.cut(rows, |group, field| match field {
        "name" => group.name.clone(),
        "description" => group.description.clone().unwrap_or_default(),
        _ => format!("{:020}", group.origin.seq),
    });
    Ok(Reply::ok(page.spring_answer(
        total,
        rows.into_iter().map(|group| tenant.view_group(group)).collect(),
    )))
}

/// `GET /identityGroups/{id}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = ctx.param(0);
    let group = ctx
        .tenant
        .group(&id)
        .ok_or_else(|| Fault::not_found("Identity group", &id))?;
    Ok(Reply::ok(ctx.tenant.view_group(group)))
}

/// `DELETE /identityGroups/{id}`: GENERAL-026 while a pool is associated; its identities go with it.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = ctx.param(0);
    ctx.tenant
        .group(&id)
        .ok_or_else(|| Fault::not_found("Identity group", &id))?;
    let of = Ref::new(Kind::Group, &id);
    if ctx.settings.refuse_delete == Refusal::Http || ctx.is_sync() {
        ctx.tenant.removable(&of)?;
    }
    if ctx.is_sync() {
        ctx.tenant.apply(Effect::Remove(vec![of]), ctx.now)?;
        return Ok(Reply::ok(json!({})));
    }
    Ok(ctx.accept("DELETE_IDENTITY_GROUP", Effect::Remove(vec![of]), Some(&id)))
}

/// `PUT /identityGroups/{id}/dpskPools/{dpskPoolId}`.
pub fn attach_pool(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (id, pool) = (ctx.param(0), ctx.param(1));
    let group = ctx
        .tenant
        .group(&id)
        .ok_or_else(|| Fault::not_found("Identity group", &id))?;
    if group.pool_id.as_ref().is_some_and(|other| *other != pool) {
        return Err(Fault::new(
            409,
            "GENERAL-409",
            "Identity group is already associated with a DPSK service",
        ));
    }
    let row = ctx
        .tenant
        .pool(&pool)
        .ok_or_else(|| Fault::not_found("DPSK pool", &pool))?;
    if row.group_id.as_ref().is_some_and(|other| *other != id) {
        return Err(Fault::new(
            409,
            "GENERAL-409",
            "DPSK service is already associated with an identity group",
        ));
    }
    let effect = Effect::Attach {
        group: id.clone(),
        pool,
    };
    Ok(ctx.accept("UPDATE_IDENTITY_GROUP", effect, Some(&id)))
}
