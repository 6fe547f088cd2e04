//! The whole product as processes: real Redis, real API, real workers, a simulated RUCKUS One whose ledger is the witness.

#![allow(clippy::print_stdout, reason = "figures for whoever reads the test's output")]

mod world;

mod audits;
mod beside;
mod cleanups;
mod client;
mod death;
mod failover;
mod golden;
mod imports;
mod laws;
mod networks;
mod operate;
mod plans;
mod policies;
mod retries;
mod rights;
mod search;
mod secrets;
mod starts;
mod status;
mod steering;
mod storm;
mod upgrade;
