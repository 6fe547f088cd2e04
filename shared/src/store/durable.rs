//! Whether what Redis has acknowledged would survive its own death.
//!
//! With `appendfsync everysec` Redis answers before it writes: while an fsync is under way it keeps the append-only file's next bytes
//! in its own memory, for up to two seconds (`flushAppendOnlyFile` in `aof.c`). Killed in that time it has forgotten them. Measured
//! with Redis 7.0.15: killed while `aof_buffer_length` was above zero, acknowledged writes were lost 5 times of 5; with `always` and
//! `no` it never was. So whoever relies on a write (an accepted job, an intent whose request is about to leave) asks here first.
//!
//! This is about the *process*. What the machine loses when it crashes is a matter of fsync, and of the operator's choice.

use std::time::{Duration, Instant};

use super::keys::{self, Partition};
use super::slots::Slot;
use super::{Store, StoreError};

/// Between two looks while writes are held back.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Redis holds back for two seconds at most, then it writes, fsync or not.
const HELD_BACK_MAX: Duration = Duration::from_secs(5);

/// What `INFO server persistence` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    /// Its `run_id`.
    life: Life,
    /// Bytes that are still to be written.
    buffered: u64,
    /// Bytes written.
    size: u64,
    /// An fsync is under way: only then is anything held back.
    syncing: bool,
}

impl Look {
    /// Fields that are missing (no append-only file, a managed service that hides them) count as nothing held back.
    fn parse(info: &str) -> Self {
        let field = |name: &str| {
            let line = info.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().trim()
        };
        let number = |name: &str| field(name).parse().unwrap_or(0);
        Look {
            life: Life(field("run_id").to_owned()),
            buffered: number("aof_buffer_length"),
            size: number("aof_current_size"),
            syncing: number("aof_pending_bio_fsync") > 0,
        }
    }

    /// Everything before this look is written by the time its answer is here: Redis writes before it answers, unless it syncs.
    fn is_written(&self) -> bool {
        self.buffered == 0 || !self.syncing
    }

    /// What was to be written at `first` is.
    fn is_past(&self, first: &Look) -> bool {
        // smaller: rewritten meanwhile, from memory
        self.is_written() || self.size >= first.size + first.buffered || self.size < first.size
    }
}

/// A life of the server process: from its start to its death.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Life(String);

impl Store {
    /// The life of the partition's server as last asked. Taken before a write, it makes [`Store::secured`] notice that another life answers
    /// after it.
    pub fn life(&self, p: Partition) -> Life {
        self.redis.life(p)
    }

    /// The same of the server that has a limiter's keys.
    pub fn life_of_limiter(&self, limiter: &str) -> Life {
        self.redis.life(&keys::limiter(limiter))
    }

    /// The life that has a limiter's keys now, asked of its server unless that is the one that was just asked for the partition's.
    pub async fn present_life_of_limiter(&self, limiter: &str, p: Partition) -> Result<Life, StoreError> {
        let key = keys::limiter(limiter);
        match self.redis.is_together(p, &key) {
            true => Ok(self.redis.life(&key)),
            false => Ok(self.look(&key).await?.life),
        }
    }

    /// Waits until everything the partition's server has acknowledged since `before` would survive its death; next to nothing when its disk
    /// keeps up.
    ///
    /// An error means: not known to. The server may have been started anew, without the write, or another may have taken its place; so the
    /// write is repeated, after another look at [`Store::life`].
    pub async fn secured(&self, p: Partition, before: &Life) -> Result<(), StoreError> {
        self.secured_within(p, before, HELD_BACK_MAX).await
    }

    /// [`Store::secured`] with a limit of one's own for how long Redis may hold back.
    pub async fn secured_within(&self, p: Partition, before: &Life, limit: Duration) -> Result<(), StoreError> {
        let first = self.look(p).await?;
        if first.life != *before {
            return Err(unknown("it was started anew, or is asked for the first time"));
        }
        let (began, mut now) = (Instant::now(), first.clone());
        while !now.is_past(&first) {
            if began.elapsed() > limit {
                return Err(unknown("it does not write its append-only file"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
            now = self.look(p).await?;
            if now.life != first.life {
                return Err(unknown("it was started anew"));
            }
        }
        Ok(())
    }

    /// Asks which life the partition's server has now.
    pub async fn present_life(&self, p: Partition) -> Result<Life, StoreError> {
        Ok(self.look(p).await?.life)
    }

    async fn look(&self, at: impl Into<Slot>) -> Result<Look, StoreError> {
        let (node, info) = self.redis.info(at, &["server", "persistence"]).await?;
        let look = Look::parse(&info);
        node.met(look.life.clone());
        Ok(look)
    }
}

fn unknown(why: &str) -> StoreError {
    StoreError::Unavailable {
        reason: format!("whether Redis has kept the write is not known: {why}"),
        timeout: false,
        stale: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(buffered: u64, size: u64, syncing: u8) -> Look {
        Look::parse(&format!(
            "# Server\r\nrun_id:abc\r\n# Persistence\r\naof_enabled:1\r\naof_current_size:{size}\r\naof_buffer_length:{buffered}\r\naof_pending_bio_fsync:{syncing}\r\n"
        ))
    }

    #[test]
    fn only_an_fsync_holds_writes_back() {
        assert_eq!(look(21, 100, 1).life.0, "abc");
        assert!(!look(21, 100, 1).is_written());
        assert!(look(21, 100, 0).is_written() && look(0, 100, 1).is_written());
        assert!(Look::parse("run_id:abc\r\naof_enabled:0\r\n").is_written());
    }

    #[test]
    fn what_was_held_back_is_written_when_the_file_has_grown_by_it() {
        let first = look(21, 100, 1);
        assert!(!look(50, 100, 1).is_past(&first) && !look(50, 120, 1).is_past(&first));
        assert!(look(50, 121, 1).is_past(&first) && look(0, 0, 1).is_past(&first) && look(9, 40, 1).is_past(&first));
    }
}
