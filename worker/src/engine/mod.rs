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
mod facts;
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
mod names;
mod waits;
mod unreadable;
pub mod reader;
pub mod heartbeat;
pub mod reclaimer;
pub mod ticker;
pub mod poller;
pub mod drain;

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::task::JoinHandle;

/// A loop's name, for when it ends although nobody told it to, and its handle.
pub type Loop = (&'static str, JoinHandle<()>);

/// Starts every loop. They end after `stopping` is cancelled; the heartbeat last, when nothing is held any more.
pub fn start(core: &Arc<core::Core>) -> Vec<Loop> {
    let mut loops = vec![
        ("heartbeat", tokio::spawn(heartbeat::run(core.clone()))),
        ("poller", tokio::spawn(poller::run(core.clone()))),
    ];
    for p in core.store.partitions() {
        loops.push(("reader", tokio::spawn(reader::run(core.clone(), p))));
        loops.push(("reclaimer", tokio::spawn(reclaimer::run(core.clone(), p))));
        loops.push(("ticker", tokio::spawn(ticker::run(core.clone(), p))));
    }
    loops
}

/// Waits for the first loop that ends, and answers its name and how it ended. Before a stop none ends but by a panic.
pub async fn first_ended(loops: &mut [Loop]) -> (&'static str, &'static str) {
    std::future::poll_fn(|cx| {
        for (name, handle) in loops.iter_mut() {
            if let Poll::Ready(end) = Pin::new(handle).poll(cx) {
                return Poll::Ready((*name, if end.is_ok() { "ended by itself" } else { "panicked" }));
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_loop_that_ends_is_named() {
        let idle = |name| (name, tokio::spawn(std::future::pending()));
        let broken = tokio::spawn(async { panic!("for the test") });
        let mut loops = vec![idle("heartbeat"), ("ticker", broken), idle("reader")];
        assert_eq!(first_ended(&mut loops).await, ("ticker", "panicked"));
        let mut loops = vec![idle("heartbeat"), ("reader", tokio::spawn(async {}))];
        assert_eq!(first_ended(&mut loops).await, ("reader", "ended by itself"));
    }
}
