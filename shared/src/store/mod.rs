//! The only door to Redis. Hot operations in `jobs`, `stream`, `limits`; cold, read-only ones in `inspect`.
//!
//! What a job is made of in Redis, and who owns which key, stands in `ARCHITECTURE.md`; the scripts' headers say the rest.

mod check;
mod cluster;
mod plan_checks;
mod connection;
mod dead_letters;
mod dial;
mod durable;
mod error;
mod family;
mod figures;
mod fit;
mod inspect;
mod jobs;
pub mod keys;
mod limits;
mod lanes;
mod listing;
pub mod model;
mod names;
mod operate;
mod outlook;
mod pinned;
mod polls;
mod reader;
mod resources;
mod retries;
mod roster;
mod routed;
mod script_times;
mod scripts;
mod sentinel;
mod slots;
mod spec;
mod stream;
mod plans;
mod stored;
mod submit;
mod tasks;
mod walk;

pub use dead_letters::{DeadLetter, DeadUnit, LetterId, Replay};
pub use durable::Life;
pub use error::StoreError;
pub use family::Family;
pub use figures::{DURATION_BOUNDS, Figures, LimiterFigures, WorkflowFigures};
pub use keys::Partition;
pub use lanes::{LaneFigures, PartitionFigures};
pub use limits::{LimitGrant, LimitRequest};
pub use names::{Claiming, Hold, NamesClaimed, Writer};
pub use operate::{LISTED_MAX, UnitState, UnitView};
pub use pinned::KnownJob;
pub use plan_checks::PlanChecked;
pub use polls::PendingActivity;
pub use reader::{Read, Reader};
pub use roster::WorkerFigures;
pub use script_times::ScriptTimes;
pub use spec::JobSpec;
pub use stored::{StandingBatch, StoredBatch};
pub use walk::TaskWalk;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use check::check_servers;

use crate::config::{EngineSettings, RedisSettings, SubmitDurability};
use crate::id::TenantId;

/// Handle to everything stored. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    redis: routed::Redis,
    partitions: u16,
    durability: SubmitDurability,
    /// What is answered is on the disk. Found out by [`Store::prepare`].
    always: Arc<AtomicBool>,
    pinned: pinned::PinnedJobs,
}

impl Store {
    /// Makes no connection yet; [`Store::prepare`] does.
    pub fn open(redis: &RedisSettings, engine: &EngineSettings) -> Result<Self, StoreError> {
        Ok(Store {
            redis: routed::Redis::open(redis)?,
            partitions: engine.partitions,
            durability: redis.durability,
            always: Arc::default(),
            pinned: pinned::PinnedJobs::default(),
        })
    }

    /// Checks the server, fixes the number of partitions, makes the streams and loads the scripts. Safe to repeat.
    pub async fn prepare(&self, settings: &RedisSettings) -> Result<(), StoreError> {
        let always = check_servers(&self.redis, settings).await?;
        self.always.store(always, Ordering::Relaxed);
        self.fix_meta().await?;
        // a replica that becomes the master later on does not know them: then they are loaded by whoever calls one
        for node in self.redis.masters().await? {
            for lua in scripts::all() {
                let load = |mut c| async move { lua.script.load_async(&mut c).await };
                self.redis.on(&node, load).await?;
            }
        }
        for p in self.partitions() {
            self.present_life(p).await?;
            self.ensure_group(p).await?;
        }
        Ok(())
    }

    fn syncs_always(&self) -> bool {
        self.always.load(Ordering::Relaxed)
    }

    /// A round trip.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.redis
            .run(keys::META, |mut c| async move {
                redis::cmd("PING").query_async::<String>(&mut c).await
            })
            .await
            .map(drop)
    }

    pub fn partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        (0..self.partitions).map(Partition)
    }

    pub fn partition_of(&self, tenant: &TenantId) -> Partition {
        Partition::of(tenant, self.partitions)
    }

    /// How long every command has succeeded.
    pub fn healthy_for(&self) -> std::time::Duration {
        self.redis.healthy_for()
    }

    pub fn never_failed(&self) -> bool {
        self.redis.never_failed()
    }

    /// How long this process' script calls took, for its metrics.
    pub fn script_times(&self) -> ScriptTimes {
        self.redis.script_times().clone()
    }
}
