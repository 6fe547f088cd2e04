//! All tasks of a job, a few batches at a time: for whoever reads a job from one end to the other in bounded memory.

use super::keys::Partition;
use super::model::{TaskFilter, TaskView};
use super::{KnownJob, Store, StoreError};
use crate::id::PhaseId;

/// Batches in memory at a time: a few hundred tasks.
const TOGETHER: u32 = 4;

/// A walk over a job's tasks, in the order of phases and rows. Each is told as it was when its batch was read.
pub struct TaskWalk {
    store: Store,
    known: KnownJob,
    partition: Partition,
    filter: TaskFilter,
    /// Those that are left, the current one last.
    phases: Vec<PhaseId>,
    batch: u32,
}

impl Store {
    pub fn walk_tasks(&self, known: &KnownJob, filter: TaskFilter) -> TaskWalk {
        let ids = known.definition().phases.iter().map(|p| &p.id);
        let wanted = ids.filter(|id| filter.phase.as_ref().is_none_or(|f| f == *id));
        TaskWalk {
            store: self.clone(),
            partition: self.partition_of(&known.pinned.tenant),
            known: known.clone(),
            phases: wanted.rev().cloned().collect(),
            filter,
            batch: 0,
        }
    }
}

impl TaskWalk {
    /// The next tasks, perhaps none of some batches; none at the end. What is missing is an error, never a shorter walk: the job may have
    /// reached the end of its time meanwhile.
    pub async fn next(&mut self) -> Result<Option<Vec<TaskView>>, StoreError> {
        loop {
            let Some(phase) = self.phases.last() else {
                return self.end().await.map(|()| None);
            };
            let at = self.batch;
            let found = self
                .store
                .batches(self.partition, self.known.id, phase, at, TOGETHER)
                .await?;
            self.batch += found.tasks.len() as u32;
            let is_end = found.tasks.len() < TOGETHER as usize;
            if is_end && self.batch < found.total {
                let (has, of) = (self.batch, found.total);
                return Err(StoreError::Corrupt(format!("{phase} has {has} of {of} batches")));
            }
            if is_end {
                self.phases.pop();
                self.batch = 0;
            }
            if !found.tasks.is_empty() {
                let tasks = found.tasks.into_iter().flatten();
                return Ok(Some(tasks.filter(|t| self.filter.takes(t)).collect()));
            }
        }
    }

    /// A job's keys end all at once, its hash with them: while it is there, nothing was missing.
    async fn end(&self) -> Result<(), StoreError> {
        let KnownJob { id, pinned } = &self.known;
        match self.store.job_status(&pinned.tenant, *id).await? {
            Some(_) => Ok(()),
            None => Err(StoreError::Corrupt(format!("job {id} went while it was read"))),
        }
    }
}
