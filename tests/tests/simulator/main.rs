//! The RUCKUS One simulator, over HTTP: each misbehaviour, each trap, and what its ledger says about them.

mod client;
mod faults;
mod paging;
mod process;
mod tokens;
mod traps;
mod vendor;
mod witness;
