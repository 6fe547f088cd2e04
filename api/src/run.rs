//! From settings to a serving process.
//!
//! Wrong settings and a server that does not fit stop the start with a clear line. A store that is merely away does not:
//! the API answers `/healthz`, says 503 to everything else, and serves as soon as the store is there.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web;
use shared::config::Settings;
use shared::controllers::{ControllersFile, Reload};
use shared::store::{Store, StoreError};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::auth::refresh::{self, Source};
use crate::auth::{Verifier, VerifierFault};
use crate::metrics::Metrics;
use crate::server::{self, Parts};
use crate::state::State;

/// Between two looks at the controllers file.
const CONTROLLERS_INTERVAL: Duration = Duration::from_secs(5);
/// For the first look at the store; then the port is opened.
const STORE_FIRST_LOOK: Duration = Duration::from_secs(5);
/// Between two attempts to reach the store at start.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Between two log lines that say that it is still away.
const STORE_NOTE: Duration = Duration::from_secs(30);

/// Why the process does not (or no longer) serve.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Something to correct before it can start. One line per fault.
    #[error("{0}")]
    Settings(String),
    #[error("{0}")]
    Failed(String),
}

impl Stop {
    pub fn lines(&self) -> Vec<String> {
        self.to_string().lines().map(str::to_owned).collect()
    }

    /// Exit code of the process: the worker's are the same.
    pub fn code(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

/// Serves until it is asked to stop.
pub async fn run() -> Result<(), Stop> {
    let settings = Settings::load().map_err(|e| Stop::Settings(e.to_string()))?;
    shared::telemetry::init("phaseline-api");
    mask_panics();
    // One provider in the whole tree, for the store's TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let verifier = verifier(&settings).await.map_err(Stop::Settings)?;
    let controllers = ControllersFile::open(&settings.controllers_file)
        .map_err(|e| Stop::Failed(format!("CONTROLLERS_FILE: {e}")))?;
    let controllers = Arc::new(controllers);
    let store = Store::open(&settings.redis, &settings.engine).map_err(|e| Stop::Failed(e.to_string()))?;
    // a server that does not fit is told before anything is said of ports and serving
    let is_ready = is_ready(&store, &settings)
        .await
        .map_err(|e| Stop::Failed(e.to_string()))?;
    let listener = TcpListener::bind(settings.api_bind)
        .map_err(|e| Stop::Failed(format!("API_BIND={} cannot be bound: {e}", settings.api_bind)))?;
    let address = listener.local_addr().map_err(|e| Stop::Failed(e.to_string()))?;

    let state = State::new(
        store.clone(),
        settings.sealer.clone(),
        settings.engine.clone(),
        controllers.clone(),
    );
    let parts = Parts {
        state: web::Data::new(state),
        verifier: web::Data::new(verifier),
        metrics: web::Data::new(Metrics::default()),
    };
    let state = parts.state.clone();
    if is_ready {
        state.set_prepared();
    }
    let server = server::serve(listener, parts).map_err(|e| Stop::Failed(e.to_string()))?;
    tracing::info!(%address, "serving on http://{address}");
    tokio::spawn(watch_controllers(controllers));
    tokio::spawn(announce_stop(state.stopping.clone()));

    let handle = server.handle();
    let prepared = async {
        if !is_ready {
            wait_for_store(&store, &settings).await?;
            state.set_prepared();
        }
        store.clone().watch_key(settings.sealer.clone()).await;
        Ok::<(), StoreError>(())
    };
    tokio::select! {
        ended = server => ended.map_err(|e| Stop::Failed(e.to_string())),
        fault = prepared => {
            state.stopping.cancel();
            handle.stop(false).await;
            Err(Stop::Failed(fault.err().map_or_else(String::new, |e| e.to_string())))
        }
    }
}

async fn verifier(settings: &Settings) -> Result<Verifier, String> {
    let auth = &settings.auth;
    if auth.dev {
        if !settings.api_bind.ip().is_loopback() {
            return Err(VerifierFault::DevNotLoopback(settings.api_bind).to_string());
        }
        tracing::warn!(
            bind = %settings.api_bind,
            "AUTH_MODE=dev: every caller on this machine acts as operator and as admin of tenant dev, without a token"
        );
        return Ok(Verifier::dev());
    }
    let source = match (&auth.jwks_file, &auth.jwks_url) {
        (Some(_), Some(_)) => return Err("AUTH_JWKS_FILE and AUTH_JWKS_URL are both set: choose one".to_owned()),
        (Some(path), None) => Some(Source::File(path.clone())),
        (None, Some(url)) => Some(Source::url(url)?),
        (None, None) => None,
    };
    let secret = auth.jwt_secret.as_ref().map(|s| s.as_str());
    let keys = match source {
        Some(source) => {
            let keys = refresh::start(&source).await?;
            tokio::spawn(refresh::keep_fresh(source, keys.clone()));
            Some(keys)
        }
        None => None,
    };
    Verifier::tokens(secret, keys).map_err(|e| e.to_string())
}

/// The first look. False: the store is away, or full; it is waited for while we serve. One that does not fit ends the start.
async fn is_ready(store: &Store, settings: &Settings) -> Result<bool, StoreError> {
    let redis = settings.redis.shown();
    match tokio::time::timeout(STORE_FIRST_LOOK, store.make_ready(settings)).await {
        Ok(Ok(())) => {
            tracing::info!(redis, "Redis is ready");
            return Ok(true);
        }
        Ok(Err(error)) if error.is_transient() => {
            tracing::warn!(%error, redis, "waiting for Redis; callers get 503 until it is there");
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => tracing::warn!(redis, "Redis does not answer; callers get 503 until it does"),
    }
    Ok(false)
}

/// Until the store is there and fits.
async fn wait_for_store(store: &Store, settings: &Settings) -> Result<(), StoreError> {
    let mut noted = Instant::now();
    loop {
        tokio::time::sleep(STORE_RETRY).await;
        match store.make_ready(settings).await {
            Ok(()) => {
                tracing::info!(redis = settings.redis.shown(), "Redis is ready");
                return Ok(());
            }
            Err(error) if error.is_transient() => {
                if noted.elapsed() > STORE_NOTE {
                    noted = Instant::now();
                    tracing::warn!(%error, redis = settings.redis.shown(), "still waiting for Redis");
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// The server waits for what is under way when it is told to end; whoever only waits for a job is answered at once.
async fn announce_stop(stopping: CancellationToken) {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    if let (Ok(mut terminate), Ok(mut interrupt)) = signals {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    }
}

/// Until the process ends. A faulty file is told once; the last good one stays in force.
async fn watch_controllers(file: Arc<ControllersFile>) {
    loop {
        tokio::time::sleep(CONTROLLERS_INTERVAL).await;
        let look = {
            let file = file.clone();
            tokio::task::spawn_blocking(move || file.reload_if_changed()).await
        };
        match look {
            Ok(Reload::Changed(set)) => {
                tracing::info!(controllers = set.iter().count(), "the controllers file has changed")
            }
            Ok(Reload::Failed(fault)) => {
                tracing::error!(%fault, "the controllers file cannot be used; the last good one stays in force")
            }
            Ok(Reload::Unchanged | Reload::StillFailed) | Err(_) => {}
        }
    }
}

/// A panic's message may hold what was being worked on, secrets included: only its place is logged.
fn mask_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(|| "unknown".to_owned(), ToString::to_string);
        tracing::error!(place, "a thread panicked; its message is withheld");
    }));
}
