//! Every route of the API, in one visible list: method, path, who may call it, what it may cost, handler.

mod about;
pub mod admin;
pub mod audit;
pub mod cleanup;
pub mod cloudpath;
pub mod dead_letters;
pub mod docs;
pub mod document;
mod export;
pub mod health;
pub mod jobs;
pub mod plan;
pub mod report;
pub mod retry;
pub mod steer;
pub mod workflows;

use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, Responder, Route, guard, web};
use serde_json::{Map, Value};
use std::time::Duration;

use crate::error::{Fault, Kind, Problem};
use crate::limits::{Body, Limits, keep};

/// Who may call a route. The handler enforces it by the extractor it takes; a test calls every route with every role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a token.
    Open,
    /// Any role.
    Read,
    /// `user` or `admin` of a tenant.
    Submit,
    /// `user`, `admin` or `operator`.
    Steer,
    /// `admin` for their own tenant, `operator` for all.
    Administer,
    /// `operator`.
    Operate,
}

/// One method of one path.
pub struct Endpoint {
    pub method: Method,
    /// Template, as in the OpenAPI document.
    pub path: &'static str,
    pub access: Access,
    pub limits: Limits,
    /// A page for people: no operation of the API, and not in its document.
    pub is_page: bool,
    route: Route,
}

impl Endpoint {
    /// Answers HEAD as well, as HTTP wants it of whatever answers GET (RFC 9110, 9.1); [`crate::head`] takes the body off.
    fn get<F, Args>(path: &'static str, access: Access, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Endpoint {
            method: Method::GET,
            path,
            access,
            limits: Limits::READ,
            is_page: false,
            route: web::route()
                .guard(guard::Any(guard::Get()).or(guard::Head()))
                .to(handler),
        }
    }

    fn post<F, Args>(path: &'static str, access: Access, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Endpoint {
            method: Method::POST,
            path,
            access,
            limits: Limits::WRITE,
            is_page: false,
            route: web::post().to(handler),
        }
    }

    fn delete<F, Args>(path: &'static str, access: Access, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Endpoint {
            method: Method::DELETE,
            path,
            access,
            // without a body
            limits: Limits::READ,
            is_page: false,
            route: web::delete().to(handler),
        }
    }

    fn takes(mut self, body: Body) -> Self {
        self.limits.body = body;
        self
    }

    fn answers_within(mut self, answer: Duration) -> Self {
        self.limits.answer = answer;
        self
    }

    /// For a route whose answer streams.
    fn streams_for(mut self, whole: Duration) -> Self {
        self.limits.stream = Some(whole);
        self
    }

    fn page(mut self) -> Self {
        self.is_page = true;
        self
    }

    /// The handler within its limits.
    fn guarded(self) -> Route {
        let limits = self.limits;
        self.route.wrap(from_fn(move |req, next| keep(limits, req, next)))
    }
}

/// All of them.
pub fn all() -> Vec<Endpoint> {
    let groups = [
        cloudpath::endpoints(),
        plan::endpoints(),
        workflows::endpoints(),
        jobs::endpoints(),
        report::endpoints(),
        steer::endpoints(),
        retry::endpoints(),
        cleanup::endpoints(),
        audit::endpoints(),
        admin::endpoints(),
        dead_letters::endpoints(),
        health::endpoints(),
        document::endpoints(),
        docs::endpoints(),
    ];
    groups.into_iter().flatten().collect()
}

/// Registers every endpoint. Another method on a known path answers 405 with `Allow`.
pub fn configure(app: &mut web::ServiceConfig) {
    let mut endpoints = all();
    // Methods of one path are one resource; order within it does not matter.
    endpoints.sort_by_key(|e| e.path);
    let mut left = endpoints.into_iter().peekable();
    while let Some(first) = left.next() {
        let path = first.path;
        let mut resource = web::resource(path).route(first.guarded());
        while let Some(next) = left.next_if(|e| e.path == path) {
            resource = resource.route(next.guarded());
        }
        app.service(resource);
    }
}

/// Bodies are JSON and say so. Asking for it keeps forms of other sites out as well.
fn require_json(content_type: Option<&HeaderValue>) -> Result<(), Problem> {
    let kind = content_type.and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::new(
            Kind::UnsupportedMediaType,
            "send `Content-Type: application/json`",
        ))
    }
}

/// The members of a small JSON object: `known` ones are handed out, everything else is a fault.
fn members(body: &[u8], known: &[&str], faults: &mut Vec<Fault>) -> Map<String, Value> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => {
            for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
                let name: String = name.chars().take(64).collect();
                let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
                let detail = match known {
                    [] => "not known; no members are".to_owned(),
                    _ => format!("not known; known are {}", known.join(", ")),
                };
                faults.push(Fault::at(pointer, "UNKNOWN_FIELD", detail));
            }
            members
        }
        Ok(_) => {
            faults.push(Fault::at("", "WRONG_TYPE", "an object is needed"));
            Map::new()
        }
        Err(error) => {
            let place = format!("not JSON at line {}, column {}", error.line(), error.column());
            faults.push(Fault::at("", "MALFORMED_JSON", place));
            Map::new()
        }
    }
}
