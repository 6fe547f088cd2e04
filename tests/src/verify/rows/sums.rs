//! Whether the sums a job tells are those of its rows, and its state follows from them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::expect::Expected;
use super::super::{rows, text};
use super::Case;

const COUNTED: [(&str, &str); 5] = [
    ("completed", "COMPLETED"),
    ("failed", "FAILED"),
    ("skipped", "SKIPPED"),
    ("unknown", "UNKNOWN"),
    ("cancelled", "CANCELLED"),
];

fn same(what: &str, told: &Value, counted: usize, faults: &mut Vec<String>) {
    if told.as_u64() != Some(counted as u64) {
        faults.push(format!("{what} is told as {told}, and the rows have {counted}"));
    }
}

pub fn check(case: &Case<'_>, expected: &Expected, faults: &mut Vec<String>) {
    let (job, tasks) = (case.job, case.tasks);
    let count = |phase: Option<&str>, status: &str| {
        let of = tasks
            .iter()
            .filter(|task| phase.is_none_or(|phase| text(task, "phase") == phase));
        of.filter(|task| text(task, "status") == status).count()
    };
    // of a phase that could not be planned, or was not any more, no row tells; the sum has what was foreseen of it
    let is_unplanned =
        text(job, "status") == "CANCELLED" || rows(job, "phases").iter().any(|phase| phase["error"].is_string());
    for (field, status) in COUNTED {
        if field != "cancelled" || !is_unplanned {
            same(
                &format!("summary.{field}"),
                &job["summary"][field],
                count(None, status),
                faults,
            );
        }
        for phase in rows(job, "phases") {
            let id = text(phase, "id");
            same(
                &format!("{id}: tasks.{field}"),
                &phase["tasks"][field],
                count(Some(id), status),
                faults,
            );
        }
    }
    resources(job, tasks, faults);
    for phase in rows(job, "phases") {
        let (id, status) = (text(phase, "id"), text(phase, "status"));
        let bad = count(Some(id), "FAILED") + count(Some(id), "UNKNOWN");
        let is_explained = bad > 0 || phase["error"].as_str().is_some_and(|error| error.contains(' '));
        if status == "FAILED" && !is_explained {
            faults.push(format!("phase {id} is FAILED and says not why"));
        }
        // a phase that could not be planned has no rows, and one that was cut short may have none
        let is_whole = !matches!(status, "FAILED" | "CANCELLED") || !tasks.iter().all(|task| text(task, "phase") != id);
        let wanted = expected.keys.len() + expected.skipped.len();
        let there = tasks.iter().filter(|task| text(task, "phase") == id).count();
        if id == "create_passphrases" && is_whole && there != wanted {
            faults.push(format!("the export has {wanted} rows, and the job {there}"));
        }
    }
    state(job, count(None, "FAILED") + count(None, "UNKNOWN"), faults);
}

/// Kind → created, adopted, updated.
fn resources(job: &Value, tasks: &[Value], faults: &mut Vec<String>) {
    const ORIGINS: [&str; 3] = ["created", "adopted", "updated"];
    let mut sums: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for made in tasks
        .iter()
        .map(|task| &task["output_data"])
        .filter(|made| made.is_object())
    {
        let kind = match text(made, "type") {
            "policy" => "policies".to_owned(),
            "prioritized_policy" => "prioritized_policies".to_owned(),
            kind => format!("{kind}s"),
        };
        if let Some(at) = ORIGINS.iter().position(|origin| text(made, "origin") == *origin) {
            sums.entry(kind).or_default()[at] += 1;
        }
    }
    for told in [&job["summary"]["resources"], &job["created_resources"]["totals"]] {
        let kinds = told.as_object().into_iter().flatten().map(|(kind, _)| kind.clone());
        for kind in kinds
            .chain(sums.keys().cloned())
            .collect::<std::collections::BTreeSet<_>>()
        {
            let counted = sums.get(&kind).copied().unwrap_or_default();
            for (origin, counted) in ORIGINS.iter().zip(counted) {
                same(&format!("{kind} {origin}"), &told[&kind][origin], counted, faults);
            }
        }
    }
}

fn state(job: &Value, bad: usize, faults: &mut Vec<String>) {
    let failed = rows(job, "phases")
        .iter()
        .filter(|phase| text(phase, "status") == "FAILED");
    let failed: Vec<bool> = failed.map(|phase| phase["critical"] == true).collect();
    let status = text(job, "status");
    let is_right = match status {
        "COMPLETED" => bad == 0 && failed.is_empty(),
        "PARTIAL" => (bad > 0 || !failed.is_empty()) && !failed.contains(&true),
        "FAILED" => failed.contains(&true) || text(job, "truncation") == "TIMEOUT",
        "CANCELLED" => true,
        _ => false,
    };
    if !is_right {
        faults.push(format!(
            "the job is {status} with {bad} failed or unknown rows and {} failed phases",
            failed.len()
        ));
    }
    let told = job["errors_total"].as_u64().unwrap_or_default() as usize;
    if told < bad {
        faults.push(format!("the job tells of {told} errors, and {bad} rows have one"));
    }
}
