//! What the import left behind, by its own word: the tasks of its phases, and what became of them.

use std::collections::{HashMap, HashSet};

use shared::id::{JobId, PhaseId};
use shared::job::TaskStatus;
use shared::job::cleanup::CleanupOrder;
use shared::job::outcome::{Origin, Resource};
use shared::store::StoreError;

use crate::executors::{Context, Past, PlanError};

/// By what right something is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim<'a> {
    /// The import has made it, and knows it.
    Made(&'a Resource),
    /// It was not there, a write was sent, and nobody knows what became of it: ours only where it is what was sent.
    Perhaps,
}

/// None: nothing that may be deleted came of the task.
pub fn claim(past: &Past) -> Option<Claim<'_>> {
    let outcome = &past.outcome;
    match &outcome.resource {
        Some(resource) if resource.origin == Origin::Created => Some(Claim::Made(resource)),
        None if outcome.status == TaskStatus::Unknown && past.task.input.preset.is_none() => Some(Claim::Perhaps),
        _ => None,
    }
}

/// What the job is asked to do.
pub fn order(cx: &Context) -> Result<CleanupOrder, PlanError> {
    // perhaps a later version accepted the job: another worker may read what this one can't
    let unreadable =
        || PlanError::Elsewhere("what is to be cleaned up can't be read by this version of the worker".into());
    CleanupOrder::of(&cx.spec.input).ok_or_else(unreadable)
}

/// A phase's id.
fn phase(name: &str) -> Result<PhaseId, StoreError> {
    name.parse()
        .map_err(|e: shared::id::BadName| StoreError::Corrupt(e.to_string()))
}

/// Goes through the tasks of a phase of a job, a batch in memory at a time.
pub struct Walk<'a> {
    cx: &'a Context,
    job: JobId,
    phase: PhaseId,
    batch: u32,
}

impl<'a> Walk<'a> {
    pub fn of(cx: &'a Context, job: JobId, name: &str) -> Result<Self, StoreError> {
        Ok(Walk {
            cx,
            job,
            phase: phase(name)?,
            batch: 0,
        })
    }

    /// The tasks of the next batch.
    pub async fn next_whole(&mut self) -> Result<Option<Vec<Past>>, StoreError> {
        let batch = self.cx.input.past_batch(self.job, &self.phase, self.batch).await?;
        self.batch += 1;
        Ok(batch)
    }

    /// Those of them of which something may be ours.
    pub async fn next(&mut self) -> Result<Option<Vec<Past>>, StoreError> {
        let batch = self.next_whole().await?;
        Ok(batch.map(|all| all.into_iter().filter(|past| claim(past).is_some()).collect()))
    }

    /// All of them: of a phase that makes few things.
    pub async fn all(mut self) -> Result<Vec<Past>, StoreError> {
        let mut all = Vec::new();
        while let Some(batch) = self.next().await? {
            all.extend(batch);
        }
        Ok(all)
    }
}

/// What a phase of this cleanup has taken away, or would.
#[derive(Debug, Default)]
pub struct Gone {
    /// Ids of what was deleted.
    pub ids: HashSet<String>,
    /// Tasks that deleted it, and its id.
    pub deleted: HashMap<u32, String>,
    /// Tasks whose object was gone before.
    pub before: HashSet<u32>,
}

impl Gone {
    pub async fn of(cx: &Context, name: &str) -> Result<Self, StoreError> {
        let mut gone = Gone::default();
        let keep = &mut |outcome: shared::job::outcome::Outcome| {
            let was_gone = outcome
                .error
                .as_ref()
                .is_some_and(|e| e.code == super::executor::ALREADY_GONE);
            let deleted = outcome.resource.filter(|resource| resource.origin == Origin::Deleted);
            if let Some(resource) = deleted {
                gone.deleted.insert(outcome.index, resource.id.clone());
                gone.ids.insert(resource.id);
            } else if was_gone {
                gone.before.insert(outcome.index);
            }
        };
        cx.input.outcomes(&phase(name)?, keep).await?;
        Ok(gone)
    }
}
