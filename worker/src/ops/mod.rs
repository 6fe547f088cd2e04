//! What an operator does from a shell beside the fleet: look at what is in Redis, and mend by hand what was broken by hand. One JSON
//! document on standard output for each command, the same words as in Redis.

#![allow(clippy::print_stdout, reason = "a command prints")]

mod inspect;
mod mend;
mod replay;

use std::io::Write as _;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use rustls::crypto::ring;
use serde::Serialize;
use shared::config::Settings;
use shared::id::{JobId, PhaseId, WorkerId};
use shared::store::{LetterId, Partition, Store};

/// What may be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look at a job, a batch, the work streams, or who reads them
    #[command(subcommand)]
    Inspect(Inspect),
    /// Take a batch away from its worker, or out of its waiting, and put it at the head of its lane
    ///
    /// What was sent is in its checkpoints and is settled, not sent again. What was about to be sent is looked for after LOCK_TTL, since
    /// the worker that had it may still send it; it changes nothing in Redis any more. For a worker that is known to be of no use, and
    /// for a batch that waits for something that does not come.
    Requeue {
        job: JobId,
        phase: PhaseId,
        /// From 0; -1 is the plan of the phase
        #[arg(allow_negative_numbers = true)]
        batch: i64,
    },
    /// Batches that were given up, because their workers died over them again and again
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Have a worker stop as on SIGTERM: it takes nothing new, ends what it has, hands back the rest
    Drain {
        /// Its id, as `inspect consumers` tells it
        worker: WorkerId,
    },
    /// Find the lost work of a job, such as after XGROUP DELCONSUMER or DEL of a queue, and queue it again
    ///
    /// Workers do the same by themselves for jobs that show no sign of life for twice LOCK_TTL.
    Reconcile { job: JobId },
}

#[derive(Debug, Subcommand)]
pub enum Inspect {
    /// State, sums, phases, and the batches that have not ended
    Job { job: JobId },
    /// One batch: who has it, since when, how often, and what is remembered of its tasks
    Batch {
        job: JobId,
        phase: PhaseId,
        /// From 0; -1 is the plan of the phase
        #[arg(allow_negative_numbers = true)]
        batch: i64,
    },
    /// Work streams, and the lanes that wait in front of them
    Stream,
    /// Workers: what they hold, when they were heard of last; dead ones while they own entries
    Consumers,
}

#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// The newest 200, or those of one job
    List {
        #[arg(long)]
        job: Option<JobId>,
    },
    /// Take one up, as a new job about its keys, or about all that is left of its job; asks the API
    Replay(replay::Replay),
    /// Drop one that is dealt with otherwise, or not to be; its job stays as it is
    Dismiss {
        /// Its id, as `dead-letters list` tells it
        letter: LetterId,
    },
}

/// Prints what was asked for, or does it.
pub async fn run(settings: &Settings, command: Command) -> anyhow::Result<()> {
    // one provider in the whole tree, for the store's TLS
    let _ = ring::default_provider().install_default();
    let store = Store::open(&settings.redis, &settings.engine)?;
    match command {
        Command::Inspect(Inspect::Job { job }) => inspect::job(&store, job).await,
        Command::Inspect(Inspect::Batch { job, phase, batch }) => inspect::batch(&store, job, phase, batch).await,
        Command::Inspect(Inspect::Stream) => inspect::stream(&store).await,
        Command::Inspect(Inspect::Consumers) => inspect::consumers(&store).await,
        Command::Requeue { job, phase, batch } => mend::requeue(&store, job, phase, batch).await,
        Command::DeadLetters(DeadLetters::List { job }) => inspect::dead_letters(&store, job).await,
        Command::DeadLetters(DeadLetters::Replay(replay)) => replay::run(replay).await,
        Command::DeadLetters(DeadLetters::Dismiss { letter }) => mend::dismiss(&store, &letter).await,
        Command::Drain { worker } => mend::drain(&store, &worker).await,
        Command::Reconcile { job } => mend::reconcile(&store, job).await,
    }
}

/// A reader that has seen enough (`| head`) ends it quietly.
fn print(document: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e).context("standard output"),
        _ => Ok(()),
    }
}

/// Where the job is.
async fn place(store: &Store, job: JobId) -> anyhow::Result<Partition> {
    let found = store.partition_of_job(job).await.context("Redis")?;
    match found {
        Some(partition) => Ok(partition),
        None => bail!("there is no job {job}"),
    }
}

/// Milliseconds since the epoch as RFC 3339.
fn time(ms: u64) -> String {
    let time = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(String::new, |time| format!("{time:.3}"))
}
