//! This worker's end of a controller's fleet-wide limit: takes blocks of tokens, hands them out round-robin by job, reports back.
//!
//! One [`Throttle`] per quota. A driver task leases tokens and concurrency from the store while somebody waits; permits carry
//! the verdict of each call back, from which the shared limit is moved (`shared::limit::aimd`).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use shared::id::{Lane, WorkerId};
use shared::limit::aimd::{self, Ceiling, Limit, Sample};
use shared::store::{LimitGrant, LimitRequest, Partition, Store};
use tokio::sync::{Notify, oneshot};

use super::remotes::RemoteLimits;
use crate::gate::{GateClosed, Permit, Verdict};

/// A cool-down longer than this is waited for outside of a slot.
const WAIT_IN_SLOT_MAX: Duration = Duration::from_secs(2);
/// Share of a second's calls that is leased at once by the whole fleet: small enough to stop quickly, large enough to be cheap.
const BLOCK_SECONDS: f64 = 0.25;
/// A worker's concurrency lease; renewed with every block. A dead worker's share comes back after it.
const CONCURRENCY_LEASE: Duration = Duration::from_secs(10);
/// Calls without any answer in a row after which the controller is taken for down.
const SILENT_MAX: u32 = 5;
/// Longest pause between two tries of a controller that is down.
const DOWN_PAUSE_MAX: Duration = Duration::from_secs(30);
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// Who waits: permits go round by these.
pub type Queue = String;

/// What keeps the waiting ones waiting, for `limited_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bound {
    #[default]
    Nothing,
    Rate,
    Concurrency,
    CoolDown,
}

struct Waiter {
    want: u32,
    answer: oneshot::Sender<Result<Vec<Permit>, GateClosed>>,
}

#[derive(Default)]
struct State {
    queues: BTreeMap<Queue, VecDeque<Waiter>>,
    /// The queue that was served last.
    last: Queue,
    tokens: u32,
    tokens_at: Option<Instant>,
    in_flight: u32,
    granted: u32,
    grant: Option<LimitGrant>,
    cool_until: Option<Instant>,
    silent: u32,
    sample: Sample,
    latency_sum: Duration,
    latency_base: Duration,
    limit_changed: Option<Instant>,
    bound: Bound,
    lanes: HashMap<(Partition, Lane), Instant>,
    urgent: bool,
}

pub struct Throttle {
    store: Store,
    worker: WorkerId,
    limits: Mutex<RemoteLimits>,
    state: Mutex<State>,
    changed: Notify,
}

