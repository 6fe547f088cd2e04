//! The OpenAPI document.

use actix_web::web;
use utoipa::openapi::OpenApi;

use super::{Access, Endpoint};

pub fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::get("/api/openapi.json", Access::Open, document)]
}

/// This document.
///
/// For people: `/docs`.
#[utoipa::path(get, path = "/api/openapi.json", tag = "health", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
async fn document() -> web::Json<OpenApi> {
    web::Json(crate::openapi::document())
}
