//! The workers of a partition, as operators look at them: who has shown itself, what it holds, and who is gone and still owns entries.

use std::collections::{BTreeMap, HashMap};

use redis::{RedisError, Value};

use super::inspect::{reply, time_ms};
use super::keys::{GROUP, Partition};
use super::{Store, StoreError};

/// Workers of a partition that are looked at, those heard of last first.
const WORKERS_MAX: isize = 1_000;

/// A worker in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerFigures {
    pub id: String,
    pub partition: Partition,
    /// It has shown itself lately. Others are there only while they own entries.
    pub is_alive: bool,
    /// Last heartbeat, milliseconds since the epoch; none of a worker that has been silent for long.
    pub seen_ms: Option<u64>,
    /// Batches it may hold, over all partitions.
    pub slots: Option<u64>,
    /// Batches of this partition it holds.
    pub busy: Option<u64>,
    /// Entries of the stream that were delivered to it and have not ended.
    pub pending: u64,
    /// Since it last asked for work, milliseconds; none of a worker that never has.
    pub idle_ms: Option<u64>,
    pub version: Option<String>,
    pub pid: Option<u64>,
}

impl WorkerFigures {
    fn silent(id: String, partition: Partition) -> Self {
        WorkerFigures {
            id,
            partition,
            is_alive: false,
            seen_ms: None,
            slots: None,
            busy: None,
            pending: 0,
            idle_ms: None,
            version: None,
            pid: None,
        }
    }

    /// What its heartbeat has left in `worker:<id>`.
    fn tells(&mut self, told: &HashMap<String, String>) {
        let number = |name: &str| told.get(name).and_then(|v| v.parse().ok());
        (self.seen_ms, self.slots, self.busy) = (number("seen"), number("slots"), number("busy"));
        let info = told.get("info").map_or("", String::as_str);
        let info: serde_json::Value = serde_json::from_str(info).unwrap_or_default();
        self.version = info["version"].as_str().map(str::to_owned);
        self.pid = info["pid"].as_u64();
    }
}

impl Store {
    /// Workers of a partition in the order of their ids, behind `after`, `limit` at most: the live ones, and dead ones that own entries.
    pub async fn workers(&self, p: Partition, after: &str, limit: usize) -> Result<Vec<WorkerFigures>, StoreError> {
        let mut pipe = redis::pipe();
        // they are dead when they were to be heard of again by Redis' clock
        pipe.cmd("TIME");
        pipe.zrevrange_withscores(p.key("workers"), 0, WORKERS_MAX - 1);
        let replies = self.replies(pipe).await?;
        let [time, heard] = replies.as_slice() else {
            return Err(StoreError::Corrupt("workers: no answer".into()));
        };
        let now = time_ms(time)?;
        let mut found: BTreeMap<String, WorkerFigures> = BTreeMap::new();
        for (id, until) in reply::<Vec<(String, f64)>>(heard)? {
            if until > now as f64 {
                let mut worker = WorkerFigures::silent(id.clone(), p);
                worker.is_alive = true;
                found.insert(id, worker);
            }
        }
        for (id, pending, idle_ms) in self.consumers(p).await? {
            if pending > 0 || found.contains_key(&id) {
                let worker = found.entry(id.clone()).or_insert_with(|| WorkerFigures::silent(id, p));
                (worker.pending, worker.idle_ms) = (pending, idle_ms);
            }
        }
        let page = found.into_values().filter(|w| w.id.as_str() > after).take(limit);
        let mut page: Vec<WorkerFigures> = page.collect();
        if page.is_empty() {
            return Ok(page);
        }
        let mut pipe = redis::pipe();
        for worker in &page {
            pipe.hgetall(p.key(&format!("worker:{}", worker.id)));
        }
        for (worker, told) in page.iter_mut().zip(self.replies(pipe).await?) {
            worker.tells(&reply(&told)?);
        }
        Ok(page)
    }

    /// Consumers of the work stream's group: name, entries they own, since when they have not asked.
    async fn consumers(&self, p: Partition) -> Result<Vec<(String, u64, Option<u64>)>, StoreError> {
        let key = p.key("work");
        let consumers: Vec<HashMap<String, Value>> = self
            .redis
            .run(p, |mut c| async move {
                let mut ask = redis::cmd("XINFO");
                match ask.arg("CONSUMERS").arg(key).arg(GROUP).query_async(&mut c).await {
                    // somebody has deleted it, and a worker will make it anew
                    Err(e) if is_absent(&e) => Ok(Vec::new()),
                    answer => answer,
                }
            })
            .await?;
        let number = |c: &HashMap<String, Value>, name: &str| c.get(name).and_then(|v| reply::<u64>(v).ok());
        let rows = consumers.iter().filter_map(|c| {
            let name = c.get("name").and_then(|v| reply::<String>(v).ok())?;
            Some((name, number(c, "pending").unwrap_or(0), number(c, "idle")))
        });
        Ok(rows.collect())
    }
}

/// No stream, or no group: the server has no code of its own for the first.
fn is_absent(e: &RedisError) -> bool {
    e.code() == Some("NOGROUP") || e.detail().is_some_and(|d| d.contains("no such key"))
}
