//! What the calls told about a controller: the sample the shared limit is moved by, and the pause it needs. No store, no clock.

use std::time::{Duration, Instant};

use shared::limit::aimd::{self, Ceiling, Limit, Sample};

use crate::gate::Verdict;

/// Calls without any answer in a row after which the controller is taken for down.
const SILENT_MAX: u32 = 5;
/// Longest pause between two tries of a controller that is down.
pub(super) const DOWN_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Longest pause taken from an answer. `Retry-After` may name any number, even one no clock can add; after five minutes one
/// more call is cheap, and who asked for more says so again. The scripts have the same bound.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Before somebody who could not be told of a pause is told again; for as long as the pause lasts.
const TELL_AGAIN: Duration = Duration::from_millis(500);
/// A pause that ends later than the known one by less than this is the same one, told over the network.
const SAME_PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    answered: u32,
    throttled: u32,
    faulty: u32,
    latency: Duration,
}

impl Counts {
    fn add(&mut self, o: Counts) {
        self.answered += o.answered;
        self.throttled += o.throttled;
        self.faulty += o.faulty;
        self.latency += o.latency;
    }
}

pub struct Book {
    counts: Counts,
    latency_base: Duration,
    /// Calls without an answer in a row.
    silent: u32,
    pause_until: Option<Instant>,
    tell_fleet: bool,
    tell_lanes: bool,
    /// The fleet's limit as last granted.
    known: Option<(u64, Limit)>,
    /// A report about `known` was refused: somebody changed the limit, what it is now comes with the next grant.
    outdated: bool,
    /// This worker changed the limit, or saw that another one had cut it.
    changed: Option<Instant>,
    /// The limit was cut because of 429s, here or elsewhere: those of calls begun before that are of the same signal.
    cut: Option<Instant>,
    /// The limit moved, whoever did it, or a sample asked for no change.
    looked: Option<Instant>,
}

/// What is to be told now. Give it back to [`Book::refused`] or [`Book::untold`] when it did not count.
#[derive(Debug, Default)]
pub struct Report {
    /// The generation `new` was derived from.
    pub generation: u64,
    pub new: Option<Limit>,
    /// For the other workers; zero: nothing new.
    pub fleet_pause: Duration,
    /// For the lanes served here; zero: nothing new.
    pub lane_pause: Duration,
    counts: Counts,
}

impl Report {
    pub fn throttled(&self) -> bool {
        self.counts.throttled > 0
    }
}

impl Book {
    pub fn new() -> Self {
        Book {
            counts: Counts::default(),
            latency_base: Duration::from_millis(50),
            silent: 0,
            pause_until: None,
            tell_fleet: false,
            tell_lanes: false,
            known: None,
            outdated: false,
            changed: None,
            cut: None,
            looked: None,
        }
    }

    /// A call has ended.
    pub fn ended(&mut self, verdict: Verdict, latency: Duration, now: Instant) {
        let mut pause = None;
        match verdict {
            Verdict::Unused | Verdict::NoLogin => return,
            Verdict::Answered => {
                self.silent = 0;
                self.counts.answered += 1;
                self.counts.latency += latency;
                // the base follows down at once and up slowly
                self.latency_base = latency.min(self.latency_base + Duration::from_micros(200));
            }
            Verdict::Throttled { retry_after } => {
                self.silent = 0;
                let began = now.checked_sub(latency).unwrap_or(now);
                self.counts.throttled += u32::from(self.cut.is_none_or(|cut| began >= cut));
                pause = retry_after;
            }
            Verdict::ServerError { retry_after } => {
                self.counts.faulty += 1;
                self.silent += 1;
                pause = retry_after;
            }
            Verdict::Unreachable | Verdict::NoReply => {
                self.counts.faulty += 1;
                self.silent += 1;
            }
        }
        if self.silent >= SILENT_MAX {
            let doublings = ((self.silent - SILENT_MAX) / SILENT_MAX).min(5);
            let down = Duration::from_secs(1 << doublings).min(DOWN_PAUSE_MAX);
            pause = Some(pause.map_or(down, |p| p.max(down)));
        }
        if let Some(p) = pause.filter(|p| !p.is_zero()) {
            let until = now + p.min(PAUSE_MAX);
            self.pause_until = Some(self.pause_until.map_or(until, |u| u.max(until)));
            self.tell_fleet = true;
            self.tell_lanes = true;
        }
    }

