//! The worker's own numbers, in Prometheus form.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Default)]
pub struct Metrics {
    pub batches_claimed: Counter,
    pub batches_completed: Counter,
    pub batches_parked: Counter,
    pub batches_released: Counter,
    pub batches_reclaimed: Counter,
    pub writes_fenced: Counter,
    pub tasks_sent: Counter,
    pub tasks_done: Counter,
    pub tasks_failed: Counter,
    pub tasks_unknown: Counter,
    pub polls: Counter,
    pub calls_throttled: Counter,
    pub store_retries: Counter,
    pub repairs: Counter,
    pub batches_held: Gauge,
    /// 202s of held batches whose activity has not ended.
    pub requests_unsettled: Gauge,
}

impl Metrics {
    /// The text `/metrics` answers.
    pub fn text(&self) -> String {
        let mut r = Registry::with_prefix("phaseline_worker");
        for (name, help, c) in [
            ("batches_claimed", "units claimed", &self.batches_claimed),
            ("batches_completed", "batches committed", &self.batches_completed),
            ("batches_parked", "units put aside to wait", &self.batches_parked),
            (
                "batches_released",
                "units handed back at shutdown",
                &self.batches_released,
            ),
            (
                "batches_reclaimed",
                "units taken over from silent workers",
                &self.batches_reclaimed,
            ),
            (
                "writes_fenced",
                "writes refused because another worker owns the unit",
                &self.writes_fenced,
            ),
            ("tasks_sent", "writes sent to controllers", &self.tasks_sent),
            (
                "tasks_completed",
                "tasks that ended completed or skipped",
                &self.tasks_done,
            ),
            ("tasks_failed", "tasks that ended failed", &self.tasks_failed),
            ("tasks_unknown", "tasks that ended unknown", &self.tasks_unknown),
            ("polls", "calls that asked after activities", &self.polls),
            ("calls_throttled", "429 answers", &self.calls_throttled),
            (
                "store_retries",
                "store calls repeated while Redis was away",
                &self.store_retries,
            ),
            ("repairs", "units found lost and queued again", &self.repairs),
        ] {
            r.register(name, help, c.clone());
        }
        r.register("batches_held", "units held now", self.batches_held.clone());
        r.register(
            "requests_unsettled",
            "accepted requests of held batches not yet settled",
            self.requests_unsettled.clone(),
        );
        let mut out = String::new();
        // writing to a String does not fail
        let _ = encode(&mut out, &r);
        out
    }
}
