//! What is true of every operation, told once: how callers prove who they are, the errors anything can end with, limits, examples.

use std::collections::HashSet;

use serde_json::{Value, json};
use utoipa::Modify;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Header, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Type};

use super::examples;
use crate::error::PROBLEM_JSON;
use crate::limits::{Body, Limits};
use crate::routes::{self, Access, Endpoint};

pub struct Everywhere;

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
        for endpoint in routes::all() {
            let Some(item) = document.paths.paths.get_mut(endpoint.path) else {
                continue;
            };
            let operation = match endpoint.method.as_str() {
                "GET" => item.get.as_mut(),
                "DELETE" => item.delete.as_mut(),
                _ => item.post.as_mut(),
            };
            if let Some(operation) = operation {
                complete(&endpoint, operation);
            }
        }
    }
}

fn complete(endpoint: &Endpoint, operation: &mut Operation) {
    errors(endpoint, operation);
    limits(endpoint.limits, operation);
    if let Some(parameters) = &mut operation.parameters {
        // The path's are found in the handler's arguments as well, with nothing but their names; ours come first.
        let mut seen = HashSet::new();
        parameters.retain(|p| match p {
            RefOr::T(p) => seen.insert(p.name.clone()),
            RefOr::Ref(_) => true,
        });
    }
    let id = operation.operation_id.clone().unwrap_or_default();
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        // Only an import is nothing without its body.
        body.required = Some(match endpoint.limits.body {
            Body::Export => Required::True,
            Body::None | Body::Small | Body::Corrections => Required::False,
        });
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                examples::add(&id, "request", content);
            }
        }
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) {
            problem(response);
        }
        headers(status, response);
        for content in response.content.values_mut() {
            if let RefOr::T(content) = content {
                examples::add(&id, status, content);
            }
        }
    }
}

fn errors(endpoint: &Endpoint, operation: &mut Operation) {
    let mut common = vec![
        ("431", "More than 16 KiB of headers"),
        ("500", "An error of ours; the log has it under the request id"),
        (
            "503",
            "Redis is away or full, or the answer was not ready in time; Retry-After says when to come back",
        ),
    ];
    if endpoint.access != Access::Open {
        common.push(("400", "The input has faults: each is listed in errors"));
        common.push(("401", "No token, or one that is not accepted"));
        common.push(("403", "The token's roles do not allow it"));
    }
    if endpoint.path.contains('{') {
        common.push(("404", "There is no such thing, or it is another tenant's"));
    }
    if endpoint.limits.body != Body::None {
        common.push(("408", "The body stopped arriving"));
        common.push(("413", "The body is too large; limit_bytes is what is taken"));
        common.push(("415", "Not application/json, or compressed"));
    }
    for (status, description) in common {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(description).build()));
    }
}

/// Every error has the same body.
fn problem(response: &mut Response) {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    response.content.insert(PROBLEM_JSON.to_owned(), body.into());
}

fn headers(status: &str, response: &mut Response) {
    let header = |kind: Type, description: &str| -> RefOr<Header> {
        let schema = ObjectBuilder::new().schema_type(kind);
        HeaderBuilder::new()
            .schema(Some(schema))
            .description(Some(description))
            .build()
            .into()
    };
    let id = header(
        Type::String,
        "Id of the request: the caller's own, or one of ours; also in our log",
    );
    response.headers.insert("X-Request-Id".to_owned(), id);
    match status {
        "401" => {
            let challenge = header(Type::String, "Bearer, and what is wrong with the token");
            response.headers.insert("WWW-Authenticate".to_owned(), challenge);
        }
        "503" => {
            let after = header(Type::Integer, "Seconds after which another try is worth it");
            response.headers.insert("Retry-After".to_owned(), after);
        }
        _ => {}
    }
}

/// For people in the description, for machines in `x-limits`.
fn limits(limits: Limits, operation: &mut Operation) {
    let mut told = json!({"answer_seconds": limits.answer.as_secs()});
    let mut words = Vec::new();
    if let (Some(body), Value::Object(told)) = (limits.body.limits(), &mut told) {
        told.insert("body_bytes".to_owned(), body.bytes_max.into());
        told.insert("body_idle_seconds".to_owned(), body.idle.as_secs().into());
        told.insert("body_seconds".to_owned(), body.total.as_secs().into());
        words.push(format!(
            "a body of at most {}, in {} s, with at most {} s without a byte",
            bytes(body.bytes_max),
            body.total.as_secs(),
            body.idle.as_secs()
        ));
    }
    words.push(match limits.stream {
        None => format!("the answer within {} s", limits.answer.as_secs()),
        Some(_) => format!("the head of the answer within {} s", limits.answer.as_secs()),
    });
    if let (Some(whole), Value::Object(told)) = (limits.stream, &mut told) {
        told.insert("stream_seconds".to_owned(), whole.as_secs().into());
        words.push(format!("all of it within {} s, or it is broken off", whole.as_secs()));
    }
    operation.extensions = Some(ExtensionsBuilder::new().add("x-limits", told).build());
    let sentence = format!("Limits: {}.", words.join("; "));
    operation.description = Some(match operation.description.take().filter(|d| !d.is_empty()) {
        Some(description) => format!("{description}\n\n{sentence}"),
        None => sentence,
    });
}

fn bytes(n: u64) -> String {
    match (n >> 20, n >> 10) {
        (0, kib) => format!("{kib} KiB"),
        (mib, _) => format!("{mib} MiB"),
    }
}
