//! The life of a unit: claim, checkpoint, complete, park, release; planning; heartbeat, tick and repairs. One script each.

use redis::Value;

use super::keys::{GROUP, Partition};
use super::model::{BatchResult, Beat, Beats, Claim, Claimed, Completed, Fenced, Flag, Tick};
use super::scripts::{self, Args};
use super::{Store, StoreError};
use crate::id::{JobId, Lane, Unit, WorkerId};

/// Entries of one XAUTOCLAIM, at most: a worker takes over what it has slots for.
const AUTOCLAIM_MAX: usize = 64;
/// Arguments of one script call, at most: Lua's `unpack` ends near 8,000.
const ARGS_MAX: usize = 1_000;

fn bytes(v: &Value) -> Vec<u8> {
    match v {
        Value::BulkString(b) => b.clone(),
        Value::SimpleString(s) => s.clone().into_bytes(),
        Value::Int(n) => n.to_string().into_bytes(),
        _ => Vec::new(),
    }
}

fn text(v: &Value) -> String {
    String::from_utf8_lossy(&bytes(v)).into_owned()
}

pub(super) fn fenced(reply: &str) -> Fenced {
    match reply {
        "FENCED" => Fenced::Lost,
        other => Fenced::Ok(Flag::parse(other)),
    }
}

fn unit_args(u: &Unit, token: &str) -> Args {
    Args::new()
        .with(u.job.to_string())
        .with(u.phase.as_str())
        .with(u.batch)
        .with(token)
}

impl Store {
    /// Makes the work stream and its group if they are missing (first start, or somebody deleted them).
    pub async fn ensure_group(&self, p: Partition) -> Result<(), StoreError> {
        let key = p.key("work");
        let made: Result<(), StoreError> = self
            .redis
            .run(p, |mut c| async move {
                redis::cmd("XGROUP")
                    .arg("CREATE")
                    .arg(key)
                    .arg(GROUP)
                    .arg("0")
                    .arg("MKSTREAM")
                    .query_async(&mut c)
                    .await
            })
            .await;
        match made {
            Err(StoreError::Server(e)) if e.contains("BUSYGROUP") => Ok(()),
            // refused before it was looked at: a group that is there needs no memory
            Err(StoreError::OutOfMemory) if self.has_group(p).await? => Ok(()),
            other => other,
        }
    }

    async fn has_group(&self, p: Partition) -> Result<bool, StoreError> {
        let there: u32 = scripts::on_partition(&self.redis, p, &scripts::GROUP_EXISTS, Args::new()).await?;
        Ok(there == 1)
    }

    /// Takes a delivered entry over under a token that was never used before. Safe to repeat with the same token.
    pub async fn claim(
        &self,
        p: Partition,
        worker: &WorkerId,
        token: &str,
        entry: &str,
    ) -> Result<Claimed, StoreError> {
        let life = self.life(p);
        let args = Args::new().with(worker.as_str()).with(token).with(entry);
        let reply: Vec<Value> = scripts::on_partition(&self.redis, p, &scripts::CLAIM, args).await?;
        let what = reply.first().map(text).unwrap_or_default();
        if what != "OK" {
            return Ok(Claimed::Nothing(match what.as_str() {
                "LOST" => "taken by another worker",
                "GONE" => "its job is gone",
                "DONE" => "done before",
                "DUP" => "another entry stands for it",
                _ => "refused",
            }));
        }
        let corrupt = || StoreError::Corrupt("claim: unreadable reply".into());
        if reply.len() < 11 {
            return Err(corrupt());
        }
        let unit = Unit {
            job: text(&reply[1]).parse().map_err(|_| corrupt())?,
            phase: text(&reply[2]).parse().map_err(|_| corrupt())?,
            batch: text(&reply[3]).parse().map_err(|_| corrupt())?,
        };
        let flat: Vec<String> = match &reply[10] {
            Value::Array(a) => a.iter().map(text).collect(),
            Value::Map(m) => m.iter().flat_map(|(k, v)| [text(k), text(v)]).collect(),
            _ => Vec::new(),
        };
        let checkpoints = flat
            .chunks_exact(2)
            .map(|kv| kv[0].parse().map(|i| (i, kv[1].clone())).map_err(|_| corrupt()))
            .collect::<Result<_, _>>()?;
        Ok(Claimed::Work(Box::new(Claim {
            unit,
            token: token.to_owned(),
            life,
            lane: Lane::from(text(&reply[4])),
            claims: text(&reply[5]).parse().map_err(|_| corrupt())?,
            crashes: text(&reply[6]).parse().map_err(|_| corrupt())?,
            by_idle_time: false,
            flag: Flag::parse(&text(&reply[7])),
            input: bytes(&reply[8]),
            secrets: bytes(&reply[9]),
            checkpoints,
        })))
    }

