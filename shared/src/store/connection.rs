//! A connection to one server that survives restarts, time-outs, demotions and black holes.
//!
//! redis-rs' `ConnectionManager` reconnects by itself when the socket drops. Two things it does not notice: a server that
//! accepts bytes and never answers (time-outs do not make it reconnect), and a master that became a replica (`READONLY` on a
//! healthy socket). After three time-outs in a row, or a `READONLY`, the manager is built anew.
//!
//! Each manager has a generation, and a failure counts against the one it happened on: what was under way on a manager that has
//! been replaced (dozens of calls that time out one by one) does not replace its successor.
//!
//! With Sentinel a manager is built for whoever is the master at that moment, and any disconnect is reason enough to ask again: the server
//! that comes back at the old address may be somebody's replica by now, or not know yet that it will be.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{Client, PushInfo, PushKind, RedisError, RedisResult};
use tokio::sync::RwLock;

use super::StoreError;
use super::dial::CONNECT_TIMEOUT;
use super::durable::Life;
use super::sentinel::Sentinels;

/// Answer of a script or command. Scripts take well under a millisecond; two seconds is a server in trouble.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time-outs in a row after which the connection is taken for dead.
const TIMEOUTS_MAX: u32 = 3;
/// Failures of any kind in a row after which it is replaced too: redis-rs keeps a connection attempt that failed with anything but
/// an I/O error (a server that was still loading, say) for ever.
const FAILURES_MAX: u32 = 10;
/// Between two replacements, at least: a server that is away is not called more often for it.
const REBUILD_MS_MIN: u64 = 1_000;
/// For so long nobody asks again after a master was looked for in vain; who wants one meanwhile is told the same.
const SEARCH_AGAIN: Duration = Duration::from_millis(200);
/// Connections kept for those who need one to themselves.
const IDLE_MAX: usize = 8;

/// Cheap to clone; all clones share the connection and its health.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

/// How the server is found.
enum Way {
    Fixed(Box<Client>),
    Sentinel(Sentinels),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

struct Inner {
    way: Way,
    current: RwLock<Current>,
    /// In a row, on the current generation. Zeroed under the write lock when a new one begins.
    timeouts: AtomicU32,
    /// Commands that failed since the last one that did not.
    failures: AtomicU32,
    rebuilt_ms: AtomicU64,
    born: Instant,
    /// Milliseconds since `born`; 0 = never.
    last_ok_ms: AtomicU64,
    last_failure_ms: AtomicU64,
    life: Mutex<Life>,
    /// Connections nobody uses now, with the generation they are of.
    idle: Mutex<Vec<(MultiplexedConnection, u64)>>,
}

/// The connection there is.
struct Current {
    line: Option<Line>,
    /// Goes up by one with each replacement.
    generation: u64,
    /// The last search that found nobody.
    in_vain: Option<(Instant, StoreError)>,
}

#[derive(Clone)]
struct Line {
    manager: ConnectionManager,
    client: Client,
    /// It has been disconnected, or is not believed any more: who the master is has to be asked again.
    is_doubted: Arc<AtomicBool>,
}

impl Line {
    fn new(client: Client, asks_again: bool) -> Result<Self, StoreError> {
        let mut config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_secs(2))
            .set_number_of_retries(1)
            .set_pipeline_buffer_size(1024);
        let is_doubted = Arc::new(AtomicBool::new(false));
        if asks_again {
            let flag = is_doubted.clone();
            config = config.set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    flag.store(true, Ordering::Relaxed);
                }
                Ok::<(), std::convert::Infallible>(())
            });
        }
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        Ok(Line {
            manager,
            client,
            is_doubted,
        })
    }
}

impl Node {
    /// Makes no connection yet: a server that is down at start is waited for by whoever asks.
    pub fn fixed(client: Client) -> Result<Self, StoreError> {
        let line = Line::new(client.clone(), false)?;
        Ok(Self::new(Way::Fixed(Box::new(client)), Some(line)))
    }

    /// Nobody is asked yet either.
    pub fn named_by(sentinels: Sentinels) -> Self {
        Self::new(Way::Sentinel(sentinels), None)
    }

    fn new(way: Way, line: Option<Line>) -> Self {
        Node(Arc::new(Inner {
            way,
            current: RwLock::new(Current {
                line,
                generation: 0,
                in_vain: None,
            }),
            timeouts: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            rebuilt_ms: AtomicU64::new(0),
            born: Instant::now(),
            last_ok_ms: AtomicU64::new(0),
            last_failure_ms: AtomicU64::new(0),
            life: Mutex::default(),
            idle: Mutex::default(),
        }))
    }

    /// Runs one command or script and keeps book of the connection's health. Never retries: the caller knows whether it may.
    pub async fn run<T, F, Fut>(&self, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(ConnectionManager) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        let (line, generation) = self.line().await?;
        match f(line.manager).await {
            Ok(v) => {
                self.succeeded(generation).await;
                Ok(v)
            }
            Err(e) => Err(self.failed(e, generation).await),
        }
    }

