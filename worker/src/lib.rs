//! Worker library.

pub mod gate;
