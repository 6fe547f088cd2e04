//! The command line.

use std::path::PathBuf;

use clap::Parser;
use serde_json::Value;

/// Measures an import from outside: memory, Redis, answer times, use of the rate
#[derive(Debug, Clone, Parser)]
#[command(
    name = "tests/measure",
    max_term_width = 100,
    after_help = "\
Examples:
  tests/measure                                          100,000 keys as fast as the machine goes
  tests/measure --rate 2000 --stop-after 5000            how much of RUCKUS One's rate is used (about three minutes)"
)]
pub struct Args {
    /// Keys of the export that is made
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub dpsks: u32,
    /// Calls a minute the simulated RUCKUS One takes, and the controller's limit
    #[arg(long, default_value_t = 600_000, value_parser = clap::value_parser!(u32).range(60..=600_000))]
    pub rate: u32,
    /// Worker processes
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub workers: u32,
    /// Cancel the job once so many keys were sent, and say at what pace they were
    #[arg(long, value_name = "KEYS")]
    pub stop_after: Option<u64>,
    /// Options of the import (JSON object)
    #[arg(long, default_value = "{}", value_parser = object)]
    pub options: Value,
    /// What the simulated RUCKUS One holds from the start (JSON object: what POST /_sim/seed takes)
    #[arg(long, value_parser = object)]
    pub seed_objects: Option<Value>,
    /// Seed of the export
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Records every call to the simulated RUCKUS One
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("a JSON object is needed".to_owned()),
        Err(error) => Err(error.to_string()),
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
