//! Batches that were given up because workers kept crashing on them, and the jobs that took them up again.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::inspect::{Fields, num, reply};
use super::keys::Partition;
use super::lanes::parse_lane;
use super::{Store, StoreError};
use crate::id::{BadName, JobId, PhaseId, TenantId};

/// Read with one call.
const PAGE: usize = 200;
/// What a letter was replayed as is known for so long, seconds.
const REPLAYED_TTL: u64 = 24 * 3600;

/// Where a dead letter is: `<partition>.<entry of the stream>`, such as `0.1795817912065-0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterId {
    pub partition: Partition,
    /// Milliseconds and a number.
    entry: (u64, u64),
}

impl LetterId {
    fn entry(&self) -> String {
        format!("{}-{}", self.entry.0, self.entry.1)
    }

    fn of(partition: Partition, entry: &str) -> Option<Self> {
        let (ms, number) = entry.split_once('-')?;
        Some(LetterId {
            partition,
            entry: (ms.parse().ok()?, number.parse().ok()?),
        })
    }

    /// When it was written, milliseconds since the epoch.
    pub fn at_ms(&self) -> u64 {
        self.entry.0
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.partition.0, self.entry())
    }
}

impl FromStr for LetterId {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let read = || {
            let (partition, entry) = text.split_once('.')?;
            LetterId::of(Partition(partition.parse().ok()?), entry)
        };
        // one text for one letter: `00.1-1` is none
        let found = read().filter(|id| id.to_string() == text);
        found.ok_or_else(|| BadName(text.chars().take(80).collect(), "dead letter"))
    }
}

impl Serialize for LetterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A batch that was given up, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    pub id: LetterId,
    pub tenant: TenantId,
    pub controller: i64,
    pub job: JobId,
    pub phase: PhaseId,
    /// -1: the plan of the phase.
    pub batch: i64,
    /// Workers that died over it in a row.
    pub crashes: u64,
    pub why: String,
}

/// None: written by a later version.
fn letter(p: Partition, entry: &str, f: &Fields) -> Option<DeadLetter> {
    let text = |name: &str| f.get(name).map(String::as_str);
    let (tenant, controller) = parse_lane(text("l")?)?;
    Some(DeadLetter {
        id: LetterId::of(p, entry)?,
        tenant,
        controller,
        job: text("j")?.parse().ok()?,
        phase: text("ph")?.parse().ok()?,
        batch: text("b")?.parse().ok()?,
        crashes: num(f, "crashes"),
        why: text("why").unwrap_or_default().to_owned(),
    })
}

impl Store {
    /// Dead letters of a partition that match, the newest first, `count` at most; behind one of them, or from the newest on.
    pub async fn dead_letters(
        &self,
        p: Partition,
        behind: Option<&LetterId>,
        count: usize,
        matches: impl Fn(&DeadLetter) -> bool,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut found = Vec::new();
        let mut end = behind.map_or_else(|| "+".to_owned(), |id| format!("({}", id.entry()));
        // the stream is kept at some ten thousand
        loop {
            let mut pipe = redis::pipe();
            let of_page = pipe.cmd("XREVRANGE").arg(p.key("dlq")).arg(&end).arg("-");
            of_page.arg("COUNT").arg(PAGE);
            let replies = self.replies(pipe).await?;
            let entries: Vec<(String, Fields)> = replies.first().map_or(Ok(Vec::new()), reply)?;
            let letters = entries.iter().filter_map(|(entry, f)| letter(p, entry, f));
            found.extend(letters.filter(&matches).take(count - found.len()));
            match entries.last() {
                Some((last, _)) if entries.len() == PAGE && found.len() < count => end = format!("({last}"),
                _ => return Ok(found),
            }
        }
    }

    pub async fn dead_letter(&self, id: &LetterId) -> Result<Option<DeadLetter>, StoreError> {
        let (p, mut pipe) = (id.partition, redis::pipe());
        pipe.cmd("XRANGE").arg(p.key("dlq")).arg(id.entry()).arg(id.entry());
        let replies = self.replies(pipe).await?;
        let entries: Vec<(String, Fields)> = replies.first().map_or(Ok(Vec::new()), reply)?;
        Ok(entries.first().and_then(|(entry, f)| letter(p, entry, f)))
    }

    /// The letter is taken up by this job: it is none any more. Safe to repeat.
    pub async fn letter_replayed(&self, id: &LetterId, by: JobId) -> Result<(), StoreError> {
        let (p, mut pipe) = (id.partition, redis::pipe());
        let replayed = p.key("dlq:replayed");
        // in this order: a letter that is gone can be asked for
        pipe.hset(&replayed, id.entry(), by.to_string());
        pipe.expire(&replayed, REPLAYED_TTL as i64);
        pipe.cmd("XDEL").arg(p.key("dlq")).arg(id.entry());
        self.replies(pipe).await.map(drop)
    }

    /// The job that took the letter up, in the last day at least.
    pub async fn replay_of(&self, id: &LetterId) -> Result<Option<JobId>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.hget(id.partition.key("dlq:replayed"), id.entry());
        let replies = self.replies(pipe).await?;
        let job: Option<String> = replies.first().map_or(Ok(None), reply)?;
        Ok(job.and_then(|job| job.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text() {
        let id: LetterId = "3.1795817912065-1".parse().unwrap();
        assert_eq!((id.partition, id.at_ms()), (Partition(3), 1_795_817_912_065));
        assert_eq!(id.to_string(), "3.1795817912065-1");
        for bad in [
            "",
            "3",
            "3.",
            "3.5",
            "03.5-1",
            "3.05-1",
            "3.5-+1",
            "3.5-1-1",
            "70000.5-1",
            "-1.5-1",
        ] {
            assert!(bad.parse::<LetterId>().is_err(), "{bad}");
        }
    }
}
