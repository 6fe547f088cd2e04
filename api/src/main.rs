//! `phaseline-api`: serves the API, makes payload keys, prints the OpenAPI document.

#![allow(clippy::print_stderr, reason = "a command prints")]

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The Phaseline API: accepts jobs, shows and steers them
#[derive(Debug, Parser)]
#[command(
    name = "phaseline-api",
    version,
    after_help = "\
Settings are environment variables (REDIS_URL, API_BIND, CONTROLLERS_FILE, PAYLOAD_KEY, AUTH_JWT_SECRET, …) with a TOML
file below them (PHASELINE_CONFIG, default phaseline.toml). A bad value stops the start with a line that says what it takes.

Exit codes: 0 stopped as asked; 1 could not start or go on: the Redis server or the payload key does not fit, the controllers
file is missing or faulty, the port is taken; 2 wrong settings or usage"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API (what happens without a command)
    Serve,
    /// Print a fresh key for PAYLOAD_KEY: 32 random bytes in base64
    Keygen,
    /// Print the OpenAPI 3.1 document
    Openapi,
}

#[actix_web::main]
async fn main() -> ExitCode {
    match Cli::parse().command.unwrap_or(Command::Serve) {
        Command::Keygen => print(&shared::seal::Sealer::generate_key()),
        Command::Openapi => match api::openapi::document().to_pretty_json() {
            Ok(document) => print(&document),
            Err(error) => {
                eprintln!("phaseline-api: {error}");
                ExitCode::from(1)
            }
        },
        Command::Serve => match api::run::run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(stop) => {
                for line in stop.lines() {
                    eprintln!("phaseline-api: {line}");
                }
                ExitCode::from(stop.code())
            }
        },
    }
}

/// To standard output; a reader that has seen enough is no error.
fn print(text: &str) -> ExitCode {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    }
}
