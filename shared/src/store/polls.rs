//! Merged polling: the pending request ids of a controller for the whole fleet, who polls them, and what became of them.

use std::collections::BTreeMap;

use super::keys::Partition;
use super::scripts::{self, Args};
use super::{Store, StoreError, keys};
use crate::id::{Unit, WorkerId};

/// A 202 that is waited for: where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingActivity {
    pub partition: Partition,
    pub unit: Unit,
    /// When the 202 came, milliseconds since the epoch.
    pub since_ms: u64,
}

impl PendingActivity {
    fn to_text(&self) -> String {
        format!("{}|{}|{}", self.partition.0, self.unit, self.since_ms)
    }

    fn parse(s: &str) -> Option<Self> {
        let mut parts = s.split('|');
        let partition = Partition(parts.next()?.parse().ok()?);
        let unit = Unit {
            job: parts.next()?.parse().ok()?,
            phase: parts.next()?.parse().ok()?,
            batch: parts.next()?.parse().ok()?,
        };
        Some(PendingActivity {
            partition,
            unit,
            since_ms: parts.next()?.parse().ok()?,
        })
    }
}

impl Store {
    /// Adds request ids to be polled (again, after a takeover: that changes nothing). They are checkpointed before.
    pub async fn pending_add(&self, limiter: &str, items: &[(String, PendingActivity)]) -> Result<(), StoreError> {
        if items.is_empty() {
            return Ok(());
        }
        for part in items.chunks(400) {
            let mut args = Args::new();
            for (id, a) in part {
                args.push(id);
                args.push(a.to_text());
            }
            scripts::on_key::<u64>(&self.redis, &keys::limiter(limiter), &scripts::POLL_ADD, args).await?;
        }
        let newest = items.iter().map(|(_, a)| a.since_ms).max().unwrap_or(0);
        let args = Args::new().with(limiter).with(newest);
        scripts::on_key::<u64>(&self.redis, keys::POLLS, &scripts::POLL_LIST, args)
            .await
            .map(drop)
    }

    /// Limiters that have, or lately had, something pending; each with the time of its newest 202, ms since the epoch.
    pub async fn polled_limiters(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let rows: Vec<(String, f64)> = self
            .redis
            .run(keys::POLLS, |mut c| async move {
                redis::cmd("ZRANGE")
                    .arg(keys::POLLS)
                    .arg(0)
                    .arg(-1)
                    .arg("WITHSCORES")
                    .query_async(&mut c)
                    .await
            })
            .await?;
        Ok(rows.into_iter().map(|(l, at)| (l, at as u64)).collect())
    }

    /// Nothing is pending any more.
    pub async fn polls_idle(&self, limiter: &str) -> Result<(), StoreError> {
        let limiter = limiter.to_owned();
        self.redis
            .run(keys::POLLS, |mut c| async move {
                redis::cmd("ZREM")
                    .arg(keys::POLLS)
                    .arg(limiter)
                    .query_async::<()>(&mut c)
                    .await
            })
            .await
    }

    /// (pending ids, whether this worker is the one to poll them for the next `lease_ms`). 0: it is not any more, and another may.
    pub async fn poll_lease(&self, limiter: &str, worker: &WorkerId, lease_ms: u64) -> Result<(u64, bool), StoreError> {
        let args = Args::new().with(worker.as_str()).with(lease_ms);
        let v: (u64, u64) = scripts::on_key(&self.redis, &keys::limiter(limiter), &scripts::POLL_LEASE, args).await?;
        Ok((v.0, v.1 == 1))
    }

    /// Everything that is pending.
    pub async fn pending(&self, limiter: &str) -> Result<BTreeMap<String, PendingActivity>, StoreError> {
        let key = format!("{}pending", keys::limiter(limiter));
        let all: BTreeMap<String, String> = self
            .redis
            .run(&keys::limiter(limiter), |mut c| async move {
                redis::cmd("HGETALL").arg(key).query_async(&mut c).await
            })
            .await?;
        Ok(all
            .into_iter()
            .filter_map(|(id, v)| PendingActivity::parse(&v).map(|a| (id, a)))
            .collect())
    }

    /// Records what became of activities (JSON), or only forgets them (none).
    pub async fn settle(&self, limiter: &str, items: &[(String, Option<String>)]) -> Result<(), StoreError> {
        for part in items.chunks(400) {
            let mut args = Args::new();
            for (id, result) in part {
                args.push(id);
                args.push(result.as_deref().unwrap_or_default());
            }
            scripts::on_key::<u64>(&self.redis, &keys::limiter(limiter), &scripts::POLL_SETTLE, args).await?;
        }
        Ok(())
    }

    /// What is known of these request ids, in order.
    pub async fn settled(&self, limiter: &str, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let prefix = format!("{}settled:", keys::limiter(limiter));
        let keys: Vec<String> = ids.iter().map(|id| format!("{prefix}{id}")).collect();
        self.redis
            .run(prefix.as_str(), |mut c| async move {
                redis::cmd("MGET").arg(keys).query_async(&mut c).await
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::JobId;

    #[test]
    fn a_pending_id_finds_its_way_back() {
        let a = PendingActivity {
            partition: Partition(3),
            unit: Unit {
                job: JobId::generate(),
                phase: "create_passphrases".parse().unwrap(),
                batch: 12,
            },
            since_ms: 1_790_000_000_000,
        };
        assert_eq!(PendingActivity::parse(&a.to_text()), Some(a));
        assert_eq!(PendingActivity::parse("nonsense"), None);
    }
}
