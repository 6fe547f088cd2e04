//! Printing: JSON to standard output when asked for, else words; complaints to standard error.

use std::io::{self, Write};

use serde_json::Value;

use crate::exit::Failure;
use crate::text;
use crate::wire::Problem;

/// Faults printed in words; `--json` prints all that came.
const FAULTS_SHOWN: usize = 100;

#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub json: bool,
    /// Columns of the terminal; none: there is none, and lines are as long as they are.
    pub width: Option<usize>,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Output {
            json,
            width: text::width(),
        }
    }

    /// One JSON document on one line.
    pub fn document(self, value: &Value) {
        self.plain(&text::visible_json(&value.to_string()));
    }

    /// A line of words to standard output, broken where the terminal ends.
    pub fn line(self, line: &str) {
        for part in text::wrapped(&text::visible(line), self.width) {
            self.plain(&part);
        }
    }

    /// A line that is laid out already and holds nothing that steers a terminal.
    pub fn plain(self, line: &str) {
        self.bytes(line.as_bytes());
        self.bytes(b"\n");
    }

    /// As they are. A reader that has seen enough (`| head`) ends the command quietly.
    #[expect(
        clippy::disallowed_methods,
        reason = "nobody reads on; a report that goes to standard output has no file to clean up"
    )]
    pub fn bytes(self, bytes: &[u8]) {
        let mut out = io::stdout().lock();
        // standard output is flushed at every line end by itself
        if let Err(e) = out
            .write_all(bytes)
            .and_then(|()| if bytes.ends_with(b"\n") { out.flush() } else { Ok(()) })
        {
            if e.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("phaseline: standard output: {e}");
            }
            std::process::exit(if e.kind() == io::ErrorKind::BrokenPipe { 0 } else { 1 });
        }
    }

    /// Words to standard error.
    pub fn complain(self, words: &str) {
        for part in text::wrapped(&text::visible(words), self.width) {
            eprintln!("{part}");
        }
    }

    pub fn failure(self, failure: &Failure) {
        if self.json {
            self.document(&failure.as_json());
            return;
        }
        if let Failure::Answered(problem) = failure
            && let [one] = problem.errors.as_slice()
            && one.detail == problem.detail
        {
            // a single fault is the whole story: once is enough
            self.complain(&format!("phaseline: {}: {} [{}]", one.place(), one.detail, one.code));
            return;
        }
        match failure {
            // the API's words point to a list that is printed below
            Failure::Answered(p) if p.errors.len() > 1 && p.detail.ends_with("listed in errors") => {
                self.complain(&format!("phaseline: {} faults; nothing was changed:", p.errors_total));
            }
            _ => self.complain(&format!("phaseline: {failure}")),
        }
        if let Failure::Answered(problem) = failure {
            for fault in problem.errors.iter().take(FAULTS_SHOWN) {
                self.complain(&format!("  {}: {} [{}]", fault.place(), fault.detail, fault.code));
            }
            difference(problem).iter().for_each(|line| self.complain(line));
            let more = problem.errors_total.saturating_sub(FAULTS_SHOWN as u64);
            if more > 0 {
                self.complain(&format!("  … and {more} more; --json prints what the API listed"));
            }
        }
    }
}

/// Rows of a difference printed in words; `--json` prints all that came.
const ROWS_SHOWN: usize = 20;

/// What has changed since a plan was made, in lines.
fn difference(problem: &Problem) -> Vec<String> {
    let Some(difference) = &problem.difference else {
        return Vec::new();
    };
    let planned = difference
        .planned
        .iter()
        .map(|planned| format!("  planned: {}", planned.words()));
    let mut lines: Vec<String> = planned
        .chain([format!("  now:     {}", difference.now.words())])
        .collect();
    for row in difference.rows.iter().take(ROWS_SHOWN) {
        let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "nothing".to_owned());
        let (planned, now) = (word(&row.planned), word(&row.now));
        let change = match planned == now {
            true => format!("{planned}, of another object or with other fields"),
            false => format!("{planned} → {now}"),
        };
        lines.push(format!("  {} ({}): {change}", row.name, row.phase));
    }
    let more = difference
        .rows_total
        .saturating_sub(difference.rows.len().min(ROWS_SHOWN) as u64);
    if more > 0 {
        lines.push(format!("  … and {more} more; --json prints what the API listed"));
    }
    if let Some(hash) = &difference.now_hash {
        lines.push(format!("  to do what it would do now: --option plan_hash={hash}"));
    }
    lines
}
