//! Commits a finished batch: outcomes, sums and a sample of errors in one script call; then the failure budget.

use std::collections::BTreeMap;

use shared::blob;
use shared::job::TaskStatus;
use shared::job::outcome::{Origin, Outcome};
use shared::store::StoreError;
use shared::store::model::{BatchResult, Completed, ErrorView};

use super::batch::Mode;
use super::core::{now_ms, persist};
use super::executor::{Aborted, Run};
use super::facts;

/// Errors of one batch that are kept with the job; all are in the task list.
const ERRORS_SAMPLE: usize = 5;
/// The failure budget is judged from so many settled tasks on: one failure of two is no trend.
const BUDGET_FROM_SETTLED: u64 = 20;

pub async fn commit(run: &mut Run) -> Result<(), Aborted> {
    let names = run.batch.tasks.iter().map(|t| (t.input.index, t.input.name.as_str()));
    let mut result = result(run.batch.outcomes(), run.held.unit.phase.as_str(), &names.collect())?;
    result.facts = facts::bounded(run.facts.take(), &run.held.unit);
    if matches!(run.mode(), Mode::Poison | Mode::Bury) {
        result.dead_letter = Some("workers kept crashing on it".to_owned());
    }
    let (store, p, held) = (&run.core.store, run.partition, &run.held);
    let done = persist!(
        run.core,
        "complete",
        held.lost,
        store.complete(p, &held.unit, &held.token, &result)
    )?;
    if !matches!(done, Completed::Lost) {
        run.release_names().await;
    }
    match done {
        Completed::Ok {
            failed,
            settled,
            expected,
        } => {
            let m = &run.core.metrics;
            m.batches_completed.inc();
            m.tasks_done.inc_by(result.done + result.skipped);
            m.tasks_failed.inc_by(result.failed);
            m.tasks_unknown.inc_by(result.unknown);
            if let Some(budget) = run.spec.failure_budget_percent
                && over_budget(budget, failed, settled, expected)
            {
                let controller = run.core.controller_in_words(run.spec.controller);
                let reason = format!(
                    "{controller}: {failed} of {settled} tasks that have ended failed, more than the failure budget of {budget} % of {expected}; look at the errors and correct what they have in common, then resume the job, or cancel it and retry with corrected rows"
                );
                run.pause(&reason).await;
            }
            Ok(())
        }
        Completed::Before => Ok(()),
        Completed::Lost => {
            run.core.metrics.writes_fenced.inc();
            Err(Aborted::Lost)
        }
    }
}

/// What is committed of a batch's final outcomes. `names`: the tasks', by index.
pub(super) fn result(
    mut outcomes: Vec<Outcome>,
    phase: &str,
    names: &BTreeMap<u32, &str>,
) -> Result<BatchResult, StoreError> {
    outcomes.sort_by_key(|o| o.index);
    // decided when they were planned: they began and ended with their batch
    for o in outcomes.iter_mut().filter(|o| o.ended_ms.is_none()) {
        (o.started_ms, o.ended_ms) = (o.started_ms.or(Some(now_ms())), Some(now_ms()));
    }
    let mut result = sums(&outcomes, phase, names);
    result.blob = blob::pack(&outcomes)?;
    Ok(result)
}

/// More failures than the budget allows of all tasks expected.
fn over_budget(percent: f64, failed: u64, settled: u64, expected: u64) -> bool {
    settled >= BUDGET_FROM_SETTLED && failed as f64 > percent * expected.max(settled) as f64 / 100.0
}

fn sums(outcomes: &[Outcome], phase: &str, names: &BTreeMap<u32, &str>) -> BatchResult {
    let mut r = BatchResult::default();
    for o in outcomes {
        match o.status {
            TaskStatus::Completed => r.done += 1,
            TaskStatus::Skipped => r.skipped += 1,
            TaskStatus::Cancelled => r.cancelled += 1,
            TaskStatus::Unknown => r.unknown += 1,
            // a batch is only committed when every task is settled
            TaskStatus::Failed | TaskStatus::Pending | TaskStatus::InProgress | TaskStatus::Polling => r.failed += 1,
        }
        // also of a task that failed after it created something: a cleanup must find it
        if let Some(res) = &o.resource {
            let origin = match res.origin {
                Origin::Created => "c",
                Origin::Adopted => "a",
                Origin::Updated => "u",
                Origin::Deleted => "d",
            };
            *r.resources.entry(format!("{}|{origin}", res.kind)).or_default() += 1;
        }
        if let (Some(e), TaskStatus::Failed | TaskStatus::Unknown) = (&o.error, o.status) {
            r.errors_total += 1;
            if r.errors.len() < ERRORS_SAMPLE {
                let name = names.get(&o.index).copied().unwrap_or_default();
                let message = if name.is_empty() {
                    e.message.clone()
                } else {
                    format!("{name}: {}", e.message)
                };
                r.errors.push(ErrorView {
                    code: e.code.clone(),
                    message,
                    phase: Some(phase.to_owned()),
                    task: Some(o.index.to_string()),
                    request_id: o.request_id.clone(),
                    status: e.status,
                });
            }
        }
    }
    r
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::job::outcome::{Resource, TaskError};

    #[test]
    fn every_outcome_is_counted_once() {
        let res = |origin| {
            Some(Resource {
                kind: "x".into(),
                id: "1".into(),
                name: String::new(),
                origin,
            })
        };
        let outcomes = [
            Outcome::completed(0, res(Origin::Created)),
            Outcome::completed(1, res(Origin::Adopted)),
            Outcome::completed(2, None),
            Outcome::failed(3, TaskError::new("A", "no")),
            Outcome::skipped(4, TaskError::new("B", "why")),
            Outcome::new(5, TaskStatus::Unknown),
            Outcome::new(6, TaskStatus::Cancelled),
        ];
        let r = sums(&outcomes, "p", &BTreeMap::from([(3, "user3")]));
        assert_eq!((r.done, r.failed, r.skipped, r.unknown, r.cancelled), (3, 1, 1, 1, 1));
        assert_eq!(
            r.resources,
            BTreeMap::from([("x|a".to_owned(), 1), ("x|c".to_owned(), 1)])
        );
        assert_eq!(r.errors[0].message, "user3: no");
    }

    #[test]
    fn the_budget_is_judged_on_all_that_is_expected_and_not_too_early() {
        assert!(!over_budget(5.0, 10, 19, 100));
        assert!(!over_budget(5.0, 5, 20, 100));
        assert!(over_budget(5.0, 6, 20, 100));
    }
}
