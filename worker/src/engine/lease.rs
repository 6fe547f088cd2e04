//! The right to call controllers: a heartbeat must have been accepted lately, by this process' own monotonic clock.
//!
//! Redis can fence writes to Redis, not calls to others. So no call begins after the lease, calls are shorter than the rest of
//! the take-over time, and a worker that was frozen finds its lease over when it wakes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub struct Lease {
    born: Instant,
    /// Send time of the last accepted heartbeat, ms since `born`, plus one; 0 = none yet.
    sent_ms: AtomicU64,
    /// Begin of the row of accepted heartbeats without a gap of half the lease.
    row_ms: AtomicU64,
    length: Duration,
}

impl Lease {
    pub fn new(length: Duration) -> Self {
        Lease {
            born: Instant::now(),
            sent_ms: AtomicU64::new(0),
            row_ms: AtomicU64::new(0),
            length,
        }
    }

    /// A heartbeat (or the first claim) sent at `at` was accepted.
    pub fn renewed(&self, at: Instant) {
        let ms = at.saturating_duration_since(self.born).as_millis() as u64 + 1;
        let last = self.sent_ms.fetch_max(ms, Ordering::Relaxed);
        if last == 0 || ms.saturating_sub(last) > self.gap_ms() {
            self.row_ms.store(ms, Ordering::Relaxed);
        }
    }

    /// For how long heartbeats have been accepted one after the other: so long everybody could have sent theirs.
    pub fn unbroken(&self) -> Duration {
        self.unbroken_at(Instant::now())
    }

    fn unbroken_at(&self, now: Instant) -> Duration {
        let (row, sent) = (
            self.row_ms.load(Ordering::Relaxed),
            self.sent_ms.load(Ordering::Relaxed),
        );
        let now = now.saturating_duration_since(self.born).as_millis() as u64 + 1;
        if row == 0 || now.saturating_sub(sent) > self.gap_ms() {
            return Duration::ZERO;
        }
        Duration::from_millis(now.saturating_sub(row))
    }

    fn gap_ms(&self) -> u64 {
        self.length.as_millis() as u64 / 2
    }

    pub fn is_valid(&self) -> bool {
        self.is_valid_at(Instant::now())
    }

    fn is_valid_at(&self, now: Instant) -> bool {
        let sent = self.sent_ms.load(Ordering::Relaxed);
        let now = now.saturating_duration_since(self.born).as_millis() as u64 + 1;
        sent > 0 && now.saturating_sub(sent) < self.length.as_millis() as u64
    }

    /// Time since the last accepted heartbeat.
    pub fn age(&self) -> Option<Duration> {
        match self.sent_ms.load(Ordering::Relaxed) {
            0 => None,
            sent => Some(self.born.elapsed().saturating_sub(Duration::from_millis(sent - 1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_after_its_length_counted_from_the_send_time() {
        let l = Lease::new(Duration::from_secs(30));
        assert!(!l.is_valid(), "no heartbeat was accepted yet");
        let sent = Instant::now();
        l.renewed(sent);
        assert!(l.is_valid_at(sent + Duration::from_secs(29)));
        assert!(!l.is_valid_at(sent + Duration::from_secs(31)));
        l.renewed(sent - Duration::from_millis(0));
        assert!(
            !l.is_valid_at(sent + Duration::from_secs(31)),
            "a late reply of an early heartbeat renews nothing"
        );
    }

    #[test]
    fn single_failures_do_not_break_the_row_and_an_outage_does() {
        let l = Lease::new(Duration::from_secs(30));
        let begin = Instant::now();
        let at = |s| begin + Duration::from_secs(s);
        assert_eq!(l.unbroken_at(begin), Duration::ZERO, "none was accepted yet");
        for s in [0, 1, 2, 9, 10, 22] {
            l.renewed(at(s));
        }
        assert!(l.unbroken_at(at(23)) >= Duration::from_secs(22));
        assert_eq!(l.unbroken_at(at(40)), Duration::ZERO, "an outage is under way");
        l.renewed(at(41));
        assert_eq!(l.unbroken_at(at(43)).as_secs(), 2);
    }
}
