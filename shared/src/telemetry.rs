//! Logs: JSON lines on standard error (or text with `LOG_FORMAT=text`), filtered by `RUST_LOG` (default `info`, without
//! what the HTTP server says of its own start).

use tracing_subscriber::EnvFilter;

/// Sets the process-wide subscriber. A second call changes nothing.
pub fn init(service: &'static str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,actix_server=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let text = std::env::var("LOG_FORMAT").is_ok_and(|v| v == "text");
    let set = if text {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    if set.is_ok() {
        tracing::info!(service, version = env!("CARGO_PKG_VERSION"), "{service} starts");
    }
}
