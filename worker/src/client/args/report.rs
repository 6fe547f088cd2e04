//! The command line of `phaseline report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use uuid::Uuid;

use super::lists::{joined, judged, task_states, verdicts};
use super::values::job_id;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For spreadsheets
    Csv,
    /// For programs
    Json,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Columns: phase, row (of the export, from 0), task_id, name, pool, status,
outcome (created, adopted, updated; of an audit missing, changed, …),
resource_type, resource_id, resource_name, error_code, error_message,
request_id, attempts, polls, started_at, completed_at, changes. Passphrases
are in no column.

The file appears when the report is whole: a download that breaks off leaves
none.

Examples:
  phaseline report 0197… --output report.csv
  phaseline report 0197… --status FAILED,UNKNOWN --output failed.csv
  phaseline report 0197… --format json \\
      | jq '.rows[] | select(.outcome == \"adopted\") | .name'")]
pub struct Report {
    /// The job's id
    #[arg(value_parser = job_id, value_hint = ValueHint::Other)]
    pub job: Uuid,
    /// Form of the report; by default that of the ending of FILE, else csv (with --json: json)
    #[arg(long)]
    format: Option<Format>,
    /// Write it to this file instead of standard output
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Only tasks in one of these states, e.g. FAILED,UNKNOWN
    #[arg(long, value_name = "STATUS", ignore_case = true, value_delimiter = ',', value_parser = task_states())]
    status: Vec<String>,
    /// Only tasks of this phase, e.g. create_passphrases
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    phase: Option<String>,
    /// Of an audit: only tasks with one of these verdicts, e.g. missing,changed
    #[arg(long, value_name = "VERDICT", ignore_case = true, value_delimiter = ',', value_parser = verdicts())]
    verdict: Vec<String>,
}

impl Report {
    pub fn format(&self, is_json: bool) -> Format {
        let ends_in_json = |file: &PathBuf| file.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        match (self.format, &self.output) {
            (Some(format), _) => format,
            (None, Some(file)) if ends_in_json(file) => Format::Json,
            (None, None) if is_json => Format::Json,
            (None, _) => Format::Csv,
        }
    }

    pub fn query(&self, format: Format) -> Vec<(&'static str, String)> {
        let mut query = vec![("format", format.name().to_owned())];
        query.extend(joined(&self.status).map(|s| ("status", s)));
        query.extend(self.phase.clone().map(|p| ("phase", p)));
        query.extend(judged(&self.verdict).map(|v| ("verdict", v)));
        query
    }
}
