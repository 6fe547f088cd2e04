//! What the engine needs of remote systems, whoever their vendor is: limits, and what became of activities.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// How an activity ended. Stored for whoever runs its batch: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What is stored of an activity that is not asked after any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// None: it was given up.
    #[serde(flatten)]
    pub ended: Option<Ended>,
    /// Rounds of polling that asked after it: by the worker that polled last, so at least that many.
    #[serde(rename = "p", default)]
    pub polls: u32,
}

impl Told {
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
    /// Looks whether the configuration has changed, now rather than with the next round. True: what was refused may be accepted now.
    fn reload(&self) -> bool {
        false
    }
    /// By the quota's name: any controller that shares it will do.
    fn activities(&self, limiter: &str) -> Option<(RemoteLimits, Arc<dyn Activities>)>;
}
