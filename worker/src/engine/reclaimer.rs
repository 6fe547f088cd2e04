//! Takes over what silent workers hold, by XAUTOCLAIM, and takes up what is this worker's own and forgotten. `claim` decides.

use std::sync::Arc;
use std::time::Duration;

use shared::store::Partition;
use tokio::sync::OwnedSemaphorePermit;

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
        // in the queue for a slot like the reader: a worker whose every slot is waiting to read takes over all the same
        let Ok(Ok(first)) = tokio::time::timeout(every, core.slots.clone().acquire_owned()).await else {
            continue;
        };
        let mut first = Some(first);
        own(&core, p, &mut first).await;
        if !may_judge(&core) {
            continue;
        }
        let count = core.slots.available_permits() + usize::from(first.is_some());
        if count == 0 {
            continue;
        }
        match core
            .store
            .autoclaim(p, &core.worker, idle.as_millis() as u64, &cursor, count.min(16))
            .await
        {
            Ok((entries, next)) => {
                cursor = next;
                for entry in entries {
                    if let Some(slot) = slot(&core, &mut first) {
                        claim::start(&core, p, entry, slot, true);
                    }
                }
            }
            Err(e) => tracing::debug!(error = %e, "nothing taken over"),
        }
    }
}

/// Takes up what was delivered to this very worker and is in nobody's hands here: a claim that was given up while Redis was away, or
/// one that Redis has forgotten. Nobody else's heartbeat is judged for it, so there is nothing to wait for.
async fn own(core: &Arc<Core>, p: Partition, first: &mut Option<OwnedSemaphorePermit>) {
    let mine = match core.store.own_pending(p, &core.worker).await {
        Ok(mine) => mine,
        Err(e) => {
            tracing::debug!(error = %e, "own entries not looked at");
            return;
        }
    };
    for entry in mine.into_iter().filter(|entry| !core.entries.holds(entry)) {
        let Some(slot) = slot(core, first) else { return };
        claim::start(core, p, entry, slot, false);
    }
}

fn slot(core: &Core, first: &mut Option<OwnedSemaphorePermit>) -> Option<OwnedSemaphorePermit> {
    first.take().or_else(|| core.slots.clone().try_acquire_owned().ok())
}

/// While Redis was away nobody could heartbeat, and every entry looks idle: no take-over before everybody could for the take-over
/// time. A single command that failed is no such time: with a slow disk there is always one.
fn may_judge(core: &Core) -> bool {
    if core.store.never_failed() {
        core.pulse.uptime() >= SETTLE
    } else {
        core.lease.unbroken() >= core.settings.lock_ttl
    }
}
