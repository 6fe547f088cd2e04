//! From a status and a body to a [`CallError`]. Knows the many shapes of the vendor's error bodies; no I/O.
//!
//! Shapes seen: `{requestId, errors:[{code,message,reason,suggestion}]}`, `{error:{…}, errors:[…]}`, `{status:"400 BAD_REQUEST",
//! message, subErrors:[{object,field,message}]}`, `{nestedErrors:[…]}`, `{code,message}`, OAuth's `{error,error_description}`, all of
//! these as JSON inside a string inside JSON, as JSON declared text/plain, and HTML of a gateway.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use shared::secret::SecretString;

use crate::remote::{CallError, clean, mask};

/// What an error body says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The vendor's code of the most specific error, such as `DPSK-020`.
    pub code: Option<String>,
    /// The messages, most specific first, at most three.
    pub message: String,
    /// Says that an object, or its name, exists already.
    pub uniqueness: bool,
}

/// Errors nested deeper than this are not looked for; the vendor nests twice.
const DEPTH_MAX: u32 = 8;

impl ErrorBody {
    pub fn parse(body: &[u8], secrets: &[SecretString]) -> Self {
        let text = String::from_utf8_lossy(body);
        let mut items = Vec::new();
        match serde_json::from_str::<Value>(&text) {
            Ok(value) => collect(&value, 0, &mut items),
            Err(_) => items.push(Item::text(&without_tags(&mask(&text, secrets)))),
        }
        Self::from_items(items, secrets)
    }

    /// The `error` and `errors` fields of an activity, which come as text, JSON, or JSON in text. Raw, secrets included: whoever asks
    /// after activities does not know what was in the requests. Has to go through [`clean`] where that is known.
    pub fn of_values<'a>(values: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut items = Vec::new();
        for value in values {
            collect(value, 0, &mut items);
        }
        ErrorBody {
            message: messages(&items),
            ..Self::from_items(items, &[])
        }
    }

    fn from_items(items: Vec<Item>, secrets: &[SecretString]) -> Self {
        let holds_secret = |s: &str| secrets.iter().any(|x| !x.expose().is_empty() && s.contains(x.expose()));
        let is_code = |s: &String| {
            (1..=40).contains(&s.len())
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                && !holds_secret(s)
        };
        ErrorBody {
            uniqueness: items.iter().any(Item::is_uniqueness),
            code: items.iter().find_map(|i| i.code.clone().filter(is_code)),
            message: clean(&messages(&items), secrets),
        }
    }
}

fn messages(items: &[Item]) -> String {
    let mut messages: Vec<&str> = Vec::new();
    for item in items {
        if !item.message.is_empty() && !messages.contains(&item.message.as_str()) && messages.len() < 3 {
            messages.push(&item.message);
        }
    }
    messages.join("; ")
}

struct Item {
    code: Option<String>,
    message: String,
}

impl Item {
    fn text(message: &str) -> Self {
        Item {
            code: None,
            message: message.trim().to_owned(),
        }
    }

    /// DPSK-020: the user name exists in the pool. GENERAL-010: an identity of that name exists in the group. Other services
    /// have no code for it, only words.
    fn is_uniqueness(&self) -> bool {
        if matches!(self.code.as_deref(), Some("DPSK-020" | "GENERAL-010")) {
            return true;
        }
        let text = self.message.to_lowercase();
        [
            "must be unique",
            "already exist",
            "already in use",
            "already used",
            "duplicate",
        ]
        .iter()
        .any(|w| text.contains(w))
    }
}

fn collect(value: &Value, depth: u32, items: &mut Vec<Item>) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::String(text) => match inner_json(text) {
            Some(inner) => collect(&inner, depth + 1, items),
            None => items.push(Item::text(text)),
        },
        Value::Array(list) => list.iter().for_each(|v| collect(v, depth + 1, items)),
        Value::Object(fields) => {
            for key in ["errors", "subErrors", "nestedErrors"] {
                fields.get(key).into_iter().for_each(|v| collect(v, depth + 1, items));
            }
            let string = |key: &str| {
                fields
                    .get(key)
                    .and_then(Value::as_str)
                    .map(str::to_owned)
                    .filter(|s| !s.is_empty())
            };
            let mut code = string("code");
            match fields.get("error") {
                // OAuth: `error` is the code.
                Some(Value::String(s)) if fields.contains_key("error_description") => code = code.or(Some(s.clone())),
                Some(inner) => collect(inner, depth + 1, items),
                None => {}
            }
            let mut message = ["message", "error_description", "reason", "detail", "title"]
                .iter()
                .find_map(|key| string(key))
                .unwrap_or_default();
            if let Some(inner) = inner_json(&message) {
                collect(&inner, depth + 1, items);
                message.clear();
            }
            if message.is_empty() && code.is_none() && items.is_empty() {
                message = string("debugMessage").unwrap_or_default();
            }
            if let Some(field) = string("field") {
                let object = string("object").map(|o| o + ".").unwrap_or_default();
                message = format!("{object}{field}: {message}");
            }
            if code.is_some() || !message.is_empty() {
                items.push(Item { code, message });
            }
        }
        _ => {}
    }
}

