//! `phaseline-worker`: claims batches of jobs and runs them against their controllers.

use std::process::ExitCode;

use clap::Parser;
use shared::config::Settings;

/// Runs the phases of jobs against their controllers. Configured by environment variables and `phaseline.toml`; stops on SIGTERM.
#[derive(Parser)]
#[command(name = "phaseline-worker", version)]
struct Cli {}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli {} = Cli::parse();
    shared::telemetry::init("phaseline-worker");
    let settings = match Settings::load() {
        Ok(s) => s,
        Err(faults) => {
            for line in faults.0 {
                tracing::error!("{line}");
            }
            return ExitCode::from(2);
        }
    };
    match worker::run::run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!("{e:#}");
            ExitCode::FAILURE
        }
    }
}
