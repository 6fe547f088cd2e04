//! Policy sets: 201 at once; a set that is assigned to something cannot be deleted.

use serde_json::Value;

use super::{conflict, gone, name_of, paged, query_page, taken};
use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::model::{Kind, Ref};
use crate::sim::policy::PolicySet;

/// A set that can be seen, or 404.
pub fn found<'c>(ctx: &'c Ctx<'_>, id: &str) -> Result<&'c PolicySet, Fault> {
    ctx.tenant
        .policy
        .sets
        .get(id)
        .ok_or_else(|| Fault::not_found("Policy set", id))
}

/// `POST /policySets`. The documents require a description; live systems were seen to take sets without one.
pub fn create(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let fields = ctx.object()?;
    let name = name_of(&fields)?.ok_or_else(|| Fault::invalid("name", "must not be empty"))?;
    let description = crate::sim::ops::text(&fields, "description")?.unwrap_or_default();
    if let Some(owner) = ctx.tenant.policy.sets.owner("", &name) {
        let live = owner.origin.live;
        return Err(taken(ctx, Kind::PolicySet, &name, live));
    }
    let id = ctx.fresh_id();
    let origin = ctx.tenant.origin(Some(&ctx.request_id), ctx.now);
    ctx.tenant.policy.sets.insert(PolicySet {
        id: id.clone(),
        name: name.clone(),
        description,
        origin,
        ..PolicySet::default()
    });
    ctx.tenant.policy.sets.appear(&id);
    ctx.remember_cut(Kind::PolicySet, "", &name);
    let row = found(ctx, &id)?;
    Ok(Reply::json(201, ctx.tenant.view_set(row)))
}

/// `GET /policySets/{id}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let row = found(ctx, &ctx.param(0))?;
    Ok(Reply::ok(ctx.tenant.view_set(row)))
}

/// `POST /policySets/query`.
pub fn query(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let page = query_page(ctx)?;
    let rows = ctx.tenant.policy.sets.live().collect();
    let (total, rows) = page.cut(rows, |set, field| match field {
        "name" => set.name.clone(),
        "description" => set.description.clone(),
        _ => format!("{:020}", set.origin.seq),
    });
    let rows = rows.into_iter().map(|set| ctx.tenant.view_set(set)).collect();
    Ok(paged(ctx, &page, total, rows))
}

/// `PATCH /policySets/{id}`: name and description.
pub fn patch(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (id, fields) = (ctx.param(0), ctx.object()?);
    found(ctx, &id)?;
    let name = name_of(&fields)?;
    let sets = &mut ctx.tenant.policy.sets;
    if let Some(name) = &name {
        if sets.owner("", name).is_some_and(|owner| owner.id != id) {
            return Err(conflict(format!("name '{name}' is already in use")));
        }
        sets.rename(&id, name);
    }
    if let Some(set) = sets.any_mut(&id) {
        set.origin.updated_at = ctx.now;
        if let Some(text) = fields.get("description").and_then(Value::as_str) {
            set.description = text.into();
        }
    }
    get(ctx)
}

/// `DELETE /policySets/{id}`: 409 while it is assigned to a DPSK service or an identity group. Its policies stay.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = ctx.param(0);
    found(ctx, &id)?;
    if ctx.tenant.assignments_of(&id).next().is_some() {
        return Err(conflict("The policy set is still in use."));
    }
    ctx.tenant.remove(&Ref::new(Kind::PolicySet, &id));
    Ok(gone(ctx))
}