fn inner_json(text: &str) -> Option<Value> {
    let text = text.trim();
    text.starts_with(['{', '[', '"'])
        .then(|| serde_json::from_str(text).ok())?
}

/// The words of an HTML page: what a gateway says when the service behind it does not answer.
fn without_tags(text: &str) -> String {
    let (mut out, mut in_tag) = (String::new(), false);
    for c in text.chars().take(20_000) {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                out.push(' ');
            }
            c if !in_tag => out.push(c),
            _ => {}
        }
    }
    out
}

/// An answer outside of 2xx, and what is needed to judge it.
pub struct Refusal<'a> {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: &'a [u8],
    /// Where a 3xx points to: host only.
    pub location_host: Option<String>,
    pub write: bool,
    pub secrets: &'a [SecretString],
}

/// The one place where a status code becomes a kind of error.
pub fn classify(refusal: &Refusal<'_>) -> CallError {
    let &Refusal {
        status,
        retry_after,
        write,
        ..
    } = refusal;
    let ErrorBody {
        code,
        message: detail,
        uniqueness,
    } = ErrorBody::parse(refusal.body, refusal.secrets);
    match status {
        429 => CallError::RateLimited { retry_after },
        401 | 403 => CallError::Auth { status, code, detail },
        408 if write => CallError::Ambiguous {
            write,
            detail: format!("the controller gave up waiting (408) {detail}")
                .trim_end()
                .to_owned(),
        },
        408 | 423 | 425 => CallError::Transient {
            status,
            retry_after,
            code,
            detail,
        },
        409 => CallError::Conflict {
            status,
            code,
            detail,
            uniqueness,
        },
        400 | 422 if uniqueness => CallError::Conflict {
            status,
            code,
            detail,
            uniqueness,
        },
        404 => CallError::NotFound { code, detail },
        501 | 505 => CallError::Rejected { status, code, detail },
        500.. => CallError::ServerError {
            status,
            retry_after,
            write,
            detail,
        },
        300..400 => CallError::Rejected {
            status,
            code: None,
            detail: match &refusal.location_host {
                Some(host) => format!(
                    "it redirects to {}, which is not followed",
                    clean(host, refusal.secrets)
                ),
                None => "it redirects, which is not followed".into(),
            },
        },
        _ => CallError::Rejected { status, code, detail },
    }
}

