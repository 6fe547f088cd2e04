//! Takes over what silent workers hold, by XAUTOCLAIM. The entry moves; `claim` decides.

use std::sync::Arc;
use std::time::Duration;

use shared::store::Partition;

use super::claim;
use super::core::Core;

/// Two looks at the pending list, unless the take-over time is short.
const EVERY_MAX: Duration = Duration::from_secs(10);
/// A fresh worker waits for the others' heartbeats before it judges them: Redis may have just come back.
const SETTLE: Duration = Duration::from_secs(5);

/// Until the worker stops.
pub async fn run(core: Arc<Core>, p: Partition) {
    let idle = core.settings.lock_ttl;
    let every = EVERY_MAX.min(idle / 5);
    let mut cursor = "0-0".to_owned();
    loop {
        // jitter: a fleet does not look all at once
        let pause = every.mul_f64(0.75 + 0.5 * rand::random::<f64>());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = core.stopping.cancelled() => return,
        }
        if !may_judge(&core) || core.store.out_of_memory() {
            continue;
        }
        // in the queue for a slot like the reader: a worker whose every slot is waiting to read takes over all the same
        let Ok(Ok(first)) = tokio::time::timeout(every, core.slots.clone().acquire_owned()).await else {
            continue;
        };
        let mut first = Some(first);
        let count = (core.slots.available_permits() + 1).min(16);
        match core
            .store
            .autoclaim(p, &core.worker, idle.as_millis() as u64, &cursor, count)
            .await
        {
            Ok((entries, next)) => {
                cursor = next;
                for entry in entries {
                    if let Some(slot) = first.take().or_else(|| core.slots.clone().try_acquire_owned().ok()) {
                        claim::start(&core, p, entry, slot, true);
                    }
                }
            }
            Err(e) => tracing::debug!(error = %e, "nothing taken over"),
        }
    }
}

/// While Redis was away nobody could heartbeat, and every entry looks idle: no take-over before it has been well for the
/// take-over time.
fn may_judge(core: &Core) -> bool {
    if core.store.never_failed() {
        core.pulse.uptime() >= SETTLE
    } else {
        core.store.healthy_for() >= core.settings.lock_ttl
    }
}
