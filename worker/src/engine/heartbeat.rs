//! Keeps what is held ours: one script for all units of a partition, every second. Its answers carry cancel, pause and loss.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::store::Partition;
use shared::store::model::Beat;

use super::active::Held;
use super::core::Core;

const EVERY: Duration = Duration::from_secs(1);
/// A worker not heard of for so long is off the list of workers.
const WORKER_TTL_MS: u64 = 15_000;
/// Units of one call: 35 µs of the server's time each.
const UNITS_MAX: usize = 200;

/// Until everything held has ended after a stop.
pub async fn run(core: Arc<Core>) {
    let info = serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id() }).to_string();
    let mut timer = tokio::time::interval(EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        if core.stopping.is_cancelled()
            && core.active.is_empty()
            && core.slots.available_permits() == core.settings.slots
        {
            return;
        }
        let held = core.active.all();
        core.metrics.batches_held.set(held.len() as i64);
        let unsettled: usize = held
            .iter()
            .map(|h| h.unsettled.load(std::sync::atomic::Ordering::Relaxed))
            .sum();
        core.metrics.requests_unsettled.set(unsettled as i64);
        // the lease is counted from before the first call, and only if every one was accepted: what was not refreshed in Redis
        // may be taken over
        let sent = Instant::now();
        let mut all = true;
        for p in core.store.partitions() {
            let units: Vec<Held> = held.iter().filter(|h| h.partition == p).cloned().collect();
            if units.is_empty() {
                all &= beat(&core, p, &[], &info).await;
            }
            for part in units.chunks(UNITS_MAX) {
                all &= beat(&core, p, part, &info).await;
            }
        }
        if all {
            core.lease.renewed(sent);
        }
    }
}

/// False: not accepted.
async fn beat(core: &Core, p: Partition, held: &[Held], info: &str) -> bool {
    let units: Vec<_> = held.iter().map(|h| (h.unit.clone(), h.token.clone())).collect();
    match core
        .store
        .heartbeat(p, &core.worker, core.settings.slots, info, WORKER_TTL_MS, &units)
        .await
    {
        Ok(beats) => {
            if beats.is_to_stop {
                core.drained.cancel();
            }
            for (h, b) in held.iter().zip(beats.units) {
                match b {
                    Beat::Lost => {
                        // its run may have ended between the listing and the beat: then nobody has lost anything
                        if core.active.holds(&h.unit, &h.token) && !h.lost.is_cancelled() {
                            core.metrics.writes_fenced.inc();
                        }
                        h.lost.cancel();
                    }
                    Beat::Ok(flag) => h.tell(flag),
                }
            }
            true
        }
        Err(e) => {
            tracing::debug!(error = %e, "heartbeat failed");
            false
        }
    }
}
