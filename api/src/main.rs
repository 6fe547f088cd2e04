//! `phaseline-api`: serves the API, makes payload keys and tokens, prints the OpenAPI document.

#![allow(clippy::print_stderr, reason = "a command prints")]

use std::io::Write;
use std::process::ExitCode;

use api::auth::issue::{Bearer, issue};
use clap::{Parser, Subcommand};
use shared::config::AuthSettings;
use shared::id::TenantId;

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
    /// Print a token that the API takes, signed with AUTH_JWT_SECRET
    ///
    /// For those who have no identity provider, and for a first try. Whoever has it is who it says until it runs out: it can't be called back.
    Token(Token),
    /// Print the OpenAPI 3.1 document
    Openapi,
}

#[derive(Debug, clap::Args)]
struct Token {
    /// Who bears it; jobs are told to be submitted by this name
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// Whose jobs it is about; as `tenants` in the controllers file names it
    #[arg(long)]
    tenant: Option<TenantId>,
    /// viewer reads, user also submits and steers, admin also administers the tenant; operator, without a tenant: runs the fleet
    #[arg(long = "role", value_name = "ROLE", default_value = "user", value_delimiter = ',')]
    roles: Vec<String>,
    /// How long it is good for
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=8760))]
    hours: u32,
}

impl Token {
    /// The fault in words.
    fn issue(self) -> Result<String, String> {
        let bearer = Bearer {
            subject: self.subject,
            tenant: self.tenant,
            roles: self.roles,
            hours: self.hours,
        };
        let secret = AuthSettings::load_jwt_secret().map_err(|faults| faults.to_string())?;
        let secret = secret.as_ref().map_or("", |secret| secret.as_str());
        issue(&bearer, secret, jiff::Timestamp::now()).map_err(|fault| fault.to_string())
    }
}

#[actix_web::main]
async fn main() -> ExitCode {
    match Cli::parse().command.unwrap_or(Command::Serve) {
        Command::Keygen => print(&shared::seal::Sealer::generate_key()),
        Command::Token(token) => match token.issue() {
            Ok(token) => print(&token),
            Err(fault) => {
                eprintln!("phaseline-api: {fault}");
                ExitCode::from(2)
            }
        },
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
