//! The only door to Redis. Hot operations in `jobs`, `stream`, `limits`; cold, read-only ones in `inspect`.
//!
//! What a job is made of in Redis, and who owns which key, stands in `ARCHITECTURE.md`; the scripts' headers say the rest.

mod check;
mod connection;
mod error;
mod inspect;
mod jobs;
pub mod keys;
mod limits;
pub mod model;
mod outlook;
mod polls;
mod reader;
mod scripts;
mod spec;
mod stream;
mod plans;
mod stored;
mod tasks;

pub use check::check_server;
pub use error::StoreError;
pub use keys::Partition;
pub use limits::{LimitGrant, LimitRequest};
pub use polls::PendingActivity;
pub use reader::{Read, Reader};
pub use spec::JobSpec;

use crate::config::{EngineSettings, RedisSettings};
use crate::id::TenantId;

/// Handle to everything stored. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    redis: connection::Redis,
    partitions: u16,
}

impl Store {
    /// Makes no connection yet; [`Store::prepare`] does.
    pub fn open(redis: &RedisSettings, engine: &EngineSettings) -> Result<Self, StoreError> {
        Ok(Store {
            redis: connection::Redis::open(redis)?,
            partitions: engine.partitions,
        })
    }

    /// Checks the server, fixes the number of partitions, makes the streams and loads the scripts. Safe to repeat.
    pub async fn prepare(&self, settings: &RedisSettings) -> Result<(), StoreError> {
        check_server(&self.redis, settings).await?;
        self.fix_partitions().await?;
        for (_, script) in scripts::all() {
            self.redis
                .run(|mut c| async move { script.load_async(&mut c).await })
                .await?;
        }
        for p in self.partitions() {
            self.ensure_group(p).await?;
        }
        Ok(())
    }

    async fn fix_partitions(&self) -> Result<(), StoreError> {
        let mine = self.partitions;
        let stored: u16 = self
            .redis
            .run(|mut c| async move {
                let _: bool = redis::cmd("HSETNX")
                    .arg(keys::META)
                    .arg("partitions")
                    .arg(mine)
                    .query_async(&mut c)
                    .await?;
                let _: bool = redis::cmd("HSETNX")
                    .arg(keys::META)
                    .arg("schema")
                    .arg(1)
                    .query_async(&mut c)
                    .await?;
                redis::cmd("HGET")
                    .arg(keys::META)
                    .arg("partitions")
                    .query_async(&mut c)
                    .await
            })
            .await?;
        if stored != mine {
            return Err(StoreError::Server(format!(
                "this database was set up with {stored} partitions, PARTITIONS says {mine}; the number is fixed at the first start"
            )));
        }
        Ok(())
    }

    /// A round trip.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.redis
            .run(|mut c| async move { redis::cmd("PING").query_async::<String>(&mut c).await })
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

    pub fn out_of_memory(&self) -> bool {
        self.redis.out_of_memory()
    }
}
