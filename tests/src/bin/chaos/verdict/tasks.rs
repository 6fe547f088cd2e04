//! Whether the sums of a job and of its phases are whole, and every task is in its list once.

use std::collections::BTreeSet;

use serde_json::Value;

const STATES: [&str; 5] = ["completed", "failed", "skipped", "unknown", "cancelled"];

/// Sums that are not their total, each in a sentence.
pub fn sums(job: &Value) -> Vec<String> {
    let number = |counts: &Value, field: &str| counts[field].as_u64().unwrap_or_default();
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

/// Whether the list of tasks has each task of the job once. Of what was cancelled before it was planned only the sum tells.
pub fn left_out(job: &Value, tasks: &[Value]) -> Option<String> {
    let ids: BTreeSet<&str> = tasks.iter().filter_map(|task| task["id"].as_str()).collect();
    let total = job["summary"]["total_tasks"].as_u64().unwrap_or_default();
    let cancelled = tasks.iter().filter(|task| task["status"] == "CANCELLED").count() as u64;
    let never_planned = match job["status"] == "CANCELLED" {
        true => job["summary"]["cancelled"]
            .as_u64()
            .unwrap_or_default()
            .saturating_sub(cancelled),
        false => 0,
    };
    let is_whole = ids.len() == tasks.len() && ids.len() as u64 + never_planned == total;
    (!is_whole).then(|| {
        format!(
            "{} tasks are listed, {} different ones, of {total}",
            tasks.len(),
            ids.len()
        )
    })
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
        let tasks = |ids: &[&str]| ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>();
        assert_eq!(left_out(&of(2, 1), &tasks(&["a", "b", "c"])), None);
        assert!(left_out(&of(2, 1), &tasks(&["a", "b"])).is_some());
        assert!(left_out(&of(2, 1), &tasks(&["a", "b", "b"])).is_some());
        let mut cut_short = of(2, 0);
        cut_short["status"] = "CANCELLED".into();
        assert!(left_out(&cut_short, &tasks(&["a", "b"])).is_some());
        cut_short["summary"]["cancelled"] = 1.into();
        assert_eq!(left_out(&cut_short, &tasks(&["a", "b"])), None);
    }
}
