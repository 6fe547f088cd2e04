//! Policies. A create is answered 202 with the policy and *no request id*: the policy is 404 at first, then it can be read, and
//! `onMatchResponse` is there once its association with the RADIUS group is done. With the media type
//! `application/ruckus.one.v1-synchronous+json` it is 201 with everything in it.

use serde_json::{Value, json};

use super::templates::known;
use super::{conflict, gone, name_of, paged, query_page, taken};
use crate::sim::call::{Ctx, Reply};
use crate::sim::effect::Effect;
use crate::sim::errors::Fault;
use crate::sim::model::{Kind, Ref};
use crate::sim::ops::text;
use crate::sim::policy::Policy;
use crate::sim::policy::templates::DPSK_TEMPLATE;
use crate::sim::view::compact;

const SYNCHRONOUS: &str = "application/ruckus.one.v1-synchronous+json";

/// A policy of the template that can be seen, or 404.
pub fn found<'c>(ctx: &'c Ctx<'_>) -> Result<&'c Policy, Fault> {
    known(ctx)?;
    let id = ctx.param(1);
    let found = ctx.tenant.policy.policies.get(&id);
    found.ok_or_else(|| Fault::not_found("Policy", &id))
}

/// `POST /policyTemplates/{t}/policies`.
pub fn create(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    known(ctx)?;
    let fields = ctx.object()?;
    let name = name_of(&fields)?.ok_or_else(|| Fault::invalid("name", "must not be empty"))?;
    match text(&fields, "policyType")?.as_deref() {
        Some("DPSK") => {}
        Some("RADIUS") => return Err(conflict("policyType: does not fit the policy template")),
        _ => return Err(Fault::invalid("policyType", "must be RADIUS or DPSK")),
    }
    let (description, response) = (text(&fields, "description")?, text(&fields, "onMatchResponse")?);
    if let Some(owner) = ctx.tenant.policy.policies.owner("", &name) {
        let live = owner.origin.live;
        return Err(taken(ctx, Kind::Policy, &name, live));
    }
    answerable(ctx, response.as_deref())?;
    let id = ctx.fresh_id();
    let origin = ctx.tenant.origin(Some(&ctx.request_id), ctx.now);
    ctx.tenant.policy.policies.insert(Policy {
        id: id.clone(),
        name: name.clone(),
        description: description.clone(),
        template_id: DPSK_TEMPLATE,
        policy_type: "DPSK".into(),
        origin,
        ..Policy::default()
    });
    ctx.remember_cut(Kind::Policy, "", &name);
    let appear = Effect::Appear(vec![Ref::new(Kind::Policy, &id)]);
    let answer = response.map(|radius| Effect::Answer {
        policy: id.clone(),
        radius,
    });
    if ctx.settings.policy_create_201 || ctx.call.accept.contains(SYNCHRONOUS) {
        ctx.tenant.apply(appear, ctx.now)?;
        if let Some(answer) = answer {
            ctx.tenant.apply(answer, ctx.now)?;
        }
        let row = ctx.tenant.policy.policies.any(&id);
        return Ok(Reply::json(
            201,
            row.map_or(Value::Null, |row| ctx.tenant.view_policy(row)),
        ));
    }
    ctx.in_background(appear, answer.unwrap_or_default());
    let row = json!({"id": id, "name": name, "description": description, "policyType": "DPSK"});
    Ok(Reply::json(202, compact(row)))
}

/// 409 when the RADIUS group does not exist.
fn answerable(ctx: &Ctx<'_>, radius: Option<&str>) -> Result<(), Fault> {
    match radius {
        Some(id) if ctx.tenant.policy.radius.get(id).is_none() => Err(conflict(format!(
            "onMatchResponse: RADIUS attribute group '{id}' does not exist"
        ))),
        _ => Ok(()),
    }
}

/// `GET /policyTemplates/{t}/policies/{id}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let row = found(ctx)?;
    Ok(Reply::ok(ctx.tenant.view_policy(row)))
}

/// `GET /policyTemplates/{t}/policies` and both queries.
pub fn query(ctx: &mut Ctx<'_>, of_template: bool, by_body: bool) -> Result<Reply, Fault> {
    if of_template {
        known(ctx)?;
    }
    let page = if by_body { query_page(ctx)? } else { ctx.spring_page() };
    let rows = ctx.tenant.policy.policies.live().collect();
    let (total, rows) = page.cut(rows, |policy, field| match field {
        "name" => policy.name.clone(),
        "description" => policy.description.clone().unwrap_or_default(),
        _ => format!("{:020}", policy.origin.seq),
    });
    let rows = rows.into_iter().map(|policy| ctx.tenant.view_policy(policy)).collect();
    Ok(paged(ctx, &page, total, rows))
}

/// `PATCH /policyTemplates/{t}/policies/{id}`: name, description, response; 200 with the policy.
pub fn patch(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (id, fields) = (found(ctx)?.id.clone(), ctx.object()?);
    let (name, response) = (name_of(&fields)?, text(&fields, "onMatchResponse")?);
    answerable(ctx, response.as_deref())?;
    let policies = &mut ctx.tenant.policy.policies;
    if let Some(name) = &name {
        if policies.owner("", name).is_some_and(|owner| owner.id != id) {
            return Err(conflict(format!("name '{name}' is already in use")));
        }
        policies.rename(&id, name);
    }
    if let Some(policy) = policies.any_mut(&id) {
        policy.origin.updated_at = ctx.now;
        if let Some(text) = fields.get("description") {
            policy.description = text.as_str().map(str::to_owned);
        }
        policy.response = response.or_else(|| policy.response.take());
    }
    get(ctx)
}

/// `DELETE /policyTemplates/{t}/policies/{id}`: 409 while it is in a set; its conditions go with it.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = found(ctx)?.id.clone();
    if ctx.tenant.policy.sets_with(&id).next().is_some() {
        return Err(conflict("The policy is still assigned to a policy set."));
    }
    ctx.tenant.remove(&Ref::new(Kind::Policy, &id));
    Ok(gone(ctx))
}
