//! The worker: claims batches, runs phases against controllers, recovers stalled work.
//!
//! Modules in reading order. `engine` names no vendor; clients of remote systems know nothing of jobs.

#[rustfmt::skip] // reading order
pub mod gate;
pub mod remote;
pub mod r1;
pub mod executors;
