//! What happened: counted per tenant and over all.

use std::collections::BTreeMap;

use serde::Serialize;

use super::clock::{Millis, iso};
use super::route::{Class, Op};

/// How many refused creates are listed one by one; the counters go on.
const REFUSED_LISTED: usize = 1000;

/// Calls by minute (`2026-11-22T05:20`).
type PerMinute = BTreeMap<String, u64>;

/// One refused create.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    /// `group` `pool` `passphrase` `identity` `policy_set` `policy` `radius_group` `network` `ap_group`.
    pub kind: &'static str,
    /// Group or pool it was to be in; empty for the tenant.
    pub container: String,
    /// Its name or user name.
    pub name: String,
    /// `existed` `in_flight` `after_cut`.
    pub cause: &'static str,
    /// When.
    pub at: String,
}

/// The counters of `GET /_sim/counts`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    /// Operation → status (or `cut`) → calls.
    pub calls: BTreeMap<String, BTreeMap<String, u64>>,
    /// Accepted writes (2xx), those whose reply was cut after they were applied included.
    pub writes: u64,
    /// Reads and queries of objects, whatever the answer.
    pub reads: u64,
    /// Activity reads and queries, whatever the answer.
    pub polls: u64,
    /// Answers 429 of either cause.
    pub http_429: u64,
    /// Of these, from the empty bucket.
    pub http_429_bucket: u64,
    /// Of these, from the fault plan.
    pub http_429_injected: u64,
    /// Answers 401 to calls other than the token's.
    pub unauthorized: u64,
    /// Tokens given.
    pub token_grants: u64,
    /// Token requests refused.
    pub token_refusals: u64,
    /// Calls being served at this moment.
    pub concurrent: u64,
    /// The most there ever were.
    pub max_concurrent: u64,
    /// Faults injected, by kind.
    pub injected: BTreeMap<String, u64>,
    /// Creates whose name existed or was in flight when they were *attempted*.
    pub refused_creates: u64,
    /// The same by `kind/cause`.
    pub refused_by: BTreeMap<String, u64>,
    /// The first 1000 of them.
    pub refused: Vec<Refused>,
    /// Links and conditions that were there already when they were asked for. No object more comes of them, but every one of a
    /// Wi-Fi network costs a push to the APs.
    pub relinks: u64,
    /// The same by `kind/cause`.
    pub relinks_by: BTreeMap<String, u64>,
    /// Configurations sent to the APs of a venue: one for every change of a network in every venue it is on in.
    pub ap_pushes: u64,
    /// The same by kind of change.
    pub ap_pushes_by: BTreeMap<String, u64>,
    /// Activations with an empty body: they work, but the queries do not show them.
    pub empty_activations: u64,
    /// Answers 423 because another change of the network was under way.
    pub http_423_locked: u64,
    /// Actions of bulk calls: operation → status → actions. They are no calls and count nowhere else.
    pub bulk_actions: BTreeMap<String, BTreeMap<String, u64>>,
    /// Names made up for calls without a user name.
    pub invented_names: u64,
    /// Names stored with a suffix because the fault plan said so.
    pub suffixed_names: u64,
    /// Passphrases replaced because they were too short for their pool.
    pub replaced_passphrases: u64,
    /// Device counts cut to 512.
    pub clamped_device_counts: u64,
    /// Calls by minute, token calls not counted.
    pub per_minute: PerMinute,
    /// The same by client id.
    pub per_client: BTreeMap<String, PerMinute>,
    /// Calls by minute of the group or pool in their path.
    pub per_container: BTreeMap<String, PerMinute>,
}

/// A call as far as counting is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// `None`: no such operation.
    pub op: Option<Op>,
    /// `None`: the connection was dropped without a reply.
    pub status: Option<u16>,
    /// Whether a write took effect although its reply was cut.
    pub applied: bool,
    /// Client id of the token used.
    pub client: &'a str,
    /// First path parameter of a call within a group or pool.
    pub container: &'a str,
    /// When it arrived.
    pub at: Millis,
}

impl Counts {
    /// A call came in.
    pub fn enter(&mut self) {
        self.concurrent += 1;
        self.max_concurrent = self.max_concurrent.max(self.concurrent);
    }

    /// A call is over, answered or not.
    pub fn leave(&mut self) {
        self.concurrent = self.concurrent.saturating_sub(1);
    }

    /// Counts a finished decision.
    pub fn call(&mut self, call: Counted<'_>) {
        let name = call.op.map_or_else(|| "unknown".to_owned(), Op::name);
        let status = call
            .status
            .map_or_else(|| "cut".to_owned(), |status| status.to_string());
        *self.calls.entry(name).or_default().entry(status).or_default() += 1;
        let accepted = call.applied || call.status.is_some_and(|status| (200..300).contains(&status));
        match call.op.map(Op::class) {
            Some(Class::Token) if accepted => self.token_grants += 1,
            Some(Class::Token) => self.token_refusals += 1,
            Some(Class::Write) if accepted => self.writes += 1,
            Some(Class::Read) => self.reads += 1,
            Some(Class::Poll) => self.polls += 1,
            _ => {}
        }
        if call.op == Some(Op::Token) {
            return;
        }
        match call.status {
            Some(429) => self.http_429 += 1,
            Some(401) => self.unauthorized += 1,
            _ => {}
        }
        let minute = iso(call.at).chars().take(16).collect::<String>();
        *self.per_minute.entry(minute.clone()).or_default() += 1;
        if !call.client.is_empty() {
            *self
                .per_client
                .entry(call.client.into())
                .or_default()
                .entry(minute.clone())
                .or_default() += 1;
        }
        if !call.container.is_empty() {
            *self
                .per_container
                .entry(call.container.into())
                .or_default()
                .entry(minute)
                .or_default() += 1;
        }
    }

    /// A fault was injected.
    pub fn injected(&mut self, kind: &str) {
        *self.injected.entry(kind.into()).or_default() += 1;
    }

    /// A link was there already.
    pub fn relink(&mut self, kind: &str, cause: &str) {
        self.relinks += 1;
        *self.relinks_by.entry(format!("{kind}/{cause}")).or_default() += 1;
    }

    /// An action of a bulk call was tried.
    pub fn bulk_action(&mut self, operation: &str, status: u16) {
        let by = self.bulk_actions.entry(operation.into()).or_default();
        *by.entry(status.to_string()).or_default() += 1;
    }

    /// The APs of a venue got a new configuration.
    pub fn pushed(&mut self, kind: &str) {
        self.ap_pushes += 1;
        *self.ap_pushes_by.entry(kind.into()).or_default() += 1;
    }

    /// A create was refused for its name.
    pub fn refuse(&mut self, refused: Refused) {
        self.refused_creates += 1;
        *self
            .refused_by
            .entry(format!("{}/{}", refused.kind, refused.cause))
            .or_default() += 1;
        if self.refused.len() < REFUSED_LISTED {
            self.refused.push(refused);
        }
    }
}
