//! The worker engine on a real Redis, against a toy controller in memory whose ledger is the witness.

mod toy;
mod world;

mod runs;
mod steering;
mod trouble;
