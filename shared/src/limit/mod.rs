//! The limiter's pure half: how a limit moves. What is shared by the fleet is in [`crate::store`].

pub mod aimd;
