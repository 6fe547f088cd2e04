//! The Cloudpath double as a process; `testkit::cloudpath` tells what it does.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use jiff::Timestamp;
use serde_json::Value;
use testkit::cloudpath::{Cloudpath, PASSWORD, Settings, USER};
use testkit::export;

/// A Cloudpath that is not there: serves an export as the REST API does, on loopback, so that deploy/cloudpath-export can be tried
#[derive(Parser)]
#[command(max_term_width = 100)]
struct Cli {
    /// DPSKs that are made up
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    dpsks: u32,
    /// Serve this full export instead
    #[arg(long, value_name = "EXPORT.json", conflicts_with = "dpsks")]
    file: Option<PathBuf>,
    /// Seed of what is made up
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rows of a page at most, whatever is asked for
    #[arg(long, default_value_t = 1000)]
    page_max: usize,
    /// Requests after which a token has run out
    #[arg(long, default_value_t = 100)]
    token_requests: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let source: Value = match &cli.file {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?
        }
        None => export::full(cli.dpsks as usize, cli.seed, Timestamp::now()),
    };
    let settings = Settings {
        page_max: cli.page_max.max(1),
        token_requests: cli.token_requests.max(1),
        ..Settings::of(&source)
    };
    let server = Cloudpath::start(settings, None)?;
    writeln!(
        std::io::stdout(),
        "Cloudpath double on http://127.0.0.1:{}",
        server.port
    )?;
    writeln!(std::io::stdout(), "user {USER}, password {PASSWORD}")?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        done = tokio::signal::ctrl_c() => done?,
    }
    Ok(())
}
