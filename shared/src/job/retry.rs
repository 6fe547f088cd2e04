//! When to try again: exponential backoff with full jitter, and `Retry-After` where the controller gave one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often and how slowly a task is tried again after a transient error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts beyond the first, 0–20.
    pub max_retries: u32,
    /// Base of the exponential backoff, seconds.
    pub backoff_seconds: f64,
}

/// No wait is longer than this, whatever the attempt: five minutes.
pub const BACKOFF_MAX: Duration = Duration::from_secs(300);

impl RetryPolicy {
    /// Wait before attempt number `retry` (1 = first retry). `random` in [0, 1) comes from the caller.
    ///
    /// Full jitter: uniform between a tenth of the base and base × 2^(retry−1), so that a burst of failures does not come
    /// back as a burst. `retry_after` wins when it is longer.
    pub fn delay(&self, retry: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        let ceiling = self.backoff_seconds * 2f64.powi(retry.saturating_sub(1).min(16) as i32);
        let floor = self.backoff_seconds * 0.1;
        let wait = Duration::from_secs_f64(
            (floor + random * (ceiling - floor).max(0.0)).clamp(0.0, BACKOFF_MAX.as_secs_f64()),
        );
        retry_after.map_or(wait, |ra| ra.min(BACKOFF_MAX).max(wait))
    }

    pub fn allows(&self, retry: u32) -> bool {
        retry <= self.max_retries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_retries: 3,
        backoff_seconds: 2.0,
    };

    #[test]
    fn grows_exponentially_within_its_bounds() {
        for retry in 1..=20 {
            let low = POLICY.delay(retry, None, 0.0);
            let high = POLICY.delay(retry, None, 0.999_999);
            assert!(
                low >= Duration::from_millis(200) && high <= BACKOFF_MAX,
                "{retry}: {low:?} {high:?}"
            );
        }
        assert!(POLICY.delay(3, None, 0.999) > Duration::from_secs(7));
        assert!(POLICY.allows(3) && !POLICY.allows(4));
    }

    #[test]
    fn retry_after_wins_when_longer_and_is_bounded() {
        assert!(POLICY.delay(1, Some(Duration::from_secs(30)), 0.5) >= Duration::from_secs(30));
        assert_eq!(POLICY.delay(1, Some(Duration::from_secs(86_400)), 0.5), BACKOFF_MAX);
    }
}
