//! Real processes on loopback: a private Redis, RUCKUS One simulators, the API, workers.
//!
//! [`Fleet::start`] starts them with free ports, each with a log file of its own, and [`Fleet`] ends them when it is dropped, also
//! after a panic, when it first tells what they were doing ([`dump`]) and keeps their logs; a process that dies without dropping anything (SIGKILL) is cleaned up after by its [`guard::Guard`].

pub mod api;
mod autopsy;
pub mod binaries;
pub mod dump;
mod environment;
pub mod fleet;
pub mod guard;
pub mod held;
mod http;
pub mod metrics;
pub mod process;
pub mod proxy;
pub mod resp;
pub mod simulator;
pub mod wait;

pub use api::Api;
pub use fleet::{Controller, Fleet, Plan, Starting, Worker};
pub use process::Signal;
pub use proxy::{Proxy, Weather};
pub use simulator::{Simulator, SimulatorPlan};
pub use wait::{TimedOut, wait_until};

/// Secret the simulators accept; for nothing but tests.
pub const CLIENT_SECRET: &str = "sim-secret";
/// The venue every simulated tenant has.
pub const VENUE: &str = "venue-sim-1";
/// Whom `AUTH_MODE=dev` acts for.
pub const TENANT: &str = "dev";
