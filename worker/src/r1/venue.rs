//! Venues: looked up, never changed.

use reqwest::Method;
use serde::Deserialize;

use super::R1;
use super::wire::Request;
use crate::gate::Permit;
use crate::remote::CallError;

/// The few fields of a venue that we read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Venue {
    pub id: String,
    #[serde(default)]
    pub name: String,
}

impl R1 {
    /// `GET /venues/{id}`. [`CallError::NotFound`] when there is none.
    pub async fn venue(&self, permit: Permit, id: &str) -> Result<Venue, CallError> {
        self.wire
            .call(permit, Request::read(Method::GET, ["venues", id]))
            .await?
            .parse()
    }
}
