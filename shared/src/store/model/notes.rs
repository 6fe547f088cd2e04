//! What is stored about a job or a controller in words: JSON that other versions read.

use serde::{Deserialize, Serialize};

use crate::id::JobId;

/// A controller that does not answer, as a worker saw it last. Persisted for a minute or so: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// First failure after the last answer, milliseconds since the epoch.
    pub since_ms: u64,
    /// In words.
    pub reason: String,
    /// It is tried again at least so often, seconds.
    pub every_s: u64,
    /// Forgotten when nobody has said it again by then: whoever saw it may be gone.
    pub until_ms: u64,
}

impl Outage {
    /// Good until half as long again as the next try may take.
    pub fn new(now_ms: u64, since_ms: u64, reason: String, every: std::time::Duration) -> Self {
        let every_s = every.as_secs().max(1);
        Outage {
            since_ms,
            reason,
            every_s,
            until_ms: now_ms + every_s * 1500,
        }
    }
}

/// Another job writes names that this one would write. Persisted with the job: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Absent: a job of another tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Forgotten when nobody has said it again by then, milliseconds since the epoch.
    pub until_ms: u64,
}

impl Waits {
    /// Said at `now_ms`, and to be `believed` for so long.
    pub fn new(now_ms: u64, job: Option<JobId>, believed: std::time::Duration) -> Self {
        let until_ms = now_ms + believed.as_millis() as u64;
        Waits { job, until_ms }
    }
}

/// Of a task, a phase or a job. Persisted with the job: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// HTTP status, where the controller refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What runs or is kept outlives deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let line = r#"{"since_ms":1,"reason":"503","every_s":30,"until_ms":45001}"#;
        let outage: Outage = serde_json::from_str(line).unwrap();
        assert_eq!((outage.since_ms, outage.every_s, outage.until_ms), (1, 30, 45_001));
        assert_eq!(serde_json::to_string(&outage).unwrap(), line);

        let line = r#"{"job":"01a21c3f-b648-7329-8625-546bb5256438","until_ms":7}"#;
        let waits: Waits = serde_json::from_str(line).unwrap();
        assert!(waits.job.is_some());
        assert_eq!(serde_json::to_string(&waits).unwrap(), line);
        let of_another: Waits = serde_json::from_str(r#"{"until_ms":7}"#).unwrap();
        assert_eq!((of_another.job, of_another.until_ms), (None, 7));

        let first: ErrorView = serde_json::from_str(r#"{"code":"TIMEOUT","message":"too long"}"#).unwrap();
        assert_eq!(
            (first.code.as_str(), first.phase, first.status),
            ("TIMEOUT", None, None)
        );
        let line = concat!(
            r#"{"code":"DPSK-1","message":"no","phase":"create_passphrases","task":"3","#,
            r#""request_id":"r-1","status":400}"#
        );
        let error: ErrorView = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&error).unwrap(), line);
    }
}
