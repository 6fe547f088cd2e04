//! Shared between the API and the workers.

pub mod cloudpath;
pub mod secret;
