//! What all loops of a worker share.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use shared::config::EngineSettings;
use shared::id::{JobId, WorkerId};
use shared::seal::Sealer;
use shared::store::{JobSpec, Partition, Store, StoreError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::active::Active;
use super::lease::Lease;
use super::metrics::Metrics;
use super::remotes::Remotes;
use super::throttle::Throttle;
use crate::executors::Catalogue;

/// Takeovers in a row without progress that a batch survives; beyond, it is poison.
pub const CRASHES_MAX: u32 = 4;
/// Specs kept; a worker has few jobs at a time, and a spec is small.
const SPECS_MAX: usize = 256;

pub struct Core {
    pub store: Store,
    pub worker: WorkerId,
    pub settings: EngineSettings,
    pub sealer: Sealer,
    pub catalogue: Catalogue,
    pub remotes: Arc<dyn Remotes>,
    pub active: Active,
    pub lease: Lease,
    pub slots: Arc<Semaphore>,
    pub metrics: Metrics,
    /// SIGTERM: nothing new is read; what is held is finished or handed back.
    pub stopping: CancellationToken,
    /// An operator has asked this worker to stop as on SIGTERM.
    pub drained: CancellationToken,
    /// The poller has ended, and given up the right to poll.
    pub polling_left: CancellationToken,
    /// The grace time is over: runs hand their units back.
    pub give_back: CancellationToken,
    pub pulse: Pulse,
    /// Entries in the hands of this process, from delivery to the end of their run.
    pub entries: Entries,
    throttles: Mutex<HashMap<String, Arc<Throttle>>>,
    specs: Mutex<HashMap<JobId, Arc<JobSpec>>>,
    sequence: AtomicU64,
}

/// Entry ids being worked on here: an entry that is delivered to us again is not started twice.
#[derive(Clone, Default)]
pub struct Entries(Arc<Mutex<HashSet<String>>>);

impl Entries {
    /// None: it is here already. It is off the list when the guard goes, also by a panic.
    pub fn begin(&self, entry: &str) -> Option<Listed> {
        let new = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(entry.to_owned());
        new.then(|| Listed(self.clone(), entry.to_owned()))
    }

    /// Whether it is in our hands.
    pub fn holds(&self, entry: &str) -> bool {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .contains(entry)
    }
}

/// An entry on the list of [`Entries`].
pub struct Listed(Entries, String);

impl Drop for Listed {
    fn drop(&mut self) {
        self.0
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(&self.1);
    }
}

/// Signs of life, for `/healthz`.
pub struct Pulse {
    born: Instant,
    read_ms: AtomicU64,
}

impl Pulse {
    pub fn reader_moved(&self) {
        self.read_ms
            .store(self.born.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
    /// Since the reader last came round; zero before it began (the worker waits for Redis).
    pub fn reader_age(&self) -> Duration {
        if self.read_ms.load(Ordering::Relaxed) == 0 {
            return Duration::ZERO;
        }
        self.born
            .elapsed()
            .saturating_sub(Duration::from_millis(self.read_ms.load(Ordering::Relaxed)))
    }
    pub fn uptime(&self) -> Duration {
        self.born.elapsed()
    }
}

impl Core {
    pub fn new(
        store: Store,
        worker: WorkerId,
        settings: EngineSettings,
        sealer: Sealer,
        catalogue: Catalogue,
        remotes: Arc<dyn Remotes>,
    ) -> Arc<Self> {
        Arc::new(Core {
            store,
            worker,
            sealer,
            catalogue,
            remotes,
            active: Active::default(),
            lease: Lease::new(settings.lease()),
            slots: Arc::new(Semaphore::new(settings.slots)),
            metrics: Metrics::default(),
            stopping: CancellationToken::new(),
            drained: CancellationToken::new(),
            polling_left: CancellationToken::new(),
            give_back: CancellationToken::new(),
            pulse: Pulse {
                born: Instant::now(),
                read_ms: AtomicU64::new(0),
            },
            entries: Entries::default(),
            throttles: Mutex::default(),
            specs: Mutex::default(),
            sequence: AtomicU64::new(0),
            settings,
        })
    }

    /// A claim token that was never used before and never will be again.
    pub fn next_token(&self) -> String {
        format!("{}.{}", self.worker, self.sequence.fetch_add(1, Ordering::Relaxed))
    }

    /// For people: `controller 1 (MSP east)`.
    pub fn controller_in_words(&self, controller: i64) -> String {
        let name = self
            .remotes
            .limits(controller)
            .map(|limits| format!(" ({})", limits.name));
        format!("controller {controller}{}", name.unwrap_or_default())
    }

    /// This worker's end of a controller's limit. None: no such controller is configured here.
    pub fn throttle(&self, controller: i64) -> Option<Arc<Throttle>> {
        self.remotes.limits(controller).map(|limits| self.throttle_for(limits))
    }

    pub fn throttle_for(&self, limits: super::remotes::RemoteLimits) -> Arc<Throttle> {
        let mut all = self.throttles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match all.get(&limits.limiter) {
            Some(t) => {
                t.update(limits);
                t.clone()
            }
            None => {
                let t = Throttle::start(
                    self.store.clone(),
                    self.worker.clone(),
                    limits.clone(),
                    self.metrics.calls.clone(),
                );
                all.insert(limits.limiter, t.clone());
                t
            }
        }
    }

    /// The job's unchanging part, read once.
    pub async fn spec(&self, p: Partition, job: JobId) -> Result<Option<Arc<JobSpec>>, StoreError> {
        if let Some(s) = self
            .specs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(&job)
        {
            return Ok(Some(s.clone()));
        }
        let Some(spec) = self.store.job_spec(p, job).await?.map(Arc::new) else {
            return Ok(None);
        };
        let mut specs = self.specs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if specs.len() >= SPECS_MAX {
            specs.clear();
        }
        specs.insert(job, spec.clone());
        Ok(Some(spec))
    }
}

/// Between two tries of a store call that is safe to repeat, for as long as the store is away.
pub struct Persist<'a> {
    core: &'a Core,
    what: &'static str,
    lost: &'a CancellationToken,
    wait: Duration,
}

impl<'a> Persist<'a> {
    pub fn new(core: &'a Core, what: &'static str, lost: &'a CancellationToken) -> Self {
        Persist {
            core,
            what,
            lost,
            wait: Duration::from_millis(50),
        }
    }

    /// Waits, and answers whether to try again. Not when the error is for good, or the unit is lost.
    pub async fn again(&mut self, e: &StoreError) -> bool {
        if !e.is_transient() || self.lost.is_cancelled() {
            return false;
        }
        self.core.metrics.store_retries.inc();
        tracing::debug!(what = self.what, error = %e, "tried again");
        tokio::select! {
            () = tokio::time::sleep(self.wait) => {}
            () = self.lost.cancelled() => return false,
        }
        self.wait = (self.wait * 2).min(Duration::from_secs(2));
        true
    }
}

/// Repeats a store call (an expression that makes its future) until it succeeds, fails for good, or the unit is lost.
/// A macro, because a future that borrows from a closure's arguments can't be proved `Send` here.
macro_rules! persist {
    ($core:expr, $what:literal, $lost:expr, $call:expr) => {{
        let mut pause = $crate::engine::core::Persist::new(&$core, $what, &$lost);
        loop {
            match $call.await {
                Err(e) if pause.again(&e).await => {}
                other => break other,
            }
        }
    }};
}
pub(super) use persist;

/// Milliseconds since the epoch by this machine's clock: for backoffs and time stamps, never for ownership.
pub fn now_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}
