//! The whole product as processes: real Redis, real API, real workers, a simulated RUCKUS One whose ledger is the witness.

mod world;

mod audits;
mod beside;
mod cleanups;
mod client;
mod death;
mod imports;
mod laws;
mod networks;
mod operate;
mod plans;
mod policies;
mod retries;
mod search;
mod secrets;
mod starts;
mod status;
mod steering;
mod storm;
mod upgrade;
