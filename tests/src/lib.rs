//! Test harness and simulators.

pub mod cloudpath;
pub mod export;
pub mod harness;
pub mod redis_group;
pub mod redis_server;
pub mod scene;
pub mod sim;
pub mod verify;
