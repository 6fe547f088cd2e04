//! Test harness and simulators.

pub mod sim;
