//! What the API and the workers share: vocabulary, workflow definitions, the Cloudpath reader and the store.
//!
//! Modules in reading order. Pure ones (no I/O, no clock, no randomness) come first; [`store`] is the only door to Redis.

#[rustfmt::skip] // reading order
pub mod id;
pub mod blob;
pub mod cloudpath;
pub mod config;
pub mod controllers;
pub mod event;
pub mod job;
pub mod limit;
pub mod seal;
pub mod secret;
pub mod store;
pub mod telemetry;
pub mod workflow;
