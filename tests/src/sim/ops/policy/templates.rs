//! Policy templates: read only, and only the one for DPSK.

use serde_json::Value;

use super::{paged, query_page};
use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::policy::templates::{ATTRIBUTES, Attribute, DPSK_TEMPLATE, attribute, template_view};

/// 400 for a template id that is no number, 404 for one that does not exist.
pub fn known(ctx: &Ctx<'_>) -> Result<(), Fault> {
    match ctx.param(0).parse::<i64>() {
        Ok(DPSK_TEMPLATE) => Ok(()),
        Ok(_) => Err(Fault::not_found("Policy template", &ctx.param(0))),
        Err(_) => Err(Fault::invalid("templateId", "must be an integer")),
    }
}

/// `GET /policyTemplates/{t}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    known(ctx)?;
    Ok(Reply::ok(template_view()))
}

/// `POST /policyTemplates/query`.
pub fn query(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let page = query_page(ctx)?;
    let one = template_view();
    let (total, rows) = page.cut(vec![&one], |_, _| String::new());
    let rows = rows.into_iter().cloned().collect();
    Ok(paged(ctx, &page, total, rows))
}

/// `GET` and `POST /policyTemplates/{t}/attributes`: without the SSID, which a condition can be about all the same.
pub fn attributes(ctx: &mut Ctx<'_>, by_body: bool) -> Result<Reply, Fault> {
    known(ctx)?;
    let page = if by_body { query_page(ctx)? } else { ctx.spring_page() };
    let listed = ATTRIBUTES.iter().filter(|attribute| attribute.listed).collect();
    let (total, rows) = page.cut(listed, |attribute, _| attribute.name.to_owned());
    let rows: Vec<Value> = rows.into_iter().map(Attribute::view).collect();
    Ok(paged(ctx, &page, total, rows))
}

/// `GET /policyTemplates/{t}/attributes/{id}`.
pub fn attribute_get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    known(ctx)?;
    let id = ctx.param(1);
    let found = id.parse().ok().and_then(attribute);
    found
        .map(|attribute| Reply::ok(attribute.view()))
        .ok_or_else(|| Fault::not_found("Template attribute", &id))
}
