//! What a policy set is assigned to. `PUT` and `DELETE` are calls of the services: DPSK services and identity groups.

use serde_json::{Value, json};
use uuid::Builder;

use super::sets::found;
use super::{paged, query_page};
use crate::sim::call::{Ctx, Reply};
use crate::sim::effect::Effect;
use crate::sim::errors::Fault;
use crate::sim::model::{Kind, Ref};

/// `PUT` and `DELETE /dpskServices/{pool}/policySets/{set}` and the same below `/identityGroups`: 202. A DELETE of a set that is not
/// the assigned one is a 404; assigning the same set again changes nothing and is counted as a needless link.
pub fn assign(ctx: &mut Ctx<'_>, kind: Kind, put: bool) -> Result<Reply, Fault> {
    let (id, set) = (ctx.param(0), ctx.param(1));
    let (what, link) = match kind {
        Kind::Pool => ("DPSK pool", "pool_policy_set"),
        _ => ("Identity group", "group_policy_set"),
    };
    let held = match kind {
        Kind::Pool => ctx.tenant.pool(&id).map(|pool| pool.policy_set_id.clone()),
        _ => ctx.tenant.group(&id).map(|group| group.policy_set_id.clone()),
    };
    let held = held.ok_or_else(|| Fault::not_found(what, &id))?;
    let same = held.as_deref() == Some(set.as_str());
    if put {
        found(ctx, &set)?;
    }
    if put && same {
        ctx.count_relink(link, &id, &set);
    }
    if !put && !same {
        return Err(Fault::not_found("Policy set assignment", &set));
    }
    if put {
        ctx.remember_link(link, &id, &set);
    }
    let of = Ref::new(kind, &id);
    let set = put.then_some(set);
    let use_case = match kind {
        Kind::Pool => "UPDATE_DPSK_SERVICE",
        _ => "UPDATE_IDENTITY_GROUP",
    };
    Ok(match kind {
        Kind::Pool => ctx.accept_plain(use_case, Effect::Assign { of, set }, Some(&id)),
        _ => ctx.accept(use_case, Effect::Assign { of, set }, Some(&id)),
    })
}

/// An assignment has an id of its own; here it is made of set and object, so that it is always the same.
fn row(set: &str, service: &str, id: &str) -> Value {
    let mixed = format!("{set}{id}").bytes().fold([0_u8; 16], |mut mixed, byte| {
        mixed.rotate_left(1);
        mixed[0] = mixed[0].wrapping_mul(31) ^ byte;
        mixed
    });
    let uuid = Builder::from_random_bytes(mixed).into_uuid().to_string();
    json!({"id": uuid, "identityId": id, "identityName": service})
}

/// `GET /policySets/{id}/assignments` and `POST …/assignments/query`.
pub fn list(ctx: &mut Ctx<'_>, by_body: bool) -> Result<Reply, Fault> {
    let id = found(ctx, &ctx.param(0))?.id.clone();
    let page = if by_body { query_page(ctx)? } else { ctx.spring_page() };
    let all: Vec<Value> = ctx
        .tenant
        .assignments_of(&id)
        .map(|(service, of)| row(&id, service, of))
        .collect();
    let (total, rows) = page.cut(all.iter().collect(), |row, field| row[field].to_string());
    let rows = rows.into_iter().cloned().collect();
    Ok(paged(ctx, &page, total, rows))
}

/// `GET /policySets/{id}/assignments/{assignmentId}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (set, wanted) = (found(ctx, &ctx.param(0))?.id.clone(), ctx.param(1));
    let mut rows = ctx
        .tenant
        .assignments_of(&set)
        .map(|(service, of)| row(&set, service, of));
    rows.find(|row| row["id"] == wanted.as_str())
        .map(Reply::ok)
        .ok_or_else(|| Fault::not_found("Policy set assignment", &wanted))
}
