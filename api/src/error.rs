//! What a caller is told when something is wrong: RFC 9457 problem details, for every error the API can answer with.
//!
//! A problem never carries a secret, a stack, an address of ours or the text of an internal error: those go to the log,
//! together with the request id that the caller sees too.

use std::fmt;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use shared::job::JobStatus;
use utoipa::ToSchema;

use crate::difference::Difference;

/// Media type of every error answer (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The kinds of problems. Each is one `type` URN, one status and one title; clients may match on them for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The input has faults; each is listed in `errors`.
    InvalidInput,
    /// The request itself is broken: a body that ends early, a header that cannot be read.
    BadRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// The body stopped arriving.
    Timeout,
    /// The job's state does not allow the call.
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    /// The same `Idempotency-Key` came before with another body.
    KeyReused,
    HeadersTooLarge,
    Internal,
    /// Redis is down, full or still starting. Nothing was changed.
    Unavailable,
    /// The answer was not ready in the time of its route.
    Overdue,
    /// This process has as many requests of this kind under way as it takes.
    Busy,
    /// A status of the framework that has no kind of its own.
    Other(u16),
}

impl Kind {
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidInput | Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable | Self::Overdue | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Other(code) => StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn slug(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::BadRequest => "bad-request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Timeout => "timeout",
            Self::Conflict => "conflict",
            Self::TooLarge => "too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::KeyReused => "idempotency-key-reused",
            Self::HeadersTooLarge => "headers-too-large",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::Overdue => "overdue",
            Self::Busy => "busy",
            Self::Other(_) => "http",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::InvalidInput => "The input has faults",
            Self::BadRequest => "The request cannot be understood",
            Self::Unauthenticated => "Authentication needed",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Timeout => "The request took too long to arrive",
            Self::Conflict => "Not possible in this state",
            Self::TooLarge => "The body is too large",
            Self::UnsupportedMediaType => "Unsupported media type",
            Self::KeyReused => "Idempotency-Key used before with another body",
            Self::HeadersTooLarge => "The headers are too large",
            Self::Internal => "Internal error",
            Self::Unavailable => "Temporarily unavailable",
            Self::Overdue => "The answer took too long",
            Self::Busy => "Too many at once",
            Self::Other(_) => "The request was refused",
        }
    }

    fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::BadRequest,
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::Timeout,
            413 => Self::TooLarge,
            415 => Self::UnsupportedMediaType,
            431 => Self::HeadersTooLarge,
            500 => Self::Internal,
            503 => Self::Unavailable,
            code => Self::Other(code),
        }
    }
}

/// One fault of the input. Where it is stands in exactly one of `pointer`, `parameter` and `header`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) into the request body; the empty pointer is the whole body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/dpsk_data/dpsks/17/passphrase")]
    pub pointer: Option<String>,
    /// Name of the query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Name of the request header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// For machines; stable.
    #[schema(example = "PASSPHRASE_TOO_SHORT")]
    pub code: String,
    /// For people: what is wrong and what is taken instead.
    pub detail: String,
}

impl Fault {
    pub fn at(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Fault {
            pointer: Some(pointer.into()),
            code: code.to_owned(),
            detail: detail.into(),
            ..Self::default()
        }
    }

    pub fn parameter(name: &str, code: &str, detail: impl Into<String>) -> Self {
        Fault {
            parameter: Some(name.to_owned()),
            code: code.to_owned(),
            detail: detail.into(),
            ..Self::default()
        }
    }

    pub fn header(name: &str, code: &str, detail: impl Into<String>) -> Self {
        Fault {
            header: Some(name.to_owned()),
            code: code.to_owned(),
            detail: detail.into(),
            ..Self::default()
        }
    }
}

/// An error answer: problem details of RFC 9457 with the members of ours.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A URN that names the kind of problem; stable.
    #[serde(rename = "type")]
    #[schema(example = "urn:phaseline:problem:invalid-input")]
    pub type_urn: String,
    pub title: &'static str,
    #[schema(example = 400)]
    pub status: u16,
    pub detail: String,
    /// Path of the request.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// Also in the `X-Request-Id` header and in our log.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// Every fault of the input, not only the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// How many faults there are, when `errors` lists only the first of very many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors_total: Option<u64>,
    /// With `conflict`: the state the job is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::openapi::words::JobStatusWord>)]
    pub state: Option<JobStatus>,
    /// Of an import that was to follow a plan: what has changed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// With `too-large`: the most bytes that are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
}

/// The error type of every handler. Boxed, because it travels in `Result`s.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    body: Box<ProblemBody>,
    retry_after_seconds: Option<u64>,
    /// The connection cannot be used again: part of the body was left unread.
    close: bool,
    /// Extra words for `WWW-Authenticate`.
    challenge: Option<&'static str>,
}

/// Bytes of a body, everywhere but for imports, which have a limit of their own.
pub const SMALL_BODY_MAX: usize = 64 * 1024;

/// What a caller is told when Redis is away.
const AWAY: &str = "Redis cannot be reached right now; nothing was changed, try again";

