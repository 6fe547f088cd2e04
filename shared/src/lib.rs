//! What the API and the workers share: vocabulary, workflow definitions, the Cloudpath reader and the store.
//!
//! Modules in reading order. Pure ones (no I/O, no clock, no randomness) come first; [`store`] is the only door to Redis.

pub mod id;
pub mod job;
pub mod workflow;
pub mod event;
pub mod limit;
pub mod secret;
pub mod cloudpath;
pub mod seal;
pub mod blob;
pub mod controllers;
pub mod config;
pub mod telemetry;
pub mod store;
