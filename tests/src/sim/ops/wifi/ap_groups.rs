//! AP groups of a venue. Networks that are on all AP groups are on a new one at once.

use serde_json::{Map, Value};

use super::{invalid, proper, venue};
use crate::sim::call::{Ctx, Reply};
use crate::sim::effect::Effect;
use crate::sim::errors::Fault;
use crate::sim::model::{Kind, Ref};
use crate::sim::wifi::ApGroup;

fn found<'c>(ctx: &'c Ctx<'_>) -> Result<&'c ApGroup, Fault> {
    let (venue_id, id) = (ctx.param(0), ctx.param(1));
    venue(ctx, &venue_id)?;
    let found = ctx.tenant.wifi.ap_groups.get(&id);
    found
        .filter(|group| group.venue_id == venue_id)
        .ok_or_else(|| Fault::not_found("AP group", &id))
}

fn name_of(fields: &Map<String, Value>) -> Result<Option<String>, Fault> {
    match fields.get("name").and_then(Value::as_str) {
        Some(name) if !proper(name, 2, 64) => Err(invalid("name", "must have 2 to 64 characters")),
        name => Ok(name.map(str::to_owned)),
    }
}

fn description_of(fields: &Map<String, Value>) -> Result<Option<String>, Fault> {
    match fields.get("description").and_then(Value::as_str) {
        Some(text) if !(2..=180).contains(&text.chars().count()) => {
            Err(invalid("description", "must have 2 to 180 characters"))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// Serial numbers as texts, or in the older form as objects.
fn serials(value: &Value) -> Vec<String> {
    let rows = value.as_array().into_iter().flatten();
    rows.filter_map(|row| row.as_str().or_else(|| row["serialNumber"].as_str()))
        .map(str::to_owned)
        .collect()
}

/// `POST /venues/{v}/apGroups`: 202 `{requestId}`, and with media type v1.1 `{requestId,response:{id}}`.
pub fn create(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    const USE_CASE: &str = "AddApGroup";
    let (venue_id, fields) = (ctx.param(0), ctx.object()?);
    venue(ctx, &venue_id)?;
    let name = name_of(&fields)?.ok_or_else(|| invalid("name", "must not be null"))?;
    let description = description_of(&fields)?;
    if let Some(owner) = ctx.tenant.wifi.ap_groups.owner(&venue_id, &name) {
        let live = owner.origin.live;
        ctx.count_refused(Kind::ApGroup, &venue_id, &name, live);
        return ctx.refuse(ctx.form_for(live), USE_CASE, invalid("name", "Name must be unique"));
    }
    let id = ctx.fresh_id();
    ctx.remember_cut(Kind::ApGroup, &venue_id, &name);
    let origin = ctx.tenant.origin(Some(&ctx.request_id), ctx.now);
    ctx.tenant.wifi.ap_groups.insert(ApGroup {
        id: id.clone(),
        venue_id,
        name,
        description,
        is_default: false,
        serials: serials(&ctx.body["apSerialNumbers"]),
        origin,
    });
    let appear = Effect::Appear(vec![Ref::new(Kind::ApGroup, &id)]);
    Ok(match ctx.call.accept.contains("vnd.ruckus.v1.1+json") {
        true => ctx.accept_entity(USE_CASE, appear, &id),
        false => ctx.accept_plain(USE_CASE, appear, Some(&id)),
    })
}

/// `GET /venues/{v}/apGroups`: used live, not in the documents at hand; a bare list.
pub fn list(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let venue_id = ctx.param(0);
    venue(ctx, &venue_id)?;
    let rows = ctx.tenant.wifi.groups_of(&venue_id).map(ApGroup::view);
    Ok(Reply::ok(rows.collect()))
}

/// `GET /venues/{v}/apGroups/{g}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    Ok(Reply::ok(found(ctx)?.view()))
}

/// `PUT /venues/{v}/apGroups/{g}`.
pub fn put(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (id, venue_id, fields) = (found(ctx)?.id.clone(), ctx.param(0), ctx.object()?);
    let name = name_of(&fields)?;
    description_of(&fields)?;
    if let Some(name) = &name
        && let Some(owner) = ctx.tenant.wifi.ap_groups.owner(&venue_id, name)
        && owner.id != id
    {
        return Err(invalid("name", "Name must be unique"));
    }
    let effect = Effect::Change(vec![Ref::new(Kind::ApGroup, &id)], fields);
    Ok(ctx.accept_plain("UpdateApGroup", effect, Some(&id)))
}

/// `DELETE /venues/{v}/apGroups/{g}`: 422 for the default group.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let group = found(ctx)?;
    if group.is_default {
        return Err(invalid("apGroupId", "the default AP group cannot be deleted"));
    }
    let of = Ref::new(Kind::ApGroup, &group.id);
    let id = of.id.clone();
    Ok(ctx.accept_plain("DeleteApGroup", Effect::Remove(vec![of]), Some(&id)))
}
