//! Conditions of a policy: one an attribute (409 for a second), never none once there was one (409 for deleting the last).

use serde_json::{Map, Value};

use super::policies::found;
use super::{conflict, gone, paged};
use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::policy::Condition;
use crate::sim::policy::evaluate::whole;
use crate::sim::policy::templates::attribute;

/// Longest pattern.
const PATTERN_MAX: usize = 255;

/// `POST …/policies/{p}/conditions`: 201. `policyId` is required by the documents, but the path decides.
pub fn create(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (policy, fields) = (found(ctx)?.id.clone(), ctx.object()?);
    let attribute_id =
        attribute_of(&fields)?.ok_or_else(|| Fault::invalid("templateAttributeId", "must not be null"))?;
    let pattern = pattern_of(&fields)?.ok_or_else(|| Fault::invalid("evaluationRule", "must not be null"))?;
    if found(ctx)?
        .conditions
        .iter()
        .any(|one| one.attribute_id == attribute_id)
    {
        ctx.count_relink("policy_condition", &policy, &attribute_id.to_string());
        return Err(conflict("Condition type is already mapped."));
    }
    let one = Condition {
        id: ctx.fresh_id(),
        attribute_id,
        pattern,
        request_id: Some(ctx.request_id.clone()),
    };
    ctx.remember_link("policy_condition", &policy, &attribute_id.to_string());
    let now = ctx.now;
    if let Some(row) = ctx.tenant.policy.policies.any_mut(&policy) {
        row.conditions.push(one.clone());
        row.origin.updated_at = now;
    }
    Ok(Reply::json(201, found(ctx)?.view_condition(&one)))
}

/// The attribute; 404 when the template has no such one.
fn attribute_of(fields: &Map<String, Value>) -> Result<Option<i64>, Fault> {
    match fields.get("templateAttributeId") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64().and_then(attribute) {
            Some(known) => Ok(Some(known.id)),
            None => Err(Fault::not_found("Template attribute", &value.to_string())),
        },
    }
}

/// The pattern of a `StringCriteria`; both attributes known here are strings.
fn pattern_of(fields: &Map<String, Value>) -> Result<Option<String>, Fault> {
    let rule = match fields.get("evaluationRule") {
        None | Some(Value::Null) => return Ok(None),
        Some(rule) => rule,
    };
    if rule["criteriaType"] != "StringCriteria" {
        return Err(Fault::invalid("evaluationRule.criteriaType", "must be StringCriteria"));
    }
    match rule["regexStringCriteria"].as_str() {
        Some(pattern) if pattern.chars().count() > PATTERN_MAX => {
            Err(Fault::invalid("regexStringCriteria", "at most 255 characters"))
        }
        Some(pattern) if whole(pattern).is_none() => {
            Err(Fault::invalid("regexStringCriteria", "is no regular expression"))
        }
        Some(pattern) => Ok(Some(pattern.into())),
        None => Err(Fault::invalid("regexStringCriteria", "must not be null")),
    }
}

/// `GET …/policies/{p}/conditions`.
pub fn list(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let policy = found(ctx)?;
    let page = ctx.spring_page();
    let (total, rows) = page.cut(policy.conditions.iter().collect(), |one, _| one.id.clone());
    let rows = rows.into_iter().map(|one| policy.view_condition(one)).collect();
    Ok(paged(ctx, &page, total, rows))
}

fn one<'c>(ctx: &'c Ctx<'_>) -> Result<&'c Condition, Fault> {
    let id = ctx.param(2);
    let found = found(ctx)?.conditions.iter().find(|one| one.id == id);
    found.ok_or_else(|| Fault::not_found("Policy condition", &id))
}

/// `GET …/conditions/{id}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    Ok(Reply::ok(found(ctx)?.view_condition(one(ctx)?)))
}

/// `PATCH …/conditions/{id}`: another attribute or rule.
pub fn patch(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (policy, id, fields) = (found(ctx)?.id.clone(), one(ctx)?.id.clone(), ctx.object()?);
    let (attribute_id, pattern) = (attribute_of(&fields)?, pattern_of(&fields)?);
    let other = |one: &Condition| one.id != id && Some(one.attribute_id) == attribute_id;
    if found(ctx)?.conditions.iter().any(other) {
        return Err(conflict("Condition type is already mapped."));
    }
    let now = ctx.now;
    if let Some(row) = ctx.tenant.policy.policies.any_mut(&policy) {
        row.origin.updated_at = now;
        if let Some(one) = row.conditions.iter_mut().find(|one| one.id == id) {
            one.attribute_id = attribute_id.unwrap_or(one.attribute_id);
            if let Some(pattern) = pattern {
                one.pattern = pattern;
            }
        }
    }
    get(ctx)
}

/// `DELETE …/conditions/{id}`: 409 for the last one.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (policy, id) = (found(ctx)?.id.clone(), one(ctx)?.id.clone());
    if found(ctx)?.conditions.len() == 1 {
        return Err(conflict("Policy will not have any conditions if this is deleted."));
    }
    if let Some(row) = ctx.tenant.policy.policies.any_mut(&policy) {
        row.conditions.retain(|one| one.id != id);
    }
    Ok(gone(ctx))
}
