//! Test harness and simulators.

pub mod redis_server;
pub mod sim;
