//! Around every request: its id, its time, one log line, its metrics, and that whatever goes wrong (a panic included)
//! ends as problem details. Bodies, query strings and headers are never logged: they may hold secrets.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::auth::CallerTenant;
use crate::error::{Kind, PROBLEM_JSON, Problem};
use crate::metrics::Metrics;

/// Names and values together. A token has 8 KiB at most; the rest is what proxies add.
const HEADER_BYTES_MAX: usize = 16 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Headers of a framework's error answer that its problem details keep.
const KEPT: [HeaderName; 3] = [header::ALLOW, header::RETRY_AFTER, header::CONNECTION];

/// Id of a request: the caller's own, or one of ours. In the answer's header, in problems and in the log.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Middleware of the whole application; the outermost.
pub async fn observe<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let began = Instant::now();
    let id = request_id(&req);
    let method = req.method().to_string();
    let path = req.path().to_owned();
    let route = req.match_pattern().unwrap_or_else(|| "unknown".to_owned());
    let metrics = req.app_data::<web::Data<Metrics>>().cloned();
    req.extensions_mut().insert(RequestId(id.clone()));

    let outcome = if header_bytes(&req) > HEADER_BYTES_MAX {
        let problem = Problem::new(
            Kind::HeadersTooLarge,
            format!("headers may have {HEADER_BYTES_MAX} bytes"),
        );
        Ok(req.into_response(problem.respond(&path, &id)))
    } else {
        match AssertUnwindSafe(next.call(req)).catch_unwind().await {
            Ok(answer) => answer.map(ServiceResponse::map_into_boxed_body),
            Err(_) => {
                if let Some(metrics) = &metrics {
                    metrics.panics.inc();
                }
                tracing::error!(method, route, request_id = id, "a handler panicked");
                Err(Problem::internal().closing().into())
            }
        }
    };
    let (mut answer, tenant) = match outcome {
        Ok(answer) => {
            let tenant = answer
                .request()
                .extensions()
                .get::<CallerTenant>()
                .and_then(|t| t.0.clone());
            (Ok(with_problem(answer, &path, &id)), tenant)
        }
        // The request is gone with the handler: the server makes an answer of the error as it is.
        Err(error) => (Err(filled(&error, &path, &id)), None),
    };
    let status = match &mut answer {
        Ok(answer) => {
            if let Ok(value) = HeaderValue::from_str(&id) {
                answer.headers_mut().insert(REQUEST_ID, value);
            }
            answer.status()
        }
        Err(error) => error.as_response_error().status_code(),
    };
    let seconds = began.elapsed().as_secs_f64();
    if let Some(metrics) = metrics {
        metrics.answered(&method, &route, status.as_u16(), seconds);
    }
    log(
        &method,
        &route,
        status.as_u16(),
        seconds,
        tenant.as_ref().map_or("-", |t| t.as_str()),
        &id,
    );
    answer
}

fn log(method: &str, route: &str, status: u16, seconds: f64, tenant: &str, request_id: &str) {
    let ms = (seconds * 1000.0).round() as u64;
    match (route, status) {
        // Asked every few seconds by machines, which keep count of failures themselves.
        ("/healthz" | "/readyz" | "/metrics", _) => {
            tracing::debug!(method, route, status, ms, tenant, request_id, "request");
        }
        (_, 500..) => tracing::warn!(method, route, status, ms, tenant, request_id, "request"),
        _ => tracing::info!(method, route, status, ms, tenant, request_id, "request"),
    }
}

/// The caller's id when it can stand in a header and a log line as it is, else a fresh one.
fn request_id(req: &ServiceRequest) -> String {
    req.headers()
        .get(REQUEST_ID)
        .and_then(|v| v.to_str().ok())
        .filter(|v| (1..=64).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

fn header_bytes(req: &ServiceRequest) -> usize {
    req.headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

/// Gives an error answer its problem details, whoever made it: a handler, an extractor or the router.
fn with_problem(answer: ServiceResponse<BoxBody>, path: &str, id: &str) -> ServiceResponse<BoxBody> {
    let status = answer.status();
    if !status.is_client_error() && !status.is_server_error() {
        return answer;
    }
    let ours = answer.response().error().and_then(|e| e.as_error::<Problem>()).cloned();
    let already = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|v| v == PROBLEM_JSON);
    if ours.is_none() && already {
        return answer;
    }
    let problem = ours.unwrap_or_else(|| Problem::of_status(status));
    let problem = match answer.request().method().is_safe() {
        true => problem.of_a_read(),
        false => problem,
    };
    let mut fresh = problem.respond(path, id);
    for name in KEPT {
        if let Some(value) = answer.headers().get(&name)
            && !fresh.headers().contains_key(&name)
        {
            fresh.headers_mut().insert(name, value.clone());
        }
    }
    answer.into_response(fresh)
}

/// The same for an error that comes without a request.
fn filled(error: &Error, path: &str, id: &str) -> Error {
    let problem = match error.as_error::<Problem>() {
        Some(problem) => problem.clone(),
        None => Problem::of_status(error.as_response_error().status_code()),
    };
    problem.located(path, id).into()
}
