//! The fleet in numbers, as Redis has them: a read-only script per partition and its unfinished jobs, `INFO memory`, and the
//! limiters that are asked for.
//!
//! Bounded: [`JOBS_MAX`] jobs and [`WORKERS_MAX`] workers of a partition are looked at. Whoever asks often keeps the answer for a
//! while.

use std::collections::{BTreeMap, HashMap};

use super::inspect::{reply, time_ms};
use super::keys::Partition;
use super::scripts::{self, Args};
use super::{Store, StoreError, keys};
use crate::job::{JOB_STATUSES, JobStatus};

/// Workers a partition's script looks at: eight microseconds of the server's time each, and nobody else is served meanwhile.
const WORKERS_MAX: u32 = 200;
/// Unfinished jobs of a partition that are looked at, those silent longest first: command by command, so that others come between.
const JOBS_MAX: isize = 1_000;
const JOBS_CHUNK: usize = 100;
/// Upper bounds of the buckets of job durations, seconds. `tally` in the scripts' prelude has the same; one more bucket has the rest.
pub const DURATION_BOUNDS: [u32; 11] = [10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400];

/// Sums over all partitions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Tasks of unfinished jobs (paused ones not included) that have not ended, planned or foreseen.
    pub backlog_tasks: u64,
    /// Unfinished jobs by state; a paused job is not among them.
    pub jobs: BTreeMap<&'static str, u64>,
    /// Entries of the work stream, delivered or not.
    pub stream_entries: u64,
    /// Entries no worker has been given yet: the group's lag.
    pub waiting_entries: u64,
    /// Since the oldest of them was queued.
    pub waiting_age_ms: Option<u64>,
    /// Entries in workers' hands.
    pub in_flight_entries: u64,
    pub in_flight_age_ms: Option<u64>,
    /// Tasks the entries of the stream stand for.
    pub tasks_in_stream: u64,
    /// Units put aside until an activity ends or a retry is due.
    pub parked: u64,
    pub lanes_cooling: u64,
    pub dead_letters: u64,
    pub workers: u64,
    pub slots: u64,
    pub slots_busy: u64,
    /// Of all masters together.
    pub memory_used_bytes: u64,
    /// `maxmemory`, of all masters together; 0: none, of one at least.
    pub memory_max_bytes: u64,
    pub workflows: BTreeMap<String, WorkflowFigures>,
}

/// What became of a workflow's jobs since the database was set up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkflowFigures {
    /// First claims.
    pub started: u64,
    /// By the state they ended in.
    pub ended: BTreeMap<&'static str, u64>,
    /// From the first claim to the end: jobs by bucket, in the order of [`DURATION_BOUNDS`], the rest last.
    pub durations: [u64; DURATION_BOUNDS.len() + 1],
    pub duration_sum_ms: u64,
}

/// A limiter, as the fleet shares it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LimiterFigures {
    /// Calls per second now; none: not used for a day, so as configured.
    pub rate: Option<f64>,
    /// Calls at once now.
    pub concurrency: Option<u32>,
    /// Of these, leased to workers.
    pub concurrency_leased: u64,
    /// The controller is left alone for so long.
    pub cool_ms: u64,
    /// Accepted requests whose activity has not ended.
    pub activities_pending: u64,
}

/// An unfinished job, as far as figures go.
pub(super) struct Unfinished {
    pub status: &'static str,
    pub lane: String,
    pub tasks_left: u64,
}

impl Store {
    pub async fn figures(&self) -> Result<Figures, StoreError> {
        let mut all = Figures::default();
        for p in self.partitions() {
            self.partition_figures(p, &mut all).await?;
            for job in self.unfinished(p).await? {
                all.count(&job);
            }
        }
        let mut is_bounded = true;
        for node in self.redis.masters().await? {
            let ask = |mut c| async move { redis::cmd("INFO").arg("memory").query_async::<String>(&mut c).await };
            let info = self.redis.on(&node, ask).await?;
            let max = info_number(&info, "maxmemory");
            all.memory_used_bytes += info_number(&info, "used_memory");
            all.memory_max_bytes += max;
            is_bounded &= max > 0;
        }
        if !is_bounded {
            all.memory_max_bytes = 0;
        }
        Ok(all)
    }

