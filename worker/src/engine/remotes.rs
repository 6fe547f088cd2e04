//! What the engine needs of remote systems, whoever their vendor is: limits, and what became of activities.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::seal::Sealer;

use crate::gate::Gate;
use crate::remote::CallError;

/// The quota of a controller.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteLimits {
    /// Names the quota in Redis; controllers that share a quota share the name.
    pub limiter: String,
    /// For people.
    pub name: String,
    /// Calls per second.
    pub rate: f64,
    /// Calls.
    pub burst: f64,
    /// Calls at once.
    pub concurrency: u32,
}

/// How an activity ended. Stored for whoever runs its batch: fields are only ever added. Codes and messages are the controller's own
/// words, which may quote the request, passphrase and all: whoever runs the batch knows its secrets and masks them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "s")]
pub enum Ended {
    #[serde(rename = "ok")]
    Success {
        #[serde(rename = "d", default)]
        resource_ids: Vec<String>,
    },
    #[serde(rename = "no")]
    Failed {
        #[serde(rename = "k")]
        code: String,
        #[serde(rename = "m")]
        message: String,
        /// It exists already: perhaps by our own doing.
        #[serde(rename = "u", default)]
        uniqueness: bool,
    },
    /// Ended in a way that says nothing (cancelled, partly done): only reading back tells.
    #[serde(rename = "unclear")]
    Unclear {
        #[serde(rename = "k")]
        code: String,
        #[serde(rename = "m")]
        message: String,
    },
}

impl std::fmt::Debug for Ended {
    /// Without words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::Success { resource_ids } => write!(f, "Success({resource_ids:?})"),
            Ended::Failed { uniqueness, .. } => write!(f, "Failed(uniqueness: {uniqueness})"),
            Ended::Unclear { .. } => f.write_str("Unclear"),
        }
    }
}

impl Ended {
    fn words(&mut self) -> Option<(&mut String, &mut String)> {
        match self {
            Ended::Success { .. } => None,
            Ended::Failed { code, message, .. } | Ended::Unclear { code, message } => Some((code, message)),
        }
    }
}

/// Stands where the controller's code was, in what is stored: also for workers that do not know of `sealed`.
const NO_CODE: &str = "ACTIVITY_FAIL";
/// Likewise for its message.
const NO_MESSAGE: &str = "the controller's reason can't be read by this worker";
/// Longest message kept, in bytes: more than any that is shown, which is cut only when its secrets are masked.
const MESSAGE_MAX: usize = 16 * 1024;

/// Where the words of an activity belong.
fn place(request_id: &str) -> String {
    format!("activity|{request_id}")
}

/// What is stored of an activity that is not asked after any more: fields are only ever added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// None: it was given up.
    #[serde(flatten)]
    pub ended: Option<Ended>,
    /// Rounds of polling that asked after it: by the worker that polled last, so at least that many.
    #[serde(rename = "p", default)]
    pub polls: u32,
    /// Code and message of `ended`, in a box bound to the request id; in their place stands that they are not here. Absent: there are
    /// none, or an older version wrote them in the open.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
}

impl Told {
    pub fn new(ended: Option<Ended>, polls: u32) -> Self {
        Told {
            ended,
            polls,
            sealed: None,
        }
    }

    /// The controller's words go into a box. Ones that can't be sealed are lost, never stored in the open.
    pub fn seal(mut self, sealer: &Sealer, request_id: &str) -> Self {
        if let Some((code, message)) = self.ended.as_mut().and_then(Ended::words) {
            if message.len() > MESSAGE_MAX {
                message.truncate(message.floor_char_boundary(MESSAGE_MAX));
            }
            let words = serde_json::json!([code, message]).to_string();
            self.sealed = sealer.seal_text(&place(request_id), &words).ok();
            (*code, *message) = (NO_CODE.to_owned(), NO_MESSAGE.to_owned());
        }
        self
    }

    /// What [`Told::seal`] made, with its words again: not fit to be shown.
    pub fn open(mut self, sealer: &Sealer, request_id: &str) -> Self {
        let opened = |sealed: String| {
            let words = sealer.open_text(&place(request_id), &sealed).ok()?;
            serde_json::from_str::<(String, String)>(&words).ok()
        };
        let words = self.sealed.take().and_then(opened);
        if let (Some(words), Some((code, message))) = (words, self.ended.as_mut().and_then(Ended::words)) {
            (*code, *message) = words;
        }
        self
    }

    /// What a later version wrote and this one can't read says nothing but that it has ended.
    pub fn read(text: &str) -> Self {
        let told: Option<Told> = serde_json::from_str(text).ok();
        let has_ended = || serde_json::from_str::<Value>(text).map_or(true, |v| v.get("s").is_some());
        match told {
            Some(told) if told.ended.is_some() || !has_ended() => told,
            told => Told {
                ended: Some(Ended::Unclear {
                    code: "UNREADABLE".to_owned(),
                    message: "ended in a way this version does not know".to_owned(),
                }),
                ..told.unwrap_or_default()
            },
        }
    }
}

/// Where activities are asked after, many with one call.
#[async_trait]
pub trait Activities: Send + Sync {
    /// `pending`: request id → when its 202 came (ms since the epoch). Answers those that have ended, and how many calls it took.
    async fn poll(
        &self,
        pending: &BTreeMap<String, u64>,
        gate: &dyn Gate,
    ) -> Result<(Vec<(String, Ended)>, u32), CallError>;
}

/// The remote systems this worker may call. Re-read when the controllers file changes.
pub trait Remotes: Send + Sync {
    fn limits(&self, controller: i64) -> Option<RemoteLimits>;
    /// Number of the configuration that is in force. It only grows.
    fn reading(&self) -> u64 {
        0
    }
    /// Looks whether the configuration has changed, now rather than with the next round.
    fn reload(&self) {}
    /// Whether what was refused under an earlier configuration, or may have been, may be accepted under the present one.
    fn is_corrected_since(&self, reading: u64) -> bool {
        self.reload();
        self.reading() != reading
    }
    /// By the quota's name: any controller that shares it will do.
    fn activities(&self, limiter: &str) -> Option<(RemoteLimits, Arc<dyn Activities>)>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What runs or is kept outlives deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let lines = [
            (
                r#"{"s":"ok","d":["p-1"],"p":3}"#,
                Some(Ended::Success {
                    resource_ids: vec!["p-1".into()],
                }),
            ),
            (
                r#"{"s":"unclear","k":"C","m":"M","p":3}"#,
                Some(Ended::Unclear {
                    code: "C".into(),
                    message: "M".into(),
                }),
            ),
            (r#"{"p":3}"#, None),
        ];
        for (line, ended) in lines {
            let read: Told = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&read, serde_json::to_string(&read).unwrap()),
                (&Told::new(ended, 3), line.to_owned())
            );
        }
        let line = r#"{"s":"no","k":"C","m":"M","u":true,"p":3,"x":"box"}"#;
        let read: Told = serde_json::from_str(line).unwrap();
        assert!(matches!(&read.ended, Some(Ended::Failed { uniqueness: true, .. })));
        assert_eq!(
            (read.sealed.as_deref(), serde_json::to_string(&read).unwrap()),
            (Some("box"), line.to_owned())
        );
        let first: Told = serde_json::from_str(r#"{"s":"no","k":"C","m":"M"}"#).unwrap();
        assert!(matches!(&first.ended, Some(Ended::Failed { uniqueness: false, .. })));
        assert_eq!((first.polls, first.sealed), (0, None));
    }
}
