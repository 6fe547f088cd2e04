//! What the workers say they did twice. A worker that is killed takes with it what it counted since the last look, a second or so ago.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use testkit::harness::Worker;

const EVERY: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_millis(250);

const COUNTED: [&str; 3] = [
    "phaseline_worker_batches_reclaimed_total",
    "phaseline_worker_repairs_total",
    "phaseline_worker_writes_fenced_total",
];

#[derive(Default)]
pub struct Tally {
    /// Worker and number of [`COUNTED`]: numbers only grow.
    seen: BTreeMap<(String, usize), f64>,
    looked: Option<Instant>,
}

/// Sums over all workers there ever were.
#[derive(Debug, Clone, Copy, Default)]
pub struct Repeated {
    /// Batches taken over from workers that were silent.
    pub reclaimed: u64,
    /// Units that were nowhere, and queued again.
    pub repaired: u64,
    /// Late writes of workers that had lost their batch: they changed nothing.
    pub fenced: u64,
}

impl Tally {
    pub async fn look(&mut self, workers: impl Iterator<Item = &Worker>) {
        if self.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        for worker in workers {
            self.last_look(worker).await;
        }
    }

    pub async fn last_look(&mut self, worker: &Worker) {
        // it is busy, or frozen: the next look tells as much
        let Ok(Ok(metrics)) = tokio::time::timeout(TIMEOUT, worker.metrics()).await else {
            return;
        };
        for (index, series) in COUNTED.iter().enumerate() {
            let seen = self.seen.entry((worker.id.clone(), index)).or_default();
            *seen = seen.max(metrics.get(series));
        }
    }

    pub fn repeated(&self) -> Repeated {
        let sum = |wanted: usize| {
            let of = self.seen.iter().filter(|((_, index), _)| *index == wanted);
            of.map(|(_, count)| count).sum::<f64>() as u64
        };
        Repeated {
            reclaimed: sum(0),
            repaired: sum(1),
            fenced: sum(2),
        }
    }
}
