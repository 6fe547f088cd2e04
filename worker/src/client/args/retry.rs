//! The command line of `phaseline retry`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use uuid::Uuid;

use super::values::job_id;

#[derive(Debug, Args)]
#[command(after_help = "\
The job has to have ended PARTIAL, FAILED or CANCELLED. The new one is about
the keys that failed, whose fate is unknown, or that were never begun; what is
there is found and adopted. The old one stays as it ended.

FILE is {\"corrections\": [{\"row\": 17, \"fields\": {\"passphrase\": \"…\"}}]}, or
the list alone. A row is told by its place in the export, from 0 (the index of
its task, or `row` of the report), or by the id of its task (\"task_id\").
Fields are those of an export: name, passphrase, vlanid, expirationDateTime,
useDeviceCountLimit, deviceCountLimit. What is left out stays as it was.

Examples:
  phaseline retry JOB --watch
  phaseline retry JOB --corrections corrected.json --wait 60 --json")]
pub struct Retry {
    /// The job's id
    #[arg(value_parser = job_id, value_hint = ValueHint::Other)]
    pub job: Uuid,
    /// Corrected fields of rows that are retried (JSON)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub corrections: Option<PathBuf>,
    /// Show the progress until the new job has ended
    #[arg(long)]
    pub watch: bool,
    /// Wait so long (1 to 60) for the new job's end, in silence; then it goes on by itself
    #[arg(long, value_name = "SECONDS", conflicts_with = "watch", value_parser = clap::value_parser!(u64).range(1..=60))]
    pub wait: Option<u64>,
    /// Makes a repeated command find its job again instead of starting another; made up when not given
    #[arg(long, value_name = "KEY", value_hint = ValueHint::Other)]
    pub idempotency_key: Option<String>,
    /// How long to go on trying when the API is away
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1440))]
    pub patience: u64,
}
