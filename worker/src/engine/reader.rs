//! Reads the work stream: one entry for each free slot, on a connection that is never shared and never cancelled.

use std::sync::Arc;
use std::time::Duration;

use shared::store::{Partition, Read, Reader};

use super::claim;
use super::core::Core;

/// First and longest pause between two tries of a server that is away.
const WAIT_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Until the worker stops.
pub async fn run(core: Arc<Core>, p: Partition) {
    let mut reader: Option<Reader> = None;
    let mut wait = WAIT_MIN;
    while !core.stopping.is_cancelled() {
        core.pulse.reader_moved();
        let slot = tokio::select! {
            slot = core.slots.clone().acquire_owned() => slot,
            () = core.stopping.cancelled() => return,
            // no free slot: alive all the same
            () = tokio::time::sleep(Duration::from_secs(5)) => continue,
        };
        let Ok(slot) = slot else { return };
        let r = match &mut reader {
            Some(r) => r,
            None => match open(&core, p).await {
                Ok(fresh) => reader.insert(fresh),
                Err(e) => {
                    tracing::warn!(error = %e, "the work stream can't be read, tried again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_MAX);
                    continue;
                }
            },
        };
        match r.next().await {
            Ok(Read::Entry(entry)) => {
                wait = WAIT_MIN;
                claim::start(&core, p, entry, slot, false);
            }
            Ok(Read::Nothing) => wait = WAIT_MIN,
            Ok(Read::NoGroup) => mend(&core, p).await,
            Err(e) => {
                tracing::warn!(error = %e, "reading the work stream failed, reconnecting");
                reader = None;
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
        }
    }
}

/// A fresh reader; entries that were delivered to the last one's dead socket are started too.
async fn open(core: &Arc<Core>, p: Partition) -> Result<Reader, shared::store::StoreError> {
    let reader = core.store.reader(p, &core.worker).await?;
    let mine = match core.store.own_pending(p, &core.worker).await {
        Ok(ids) => ids,
        Err(e) if e.to_string().contains("NOGROUP") => {
            mend(core, p).await;
            Vec::new()
        }
        Err(e) => return Err(e),
    };
    for entry in mine {
        // those that are in our hands are not started again
        if let Ok(slot) = core.slots.clone().try_acquire_owned() {
            claim::start(core, p, entry, slot, false);
        }
    }
    Ok(reader)
}

/// The stream or its group is gone: made again; what was in it is found by looking at every unfinished job.
async fn mend(core: &Arc<Core>, p: Partition) {
    tracing::warn!("the work stream's group is gone; it is made again and lost work looked for");
    if let Err(e) = core.store.ensure_group(p).await {
        tracing::warn!(error = %e, "not made");
        tokio::time::sleep(Duration::from_millis(500)).await;
        return;
    }
    match core.store.active_jobs(p).await {
        Ok(jobs) => {
            for job in jobs {
                if let Ok(n) = core.store.reconcile(p, job).await {
                    core.metrics.repairs.inc_by(n);
                }
            }
        }
        Err(e) => tracing::warn!(error = %e, "lost work not looked for; the watchdog will"),
    }
}
