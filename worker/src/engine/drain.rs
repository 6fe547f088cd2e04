//! Stopping: nothing new is read, what is held goes on and is kept alive, and what does not end in time is handed back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::Core;

/// Share of the grace time for finishing; the rest is for handing back.
const FINISH_SHARE: f64 = 0.8;

/// Polling is handed on within this; longer only while Redis is away.
const HAND_ON: Duration = Duration::from_secs(2);

/// Ends when nothing is held any more, or the grace time is over.
pub async fn run(core: &Arc<Core>) {
    finish(core).await;
    // has long ended, unless there was nothing to finish
    let _ = tokio::time::timeout(HAND_ON, core.polling_left.cancelled()).await;
}

async fn finish(core: &Arc<Core>) {
    let grace = core.settings.shutdown_grace;
    let began = Instant::now();
    core.stopping.cancel();
    tracing::info!(
        held = core.active.len(),
        grace_s = grace.as_secs(),
        "stopping: nothing new is taken"
    );
    if wait_until_idle(core, grace.mul_f64(FINISH_SHARE)).await {
        tracing::info!(
            took_ms = began.elapsed().as_millis() as u64,
            "stopped: everything held has ended"
        );
        return;
    }
    core.give_back.cancel();
    let left = grace.saturating_sub(began.elapsed());
    if wait_until_idle(core, left).await {
        tracing::info!("stopped: what was left was handed back");
    } else {
        tracing::warn!(
            held = core.active.len(),
            "stopped with work in hand; it is taken over when its lease has run out"
        );
    }
}

async fn wait_until_idle(core: &Arc<Core>, limit: Duration) -> bool {
    let slots = core.settings.slots as u32;
    // all slots free: no run is left
    matches!(
        tokio::time::timeout(limit, core.slots.acquire_many(slots)).await,
        Ok(Ok(_))
    )
}
