//! `phaseline-worker`: claims batches of jobs and runs them against their controllers.

use std::process::ExitCode;

use clap::Parser;
use shared::config::Settings;
use worker::ops::{self, Command};

/// Runs the phases of jobs against their controllers. Configured by environment variables and `phaseline.toml`; stops on SIGTERM.
///
/// With a command it runs nothing: it looks at what is in Redis, or mends it by hand, with the same configuration.
///
/// Exit codes: 0 stopped by a signal, or the command is done; 1 the Redis server or the payload key does not fit, the controllers file is
/// missing or faulty, the engine failed, or there is nothing of what the command names; 2 wrong settings or usage.
#[derive(Parser)]
#[command(name = "phaseline-worker", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let settings = match Settings::load() {
        Ok(s) => s,
        Err(faults) => {
            for line in faults.0 {
                complain(&line);
            }
            return ExitCode::from(2);
        }
    };
    if let Some(command) = command {
        return match ops::run(&settings, command).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                complain(&format!("{e:#}"));
                ExitCode::FAILURE
            }
        };
    }
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
