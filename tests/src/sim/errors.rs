//! Error bodies: every service of RUCKUS One has its own shape.

use serde_json::{Value, json};

use super::clock::{Millis, iso};
use super::route::Op;

/// What a call is refused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status.
    pub status: u16,
    /// Vendor code such as `DPSK-020`.
    pub code: String,
    /// Text for people.
    pub message: String,
}

impl Fault {
    /// A refusal.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
        }
    }

    /// 404 for an object.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(404, "GENERAL-404", format!("{what} '{id}' not found"))
    }

    /// 400 for a field.
    pub fn invalid(field: &str, message: &str) -> Self {
        Self::new(400, "GENERAL-400", format!("{field}: {message}"))
    }

    /// The body the service behind `op` would answer with.
    pub fn body(&self, op: Option<Op>, request_id: &str, now: Millis) -> Value {
        let Self { status, code, message } = self;
        let one = json!({"code": code, "message": message, "reason": message, "suggestion": ""});
        // answers of the gateway in front of all services
        if matches!(status, 401 | 403 | 429) {
            return json!({"requestId": request_id, "errors": [one]});
        }
        match op.map(|op| op.name()).unwrap_or_default().split('/').nth(1) {
            Some("dpskServices") => json!({
                "requestId": request_id, "timestamp": iso(now), "debugMessage": message,
                "error": {"status": status_line(*status), "code": code, "message": message}, "errors": [one],
            }),
            Some("identityGroups" | "identities") => json!({
                "status": status_line(*status), "timestamp": iso(now), "message": message, "debugMessage": message,
                "subErrors": [], "requestId": request_id, "errors": [one],
            }),
            Some("policySets" | "policyTemplates" | "radiusAttributeGroups") => json!({
                "requestId": request_id, "status": status_line(*status), "timestamp": iso(now), "message": message,
                "debugMessage": message, "nestedErrors": [], "errors": [one],
            }),
            Some("activities") => json!({
                "code": code, "message": message, "reason": message, "status": status, "suggestion": "",
            }),
            _ => json!({"requestId": request_id, "errors": [one], "downloadUrl": null}),
        }
    }

    /// The `error` of a failed activity: JSON in a string, its `errors` again JSON in strings.
    pub fn nested(&self, request_id: &str) -> String {
        // uniqueness of names is reported without a code, as a validation error with sub-errors
        let inner = match self.message.split_once(": ") {
            Some((field, text)) if self.code.is_empty() => {
                let (object, field) = field.rsplit_once('.').unwrap_or(("", field));
                json!({"message": "Validation Error", "subErrors": [{"object": object, "field": field, "message": text}]})
            }
            _ => json!({"code": self.code, "message": self.message}),
        };
        json!({"requestId": request_id, "errors": [inner.to_string()]}).to_string()
    }
}

fn status_line(status: u16) -> String {
    let reason = match status {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        409 => "CONFLICT",
        413 => "PAYLOAD_TOO_LARGE",
        419 => "INSUFFICIENT_SPACE_ON_RESOURCE",
        422 => "UNPROCESSABLE_ENTITY",
        423 => "LOCKED",
        500 => "INTERNAL_SERVER_ERROR",
        502 => "BAD_GATEWAY",
        503 => "SERVICE_UNAVAILABLE",
        504 => "GATEWAY_TIMEOUT",
        _ => "ERROR",
    };
    format!("{status} {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activity_error_is_json_in_json_in_a_string() {
        let text = Fault::new(409, "WIFI-10126", "Insufficient licenses").nested("r1");
        let outer: Value = serde_json::from_str(&text).unwrap();
        let inner: Value = serde_json::from_str(outer["errors"][0].as_str().unwrap()).unwrap();
        assert_eq!(inner, json!({"code": "WIFI-10126", "message": "Insufficient licenses"}));

        let text = Fault::new(409, "", "DPSK service.name: Name must be unique").nested("r1");
        let outer: Value = serde_json::from_str(&text).unwrap();
        let inner: Value = serde_json::from_str(outer["errors"][0].as_str().unwrap()).unwrap();
        assert_eq!(
            inner["subErrors"][0],
            json!({"object": "DPSK service", "field": "name", "message": "Name must be unique"})
        );
    }

    #[test]
    fn each_service_has_its_own_shape() {
        let fault = Fault::new(409, "DPSK-020", "Username 'a' already exists");
        assert!(fault.body(Some(Op::PassphraseCreate), "r", 0)["error"].is_object());
        assert_eq!(fault.body(Some(Op::GroupCreate), "r", 0)["status"], "409 CONFLICT");
        assert_eq!(fault.body(Some(Op::ActivityGet), "r", 0)["status"], 409);
        assert!(fault.body(Some(Op::VenueGet), "r", 0).get("downloadUrl").is_some());
    }
}
