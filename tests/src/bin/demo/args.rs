//! The command line of the demo.

use std::path::PathBuf;

use clap::Parser;

/// Moves Wi-Fi keys from a Cloudpath export into a simulated RUCKUS One, through a real Redis, the API and workers, and checks the result field by field
#[derive(Debug, Clone, Parser)]
#[command(
    name = "deploy/demo",
    max_term_width = 100,
    after_help = "\
Examples:
  deploy/demo                              2,000 keys at RUCKUS One's 2,000 calls a minute: about a minute
  deploy/demo --rate 60000                 what the engine itself adds
  deploy/demo --kill-worker --freeze-worker --kill-redis
  deploy/demo --policies --activate --again
                                           with adaptive policies and networks on the air, twice
  deploy/demo --dpsks 200 --rate 60000 --policies --activate --storm
                                           every misbehaviour of RUCKUS One at once; with --again what it
                                           left undone is done by a second import
  deploy/demo --file export.json --again   your own export, twice: the second time nothing is written
  SIM_RECORD=traffic.jsonl deploy/demo     record every call to the simulated RUCKUS One

The exit code is 0 only if the job ended COMPLETED and the ledger of the simulated RUCKUS One agrees with the
export in every field. With --storm or a fault plan the job may end PARTIAL: then every task must say what is true, those that
failed must say why, and nothing may exist twice. With --again as well, every key must be right in the end but for those that
people have to delete first: each of these must be told."
)]
pub struct Args {
    /// Keys of the export that is made
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub dpsks: u32,
    /// Worker processes
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub workers: u32,
    /// Kill a worker (SIGKILL) while it holds work; the others go on
    #[arg(long)]
    pub kill_worker: bool,
    /// Freeze a worker (SIGSTOP) until its work was taken over, then wake it: it must change nothing
    #[arg(long)]
    pub freeze_worker: bool,
    /// Kill Redis (SIGKILL) while work is under way, and start it again
    #[arg(long)]
    pub kill_redis: bool,
    /// Calls a minute the simulated RUCKUS One takes, and the controller's limit
    #[arg(long, value_name = "CALLS_PER_MINUTE", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(60..=600_000))]
    pub rate: u32,
    /// Import adaptive policies too; the RADIUS attribute groups they need are made before
    #[arg(long)]
    pub policies: bool,
    /// Put the SSIDs of the export on the air: the first by a network that is there, the others by new ones
    #[arg(long)]
    pub activate: bool,
    /// Every misbehaviour of RUCKUS One at once, each in 3 to 5 % of the calls, or in PERCENT of them
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, conflicts_with = "fault_plan", value_parser = percent)]
    pub storm: Option<Option<f64>>,
    /// Faults for the simulated RUCKUS One to inject (JSON; format: tests/src/sim/faults.rs)
    #[arg(long, value_name = "FILE")]
    pub fault_plan: Option<PathBuf>,
    /// Import this Cloudpath export instead of a made one
    #[arg(long, value_name = "EXPORT.json", conflicts_with = "dpsks")]
    pub file: Option<PathBuf>,
    /// Import the same export a second time: nothing may be written, everything is found in place. After a storm or a fault plan the
    /// weather is fair then, and what it left undone is done
    #[arg(long)]
    pub again: bool,
    /// Keep the folder with logs, export, tasks and ledger
    #[arg(long)]
    pub keep: bool,
    /// Seed of the export, the storm, and the moments of killing and freezing; made up when not given
    #[arg(long)]
    pub seed: Option<u64>,
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok().filter(|percent| (0.0..=10.0).contains(percent));
    percent.ok_or_else(|| "a number from 0 to 10".to_owned())
}

impl Args {
    /// Whether RUCKUS One misbehaves: then tasks may fail.
    pub fn has_faults(&self) -> bool {
        self.storm.is_some() || self.fault_plan.is_some()
    }

    /// Whether anything is killed or frozen: then the ratio says nothing about the engine's speed.
    pub fn has_trouble(&self) -> bool {
        self.kill_worker || self.freeze_worker || self.kill_redis
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
