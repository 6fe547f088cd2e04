//! The command line of `phaseline cleanup`.

use clap::{Args, ValueHint};
use uuid::Uuid;

use super::values::job_id;

#[derive(Debug, Args)]
#[command(after_help = "\
The job has to have ended. Only what it created is deleted, never what it
found there: keys, then the rest in the reverse order of its making. What
somebody has changed since stays unless --force is given; a pool or a group
with keys or people of others stays in any case. What stays is listed.

Examples:
  phaseline cleanup JOB --dry-run
  phaseline cleanup JOB --watch
  phaseline cleanup JOB --force --wait 60 --json")]
pub struct Cleanup {
    /// The job's id
    #[arg(value_parser = job_id, value_hint = ValueHint::Other)]
    pub job: Uuid,
    /// Only tell what would be deleted
    #[arg(long)]
    pub dry_run: bool,
    /// Delete also what somebody has changed since it was made
    #[arg(long)]
    pub force: bool,
    /// Delete nothing: only tell what the job has made
    #[arg(long, conflicts_with_all = ["dry_run", "force", "watch", "wait"])]
    pub keep: bool,
    /// Show the progress until the cleanup has ended
    #[arg(long)]
    pub watch: bool,
    /// Wait so long (0 to 60) for its end, 10 unless told; then it goes on by itself
    #[arg(long, value_name = "SECONDS", conflicts_with = "watch", value_parser = clap::value_parser!(u64).range(0..=60))]
    pub wait: Option<u64>,
    /// Makes a repeated command find its job again instead of starting another; made up when not given
    #[arg(long, value_name = "KEY", value_hint = ValueHint::Other)]
    pub idempotency_key: Option<String>,
    /// How long to go on trying when the API is away
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1440))]
    pub patience: u64,
}
