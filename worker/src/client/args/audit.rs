//! The command line of `phaseline audit`.

use clap::{Args, ValueHint};
use uuid::Uuid;

use super::values::job_id;

#[derive(Debug, Args)]
#[command(after_help = "\
The job has to have ended, or to be paused. Everything it created, adopted or
changed is compared with what is in RUCKUS One now; nothing is written there.
Exit code 8 says that something is missing, changed or extra, 0 that all is as
the job left it, 9 that it is not known yet: the audit goes on.

Examples:
  phaseline audit JOB
  phaseline audit JOB --watch
  phaseline audit JOB --wait 60 --json | jq .missing
  phaseline tasks AUDIT-JOB --verdict missing,changed,extra --all
  phaseline report AUDIT-JOB --output audit.csv")]
pub struct Audit {
    /// The job's id
    #[arg(value_parser = job_id, value_hint = ValueHint::Other)]
    pub job: Uuid,
    /// Show the progress until the audit has ended
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
