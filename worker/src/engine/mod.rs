//! The engine: one loop a file, all of them over one [`core::Core`]. Names no vendor.
//!
//! Way of a unit: `reader` (or `reclaimer`) → `claim` → `planner` or `executor` (`sending`, `settling` over the pure `batch`) →
//! `committer`. Beside it: `heartbeat` keeps it ours, `poller` asks after activities, `ticker` brings back what is parked,
//! `throttle` and `jobgate` say when a call may be made, `drain` ends it all.

pub mod active;
pub mod batch;
pub mod core;
pub mod lease;
pub mod metrics;
pub mod remotes;
pub mod throttle;
pub mod jobgate;
pub mod jobdata;
pub mod claim;
pub mod planner;
pub mod executor;
mod sending;
mod settling;
mod committer;
pub mod reader;
pub mod heartbeat;
pub mod reclaimer;
pub mod ticker;
pub mod poller;
pub mod drain;

use std::sync::Arc;

use tokio::task::JoinHandle;

/// Starts every loop. They end after `stopping` is cancelled; the heartbeat last, when nothing is held any more.
pub fn start(core: &Arc<core::Core>) -> Vec<JoinHandle<()>> {
    let mut loops = vec![
        tokio::spawn(heartbeat::run(core.clone())),
        tokio::spawn(poller::run(core.clone())),
    ];
    for p in core.store.partitions() {
        loops.push(tokio::spawn(reader::run(core.clone(), p)));
        loops.push(tokio::spawn(reclaimer::run(core.clone(), p)));
        loops.push(tokio::spawn(ticker::run(core.clone(), p)));
    }
    loops
}
