//! What the API answers, as far as this command reads it. Unknown members are passed over, absent ones have a default:
//! the command and the API may be of different versions.

pub mod audit;
pub mod fleet;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::exit;

/// Answer of an import, or of a retry.
#[derive(Debug, Deserialize)]
pub struct Accepted {
    pub job_id: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub estimated_duration_seconds: Option<u64>,
    #[serde(default)]
    pub plan_awaited: Option<String>,
}

/// Answer of a cleanup.
#[derive(Debug, Deserialize)]
pub struct Cleaned {
    pub status: String,
    #[serde(default)]
    pub job_id: Option<String>,
    #[serde(default)]
    pub job_status: Option<String>,
    /// Kind of resource → how many.
    #[serde(default)]
    pub deleted: BTreeMap<String, u64>,
    #[serde(default)]
    pub kept: BTreeMap<String, u64>,
    #[serde(default)]
    pub errors_total: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Job {
    pub id: String,
    pub workflow_name: String,
    pub status: String,
    pub controller_id: Option<i64>,
    pub venue_id: String,
    pub created_at: Option<String>,
    pub started_at: Option<String>,
    /// Of an import with a plan's hash.
    pub plan_checked_by: Option<String>,
    pub completed_at: Option<String>,
    pub current_phase_id: Option<String>,
    pub phases: Vec<Phase>,
    pub summary: Summary,
    pub errors: Vec<String>,
    pub errors_total: u64,
    pub warnings: Vec<String>,
    pub notices: Vec<String>,
    pub pause_reason: Option<String>,
    /// None as well: the API is older and does not tell.
    pub confirm_by: Option<String>,
    pub eta_seconds: Option<u64>,
    pub limited_by: Option<String>,
    /// Of a cleanup: the job whose things it deletes; and the latest cleanup of this one.
    pub cleanup_of: Option<String>,
    pub cleaned_by: Option<String>,
    /// Of an audit: the job whose things it looks at, and what it has found.
    pub audit_of: Option<String>,
    pub audit: Option<audit::Audited>,
    pub retried_by: Option<String>,
    /// The latest first.
    pub retries: Vec<String>,
    /// Of a plan.
    pub plan: Option<Plan>,
    /// Held until its plan has been made anew; then it begins, or is cancelled, by itself.
    pub is_plan_awaited: bool,
}

impl Job {
    /// Exit code of a job that has ended: of an audit by what it found.
    pub fn ended(&self) -> Option<u8> {
        let code = exit::of_ended(&self.status)?;
        Some(self.audit.as_ref().and_then(audit::Audited::standing).unwrap_or(code))
    }

    /// Exit code of a job that has ended, or goes on only when somebody says so.
    pub fn standing(&self) -> Option<u8> {
        let held = exit::of_standing(&self.status).filter(|_| !self.is_plan_awaited);
        self.ended().or(held)
    }
}

/// What a plan has found.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Plan {
    pub hash: Option<String>,
    pub totals: Planned,
    pub phases: Vec<PlannedPhase>,
    pub calls: Option<u64>,
    pub predicted_duration_seconds: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PlannedPhase {
    pub name: String,
    #[serde(flatten)]
    pub counts: Planned,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Planned {
    pub create: u64,
    pub update: u64,
    pub adopt: u64,
    pub conflict: u64,
    pub skip: u64,
}

impl Planned {
    /// In words; what there is none of is left out.
    pub fn words(&self) -> String {
        let counts = [
            (self.create, "create"),
            (self.update, "update"),
            (self.adopt, "adopt"),
            (self.conflict, "conflict"),
            (self.skip, "skip"),
        ];
        let told = counts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}"));
        match told.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "nothing".to_owned(),
            told => told,
        }
    }
}

