//! The worker's own port: `/healthz` (alive), `/readyz` (can claim now), `/metrics`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::engine::core::Core;

/// A reader that has not come round for so long is stuck: it blocks two seconds at a time.
const READER_AGE_MAX: Duration = Duration::from_secs(30);
/// No accepted heartbeat for so long while Redis is there.
const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(60);
const CONNECTIONS_MAX: usize = 64;
const TEXT: &str = "text/plain; charset=utf-8";
/// Prometheus refuses a page that does not say what it is.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Binds; port 0 takes a free one. Answers where it listens.
pub async fn serve(core: Arc<Core>, bind: SocketAddr) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(bind).await?;
    let address = listener.local_addr()?;
    let limit = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(slot) = limit.clone().try_acquire_owned() else {
                continue;
            };
            let core = core.clone();
            tokio::spawn(async move {
                let _slot = slot;
                let service = service_fn(move |r| answer(core.clone(), r));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let _ = tokio::time::timeout(Duration::from_secs(30), connection).await;
            });
        }
    });
    Ok(address)
}

async fn answer(core: Arc<Core>, r: Request<hyper::body::Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match r.uri().path() {
        "/healthz" => judge(alive(&core)),
        "/readyz" => judge(ready(&core).await),
        "/metrics" => (StatusCode::OK, metrics(&core)),
        _ => (StatusCode::NOT_FOUND, "not found\n".to_owned()),
    };
    let kind = if r.uri().path() == "/metrics" { METRICS } else { TEXT };
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(answer)
}

/// Served also while Redis is away: nothing is asked of it here.
fn metrics(core: &Core) -> String {
    core.metrics.text(core.settings.slots, &core.store.script_times())
}

fn judge(r: Result<(), String>) -> (StatusCode, String) {
    match r {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

/// The loops move. A Redis that is away is no reason to be killed: the worker waits for it.
fn alive(core: &Core) -> Result<(), String> {
    let reader = core.pulse.reader_age();
    if reader > READER_AGE_MAX && !core.stopping.is_cancelled() {
        return Err(format!("the reader has not moved for {} s", reader.as_secs()));
    }
    match core.lease.age() {
        Some(age) if age > HEARTBEAT_AGE_MAX && core.store.healthy_for() > HEARTBEAT_AGE_MAX => {
            Err(format!("no heartbeat was accepted for {} s", age.as_secs()))
        }
        _ => Ok(()),
    }
}

/// Could claim an entry this moment: Redis answers (a full one too: claims and what follows from them are taken), our lease holds, and we are not stopping.
async fn ready(core: &Core) -> Result<(), String> {
    if core.stopping.is_cancelled() {
        return Err("stopping".into());
    }
    core.store.ping().await.map_err(|e| e.to_string())?;
    if !core.lease.is_valid() {
        return Err("no heartbeat was accepted lately".into());
    }
    Ok(())
}
