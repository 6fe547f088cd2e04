//! Worker library.

pub mod gate;
pub mod remote;
