//! What handlers share: the store as soon as it is there, the settings they need, and what is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::config::EngineSettings;
use shared::controllers::ControllersFile;
use shared::id::{JobId, TenantId};
use shared::seal::Sealer;
use shared::store::{Partition, PartitionFigures, ScriptTimes, Store, StoreError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;
use crate::body::BodyLimits;
use crate::error::{Kind, Problem};
use crate::kept::Kept;

/// Imports whose bodies are read at the same time. Each may hold about twice its body in memory while it is judged.
const IMPORTS_MAX: usize = 8;
/// Reports that are sent at the same time. Each holds a few hundred tasks in memory, and keeps Redis busy as fast as its caller reads.
const REPORTS_MAX: usize = 4;

pub struct State {
    store: Store,
    /// The server was checked and the scripts are loaded.
    prepared: AtomicBool,
    pub sealer: Sealer,
    pub engine: EngineSettings,
    pub controllers: Arc<ControllersFile>,
    pub imports: Arc<Semaphore>,
    pub reports: Arc<Semaphore>,
    pub waits: Arc<Semaphore>,
    /// What operators look at, by partition.
    streams: Vec<Kept<PartitionFigures>>,
    /// Cancelled when the process is to end: nobody is kept waiting.
    pub stopping: CancellationToken,
    pub body_limits: BodyLimits,
}

impl State {
    /// Callers who wait for the end of a job at the same time: a small read a second each, or a few in the first seconds.
    pub const WAITS_MAX: usize = 64;

    pub fn new(store: Store, sealer: Sealer, engine: EngineSettings, controllers: Arc<ControllersFile>) -> Self {
        let streams = (0..engine.partitions).map(|_| Kept::default()).collect();
        State {
            store,
            prepared: AtomicBool::new(false),
            sealer,
            engine,
            controllers,
            imports: Arc::new(Semaphore::new(IMPORTS_MAX)),
            reports: Arc::new(Semaphore::new(REPORTS_MAX)),
            waits: Arc::new(Semaphore::new(Self::WAITS_MAX)),
            streams,
            stopping: CancellationToken::new(),
            body_limits: BodyLimits::default(),
        }
    }

    /// From now on requests are served.
    pub fn set_prepared(&self) {
        self.prepared.store(true, Ordering::Release);
    }

    /// The store, or 503 while it has not been there yet. Once it was, each call finds out for itself.
    pub fn store(&self) -> Result<&Store, Problem> {
        if self.prepared.load(Ordering::Acquire) {
            Ok(&self.store)
        } else {
            Err(Problem::unavailable())
        }
    }

    /// A partition's stream and lanes, as they were a moment ago at most.
    pub async fn stream(&self, p: Partition) -> Result<Arc<PartitionFigures>, Problem> {
        let store = self.store()?;
        let kept = self.streams.get(usize::from(p.0)).ok_or_else(Problem::internal)?;
        Ok(kept.read(store.partition(p)).await?)
    }

    /// How long the store's scripts took, also while it was not there.
    pub fn script_times(&self) -> ScriptTimes {
        self.store.script_times()
    }

    /// The tenant to look under for a job with this id: for an operator whoever owns it, for everybody else their own. Good
    /// for reading: the store shows a tenant its own jobs only.
    pub async fn tenant_for(&self, caller: &Caller, job: JobId) -> Result<TenantId, Problem> {
        let found = if caller.sees_all() {
            self.store()?.reader_of(job).await?
        } else {
            caller.tenant.clone()
        };
        found.ok_or_else(|| Problem::no_such_job(&job.to_string()))
    }

    /// The owner of a job that this caller may steer. Asked of the store in any case: what changes a job must not rest on
    /// somebody else's check. A job of another tenant is as absent as one that never was.
    pub async fn owner_for(&self, caller: &Caller, job: JobId) -> Result<TenantId, Problem> {
        let owner = self.store()?.tenant_of(job).await?;
        owner
            .filter(|owner| caller.sees_all() || caller.tenant.as_ref() == Some(owner))
            .ok_or_else(|| Problem::no_such_job(&job.to_string()))
    }
}

impl From<StoreError> for Problem {
    /// What is wrong with the store is for the log; the caller learns whether to try again.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::OutOfMemory => {
                tracing::warn!("Redis is full (maxmemory); nothing new is taken");
                Problem::new(
                    Kind::Unavailable,
                    "Redis is full (maxmemory); nothing was changed, try again later",
                )
            }
            error if error.is_transient() => {
                tracing::warn!(%error, "Redis did not answer");
                Problem::unavailable()
            }
            error => {
                tracing::error!(%error, "Redis failed");
                Problem::internal()
            }
        }
    }
}
