//! Incidents that only whole processes can show.

mod answers;
mod limits;
mod sessions;
