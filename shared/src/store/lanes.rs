//! What operators look at: a partition's work stream and the lanes that wait in front of it. Bounded like the rest of the figures, and
//! under the words that the keys have in Redis.

use std::collections::HashMap;

use super::figures::Figures;
use super::inspect::{reply, time_ms};
use super::keys::{GROUP, Partition};
use super::model::Outage;
use super::{Store, StoreError};
use crate::id::TenantId;
use crate::job::JobStatus;

/// Lanes of a partition whose queues are looked at, two commands each: first those that are known to have something.
const LANES_MAX: usize = 10_000;
/// Of these, in one round trip.
const LANES_CHUNK: usize = 500;
/// Of these, shown: those with most to do.
const LANES_SHOWN: usize = 50;
/// Jobs among which held ones are looked for, the newest first: no set has them.
const HELD_AMONG: isize = 1_000;
const HELD_CHUNK: usize = 250;

/// A partition: its work stream and what waits in front of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionFigures {
    pub partition: Partition,
    /// Key of the work stream, and its one consumer group.
    pub stream: String,
    pub group: &'static str,
    /// Numbers of this partition alone.
    pub figures: Figures,
    /// Held ones (paused, or to be confirmed) are not among them.
    pub jobs_unfinished: u64,
    /// Busiest first, [`LANES_SHOWN`] at most.
    pub lanes: Vec<LaneFigures>,
    pub lanes_total: u64,
}

/// One tenant's work on one controller.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneFigures {
    pub tenant: TenantId,
    pub controller: i64,
    /// Units in its queue (`tq:<lane>`): a phase with all its batches, or a batch that comes back.
    pub queued: u64,
    /// Tasks of its batches in the work stream (`tin`).
    pub in_stream: u64,
    /// Batches put aside until an activity ends or a retry is due (`pk:<lane>`).
    pub parked: u64,
    /// Of the newest [`HELD_AMONG`] jobs of the partition.
    pub jobs_paused: u64,
    /// The same of those that wait for somebody to confirm them.
    pub jobs_to_confirm: u64,
    /// Nothing of it is released for so long (`cool`).
    pub cool_ms: u64,
    pub outage: Option<Outage>,
}

/// What is known of a lane without a look at its queues.
#[derive(Debug, Clone, Default)]
struct Known {
    jobs: u64,
    jobs_paused: u64,
    jobs_to_confirm: u64,
    in_stream: u64,
    cool_ms: u64,
    outage: Option<Outage>,
}

impl Known {
    /// Something of it waits or is held back, whatever its queues have.
    fn is_there(&self) -> bool {
        self.jobs + self.jobs_paused + self.jobs_to_confirm + self.in_stream + self.cool_ms > 0 || self.outage.is_some()
    }
}

impl Store {
    pub async fn partition(&self, p: Partition) -> Result<PartitionFigures, StoreError> {
        let mut figures = Figures::default();
        self.partition_figures(p, &mut figures).await?;
        let mut known = self.lanes_with_a_rate(p).await?;
        for job in self.unfinished(p).await? {
            figures.count(&job);
            known.entry(job.lane).or_default().jobs += 1;
        }
        for (lane, status) in self.lanes_of_held(p).await? {
            let lane = known.entry(lane).or_default();
            match status {
                JobStatus::AwaitingConfirmation => lane.jobs_to_confirm += 1,
                _ => lane.jobs_paused += 1,
            }
        }
        let jobs_unfinished = self.held_back(p, &mut known).await?;
        let (lanes, lanes_total) = self.lanes(p, known).await?;
        Ok(PartitionFigures {
            partition: p,
            stream: p.key("work"),
            group: GROUP,
            figures,
            jobs_unfinished,
            lanes,
            lanes_total,
        })
    }