    /// Remembers where tasks stand. `values`: task index → checkpoint JSON.
    pub async fn checkpoint(
        &self,
        p: Partition,
        u: &Unit,
        token: &str,
        values: &[(u32, String)],
    ) -> Result<Fenced, StoreError> {
        let mut last = Fenced::Ok(Flag::None);
        for part in values.chunks(ARGS_MAX / 2) {
            let mut args = unit_args(u, token);
            for (i, v) in part {
                args.push(i);
                args.push(v);
            }
            let reply: String = scripts::on_partition(&self.redis, p, &scripts::CHECKPOINT, args).await?;
            last = fenced(&reply);
            if last == Fenced::Lost {
                break;
            }
        }
        Ok(last)
    }

    /// The one commit point of a batch. Safe to repeat.
    pub async fn complete(
        &self,
        p: Partition,
        u: &Unit,
        token: &str,
        r: &BatchResult,
    ) -> Result<Completed, StoreError> {
        let mut args = unit_args(u, token).with(&r.blob);
        for n in [r.done, r.failed, r.skipped, r.unknown, r.cancelled] {
            args.push(n);
        }
        args.push(serde_json::to_string(&r.resources)?);
        let errors: Vec<String> = r.errors.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        args.push(serde_json::to_string(&errors)?);
        args.push(r.errors_total);
        args.push(r.facts.as_ref().map(|f| f.to_string()).unwrap_or_default());
        args.push(r.dead_letter.as_deref().unwrap_or_default());
        let reply: Vec<Value> = scripts::on_partition(&self.redis, p, &scripts::COMPLETE, args).await?;
        let n = |i: usize| reply.get(i).map(text).and_then(|t| t.parse().ok()).unwrap_or(0);
        Ok(match reply.first().map(text).as_deref() {
            Some("OK") => Completed::Ok {
                failed: n(1),
                settled: n(2),
                expected: n(3),
            },
            Some("DONE") => Completed::Before,
            _ => Completed::Lost,
        })
    }

    /// Puts a unit aside for `delay_ms`, or until the job is resumed (none). `weight`: tasks that will want a call then.
    pub async fn park(
        &self,
        p: Partition,
        u: &Unit,
        token: &str,
        delay_ms: Option<u64>,
        weight: u32,
        values: &[(u32, String)],
    ) -> Result<Fenced, StoreError> {
        let delay = delay_ms.map_or("-1".to_owned(), |d| d.to_string());
        let mut args = unit_args(u, token).with(delay).with(weight.max(1));
        for (i, v) in values {
            args.push(i);
            args.push(v);
        }
        let reply: String = scripts::on_partition(&self.redis, p, &scripts::PARK, args).await?;
        Ok(fenced(&reply))
    }

    /// Hands a unit back for somebody else, at once.
    pub async fn release(&self, p: Partition, u: &Unit, token: &str) -> Result<Fenced, StoreError> {
        let reply: String = scripts::on_partition(&self.redis, p, &scripts::RELEASE, unit_args(u, token)).await?;
        Ok(fenced(&reply))
    }

    /// What parked units wait for has happened: they come back now (0) or no later than in so many ms. Answers how many were parked.
    pub async fn wake(&self, p: Partition, units: &[(Unit, u64)]) -> Result<u64, StoreError> {
        let mut n = 0;
        for part in units.chunks(ARGS_MAX / 4) {
            let mut args = Args::new();
            for (u, delay) in part {
                args.push(u.job.to_string());
                args.push(u.phase.as_str());
                args.push(u.batch);
                args.push(delay);
            }
            n += scripts::on_partition::<u64>(&self.redis, p, &scripts::WAKE, args).await?;
        }
        Ok(n)
    }

    /// Keeps units ours and the worker known for `ttl_ms`. One answer per unit, in order.
    pub async fn heartbeat(
        &self,
        p: Partition,
        worker: &WorkerId,
        slots: usize,
        info: &str,
        ttl_ms: u64,
        units: &[(Unit, String)],
    ) -> Result<Beats, StoreError> {
        let mut args = Args::new().with(worker.as_str()).with(slots).with(info).with(ttl_ms);
        for (u, token) in units {
            args.push(u.job.to_string());
            args.push(u.phase.as_str());
            args.push(u.batch);
            args.push(token);
        }
        let reply: Vec<String> = scripts::on_partition(&self.redis, p, &scripts::HEARTBEAT, args).await?;
        let of_unit = |r: &String| match r.as_str() {
            "LOST" => Beat::Lost,
            flag => Beat::Ok(Flag::parse(flag)),
        };
        Ok(Beats {
            is_to_stop: reply.get(units.len()).is_some_and(|r| r == "DRAIN"),
            units: reply.iter().take(units.len()).map(of_unit).collect(),
        })
    }

