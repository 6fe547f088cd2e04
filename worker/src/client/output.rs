//! Printing: JSON to standard output when asked for, else words; complaints to standard error.

use std::io::{self, Write};

use serde_json::Value;

use crate::exit::Failure;

/// Faults printed in words; `--json` prints all that came.
const FAULTS_SHOWN: usize = 100;

#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// One JSON document on one line.
    pub fn document(self, value: &Value) {
        self.line(&value.to_string());
    }

    /// A line to standard output. A reader that has seen enough (`| head`) ends the command quietly.
    #[expect(
        clippy::disallowed_methods,
        reason = "nobody reads on; the command owns nothing to clean up"
    )]
    pub fn line(self, text: &str) {
        let mut out = io::stdout().lock();
        if let Err(e) = writeln!(out, "{text}").and_then(|()| out.flush()) {
            std::process::exit(if e.kind() == io::ErrorKind::BrokenPipe { 0 } else { 1 });
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
            eprintln!("phaseline: {}: {} [{}]", one.place(), one.detail, one.code);
            return;
        }
        match failure {
            // the API's words point to a list that is printed below
            Failure::Answered(p) if p.errors.len() > 1 && p.detail.ends_with("listed in errors") => {
                eprintln!("phaseline: {} faults; nothing was changed:", p.errors_total);
            }
            _ => eprintln!("phaseline: {failure}"),
        }
        if let Failure::Answered(problem) = failure {
            for fault in problem.errors.iter().take(FAULTS_SHOWN) {
                eprintln!("  {}: {} [{}]", fault.place(), fault.detail, fault.code);
            }
            let more = problem.errors_total.saturating_sub(FAULTS_SHOWN as u64);
            if more > 0 {
                eprintln!("  … and {more} more; --json prints what the API listed");
            }
        }
    }
}