    /// Lanes that workers have noted a rate of (`cfg`): all they have had something of, ever.
    async fn lanes_with_a_rate(&self, p: Partition) -> Result<HashMap<String, Known>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.hkeys(p.key("cfg"));
        let names: Vec<String> = self.replies(pipe).await?.first().map_or(Ok(Vec::new()), reply)?;
        let lanes = names.iter().filter_map(|name| name.strip_prefix("rate:"));
        Ok(lanes.map(|lane| (lane.to_owned(), Known::default())).collect())
    }

    /// The lane and the state of each held job; those are not among the unfinished ones.
    async fn lanes_of_held(&self, p: Partition) -> Result<Vec<(String, JobStatus)>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.zrevrange(p.key("index"), 0, HELD_AMONG - 1);
        let members: Vec<String> = self.replies(pipe).await?.first().map_or(Ok(Vec::new()), reply)?;
        let jobs: Vec<&str> = members.iter().filter_map(|m| Some(m.split_once('|')?.1)).collect();
        let mut lanes = Vec::new();
        for part in jobs.chunks(HELD_CHUNK) {
            let mut pipe = redis::pipe();
            for job in part {
                pipe.hmget(p.key(&format!("jobs:{job}")), &["status", "lane"]);
            }
            for row in self.replies(pipe).await? {
                let [status, lane]: [Option<String>; 2] = reply(&row)?;
                let status = status.as_deref().and_then(JobStatus::parse).filter(|s| s.is_held());
                lanes.extend(lane.zip(status));
            }
        }
        Ok(lanes)
    }

    /// Adds what is in the stream and what keeps lanes waiting. How many jobs are unfinished.
    async fn held_back(&self, p: Partition, known: &mut HashMap<String, Known>) -> Result<u64, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("TIME");
        pipe.zcard(p.key("active"));
        for name in ["tin", "cool", "down"] {
            pipe.hgetall(p.key(name));
        }
        let replies = self.replies(pipe).await?;
        let [time, active, tin, cool, down] = replies.as_slice() else {
            return Err(StoreError::Corrupt(format!("{}: no answer", p.prefix())));
        };
        let now = time_ms(time)?;
        for (lane, tasks) in reply::<HashMap<String, u64>>(tin)? {
            known.entry(lane).or_default().in_stream = tasks;
        }
        for (lane, till) in reply::<HashMap<String, f64>>(cool)? {
            known.entry(lane).or_default().cool_ms = (till as u64).saturating_sub(now);
        }
        for (lane, text) in reply::<HashMap<String, String>>(down)? {
            let outage = serde_json::from_str(&text).ok().filter(|o: &Outage| o.until_ms > now);
            known.entry(lane).or_default().outage = outage;
        }
        reply(active)
    }

    /// The busiest lanes, and how many have anything at all.
    async fn lanes(&self, p: Partition, known: HashMap<String, Known>) -> Result<(Vec<LaneFigures>, u64), StoreError> {
        let parsed = known
            .into_iter()
            .filter_map(|(name, known)| Some((parse_lane(&name)?, name, known)));
        let mut parsed: Vec<_> = parsed.collect();
        parsed.sort_by(|(_, a, x), (_, b, y)| {
            let first = |k: &Known| (k.is_there(), k.in_stream, k.jobs);
            first(y).cmp(&first(x)).then_with(|| a.cmp(b))
        });
        let unseen = parsed.split_off(parsed.len().min(LANES_MAX));
        let mut lanes = Vec::new();
        for part in parsed.chunks(LANES_CHUNK) {
            let mut pipe = redis::pipe();
            for (_, name, _) in part {
                pipe.llen(p.key(&format!("tq:{name}")));
                pipe.scard(p.key(&format!("pk:{name}")));
            }
            let replies = self.replies(pipe).await?;
            for ((lane, _, known), counts) in part.iter().zip(replies.chunks_exact(2)) {
                let (queued, parked): (u64, u64) = (reply(&counts[0])?, reply(&counts[1])?);
                if queued + parked > 0 || known.is_there() {
                    lanes.push(LaneFigures {
                        tenant: lane.0.clone(),
                        controller: lane.1,
                        queued,
                        in_stream: known.in_stream,
                        parked,
                        jobs_paused: known.jobs_paused,
                        jobs_to_confirm: known.jobs_to_confirm,
                        cool_ms: known.cool_ms,
                        outage: known.outage.clone(),
                    });
                }
            }
        }
        let unseen = unseen.iter().filter(|(_, _, known)| known.is_there()).count();
        let total = (lanes.len() + unseen) as u64;
        // a stable order where nothing tells them apart
        lanes.sort_by_key(|l| std::cmp::Reverse(l.in_stream + l.queued + l.parked));
        lanes.truncate(LANES_SHOWN);
        Ok((lanes, total))
    }
}

/// `tenant|controller`. None: of a later version.
pub(super) fn parse_lane(name: &str) -> Option<(TenantId, i64)> {
    let (tenant, controller) = name.split_once('|')?;
    Some((tenant.parse().ok()?, controller.parse().ok()?))
}
