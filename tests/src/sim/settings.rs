//! Everything about a simulator that can be set before it starts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::faults::FaultPlan;
use super::wifi::change::Limits;

/// How a refusal reaches the client. Live systems use both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The call itself is answered 409.
    Http,
    /// The call is answered 202 and its activity ends `FAIL`.
    Activity,
}

/// What becomes of an identity renamed to a name its group already has; both were seen live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenameToTaken {
    /// The activity fails with GENERAL-010.
    Fail,
    /// It is silently stored as `name_1`.
    Suffix,
}

/// Settings of one simulator. [`Settings::default`] is what the demo uses.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Loopback address to listen on; port 0 takes a free one.
    pub bind: String,
    /// Calls a minute per effective tenant.
    pub calls_per_minute: f64,
    /// Capacity of the bucket; unset: the larger of 34 and 1.02 seconds' worth of the rate.
    pub burst: Option<f64>,
    /// `Retry-After` seconds sent when the bucket is empty; the real service documents none.
    pub retry_after_s: Option<u64>,
    /// Latency of writes, milliseconds.
    pub write_ms: u64,
    /// Latency of reads, queries and polls, milliseconds.
    pub read_ms: u64,
    /// Shortest and longest activity, milliseconds, uniform between.
    pub activity_ms: (u64, u64),
    /// After the 202 an activity answers 404 for this long.
    pub activity_hidden_ms: u64,
    /// Created objects can be read from the 202 on instead of from the end of the activity.
    pub visible_at_202: bool,
    /// A create whose name exists already.
    pub refuse_existing: Refusal,
    /// A create whose name another create in flight has reserved.
    pub refuse_in_flight: Refusal,
    /// GENERAL-010: an identity of the name exists already in the group.
    pub refuse_identity: Refusal,
    /// DPSK-026 and GENERAL-026 on deletes.
    pub refuse_delete: Refusal,
    /// An identity renamed to a taken name.
    pub rename_to_taken: RenameToTaken,
    /// Larger pages are silently cut to this many rows.
    pub page_cap: usize,
    /// First page of DPSK body paging. Sources disagree (0 or 1); with 1, page 0 also gives the first page.
    pub dpsk_first_page: u64,
    /// Whether 202 answers carry the `id` of the object ("optional" in the documents).
    pub reply_ids: bool,
    /// `GET /identityGroups/{g}/identities` as the bare array of the documents instead of the live page object.
    pub identities_bare_array: bool,
    /// `GET /dpskServices/{p}/passphrases` answers an empty page whatever is there, as seen live.
    pub passphrase_list_empty: bool,
    /// Beyond the limits of SSIDs.
    pub refuse_limit: Refusal,
    /// Most SSIDs an AP group carries.
    pub ssids_per_ap_group: usize,
    /// Most SSIDs a DPSK service serves.
    pub ssids_per_pool: usize,
    /// A change of a Wi-Fi network is a 423 while another one of it is under way.
    pub lock_networks: bool,
    /// Queries of networks and AP groups ignore filters they do not know instead of answering nothing; both were seen live.
    pub unknown_filters_ignored: bool,
    /// Policies are created with 201 whatever the media type.
    pub policy_create_201: bool,
    /// Taking a policy out of a set is a 202 with an activity, as seen live, instead of the documents' 204.
    pub policy_removal_async: bool,
    /// Deletes of policies, sets and RADIUS groups answer 200 with `{}` instead of 204; both are documented.
    pub policy_deletes_answer_200: bool,
    /// Life of an access token, seconds.
    pub token_ttl_s: u64,
    /// The one client secret that is accepted.
    pub client_secret: String,
    /// Client ids that are accepted; empty: any that is not empty.
    pub client_ids: Vec<String>,
    /// Tenants that exist; empty: any, made at its first use.
    pub tenants: Vec<String>,
    /// Tenants a token of another tenant may act for with `x-rks-tenantid`, by the token's tenant; empty: any for any.
    pub msp_customers: BTreeMap<String, Vec<String>>,
    /// Concurrency of an ideal client, for `GET /_sim/ideal`.
    pub ideal_concurrency: f64,
    /// Seed of all random decisions; unset: taken from the system and shown by `GET /_sim/settings`.
    pub rng_seed: Option<u64>,
    /// File that receives every call but those to `/_sim`, a JSON line each.
    pub record: Option<PathBuf>,
    /// Faults to inject.
    pub faults: FaultPlan,
    /// Objects that exist from the start: what `POST /_sim/seed` takes, or a list of it.
    pub seed: Value,
    /// Threads that serve HTTP.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:0".into(),
            calls_per_minute: 2000.0,
            burst: None,
            retry_after_s: None,
            write_ms: 40,
            read_ms: 20,
            activity_ms: (300, 1000),
            activity_hidden_ms: 100,
            visible_at_202: false,
            refuse_existing: Refusal::Http,
            refuse_in_flight: Refusal::Http,
            refuse_identity: Refusal::Activity,
            refuse_delete: Refusal::Http,
            rename_to_taken: RenameToTaken::Fail,
            page_cap: 2000,
            dpsk_first_page: 1,
            reply_ids: true,
            identities_bare_array: false,
            passphrase_list_empty: false,
            refuse_limit: Refusal::Http,
            ssids_per_ap_group: 15,
            ssids_per_pool: 64,
            lock_networks: true,
            unknown_filters_ignored: false,
            policy_create_201: false,
            policy_removal_async: false,
            policy_deletes_answer_200: false,
            token_ttl_s: 7199,
            client_secret: "sim-secret".into(),
            client_ids: Vec::new(),
            tenants: Vec::new(),
            msp_customers: BTreeMap::new(),
            ideal_concurrency: 50.0,
            rng_seed: None,
            record: None,
            faults: FaultPlan::default(),
            seed: Value::Null,
            threads: 2,
        }
    }
}

impl Settings {
    /// For tests: no latency, next to no waiting for activities, a bucket that never empties.
    pub fn quick() -> Self {
        Self {
            calls_per_minute: 6_000_000.0,
            write_ms: 0,
            read_ms: 0,
            activity_ms: (30, 60),
            activity_hidden_ms: 10,
            rng_seed: Some(1),
            ..Self::default()
        }
    }

    /// Capacity of the bucket, calls.
    pub fn capacity(&self) -> f64 {
        self.burst
            .unwrap_or_else(|| (self.per_second() * 1.02).round().max(34.0))
    }

    /// Limits of SSIDs.
    pub fn limits(&self) -> Limits {
        Limits {
            ssids_per_ap_group: self.ssids_per_ap_group,
            ssids_per_pool: self.ssids_per_pool,
        }
    }

    /// Refill of the bucket, calls a second.
    pub fn per_second(&self) -> f64 {
        self.calls_per_minute / 60.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_follows_the_rate_but_never_below_34() {
        let at = |calls_per_minute| {
            Settings {
                calls_per_minute,
                ..Settings::default()
            }
            .capacity()
        };
        assert_eq!(at(600.0), 34.0);
        assert_eq!(at(2000.0), 34.0);
        assert_eq!(at(60_000.0), 1020.0);
    }
}
