//! The HTTP API: stateless, in front of the store. Every handler extracts, authorises, makes one call and shows the result.

mod audit;
pub mod auth;
pub mod body;
mod cleanup;
pub mod error;
mod difference;
mod fleet;
mod follow;
mod head;
mod import;
mod kept;
pub mod limits;
pub mod metrics;
pub mod observe;
pub mod openapi;
pub mod params;
mod remotes;
mod report;
mod retry;
pub mod routes;
pub mod run;
pub mod server;
pub mod state;
pub mod views;
pub mod wait;