    /// Adds what a partition's script tells.
    pub(super) async fn partition_figures(&self, p: Partition, all: &mut Figures) -> Result<(), StoreError> {
        let flat: Vec<String> =
            scripts::on_partition(&self.redis, p, &scripts::FIGURES, Args::new().with(WORKERS_MAX)).await?;
        for pair in flat.chunks_exact(2) {
            all.add(&pair[0], &pair[1]);
        }
        Ok(())
    }

    /// Unfinished jobs of a partition, paused ones not included, [`JOBS_MAX`] at most.
    pub(super) async fn unfinished(&self, p: Partition) -> Result<Vec<Unfinished>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.zrange(p.key("active"), 0, JOBS_MAX - 1);
        let replies = self.replies(pipe).await?;
        let jobs: Vec<String> = replies.first().map_or(Ok(Vec::new()), reply)?;
        let names = [
            "status",
            "lane",
            "expected",
            "tasks",
            "done",
            "failed",
            "skipped",
            "unknown",
            "cancelled",
        ];
        let mut out = Vec::with_capacity(jobs.len());
        for part in jobs.chunks(JOBS_CHUNK) {
            let mut pipe = redis::pipe();
            for job in part {
                pipe.hmget(p.key(&format!("jobs:{job}")), &names);
            }
            for row in self.replies(pipe).await? {
                let row: Vec<Option<String>> = reply(&row)?;
                // gone between the two looks
                let Some(status) = row.first().and_then(Option::as_deref) else {
                    continue;
                };
                let n = |i: usize| row.get(i).and_then(|v| v.as_deref()?.parse::<u64>().ok()).unwrap_or(0);
                let settled: u64 = (4..names.len()).map(n).sum();
                out.push(Unfinished {
                    status: known(status),
                    lane: row.get(1).cloned().flatten().unwrap_or_default(),
                    tasks_left: n(2).max(n(3)).saturating_sub(settled),
                });
            }
        }
        Ok(out)
    }

    /// One answer per limiter, in order.
    pub async fn limiter_figures(&self, limiters: &[String]) -> Result<Vec<LimiterFigures>, StoreError> {
        if limiters.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        // shares and pauses end by Redis' clock, which need not be ours
        pipe.cmd("TIME");
        for limiter in limiters {
            let l = keys::limiter(limiter);
            pipe.hmget(format!("{l}lim"), &["rate", "cmax", "cool"]);
            pipe.hlen(format!("{l}pending"));
            pipe.hgetall(format!("{l}concn"));
            // a dead worker's share is off the books only when the next one asks
            pipe.zrange_withscores(format!("{l}conc"), 0, -1);
        }
        let replies = self.replies(pipe).await?;
        let (time, replies) = replies.split_first().ok_or_else(|| corrupt("no answer"))?;
        let now = time_ms(time)?;
        replies.chunks_exact(4).map(|r| limiter_figures(r, now)).collect()
    }
}

fn corrupt(e: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("a limiter: {e}"))
}

fn limiter_figures(replies: &[redis::Value], now_ms: u64) -> Result<LimiterFigures, StoreError> {
    let lim: Vec<Option<f64>> = redis::from_redis_value_ref(&replies[0]).map_err(corrupt)?;
    let shares: HashMap<String, u64> = redis::from_redis_value_ref(&replies[2]).map_err(corrupt)?;
    let ends: Vec<(String, f64)> = redis::from_redis_value_ref(&replies[3]).map_err(corrupt)?;
    let alive = ends.iter().filter(|(_, end)| *end >= now_ms as f64);
    let field = |i: usize| lim.get(i).copied().flatten();
    Ok(LimiterFigures {
        rate: field(0),
        concurrency: field(1).map(|n| n as u32),
        concurrency_leased: alive.filter_map(|(worker, _)| shares.get(worker)).sum(),
        cool_ms: (field(2).unwrap_or(0.0) as u64).saturating_sub(now_ms),
        activities_pending: redis::from_redis_value_ref(&replies[1]).map_err(corrupt)?,
    })
}