    /// Entries nobody has kept alive for `min_idle_ms`, now delivered to this worker. Answers them and the cursor to go on from.
    pub async fn autoclaim(
        &self,
        p: Partition,
        worker: &WorkerId,
        min_idle_ms: u64,
        cursor: &str,
        count: usize,
    ) -> Result<(Vec<String>, String), StoreError> {
        let (key, worker, cursor) = (p.key("work"), worker.to_string(), cursor.to_owned());
        let reply: Value = self
            .redis
            .run(p, |mut c| async move {
                redis::cmd("XAUTOCLAIM")
                    .arg(key)
                    .arg(GROUP)
                    .arg(worker)
                    .arg(min_idle_ms)
                    .arg(cursor)
                    .arg("COUNT")
                    .arg(count.clamp(1, AUTOCLAIM_MAX))
                    .arg("JUSTID")
                    .query_async(&mut c)
                    .await
            })
            .await?;
        let Value::Array(parts) = reply else {
            return Ok((Vec::new(), "0-0".into()));
        };
        let ids = match parts.get(1) {
            Some(Value::Array(ids)) => ids.iter().map(text).collect(),
            _ => Vec::new(),
        };
        Ok((ids, parts.first().map(text).unwrap_or_else(|| "0-0".into())))
    }

    /// Entries delivered to this worker and not ended. After a reconnect: those nobody here knows were delivered to a dead socket.
    pub async fn own_pending(&self, p: Partition, worker: &WorkerId) -> Result<Vec<String>, StoreError> {
        let (key, worker) = (p.key("work"), worker.to_string());
        let reply: Vec<Vec<Value>> = self
            .redis
            .run(p, |mut c| async move {
                redis::cmd("XPENDING")
                    .arg(key)
                    .arg(GROUP)
                    .arg("-")
                    .arg("+")
                    .arg(1000)
                    .arg(worker)
                    .query_async(&mut c)
                    .await
            })
            .await?;
        Ok(reply.iter().filter_map(|e| e.first()).map(text).collect())
    }

    /// Due parked units, progress, deadlines, cool-downs. Any worker, as often as it likes.
    pub async fn tick(&self, p: Partition, stall_ms: u64, index_cursor: &str) -> Result<Tick, StoreError> {
        let cursor = if index_cursor.is_empty() { "0" } else { index_cursor };
        let args = Args::new().with(50).with(stall_ms).with(cursor);
        let reply: Vec<Value> = scripts::on_partition(&self.redis, p, &scripts::TICK, args).await?;
        Ok(Tick {
            next_due_ms: reply
                .first()
                .map(text)
                .and_then(|t| t.parse::<i64>().ok())
                .and_then(|n| u64::try_from(n).ok()),
            index_cursor: reply.get(1).map(text).unwrap_or_default(),
            stalled: reply.iter().skip(2).filter_map(|v| text(v).parse().ok()).collect(),
        })
    }

    /// Heals one job's units and the partition's counters. Answers the number of repairs.
    pub async fn reconcile(&self, p: Partition, job: JobId) -> Result<u64, StoreError> {
        scripts::on_partition(&self.redis, p, &scripts::RECONCILE, Args::new().with(job.to_string())).await
    }

    /// Drops consumers of workers that are gone and own nothing.
    pub async fn reap(&self, p: Partition, min_idle_ms: u64) -> Result<Vec<String>, StoreError> {
        scripts::on_partition(&self.redis, p, &scripts::REAP, Args::new().with(min_idle_ms)).await
    }

    /// Nothing of the lane is released for so long (0 ends it).
    pub async fn cool_lane(&self, p: Partition, lane: &Lane, ms: u64) -> Result<(), StoreError> {
        scripts::on_partition::<u64>(&self.redis, p, &scripts::COOL, Args::new().with(lane.as_str()).with(ms))
            .await
            .map(drop)
    }

    /// Calls per second the lane's controller allows: bounds what of the lane is in flight.
    pub async fn set_lane_rate(&self, p: Partition, lane: &Lane, rate: f64) -> Result<(), StoreError> {
        let args = Args::new().with(lane.as_str()).with(format!("{rate:.3}"));
        scripts::on_partition(&self.redis, p, &scripts::LANE_RATE, args).await
    }

    /// Jobs that have not ended: what a restart or a broken stream calls for `reconcile` on.
    pub async fn active_jobs(&self, p: Partition) -> Result<Vec<JobId>, StoreError> {
        let key = p.key("active");
        let ids: Vec<String> = self
            .redis
            .run(p, |mut c| async move {
                redis::cmd("ZRANGE").arg(key).arg(0).arg(-1).query_async(&mut c).await
            })
            .await?;
        Ok(ids.iter().filter_map(|s| s.parse().ok()).collect())
    }
}
