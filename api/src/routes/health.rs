//! For machines that watch us: alive, ready, metrics. Open to everybody; nothing here belongs to a tenant.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Access, Endpoint};
use crate::error::Problem;
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
    #[schema(example = "ok")]
    status: &'static str,
    version: &'static str,
}

const OK: HealthView = HealthView {
    status: "ok",
    version: env!("CARGO_PKG_VERSION"),
};

/// The process is alive. Says nothing of the store.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = HealthView)))]
async fn healthz() -> web::Json<HealthView> {
    web::Json(OK)
}

/// The store can be reached and its scripts are loaded: requests can be served.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, body = HealthView), (status = 503, description = "The store is away; nothing can be served")))]
async fn readyz(state: web::Data<State>, metrics: web::Data<Metrics>) -> Result<web::Json<HealthView>, Problem> {
    let up = match state.store() {
        Ok(store) => matches!(tokio::time::timeout(PROBE_TIMEOUT, store.ping()).await, Ok(Ok(()))),
        Err(_) => false,
    };
    metrics.store_up.set(i64::from(up));
    if up {
        Ok(web::Json(OK))
    } else {
        Err(Problem::unavailable())
    }
}

/// Prometheus metrics in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", tag = "health", security(()),
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
async fn metrics(metrics: web::Data<Metrics>) -> Result<HttpResponse, Problem> {
    let page = metrics.encode().map_err(|_| Problem::internal())?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(page))
}
