//! This worker's end of a controller's fleet-wide limit: takes blocks of tokens, hands them out round-robin by job, reports back.
//!
//! One [`Throttle`] per quota. A driver task leases tokens and concurrency from the store while somebody waits; permits carry
//! the verdict of each call back, from which the shared limit is moved (`shared::limit::aimd`).

mod book;
mod reach;
mod turns;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use shared::id::{Lane, WorkerId};
use shared::limit::aimd::{Ceiling, Limit};
use shared::store::model::Outage;
use shared::store::{LimitGrant, LimitRequest, Partition, Store, StoreError};
use tokio::sync::{Notify, oneshot};

use self::book::{Book, DOWN_PAUSE_MAX};
use self::reach::{News, Reach};
use self::turns::Turns;
use super::core::now_ms;
use super::metrics::Calls;
use super::remotes::RemoteLimits;
use crate::gate::{GateClosed, Permit, Verdict};

/// A cool-down longer than this is waited for outside of a slot.
const WAIT_IN_SLOT_MAX: Duration = Duration::from_secs(2);
/// Share of a second's calls that is leased at once by the whole fleet: small enough to stop quickly, large enough to be cheap.
const BLOCK_SECONDS: f64 = 0.25;
/// A worker's concurrency lease; renewed with every block. A dead worker's share comes back after it.
const CONCURRENCY_LEASE: Duration = Duration::from_secs(10);
/// Tokens older than this would add to the burst, they go back; and who was idle for so long gives its share back.
const QUIET: Duration = Duration::from_secs(1);

/// What keeps the waiting ones waiting, for `limited_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bound {
    #[default]
    Nothing,
    Rate,
    Concurrency,
    CoolDown,
}

type Answer = Result<Vec<Permit>, GateClosed>;

struct State {
    turns: Turns<Answer>,
    book: Book,
    reach: Reach,
    tokens: u32,
    /// When the store gave them.
    tokens_at: Option<Instant>,
    /// Tokens to give back with the next request.
    stale: u32,
    in_flight: u32,
    granted: u32,
    grant: Option<LimitGrant>,
    /// Nothing waits and nothing is under way since then.
    idle_since: Option<Instant>,
    bound: Bound,
    lanes: HashMap<(Partition, Lane), Instant>,
}

pub struct Throttle {
    store: Store,
    worker: WorkerId,
    limits: Mutex<RemoteLimits>,
    calls: Calls,
    state: Mutex<State>,
    changed: Notify,
}

