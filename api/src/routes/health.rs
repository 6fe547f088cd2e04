//! For machines that watch us: alive, ready, metrics. Open to everybody; nothing here belongs to a tenant.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use shared::store::StoreError;
use utoipa::ToSchema;

use super::{Access, Endpoint};
use crate::error::{Kind, Problem};
use crate::metrics::Metrics;
use crate::state::State;

/// A probe should answer before its own timeout, which is a second or more everywhere.
const PROBE_TIMEOUT: Duration = Duration::from_millis(900);

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/healthz", Access::Open, healthz),
        Endpoint::get("/readyz", Access::Open, readyz),
        Endpoint::get("/metrics", Access::Open, metrics),
    ]
}

/// Alive or ready.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthView {
    /// `ok`, or what is not.
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
    version: &'static str,
}

const OK: HealthView = HealthView {
    status: "ok",
    version: env!("CARGO_PKG_VERSION"),
};
const FULL: HealthView = HealthView {
    status: "Redis is full: no new job is taken",
    ..OK
};

/// Alive.
///
/// The process answers. Says nothing of Redis.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, description = "Alive", body = HealthView)))]
async fn healthz() -> web::Json<HealthView> {
    web::Json(OK)
}

/// Ready.
///
/// Redis answers and takes writes, measured by a small one; its scripts are loaded: requests can be served. When it is full, `status` says so: jobs
/// can be looked at and steered, new ones are refused with 503.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, description = "Ready", body = HealthView), (status = 503, description = "Redis is away or refuses writes")))]
async fn readyz(state: web::Data<State>) -> Result<web::Json<HealthView>, Problem> {
    let refused = |why| Problem::new(Kind::Unavailable, why);
    match tokio::time::timeout(PROBE_TIMEOUT, state.store()?.probe()).await {
        Ok(Ok(())) => Ok(web::Json(OK)),
        // jobs can be looked at and steered, and what runs goes on: only new ones are refused
        Ok(Err(StoreError::OutOfMemory)) => Ok(web::Json(FULL)),
        Ok(Err(StoreError::Unavailable { stale: true, .. })) => Err(refused("Redis is a replica and takes no writes")),
        Ok(Err(StoreError::Unavailable { .. })) => Err(refused("Redis does not answer, or takes no writes")),
        Ok(Err(error)) => {
            tracing::error!(%error, "Redis refuses a probe");
            Err(refused("Redis refuses writes"))
        }
        Err(_) => Err(refused("Redis does not answer in time")),
    }
}

/// Metrics for Prometheus.
///
/// In the OpenMetrics text format: this process' own, and the fleet's as far as Redis can be reached.
#[utoipa::path(get, path = "/metrics", tag = "health", security(()),
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text")))]
async fn metrics(state: web::Data<State>, metrics: web::Data<Metrics>) -> Result<HttpResponse, Problem> {
    let page = metrics.page(&state).await.map_err(|_| Problem::internal())?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(page))
}
