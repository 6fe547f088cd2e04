//! From a delivered entry to a run: claim it, load its job, plan it or run it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::store::Partition;
use shared::store::model::{Claim, Claimed};
use tokio::sync::OwnedSemaphorePermit;

use super::active::Held;
use super::core::{Core, persist};
use super::executor::{self, Aborted};
use super::planner;
use super::unreadable;

/// A claim is repeated (same token) for so long while the store is away; then the entry is left for a takeover.
const CLAIM_FOR: Duration = Duration::from_secs(10);

/// Takes the entry over and runs it in a task of its own; the slot is free when it ends.
pub fn start(core: &Arc<Core>, p: Partition, entry: String, slot: OwnedSemaphorePermit, reclaimed: bool) {
    let Some(listed) = core.entries.begin(&entry) else {
        return;
    };
    let core = core.clone();
    tokio::spawn(async move {
        let _until_the_end = (slot, listed);
        if let Some(mut claim) = claim(&core, p, &entry).await {
            core.metrics.batches_claimed.inc();
            if reclaimed {
                core.metrics.batches_reclaimed.inc();
                tracing::info!(unit = %claim.unit, crashes = claim.crashes, "taken over from a silent worker");
            }
            claim.by_idle_time = reclaimed;
            run(core.clone(), p, claim).await;
        }
    });
}

async fn claim(core: &Arc<Core>, p: Partition, entry: &str) -> Option<Claim> {
    let (token, began) = (core.next_token(), Instant::now());
    loop {
        match core.store.claim(p, &core.worker, &token, entry).await {
            Ok(Claimed::Work(c)) => {
                return Some(*c);
            }
            Ok(Claimed::Nothing(why)) => {
                tracing::debug!(entry, why, "nothing to claim");
                return None;
            }
            Err(e) if e.is_transient() && began.elapsed() < CLAIM_FOR => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(e) => {
                tracing::warn!(entry, error = %e, "not claimed; it is taken over later");
                return None;
            }
        }
    }
}

async fn run(core: Arc<Core>, p: Partition, claim: Claim) {
    let held = Held::new(p, claim.unit.clone(), claim.token.clone(), claim.flag);
    if core.stopping.is_cancelled() {
        // delivered while we were stopping: somebody else's
        if let Err(e) = core.store.release(p, &held.unit, &held.token).await {
            tracing::warn!(unit = %held.unit, error = %e, "not handed back; it is taken over when its lease has run out");
        }
        return;
    }
    let _listed = core.active.insert(held.clone());
    let unit = claim.unit.clone();
    let spec = persist!(core, "spec", held.lost, core.spec(p, unit.job));
    let result = match spec {
        Ok(Some(spec)) if unit.is_plan() => planner::run(core.clone(), p, &claim, held.clone(), spec).await,
        Ok(Some(spec)) => executor::run(core.clone(), p, &claim, held.clone(), spec).await,
        Ok(None) => Ok(()),
        Err(e) => Err(Aborted::Store(e)),
    };
    match result {
        Ok(()) => {}
        Err(Aborted::Lost) => tracing::info!(unit = %unit, "another worker owns it now"),
        Err(Aborted::Store(e)) => {
            tracing::warn!(unit = %unit, error = %e, "given up; it is taken over when its lease has run out")
        }
        Err(Aborted::Unreadable(why)) => {
            if let Err(e) = unreadable::see_to(&core, &held, &claim, &why).await {
                tracing::warn!(unit = %unit, error = %e, "not put aside; it is taken over when its lease has run out");
            }
        }
    }
}
