//! The worker's own numbers, in Prometheus form. Those of the whole fleet are the API's.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use shared::store::ScriptTimes;

use crate::gate::Verdict;

/// By controller, as it is called in the controllers file: as many values as that has entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ControllerLabel {
    pub controller: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    pub controller: String,
    /// `answered` `throttled` `server_error` `unreachable` `no_reply` `no_login`
    pub result: &'static str,
}

/// The calls of this process to controllers: writes, reads and polls alike.
#[derive(Clone, Default)]
pub struct Calls {
    ended: Family<CallLabels, Counter>,
    throttled: Family<ControllerLabel, Counter>,
}

impl Calls {
    /// Makes the series of a controller, so that it begins at 0.
    pub fn know(&self, controller: &str) {
        drop(self.throttled.get_or_create(&label(controller)));
    }

    pub fn ended(&self, controller: &str, verdict: Verdict) {
        let result = match verdict {
            Verdict::Unused => return,
            Verdict::Answered => "answered",
            Verdict::Throttled { .. } => "throttled",
            Verdict::ServerError { .. } => "server_error",
            Verdict::Unreachable => "unreachable",
            Verdict::NoReply => "no_reply",
            Verdict::NoLogin => "no_login",
        };
        if result == "throttled" {
            self.throttled.get_or_create(&label(controller)).inc();
        }
        let controller = controller.to_owned();
        self.ended.get_or_create(&CallLabels { controller, result }).inc();
    }
}

fn label(controller: &str) -> ControllerLabel {
    ControllerLabel {
        controller: controller.to_owned(),
    }
}

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
    pub task_retries: Counter,
    pub polls: Counter,
    pub store_retries: Counter,
    pub repairs: Counter,
    pub calls: Calls,
    pub batches_held: Gauge,
    /// 202s of held batches whose activity has not ended.
    pub requests_unsettled: Gauge,
}

impl Metrics {
    /// The text `/metrics` answers. `slots`: batches this worker may hold.
    pub fn text(&self, slots: usize, scripts: &ScriptTimes) -> String {
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
            (
                "task_retries",
                "attempts of tasks that failed and are made again",
                &self.task_retries,
            ),
            ("polls", "calls that asked after activities", &self.polls),
            (
                "store_retries",
                "store calls repeated while Redis was away",
                &self.store_retries,
            ),
            ("repairs", "units found lost and queued again", &self.repairs),
        ] {
            r.register(name, help, c.clone());
        }
        r.register(
            "calls",
            "calls to a controller, by what came of them",
            self.calls.ended.clone(),
        );
        r.register(
            "calls_throttled",
            "429 answers of a controller",
            self.calls.throttled.clone(),
        );
        r.register("batches_held", "units held now", self.batches_held.clone());
        let all: Gauge = Gauge::default();
        all.set(i64::try_from(slots).unwrap_or(i64::MAX));
        r.register("slots", "units this worker may hold", all);
        r.register(
            "requests_unsettled",
            "accepted requests of held batches not yet settled",
            self.requests_unsettled.clone(),
        );
        r.register_with_unit(
            "script_duration",
            "store script calls, there and back",
            Unit::Seconds,
            scripts.clone(),
        );
        let mut out = String::new();
        // writing to a String does not fail
        let _ = encode(&mut out, &r);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_permit_is_no_call_and_a_429_is_told_by_controller() {
        let calls = Calls::default();
        calls.know("idle");
        for v in [
            Verdict::Unused,
            Verdict::Answered,
            Verdict::Throttled { retry_after: None },
        ] {
            calls.ended("busy", v);
        }
        let of = |c: &str| calls.throttled.get_or_create(&label(c)).get();
        assert_eq!((of("busy"), of("idle")), (1, 0));
        let answered = CallLabels {
            controller: "busy".into(),
            result: "answered",
        };
        assert_eq!(calls.ended.get_or_create(&answered).get(), 1);
    }
}