fn locked<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    // a panic while holding it leaves plain numbers behind, never half a change
    m.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Throttle {
    pub fn start(store: Store, worker: WorkerId, limits: RemoteLimits, calls: Calls) -> Arc<Self> {
        calls.know(&limits.name);
        let t = Arc::new(Throttle {
            store,
            worker,
            limits: Mutex::new(limits),
            calls,
            state: Mutex::new(State {
                turns: Turns::default(),
                book: Book::new(),
                reach: Reach::default(),
                tokens: 0,
                tokens_at: None,
                stale: 0,
                in_flight: 0,
                granted: 0,
                grant: None,
                idle_since: None,
                bound: Bound::Nothing,
                lanes: HashMap::new(),
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

    /// Up to `want` permits, at least one. Waits its turn; queues take turns, within one the lower `order` goes first.
    pub async fn permits(self: &Arc<Self>, queue: &str, order: i64, want: u32) -> Result<Vec<Permit>, GateClosed> {
        let (answer, rx) = oneshot::channel();
        locked(&self.state).turns.push(queue, order, want, answer);
        self.changed.notify_one();
        rx.await.unwrap_or(Err(GateClosed::Stopped))
    }

    /// For how long the controller answers again; none: it was never away.
    pub fn back_for(&self) -> Option<Duration> {
        locked(&self.state).reach.back_for(Instant::now())
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
        self.tell_reach().await;
        let limits = locked(&self.limits).clone();
        let pause = self.step(&limits).await;
        // what the grant told may have to be passed on
        self.report().await;
        let due = locked(&self.state).book.due_in(Instant::now());
        due.map_or(pause, |d| pause.min(d.max(Duration::from_millis(1))))
    }

    async fn step(self: &Arc<Self>, limits: &RemoteLimits) -> Duration {
        let wanted = {
            let mut s = locked(&self.state);
            if s.tokens_at.is_some_and(|at| at.elapsed() > QUIET) {
                s.stale += std::mem::take(&mut s.tokens);
            }
            let wanted = s.turns.wanted();
            if wanted > 0 || s.in_flight > 0 {
                s.idle_since = None;
            } else {
                s.idle_since.get_or_insert_with(Instant::now);
            }
            wanted
        };
        if wanted == 0 {
            return self.rest(limits).await;
        }
        if let Some(wait) = self.cooling() {
            return self.wait_out(wait);
        }
        let pause = self.lease(limits, wanted).await;
        if let Some(wait) = self.cooling() {
            return self.wait_out(wait);
        }
        self.hand_out();
        pause
    }

    fn cooling(&self) -> Option<Duration> {
        let mut s = locked(&self.state);
        let left = s.book.pause(Instant::now())?;
        s.bound = Bound::CoolDown;
        Some(left)
    }

    fn wait_out(&self, wait: Duration) -> Duration {
        if wait > WAIT_IN_SLOT_MAX {
            let waiting = locked(&self.state).turns.dismiss();
            for answer in waiting {
                let _ = answer.send(Err(GateClosed::CoolDown(wait)));
            }
        }
        wait.min(Duration::from_millis(500))
    }

    /// Nobody waits: what others could use goes back, in one request.
    async fn rest(&self, limits: &RemoteLimits) -> Duration {
        let request = {
            let mut s = locked(&self.state);
            s.bound = Bound::Nothing;
            let holds = s.granted > 0 || s.tokens + s.stale > 0;
            let now_due = match s.idle_since {
                Some(at) => holds && at.elapsed() >= QUIET,
                None => s.stale > 0,
            };
            if !now_due {
                return match s.idle_since {
                    None if s.tokens == 0 => Duration::from_secs(2),
                    Some(_) if !holds => Duration::from_secs(30),
                    _ => QUIET,
                };
            }
            if s.idle_since.is_some() {
                // whether or not the store hears of it: the share ends with its lease, and tokens are never given back twice
                s.granted = 0;
                s.stale += std::mem::take(&mut s.tokens);
            }
            s.request(limits, 0)
        };
        match self.acquire(limits, &request).await {
            Ok(_) => Duration::from_secs(2),
            Err(e) => {
                tracing::debug!(error = %e, "unused tokens are lost: the limiter can't be asked");
                Duration::from_secs(2)
            }
        }
    }

    async fn lease(&self, limits: &RemoteLimits, wanted: u32) -> Duration {
        let request = {
            let mut s = locked(&self.state);
            if s.tokens > 0 && s.granted > s.in_flight {
                return Duration::ZERO;
            }
            s.request(limits, wanted)
        };
        match self.acquire(limits, &request).await {
            Ok(g) => {
                let mut s = locked(&self.state);
                if s.in_flight >= s.granted {
                    s.bound = Bound::Concurrency;
                    Duration::from_millis(500)
                } else {
                    s.bound = Bound::Rate;
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

    async fn acquire(&self, limits: &RemoteLimits, request: &LimitRequest) -> Result<LimitGrant, StoreError> {
        let g = self.store.limit_acquire(&limits.limiter, &self.worker, request).await?;
        let now = Instant::now();
        let mut s = locked(&self.state);
        s.granted = g.concurrency;
        if g.tokens > 0 {
            // permits that ended unused meanwhile have put theirs back
            s.tokens += g.tokens;
            s.tokens_at = Some(now);
        }
        s.grant = Some(g);
        let limit = Limit {
            rate: g.rate,
            concurrency: g.concurrency_limit,
        };
        s.book
            .granted(g.generation, limit, Duration::from_millis(g.cool_ms), now);
        Ok(g)
    }

    fn hand_out(self: &Arc<Self>) {
        let dealt = {
            let mut s = locked(&self.state);
            let free = s.tokens.min(s.granted.saturating_sub(s.in_flight));
            let dealt = s.turns.deal(free);
            let n: u32 = dealt.iter().map(|(_, n)| n).sum();
            s.tokens -= n;
            s.in_flight += n;
            dealt
        };
        for (answer, n) in dealt {
            let permits = (0..n).map(|_| self.permit()).collect();
            // a waiter that is gone drops its permits: they come back as unused
            let _ = answer.send(Ok(permits));
        }
    }

    fn permit(self: &Arc<Self>) -> Permit {
        let t = self.clone();
        Permit::telling_why(move |verdict, latency, why| t.ended(verdict, latency, why))
    }

    fn ended(&self, verdict: Verdict, latency: Duration, why: &str) {
        self.calls.ended(&locked(&self.limits).name, verdict);
        {
            let mut s = locked(&self.state);
            s.in_flight = s.in_flight.saturating_sub(1);
            if matches!(verdict, Verdict::Unused | Verdict::NoLogin) {
                s.tokens += 1;
            }
            s.book.ended(verdict, latency, Instant::now());
            s.reach.ended(verdict, why, Instant::now());
        }
        self.changed.notify_one();
    }

    /// Tells the fleet and the lanes served here of a pause at once, and the fleet of a moved limit.
    async fn report(&self) {
        let limits = locked(&self.limits).clone();
        let ceiling = Ceiling {
            rate: limits.rate,
            concurrency: limits.concurrency,
        };
        let (r, lanes) = {
            let mut s = locked(&self.state);
            let Some(r) = s.book.report(ceiling, Instant::now()) else {
                return;
            };
            s.lanes.retain(|_, at| at.elapsed() < Duration::from_secs(600));
            let lanes: Vec<_> = s.lanes.keys().cloned().collect();
            (r, lanes)
        };
        let mut told = Ok(());
        if r.new.is_some() || !r.fleet_pause.is_zero() {
            let pause_ms = r.fleet_pause.as_millis() as u64;
            let answer = self
                .store
                .limit_report(&limits.limiter, r.generation, r.new, pause_ms)
                .await;
            let mut s = locked(&self.state);
            match answer {
                Ok(true) => {
                    s.book.accepted(&r, Instant::now());
                    if let Some(l) = r.new.filter(|_| r.throttled()) {
                        tracing::info!(controller = %limits.name, rate = l.rate, concurrency = l.concurrency, "the controller answered 429, the fleet slows down");
                    }
                }
                // without a new limit there was nothing to refuse
                Ok(false) if r.new.is_some() => s.book.refused(&r),
                Ok(false) => {}
                Err(e) => told = Err(e),
            }
        }
        if !r.lane_pause.is_zero() {
            let pause_ms = r.lane_pause.as_millis() as u64;
            for (p, lane) in lanes {
                if let Err(e) = self.store.cool_lane(p, &lane, pause_ms).await {
                    tracing::debug!(error = %e, "lane not paused");
                    locked(&self.state).book.lanes_untold();
                }
            }
        }
        if let Err(e) = told {
            tracing::debug!(error = %e, "limit not reported");
            locked(&self.state).book.untold(&r);
        }
    }
}

impl Throttle {
    /// Tells the log, and the jobs of the lanes served here, that the controller is down, or answers (again).
    async fn tell_reach(&self) {
        let name = locked(&self.limits).name.clone();
        let now = Instant::now();
        let (news, every, lanes) = {
            let mut s = locked(&self.state);
            let Some(news) = s.reach.news(now) else { return };
            let every = s.book.pause(now).unwrap_or_default().max(DOWN_PAUSE_MAX);
            (news, every, s.lanes.keys().cloned().collect::<Vec<_>>())
        };
        let outage = match news {
            News::Down { since, reason, first } => {
                if first {
                    tracing::warn!(controller = %name, reason, "the controller does not answer; its jobs wait and go on by themselves");
                }
                let now_ms = now_ms();
                let since_ms = now_ms.saturating_sub(since.elapsed().as_millis() as u64);
                Some(Outage::new(now_ms, since_ms, reason, every))
            }
            News::Answers { after } => {
                if let Some(after) = after {
                    tracing::warn!(controller = %name, after_s = after.as_secs(), "the controller answers again");
                }
                None
            }
        };
        for (p, lane) in lanes {
            if let Err(e) = self.store.note_outage(p, &lane, outage.as_ref()).await {
                tracing::debug!(error = %e, "jobs are not told of the controller's state");
            }
        }
    }
}

impl State {
    /// What to ask of the store for so many that wait. Takes the stale tokens: when the request fails they are lost, not doubled.
    fn request(&mut self, limits: &RemoteLimits, wanted: u32) -> LimitRequest {
        let workers = self.grant.map_or(1, |g| g.workers).max(1);
        let block = (limits.rate * BLOCK_SECONDS / f64::from(workers))
            .min(limits.burst / 2.0)
            .max(1.0) as u32;
        LimitRequest {
            tokens: if self.tokens > 0 { 0 } else { block.min(wanted) },
            give_back: std::mem::take(&mut self.stale),
            concurrency: self.in_flight.saturating_add(wanted).min(limits.concurrency),
            in_flight: self.in_flight,
            lease_ms: CONCURRENCY_LEASE.as_millis() as u64,
            rate_max: limits.rate,
            // leased blocks and the burst together stay within what is configured
            burst: (limits.burst - f64::from(block * workers))
                .max(limits.burst / 2.0)
                .max(1.0),
            concurrency_max: limits.concurrency,
        }
    }
}
