//! Whether the sums of a job and of its phases are whole, and every task is in its list once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const STATES: [&str; 5] = ["completed", "failed", "skipped", "unknown", "cancelled"];

fn number(counts: &Value, field: &str) -> u64 {
    counts[field].as_u64().unwrap_or_default()
}

/// Sums that are not their total, each in a sentence.
pub fn sums(job: &Value) -> Vec<String> {
    let sum = |counts: &Value| -> u64 { STATES.iter().map(|state| number(counts, state)).sum() };
    let mut faults = Vec::new();
    let (settled, total) = (sum(&job["summary"]), number(&job["summary"], "total_tasks"));
    if settled != total {
        faults.push(format!("{settled} of its {total} tasks have ended: {}", job["summary"]));
    }
    for phase in job["phases"].as_array().into_iter().flatten() {
        let (settled, total) = (sum(&phase["tasks"]), number(&phase["tasks"], "total"));
        if settled != total {
            faults.push(format!("{settled} of the {total} tasks of {} have ended", phase["id"]));
        }
    }
    faults
}

/// What the list of tasks has too few or too many of, each in a sentence: of every phase that was planned it has each task once, and of
/// others none. What was cancelled before it was planned, or while it was, only the job's sum tells.
pub fn left_out(job: &Value, tasks: &[Value]) -> Vec<String> {
    let mut listed: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for task in tasks {
        let (lines, ids) = listed.entry(task["phase"].as_str().unwrap_or_default()).or_default();
        *lines += 1;
        ids.extend(task["id"].as_str());
    }
    let mut faults = Vec::new();
    let (mut planned, mut cancelled) = (0, 0);
    for phase in job["phases"].as_array().into_iter().flatten() {
        let (lines, ids) = listed
            .remove(phase["id"].as_str().unwrap_or_default())
            .unwrap_or_default();
        let total = number(&phase["tasks"], "total");
        if ids.len() != lines || ids.len() as u64 != total {
            let (id, ids) = (&phase["id"], ids.len());
            faults.push(format!(
                "{lines} tasks of {id} are listed, {ids} different ones, of {total}"
            ));
        }
        planned += total;
        cancelled += number(&phase["tasks"], "cancelled");
    }
    faults.extend(
        listed
            .keys()
            .map(|phase| format!("tasks of {phase} are listed, which it does not have")),
    );
    let (total, told) = (
        number(&job["summary"], "total_tasks"),
        number(&job["summary"], "cancelled"),
    );
    let is_whole = planned == total && cancelled == told;
    let is_rest_cancelled = job["status"] != "COMPLETED" && planned <= total && cancelled + (total - planned) == told;
    if !is_whole && !is_rest_cancelled {
        faults.push(format!(
            "its phases have {planned} tasks, {cancelled} of them cancelled, and the job has {total}, {told} of them cancelled"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_in_a_sum_or_a_list_is_told() {
        let of = |completed: u64, unknown: u64| {
            json!({"summary": {"total_tasks": 3, "completed": completed, "unknown": unknown},
                "phases": [{"id": "keys", "tasks": {"total": 3, "completed": completed, "unknown": unknown}}]})
        };
        assert!(sums(&of(2, 1)).is_empty());
        assert_eq!(sums(&of(2, 0)).len(), 2);
        assert!(left_out(&of(2, 1), &tasks("keys", &["a", "b", "c"])).is_empty());
        assert_eq!(left_out(&of(2, 1), &tasks("keys", &["a", "b"])).len(), 1);
        assert_eq!(left_out(&of(2, 1), &tasks("keys", &["a", "b", "b"])).len(), 1);
        assert_eq!(left_out(&of(2, 1), &tasks("locks", &["a", "b", "c"])).len(), 2);
    }

    fn tasks(phase: &str, ids: &[&str]) -> Vec<Value> {
        ids.iter()
            .map(|id| json!({"id": id, "phase": phase, "status": "CANCELLED"}))
            .collect()
    }

    /// Two tasks were planned and one was cancelled; the phase after them, of one task, was not planned any more.
    #[test]
    fn a_cancelled_task_that_is_not_listed_is_no_task_that_was_never_planned() {
        let mut job = json!({"status": "CANCELLED", "summary": {"total_tasks": 3, "completed": 1, "cancelled": 2}, "phases": [
            {"id": "keys", "tasks": {"total": 2, "completed": 1, "cancelled": 1}},
            {"id": "audit", "tasks": {"total": 0, "cancelled": 0}},
        ]});
        let (all, one) = (tasks("keys", &["a", "b"]), tasks("keys", &["a"]));
        assert!(left_out(&job, &all).is_empty());
        assert_eq!(left_out(&job, &one).len(), 1);
        assert_eq!(left_out(&job, &[all.clone(), tasks("audit", &["c"])].concat()).len(), 1);
        job["status"] = "COMPLETED".into();
        assert_eq!(left_out(&job, &all).len(), 1, "nothing of it was cut short");
        (job["status"], job["summary"]["cancelled"]) = ("CANCELLED".into(), 1.into());
        assert_eq!(left_out(&job, &all).len(), 1, "a task has gone from the sums");
    }
}
