//! Policies in a set, by priority: 1 is the highest, and the others are numbered anew at every change.

use serde_json::{Value, json};

use super::sets::found;
use super::{conflict, gone, paged};
use crate::sim::call::{Ctx, Reply};
use crate::sim::effect::Effect;
use crate::sim::errors::Fault;
use crate::sim::paging::Page;

fn row(place: usize, policy: &str) -> Value {
    json!({"policyId": policy, "priority": place + 1})
}

/// `GET /policySets/{id}/prioritizedPolicies`: all of them on one page.
pub fn list(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let set = found(ctx, &ctx.param(0))?;
    let rows: Vec<Value> = set.policies.iter().enumerate().map(|(i, id)| row(i, id)).collect();
    let page = Page::spring("size=2000", 2000);
    let total = rows.len();
    Ok(paged(ctx, &page, total, rows))
}

/// `GET /policySets/{id}/prioritizedPolicies/{policyId}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (set, policy) = (found(ctx, &ctx.param(0))?, ctx.param(1));
    let place = set.policies.iter().position(|id| *id == policy);
    place
        .map(|place| Reply::ok(row(place, &policy)))
        .ok_or_else(|| Fault::not_found("Prioritized policy", &policy))
}

/// `PUT /policySets/{id}/prioritizedPolicies/{policyId} {priority}`: 201. Without a priority the policy goes to the end, or stays
/// where it is; the same place again changes nothing and is counted as a needless link.
pub fn put(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (set_id, policy, fields) = (ctx.param(0), ctx.param(1), ctx.object()?);
    let old = found(ctx, &set_id)?.policies.iter().position(|id| *id == policy);
    if ctx.tenant.policy.policies.get(&policy).is_none() {
        return Err(conflict(format!("policy '{policy}' does not exist")));
    }
    let wanted = match fields.get("priority") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_i64() {
            Some(number @ 1..) => Some(number as usize - 1),
            _ => return Err(conflict("priority: must be 1 or more")),
        },
    };
    let now = ctx.now;
    let Some(set) = ctx.tenant.policy.sets.any_mut(&set_id) else {
        return Err(Fault::not_found("Policy set", &set_id));
    };
    set.policies.retain(|id| *id != policy);
    let place = wanted.or(old).unwrap_or(usize::MAX).min(set.policies.len());
    set.policies.insert(place, policy.clone());
    set.origin.updated_at = now;
    if old == Some(place) {
        ctx.count_relink("prioritized_policy", &set_id, &policy);
    }
    ctx.remember_link("prioritized_policy", &set_id, &policy);
    Ok(Reply::json(201, row(place, &policy)))
}

/// `DELETE /policySets/{id}/prioritizedPolicies/{policyId}`: synchronous in the documents; live it was seen to be a 202 whose activity
/// ends later (a setting), and until then the policy cannot be deleted.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (set_id, policy) = (ctx.param(0), ctx.param(1));
    if !found(ctx, &set_id)?.policies.contains(&policy) {
        return Err(Fault::not_found("Prioritized policy", &policy));
    }
    let effect = Effect::TakeFromSet { set: set_id, policy };
    if ctx.settings.policy_removal_async {
        return Ok(ctx.accept_plain("REMOVE_POLICY_FROM_SET", effect, None));
    }
    ctx.tenant.apply(effect, ctx.now)?;
    Ok(gone(ctx))
}
