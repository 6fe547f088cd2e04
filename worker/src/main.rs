//! `phaseline-worker`: claims batches of jobs and runs them against their controllers.

use std::process::ExitCode;

use clap::Parser;
use shared::config::Settings;

/// Runs the phases of jobs against their controllers. Configured by environment variables and `phaseline.toml`; stops on SIGTERM.
///
/// Exit codes: 0 stopped by a signal; 1 the Redis server or the payload key does not fit, the controllers file is missing or faulty,
/// or the engine failed; 2 wrong settings.
#[derive(Parser)]
#[command(name = "phaseline-worker", version)]
struct Cli {}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli {} = Cli::parse();
    let settings = match Settings::load() {
        Ok(s) => s,
        Err(faults) => {
            for line in faults.0 {
                complain(&line);
            }
            return ExitCode::from(2);
        }
    };
    shared::telemetry::init("phaseline-worker");
    match worker::run::run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!("{e:#}");
            ExitCode::FAILURE
        }
    }
}

/// A fault of the settings, for whoever typed them: before there is a log.
#[expect(clippy::print_stderr, reason = "the log's format is one of the settings")]
fn complain(line: &str) {
    eprintln!("phaseline-worker: {line}");
}
