//! Simulated time: milliseconds since 1970, never running backwards.
//!
//! Everything below the HTTP layer takes `now` as an argument, so that the rules can be tested without waiting.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = u64;

/// Wall clock at the start plus the monotonic time since then.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    wall_ms: Millis,
}

impl Clock {
    /// A clock that starts at the machine's wall time.
    pub fn start() -> Self {
        let wall_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as Millis);
        Self {
            started: Instant::now(),
            wall_ms,
        }
    }

    /// Now, in milliseconds since 1970.
    pub fn now(&self) -> Millis {
        self.wall_ms + self.started.elapsed().as_millis() as Millis
    }
}

/// `2026-11-22T05:00:00.123Z`.
pub fn iso(ms: Millis) -> String {
    match Timestamp::from_millisecond(ms as i64) {
        Ok(at) => format!("{at:.3}"),
        Err(_) => String::new(),
    }
}

/// Reads an ISO date-time with an offset; `None` when it is not one or lies before 1970.
pub fn parse_iso(text: &str) -> Option<Millis> {
    text.parse::<Timestamp>()
        .ok()
        .and_then(|at| Millis::try_from(at.as_millisecond()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_and_back() {
        assert_eq!(iso(1_763_788_800_123), "2025-11-22T05:20:00.123Z");
        assert_eq!(parse_iso("2025-11-22T05:20:00.123Z"), Some(1_763_788_800_123));
        assert_eq!(parse_iso("2025-11-22T07:20:00+02:00"), Some(1_763_788_800_000));
        assert_eq!(parse_iso("tomorrow"), None);
    }
}
