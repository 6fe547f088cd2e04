//! The worker engine on a real Redis, against a toy controller in memory whose ledger is the witness.

#![allow(clippy::print_stdout, reason = "figures for whoever reads the test's output")]

mod toy;
mod world;

mod losses;
mod numbers;
mod runs;
mod steering;
mod trouble;
mod twice;
