//! Batches that were given up because workers kept crashing on them, the jobs that took them up again, and what else can be done about them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::inspect::{Fields, num, reply};
use super::keys::Partition;
use super::lanes::parse_lane;
use super::{Store, StoreError};
use crate::id::{JobId, PhaseId, TenantId};
use crate::job::JobStatus;

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

/// A text that is the id of no dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a dead letter: they look like `0.1795840545010-0`")]
pub struct BadLetter(String);

impl FromStr for LetterId {
    type Err = BadLetter;
    fn from_str(text: &str) -> Result<Self, BadLetter> {
        let read = || {
            let (partition, entry) = text.split_once('.')?;
            LetterId::of(Partition(partition.parse().ok()?), entry)
        };
        // one text for one letter: `00.1-1` is none
        let found = read().filter(|id| id.to_string() == text);
        found.ok_or_else(|| BadLetter(text.chars().take(80).collect()))
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
    /// None: it can't be read by this version.
    #[serde(flatten)]
    pub unit: Option<DeadUnit>,
    /// Workers that died over it in a row.
    pub crashes: u64,
    pub why: String,
    #[serde(skip)]
    pub replay: Replay,
}

/// What the letter is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadUnit {
    pub tenant: TenantId,
    pub controller: i64,
    pub job: JobId,
    pub phase: PhaseId,
    /// -1: the plan of the phase.
    pub batch: i64,
}

/// Whether a letter can be taken up, by a retry of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Unless a retry or cleanup of the job is under way.
    Possible,
    NotEnded(JobStatus),
    /// Its job ended with nothing left to be done.
    NothingLeft,
    /// Its job is a cleanup of this one.
    Cleanup(JobId),
    /// Its job is an audit of this one.
    Audit(JobId),
    Plan,
    /// Its job is not stored any more.
    Gone,
    Unreadable,
}

impl Replay {
    /// What can be done instead; none: it can be replayed.
    pub fn advice(self) -> Option<String> {
        Some(match self {
            Self::Possible => return None,
            Self::NotEnded(status) => format!("its job is {}; replay it when the job has ended", status.as_str()),
            Self::NothingLeft => {
                "its job is COMPLETED and nothing of it is left to be done; dismiss this letter".to_owned()
            }
            Self::Cleanup(of) => format!(
                "a cleanup is not replayed; clean up job {of} once more, which goes on from what is left, and dismiss this letter"
            ),
            Self::Audit(of) => format!("an audit is not replayed; audit job {of} once more, and dismiss this letter"),
            Self::Plan => "a plan is not replayed; make a new one, and dismiss this letter".to_owned(),
            Self::Gone => "its job is not stored any more; dismiss this letter".to_owned(),
            Self::Unreadable => {
                "it can't be read by this version; dismiss it, unless a later version wrote it".to_owned()
            }
        })
    }
}

fn letter(p: Partition, entry: &str, f: &Fields) -> Option<DeadLetter> {
    let unit = unit(f);
    Some(DeadLetter {
        id: LetterId::of(p, entry)?,
        replay: Replay::Unreadable,
        crashes: num(f, "crashes"),
        why: match (&unit, f.get("why")) {
            (Some(_), why) => why.cloned().unwrap_or_default(),
            (None, _) => "unreadable".to_owned(),
        },
        unit,
    })
}

/// None: it was written by a later version, or by hand.
fn unit(f: &Fields) -> Option<DeadUnit> {
    let text = |name: &str| f.get(name).map(String::as_str);
    let (tenant, controller) = parse_lane(text("l")?)?;
    Some(DeadUnit {
        tenant,
        controller,
        job: text("j")?.parse().ok()?,
        phase: text("ph")?.parse().ok()?,
        batch: text("b")?.parse().ok()?,
    })
}

/// What is asked of a letter's job.
const OF_JOB: [&str; 5] = ["t", "status", "cleanup_of", "audit_of", "plan"];

fn replay(owner: &TenantId, job: &[Option<String>; OF_JOB.len()]) -> Replay {
    let [tenant, status, cleanup, audit, plan] = job;
    let id = |of: &Option<String>| of.as_ref().and_then(|id| id.parse().ok());
    let status = status.as_ref().filter(|_| tenant.as_deref() == Some(owner.as_str()));
    let Some(status) = status else { return Replay::Gone };
    // a state of a later version: as far as this one can tell it has not ended
    let status = JobStatus::parse(status).unwrap_or(JobStatus::Running);
    match (id(cleanup), id(audit), plan) {
        (Some(of), ..) => Replay::Cleanup(of),
        (_, Some(of), _) => Replay::Audit(of),
        (_, _, Some(_)) => Replay::Plan,
        _ if status == JobStatus::Completed => Replay::NothingLeft,
        _ if !status.is_terminal() => Replay::NotEnded(status),
        _ => Replay::Possible,
    }
}

