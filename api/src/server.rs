//! The application and the HTTP server around it.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App, Error, HttpServer, body::BoxBody, web};

use crate::auth::Verifier;
use crate::error::SMALL_BODY_MAX;
use crate::head::without_body;
use crate::limits::close_over_unread;
use crate::metrics::Metrics;
use crate::observe::observe;
use crate::routes;
use crate::state::State;

/// Idle time of a connection; longer than that of common proxies, so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// For the head of a request; bodies have limits of their own.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Open connections of one worker thread.
const CONNECTIONS_MAX: usize = 4_096;
/// Requests under way at shutdown get this long.
const SHUTDOWN_SECONDS: u64 = 20;

/// What an application is made of. Cloned for each worker thread.
#[derive(Clone)]
pub struct Parts {
    pub state: web::Data<State>,
    pub verifier: web::Data<Verifier>,
    pub metrics: web::Data<Metrics>,
}

/// The application, as the server and the tests run it.
pub fn app(
    parts: Parts,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>,
> {
    App::new()
        .app_data(parts.state)
        .app_data(parts.verifier)
        .app_data(parts.metrics)
        .app_data(web::PayloadConfig::new(SMALL_BODY_MAX))
        .configure(routes::configure)
        // The one added last is the outermost: its headers are on errors as well.
        .wrap(from_fn(observe))
        .wrap(from_fn(close_over_unread))
        .wrap(from_fn(without_body))
        .wrap(
            DefaultHeaders::new()
                .add(("X-Content-Type-Options", "nosniff"))
                .add(("X-Frame-Options", "DENY"))
                // Answers are data. A page for people brings its own.
                .add(("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"))
                .add(("Cache-Control", "no-store")),
        )
}

/// Serves on `listener` until SIGTERM or SIGINT: then no new connection is taken, and what is under way gets its time.
pub fn serve(listener: TcpListener, parts: Parts) -> std::io::Result<Server> {
    let server = HttpServer::new(move || app(parts.clone()))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .max_connections(CONNECTIONS_MAX)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .listen(listener)?;
    Ok(server.run())
}
