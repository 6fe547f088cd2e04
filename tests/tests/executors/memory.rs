//! What is stored of a job, in memory: its input, its tasks, and what became of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use shared::id::{JobId, PhaseId};
use shared::job::TaskStatus;
use shared::job::cleanup::CleanupOrder;
use shared::job::outcome::Outcome;
use shared::secret::SecretString;
use shared::store::{JobSpec, StoreError};
use shared::workflow::catalog;
use worker::executors::{JobData, Past, Task};

use super::Job;

/// Tasks in a batch of the past.
const BATCH: usize = 7;

/// Rows of the input, and their secrets.
type Chunks = Vec<(Vec<u8>, Vec<Option<SecretString>>)>;

#[derive(Default)]
pub struct Memory {
    chunks: Chunks,
    ended: Mutex<HashMap<PhaseId, Vec<Past>>>,
    /// The job this one cleans up.
    past: Option<Arc<Memory>>,
}

impl Memory {
    pub fn of(chunks: Chunks) -> Self {
        Memory {
            chunks,
            ..Memory::default()
        }
    }

    fn after(past: &Arc<Memory>) -> Self {
        Memory {
            past: Some(past.clone()),
            ..Memory::default()
        }
    }

    pub fn keep(&self, phase: &PhaseId, tasks: &[Task], outcomes: &[Outcome]) {
        let past = tasks.iter().cloned().zip(outcomes.iter().cloned());
        let past = past.map(|(task, outcome)| Past { task, outcome }).collect();
        self.ended.lock().unwrap().insert(phase.clone(), past);
    }

    fn doubt(&self, phase: &str, name: &str) {
        let mut ended = self.ended.lock().unwrap();
        let past = ended.get_mut(&phase.parse().unwrap()).unwrap();
        let past = past.iter_mut().find(|past| past.task.input.name == name).unwrap();
        past.outcome = Outcome::new(past.outcome.index, TaskStatus::Unknown);
    }
}

#[async_trait]
impl JobData for Memory {
    async fn input_chunk(&self, chunk: u32) -> Result<Option<(Vec<u8>, Vec<Option<SecretString>>)>, StoreError> {
        Ok(self.chunks.get(chunk as usize).cloned())
    }

    async fn phases(&self) -> Result<Value, StoreError> {
        Ok(json!({}))
    }

    async fn outcomes(&self, phase: &PhaseId, each: &mut (dyn FnMut(Outcome) + Send)) -> Result<(), StoreError> {
        let all = self.ended.lock().unwrap().get(phase).cloned().unwrap_or_default();
        all.into_iter().map(|past| past.outcome).for_each(each);
        Ok(())
    }

    async fn past_batch(&self, _job: JobId, phase: &PhaseId, batch: u32) -> Result<Option<Vec<Past>>, StoreError> {
        let past = self.past.as_ref().expect("a job that cleans up another");
        let ended = past.ended.lock().unwrap();
        let mut batches = ended.get(phase).map_or(&[][..], Vec::as_slice).chunks(BATCH);
        Ok(batches.nth(batch as usize).map(<[Past]>::to_vec))
    }
}

impl<'w> Job<'w> {
    /// The cleanup of this job, accepted but not begun.
    pub fn cleanup(&self, force: bool) -> Job<'w> {
        let order = CleanupOrder {
            cleanup_of: self.spec.id,
            force,
            dry_run: false,
        };
        let spec = JobSpec {
            id: JobId::generate(),
            definition: catalog::find(catalog::CLOUDPATH_DPSK_CLEANUP).unwrap().clone(),
            options: Value::Null,
            input: json!(order),
            input_chunks: 0,
            ..(*self.spec).clone()
        };
        Job {
            world: self.world,
            spec: Arc::new(spec),
            data: Arc::new(Memory::after(&self.data)),
        }
    }

    /// The same job, its phases as a plan has them.
    pub fn dry(&self) -> Job<'w> {
        let spec = JobSpec {
            definition: self.spec.definition.for_plan(),
            ..(*self.spec).clone()
        };
        Job {
            world: self.world,
            spec: Arc::new(spec),
            data: self.data.clone(),
        }
    }

    /// Forgets what became of a task: its end is unknown.
    pub fn doubt(&self, phase: &str, name: &str) {
        self.data.doubt(phase, name);
    }
}
