//! The batch protocol on a real Redis: random schedules, directed schedules, and mutants of the scripts that must be caught.
//!
//! A failed random run says how to run it again: `PROTOCOL_MODE=timetravel PROTOCOL_SEED=7 cargo nextest run -p testkit --test
//! protocol one_start`. Times are real, so a run is not repeated exactly; the schedule of decisions is.

#![expect(
    clippy::disallowed_methods,
    reason = "a single thread drives a blocking client; the server's clock has to move"
)]

mod bench;
mod checks;
mod fairness;
mod fencing;
mod limiter;
mod model;
mod mutants;
mod names;
mod planning;
mod plans;
mod proto;
mod queues;
mod retries;
mod server_trouble;
mod sim;
mod starts;
mod steering;
mod worker;
mod world;
