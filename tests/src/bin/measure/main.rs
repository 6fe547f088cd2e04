//! `tests/measure`: what an import of a given size costs, measured from outside: peak memory of the processes, Redis' bytes per task,
//! how fast status and tasks answer while it runs, and how much of the controller's rate is used.
//!
//! It asserts nothing: figures are for notes and for comparison within one run of one machine. The export, the simulator and the
//! verification are those of the demo.

mod args;
mod latency;
mod memory;
mod pace;
mod run;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match run::run(&args::Args::parse()).await {
        Ok(figures) => {
            let mut out = std::io::stdout().lock();
            for (name, figure) in figures {
                // nobody reads any more: nothing to be done about it
                let _ = writeln!(out, "{name:<26} {figure}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "measure: {error:#}");
            ExitCode::FAILURE
        }
    }
}
