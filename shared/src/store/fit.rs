//! Do this process and this database fit? The number of partitions and the payload key are fixed by whoever starts first.

use std::time::Duration;

use super::{Store, StoreError, keys};
use crate::config::Settings;
use crate::seal::Sealer;

/// Between two looks at the key's id while a process runs. A database may be flushed under it, or set up by others with another key.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A probe's key, seconds: it goes by itself.
const PROBE_TTL: u32 = 60;

/// Fields of [`keys::META`].
const PARTITIONS: &str = "partitions";
const SCHEMA: &str = "schema";
const SEAL_KEY: &str = "seal_key";

impl Store {
    /// [`Store::prepare`], and the payload key is the one that what is stored was sealed with. Safe to repeat.
    pub async fn make_ready(&self, settings: &Settings) -> Result<(), StoreError> {
        self.prepare(&settings.redis).await?;
        self.fix_key(&settings.sealer).await
    }

    /// The first start fixes the number of partitions.
    pub(super) async fn fix_meta(&self) -> Result<(), StoreError> {
        self.meta_or(SCHEMA, "1").await?;
        let mine = self.partitions.to_string();
        let stored = self.meta_or(PARTITIONS, &mine).await?;
        if stored != mine {
            return Err(StoreError::Server(format!(
                "this database was set up with {stored} partitions, PARTITIONS says {mine}; the number is fixed at the first start"
            )));
        }
        Ok(())
    }

    /// The id of the key that seals is kept from the first start on. A process that does not hold that key is refused: it could
    /// open nothing of the others, and they nothing of it. One that holds it behind another (a rotation) makes the new one known.
    async fn fix_key(&self, sealer: &Sealer) -> Result<(), StoreError> {
        let ids = sealer.key_ids();
        let stored = self.meta_or(SEAL_KEY, &ids[0]).await?;
        if stored == ids[0] {
            return Ok(());
        }
        if !ids.contains(&stored) {
            return Err(StoreError::Server(misfit(&stored, &ids)));
        }
        let id = ids[0].clone();
        self.redis
            .run(keys::META, |mut c| async move {
                redis::cmd("HSET")
                    .arg(keys::META)
                    .arg(SEAL_KEY)
                    .arg(id)
                    .query_async::<()>(&mut c)
                    .await
            })
            .await?;
        tracing::info!(from = stored, to = ids[0], "the payload key was rotated");
        Ok(())
    }

    /// Looks at the key's id for as long as the process runs: makes it known again when the database was flushed, and complains,
    /// once for each, of a key that this process does not hold. What is sealed with it holds its job, with the reason.
    pub async fn watch_key(self, sealer: Sealer) {
        let ids = sealer.key_ids();
        let mut told = String::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.meta_or(SEAL_KEY, &ids[0]).await {
                Ok(stored) if !ids.contains(&stored) && stored != told => {
                    tracing::error!("{}", misfit(&stored, &ids));
                    told = stored;
                }
                Ok(_) => {}
                Err(e) => tracing::debug!(error = %e, "the payload key's id can't be looked at"),
            }
        }
    }

    /// What is stored; `mine` when nothing is, which is stored then. Of several first ones one wins. Writes only then: a server
    /// whose memory is full refuses writes, and may be fit all the same.
    async fn meta_or(&self, field: &'static str, mine: &str) -> Result<String, StoreError> {
        for _ in 0..3 {
            let stored: Option<String> = self
                .redis
                .run(keys::META, |mut c| async move {
                    redis::cmd("HGET").arg(keys::META).arg(field).query_async(&mut c).await
                })
                .await?;
            if let Some(stored) = stored {
                return Ok(stored);
            }
            let mine = mine.to_owned();
            self.redis
                .run(keys::META, |mut c| async move {
                    redis::cmd("HSETNX")
                        .arg(keys::META)
                        .arg(field)
                        .arg(mine)
                        .query_async::<()>(&mut c)
                        .await
                })
                .await?;
        }
        Err(StoreError::Corrupt(format!("{} {field} does not stay", keys::META)))
    }

    /// Could new work be stored this moment? A small write that goes by itself: it is refused when memory is full, when the disk
    /// is, and by a replica.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.redis
            .run(keys::PROBE, |mut c| async move {
                redis::cmd("SET")
                    .arg(keys::PROBE)
                    .arg(1)
                    .arg("EX")
                    .arg(PROBE_TTL)
                    .query_async::<()>(&mut c)
                    .await
            })
            .await
    }
}

fn misfit(stored: &str, ids: &[String]) -> String {
    format!(
        "PAYLOAD_KEY does not fit: this database is sealed with key {stored}, PAYLOAD_KEY holds {}; it takes the key of the other processes (to rotate it, every process first gets the new key behind the old one; if it is lost, `HDEL {} {SEAL_KEY}` lets another one in, and jobs sealed with the lost one are held)",
        ids.join(", "),
        keys::META
    )
}
