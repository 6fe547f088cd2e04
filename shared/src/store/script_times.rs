//! How long the scripts take, as this process sees it: the way there and back, the server's time, and waiting for it.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds in seconds: a script takes well under a millisecond, and is given up after two seconds.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5];

/// The label of a series: the script's file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ScriptLabel {
    pub script: &'static str,
}

/// One histogram per script; clones share it.
pub type ScriptTimes = Family<ScriptLabel, Histogram>;

pub(super) fn new() -> ScriptTimes {
    Family::new_with_constructor(|| Histogram::new(BUCKETS))
}

pub(super) fn took(times: &ScriptTimes, script: &'static str, time: Duration) {
    times.get_or_create(&ScriptLabel { script }).observe(time.as_secs_f64());
}
