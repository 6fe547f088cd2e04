//! `deploy/demo`: the whole product on this machine, and the proof that it did what it says.
//!
//! `stage` starts the processes and makes the export; `import` runs one job and measures it; `trouble` kills and freezes on the
//! way; `report` says what happened. The last line of standard output is for machines as well:
//! `imported 2000 of 2000 passphrases: created 2000, adopted 0, … ratio 1.08`.

mod args;
mod import;
mod keys;
mod report;
mod say;
mod stage;
mod trouble;

use std::process::ExitCode;

use args::Args;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// As a shell reports a command that ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

#[tokio::main(flavor = "current_thread")]
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
        ended = run(&args) => match ended {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(e) => {
                say::error(&format!("{e:#}"));
                ExitCode::FAILURE
            }
        },
        _ = tokio::signal::ctrl_c() => ExitCode::from(INTERRUPTED),
        _ = terminated => ExitCode::from(INTERRUPTED),
    }
}

/// Whether everything is as it should be.
async fn run(args: &Args) -> anyhow::Result<bool> {
    let mut stage = stage::Stage::set(args).await?;
    let played = play(args, &mut stage).await;
    let is_good = matches!(played, Ok(true));
    stage.clear(args.keep, is_good).await;
    played
}

async fn play(args: &Args, stage: &mut stage::Stage) -> anyhow::Result<bool> {
    let first = import::run(stage, Some(args)).await?;
    let mut is_good = report::tell(&first, args.has_faults());
    if args.again && is_good {
        stage.fleet.simulators[0].reset_counts().await?;
        say::line("");
        if args.has_faults() {
            say::line(
                "The same export again, in fair weather and with name_conflict=update: what was left undone is done, what is right stays.",
            );
            stage.clear_up().await?;
            let second = import::run(stage, None).await?;
            is_good = report::tell_mended(&second);
        } else {
            say::line("The same export again: nothing may be written, everything is found in place.");
            let second = import::run(stage, None).await?;
            is_good = report::tell_again(&second);
        }
    }
    Ok(is_good)
}
