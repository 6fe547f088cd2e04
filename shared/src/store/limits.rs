//! The fleet's share of each controller's limits.

use super::keys::Partition;
use super::model::Outage;
use super::scripts::{self, Args};
use super::{Store, StoreError, keys};
use crate::id::{Lane, WorkerId};

/// What a worker asks of a limiter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitRequest {
    pub tokens: u32,
    /// Tokens of an earlier block that were not used.
    pub give_back: u32,
    /// Calls it would like to have under way; 0 gives its share back.
    pub concurrency: u32,
    /// Calls under way: nobody else may have these, even if its share is less by now.
    pub in_flight: u32,
    pub lease_ms: u64,
    /// Configured: calls per second, burst in calls, calls at once.
    pub rate_max: f64,
    pub burst: f64,
    pub concurrency_max: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitGrant {
    pub tokens: u32,
    /// When none were given: ask again after so long.
    pub wait_ms: u64,
    pub concurrency: u32,
    pub generation: u64,
    /// Calls per second for the whole fleet, now.
    pub rate: f64,
    /// Calls at once for the whole fleet, now.
    pub concurrency_limit: u32,
    /// Workers that want to call this controller, this one included.
    pub workers: u32,
    /// The controller asked for a pause of so long.
    pub cool_ms: u64,
}

impl Store {
    pub async fn limit_acquire(
        &self,
        limiter: &str,
        worker: &WorkerId,
        r: &LimitRequest,
    ) -> Result<LimitGrant, StoreError> {
        let args = Args::new()
            .with(worker.as_str())
            .with(r.tokens)
            .with(r.give_back)
            .with(r.concurrency)
            .with(r.lease_ms)
            .with(r.rate_max)
            .with(r.burst)
            .with(r.concurrency_max)
            .with(r.in_flight);
        let v: Vec<i64> = scripts::on_key(&self.redis, &keys::limiter(limiter), &scripts::LIM_ACQUIRE, args).await?;
        let n = |i: usize| v.get(i).copied().unwrap_or(0).max(0) as u64;
        Ok(LimitGrant {
            tokens: n(0) as u32,
            wait_ms: n(1),
            concurrency: n(2) as u32,
            generation: n(3),
            rate: n(4) as f64 / 1000.0,
            concurrency_limit: n(5) as u32,
            workers: (n(6) as u32).max(1),
            cool_ms: n(7),
        })
    }

    /// The lane's controller does not answer, or does (none). Read with the lane's jobs.
    pub async fn note_outage(&self, p: Partition, lane: &Lane, outage: Option<&Outage>) -> Result<(), StoreError> {
        let (key, lane) = (p.key("down"), lane.as_str().to_owned());
        let Some(outage) = outage else {
            return self
                .redis
                .run(p, |mut c| async move {
                    redis::cmd("HDEL").arg(key).arg(lane).query_async::<()>(&mut c).await
                })
                .await;
        };
        let text = serde_json::to_string(outage)?;
        self.redis
            .run(p, |mut c| async move {
                redis::cmd("HSET")
                    .arg(key)
                    .arg(lane)
                    .arg(text)
                    .query_async::<()>(&mut c)
                    .await
            })
            .await
    }

    /// A new limit, accepted only if nobody changed it since `generation`. The cool-down counts in any case.
    pub async fn limit_report(
        &self,
        limiter: &str,
        generation: u64,
        new: Option<crate::limit::aimd::Limit>,
        cool_ms: u64,
    ) -> Result<bool, StoreError> {
        let args = Args::new()
            .with(generation)
            .with(new.map(|l| l.rate.to_string()).unwrap_or_default())
            .with(new.map(|l| l.concurrency.to_string()).unwrap_or_default())
            .with(cool_ms);
        let v: Vec<i64> = scripts::on_key(&self.redis, &keys::limiter(limiter), &scripts::LIM_REPORT, args).await?;
        Ok(v.get(1) == Some(&1))
    }
}
