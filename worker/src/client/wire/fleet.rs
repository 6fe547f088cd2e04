//! What the API answers to an operator.

use serde::Deserialize;

use crate::progress::duration;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Stream {
    pub partition: u64,
    pub lag_entries: u64,
    pub lag_seconds: Option<f64>,
    pub in_flight: u64,
    pub in_flight_age_seconds: Option<f64>,
    pub parked: u64,
    pub dead_letters: u64,
    pub jobs_unfinished: u64,
    pub backlog_tasks: u64,
    pub lanes: Vec<Lane>,
    pub lanes_total: u64,
}

/// A batch that was given up.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeadLetter {
    pub id: String,
    pub at: String,
    /// This and the next four: none of one that the API can't read.
    pub tenant_id: Option<String>,
    pub controller_id: Option<i64>,
    pub job_id: Option<String>,
    pub phase: Option<String>,
    pub batch: Option<i64>,
    pub why: String,
    /// What to do where it can't be replayed.
    pub advice: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Lane {
    pub tenant: String,
    pub controller_id: i64,
    pub queued: u64,
    pub in_stream: u64,
    pub parked: u64,
    /// Its jobs that stand until they are resumed. None: the API is older and does not tell.
    pub jobs_paused: Option<u64>,
    /// Those that stand until somebody confirms them; likewise.
    pub jobs_to_confirm: Option<u64>,
    pub cool_down_seconds: Option<f64>,
    pub outage: Option<Outage>,
}

/// A controller that does not answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Outage {
    pub since: String,
    pub reason: String,
}

impl Lane {
    /// In words; empty: by nothing but what the controller takes.
    pub fn held_back_by(&self) -> String {
        let outage = self.outage.as_ref().map(|outage| {
            let reason = if outage.reason.is_empty() { "" } else { ": " };
            format!("no answer since {}{reason}{}", outage.since, outage.reason)
        });
        let pause = self
            .cool_down_seconds
            .filter(|s| *s > 0.0)
            .map(|s| format!("a pause of {}", duration(s.ceil() as u64)));
        let all: Vec<String> = outage.into_iter().chain(pause).collect();
        all.join("; ")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Worker {
    pub id: String,
    pub partition: u64,
    /// False: it is silent, and work is still delivered to it.
    pub alive: bool,
    pub idle_seconds: Option<f64>,
    pub slots: Option<u64>,
    pub slots_busy: Option<u64>,
    pub pending: u64,
    pub version: Option<String>,
    pub pid: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Limits {
    pub controller_id: i64,
    pub controller_name: String,
    pub tenants: Vec<String>,
    pub rate: Rate,
    pub concurrency: Concurrency,
    pub cool_down_seconds: Option<f64>,
    pub activities_pending: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rate {
    pub limit_per_minute: Option<f64>,
    pub configured_per_minute: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Concurrency {
    pub limit: Option<f64>,
    pub configured: Option<f64>,
    pub leased: Option<f64>,
}
