//! What the tests have in common.

use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::harness::api::has_ended;
use testkit::harness::held::Held;
use testkit::harness::{Fleet, Plan, Signal, wait_until};
use testkit::verify::{Verdict, verify};

/// The controller's tenant at the simulator.
pub const REMOTE: &str = "remote-1";
/// A job of the size of ours, with take-over on the way, on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(150);

/// A fleet with one controller, in a folder of its own.
pub struct World {
    pub fleet: Fleet,
    pub export: Value,
    pub submitted: Timestamp,
    _folder: TempDir,
}

impl World {
    /// `rate`: calls a minute. At 60,000 there is no waiting for permits; at 6,000 a few hundred keys take seconds.
    pub async fn new(keys: usize, rate: u32, workers: usize) -> Self {
        Self::with(keys, rate, workers, |_| {}).await
    }

    pub async fn with(keys: usize, rate: u32, workers: usize, change: impl FnOnce(&mut Plan)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = Plan::simple(folder.path(), rate, workers);
        change(&mut plan);
        let submitted = Timestamp::now();
        World {
            fleet: Fleet::start(plan).await.unwrap(),
            export: testkit::export::full(keys, 11, submitted),
            submitted,
            _folder: folder,
        }
    }

    pub async fn import(&self) -> String {
        self.fleet.api.import(1, &self.export, json!({})).await.unwrap()
    }

    pub async fn ended(&self, job: &str) -> Value {
        self.fleet.api.ended(job, TIMEOUT).await.unwrap()
    }

    pub async fn counts(&self) -> Value {
        self.fleet.simulators[0].counts(REMOTE).await.unwrap()
    }

    pub async fn verdict(&self) -> Verdict {
        let ledger = self.fleet.simulators[0].ledger(REMOTE).await.unwrap();
        verify(&self.export, &ledger, self.submitted).unwrap()
    }

    /// COMPLETED, everything as in the export, nothing twice.
    pub async fn assert_done(&self, job: &Value) {
        assert_eq!(job["status"], "COMPLETED", "{}", testkit::harness::api::summary(job));
        let verdict = self.verdict().await;
        assert!(verdict.agrees(), "{:#?}", verdict.faults().take(10).collect::<Vec<_>>());
        assert_eq!(self.counts().await["duplicates"], 0);
    }

    /// Stops a worker (SIGSTOP) at a moment at which it holds a batch and a request id whose activity has not ended.
    pub async fn catch(&mut self, job: &str) -> (usize, Held) {
        loop {
            let running = self.fleet.running();
            let victim = running[rand::rng().random_range(0..running.len())];
            let held = self.fleet.stop_and_look(victim).unwrap();
            if held.batches() > 0 && !held.requests.is_empty() {
                return (victim, held);
            }
            self.fleet.workers[victim].process.signal(Signal::Continue).unwrap();
            let now = self.fleet.api.job(job).await.unwrap();
            assert!(!has_ended(&now), "no worker was caught with work in its hands");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Until RUCKUS One has accepted so many writes: finer than the job's own numbers, which move by whole batches.
    pub async fn written(&self, writes: u64) {
        let what = format!("{writes} writes");
        let reached = wait_until(&what, TIMEOUT, async || {
            (self.counts().await["writes"].as_u64()? >= writes).then_some(())
        });
        reached.await.unwrap();
    }
}

/// Numbers of one kind of resource, as the job tells them: created, adopted.
pub fn resources(job: &Value, kind: &str) -> (u64, u64) {
    let of = |what: &str| job["summary"]["resources"][kind][what].as_u64().unwrap_or_default();
    (of("created"), of("adopted"))
}
