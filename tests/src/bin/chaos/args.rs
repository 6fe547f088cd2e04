//! The command line.

use std::time::Duration;

use clap::Parser;

/// Kills, freezes, fills, empties and cuts off the parts of a running Phaseline, and judges from outside what became of the imports
#[derive(Debug, Clone, Parser)]
#[command(
    name = "tests/chaos",
    max_term_width = 100,
    after_help = "\
Examples:
  tests/chaos --minutes 20 --start 1     at least 200 faults of sixteen kinds
  tests/chaos --minutes 1.5 --start 7    every kind once, as in tests/run

What is injected, in which order and for how long, follows from --start alone; what it meets does not. The exit code is 0 only if
nothing was lost, nothing came twice, every job told the truth, and nothing was left behind. Otherwise the folder with all logs stays."
)]
pub struct Args {
    /// How long faults are injected. Then everything is healed, and what has begun may end
    #[arg(long, default_value_t = 2.0, value_parser = minutes)]
    pub minutes: f64,
    /// Seed of faults and imports
    #[arg(long, default_value_t = 1)]
    pub start: u64,
    /// Worker processes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=16))]
    pub workers: u32,
    /// Imports under way at once; those whose upload is interrupted come on top
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub imports: u32,
    /// Calls a minute each simulated RUCKUS One tenant takes
    #[arg(long, default_value_t = 6000, value_parser = clap::value_parser!(u32).range(600..=60_000))]
    pub rate: u32,
    /// Only faults whose name contains this
    #[arg(long, value_name = "PART_OF_NAME")]
    pub only: Option<String>,
    /// Keep the folder with the logs whatever happens
    #[arg(long)]
    pub keep: bool,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().ok().filter(|minutes| (0.1..=600.0).contains(minutes));
    minutes.ok_or_else(|| "a number from 0.1 to 600".to_owned())
}

impl Args {
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
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
