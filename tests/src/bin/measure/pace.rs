//! At what pace keys are sent, by the simulator's own count.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::harness::Simulator;

/// Between two looks; also how exact the pace is, to both ends of minutes.
const EVERY: Duration = Duration::from_millis(50);
const CREATE: &str = "POST /dpskServices/{poolId}/passphrases";

/// From the first key seen to the last one wanted.
#[derive(Debug)]
pub struct Pace {
    keys: u64,
    calls: u64,
    took: Duration,
    throttled: u64,
    per_second: f64,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    keys: u64,
    calls: u64,
    throttled: u64,
}

fn look(counts: &Value) -> Look {
    let operations = counts["calls"].as_object().into_iter().flatten();
    let calls = operations.map(|(operation, by)| {
        let answers = by.as_object().into_iter().flatten();
        let calls: u64 = answers.filter_map(|(_, n)| n.as_u64()).sum();
        (operation == CREATE, calls)
    });
    let mut look = Look {
        at: Instant::now(),
        keys: 0,
        calls: 0,
        throttled: counts["http_429"].as_u64().unwrap_or_default(),
    };
    for (is_create, calls) in calls {
        look.calls += calls;
        look.keys += if is_create { calls } else { 0 };
    }
    look
}

impl Pace {
    /// Waits until `wanted` keys were sent. `rate`: calls a minute the controller takes.
    pub async fn of(simulator: &Simulator, tenant: &str, wanted: u64, rate: u32) -> anyhow::Result<Self> {
        let mut first: Option<Look> = None;
        loop {
            let now = look(&simulator.counts(tenant).await?);
            if now.keys > 0 && first.is_none() {
                first = Some(now);
            }
            if let Some(first) = first.filter(|_| now.keys >= wanted) {
                return Ok(Pace {
                    keys: now.keys - first.keys,
                    calls: now.calls - first.calls,
                    took: now.at - first.at,
                    throttled: now.throttled,
                    per_second: f64::from(rate) / 60.0,
                });
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let share = |n: u64| n as f64 / seconds / self.per_second * 100.0;
        write!(
            f,
            "{} keys in {seconds:.1} s: {:.1} % of the rate, with reads and polls {:.1} %; {} answers 429",
            self.keys,
            share(self.keys),
            share(self.calls),
            self.throttled
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_and_all_calls_are_told_apart() {
        let counts =
            json!({"calls": {CREATE: {"202": 7, "429": 1}, "POST /activities/query": {"200": 2}}, "http_429": 1});
        let look = look(&counts);
        assert_eq!((look.keys, look.calls, look.throttled), (8, 10, 1));
    }
}
