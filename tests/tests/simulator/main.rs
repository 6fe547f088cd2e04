//! The RUCKUS One simulator, over HTTP: each misbehaviour, each trap, and what its ledger says about them.

mod bulk;
mod client;
mod faults;
mod misbehaviour;
mod paging;
mod policies;
mod policy_rules;
mod process;
mod tokens;
mod traps;
mod vendor;
mod wifi;
mod wifi_activation;
mod witness;
