//! `POST /bulkActions`: known from the newer specification only, no client was seen to use it. Each action is carried out as the
//! operation it stands for, without a call of its own: the bucket is asked once.

use serde_json::{Map, Value, json};

use crate::sim::bulk::{ACTIONS_MAX, ALLOWED, Action, Bulk};
use crate::sim::call::{Call, Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::route::find;
use crate::sim::twist::Twist;

/// `POST /bulkActions {targetApi{method,urlTemplate,payloadTemplate?}, actions[{params,payload?}]}`: 200 `{requestId}`.
pub fn create(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let target = ctx.body["targetApi"].clone();
    let wanted = |field: &str| target[field].as_str().unwrap_or_default().to_owned();
    let (method, template) = (wanted("method"), wanted("urlTemplate"));
    if !ALLOWED.contains(&(method.as_str(), template.as_str())) {
        return Err(Fault::invalid("targetApi", "the operation is not among those allowed"));
    }
    let actions = ctx.body["actions"].as_array().cloned().unwrap_or_default();
    if actions.is_empty() || actions.len() > ACTIONS_MAX {
        return Err(Fault::invalid("actions", "must be 1 to 10000"));
    }
    let common = target.get("payloadTemplate").filter(|payload| !payload.is_null());
    if common.is_some() && actions.iter().any(|action| action.get("payload").is_some()) {
        return Err(Fault::invalid(
            "actions.payload",
            "must be absent when there is a payloadTemplate",
        ));
    }
    let (mut done, before) = (Vec::new(), ctx.tenant.activities.all.len());
    for action in &actions {
        let none = Map::new();
        let params = action["params"].as_object().unwrap_or(&none);
        let url = filled(&template, params, "{", "}").ok_or_else(|| Fault::invalid("actions.params", "incomplete"))?;
        let payload = match common {
            Some(Value::String(text)) => {
                filled(text, params, "{{", "}}").and_then(|text| serde_json::from_str(&text).ok())
            }
            Some(other) => {
                filled(&other.to_string(), params, "{{", "}}").and_then(|text| serde_json::from_str(&text).ok())
            }
            None => action.get("payload").cloned(),
        };
        done.push(one(ctx, &method, url, payload.unwrap_or_default()));
    }
    let its = &ctx.tenant.activities.all[before..];
    let due = its.iter().map(|activity| activity.due).max();
    let bulk = Bulk {
        started: ctx.now,
        due: due.unwrap_or(ctx.now),
        actions: done,
    };
    ctx.tenant.bulks.insert(ctx.request_id.clone(), bulk);
    Ok(Reply::ok(json!({"requestId": ctx.request_id})))
}

/// A template with its parameters put in; `None` when one is missing.
fn filled(template: &str, params: &Map<String, Value>, open: &str, close: &str) -> Option<String> {
    let mut text = template.to_owned();
    for (name, value) in params {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text = text.replace(&format!("{open}{name}{close}"), &value);
    }
    (!text.contains(open)).then_some(text)
}

/// Carries out one action.
fn one(ctx: &mut Ctx<'_>, method: &str, url: String, body: Value) -> Action {
    let call = Call {
        method: method.into(),
        path: url.clone(),
        accept: "application/json".into(),
        ..Call::default()
    };
    let request_id = ctx.fresh_id();
    let found = find(method, &url);
    let op = found.as_ref().map(|(op, _)| *op);
    let mut inner = Ctx {
        tenant: &mut *ctx.tenant,
        settings: ctx.settings,
        rng: &mut *ctx.rng,
        now: ctx.now,
        call: &call,
        body,
        params: found.map(|(_, params)| params).unwrap_or_default(),
        request_id: request_id.clone(),
        twist: Twist::default(),
    };
    let answer = match op {
        Some(op) => super::run(op, &mut inner),
        None => Err(Fault::not_found("Operation", &url)),
    };
    let reply = answer.unwrap_or_else(|fault| Reply::json(fault.status, fault.body(op, &request_id, ctx.now)));
    if let Some(op) = op {
        ctx.tenant.counts.bulk_action(&op.name(), reply.status);
    }
    Action {
        method: method.into(),
        url,
        status: reply.status,
        response: reply.as_json(),
    }
}

fn found<'c>(ctx: &'c Ctx<'_>) -> Result<&'c Bulk, Fault> {
    let id = ctx.param(0);
    let found = ctx.tenant.bulks.get(&id);
    found.ok_or_else(|| Fault::not_found("Bulk action", &id))
}

/// `GET /bulkActions/{requestId}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    Ok(Reply::ok(found(ctx)?.view(ctx.now)))
}

/// `POST /bulkActions/{requestId}/query`: pages from 1, at most 1000 rows each, filter `status`.
pub fn query(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (bulk, page) = (found(ctx)?, ctx.body_page(1, 20));
    for (field, most) in [("page", i64::MAX), ("pageSize", 1000)] {
        if ctx.body[field]
            .as_i64()
            .is_some_and(|number| number < 1 || number > most)
        {
            return Err(Fault::invalid(field, "out of bounds"));
        }
    }
    let over = ctx.now >= bulk.due;
    let states = super::strings(&ctx.body["filters"]["status"]);
    let search = ctx.body["searchString"].as_str().unwrap_or_default();
    let rows = (1..)
        .zip(&bulk.actions)
        .map(|(number, action)| action.view(number, over));
    let rows: Vec<Value> = rows
        .filter(|row| states.is_empty() || states.iter().any(|state| row["status"] == state.as_str()))
        .filter(|row| row["description"].as_str().is_some_and(|text| text.contains(search)))
        .collect();
    let (total, rows) = page.cut(rows.iter().collect(), |row, _| format!("{:020}", row["sequence"]));
    let rows = rows.into_iter().cloned().collect();
    Ok(Reply::ok(page.body_answer(total, rows)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_or_refused() {
        let params = json!({"id": "a", "vlan": 7});
        let params = params.as_object().unwrap();
        assert_eq!(filled("/x/{id}", params, "{", "}").as_deref(), Some("/x/a"));
        assert_eq!(filled("/x/{other}", params, "{", "}"), None);
        let payload = filled(r#"{"vlan": {{vlan}}}"#, params, "{{", "}}");
        assert_eq!(payload.as_deref(), Some(r#"{"vlan": 7}"#));
        assert_eq!(filled(r#"{"vlan": {{other}}}"#, params, "{{", "}}"), None);
    }
}
