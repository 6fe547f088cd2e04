//! The HTTP side: turns requests into calls, waits, answers, or drops the connection.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use anyhow::Context;
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

use super::call::{Call, Content, Reply};
use super::clock::Clock;
use super::control::{control, sow};
use super::record::{self, Recorder};
use super::settings::Settings;
use super::world::World;

/// Largest body: a seed of 100,000 passphrases fits several times.
const BODY_MAX: usize = 256 << 20;

/// How often a frozen call looks whether it may go on.
const THAW_POLL: Duration = Duration::from_millis(10);

struct Shared {
    world: Mutex<World>,
    recorder: Option<Mutex<Recorder>>,
    clock: Clock,
}

impl Shared {
    // a panic while the lock was held would be a fault of the simulator; its counts are still the best there is
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The simulator.
pub struct Simulator;

/// A running simulator; dropping it stops it.
pub struct Handle {
    /// `http://127.0.0.1:PORT`.
    pub base_url: String,
    shared: Arc<Shared>,
    server: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts one with its own threads. Only loopback addresses are taken.
    ///
    /// # Errors
    /// When the address cannot be bound or is not loopback, the record file cannot be opened, or the seed is wrong.
    pub fn start(settings: Settings) -> anyhow::Result<Handle> {
        let listener =
            TcpListener::bind(&settings.bind).with_context(|| format!("cannot listen on {}", settings.bind))?;
        let address: SocketAddr = listener.local_addr()?;
        anyhow::ensure!(
            address.ip().is_loopback(),
            "the simulator only listens on loopback, not on {address}"
        );
        let recorder = match settings.record.clone().or_else(record::in_folder) {
            Some(path) => Some(Mutex::new(
                Recorder::open(&path).with_context(|| format!("cannot write {}", path.display()))?,
            )),
            None => None,
        };
        let (clock, threads) = (Clock::start(), settings.threads.max(1));
        let mut world = World::new(settings);
        sow(&mut world, clock.now()).map_err(|text| anyhow::anyhow!("seed: {text}"))?;
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            recorder,
            clock,
        });
        let (ready, started) = std::sync::mpsc::channel();
        let served = web::Data::from(shared.clone());
        let thread = std::thread::Builder::new().name("simulator".into()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(served.clone())
                        .app_data(web::PayloadConfig::new(BODY_MAX))
                        .default_service(web::to(handle))
                };
                let bound = HttpServer::new(app)
                    .workers(threads)
                    // connections idle for minutes must not be closed under a client's hands
                    .keep_alive(Duration::from_secs(3600))
                    .client_request_timeout(Duration::ZERO)
                    // a client that hangs up is no call in progress any more
                    .h1_allow_half_closed(false)
                    .disable_signals()
                    .shutdown_timeout(1)
                    .listen(listener);
                match bound {
                    Ok(bound) => {
                        let server = bound.run();
                        let _ = ready.send(Ok(server.handle()));
                        let _ = server.await;
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            });
        })?;
        let server = started.recv().context("the server thread ended at once")??;
        Ok(Handle {
            base_url: format!("http://{address}"),
            shared,
            server,
            thread: Some(thread),
        })
    }
}

impl Handle {
    /// Where a tenant's tokens are.
    pub fn token_url(&self, tenant: &str) -> String {
        format!("{}/oauth2/token/{tenant}", self.base_url)
    }

    /// The ledger of one tenant, as `GET /_sim/ledger` shows it.
    pub fn ledger(&self, tenant: &str) -> Value {
        self.control("GET", "/_sim/ledger", &format!("tenant={tenant}"), &Value::Null)
    }

    /// The counts of one tenant, as `GET /_sim/counts` shows them.
    pub fn counts(&self, tenant: &str) -> Value {
        self.control("GET", "/_sim/counts", &format!("tenant={tenant}"), &Value::Null)
    }