fn info_number(info: &str, name: &str) -> u64 {
    info.lines()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
        .unwrap_or(0)
}

fn known(status: &str) -> &'static str {
    JobStatus::parse(status).map_or("OTHER", JobStatus::as_str)
}

impl Figures {
    pub(super) fn count(&mut self, job: &Unfinished) {
        *self.jobs.entry(job.status).or_default() += 1;
        self.backlog_tasks += job.tasks_left;
    }

    fn add(&mut self, name: &str, value: &str) {
        let n = value.parse::<i64>().ok().and_then(|n| u64::try_from(n).ok());
        let count = n.unwrap_or(0);
        let older = |age: &mut Option<u64>| *age = (*age).max(n);
        match name {
            "stream" => self.stream_entries += count,
            "waiting" => self.waiting_entries += count,
            "waiting_age" => older(&mut self.waiting_age_ms),
            "in_flight" => self.in_flight_entries += count,
            "in_flight_age" => older(&mut self.in_flight_age_ms),
            "tasks_in_stream" => self.tasks_in_stream += count,
            "parked" => self.parked += count,
            "cooling" => self.lanes_cooling += count,
            "dead" => self.dead_letters += count,
            // every worker is known to every partition
            "workers" => self.workers = self.workers.max(count),
            "slots" => self.slots = self.slots.max(count),
            "busy" => self.slots_busy += count,
            other => {
                // others are of a later version
                if let Some(field) = other.strip_prefix("stats|") {
                    self.tally(field, count);
                }
            }
        }
    }

    /// `started|<workflow>`, `ended|<workflow>|<status>`, `took|<workflow>|<bucket>`, `took_ms|<workflow>`.
    fn tally(&mut self, field: &str, n: u64) {
        let mut parts = field.split('|');
        let (Some(what), Some(workflow), detail) = (parts.next(), parts.next(), parts.next()) else {
            return;
        };
        let w = self.workflows.entry(workflow.to_owned()).or_default();
        match (what, detail) {
            ("started", None) => w.started += n,
            ("ended", Some(status)) => *w.ended.entry(known(status)).or_default() += n,
            ("took", Some(bucket)) => {
                // Lua counts from 1
                let at = bucket.parse::<usize>().unwrap_or(usize::MAX).wrapping_sub(1);
                if let Some(b) = w.durations.get_mut(at) {
                    *b += n;
                }
            }
            ("took_ms", None) => w.duration_sum_ms += n,
            _ => {}
        }
    }

    /// Jobs that have ended, by state, with 0 for those that never occurred: a series that is there from the start can be alerted on.
    pub fn ended(&self, workflow: &str, status: JobStatus) -> u64 {
        self.workflows
            .get(workflow)
            .and_then(|w| w.ended.get(status.as_str()))
            .copied()
            .unwrap_or(0)
    }

    /// The states a job may be counted in while it is unfinished and not paused.
    pub fn states() -> impl Iterator<Item = JobStatus> {
        JOB_STATUSES
            .into_iter()
            .filter(|s| !s.is_terminal() && *s != JobStatus::Paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_have_the_same_buckets() {
        let prelude = include_str!("lua/_prelude.lua");
        let bounds: Vec<String> = DURATION_BOUNDS.iter().map(u32::to_string).collect();
        assert!(prelude.contains(&format!("{{ {} }}", bounds.join(", "))));
    }

    #[test]
    fn partitions_add_up_but_workers_are_the_same_everywhere() {
        let mut f = Figures::default();
        for (name, value) in [("workers", "3"), ("stream", "5"), ("waiting_age", "-1"), ("later", "1")] {
            f.add(name, value);
            f.add(name, value);
        }
        assert_eq!((f.workers, f.stream_entries, f.waiting_age_ms), (3, 10, None));
        f.add("waiting_age", "70");
        f.add("waiting_age", "40");
        assert_eq!(f.waiting_age_ms, Some(70));
    }
}