impl Store {
    /// Dead letters of a partition that match, the newest first, `count` at most; behind one of them, or from the newest on. Those whose job
    /// is not stored any more say nothing to anybody: they go on the way.
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
            let room = count - found.len();
            let mut letters: Vec<DeadLetter> = letters.filter(&matches).take(room).collect();
            let last = match letters.last() {
                Some(last) if letters.len() == room => Some(last.id.entry()),
                // the page is used up
                _ => entries
                    .last()
                    .filter(|_| entries.len() == PAGE)
                    .map(|(entry, _)| entry.clone()),
            };
            self.look_up_jobs(&mut letters).await?;
            let (gone, there): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| letter.replay == Replay::Gone);
            self.drop_letters(p, &gone).await?;
            found.extend(there);
            match last.filter(|_| found.len() < count) {
                Some(last) => end = format!("({last}"),
                None => return Ok(found),
            }
        }
    }

    async fn look_up_jobs(&self, letters: &mut [DeadLetter]) -> Result<(), StoreError> {
        let mut pipe = redis::pipe();
        let units = || {
            letters
                .iter()
                .filter_map(|letter| Some((letter.id.partition, letter.unit.as_ref()?)))
        };
        for (p, unit) in units() {
            pipe.hmget(p.job(unit.job), &OF_JOB);
        }
        if units().next().is_none() {
            return Ok(());
        }
        let replies = self.replies(pipe).await?;
        let readable = letters.iter_mut().filter(|letter| letter.unit.is_some());
        for (letter, job) in readable.zip(&replies) {
            if let Some(unit) = &letter.unit {
                letter.replay = replay(&unit.tenant, &reply(job)?);
            }
        }
        Ok(())
    }

    async fn drop_letters(&self, p: Partition, letters: &[DeadLetter]) -> Result<(), StoreError> {
        if letters.is_empty() {
            return Ok(());
        }
        let (ids, mut pipe) = (letters.iter().map(|letter| letter.id.entry()), redis::pipe());
        pipe.cmd("XDEL").arg(p.key("dlq")).arg(ids.collect::<Vec<_>>());
        self.replies(pipe).await.map(drop)
    }

    pub async fn dead_letter(&self, id: &LetterId) -> Result<Option<DeadLetter>, StoreError> {
        let (p, mut pipe) = (id.partition, redis::pipe());
        pipe.cmd("XRANGE").arg(p.key("dlq")).arg(id.entry()).arg(id.entry());
        let replies = self.replies(pipe).await?;
        let entries: Vec<(String, Fields)> = replies.first().map_or(Ok(Vec::new()), reply)?;
        let mut found: Vec<_> = entries.iter().filter_map(|(entry, f)| letter(p, entry, f)).collect();
        self.look_up_jobs(&mut found).await?;
        Ok(found.pop())
    }

    /// It is none any more, and nothing is done about what it was. False: it was none before.
    pub async fn dismiss_letter(&self, id: &LetterId) -> Result<bool, StoreError> {
        let (p, mut pipe) = (id.partition, redis::pipe());
        pipe.cmd("XDEL").arg(p.key("dlq")).arg(id.entry());
        let replies = self.replies(pipe).await?;
        let gone: u64 = replies.first().map_or(Ok(0), reply)?;
        Ok(gone > 0)
    }

    /// The letter is taken up by this job: it is none any more. Safe to repeat.
    pub async fn letter_replayed(&self, id: &LetterId, by: JobId) -> Result<(), StoreError> {
        let (p, mut pipe) = (id.partition, redis::pipe());
        // in this order: a letter that is gone can be asked for
        pipe.set_ex(replayed(id), by.to_string(), REPLAYED_TTL);
        pipe.cmd("XDEL").arg(p.key("dlq")).arg(id.entry());
        self.replies(pipe).await.map(drop)
    }

    /// The job that took the letter up, in the last day at least.
    pub async fn replay_of(&self, id: &LetterId) -> Result<Option<JobId>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.get(replayed(id));
        // where earlier versions put all of them
        pipe.hget(id.partition.key("dlq:replayed"), id.entry());
        for job in &self.replies(pipe).await? {
            if let Some(job) = reply::<Option<String>>(job)? {
                return Ok(job.parse().ok());
            }
        }
        Ok(None)
    }
}

fn replayed(id: &LetterId) -> String {
    id.partition.key(&format!("dlq:replayed:{}", id.entry()))
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
