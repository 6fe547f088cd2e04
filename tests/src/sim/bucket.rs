//! The token bucket every RUCKUS One tenant has: pure, time is an argument.

use super::clock::Millis;

/// Sums of fractions may miss a whole token by this much.
const ROUNDING: f64 = 1e-6;

/// Tokens refill continuously up to `capacity`; a call takes one or is refused.
#[derive(Debug, Clone)]
pub struct Bucket {
    capacity: f64,
    per_second: f64,
    tokens: f64,
    at: Millis,
}

impl Bucket {
    /// A full bucket. `capacity` in calls, `per_second` in calls a second.
    pub fn full(capacity: f64, per_second: f64, now: Millis) -> Self {
        Self {
            capacity,
            per_second,
            tokens: capacity,
            at: now,
        }
    }

    /// Takes one token, or answers in how many milliseconds there will be one.
    pub fn take(&mut self, now: Millis) -> Result<(), Millis> {
        let elapsed = now.saturating_sub(self.at) as f64 / 1000.0;
        self.at = self.at.max(now);
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.capacity);
        if self.tokens >= 1.0 - ROUNDING {
            self.tokens = (self.tokens - 1.0).max(0.0);
            Ok(())
        } else if self.per_second > 0.0 {
            Err(((1.0 - ROUNDING - self.tokens) / self.per_second * 1000.0).ceil() as Millis)
        } else {
            Err(Millis::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(bucket: &mut Bucket, from: Millis, to: Millis) -> usize {
        // four tries every millisecond: far more than any bucket here gives
        (from..to)
            .flat_map(|ms| [ms; 4])
            .filter(|ms| bucket.take(*ms).is_ok())
            .count()
    }

    #[test]
    fn a_minute_of_greed_gets_the_burst_and_the_rate() {
        let mut bucket = Bucket::full(34.0, 2000.0 / 60.0, 0);
        let got = granted(&mut bucket, 0, 60_000);
        assert!((2032..=2034).contains(&got), "{got}");
        // no burst is left: the second minute is the rate alone
        let got = granted(&mut bucket, 60_000, 120_000);
        assert!((1999..=2001).contains(&got), "{got}");
    }

    #[test]
    fn idle_time_never_saves_more_than_the_capacity() {
        let mut bucket = Bucket::full(34.0, 2000.0 / 60.0, 0);
        granted(&mut bucket, 0, 1000);
        let burst = (0..100).filter(|_| bucket.take(3_600_000).is_ok()).count();
        assert_eq!(burst, 34);
    }

    #[test]
    fn a_refusal_says_when_the_next_token_comes() {
        let mut bucket = Bucket::full(1.0, 2.0, 0);
        assert_eq!(bucket.take(0), Ok(()));
        assert_eq!(bucket.take(0), Err(500));
        assert_eq!(bucket.take(499), Err(1));
        assert_eq!(bucket.take(500), Ok(()));
    }
}
