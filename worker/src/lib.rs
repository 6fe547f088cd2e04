//! The worker: claims batches, runs phases against controllers, recovers stalled work.
//!
//! Modules in reading order. `engine` names no vendor; `r1` and the other clients know nothing of jobs.

pub mod run;
pub mod environment;
pub mod health;
pub mod gate;
pub mod remote;
pub mod r1;
pub mod executors;
pub mod engine;
pub mod ops;
