//! The dry check: which policy of a set would match. It changes nothing and needs no activity.

use std::collections::HashMap;

use serde_json::Value;

use super::sets::found;
use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::policy::templates::ATTRIBUTES;

/// `POST /policySets/{id}/evaluationReports`: the request with `wasMatched`, and when it was, `policyId`, `policyName` and
/// `onMatchResponse`. `matchName` has to be the text of an attribute, and `value.type` the word `StringEvaluation`.
pub fn evaluate(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (set, mut report) = (found(ctx, &ctx.param(0))?.clone(), ctx.object()?);
    let criteria = report.get("evaluationCriteria").and_then(Value::as_array);
    let criteria = criteria
        .filter(|criteria| !criteria.is_empty())
        .ok_or_else(|| Fault::invalid("evaluationCriteria", "must not be empty"))?;
    let mut values = HashMap::new();
    for one in criteria {
        let name = one["matchName"].as_str().unwrap_or_default();
        if !ATTRIBUTES.iter().any(|attribute| attribute.text_match == name) {
            return Err(Fault::invalid("evaluationCriteria.matchName", "no such attribute"));
        }
        if one["value"]["type"] != "StringEvaluation" {
            return Err(Fault::invalid("evaluationCriteria.value.type", "no such type"));
        }
        let value = one["value"]["stringValue"]
            .as_str()
            .ok_or_else(|| Fault::invalid("evaluationCriteria.value.stringValue", "must not be null"))?;
        values.insert(name.to_owned(), value.to_owned());
    }
    let matched = ctx.tenant.policy.first_match(&set, &values);
    report.insert("wasMatched".into(), matched.is_some().into());
    if let Some(policy) = matched {
        report.insert("policyId".into(), policy.id.clone().into());
        report.insert("policyName".into(), policy.name.clone().into());
        if let Some(radius) = &policy.response {
            report.insert("onMatchResponse".into(), radius.clone().into());
        }
    }
    Ok(Reply::ok(report.into()))
}
