//! What is stored of a job, in memory: its input, its tasks, and what became of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use shared::id::{JobId, PhaseId};
use shared::job::audit::{AuditOrder, Stand};
use shared::job::cleanup::CleanupOrder;
use shared::job::outcome::Outcome;
use shared::job::{JobStatus, TaskStatus};
use shared::secret::SecretString;
use shared::store::{Family, JobSpec, StoreError};
use shared::workflow::catalog;
use worker::executors::{JobData, Past, Standing, Task};

use super::Job;

/// Tasks in a batch of the past.
const BATCH: usize = 7;

/// Rows of the input, and their secrets.
type Chunks = Vec<(Vec<u8>, Vec<Option<SecretString>>)>;

#[derive(Default)]
pub struct Memory {
    chunks: Chunks,
    ended: Mutex<HashMap<PhaseId, Vec<Past>>>,
    /// Tasks, by phase and name, that have not ended; whether something of them was sent.
    unended: Mutex<HashMap<(PhaseId, String), bool>>,
    /// Where it is said to stand; none: it has ended.
    stand: Mutex<Option<Stand>>,
    /// Its retries and cleanups.
    family: Mutex<Family>,
    /// The job this one cleans up or audits, and those that are its kin.
    past: Vec<(Arc<JobSpec>, Arc<Memory>)>,
}

impl Memory {
    pub fn of(chunks: Chunks) -> Self {
        Memory {
            chunks,
            ..Memory::default()
        }
    }

    fn after(past: Vec<(Arc<JobSpec>, Arc<Memory>)>) -> Self {
        Memory {
            past,
            ..Memory::default()
        }
    }

    fn of_job(&self, job: JobId) -> Option<&(Arc<JobSpec>, Arc<Memory>)> {
        self.past.iter().find(|(spec, _)| spec.id == job)
    }

    fn batch(&self, phase: &PhaseId, batch: u32) -> Option<Vec<Past>> {
        let ended = self.ended.lock().unwrap();
        let mut batches = ended.get(phase).map_or(&[][..], Vec::as_slice).chunks(BATCH);
        batches.nth(batch as usize).map(<[Past]>::to_vec)
    }

    pub fn keep(&self, phase: &PhaseId, tasks: &[Task], outcomes: &[Outcome]) {
        let past = tasks.iter().cloned().zip(outcomes.iter().cloned());
        let past = past.map(|(task, outcome)| Past { task, outcome }).collect();
        self.ended.lock().unwrap().insert(phase.clone(), past);
    }

    fn stand(&self) -> Stand {
        let ended = Stand {
            status: JobStatus::Completed,
            since_ms: Some(1),
        };
        self.stand.lock().unwrap().unwrap_or(ended)
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

    async fn past_batch(&self, job: JobId, phase: &PhaseId, batch: u32) -> Result<Option<Vec<Past>>, StoreError> {
        let (_, past) = self.of_job(job).expect("a job that cleans up another");
        Ok(past.batch(phase, batch))
    }

    async fn other_job(&self, job: JobId) -> Result<Option<(Arc<JobSpec>, Stand)>, StoreError> {
        Ok(self.of_job(job).map(|(spec, past)| (spec.clone(), past.stand())))
    }

    async fn family(&self, job: JobId) -> Result<Family, StoreError> {
        let (_, past) = self.of_job(job).expect("a job that audits another");
        Ok(past.family.lock().unwrap().clone())
    }

    async fn standing_batch(
        &self,
        job: JobId,
        phase: &PhaseId,
        batch: u32,
    ) -> Result<Option<Vec<Standing>>, StoreError> {
        let (_, past) = self.of_job(job).expect("a job that audits another");
        let Some(all) = past.batch(phase, batch) else {
            return Ok(None);
        };
        let unended = past.unended.lock().unwrap();
        let standing = |past: Past| {
            let begun = unended.get(&(phase.clone(), past.task.input.name.clone())).copied();
            Standing {
                outcome: Some(past.outcome).filter(|_| begun.is_none()),
                is_begun: begun.unwrap_or(true),
                task: past.task,
            }
        };
        Ok(Some(all.into_iter().map(standing).collect()))
    }
}

impl<'w> Job<'w> {
    /// The cleanup of this job, accepted but not begun.
    pub fn cleanup(&self, force: bool) -> Job<'w> {
        self.cleanup_beside(force, &[])
    }

