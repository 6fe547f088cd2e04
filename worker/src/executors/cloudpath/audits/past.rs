//! What the audited job should have left behind, by its own word: its plan, its tasks, and what became of them.

use serde::Deserialize;
use shared::cloudpath::ImportPlan;
use shared::id::{JobId, PhaseId};
use shared::job::audit::AuditOrder;
use shared::job::outcome::{Origin, Resource, TaskError};
use shared::job::{Steer, TaskStatus};
use shared::store::{Family, StoreError};

use super::super::compare::{Differences, PASSPHRASE};
use super::super::differences::LeftField;
use super::super::staged::{LEFT, LEFT_AS_IS, import_plan};
use crate::executors::{Context, PlanError, Standing};

/// What is to be expected of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected<'a> {
    /// What it made, found or changed is there. `by`: how it came to be so.
    There {
        what: Option<&'a Resource>,
        by: &'static str,
    },
    /// Its write was sent, and nobody knows what became of it.
    Perhaps,
    /// The job has not come to it yet, or not seen what became of it.
    Pending { is_begun: bool },
    /// The job says itself that it made nothing: why.
    Nothing(String),
}

/// Pure.
pub fn expected(task: &Standing) -> Expected<'_> {
    let Some(outcome) = &task.outcome else {
        return Expected::Pending {
            is_begun: task.is_begun,
        };
    };
    let what = outcome.resource.as_ref().filter(|made| made.origin != Origin::Deleted);
    match (outcome.status, what) {
        (TaskStatus::Completed, what) => {
            let by = match what.map(|made| made.origin) {
                Some(Origin::Adopted) => "adopted",
                Some(Origin::Updated) => "updated",
                _ => "created",
            };
            Expected::There { what, by }
        }
        // it made something, and says that it is not as it should be
        (TaskStatus::Failed | TaskStatus::Unknown, Some(_)) => Expected::There { what, by: "failed" },
        (TaskStatus::Unknown, None) => Expected::Perhaps,
        (status, _) => {
            let code = outcome
                .error
                .as_ref()
                .map_or(String::new(), |e| format!(" ({})", e.code));
            Expected::Nothing(format!(
                "the job did not make it: its task is {}{code}",
                status.as_str()
            ))
        }
    }
}

/// In which fields what was there differed and was left as it was, in words.
pub fn accepted(task: &Standing) -> &str {
    task.task.input.data[LEFT_AS_IS].as_str().unwrap_or_default()
}

/// Pure: what of it differs from what the job left, and what is to be said of that.
pub fn since(task: &Standing, differences: Differences) -> (Differences, Option<&'static str>) {
    const CHANGED: &str = "the job found it other than in the export and left it so; it was changed since";
    const NOT_KEPT: &str = "its passphrase was another than in the export when the job found it and left it so; whether it was changed since \
                            can't be told, for the job has not kept what it was";
    let is_secret = differences.has(PASSPHRASE);
    match Vec::<LeftField>::deserialize(&task.task.input.data[LEFT]) {
        Ok(left) => {
            let since = differences.since(&left);
            let note = (!since.is_empty()).then_some(CHANGED);
            (since, note)
        }
        // an earlier version has only said so in words
        Err(_) => {
            let since = differences.without(accepted(task));
            let note = (is_secret && !since.has(PASSPHRASE)).then_some(NOT_KEPT);
            (since, note)
        }
    }
}

/// Pure: what the audit was not told of when it was accepted, and what it is. One of an earlier version was not told of all there was.
fn begun_since(order: &AuditOrder, now: &Family) -> Option<(JobId, &'static str)> {
    let cleanups = order.cleanups.as_ref()?;
    let retry = now.kin.iter().find(|job| !order.kin.contains(job));
    let cleanup = now.cleanups.iter().find(|job| !cleanups.contains(job));
    let retry = retry.map(|job| (*job, "a retry of the same import"));
    retry.or_else(|| cleanup.map(|job| (*job, "a cleanup of the same import")))
}

/// The job that is audited.
pub struct Audited<'a> {
    cx: &'a Context,
    pub order: AuditOrder,
    pub plan: ImportPlan,
}

fn gone(job: JobId) -> StoreError {
    StoreError::Corrupt(format!("job {job} is not stored any more"))
}

