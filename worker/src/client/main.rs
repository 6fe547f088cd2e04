//! `phaseline`: the client command. Talks to the API over HTTP and knows nothing else of the system.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command prints")]

mod admin;
mod api;
mod args;
mod audit;
mod cleanup;
mod completion;
mod exit;
mod export;
mod import;
mod jobs;
mod list;
mod output;
mod plan;
mod progress;
mod replay;
mod report;
mod retry;
mod start;
mod status;
mod steer;
mod table;
mod text;
mod upload;
mod watch;
mod whole;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use exit::Failure;
use output::Output;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(help) => {
            // Help and version are no errors; everything else is wrong usage.
            let code = if help.use_stderr() { exit::UNEXPECTED } else { exit::OK };
            let _ = help.print();
            return ExitCode::from(code);
        }
    };
    // One provider in the whole tree; a second installation attempt changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let output = Output::new(args.json);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("phaseline: {e}");
            return ExitCode::from(exit::UNEXPECTED);
        }
    };
    let code = match runtime.block_on(until_stopped(run(args, output))) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.code()
        }
    };
    // Reading a file may still sit in a blocking thread; nobody waits for it.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Ctrl-C ends every command, also where it does something else with it first: whoever has asked for it once gets it in its place for good.
async fn until_stopped(command: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    tokio::select! {
        // what the command has to say of it comes first
        biased;
        done = command => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    }
}

async fn run(args: Args, output: Output) -> Result<u8, Failure> {
    let api = || api::Api::new(&args.url, args.token);
    match args.command {
        Command::Import(import) => import::run(&api()?, import, output).await,
        Command::Plan(plan) => plan::run(&api()?, plan, output).await,
        Command::Status(status) => status::run(&api()?, status, output).await,
        Command::Jobs(jobs) => jobs::jobs(&api()?, jobs, output).await,
        Command::Tasks(tasks) => jobs::tasks(&api()?, tasks, output).await,
        Command::Report(report) => report::run(&api()?, report, output).await,
        Command::Confirm { job } => steer::confirm(&api()?, job, output).await,
        Command::Pause { job, reason } => steer::pause(&api()?, job, reason, output).await,
        Command::Resume { job } => steer::resume(&api()?, job, output).await,
        Command::Cancel { job } => steer::cancel(&api()?, job, output).await,
        Command::Retry(retry) => retry::run(&api()?, retry, output).await,
        Command::Cleanup(cleanup) => cleanup::run(&api()?, cleanup, output).await,
        Command::Audit(audit) => audit::run(&api()?, audit, output).await,
        Command::Admin(admin) => admin::run(&api()?, admin, output).await,
        // it needs no API, not even the address of one
        Command::Completion { shell } => Ok(completion::run(shell, output)),
    }
}
