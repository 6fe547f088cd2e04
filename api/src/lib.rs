//! The HTTP API: stateless, in front of the store. Every handler extracts, authorises, makes one call and shows the result.

pub mod auth;
pub mod body;
pub mod error;
pub mod metrics;
pub mod observe;
pub mod params;