/// What has changed since a plan was made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Difference {
    pub planned: Option<Planned>,
    pub now: Planned,
    pub now_hash: Option<String>,
    pub rows: Vec<ChangedRow>,
    pub rows_total: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChangedRow {
    pub phase: String,
    pub name: String,
    pub planned: Option<String>,
    pub now: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Summary {
    pub total_tasks: u64,
    pub completed: u64,
    pub failed: u64,
    pub skipped: u64,
    pub unknown: u64,
    pub cancelled: u64,
    pub percent: f64,
    /// Kind of resource → how many.
    pub resources: BTreeMap<String, Resources>,
}

impl Summary {
    pub fn settled(&self) -> u64 {
        self.completed + self.failed + self.skipped + self.unknown + self.cancelled
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Resources {
    pub created: u64,
    pub adopted: u64,
    pub updated: u64,
    pub deleted: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Phase {
    pub id: String,
    pub name: String,
    pub status: String,
    pub duration_seconds: Option<f64>,
    pub tasks: PhaseTasks,
    pub error: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PhaseTasks {
    pub total: u64,
    pub completed: u64,
    pub failed: u64,
    pub skipped: u64,
    pub unknown: u64,
    pub cancelled: u64,
}

impl PhaseTasks {
    pub fn settled(&self) -> u64 {
        self.completed + self.failed + self.skipped + self.unknown + self.cancelled
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Task {
    pub name: String,
    pub phase: String,
    pub status: String,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub retry_count: u64,
    /// Of an audit, how what it is about stands.
    pub input_data: Option<Judged>,
}

/// Of the task of an audit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Judged {
    pub verdict: Option<String>,
    pub note: Option<String>,
    pub differences: Vec<audit::FieldDiffers>,
}

/// One page of a list. Items stay JSON, so that `--json` prints what the API said.
#[derive(Debug, Deserialize)]
pub struct Page {
    pub items: Vec<Value>,
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// Problem details (RFC 9457).
#[derive(Debug, Clone, Default)]
pub struct Problem {
    pub status: u16,
    pub title: String,
    pub detail: String,
    pub request_id: Option<String>,
    pub errors: Vec<Fault>,
    pub errors_total: u64,
    /// Of an import that was to follow a plan.
    pub difference: Option<Difference>,
    /// Seconds, from `Retry-After`.
    pub retry_after: Option<u64>,
    /// As it came.
    pub raw: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Fault {
    pub pointer: Option<String>,
    pub parameter: Option<String>,
    pub header: Option<String>,
    pub code: String,
    pub detail: String,
}

impl Fault {
    /// Where it is, in words of the file.
    pub fn place(&self) -> &str {
        let places = [&self.pointer, &self.parameter, &self.header];
        places
            .into_iter()
            .flatten()
            .map(String::as_str)
            .find(|p| !p.is_empty())
            .unwrap_or("(whole input)")
    }
}

impl Problem {
    /// From an error answer; one that is no problem details (a proxy's HTML page) is told by its status alone.
    pub fn read(status: u16, retry_after: Option<u64>, body: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Body {
            title: String,
            detail: String,
            request_id: Option<String>,
            errors: Vec<Fault>,
            errors_total: u64,
            difference: Option<Difference>,
        }
        let raw: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let body: Body = Body::deserialize(&raw).unwrap_or_default();
        let raw = if raw.is_object() {
            raw
        } else {
            serde_json::json!({"status": status, "title": "no details"})
        };
        Problem {
            status,
            title: body.title,
            detail: body.detail,
            request_id: body.request_id,
            errors_total: body.errors_total.max(body.errors.len() as u64),
            errors: body.errors,
            difference: body.difference,
            retry_after,
            raw,
        }
    }

    pub fn sentence(&self) -> String {
        let what = match (self.detail.as_str(), self.title.as_str()) {
            ("", "") => format!("the API answered {}", self.status),
            ("", title) => format!("{title} ({})", self.status),
            (detail, _) => format!("{detail} ({})", self.status),
        };
        match (self.status, &self.request_id) {
            (401, _) => format!("{what}; give a token with --token or PHASELINE_TOKEN"),
            (500.., Some(id)) => format!("{what}; request id {id}"),
            _ => what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_proxy_is_told_by_its_status() {
        let problem = Problem::read(503, Some(7), b"<html>busy</html>");
        assert_eq!(problem.sentence(), "the API answered 503");
        assert_eq!(problem.retry_after, Some(7));
    }

    #[test]
    fn an_answer_of_another_version_is_still_read() {
        let job: Job =
            serde_json::from_str(r#"{"id":"x","status":"RUNNING","new":{"a":1},"summary":{"completed":2}}"#).unwrap();
        assert_eq!((job.status.as_str(), job.summary.settled()), ("RUNNING", 2));
    }
}
