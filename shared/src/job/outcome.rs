//! What became of a task, and what is remembered of it on the way there.
//!
//! Both are persisted (outcome and checkpoint blobs), so fields are only ever added, never renamed or given another meaning.
//! While versions run side by side an older one reads what a newer one wrote: fields it does not know are passed over, and of a
//! word it does not know it assumes what does the least harm (`UNKNOWN` of a state, "not ours" of an origin, "perhaps sent" of a
//! checkpoint).

use serde::{Deserialize, Serialize};

use super::TaskStatus;

/// The final word on a task. Short names: 100,000 of them are kept per job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Row of the input.
    #[serde(rename = "i")]
    pub index: u32,
    #[serde(rename = "s")]
    pub status: TaskStatus,
    /// What the task stands for on the controller, when it did or found something.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
    /// Request id of the last 202.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Attempts beyond the first.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Rounds of polling that asked after its activities, as far as known.
    #[serde(rename = "p", default, skip_serializing_if = "is_zero")]
    pub polls: u32,
    /// Milliseconds since the epoch.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<u64>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn is_zero_ms(ms: &u64) -> bool {
    *ms == 0
}

impl Outcome {
    pub fn new(index: u32, status: TaskStatus) -> Self {
        Outcome {
            index,
            status,
            resource: None,
            error: None,
            request_id: None,
            retries: 0,
            polls: 0,
            started_ms: None,
            ended_ms: None,
        }
    }

    pub fn failed(index: u32, error: TaskError) -> Self {
        Outcome {
            error: Some(error),
            ..Self::new(index, TaskStatus::Failed)
        }
    }

    pub fn skipped(index: u32, error: TaskError) -> Self {
        Outcome {
            error: Some(error),
            ..Self::new(index, TaskStatus::Skipped)
        }
    }

    pub fn completed(index: u32, resource: Option<Resource>) -> Self {
        Outcome {
            resource,
            ..Self::new(index, TaskStatus::Completed)
        }
    }
}

/// An object on the controller that a task created or adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// `identity_group`, `dpsk_pool`, `passphrase`, …
    #[serde(rename = "t")]
    pub kind: String,
    #[serde(rename = "d")]
    pub id: String,
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Only what we created may ever be deleted by a cleanup.
    #[serde(rename = "a")]
    pub origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    #[serde(rename = "c")]
    Created,
    #[serde(rename = "u")]
    Updated,
    /// It was there and is gone: a cleanup took it away.
    #[serde(rename = "d")]
    Deleted,
    /// Also any origin of a later version: not ours to delete.
    #[serde(rename = "a", other)]
    Adopted,
}

/// Why a task did not succeed (or was skipped): a code for machines, a sentence for people. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    #[serde(rename = "k")]
    pub code: String,
    #[serde(rename = "m")]
    pub message: String,
    /// HTTP status of the refusal, where the controller refused it: the code may be its own, and say nothing of the kind.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl TaskError {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        TaskError {
            code: code.to_owned(),
            message: message.into(),
            status: None,
        }
    }
}

/// Why a task has to be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doubt {
    /// Perhaps sent, perhaps applied: a takeover found the intent, or the reply was lost. Absent: sent again.
    #[serde(rename = "sent")]
    Sent,
    /// Refused because it exists. Absent: looked for again.
    #[serde(rename = "conflict")]
    Conflict,
    /// Reported done; the id or the stored value has to be looked up. Absent: looked for again.
    #[serde(rename = "done")]
    Done,
    /// Accepted, and its activity never ended. Absent: `UNKNOWN`, for it may still be at work. Also any doubt of a later version:
    /// with this one nothing is sent a second time.
    #[serde(rename = "gave_up", other)]
    GaveUp,
}

