//! Asks after activities, for the whole fleet: one worker per controller, all pending ids with one paged query.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use shared::id::Unit;
use shared::store::{Partition, PendingActivity, StoreError};

use tokio::task::JoinHandle;

use super::core::{Core, now_ms};
use super::jobgate::SharedGate;
use super::remotes::Told;
use super::settling::WAKE_PARTLY_MS;

/// How often the list of controllers with something pending is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A poller that dies or stops is replaced after this.
const LEASE: Duration = Duration::from_secs(5);
/// At a stop, a look under way may take so long.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// A controller without anything pending is not looked at any more after this.
const IDLE: Duration = Duration::from_secs(60);
/// After the first 202.
const FIRST_POLL: Duration = Duration::from_millis(500);
/// This long after the newest 202 most activities have ended.
const QUIET: Duration = Duration::from_millis(900);
/// Younger ones are not asked after: their activity may not be to be seen yet.
const FRESH: Duration = Duration::from_millis(250);
/// Share of the controller's rate that polls may take.
const COST_MAX: f64 = 0.05;

/// When a controller is polled next.
struct Pace {
    next: Instant,
    /// Not before, whatever happens: polls have their share of the rate.
    earliest: Instant,
    /// Nothing new had come for a while when it was last polled.
    quiet: bool,
    /// Rounds in which each pending id was asked after, since this worker polls.
    rounds: HashMap<String, u32>,
}

/// Until the worker stops. Each controller is looked at in a task of its own: one that is slow holds up no other.
pub async fn run(core: Arc<Core>) {
    let _left = core.polling_left.clone().drop_guard();
    let paces: Arc<Mutex<HashMap<String, Pace>>> = Arc::default();
    // the last look at each controller, under way or over
    let mut looking: HashMap<String, JoinHandle<()>> = HashMap::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = core.stopping.cancelled() => return leave(&core, looking).await,
        }
        let limiters = match core.store.polled_limiters().await {
            Ok(l) => l,
            Err(e) => {
                tracing::debug!(error = %e, "pending activities can't be looked at");
                continue;
            }
        };
        looking.retain(|name, task| !task.is_finished() || limiters.iter().any(|(l, _)| l == name));
        for (limiter, newest_ms) in limiters {
            if looking.get(&limiter).is_some_and(|task| !task.is_finished()) {
                continue;
            }
            let (core, paces, name) = (core.clone(), paces.clone(), limiter.clone());
            let task = tokio::spawn(async move {
                let locked = || paces.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let pace = locked().remove(&name);
                match look(&core, &name, newest_ms, pace).await {
                    Ok(Some(pace)) => drop(locked().insert(name, pace)),
                    Ok(None) => {}
                    Err(e) => tracing::debug!(limiter = name, error = %e, "not polled"),
                }
            });
            looking.insert(limiter, task);
        }
    }
}

/// The worker stops: another one polls from now on, rather than when this one's lease has run out.
async fn leave(core: &Core, looking: HashMap<String, JoinHandle<()>>) {
    let last = Instant::now() + LAST_LOOK;
    for (limiter, mut look) in looking {
        // a look that is cut off loses nothing: what it did not store is asked for again, whom it did not wake wakes by itself
        if tokio::time::timeout_at(last.into(), &mut look).await.is_err() {
            look.abort();
            let _ = look.await;
        }
        if let Err(e) = core.store.poll_lease(&limiter, &core.worker, 0).await {
            tracing::debug!(limiter, error = %e, "polling not handed on; another worker takes over when the lease has run out");
        }
    }
}

