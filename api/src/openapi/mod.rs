//! The OpenAPI 3.1 document: made of the handlers' own annotations and the types they answer with; what is true of every operation is
//! added by [`everywhere`].

mod everywhere;
mod examples;
pub mod params;
pub mod scalars;
pub mod words;

use everywhere::Everywhere;
use utoipa::OpenApi;

use crate::error::{Fault, ProblemBody};
use crate::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Phaseline",
        description = include_str!("about.md"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "cloudpath", description = "Import Cloudpath exports into RUCKUS One"),
        (name = "jobs", description = "Look at jobs of every kind, and steer them"),
        (name = "workflows", description = "What jobs can be of"),
        (name = "admin", description = "For whoever runs the fleet"),
        (name = "health", description = "For machines that watch us; open to everybody")
    ),
    paths(
        routes::cloudpath::import,
        routes::cloudpath::status,
        routes::plan::plan,
        routes::plan::plan_workflow,
        routes::workflows::list,
        routes::workflows::one,
        routes::jobs::list,
        routes::jobs::one,
        routes::jobs::tasks,
        routes::report::report,
        routes::steer::confirm,
        routes::steer::pause,
        routes::steer::resume,
        routes::steer::cancel,
        routes::retry::retry,
        routes::cleanup::cleanup,
        routes::cleanup::cleanup_import,
        routes::audit::audit,
        routes::audit::audit_import,
        routes::admin::streams,
        routes::admin::workers,
        routes::admin::limits,
        routes::dead_letters::dead_letters,
        routes::dead_letters::replay_dead_letter,
        routes::dead_letters::dismiss_dead_letter,
        routes::health::healthz,
        routes::health::readyz,
        routes::health::metrics,
        routes::document::document
    ),
    components(schemas(ProblemBody, Fault)),
    security(("bearer" = [])),
    modifiers(&Everywhere)
)]
struct Document;

/// The document of this version.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
