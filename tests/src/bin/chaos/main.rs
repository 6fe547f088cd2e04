//! `tests/chaos`: everything that can happen to a running Phaseline, again and again, and the proof that nothing was lost or done twice.
//!
//! `schedule` says what happens when, from the seed alone; `crew` does it and undoes it; `import` moves exports meanwhile, each into a
//! controller of its own, and `steer` holds, stops and undoes some of them; `verdict` judges by what can be seen from outside; `table` tells it.

mod args;
mod crew;
mod import;
mod kinds;
mod run;
mod schedule;
mod steer;
mod story;
mod table;
mod tally;
mod tries;
mod upload;
mod verdict;
mod world;

use std::io::Write;
use std::process::ExitCode;

use args::Args;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// As a shell reports a command that ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

// more than one thread: the proxies go on while a process is waited for
#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    // Whichever branch ends, the others are dropped, and with them every process.
    tokio::select! {
        ended = run::run(&args) => match ended {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(e) => {
                let _ = writeln!(std::io::stderr().lock(), "chaos: {e:#}");
                ExitCode::FAILURE
            }
        },
        _ = tokio::signal::ctrl_c() => ExitCode::from(INTERRUPTED),
        _ = terminated => ExitCode::from(INTERRUPTED),
    }
}
