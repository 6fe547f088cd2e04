//! Additive increase, multiplicative decrease: `(limit, sample, now) → limit`. Pure.
//!
//! The rate falls on 429 and comes back to the configured rate, never above it. The concurrency falls on 429 and when latency
//! rises well above what the controller needed before, and comes back to its ceiling.

use std::time::Duration;

/// What the fleet shares of a controller's limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Calls per second.
    pub rate: f64,
    /// Calls at once.
    pub concurrency: u32,
}

/// Configured ceilings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    pub rate: f64,
    pub concurrency: u32,
}

/// What a worker saw since its last report.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    pub answered: u32,
    /// 429s.
    pub throttled: u32,
    /// 5xx and lost replies.
    pub faulty: u32,
    /// Mean latency of the answered ones.
    pub latency: Duration,
    /// The best latency this worker has seen for a while.
    pub latency_base: Duration,
}

/// A limit moves at most once in this time: a burst of 429s from one moment is one signal.
pub const STEP: Duration = Duration::from_secs(1);
/// A cut takes a third: one report of a burst of 429s brings the rate below what the controller grants in two steps at most.
const DECREASE: f64 = 0.7;
/// Share of the ceiling regained a second without trouble.
const INCREASE_SHARE: f64 = 0.03;
/// Latency this many times the base is congestion; below [`LATENCY_FLOOR`] it is noise.
const LATENCY_FACTOR: f64 = 4.0;
const LATENCY_FLOOR: Duration = Duration::from_millis(250);
/// Never less: a controller is always asked again. Calls per second.
pub const RATE_MIN: f64 = 0.2;

/// The next limit after `elapsed` since the last accepted change, or none when nothing changes.
///
/// Before [`STEP`] has passed it is none whatever the sample says: such a sample is to be kept for later.
pub fn next(limit: Limit, ceiling: Ceiling, sample: &Sample, elapsed: Duration) -> Option<Limit> {
    if elapsed < STEP {
        return None;
    }
    let slow = sample.answered > 0
        && sample.latency > LATENCY_FLOOR
        && sample.latency.as_secs_f64() > sample.latency_base.as_secs_f64() * LATENCY_FACTOR;
    let mut new = limit;
    if sample.throttled > 0 {
        new.rate = (limit.rate * DECREASE).max(RATE_MIN);
        new.concurrency = shrink(limit.concurrency);
    } else if slow || sample.faulty > sample.answered {
        new.concurrency = shrink(limit.concurrency);
    } else if sample.answered > 0 {
        let seconds = elapsed.as_secs_f64().min(10.0);
        new.rate = (limit.rate + ceiling.rate * INCREASE_SHARE * seconds).min(ceiling.rate);
        new.concurrency = (limit.concurrency + 1 + ceiling.concurrency / 20).min(ceiling.concurrency);
    }
    (new != limit).then_some(new)
}

fn shrink(concurrency: u32) -> u32 {
    ((f64::from(concurrency) * DECREASE) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CEILING: Ceiling = Ceiling {
        rate: 33.3,
        concurrency: 50,
    };
    const TOP: Limit = Limit {
        rate: 33.3,
        concurrency: 50,
    };
    const SECOND: Duration = Duration::from_secs(1);

    fn ok() -> Sample {
        Sample {
            answered: 10,
            latency: Duration::from_millis(40),
            latency_base: Duration::from_millis(40),
            ..Sample::default()
        }
    }

    #[test]
    fn falls_on_429_and_comes_back_but_never_above() {
        let throttled = Sample { throttled: 3, ..ok() };
        let low = next(TOP, CEILING, &throttled, SECOND).unwrap();
        assert!(low.rate < 24.0 && low.concurrency == 35);
        let mut l = low;
        for _ in 0..60 {
            l = next(l, CEILING, &ok(), SECOND).unwrap_or(l);
            assert!(l.rate <= CEILING.rate && l.concurrency <= CEILING.concurrency);
        }
        assert_eq!(l, TOP);
    }

    #[test]
    fn one_signal_a_second() {
        assert_eq!(
            next(
                TOP,
                CEILING,
                &Sample { throttled: 9, ..ok() },
                Duration::from_millis(900)
            ),
            None
        );
    }

    #[test]
    fn rising_latency_takes_concurrency_not_rate() {
        let slow = Sample {
            latency: Duration::from_secs(2),
            ..ok()
        };
        let l = next(TOP, CEILING, &slow, SECOND).unwrap();
        assert_eq!((l.rate, l.concurrency), (33.3, 35));
    }

    #[test]
    fn never_falls_to_nothing() {
        let mut l = TOP;
        for _ in 0..100 {
            l = next(l, CEILING, &Sample { throttled: 1, ..ok() }, SECOND).unwrap_or(l);
        }
        assert!(l.rate >= RATE_MIN && l.concurrency >= 1);
    }
}