/// Seconds a caller is asked to wait when Redis is away. It is usually back in less; clients add their own backoff.
const RETRY_AFTER_SECONDS: u64 = 5;

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Problem {
            kind,
            body: Box::new(ProblemBody {
                type_urn: format!("urn:phaseline:problem:{}", kind.slug()),
                title: kind.title(),
                status: kind.status().as_u16(),
                detail: detail.into(),
                instance: String::new(),
                request_id: String::new(),
                errors: Vec::new(),
                errors_total: None,
                state: None,
                difference: None,
                limit_bytes: None,
            }),
            retry_after_seconds: matches!(kind, Kind::Unavailable | Kind::Overdue | Kind::Busy)
                .then_some(RETRY_AFTER_SECONDS),
            close: false,
            challenge: None,
        }
    }

    /// A 400 that lists `faults`.
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let total = faults.len() as u64;
        Self::invalid_of(faults, total)
    }

    /// A 400 that lists the first of `total` faults.
    pub fn invalid_of(faults: Vec<Fault>, total: u64) -> Self {
        let listed = faults.len() as u64;
        let detail = match faults.as_slice() {
            [one] if total == 1 => one.detail.clone(),
            _ if total > listed => format!("{total} faults; the first {listed} are listed in errors"),
            _ => format!("{total} faults; each is listed in errors"),
        };
        let mut problem = Self::new(Kind::InvalidInput, detail);
        problem.body.errors = faults;
        problem.body.errors_total = (total > listed).then_some(total);
        problem
    }

    pub fn no_such_job(id: &str) -> Self {
        let id: String = id.chars().take(64).collect();
        Self::new(Kind::NotFound, format!("there is no job `{id}`"))
    }

    pub fn too_large(limit_bytes: u64) -> Self {
        let mut problem = Self::new(Kind::TooLarge, format!("a body may have {limit_bytes} bytes here"));
        problem.body.limit_bytes = Some(limit_bytes);
        problem.closing()
    }

    pub fn unavailable() -> Self {
        Self::new(Kind::Unavailable, AWAY)
    }

    /// An answer that was not ready in time. `is_safe`: nothing could have been changed.
    pub fn overdue(within: Duration, is_safe: bool) -> Self {
        let seconds = within.as_secs();
        let detail = match is_safe {
            true => format!("the answer was not ready within {seconds} s; try again later"),
            false => format!(
                "the answer was not ready within {seconds} s, and what was asked for may have been done all the same: look at the job, \
                 or send it again (an import with the same Idempotency-Key)"
            ),
        };
        Self::new(Kind::Overdue, detail)
    }

    /// The same for a request that only reads: it needs no word on changes.
    pub fn of_a_read(mut self) -> Self {
        if self.body.detail == AWAY {
            self.body.detail = "Redis cannot be reached right now; try again later".to_owned();
        }
        self
    }

    pub fn internal() -> Self {
        Self::new(Kind::Internal, "an error of ours; the log has it under the request id")
    }

    pub fn conflict(state: JobStatus, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(Kind::Conflict, detail);
        problem.body.state = Some(state);
        problem
    }

    /// A 409: what would be done is not what was planned.
    pub fn changed(detail: impl Into<String>, difference: Difference) -> Self {
        let mut problem = Self::new(Kind::Conflict, detail);
        problem.body.difference = Some(difference);
        problem
    }

    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub fn challenge(mut self, words: &'static str) -> Self {
        self.challenge = Some(words);
        self
    }

    /// For answers that did not come from us but from the framework (unknown route, wrong method).
    pub fn of_status(status: StatusCode) -> Self {
        let kind = Kind::of_status(status);
        let detail = match kind {
            Kind::NotFound => "there is nothing at this path",
            Kind::MethodNotAllowed => "this path takes other methods; Allow lists them",
            Kind::Internal => return Self::internal(),
            Kind::TooLarge => return Self::too_large(SMALL_BODY_MAX as u64),
            _ => status.canonical_reason().unwrap_or("refused"),
        };
        Self::new(kind, detail)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn body(&self) -> &ProblemBody {
        &self.body
    }

    /// The answer, with what only the request knows filled in.
    pub fn respond(&self, instance: &str, request_id: &str) -> HttpResponse {
        self.clone().located(instance, request_id).error_response()
    }

    pub fn located(mut self, instance: &str, request_id: &str) -> Self {
        self.body.instance = instance.to_owned();
        self.body.request_id = request_id.to_owned();
        self
    }

    fn render(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.kind.status());
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.kind == Kind::Unauthenticated {
            let challenge = self.challenge.unwrap_or("Bearer realm=\"phaseline\"");
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if self.close {
            response.force_close();
        }
        // Serialising strings and numbers cannot fail; were it ever to, the status alone still tells.
        response.body(serde_json::to_vec(&self.body).unwrap_or_default())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.body.detail, self.body.status)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_tells_its_kind_and_when_to_come_back() {
        let answer = Problem::unavailable().respond("/api/v1/jobs", "r-1");
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers().get("retry-after").unwrap(), "5");
        assert_eq!(answer.headers().get("content-type").unwrap(), PROBLEM_JSON);
    }

    #[test]
    fn one_fault_is_said_in_the_detail_several_are_counted() {
        let fault = |p: &str| Fault::at(p, "X", format!("bad {p}"));
        assert_eq!(Problem::invalid(vec![fault("/a")]).body().detail, "bad /a");
        assert!(
            Problem::invalid(vec![fault("/a"), fault("/b")])
                .body()
                .detail
                .starts_with("2 faults")
        );
    }
}
