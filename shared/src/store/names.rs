//! Who writes which names on a controller: two jobs never make the same thing side by side.
//!
//! Controllers refuse some names that are taken and not others, and an asynchronous one may accept the second create before the first
//! can be seen. So a phase claims what it is going to write before it looks what is there, and keeps it until its tasks have ended.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::model::Waits;
use super::scripts::{self, Args};
use super::{Partition, Store, StoreError, keys};
use crate::id::{JobId, PhaseId};

/// Names sent with one call, at most: claimed whole or not at all. Fits a batch.
const NAMES_MAX: usize = 1000;
/// Of a name's hash: 100,000 names clash with a chance of one in 10^14, and two that clash only wait for each other.
const HASH_BYTES: usize = 10;

/// A phase of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    pub job: JobId,
    pub phase: PhaseId,
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.job, self.phase)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamesClaimed {
    /// They were before.
    Ours,
    /// Only now: another job may have written them meanwhile.
    New,
    /// Another phase has at least one, this; of this call's names nothing was claimed.
    Taken { name: String, by: Writer },
}

fn hashed(args: &mut Args, names: &[String]) {
    for name in names {
        args.push(&Sha256::digest(name.as_bytes())[..HASH_BYTES]);
    }
}

impl Store {
    /// Claims names, or keeps them for another `ttl`. With many names a part may be claimed when another is found taken.
    pub async fn claim_names(
        &self,
        limiter: &str,
        writer: &Writer,
        ttl: Duration,
        names: &[String],
    ) -> Result<NamesClaimed, StoreError> {
        let mut all = NamesClaimed::Ours;
        for part in names.chunks(NAMES_MAX) {
            let mut args = Args::new().with(writer.to_string()).with(ttl.as_millis() as u64);
            hashed(&mut args, part);
            let key = keys::limiter(limiter);
            let reply: Vec<String> = scripts::on_key(&self.redis, &key, &scripts::NAMES_CLAIM, args).await?;
            match reply.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["OURS"] => {}
                ["NEW"] => all = NamesClaimed::New,
                ["TAKEN", other, at] => {
                    let parsed = || {
                        let (job, phase) = other.split_once('|')?;
                        let by = Writer {
                            job: job.parse().ok()?,
                            phase: phase.parse().ok()?,
                        };
                        let at = at.parse::<usize>().ok()?.checked_sub(1)?;
                        let name = part.get(at)?.clone();
                        Some(NamesClaimed::Taken { name, by })
                    };
                    return parsed().ok_or_else(|| StoreError::Corrupt(format!("names_claim answered {reply:?}")));
                }
                _ => return Err(StoreError::Corrupt(format!("names_claim answered {reply:?}"))),
            }
        }
        Ok(all)
    }

    /// Their tasks have ended. Safe to repeat.
    pub async fn release_names(&self, limiter: &str, writer: &Writer, names: &[String]) -> Result<(), StoreError> {
        for part in names.chunks(NAMES_MAX) {
            let mut args = Args::new().with(writer.to_string());
            hashed(&mut args, part);
            self.names_release(limiter, args).await?;
        }
        Ok(())
    }

    /// All that a phase has.
    pub async fn release_all_names(&self, limiter: &str, writer: &Writer) -> Result<(), StoreError> {
        self.names_release(limiter, Args::new().with(writer.to_string())).await
    }

    async fn names_release(&self, limiter: &str, args: Args) -> Result<(), StoreError> {
        let key = keys::limiter(limiter);
        scripts::on_key::<u64>(&self.redis, &key, &scripts::NAMES_RELEASE, args).await?;
        Ok(())
    }

    /// The job waits for another, or does so no longer (none). Read with the job.
    pub async fn note_wait(&self, p: Partition, job: JobId, waits: Option<&Waits>) -> Result<(), StoreError> {
        let note = waits.map(serde_json::to_string).transpose()?.unwrap_or_default();
        let args = Args::new().with(job.to_string()).with(note);
        scripts::on_partition::<u64>(&self.redis, p, &scripts::JOB_WAITS, args)
            .await
            .map(drop)
    }

    /// Whether the phase may still write: false when it has ended or its job is gone.
    pub async fn is_writing(&self, writer: &Writer) -> Result<bool, StoreError> {
        for p in self.partitions() {
            let key = p.job_part(writer.job, &format!("ph:{}", writer.phase));
            let state: Option<String> = self
                .redis
                .run(p, |mut c| async move {
                    redis::cmd("HGET").arg(key).arg("st").query_async(&mut c).await
                })
                .await?;
            if let Some(state) = state {
                return Ok(matches!(state.as_str(), "PENDING" | "PLANNING" | "RUNNING"));
            }
        }
        Ok(false)
    }
}
