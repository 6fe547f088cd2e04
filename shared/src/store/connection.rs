//! A Redis connection that survives restarts, time-outs, demotions and black holes.
//!
//! redis-rs' `ConnectionManager` reconnects by itself when the socket drops. Two things it does not notice: a server that
//! accepts bytes and never answers (time-outs do not make it reconnect), and a master that became a replica (`READONLY` on a
//! healthy socket). After three time-outs in a row, or a `READONLY`, the manager is built anew.
//!
//! Each manager has a generation, and a failure counts against the one it happened on: what was under way on a manager that has
//! been replaced (dozens of calls that time out one by one) does not replace its successor.

use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::io::tcp::{TcpSettings, socket2};
use redis::{Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError, RedisResult};
use tokio::sync::RwLock;

use super::StoreError;
use super::durable::Life;
use super::script_times::{self, ScriptTimes};
use crate::config::RedisSettings;

/// Answer of a script or command. Scripts take well under a millisecond; two seconds is a server in trouble.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time-outs in a row after which the connection is taken for dead.
const TIMEOUTS_MAX: u32 = 3;
/// Failures of any kind in a row after which it is replaced too: redis-rs keeps a connection attempt that failed with anything but
/// an I/O error (a server that was still loading, say) for ever.
const FAILURES_MAX: u32 = 10;
/// Between two replacements, at least: a server that is away is not called more often for it.
const REBUILD_MS_MIN: u64 = 1_000;

/// Cheap to clone; all clones share the connection and its health.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    client: Client,
    /// With its generation, which goes up by one with each replacement.
    manager: RwLock<(ConnectionManager, u64)>,
    /// In a row, on the current generation. Zeroed under the write lock when a new one begins.
    timeouts: AtomicU32,
    /// Commands that failed since the last one that did not.
    failures: AtomicU32,
    rebuilt_ms: AtomicU64,
    born: Instant,
    /// Milliseconds since `born`; 0 = never.
    last_ok_ms: AtomicU64,
    last_failure_ms: AtomicU64,
    script_times: ScriptTimes,
    life: Mutex<Life>,
}

fn manager_config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_secs(2))
        .set_number_of_retries(1)
        .set_pipeline_buffer_size(1024)
}

impl Redis {
    /// Makes no connection yet: a server that is down at start is waited for by whoever asks.
    pub fn open(settings: &RedisSettings) -> Result<Self, StoreError> {
        // one provider in the whole process; a second call changes nothing
        let _ = rustls::crypto::ring::default_provider().install_default();
        let info: ConnectionInfo = settings
            .url
            .as_str()
            .into_connection_info()
            .map_err(|e| StoreError::Server(format!("REDIS_URL: {}", describe(&e))))?;
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(Duration::from_secs(15))
            .with_interval(Duration::from_secs(5))
            .with_retries(3);
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(keepalive)
            .set_user_timeout(Duration::from_secs(10));
        // RESP3: the disconnect is pushed, so the first command after it already finds a new connection
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let info = info.set_tcp_settings(tcp).set_redis_settings(redis);
        let client = Client::open(info).map_err(|e| StoreError::Server(describe(&e)))?;
        let manager =
            ConnectionManager::new_lazy_with_config(client.clone(), manager_config()).map_err(StoreError::from)?;
        Ok(Redis(Arc::new(Inner {
            client,
            manager: RwLock::new((manager, 0)),
            timeouts: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            rebuilt_ms: AtomicU64::new(0),
            born: Instant::now(),
            last_ok_ms: AtomicU64::new(0),
            last_failure_ms: AtomicU64::new(0),
            script_times: script_times::new(),
            life: Mutex::default(),
        })))
    }

