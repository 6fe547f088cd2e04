//! What operators look at: a partition's work stream and the lanes that wait in front of it. Bounded like the rest of the figures, and
//! under the words that the keys have in Redis.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::figures::Figures;
use super::inspect::reply;
use super::keys::{GROUP, Partition};
use super::model::Outage;
use super::{Store, StoreError};
use crate::id::TenantId;

/// Lanes of a partition that are looked at: two commands each.
const LANES_MAX: usize = 1_000;
/// Of these, shown: those with most to do.
const LANES_SHOWN: usize = 50;

/// A partition: its work stream and what waits in front of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionFigures {
    pub partition: Partition,
    /// Key of the work stream, and its one consumer group.
    pub stream: String,
    pub group: &'static str,
    /// Numbers of this partition alone.
    pub figures: Figures,
    /// Paused ones are not among them.
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
    /// Nothing of it is released for so long (`cool`).
    pub cool_ms: u64,
    pub outage: Option<Outage>,
}

impl Store {
    pub async fn partition(&self, p: Partition) -> Result<PartitionFigures, StoreError> {
        let mut figures = Figures::default();
        self.partition_figures(p, &mut figures).await?;
        let jobs = self.unfinished(p).await?;
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
        let (seconds, micros): (u64, u64) = reply(time)?;
        let now = seconds * 1_000 + micros / 1_000;
        let tin: HashMap<String, u64> = reply(tin)?;
        let cool: HashMap<String, f64> = reply(cool)?;
        let down: HashMap<String, String> = reply(down)?;
        let mut names: BTreeSet<&str> = jobs.iter().map(|j| j.lane.as_str()).collect();
        names.extend(tin.keys().chain(cool.keys()).map(String::as_str));
        let outages: BTreeMap<&str, Outage> = down
            .iter()
            .filter_map(|(lane, text)| Some((lane.as_str(), serde_json::from_str(text).ok()?)))
            .filter(|(_, o): &(&str, Outage)| o.until_ms > now)
            .collect();
        names.extend(outages.keys().copied());
        let names: Vec<&str> = names.into_iter().take(LANES_MAX).collect();
        let waiting = self.waiting(p, &names).await?;
        let mut lanes = Vec::new();
        for (name, (queued, parked)) in names.iter().zip(waiting) {
            let Some((tenant, controller)) = parse_lane(name) else {
                continue;
            };
            lanes.push(LaneFigures {
                tenant,
                controller,
                queued,
                in_stream: tin.get(*name).copied().unwrap_or(0),
                parked,
                cool_ms: cool.get(*name).map_or(0, |till| (*till as u64).saturating_sub(now)),
                outage: outages.get(name).cloned(),
            });
        }
        let lanes_total = lanes.len() as u64;
        lanes.sort_by_key(|l| std::cmp::Reverse(l.in_stream + l.queued + l.parked));
        lanes.truncate(LANES_SHOWN);
        for job in &jobs {
            figures.count(job);
        }
        Ok(PartitionFigures {
            partition: p,
            stream: p.key("work"),
            group: GROUP,
            figures,
            jobs_unfinished: reply(active)?,
            lanes,
            lanes_total,
        })
    }

    /// Units queued and parked of each lane.
    async fn waiting(&self, p: Partition, lanes: &[&str]) -> Result<Vec<(u64, u64)>, StoreError> {
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for lane in lanes {
            pipe.llen(p.key(&format!("tq:{lane}")));
            pipe.scard(p.key(&format!("pk:{lane}")));
        }
        let replies = self.replies(pipe).await?;
        let pairs = replies.chunks_exact(2);
        pairs.map(|pair| Ok((reply(&pair[0])?, reply(&pair[1])?))).collect()
    }
}

/// `tenant|controller`. None: of a later version.
fn parse_lane(name: &str) -> Option<(TenantId, i64)> {
    let (tenant, controller) = name.split_once('|')?;
    Some((tenant.parse().ok()?, controller.parse().ok()?))
}
