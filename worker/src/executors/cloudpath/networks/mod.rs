//! Wi-Fi networks: `activate_networks`, and what other phases have to say about networks.
//!
//! Each SSID of the plan becomes two or three tasks, one after another: its network is made (or found by its name), the pool whose keys
//! it takes is linked to it, and it is activated on all AP groups of the venue. The definition of the phase lets a task begin only when
//! the one before has ended, its activity included: an AP group takes one change at a time.
//!
//! [`task`]: what a task is and carries. [`there`]: what the controller has. [`decide`]: what follows from it, pure. [`plan`]: how
//! each task begins. [`executor`]: the phase. [`check`]: what `parse_validate` refuses before anything is made. [`audit`]: what is on
//! the air in the end.

pub mod audit;
pub mod check;
pub mod decide;
mod executor;
mod plan;
pub mod task;
pub mod there;

pub use executor::ActivateNetworks;
