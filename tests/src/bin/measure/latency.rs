//! How fast a path answers while something else runs: asked again and again, as somebody who watches the job does.

use std::fmt;
use std::time::{Duration, Instant};

use testkit::harness::Api;
use tokio::sync::watch;

/// Between two questions.
const EVERY: Duration = Duration::from_millis(100);

/// Answer times of one path.
#[derive(Debug, Default)]
pub struct Latency {
    taken: Vec<Duration>,
    /// Answers other than 200, and calls without one.
    refused: u64,
}

impl Latency {
    /// Asks until `ended` says so.
    pub async fn of(api: Api, path: String, mut ended: watch::Receiver<bool>) -> Self {
        let mut latency = Latency::default();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ended.wait_for(|ended| *ended) => return latency,
                _ = ticks.tick() => {}
            }
            let began = Instant::now();
            match api.get_text(&path).await {
                Ok((200, _)) => latency.taken.push(began.elapsed()),
                _ => latency.refused += 1,
            }
        }
    }

    /// The time that `share` of the answers did not exceed: nearest rank.
    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.taken.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted
            .get(rank.saturating_sub(1))
            .map_or(0.0, |taken| taken.as_secs_f64() * 1000.0)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms of {} answers, {} refused",
            self.at(0.5),
            self.at(0.99),
            self.at(1.0),
            self.taken.len(),
            self.refused
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest() {
        let latency = Latency {
            taken: (1..=200).rev().map(Duration::from_millis).collect(),
            refused: 0,
        };
        assert_eq!(
            (latency.at(0.5), latency.at(0.99), latency.at(1.0)),
            (100.0, 198.0, 200.0)
        );
        assert_eq!(Latency::default().at(0.99), 0.0);
    }
}
