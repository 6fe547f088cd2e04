//! Who writes which names on a controller: two jobs never make the same thing side by side, and none takes away what another needs.
//!
//! Controllers refuse some names that are taken and not others, and an asynchronous one may accept the second create before the first
//! can be seen. So a phase claims what it is going to write before it looks what is there, and keeps it until its tasks have ended.
//! What its later phases build on, a job relies on until it has ended; what it takes away it reserves until then.
//!
//! A bare name stands for a phase that writes it, and for nothing else: that is all that workers of the first version look for, and
//! whom they wait for. What a job as a whole has carries a mark, which they do not see.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::model::Waits;
use super::scripts::{self, Args};
use super::{Partition, Store, StoreError, keys};
use crate::id::{JobId, PhaseId};
use crate::job::JobStatus;

/// Names given back with one call, at most.
const NAMES_MAX: usize = 1000;
/// Of a name's hash: 100,000 names clash with a chance of one in 10^14, and two that clash only wait for each other.
const HASH_BYTES: usize = 10;

/// Of the script's names for a job as a whole. No phase is called so.
const WHOLE: &str = "*";

/// Who has names: a phase of a job, or all of it (none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    pub job: JobId,
    pub phase: Option<PhaseId>,
}

impl Writer {
    fn parse(text: &str) -> Option<Self> {
        let (job, phase) = text.split_once('|')?;
        let phase = match phase {
            WHOLE => None,
            phase => Some(phase.parse().ok()?),
        };
        Some(Writer {
            job: job.parse().ok()?,
            phase,
        })
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.job, self.phase.as_ref().map_or(WHOLE, PhaseId::as_str))
    }
}

/// What a name is claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// To find, make or change it. Nobody else writes it or takes it away meanwhile.
    #[default]
    Write,
    /// Something is built on it. Others may as well; nobody takes it away meanwhile.
    Rely,
    /// To take it away, later: nobody else writes it, relies on it or takes it away meanwhile. Who deletes it claims to write it as well.
    Remove,
}

impl Hold {
    /// Marks, behind a name's hash, of what another must not have of it; and of what one gets.
    fn marks(self) -> (&'static [&'static str], &'static [&'static str]) {
        const BARE: &str = "";
        match self {
            Hold::Write => (&[BARE, "d"], &[BARE]),
            Hold::Rely => (&["d"], &["u"]),
            Hold::Remove => (&[BARE, "u", "d"], &["d"]),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamesClaimed {
    /// They were before.
    Ours,
    /// Only now: another job may have written them meanwhile.
    New,
    /// Nothing was claimed: the job needs names as a whole, and has none, or none any more.
    Lost,
    /// Another has at least one, this; nothing was claimed.
    Taken { name: String, by: Writer },
}

fn hashed(args: &mut Args, names: &[String], mark: &str) {
    for name in names {
        args.push([&Sha256::digest(name.as_bytes())[..HASH_BYTES], mark.as_bytes()].concat());
    }
}

/// `at`: from 1, among the names as often as there are marks.
fn taken(names: &[String], other: &str, at: &str) -> Option<NamesClaimed> {
    let at = at.parse::<usize>().ok()?.checked_sub(1)?;
    let name = names.get(at.checked_rem(names.len())?)?.clone();
    let by = Writer::parse(other)?;
    Some(NamesClaimed::Taken { name, by })
}

/// A claim to be made.
#[derive(Debug, Clone)]
pub struct Claiming {
    pub writer: Writer,
    pub hold: Hold,
    /// From now on, for all that the writer has.
    pub ttl: Duration,
    /// The same for what its job as a whole has: whatever a phase claims keeps it alive.
    pub job_ttl: Duration,
    /// For a phase: not without what its job has claimed as a whole.
    pub needs_whole: bool,
}

impl Store {
    /// Claims names, or keeps them for another `ttl`: all of them or none. No names are a claim as well, of a job that needs none.
    pub async fn claim_names(
        &self,
        limiter: &str,
        claim: &Claiming,
        names: &[String],
    ) -> Result<NamesClaimed, StoreError> {
        let (looks, gets) = claim.hold.marks();
        let mut args = Args::new()
            .with(claim.writer.to_string())
            .with(claim.ttl.as_millis() as u64)
            .with(claim.job_ttl.as_millis() as u64)
            .with(u64::from(claim.needs_whole))
            .with((looks.len() * names.len()) as u64);
        for mark in looks.iter().chain(gets) {
            hashed(&mut args, names, mark);
        }
        let key = keys::limiter(limiter);
        let reply: Vec<String> = scripts::on_key(&self.redis, &key, &scripts::NAMES_CLAIM, args).await?;
        let claimed = match reply.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["OURS"] => Some(NamesClaimed::Ours),
            ["NEW"] => Some(NamesClaimed::New),
            ["LOST"] => Some(NamesClaimed::Lost),
            ["TAKEN", other, at] => taken(names, other, at),
            _ => None,
        };
        claimed.ok_or_else(|| StoreError::Corrupt(format!("names_claim answered {reply:?}")))
    }

    /// Names that were written: their tasks have ended. Safe to repeat.
    pub async fn release_names(&self, limiter: &str, writer: &Writer, names: &[String]) -> Result<(), StoreError> {
        for part in names.chunks(NAMES_MAX) {
            let mut args = Args::new().with(writer.to_string());
            hashed(&mut args, part, "");
            self.names_release(limiter, args).await?;
        }
        Ok(())
    }

    /// All that the writer has.
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

    /// Whether who has names may still need them: false when the phase, or the job, has ended or is gone.
    pub async fn is_writing(&self, writer: &Writer) -> Result<bool, StoreError> {
        for p in self.partitions() {
            let (key, field) = match &writer.phase {
                Some(phase) => (p.job_part(writer.job, &format!("ph:{phase}")), "st"),
                None => (p.job(writer.job), "status"),
            };
            let state: Option<String> = self
                .redis
                .run(p, |mut c| async move {
                    redis::cmd("HGET").arg(key).arg(field).query_async(&mut c).await
                })
                .await?;
            let Some(state) = state else { continue };
            return Ok(match &writer.phase {
                Some(_) => matches!(state.as_str(), "PENDING" | "PLANNING" | "RUNNING"),
                // a state of a later version is none of those that end
                None => JobStatus::parse(&state).is_none_or(|status| !status.is_terminal()),
            });
        }
        Ok(false)
    }
}
