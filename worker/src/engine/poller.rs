//! Asks after activities, for the whole fleet: one worker per controller, all pending ids with one paged query.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::id::Unit;
use shared::store::{Partition, PendingActivity, StoreError};

use super::core::{Core, now_ms};
use super::jobgate::SharedGate;
use super::settling::WAKE_PARTLY_MS;

/// How often the list of controllers with something pending is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A poller that dies is replaced after this.
const LEASE: Duration = Duration::from_secs(10);
/// After the first 202.
const FIRST_POLL: Duration = Duration::from_millis(500);
/// Share of the controller's rate that polls may take.
const COST_MAX: f64 = 0.05;

/// When a controller is polled next.
struct Pace {
    next: Instant,
    interval: Duration,
}

/// Until the worker stops.
pub async fn run(core: Arc<Core>) {
    let mut paces: HashMap<String, Pace> = HashMap::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = core.stopping.cancelled() => return,
        }
        let limiters = match core.store.polled_limiters().await {
            Ok(l) => l,
            Err(e) => {
                tracing::debug!(error = %e, "pending activities can't be looked at");
                continue;
            }
        };
        paces.retain(|k, _| limiters.contains(k));
        for limiter in limiters {
            if let Err(e) = look(&core, &limiter, &mut paces).await {
                tracing::debug!(limiter, error = %e, "not polled");
            }
        }
    }
}

async fn look(core: &Arc<Core>, limiter: &str, paces: &mut HashMap<String, Pace>) -> Result<(), StoreError> {
    let Some((limits, activities)) = core.remotes.activities(limiter) else {
        return Ok(());
    };
    let (pending, ours) = core
        .store
        .poll_lease(limiter, &core.worker, LEASE.as_millis() as u64)
        .await?;
    if pending == 0 {
        // nothing was added since it was emptied
        paces.remove(limiter);
        return core.store.polls_idle(limiter).await;
    }
    if !ours {
        paces.remove(limiter);
        return Ok(());
    }
    let pace = paces.entry(limiter.to_owned()).or_insert_with(|| Pace {
        next: Instant::now() + FIRST_POLL,
        interval: FIRST_POLL,
    });
    if Instant::now() < pace.next {
        return Ok(());
    }
    let all = core.store.pending(limiter).await?;
    let now = now_ms();
    let give_up = core.settings.poll_give_up().as_millis() as u64;
    let (old, live): (BTreeMap<_, _>, BTreeMap<_, _>) = all
        .into_iter()
        .partition(|(_, a)| a.since_ms.saturating_add(give_up) <= now);
    let newest = live.values().map(|a| a.since_ms).max().unwrap_or(0);
    let throttle = core.throttle_for(limits.clone());
    let gate = SharedGate {
        throttle,
        queue: "~poll",
    };
    let ids = live.iter().map(|(id, a)| (id.clone(), a.since_ms)).collect();
    let (ended, calls) = match activities.poll(&ids, &gate).await {
        Ok(r) => r,
        Err(e) => {
            // says nothing about the work: asked again
            tracing::info!(controller = %limits.name, code = e.code(), error = %e, "activities could not be read");
            (Vec::new(), 1)
        }
    };
    core.metrics.polls.inc_by(u64::from(calls));
    let mut settled = Vec::with_capacity(ended.len() + old.len());
    for (id, e) in &ended {
        settled.push((id.clone(), Some(serde_json::to_string(e)?)));
    }
    // given up: their batches read back by themselves
    settled.extend(old.keys().map(|id| (id.clone(), None)));
    core.store.settle(limiter, &settled).await?;
    wake(core, &live, ended.iter().map(|(id, _)| id)).await?;

    // while new ones come, slowly; when they have stopped coming, soon, to end the phase; never dearer than its share
    let quiet = newest + 1_000 < now;
    pace.interval = if quiet && !ended.is_empty() {
        FIRST_POLL
    } else {
        (pace.interval * 2).min(core.settings.poll_interval)
    };
    let cost = Duration::from_secs_f64(f64::from(calls) / (limits.rate * COST_MAX).max(0.001));
    pace.next = Instant::now() + pace.interval.max(cost);
    Ok(())
}

/// Batches whose activities have all ended come back now, others soon.
async fn wake<'a>(
    core: &Core,
    live: &BTreeMap<String, PendingActivity>,
    ended: impl Iterator<Item = &'a String>,
) -> Result<(), StoreError> {
    let mut left: HashMap<(Partition, &Unit), i64> = HashMap::new();
    for a in live.values() {
        *left.entry((a.partition, &a.unit)).or_default() += 1;
    }
    let mut touched: BTreeMap<(Partition, &Unit), ()> = BTreeMap::new();
    for a in ended.filter_map(|id| live.get(id)) {
        *left.entry((a.partition, &a.unit)).or_default() -= 1;
        touched.insert((a.partition, &a.unit), ());
    }
    let mut by_partition: HashMap<Partition, Vec<(Unit, u64)>> = HashMap::new();
    for (p, unit) in touched.into_keys() {
        let delay = if left.get(&(p, unit)).copied().unwrap_or(0) <= 0 {
            0
        } else {
            WAKE_PARTLY_MS
        };
        by_partition.entry(p).or_default().push((unit.clone(), delay));
    }
    for (p, units) in by_partition {
        core.store.wake(p, &units).await?;
    }
    Ok(())
}