    /// What a grant says: the fleet's limit, and the pause another worker was told of.
    pub fn granted(&mut self, generation: u64, limit: Limit, pause: Duration, now: Instant) {
        if let Some((_, old)) = self.known.filter(|(g, _)| *g != generation) {
            self.looked = Some(now);
            // at the lowest rate a cut shows in the concurrency alone
            let is_cut = limit.rate < old.rate || limit.rate <= aimd::RATE_MIN && limit.concurrency < old.concurrency;
            if is_cut {
                // one signal, one change for the fleet: the 429s seen here so far are from before that cut
                self.counts = Counts::default();
                (self.changed, self.cut) = (Some(now), Some(now));
            }
        }
        self.outdated &= self.known.is_some_and(|(g, _)| g == generation);
        self.known = Some((generation, limit));
        if !pause.is_zero() {
            let until = now + pause.min(PAUSE_MAX);
            if self.pause_until.is_none_or(|u| until > u + SAME_PAUSE) {
                self.pause_until = Some(until);
                // the fleet knows: telling it again would make the pause a little longer each time
                self.tell_lanes = true;
            }
        }
    }

    /// What is left of the pause.
    pub fn pause(&mut self, now: Instant) -> Option<Duration> {
        let left = self.pause_until?.saturating_duration_since(now);
        if left.is_zero() {
            self.pause_until = None;
            return None;
        }
        Some(left)
    }

    /// When the sample may be used, or a pause told again, if there is anything worth waking up for.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let worth = self.counts.throttled > 0 && self.known.is_some() && !self.outdated;
        let sample = worth.then(|| aimd::STEP.saturating_sub(since(self.changed, now)));
        let untold = (self.tell_fleet || self.tell_lanes).then_some(TELL_AGAIN);
        sample.into_iter().chain(untold).min()
    }

    /// What is to be told now, if anything. Uses up the sample only if the limit may be moved now.
    pub fn report(&mut self, ceiling: Ceiling, now: Instant) -> Option<Report> {
        let mut r = Report::default();
        // whole milliseconds: the store takes 0 for "ends now"
        if let Some(left) = self.pause(now).filter(|p| p.as_millis() > 0) {
            r.fleet_pause = if self.tell_fleet { left } else { Duration::ZERO };
            r.lane_pause = if self.tell_lanes { left } else { Duration::ZERO };
        }
        (self.tell_fleet, self.tell_lanes) = (false, false);
        self.judge(&mut r, ceiling, now);
        (r.new.is_some() || !r.fleet_pause.is_zero() || !r.lane_pause.is_zero()).then_some(r)
    }

    fn judge(&mut self, r: &mut Report, ceiling: Ceiling, now: Instant) {
        let Some((generation, limit)) = self.known.filter(|_| !self.outdated) else {
            return;
        };
        r.generation = generation;
        let c = self.counts;
        // a 429 does not wait for others to stop raising the limit
        let elapsed = if c.throttled > 0 {
            since(self.changed, now)
        } else {
            since(self.changed, now).min(since(self.looked, now))
        };
        if elapsed < aimd::STEP || c.answered + c.throttled + c.faulty == 0 {
            return;
        }
        let limit = Limit {
            rate: limit.rate.min(ceiling.rate),
            concurrency: limit.concurrency.clamp(1, ceiling.concurrency.max(1)),
        };
        let sample = Sample {
            answered: c.answered,
            throttled: c.throttled,
            faulty: c.faulty,
            latency: c.latency.checked_div(c.answered).unwrap_or_default(),
            latency_base: self.latency_base,
        };
        r.new = aimd::next(limit, ceiling, &sample, elapsed);
        r.counts = std::mem::take(&mut self.counts);
        self.looked = Some(now);
    }

    /// The report was the first about its generation: its limit is the fleet's.
    pub fn accepted(&mut self, r: &Report, now: Instant) {
        if let Some(new) = r.new {
            // the store counts generations up by one
            self.known = Some((r.generation + 1, new));
            self.changed = Some(now);
            if r.throttled() {
                self.cut = Some(now);
            }
        }
    }

    /// Somebody else had changed the limit: the sample waits for the next grant.
    pub fn refused(&mut self, r: &Report) {
        self.counts.add(r.counts);
        self.outdated = true;
    }

    /// A lane could not be told of the pause: all of them are told again, which changes nothing for those that know.
    pub fn lanes_untold(&mut self) {
        self.tell_lanes = true;
    }

    /// Nobody could be told.
    pub fn untold(&mut self, r: &Report) {
        self.counts.add(r.counts);
        self.tell_fleet |= !r.fleet_pause.is_zero();
        self.tell_lanes |= !r.lane_pause.is_zero();
    }
}

/// Long ago when never.
fn since(at: Option<Instant>, now: Instant) -> Duration {
    at.map_or(Duration::from_secs(2), |at| now.saturating_duration_since(at))
}

#[cfg(test)]
mod tests;
