//! Worker library.

pub mod gate;
pub mod remote;

pub mod r1;
