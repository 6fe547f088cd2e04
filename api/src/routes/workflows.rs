//! The workflows there are.

use actix_web::{HttpRequest, web};
use serde::Serialize;
use serde_json::Value;
use shared::workflow::{Definition, catalog};
use utoipa::ToSchema;

use super::{Access, Endpoint};
use crate::auth::Reader;
use crate::error::{Kind, Problem};
use crate::openapi::params::{Page, WorkflowPath};
use crate::params::Params;
use crate::views::PageView;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/v1/workflows", Access::Read, list),
        Endpoint::get("/api/v1/workflows/{name}", Access::Read, one),
    ]
}

/// A workflow in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workflow)]
pub struct WorkflowItem {
    #[schema(example = "cloudpath_dpsk_import")]
    name: String,
    version: u32,
    title: String,
    /// Ids, in the order they are shown.
    phases: Vec<String>,
}

impl WorkflowItem {
    fn of(definition: &Definition) -> Self {
        WorkflowItem {
            name: definition.name.clone(),
            version: definition.version,
            title: definition.title.clone(),
            phases: definition.phases.iter().map(|p| p.id.to_string()).collect(),
        }
    }
}

/// All workflows, by name.
///
/// Name, version and phases of each. A job keeps the definition it was started with.
#[utoipa::path(get, path = "/api/v1/workflows", operation_id = "workflows", tag = "workflows", params(Page),
    responses((status = 200, description = "A page of workflows", body = PageView<WorkflowItem>)))]
async fn list(_: Reader, req: HttpRequest) -> Result<web::Json<PageView<WorkflowItem>>, Problem> {
    let mut params = Params::of(&req);
    // the name behind which the page begins, whether or not there is such a workflow any more
    let after = params.text("cursor").unwrap_or_default();
    let limit = params.limit();
    params.finish()?;
    let mut found: Vec<&Definition> = catalog::all().iter().filter(|d| d.name > after).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let next = found.get(limit).and(found.get(limit - 1)).map(|d| d.name.clone());
    Ok(web::Json(PageView {
        items: found.into_iter().take(limit).map(WorkflowItem::of).collect(),
        next_cursor: next,
    }))
}

/// One workflow.
///
/// With its phases, as jobs started now will run it.
#[utoipa::path(get, path = "/api/v1/workflows/{name}", operation_id = "workflow", tag = "workflows", params(WorkflowPath),
    responses((status = 200, description = "The definition", body = Object), (status = 404, description = "No such workflow")))]
async fn one(_: Reader, name: web::Path<String>, req: HttpRequest) -> Result<web::Json<Value>, Problem> {
    Params::of(&req).finish()?;
    let definition = catalog::find(&name).ok_or_else(|| unknown(&name))?;
    serde_json::to_value(definition)
        .map(web::Json)
        .map_err(|_| Problem::internal())
}

/// A 404 that names it.
pub(super) fn unknown(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::new(Kind::NotFound, format!("there is no workflow `{name}`"))
}
