//! Adaptive policies and RADIUS attribute groups: synchronous but for the create of a policy.
//!
//! Queries page from 0 with `page` and `pageSize` (20 when absent, 422 above 2000); any other field, `limit` and `filters` among
//! them, is silently ignored, as seen live.

pub mod assignments;
pub mod conditions;
pub mod policies;
pub mod priorities;
pub mod radius;
pub mod reports;
pub mod sets;
pub mod templates;

use serde_json::{Map, Value, json};

use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::model::Kind;
use crate::sim::paging::Page;

/// Rows a page when the query names no `pageSize`.
const PAGE_DEFAULT: usize = 20;

/// The page of a query body; 422 outside the documented bounds.
fn query_page(ctx: &Ctx<'_>) -> Result<Page, Fault> {
    let bound = |field: &str, least: i64, most: i64| match &ctx.body[field] {
        Value::Null => Ok(()),
        value if value.as_i64().is_some_and(|n| (least..=most).contains(&n)) => Ok(()),
        _ => Err(Fault::new(
            422,
            "GENERAL-422",
            format!("{field}: must be an integer from {least} to {most}"),
        )),
    };
    bound("page", 0, i64::from(i32::MAX))?;
    bound("pageSize", 1, 2000)?;
    Ok(ctx.body_page(0, PAGE_DEFAULT))
}

/// `{paging, content}`; no content with `?excludeContent=true`.
fn paged(ctx: &Ctx<'_>, page: &Page, total: usize, rows: Vec<Value>) -> Reply {
    let bare = url::form_urlencoded::parse(ctx.call.query.as_bytes())
        .any(|(key, value)| key == "excludeContent" && value == "true");
    let mut answer = json!({"paging": {"totalCount": total, "page": page.number, "pageSize": page.size,
                                       "pageCount": total.div_ceil(page.size)}});
    if !bare {
        answer["content"] = rows.into();
    }
    Reply::ok(answer)
}

/// The answer to a delete: 204, or 200 with an empty object (a setting); both are documented.
fn gone(ctx: &Ctx<'_>) -> Reply {
    match ctx.settings.policy_deletes_answer_200 {
        true => Reply::ok(json!({})),
        false => Reply::empty(204),
    }
}

/// The name of a create or change: not empty and at most 255 characters (the documents give no bounds).
fn name_of(fields: &Map<String, Value>) -> Result<Option<String>, Fault> {
    let name = super::text(fields, "name")?;
    match name.as_ref().map_or(1, |name| name.chars().count()) {
        1..=255 => Ok(name),
        _ => Err(Fault::invalid("name", "at most 255 characters")),
    }
}

/// 409 for a taken name, counted when it is a create.
fn taken(ctx: &mut Ctx<'_>, kind: Kind, name: &str, live: bool) -> Fault {
    ctx.count_refused(kind, "", name, live);
    conflict(format!("name '{name}' is already in use"))
}

/// 409.
fn conflict(text: impl Into<String>) -> Fault {
    Fault::new(409, "GENERAL-409", text)
}