/// One look at a controller; answers when to poll it next. None: nothing is pending, or another worker polls it.
async fn look(core: &Arc<Core>, limiter: &str, newest_ms: u64, pace: Option<Pace>) -> Result<Option<Pace>, StoreError> {
    let Some((limits, activities)) = core.remotes.activities(limiter) else {
        return Ok(None);
    };
    let (pending, ours) = core
        .store
        .poll_lease(limiter, &core.worker, LEASE.as_millis() as u64)
        .await?;
    if pending == 0 {
        // off the list only after a while: an id may be added this very moment
        if newest_ms + IDLE.as_millis() as u64 <= now_ms() {
            core.store.polls_idle(limiter).await?;
        }
        return Ok(None);
    }
    if !ours {
        return Ok(None);
    }
    let first = Instant::now() + FIRST_POLL;
    let mut pace = pace.unwrap_or(Pace {
        next: first,
        earliest: first,
        quiet: false,
        rounds: HashMap::new(),
    });
    // no more 202s come: what is left is asked after soon, for a phase may end with it
    let quiet = newest_ms + QUIET.as_millis() as u64 <= now_ms();
    let due = if quiet && !pace.quiet {
        pace.next.min(pace.earliest)
    } else {
        pace.next
    };
    if Instant::now() < due {
        return Ok(Some(pace));
    }
    pace.quiet = quiet;
    let live = core.store.pending(limiter).await?;
    let now = now_ms();
    let give_up = core.settings.poll_give_up().as_millis() as u64;
    let oldest_ms = live.values().map(|a| now.saturating_sub(a.since_ms)).max().unwrap_or(0);
    let throttle = core.throttle_for(limits.clone());
    let gate = SharedGate {
        throttle,
        queue: "~poll",
    };
    // an activity that is not to be seen yet would have every page of the window read in search of it
    let asked = |a: &PendingActivity| a.since_ms + FRESH.as_millis() as u64 <= now;
    let ids: BTreeMap<String, u64> = live
        .iter()
        .filter(|(_, a)| asked(a))
        .map(|(id, a)| (id.clone(), a.since_ms))
        .collect();
    if ids.is_empty() {
        pace.next = Instant::now() + FRESH;
        return Ok(Some(pace));
    }
    pace.rounds.retain(|id, _| live.contains_key(id));
    for id in ids.keys() {
        *pace.rounds.entry(id.clone()).or_default() += 1;
    }
    let (ended, calls) = match activities.poll(&ids, &gate).await {
        Ok(r) => r,
        Err(e) => {
            // says nothing about the work: asked again
            tracing::info!(controller = %limits.name, code = e.code(), error = %e, "activities could not be read");
            (Vec::new(), 1)
        }
    };
    core.metrics.polls.inc_by(u64::from(calls));
    let told = |id: &String, ended| {
        let polls = pace.rounds.get(id).copied().unwrap_or(0);
        serde_json::to_string(&Told::new(ended, polls).seal(&core.sealer, id))
    };
    let mut settled = Vec::with_capacity(ended.len());
    for (id, e) in &ended {
        settled.push((id.clone(), Some(told(id, Some(e.clone()))?)));
    }
    // given up, after this last look: their batches read back by themselves
    let is_ended: std::collections::HashSet<&String> = ended.iter().map(|(id, _)| id).collect();
    let too_old = |a: &PendingActivity| a.since_ms.saturating_add(give_up) <= now;
    for (id, _) in live.iter().filter(|(id, a)| too_old(a) && !is_ended.contains(id)) {
        settled.push((id.clone(), Some(told(id, None)?)));
    }
    core.store.settle(limiter, &settled).await?;
    wake(core, &live, ended.iter().map(|(id, _)| id)).await?;

    tracing::debug!(limiter, pending = live.len(), ended = ended.len(), calls, "polled");
    let interval = interval(live.len(), oldest_ms, core.settings.poll_interval);
    let cost = Duration::from_secs_f64(f64::from(calls) / (limits.rate * COST_MAX).max(0.001));
    pace.earliest = Instant::now() + cost;
    pace.next = Instant::now() + interval.max(cost);
    Ok(Some(pace))
}

/// Few are waited for, and not for long: soon, for a phase may end with them. Many, or old ones: as slowly as configured.
fn interval(pending: usize, oldest_ms: u64, max: Duration) -> Duration {
    let by_number = FIRST_POLL.mul_f64(1.0 + pending as f64 / 10.0);
    let by_age = Duration::from_millis(oldest_ms / 4);
    by_number.max(by_age).min(max)
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