/// The longest `Retry-After` that is believed: five minutes, as long as the longest backoff of ours. Real ones are seconds; an absurd
/// one (a date in another year, or 2^64 seconds) would stop a whole fleet for good, and overflow every sum of time points.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// `Retry-After`: seconds, or an HTTP date measured against `now`, the server's own clock where its answer tells it. At most
/// [`RETRY_AFTER_MAX`].
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // more digits than a u64 holds are many seconds too
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        Duration::try_from(http_date(value)?.duration_since(now)).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(value: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(value.trim()).ok().map(|z| z.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> ErrorBody {
        ErrorBody::parse(text.as_bytes(), &[])
    }

    fn judged(status: u16, text: &str, write: bool) -> CallError {
        classify(&Refusal {
            status,
            retry_after: None,
            body: text.as_bytes(),
            location_host: None,
            write,
            secrets: &[],
        })
    }

    #[test]
    fn every_shape_of_error_body_yields_code_and_message() {
        for (text, code, message) in [
            (
                r#"{"requestId":"r","errors":[{"code":"WIFI-10001","message":"Invalid request","reason":"x"}]}"#,
                Some("WIFI-10001"),
                "Invalid request",
            ),
            (
                r#"{"requestId":"r","debugMessage":"d","error":{"code":"DPSK-020","message":"Username 'u' already exists"}}"#,
                Some("DPSK-020"),
                "Username 'u' already exists",
            ),
            (
                r#"{"status":"400 BAD_REQUEST","message":"Validation Error","subErrors":[{"object":"DPSK service","field":"name","message":"Name must be unique"}]}"#,
                None,
                "DPSK service.name: Name must be unique; Validation Error",
            ),
            (
                r#"{"message":"outer","nestedErrors":[{"code":"P-1","message":"inner"}]}"#,
                Some("P-1"),
                "inner; outer",
            ),
            (
                r#"{"code":"RCG-10003","message":"Please re-login, the session has expired."}"#,
                Some("RCG-10003"),
                "Please re-login, the session has expired.",
            ),
            (
                r#"{"error":"invalid_client","error_description":"Bad credentials"}"#,
                Some("invalid_client"),
                "Bad credentials",
            ),
            (
                r#"{"timestamp":"t","status":503,"error":"Service Unavailable","path":"/x"}"#,
                None,
                "Service Unavailable",
            ),
            (
                r#"{"requestId":"r","errors":["{\"code\":\"WIFI-10126\",\"message\":\"Insufficient licenses\"}"]}"#,
                Some("WIFI-10126"),
                "Insufficient licenses",
            ),
            (
                "<html><head><title>503 Service Unavailable</title></head><body>upstream connect error</body></html>",
                None,
                "503 Service Unavailable upstream connect error",
            ),
            (
                "upstream connect error or disconnect/reset before headers",
                None,
                "upstream connect error or disconnect/reset before headers",
            ),
            ("", None, ""),
            ("{}", None, ""),
            ("null", None, ""),
        ] {
            assert_eq!(
                (body(text).code.as_deref(), body(text).message.as_str()),
                (code, message),
                "{text}"
            );
        }
    }

    #[test]
    fn a_body_inside_a_string_inside_a_string_is_opened() {
        let inner = r#"{"message":"Validation Error","subErrors":[{"object":"DPSK service","field":"name","message":"Name must be unique"}]}"#;
        let middle = serde_json::json!({"requestId": "r", "errors": [inner]}).to_string();
        let outer = Value::String(middle);
        let found = ErrorBody::of_values([&outer]);
        assert!(
            found.uniqueness && found.message.contains("Name must be unique"),
            "{found:?}"
        );
    }

    #[test]
    fn a_body_nested_without_end_is_given_up() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(body(&deep), ErrorBody::default());
    }

    #[test]
    fn statuses_become_kinds() {
        use CallError as E;
        assert!(matches!(judged(429, "", true), E::RateLimited { .. }));
        assert!(matches!(judged(403, "", true), E::Auth { status: 403, .. }));
        assert!(matches!(judged(404, "", true), E::NotFound { .. }));
        assert!(matches!(judged(408, "", true), E::Ambiguous { write: true, .. }));
        assert!(matches!(judged(408, "", false), E::Transient { status: 408, .. }));
        assert!(matches!(judged(423, "", true), E::Transient { status: 423, .. }));
        assert!(matches!(
            judged(422, r#"{"code":"X-1","message":"no"}"#, true),
            E::Rejected { status: 422, .. }
        ));
        assert!(matches!(judged(501, "", true), E::Rejected { status: 501, .. }));
        assert!(matches!(
            judged(503, "<html>", true),
            E::ServerError {
                status: 503,
                write: true,
                ..
            }
        ));
        assert!(matches!(judged(302, "", true), E::Rejected { status: 302, .. }));
    }

    #[test]
    fn existing_names_are_conflicts_whatever_the_status_and_other_conflicts_are_tried_again() {
        for (status, text) in [
            (409, r#"{"errors":[{"code":"DPSK-020","message":"x"}]}"#),
            (400, r#"{"errors":[{"code":"GENERAL-010","message":"x"}]}"#),
            (422, r#"{"message":"Name must be unique"}"#),
        ] {
            assert!(
                matches!(judged(status, text, true), CallError::Conflict { uniqueness: true, .. }),
                "{text}"
            );
        }
        let busy = judged(
            409,
            r#"{"code":"DPSK-026","message":"pool still contains passphrases"}"#,
            true,
        );
        assert!(matches!(busy, CallError::Conflict { uniqueness: false, .. }) && busy.is_transient());
    }

    #[test]
    fn secrets_of_the_request_are_masked_even_where_a_code_is_expected() {
        let secret = SecretString::new("geheim1234");
        let found = ErrorBody::parse(
            br#"{"code":"geheim1234","message":"value geheim1234 is weak"}"#,
            &[secret],
        );
        assert_eq!((found.code, found.message.as_str()), (None, "value *** is weak"));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(retry_after(" 17 ", now), Some(Duration::from_secs(17)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:50:00 GMT", now),
            Some(Duration::from_secs(23))
        );
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("", now), None);
    }

    #[test]
    fn an_absurd_retry_after_is_cut_to_five_minutes() {
        let now = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for absurd in [
            "301",
            "18446744073709551615",
            "18446744073709551616",
            "Fri, 06 Nov 9998 08:49:37 GMT",
        ] {
            assert_eq!(retry_after(absurd, now), Some(RETRY_AFTER_MAX), "{absurd}");
        }
        assert_eq!(retry_after("300", now), Some(RETRY_AFTER_MAX));
    }
}