    /// The connection there is; with Sentinel it may have to be made, to whoever is the master now.
    async fn line(&self) -> Result<(Line, u64), StoreError> {
        let is_good = |line: &Line| !line.is_doubted.load(Ordering::Relaxed);
        {
            let current = self.0.current.read().await;
            if let Some(line) = current.line.as_ref().filter(|line| is_good(line)) {
                return Ok((line.clone(), current.generation));
            }
        }
        let mut current = self.0.current.write().await;
        // many callers come here at once; the first one asks
        if let Some(line) = current.line.as_ref().filter(|line| is_good(line)) {
            return Ok((line.clone(), current.generation));
        }
        if let Some((_, e)) = current.in_vain.as_ref().filter(|(at, _)| at.elapsed() < SEARCH_AGAIN) {
            return Err(e.clone());
        }
        let found = match &self.0.way {
            Way::Fixed(client) => Line::new(Client::clone(client), false),
            Way::Sentinel(sentinels) => match sentinels.master().await {
                Ok(client) => Line::new(client, true),
                Err(e) => Err(e),
            },
        };
        match found {
            Ok(line) => {
                if current.generation > 0 || current.line.is_some() {
                    tracing::warn!(server = %line.client.get_connection_info().addr(), "connected to the master that the sentinels name");
                }
                self.begin(&mut current, Some(line.clone()));
                Ok((line, current.generation))
            }
            Err(e) => {
                current.line = None;
                current.in_vain = Some((Instant::now(), e.clone()));
                self.0.last_failure_ms.store(self.now_ms(), Ordering::Relaxed);
                Err(e)
            }
        }
    }

    /// A new generation.
    fn begin(&self, current: &mut Current, line: Option<Line>) {
        current.line = line;
        current.generation += 1;
        current.in_vain = None;
        self.0.timeouts.store(0, Ordering::Relaxed);
        self.0.failures.store(0, Ordering::Relaxed);
        self.0.rebuilt_ms.store(self.now_ms(), Ordering::Relaxed);
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn succeeded(&self, generation: u64) {
        // a late answer on a replaced manager says nothing of the present one
        if self.0.timeouts.load(Ordering::Relaxed) > 0 && self.0.current.read().await.generation == generation {
            self.0.timeouts.store(0, Ordering::Relaxed);
        }
        self.0.failures.store(0, Ordering::Relaxed);
        self.0.last_ok_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// `generation` is that of the manager the call was made on.
    async fn failed(&self, e: RedisError, generation: u64) -> StoreError {
        // with Sentinel the server at this address may not be the master when it is back
        let is_gone = e.is_io_error() || e.is_connection_dropped() || e.is_connection_refusal();
        let asks_again = matches!(self.0.way, Way::Sentinel(_)) && is_gone && !e.is_timeout();
        let kind = StoreError::from(e);
        if let StoreError::Unavailable { timeout, stale, .. } = &kind {
            self.0.last_failure_ms.store(self.now_ms(), Ordering::Relaxed);
            let lost = match (*stale || asks_again, *timeout) {
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
        let current = self.0.current.read().await;
        current.generation == generation && self.0.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_MAX
    }

    /// Replaces the manager of this generation. Many callers notice at once; the first one mends.
    async fn rebuild(&self, generation: u64) {
        let mut current = self.0.current.write().await;
        if current.generation != generation {
            return;
        }
        let line = match &self.0.way {
            Way::Fixed(client) => match Line::new(Client::clone(client), false) {
                Ok(line) => Some(line),
                Err(_) => return,
            },
            // whoever comes next asks for the master
            Way::Sentinel(_) => None,
        };
        self.begin(&mut current, line);
        tracing::warn!("the Redis connection is built anew");
    }

    /// Something else has found that this server may not be the one to talk to.
    pub async fn doubt(&self) {
        if matches!(self.0.way, Way::Sentinel(_))
            && let Some(line) = &self.0.current.read().await.line
        {
            line.is_doubted.store(true, Ordering::Relaxed);
        }
    }

    /// A connection of its own for a blocking reader: a blocked read would hold up every other command on a shared one.
    pub async fn dedicated(&self, block: Duration) -> Result<MultiplexedConnection, StoreError> {
        let (line, _) = self.line().await?;
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(block + Duration::from_secs(3)));
        let made = line.client.get_multiplexed_async_connection_with_config(&config).await;
        if made.is_err() {
            self.doubt().await;
        }
        made.map_err(StoreError::from)
    }

    /// Runs on a connection that nobody else uses meanwhile; `block`: how long it may wait for an answer. What of its writes replicas
    /// have is counted by connection.
    pub async fn alone<T, F, Fut>(&self, block: Duration, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(MultiplexedConnection) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        let (_, generation) = self.line().await?;
        let idle = || self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let connection = match kept.filter(|(_, of)| *of == generation) {
            Some((connection, _)) => connection,
            None => self.dedicated(block).await?,
        };
        match f(connection.clone()).await {
            Ok(v) => {
                self.succeeded(generation).await;
                let mut idle = idle();
                if idle.len() < IDLE_MAX {
                    idle.push((connection, generation));
                }
                Ok(v)
            }
            Err(e) => {
                // the others are as old, and may be as dead
                idle().clear();
                Err(self.failed(e, generation).await)
            }
        }
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