    /// The same where it has these retries.
    pub fn cleanup_beside(&self, force: bool, kin: &[&Job<'w>]) -> Job<'w> {
        let ids: Vec<JobId> = kin.iter().map(|job| job.spec.id).collect();
        self.has_family(&ids, &[]);
        let all = std::iter::once(self).chain(kin.iter().copied());
        let past = all.map(|job| (job.spec.clone(), job.data.clone())).collect();
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
            data: Arc::new(Memory::after(past)),
        }
    }

    /// The audit of this job, accepted but not begun. `kin`: its retries.
    pub fn audit(&self, kin: &[&Job<'w>]) -> Job<'w> {
        let order = AuditOrder {
            audit_of: self.spec.id,
            kin: kin.iter().map(|job| job.spec.id).collect(),
            cleanups: Some(self.data.family.lock().unwrap().cleanups.clone()),
            stood: Some(self.data.stand()),
        };
        let spec = JobSpec {
            id: JobId::generate(),
            definition: catalog::find(catalog::CLOUDPATH_DPSK_AUDIT).unwrap().clone(),
            options: Value::Null,
            input: json!(order),
            input_chunks: 0,
            ..(*self.spec).clone()
        };
        let known = [self].into_iter().chain(kin.iter().copied());
        let past = known.map(|job| (job.spec.clone(), job.data.clone())).collect();
        Job {
            world: self.world,
            spec: Arc::new(spec),
            data: Arc::new(Memory::after(past)),
        }
    }

    /// Says of a task that it has not ended. `is_begun`: something of it was sent.
    pub fn unend(&self, phase: &str, name: &str, is_begun: bool) {
        let key = (phase.parse().unwrap(), name.to_owned());
        self.data.unended.lock().unwrap().insert(key, is_begun);
    }

    /// Says in which state the job is now, and since when.
    pub fn stands_at(&self, status: JobStatus, since_ms: u64) {
        let since_ms = Some(since_ms);
        *self.data.stand.lock().unwrap() = Some(Stand { status, since_ms });
    }

    /// Says which retries and cleanups of it there are now.
    pub fn has_family(&self, kin: &[JobId], cleanups: &[JobId]) {
        let mut family = self.data.family.lock().unwrap();
        (family.kin, family.cleanups) = (kin.to_vec(), cleanups.to_vec());
    }

    /// The same audit as a version accepted it that was not told this.
    pub fn not_told(self, what: &str) -> Job<'w> {
        let mut spec = (*self.spec).clone();
        spec.input.as_object_mut().unwrap().remove(what).unwrap();
        Job {
            spec: Arc::new(spec),
            ..self
        }
    }

    /// Forgets what was left as it was, but for the words: as jobs of earlier versions stored it.
    pub fn forget_what_was_left(&self, phase: &str) {
        let mut ended = self.data.ended.lock().unwrap();
        let all = ended.get_mut(&phase.parse().unwrap()).unwrap();
        for past in all.iter_mut().filter_map(|past| past.task.input.data.as_object_mut()) {
            past.remove("left");
        }
    }

    /// Forgets the passphrases of a phase, as jobs of earlier versions did of keys they found.
    pub fn forget_secrets(&self, phase: &str) {
        let mut ended = self.data.ended.lock().unwrap();
        let all = ended.get_mut(&phase.parse().unwrap()).unwrap();
        all.iter_mut().for_each(|past| past.task.secret = None);
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

    /// Forgets what became of all that a phase wrote.
    pub fn doubt_all(&self, phase: &str) {
        let mut ended = self.data.ended.lock().unwrap();
        let all = ended.get_mut(&phase.parse().unwrap()).unwrap();
        for past in all.iter_mut().filter(|past| past.task.input.preset.is_none()) {
            past.outcome = Outcome::new(past.outcome.index, TaskStatus::Unknown);
        }
    }

    /// Forgets what became of a task: its end is unknown.
    pub fn doubt(&self, phase: &str, name: &str) {
        self.data.doubt(phase, name);
    }
}