    /// Runs one command or script and keeps book of the connection's health. Never retries: the caller knows whether it may.
    pub async fn run<T, F, Fut>(&self, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(ConnectionManager) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        let (manager, generation) = self.0.manager.read().await.clone();
        match f(manager).await {
            Ok(v) => {
                // a late answer on a replaced manager says nothing of the present one
                if self.0.timeouts.load(Ordering::Relaxed) > 0 && self.0.manager.read().await.1 == generation {
                    self.0.timeouts.store(0, Ordering::Relaxed);
                }
                self.0.failures.store(0, Ordering::Relaxed);
                self.0.last_ok_ms.store(self.now_ms(), Ordering::Relaxed);
                Ok(v)
            }
            Err(e) => Err(self.failed(e, generation).await),
        }
    }

    /// `generation` is that of the manager the call was made on.
    async fn failed(&self, e: RedisError, generation: u64) -> StoreError {
        let kind = StoreError::from(e);
        if let StoreError::Unavailable { timeout, stale, .. } = &kind {
            self.0.last_failure_ms.store(self.now_ms(), Ordering::Relaxed);
            let lost = match (*stale, *timeout) {
                (true, _) => true,
                (false, true) => self.timed_out(generation).await,
                (false, false) => false,
            };
            if lost || self.failed_too_often() {
                self.rebuild(generation).await;
            }
        }
        kind
    }

    /// Counts a failure. True: too many in a row, and the last replacement is a while ago.
    fn failed_too_often(&self) -> bool {
        let in_a_row = self.0.failures.fetch_add(1, Ordering::Relaxed) + 1;
        in_a_row >= FAILURES_MAX && self.now_ms() >= self.0.rebuilt_ms.load(Ordering::Relaxed) + REBUILD_MS_MIN
    }

    /// Counts it, unless that manager is replaced already. True: one too many.
    async fn timed_out(&self, generation: u64) -> bool {
        // held while counting, so that no replacement comes between the look and the count
        let manager = self.0.manager.read().await;
        manager.1 == generation && self.0.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_MAX
    }

    /// Replaces the manager of this generation. Many callers notice at once; the first one mends.
    async fn rebuild(&self, generation: u64) {
        let mut manager = self.0.manager.write().await;
        if manager.1 != generation {
            return;
        }
        if let Ok(fresh) = ConnectionManager::new_lazy_with_config(self.0.client.clone(), manager_config()) {
            *manager = (fresh, generation + 1);
            self.0.timeouts.store(0, Ordering::Relaxed);
            self.0.failures.store(0, Ordering::Relaxed);
            self.0.rebuilt_ms.store(self.now_ms(), Ordering::Relaxed);
            tracing::warn!("the Redis connection is built anew");
        }
    }

    /// A connection of its own for a blocking reader: a blocked read would hold up every other command on a shared one.
    pub async fn dedicated(&self, block: Duration) -> Result<MultiplexedConnection, StoreError> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(block + Duration::from_secs(3)));
        self.0
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(StoreError::from)
    }

    pub fn script_times(&self) -> &ScriptTimes {
        &self.0.script_times
    }

    /// The server's life as last told.
    pub fn life(&self) -> Life {
        self.0.life.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It told which life it is.
    pub fn met(&self, life: Life) {
        *self.0.life.lock().unwrap_or_else(PoisonError::into_inner) = life;
    }

    fn now_ms(&self) -> u64 {
        self.0.born.elapsed().as_millis() as u64 + 1
    }

    /// How long every command has succeeded; zero when the last one failed.
    ///
    /// While Redis is away every entry looks idle, so nothing is taken over before this has reached the take-over time.
    pub fn healthy_for(&self) -> Duration {
        let (ok, bad) = (
            self.0.last_ok_ms.load(Ordering::Relaxed),
            self.0.last_failure_ms.load(Ordering::Relaxed),
        );
        if ok <= bad {
            Duration::ZERO
        } else {
            Duration::from_millis(ok - bad)
        }
    }

    /// No failure since the process began.
    pub fn never_failed(&self) -> bool {
        self.0.last_failure_ms.load(Ordering::Relaxed) == 0
    }
}

/// A Redis error in words; redis-rs' own text holds no secret.
pub(super) fn describe(e: &RedisError) -> String {
    e.to_string()
}
