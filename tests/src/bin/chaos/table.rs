//! The summary: what was done to the fleet, and what became of the work.

use std::collections::BTreeMap;

use crate::kinds::Kind;
use crate::story::result;
use crate::tally::Repeated;
use crate::verdict::Verdict;

/// Faults of one sort that are told one by one.
const SHOWN: usize = 20;

pub struct Injected {
    pub seed: u64,
    pub minutes: f64,
    pub counts: BTreeMap<Kind, usize>,
    /// Processes that ended although nobody killed them, and were started again.
    pub ended: usize,
    /// What could not be done, with its reason.
    pub in_vain: Vec<String>,
}

pub fn tell(injected: &Injected, verdict: &Verdict, repeated: Repeated) {
    let row = |name: &str, value: &dyn std::fmt::Display| result(&format!("{name:<40} {value:>8}"));
    result("");
    row("fault", &"injected");
    for (kind, count) in &injected.counts {
        row(kind.name(), count);
    }
    row("faults", &injected.counts.values().sum::<usize>());
    result("");
    row("imports", &verdict.imports);
    for (steering, count) in &verdict.steered {
        row(&format!("  {}", steering.name()), count);
    }
    row("jobs", &verdict.jobs);
    for (status, count) in &verdict.ended {
        row(&format!("  {status}"), count);
    }
    row("tasks", &verdict.tasks);
    row("keys", &verdict.keys);
    row("keys right in the end", &verdict.keys_right);
    row(
        "re-executions",
        &(repeated.reclaimed + repeated.repaired + verdict.attempts),
    );
    row("  batches taken over", &repeated.reclaimed);
    row("  lost units queued again", &repeated.repaired);
    row("  further attempts at tasks", &verdict.attempts);
    row("late writes that were fenced", &repeated.fenced);
    row("processes that ended by themselves", &injected.ended);
    row("failed", &verdict.failed);
    row("unknown", &verdict.unknown);
    row("dead letters", &verdict.dead_letters);
    row("lost", &verdict.lost.len());
    row("duplicated", &verdict.duplicated.len());
    row("otherwise wrong", &verdict.wrong.len());
    for (what, faults) in [
        ("NOT INJECTED", &injected.in_vain),
        ("LOST", &verdict.lost),
        ("DUPLICATED", &verdict.duplicated),
        ("WRONG", &verdict.wrong),
    ] {
        for fault in faults.iter().take(SHOWN) {
            result(&format!("{what} {fault}"));
        }
        if faults.len() > SHOWN {
            result(&format!("{what} … {} in all", faults.len()));
        }
    }
    let total: usize = injected.counts.values().sum();
    // for machines as well
    result(&format!(
        "chaos seed {}, {} minutes: {total} faults of {} kinds, {} jobs, {} tasks, lost {}, duplicated {}, wrong {}",
        injected.seed,
        injected.minutes,
        injected.counts.len(),
        verdict.jobs,
        verdict.tasks,
        verdict.lost.len(),
        verdict.duplicated.len(),
        verdict.wrong.len()
    ));
}