impl<'a> Audited<'a> {
    pub async fn read(cx: &'a Context) -> Result<Self, PlanError> {
        // perhaps a later version accepted the job: another worker may read what this one can't
        let unreadable =
            || PlanError::Elsewhere("what is to be audited can't be read by this version of the worker".into());
        let order = AuditOrder::of(&cx.spec.input).ok_or_else(unreadable)?;
        let (spec, _) = cx
            .input
            .other_job(order.audit_of)
            .await?
            .ok_or_else(|| gone(order.audit_of))?;
        let plan = import_plan(&spec)?;
        Ok(Audited { cx, order, plan })
    }

    /// A job that was paused may have been resumed while it was looked at, and one that has ended may have been retried or cleaned up.
    pub async fn stands_still(&self, cx: &Context) -> Result<(), PlanError> {
        let job = self.order.audit_of;
        let (_, stand) = cx.input.other_job(job).await?.ok_or_else(|| gone(job))?;
        let went_on = |message| Err(PlanError::Refused(TaskError::new("WENT_ON_MEANWHILE", message)));
        let status = stand.status.as_str();
        if !stand.status.allows(Steer::Audit) {
            return went_on(format!(
                "job {job} went on while it was looked at: it is {status}; audit it again when it is paused or has ended"
            ));
        }
        // one of an earlier version does not say
        if self.order.stood.is_some_and(|stood| stood != stand) {
            return went_on(format!(
                "job {job} went on while it was looked at, and is {status} now; audit it again"
            ));
        }
        match begun_since(&self.order, &cx.input.family(job).await?) {
            Some((other, what)) => went_on(format!(
                "job {other}, {what}, was started while job {job} was being audited, so that what it did would be told as missing, changed \
                 or extra; audit job {job} again when job {other} has ended"
            )),
            None => Ok(()),
        }
    }

    /// The tasks of a phase of the import, a batch in memory at a time.
    pub fn tasks(&self, phase: &str) -> Result<Walk<'a>, StoreError> {
        self.tasks_of(self.order.audit_of, phase)
    }

    /// The same of a job that is kin of it.
    pub fn tasks_of(&self, job: JobId, phase: &str) -> Result<Walk<'a>, StoreError> {
        let phase = phase
            .parse()
            .map_err(|e: shared::id::BadName| StoreError::Corrupt(e.to_string()))?;
        Ok(Walk {
            cx: self.cx,
            job,
            phase,
            batch: 0,
        })
    }
}

/// Goes through the tasks of a phase.
pub struct Walk<'a> {
    cx: &'a Context,
    job: JobId,
    phase: PhaseId,
    batch: u32,
}

impl Walk<'_> {
    pub async fn next(&mut self) -> Result<Option<Vec<Standing>>, StoreError> {
        let batch = self.cx.input.standing_batch(self.job, &self.phase, self.batch).await?;
        self.batch += 1;
        Ok(batch)
    }

    /// All of them: of a phase that makes few things.
    pub async fn all(mut self) -> Result<Vec<Standing>, StoreError> {
        let mut all = Vec::new();
        while let Some(batch) = self.next().await? {
            all.extend(batch);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::job::outcome::Outcome;

    use super::*;
    use crate::executors::Task;

    fn standing(outcome: Option<Outcome>, is_begun: bool) -> Standing {
        let input = serde_json::from_value(json!({"i": 7, "n": "anna"})).unwrap();
        Standing {
            task: Task { input, secret: None },
            outcome,
            is_begun,
        }
    }

    fn ended(status: TaskStatus, origin: Option<&str>) -> Standing {
        let mut outcome = Outcome::new(7, status);
        outcome.resource = origin.map(|a| serde_json::from_value(json!({"t": "x", "d": "k", "a": a})).unwrap());
        standing(Some(outcome), true)
    }

    #[test]
    fn what_is_to_be_expected_follows_from_what_became_of_the_task() {
        use TaskStatus::*;
        let by = |task: &Standing| match expected(task) {
            Expected::There { by, .. } => by.to_owned(),
            Expected::Nothing(_) => "nothing".to_owned(),
            other => format!("{other:?}"),
        };
        for (status, origin, wanted) in [
            (Completed, Some("c"), "created"),
            (Completed, Some("a"), "adopted"),
            (Completed, Some("u"), "updated"),
            (Completed, None, "created"),
            (Failed, Some("c"), "failed"),
            (Failed, None, "nothing"),
            (Skipped, None, "nothing"),
            (Cancelled, None, "nothing"),
            (Unknown, None, "Perhaps"),
        ] {
            assert_eq!(by(&ended(status, origin)), wanted, "{status:?} {origin:?}");
        }
        let pending = |is_begun| expected(&standing(None, is_begun)) == Expected::Pending { is_begun };
        assert!(pending(true) && pending(false));
    }
}
