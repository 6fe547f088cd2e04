//! What the API and the workers share: vocabulary, workflow definitions, the Cloudpath reader and the store.
//!
//! Modules in reading order. Pure ones (no I/O, no clock, no randomness) come first.

pub mod id;
pub mod job;
pub mod secret;

pub mod controllers;
