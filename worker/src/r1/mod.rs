//! RUCKUS One client: classified errors, single-flight token, merged polling of activities.
//!
//! Knows the vendor's API and nothing of jobs. Every call needs a permit (reads of several pages take one for each page) and tells it
//! what happened; nothing in here waits before a retry: whoever calls decides whether and when to try again.
//!
//! Writes are asynchronous: the answer is 202 with a request id, and an *activity* of that id tells what became of it.

pub mod activation;
pub mod activity;
pub mod ap_group;
mod asking;
mod error;
pub mod evaluation;
pub mod find;
mod http;
pub mod identity;
pub mod network;
pub mod passphrase;
pub mod policy;
pub mod policy_set;
pub mod pool;
pub mod radius;
mod sweep;
mod token;
pub mod venue;
mod wire;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use shared::controllers::Controller;
use shared::secret::SecretString;

pub use asking::asked;
pub use sweep::{Row, Sweep};
pub use write::Written;

/// How calls are made, for every controller alike.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For a connection including TLS, 5 s; never more than half of `timeout`.
    pub connect_timeout: Duration,
    /// For a whole call, 10 s. Has to end well before a lease does.
    pub timeout: Duration,
    pub user_agent: String,
    /// Largest answer read, 16 MiB.
    pub answer_max: usize,
    /// A key that was written longer before the newest one of its pool is looked for by name only, 20 min. To be longer than it takes
    /// until a write is settled. At 2,000 calls a minute it is 80 pages, of a pool of 100,000 keys that has 200; read only where a reply
    /// was lost and neither the name sent nor one with a number is there.
    pub look_back: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            user_agent: concat!("phaseline-worker/", env!("CARGO_PKG_VERSION")).into(),
            answer_max: 16 * 1024 * 1024,
            look_back: Duration::from_secs(1_200),
        }
    }
}

/// The client of one controller; cheap to clone, all clones share connections and token.
#[derive(Clone)]
pub struct R1 {
    wire: Arc<wire::Wire>,
    /// The controller has shown that it does not know the filter of activities by id.
    no_id_filter: Arc<AtomicBool>,
    look_back: Duration,
}

/// The client could not be made: the system has no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a client for controller {id}: {message}")]
pub struct NoClient {
    pub id: i64,
    pub message: String,
}

impl R1 {
    pub fn new(controller: Arc<Controller>, settings: Settings) -> Result<Self, NoClient> {
        let (id, look_back) = (controller.id, settings.look_back);
        let wire = wire::Wire::new(controller, settings).map_err(|e| NoClient {
            id,
            message: http::causes(e),
        })?;
        Ok(R1 {
            wire: Arc::new(wire),
            no_id_filter: Arc::default(),
            look_back,
        })
    }

    /// What this client was made from; when a new reading of the file differs, a new client is due.
    pub fn controller(&self) -> &Arc<Controller> {
        self.wire.controller()
    }

    /// What the controller's clock shows when ours shows `ours`, as far as its answers have told.
    pub fn server_time(&self, ours: Timestamp) -> Timestamp {
        self.wire.server_time(ours)
    }
}

/// The one way a secret is written out: into the body of a request.
fn plain<S: serde::Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn plain_option<S: serde::Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => plain(secret, serializer),
        None => serializer.serialize_none(),
    }
}
