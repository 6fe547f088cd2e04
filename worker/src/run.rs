//! The worker process from start to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use shared::config::Settings;
use shared::controllers::ControllersFile;
use shared::id::WorkerId;
use shared::store::Store;

use crate::engine::{self, core::Core};
use crate::environment::{self, Environment};
use crate::executors::{self, clients::Clients};
use crate::health;
use crate::r1;

/// For the first look at Redis; then the port is opened, so that a probe finds a worker that waits alive.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// Until SIGTERM or Ctrl-C. An error stops the start: its text says what to correct. A loop of the engine that ends by itself (a
/// panic) ends the process with an error too, after handing back what is held: a worker that reads and never beats, or beats and
/// never reads, looks alive and is of no use; whoever supervises it starts another.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let path = &settings.controllers_file;
    let file = ControllersFile::open(path).with_context(|| format!("CONTROLLERS_FILE {}", path.display()))?;
    let file = Arc::new(file);
    let store = Store::open(&settings.redis, &settings.engine)?;
    let stop = stop_signal();
    tokio::pin!(stop);
    // a server that does not fit is told before anything is said of ports and work
    let is_ready = tokio::select! {
        r = is_ready(&store, &settings) => r?,
        () = &mut stop => return Ok(()),
    };
    let http = r1::Settings {
        timeout: settings.engine.http_timeout(),
        look_back: settings.engine.settled_within() * 2,
        ..r1::Settings::default()
    };
    let clients = Arc::new(Clients::new(file.clone(), http));
    let remotes = Arc::new(Environment {
        clients: clients.clone(),
        calls_parallel_max: settings.engine.calls_parallel_max,
    });
    tokio::spawn(environment::follow(file));
    let worker = WorkerId::generate();
    let core = Core::new(
        store.clone(),
        worker.clone(),
        settings.engine.clone(),
        settings.sealer.clone(),
        executors::catalogue(&clients),
        remotes,
    );
    let address = health::serve(core.clone(), settings.worker_bind)
        .await
        .with_context(|| format!("WORKER_BIND {}", settings.worker_bind))?;
    // the port answers meanwhile: a worker that waits for Redis is alive, and not ready
    if !is_ready {
        tokio::select! {
            r = wait_for_redis(&store, &settings) => r?,
            () = &mut stop => return Ok(()),
        }
    }
    tokio::spawn(store.clone().watch_key(settings.sealer.clone()));
    tracing::info!(worker = %worker, address = %address, slots = settings.engine.slots, "worker runs");
    let mut loops = engine::start(&core);
    let broken = tokio::select! {
        () = &mut stop => None,
        () = core.drained.cancelled() => {
            tracing::info!("an operator has asked this worker to stop");
            None
        }
        ended = engine::first_ended(&mut loops) => Some(ended),
    };
    if let Some((name, how)) = broken {
        tracing::error!(name, how, "a loop of the engine has ended, the worker stops");
    }
    engine::drain::run(&core).await;
    for (_, handle) in loops {
        handle.abort();
    }
    match broken {
        None => Ok(()),
        Some((name, how)) => Err(anyhow::anyhow!("the engine's {name} {how}")),
    }
}

/// The first look. False: Redis is away, or full; it is waited for. A server that does not fit ends the start.
async fn is_ready(store: &Store, settings: &Settings) -> anyhow::Result<bool> {
    match tokio::time::timeout(FIRST_LOOK, store.make_ready(settings)).await {
        Ok(Ok(())) => return Ok(true),
        Ok(Err(e)) if e.is_transient() => {
            tracing::warn!(address = settings.redis.shown(), error = %e, "waiting for Redis");
        }
        Ok(Err(e)) => return Err(e.into()),
        Err(_) => tracing::warn!(
            address = settings.redis.shown(),
            "Redis does not answer, waiting for it"
        ),
    }
    Ok(false)
}

async fn wait_for_redis(store: &Store, settings: &Settings) -> anyhow::Result<()> {
    let mut wait = Duration::from_millis(250);
    loop {
        tokio::time::sleep(wait).await;
        match store.make_ready(settings).await {
            Ok(()) => return Ok(()),
            Err(e) if e.is_transient() => {
                tracing::warn!(address = settings.redis.shown(), error = %e, "waiting for Redis");
                wait = (wait * 2).min(Duration::from_secs(5));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

async fn stop_signal() {
    let mut term = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(t) => t,
        Err(e) => {
            tracing::warn!(error = %e, "SIGTERM can't be listened for");
            return std::future::pending().await;
        }
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