    /// `POST /_sim/seed`, `/_sim/faults`, `/_sim/down` and so on without HTTP.
    ///
    /// # Panics
    /// When the call is wrong: tests should not go on then.
    pub fn post(&self, what: &str, body: &Value) -> Value {
        self.control("POST", &format!("/_sim/{what}"), "", body)
    }

    fn control(&self, method: &str, path: &str, query: &str, body: &Value) -> Value {
        let (status, answer) = control(
            &mut self.shared.world(),
            method,
            path,
            query,
            body,
            self.shared.clock.now(),
        );
        assert!(status == 200, "{method} {path}: {answer}");
        answer
    }

    /// Stops serving and waits until the threads are gone.
    pub fn stop(self) {}
}

impl Drop for Handle {
    fn drop(&mut self) {
        // sent by the call itself; the future only waits for the end
        drop(self.server.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Says that a call is over, also when the client hung up in the middle of it.
struct Leave {
    shared: Arc<Shared>,
    tenant: Option<String>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.shared.world().leave(self.tenant.as_deref());
    }
}

async fn handle(request: HttpRequest, body: Bytes, shared: web::Data<Shared>) -> HttpResponse {
    let shared = shared.into_inner();
    let (method, path) = (request.method().as_str(), request.path());
    if path.starts_with("/_sim/") {
        let body = if body.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&body)
        };
        let (status, answer) = match body {
            Ok(body) => {
                let now = shared.clock.now();
                control(&mut shared.world(), method, path, request.query_string(), &body, now)
            }
            Err(error) => (
                400,
                serde_json::json!({"error": format!("the body is not JSON: {error}")}),
            ),
        };
        return respond(&Reply::json(status, answer), "");
    }
    let call = call(&request, body);
    while shared.world().frozen {
        tokio::time::sleep(THAW_POLL).await;
    }
    let (served, recorded) = {
        let mut world = shared.world();
        // read under the lock: activities and buckets never see time run backwards
        let served = world.serve(&call, shared.clock.now());
        let recorded = shared.recorder.as_ref().map_or(Ok(()), |recorder| {
            recorder
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(&call, &served.body, &served.reply)
        });
        (served, recorded)
    };
    let leave = Leave {
        shared: shared.clone(),
        tenant: served.tenant,
    };
    if recorded.is_err() {
        // a record with holes would be worse than a test that fails
        return HttpResponse::InternalServerError().body("cannot write the record file");
    }
    // what the call does is done by now: a client that dies while it waits has written all the same
    tokio::time::sleep(Duration::from_millis(served.reply.delay_ms)).await;
    drop(leave);
    respond(&served.reply, &call.accept)
}

fn call(request: &HttpRequest, body: Bytes) -> Call {
    let headers = request.headers();
    Call {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        accept: text(headers, "accept"),
        content_type: text(headers, "content-type"),
        bearer: text(headers, "authorization")
            .strip_prefix("Bearer ")
            .unwrap_or_default()
            .to_owned(),
        tenant: text(headers, "x-rks-tenantid"),
        body: body.to_vec(),
    }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn respond(reply: &Reply, accept: &str) -> HttpResponse {
    if reply.cut {
        // a body that fails before its first byte makes the server close the connection with nothing sent
        let nothing = stream::iter([Err::<Bytes, _>(std::io::Error::other("cut by the fault plan"))]);
        return HttpResponse::Ok().streaming(nothing);
    }
    let mut response =
        HttpResponse::build(StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if let Some(seconds) = reply.retry_after_s {
        response.insert_header((RETRY_AFTER, seconds.to_string()));
    }
    match &reply.content {
        Content::Empty => response.finish(),
        Content::Html(page) => response.insert_header((CONTENT_TYPE, "text/html")).body(*page),
        Content::Json(value) => {
            let media = if reply.plain {
                "text/plain"
            } else if accept.starts_with("application/vnd.ruckus.") || accept.starts_with("application/ruckus.one.") {
                accept
            } else {
                "application/json"
            };
            response.insert_header((CONTENT_TYPE, media)).body(value.to_string())
        }
    }
}
