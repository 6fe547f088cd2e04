//! Test harness and simulators.

pub mod redis_server;