/// What is remembered of an unfinished task. Its absence means: nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "s")]
pub enum Checkpoint {
    /// Written before the request leaves. Found after a takeover it means: perhaps sent, perhaps applied; read back.
    #[serde(rename = "S")]
    Sent {
        #[serde(rename = "n", default)]
        attempt: u32,
        #[serde(rename = "b", default)]
        started_ms: u64,
    },
    /// The controller answered 202; its activity is being waited for.
    #[serde(rename = "A")]
    Accepted {
        #[serde(rename = "q")]
        request_id: String,
        /// When the 202 came, milliseconds since the epoch.
        #[serde(rename = "t")]
        since_ms: u64,
        /// The id the controller announced, if it did.
        #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
        resource_id: Option<String>,
        #[serde(rename = "n", default)]
        attempt: u32,
        #[serde(rename = "b", default)]
        started_ms: u64,
        /// A write before this one may have been applied.
        #[serde(rename = "o", default)]
        ours: bool,
        /// Of the activities before this one.
        #[serde(rename = "p", default, skip_serializing_if = "is_zero")]
        polls: u32,
    },
    /// Failed in a way worth trying again, not before the time given.
    #[serde(rename = "R")]
    Retry {
        #[serde(rename = "n")]
        attempt: u32,
        /// Milliseconds since the epoch.
        #[serde(rename = "t")]
        not_before_ms: u64,
        #[serde(rename = "e")]
        last: TaskError,
        /// Why it is to be read back before anything else; none: it is sent (again).
        #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
        read_back: Option<Doubt>,
        /// Of the last 202, where there was one.
        #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        /// A write of ours may have been applied: what is found equal is ours.
        #[serde(rename = "o", default)]
        ours: bool,
        #[serde(rename = "b", default)]
        started_ms: u64,
        #[serde(rename = "p", default, skip_serializing_if = "is_zero")]
        polls: u32,
        /// When it was taken with nothing to ask after, milliseconds since the epoch; 0: it was not. Such a write is not sent again.
        #[serde(rename = "u", default, skip_serializing_if = "is_zero_ms")]
        taken_ms: u64,
        /// Since when it can't be looked up, milliseconds since the epoch; 0: the last look was answered.
        #[serde(rename = "v", default, skip_serializing_if = "is_zero_ms")]
        unread_ms: u64,
        /// How often it was refused because what it changes was locked.
        #[serde(rename = "l", default, skip_serializing_if = "is_zero")]
        locked: u32,
    },
    #[serde(rename = "D")]
    Done {
        #[serde(rename = "o")]
        outcome: Box<Outcome>,
    },
}

impl Checkpoint {
    /// As it was stored. One that can't be read (of a later version) is not none: something was begun, so it is read back before
    /// anything is sent.
    pub fn from_stored(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or(Checkpoint::Sent {
            attempt: 0,
            started_ms: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker of the next version wrote it, and one of this version takes over.
    #[test]
    fn what_a_later_version_wrote_is_read_as_what_does_the_least_harm() {
        let stored = r#"{"i":1,"s":"DEFERRED","x":1,"r":{"t":"passphrase","d":"p-1","a":"moved","y":2}}"#;
        let o: Outcome = serde_json::from_str(stored).unwrap();
        assert_eq!(o.status, TaskStatus::Unknown);
        assert_eq!(o.resource.unwrap().origin, Origin::Adopted, "a cleanup leaves it alone");
        for (text, n) in [
            (r#"{"s":"Z","q":"r-1"}"#, 0),
            (r#"{"s":"S","n":3,"b":5,"z":1}"#, 3),
            ("garbage", 0),
        ] {
            let c = Checkpoint::from_stored(text);
            assert!(
                matches!(c, Checkpoint::Sent { attempt, .. } if attempt == n),
                "{text}: {c:?}"
            );
        }
        let retry = r#"{"s":"R","n":2,"t":99,"e":{"k":"A","m":"b"},"w":"weighed","o":true,"b":5}"#;
        let c = Checkpoint::from_stored(retry);
        assert!(
            matches!(
                c,
                Checkpoint::Retry {
                    read_back: Some(Doubt::GaveUp),
                    ..
                }
            ),
            "{c:?}"
        );
    }

    /// Blobs of running jobs outlive deploys: these lines were written by the first version, or the first that had a field of theirs, and
    /// must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let golden = [
            r#"{"s":"S","n":0,"b":5}"#,
            r#"{"s":"A","q":"r-1","t":17,"d":"id-1","n":1,"b":5,"o":false}"#,
            r#"{"s":"R","n":2,"t":99,"e":{"k":"HTTP_503","m":"unavailable"},"w":"gave_up","q":"r-1","o":true,"b":5}"#,
            r#"{"s":"R","n":0,"t":99,"e":{"k":"NOT_VISIBLE_YET","m":"m"},"w":"done","o":true,"b":5,"u":6}"#,
            r#"{"s":"R","n":0,"t":99,"e":{"k":"RATE_LIMITED","m":"m"},"w":"sent","o":true,"b":5,"v":7}"#,
            r#"{"s":"R","n":1,"t":99,"e":{"k":"GENERAL-423","m":"locked","h":423},"o":true,"b":5}"#,
            r#"{"s":"D","o":{"i":7,"s":"FAILED","e":{"k":"WIFI-10126","m":"m","h":409},"b":5,"c":9}}"#,
            r#"{"s":"D","o":{"i":7,"s":"COMPLETED","r":{"t":"passphrase","d":"p-1","n":"u1","a":"c"},"q":"r-1","n":1,"p":2,"b":5,"c":9}}"#,
            r#"{"s":"D","o":{"i":7,"s":"COMPLETED","r":{"t":"dpsk_pool","d":"p-1","n":"u1","a":"d"}}}"#,
        ];
        for line in golden {
            let parsed: Checkpoint = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&parsed).unwrap(), line);
        }
    }
}
