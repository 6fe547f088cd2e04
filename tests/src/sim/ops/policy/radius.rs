//! RADIUS attribute groups: 201 at once; one that a policy answers with cannot be deleted, nor one that a hidden service holds.

use serde_json::{Map, Value, json};

use super::{conflict, gone, name_of, query_page, taken};
use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::model::{Kind, Ref};
use crate::sim::ops::text;
use crate::sim::policy::RadiusGroup;

const OPERATORS: [&str; 3] = ["ADD", "ADD_REPLACE", "DOES_NOT_EXIST"];

fn found<'c>(ctx: &'c Ctx<'_>, id: &str) -> Result<&'c RadiusGroup, Fault> {
    let found = ctx.tenant.policy.radius.get(id);
    found.ok_or_else(|| Fault::not_found("RADIUS attribute group", id))
}

/// The attributes, each with name, operator, value and data type.
fn attributes(fields: &Map<String, Value>) -> Result<Option<Vec<Value>>, Fault> {
    let rows = match fields.get("attributeAssignments") {
        None | Some(Value::Null) => return Ok(None),
        Some(rows) => rows
            .as_array()
            .ok_or_else(|| Fault::invalid("attributeAssignments", "must be a list"))?,
    };
    for row in rows {
        for field in ["attributeName", "attributeValue", "dataType"] {
            if row[field].as_str().is_none_or(str::is_empty) {
                return Err(Fault::invalid(field, "must not be empty"));
            }
        }
        if !row["operator"].as_str().is_some_and(|word| OPERATORS.contains(&word)) {
            return Err(Fault::invalid("operator", "no such operator"));
        }
    }
    Ok(Some(rows.clone()))
}

/// `POST /radiusAttributeGroups`.
pub fn create(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let fields = ctx.object()?;
    let name = name_of(&fields)?.ok_or_else(|| Fault::invalid("name", "must not be empty"))?;
    let assignments = attributes(&fields)?.ok_or_else(|| Fault::invalid("attributeAssignments", "must not be null"))?;
    let description = text(&fields, "description")?;
    if let Some(owner) = ctx.tenant.policy.radius.owner("", &name) {
        let live = owner.origin.live;
        return Err(taken(ctx, Kind::RadiusGroup, &name, live));
    }
    let id = ctx.fresh_id();
    let origin = ctx.tenant.origin(Some(&ctx.request_id), ctx.now);
    ctx.tenant.policy.radius.insert(RadiusGroup {
        id: id.clone(),
        name: name.clone(),
        description,
        assignments,
        pinned: false,
        origin,
    });
    ctx.tenant.policy.radius.appear(&id);
    ctx.remember_cut(Kind::RadiusGroup, "", &name);
    let row = found(ctx, &id)?;
    Ok(Reply::json(201, ctx.tenant.view_radius(row)))
}

/// `GET /radiusAttributeGroups/{id}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let row = found(ctx, &ctx.param(0))?;
    Ok(Reply::ok(ctx.tenant.view_radius(row)))
}

/// `GET /radiusAttributeGroups` as a Spring page, `POST /radiusAttributeGroups/query` as `{totalCount,page,pageSize,data}` from page 0.
pub fn query(ctx: &mut Ctx<'_>, by_body: bool) -> Result<Reply, Fault> {
    let page = if by_body { query_page(ctx)? } else { ctx.spring_page() };
    let rows = ctx.tenant.policy.radius.live().collect();
    let (total, rows) = page.cut(rows, |group, field| match field {
        "name" => group.name.clone(),
        "attributeCount" => format!("{:020}", group.assignments.len()),
        _ => format!("{:020}", group.origin.seq),
    });
    let rows: Vec<Value> = rows.into_iter().map(|group| ctx.tenant.view_radius(group)).collect();
    Ok(Reply::ok(match by_body {
        true => json!({"totalCount": total, "page": page.number, "pageSize": page.size, "data": rows}),
        false => page.spring_answer(total, rows),
    }))
}

/// `PATCH /radiusAttributeGroups/{id}`: 200 with the group.
pub fn patch(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (id, fields) = (ctx.param(0), ctx.object()?);
    found(ctx, &id)?;
    let (name, assignments) = (name_of(&fields)?, attributes(&fields)?);
    let groups = &mut ctx.tenant.policy.radius;
    if let Some(name) = &name {
        if groups.owner("", name).is_some_and(|owner| owner.id != id) {
            return Err(conflict(format!("name '{name}' is already in use")));
        }
        groups.rename(&id, name);
    }
    if let Some(group) = groups.any_mut(&id) {
        group.origin.updated_at = ctx.now;
        if let Some(text) = fields.get("description") {
            group.description = text.as_str().map(str::to_owned);
        }
        group.assignments = assignments.unwrap_or_else(|| std::mem::take(&mut group.assignments));
    }
    get(ctx)
}

/// `DELETE /radiusAttributeGroups/{id}`: 409 while in use. Live, a group no policy shows was seen to be held all the same.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = ctx.param(0);
    let pinned = found(ctx, &id)?.pinned;
    if pinned || ctx.tenant.policy.answering_with(&id).next().is_some() {
        return Err(conflict("The Attribute Group is still in use by another service."));
    }
    ctx.tenant.remove(&Ref::new(Kind::RadiusGroup, &id));
    Ok(gone(ctx))
}