fn locked<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    // a panic while holding it leaves plain numbers behind, never half a change
    m.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Throttle {
    pub fn start(store: Store, worker: WorkerId, limits: RemoteLimits) -> Arc<Self> {
        let t = Arc::new(Throttle {
            store,
            worker,
            limits: Mutex::new(limits),
            state: Mutex::new(State {
                latency_base: Duration::from_millis(50),
                ..State::default()
            }),
            changed: Notify::new(),
        });
        let weak = Arc::downgrade(&t);
        tokio::spawn(async move {
            loop {
                let Some(t) = weak.upgrade() else { return };
                let pause = t.drive().await;
                let changed = t.clone();
                drop(t);
                let _ = tokio::time::timeout(pause, changed.changed.notified()).await;
            }
        });
        t
    }

    /// The configuration was re-read.
    pub fn update(&self, limits: RemoteLimits) {
        *locked(&self.limits) = limits;
    }

    /// A lane that is served here: it is told of cool-downs.
    pub fn serve(&self, p: Partition, lane: &Lane) {
        locked(&self.state).lanes.insert((p, lane.clone()), Instant::now());
    }

    /// Up to `want` permits, at least one. Waits its turn; queues take turns.
    pub async fn permits(self: &Arc<Self>, queue: &str, want: u32) -> Result<Vec<Permit>, GateClosed> {
        let (answer, rx) = oneshot::channel();
        {
            let mut s = locked(&self.state);
            s.queues.entry(queue.to_owned()).or_default().push_back(Waiter {
                want: want.max(1),
                answer,
            });
        }
        self.changed.notify_one();
        rx.await.unwrap_or(Err(GateClosed::Stopped))
    }

    /// Calls per second the fleet may make now.
    pub fn rate(&self) -> f64 {
        locked(&self.state)
            .grant
            .map_or_else(|| locked(&self.limits).rate, |g| g.rate)
    }

    pub fn bound(&self) -> Bound {
        locked(&self.state).bound
    }

    /// One step: lease what is wanted, hand out what is there. Answers how long nothing will change by itself.
    async fn drive(self: &Arc<Self>) -> Duration {
        self.report().await;
        let limits = locked(&self.limits).clone();
        let (wanted, in_flight) = {
            let mut s = locked(&self.state);
            for q in s.queues.values_mut() {
                q.retain(|w| !w.answer.is_closed());
            }
            s.queues.retain(|_, q| !q.is_empty());
            if s.tokens_at.is_some_and(|at| at.elapsed() > Duration::from_secs(1)) {
                // stale tokens would add to the burst: they are forgotten, the bucket is the poorer
                s.tokens = 0;
            }
            (s.queues.values().flatten().map(|w| w.want).sum::<u32>(), s.in_flight)
        };
        if wanted == 0 {
            locked(&self.state).bound = Bound::Nothing;
            return if in_flight > 0 {
                Duration::from_secs(2)
            } else {
                Duration::from_secs(30)
            };
        }
        if let Some(wait) = self.cooling() {
            return self.wait_out(wait);
        }
        let pause = self.lease(&limits, wanted).await;
        if let Some(wait) = self.cooling() {
            return self.wait_out(wait);
        }
        self.hand_out();
        pause
    }

    fn cooling(&self) -> Option<Duration> {
        let mut s = locked(&self.state);
        let left = s.cool_until?.checked_duration_since(Instant::now());
        match left {
            Some(d) if !d.is_zero() => {
                s.bound = Bound::CoolDown;
                Some(d)
            }
            _ => {
                s.cool_until = None;
                None
            }
        }
    }

    fn wait_out(&self, wait: Duration) -> Duration {
        if wait > WAIT_IN_SLOT_MAX {
            let queues = std::mem::take(&mut locked(&self.state).queues);
            for w in queues.into_values().flatten() {
                let _ = w.answer.send(Err(GateClosed::CoolDown(wait)));
            }
        }
        wait.min(Duration::from_millis(500))
    }

    async fn lease(&self, limits: &RemoteLimits, wanted: u32) -> Duration {
        let (request, stale_before) = {
            let s = locked(&self.state);
            let workers = s.grant.map_or(1, |g| g.workers).max(1);
            let block = (limits.rate * BLOCK_SECONDS / f64::from(workers))
                .min(limits.burst / 2.0)
                .max(1.0) as u32;
            let free = s.granted.saturating_sub(s.in_flight);
            if s.tokens > 0 && free > 0 {
                return Duration::ZERO;
            }
            let request = LimitRequest {
                tokens: if s.tokens > 0 { 0 } else { block.min(wanted) },
                give_back: 0,
                concurrency: (s.in_flight + wanted).min(limits.concurrency),
                lease_ms: CONCURRENCY_LEASE.as_millis() as u64,
                rate_max: limits.rate,
                // leased blocks and the burst together stay within what is configured
                burst: (limits.burst - f64::from(block * workers))
                    .max(limits.burst / 2.0)
                    .max(1.0),
                concurrency_max: limits.concurrency,
            };
            (request, s.tokens)
        };
        match self.store.limit_acquire(&limits.limiter, &self.worker, &request).await {
            Ok(g) => {
                let mut s = locked(&self.state);
                s.granted = g.concurrency;
                s.tokens = stale_before + g.tokens;
                s.tokens_at = Some(Instant::now());
                s.grant = Some(g);
                if g.cool_ms > 0 {
                    s.cool_until = Some(Instant::now() + Duration::from_millis(g.cool_ms));
                }
                let full = s.in_flight >= s.granted;
                s.bound = if full { Bound::Concurrency } else { Bound::Rate };
                if full {
                    Duration::from_millis(500)
                } else {
                    Duration::from_millis(g.wait_ms.clamp(1, 1_000))
                }
            }
            Err(e) => {
                // without the shared limit nothing is sent: every other step of a task needs the store as well
                tracing::debug!(error = %e, "no permits while the limiter can't be asked");
                Duration::from_millis(250)
            }
        }
    }

    /// Tokens go round by queue; each turn gives a queue's first waiter its share.
    fn hand_out(self: &Arc<Self>) {
        let mut answers = Vec::new();
        {
            let mut s = locked(&self.state);
            loop {
                let free = s.tokens.min(s.granted.saturating_sub(s.in_flight));
                if free == 0 || s.queues.is_empty() {
                    break;
                }
                let share = free.div_ceil(s.queues.len() as u32);
                let next = s
                    .queues
                    .range::<Queue, _>((std::ops::Bound::Excluded(s.last.clone()), std::ops::Bound::Unbounded))
                    .next();
                let name = next.or_else(|| s.queues.iter().next()).map(|(k, _)| k.clone());
                let Some(name) = name else { break };
                s.last.clone_from(&name);
                let Some(q) = s.queues.get_mut(&name) else { break };
                let waiter = q.pop_front();
                if q.is_empty() {
                    s.queues.remove(&name);
                }
                if let Some(w) = waiter.filter(|w| !w.answer.is_closed()) {
                    let n = share.min(w.want);
                    s.tokens -= n;
                    s.in_flight += n;
                    answers.push((w.answer, n));
                }
            }
        }
        for (answer, n) in answers {
            let permits = (0..n).map(|_| self.permit()).collect();
            // a waiter that is gone drops its permits: they come back as unused
            let _ = answer.send(Ok(permits));
        }
    }

    fn permit(self: &Arc<Self>) -> Permit {
        let t = self.clone();
        Permit::new(move |verdict, latency| t.ended(verdict, latency))
    }

    fn ended(&self, verdict: Verdict, latency: Duration) {
        let mut s = locked(&self.state);
        s.in_flight = s.in_flight.saturating_sub(1);
        let mut cool = None;
        match verdict {
            Verdict::Unused => s.tokens += 1,
            Verdict::Answered => {
                s.silent = 0;
                s.sample.answered += 1;
                s.latency_sum += latency;
                // the base follows down at once and up slowly
                s.latency_base = latency.min(s.latency_base + Duration::from_micros(200));
            }
            Verdict::Throttled { retry_after } => {
                s.silent = 0;
                s.sample.throttled += 1;
                s.urgent = true;
                cool = retry_after;
            }
            Verdict::ServerError { retry_after } => {
                s.sample.faulty += 1;
                s.silent += 1;
                cool = retry_after;
            }
            Verdict::Unreachable | Verdict::NoReply => {
                s.sample.faulty += 1;
                s.silent += 1;
            }
        }
        if s.silent >= SILENT_MAX {
            let doublings = ((s.silent - SILENT_MAX) / SILENT_MAX).min(5);
            let pause = Duration::from_secs(1 << doublings).min(DOWN_PAUSE_MAX);
            cool = Some(cool.map_or(pause, |c| c.max(pause)));
        }
        if let Some(c) = cool {
            let until = Instant::now() + c;
            s.cool_until = Some(s.cool_until.map_or(until, |u| u.max(until)));
            s.urgent = true;
        }
        drop(s);
        self.changed.notify_one();
    }

    /// Tells the fleet: the cool-down at once, a moved limit at most twice a second.
    async fn report(&self) {
        let limits = locked(&self.limits).clone();
        let (sample, cool, generation, new, lanes) = {
            let mut s = locked(&self.state);
            let calls = s.sample.answered + s.sample.throttled + s.sample.faulty;
            let elapsed = s.limit_changed.map_or(Duration::from_secs(2), |at| at.elapsed());
            if calls == 0 || (elapsed < REPORT_EVERY && !s.urgent) {
                return;
            }
            let mut sample = std::mem::take(&mut s.sample);
            sample.latency = s.latency_sum.checked_div(sample.answered).unwrap_or_default();
            sample.latency_base = s.latency_base;
            s.latency_sum = Duration::ZERO;
            let ceiling = Ceiling {
                rate: limits.rate,
                concurrency: limits.concurrency,
            };
            let Some(g) = s.grant else { return };
            let now = Limit {
                rate: g.rate.min(ceiling.rate),
                concurrency: g.concurrency_limit.clamp(1, ceiling.concurrency),
            };
            let new = aimd::next(now, ceiling, &sample, elapsed);
            if new.is_some() {
                s.limit_changed = Some(Instant::now());
            }
            let cool = s
                .cool_until
                .map_or(Duration::ZERO, |u| u.saturating_duration_since(Instant::now()));
            let urgent = std::mem::take(&mut s.urgent);
            s.lanes.retain(|_, at| at.elapsed() < Duration::from_secs(600));
            let lanes: Vec<_> = if urgent && !cool.is_zero() {
                s.lanes.keys().cloned().collect()
            } else {
                Vec::new()
            };
            (sample, cool, g.generation, new, lanes)
        };
        let cool_ms = cool.as_millis() as u64;
        if new.is_some() || cool_ms > 0 {
            match self.store.limit_report(&limits.limiter, generation, new, cool_ms).await {
                Ok(true) => {
                    if let Some(l) = new.filter(|_| sample.throttled > 0) {
                        tracing::info!(controller = %limits.name, rate = l.rate, concurrency = l.concurrency, "the controller answered 429, the fleet slows down");
                    }
                }
                Ok(false) => {}
                Err(e) => tracing::debug!(error = %e, "limit not reported"),
            }
        }
        for (p, lane) in lanes {
            if let Err(e) = self.store.cool_lane(p, &lane, cool_ms).await {
                tracing::debug!(error = %e, "lane not paused");
            }
        }
    }
}
