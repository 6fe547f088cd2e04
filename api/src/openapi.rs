//! The OpenAPI 3.1 document: made of the handlers' own annotations, with what is true of every operation added here.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::error::{Fault, PROBLEM_JSON, ProblemBody};
use crate::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Phaseline",
        description = "Durable bulk workflows. Errors are problem details (RFC 9457); lists page by cursor.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        routes::cloudpath::import,
        routes::cloudpath::status,
        routes::workflows::list,
        routes::workflows::one,
        routes::jobs::list,
        routes::jobs::one,
        routes::jobs::tasks,
        routes::report::report,
        routes::steer::pause,
        routes::steer::resume,
        routes::steer::cancel,
        routes::admin::streams,
        routes::admin::workers,
        routes::admin::limits,
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

/// What every operation shares: how callers prove who they are, and the errors anything can end with.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "Claims: sub, tenant_id, roles (viewer, user, admin, operator), exp",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        for (path, item) in &mut document.paths.paths {
            let operations = [&mut item.get, &mut item.post];
            for operation in operations.into_iter().flatten() {
                errors(path, operation);
            }
        }
    }
}

fn errors(path: &str, operation: &mut Operation) {
    // An operation that lists its own (empty) security is open to everybody.
    let is_open = operation.security.is_some();
    let mut common = vec![("500", "An error of ours; the log has it under the request id")];
    if !is_open {
        common.push(("400", "The input has faults: each is listed in errors"));
        common.push(("401", "No token, or one that is not accepted"));
        common.push(("403", "The token's roles do not allow it"));
        common.push(("503", "Redis is away or full; Retry-After says when to come back"));
    }
    if path.contains('{') {
        common.push(("404", "There is no such thing, or it is another tenant's"));
    }
    for (status, description) in common {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(description).build()));
    }
    for (status, response) in &mut operation.responses.responses {
        if let (RefOr::T(response), true) = (response, status.starts_with(['4', '5'])) {
            problem(response);
        }
    }
}

/// Every error has the same body.
fn problem(response: &mut Response) {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    response.content.insert(PROBLEM_JSON.to_owned(), body.into());
}
