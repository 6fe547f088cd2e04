//! The job's own data as executors see it: staged input, results of phases, outcomes. Opened with the payload key on the way.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use shared::blob;
use shared::id::{JobId, PhaseId, Unit};
use shared::job::TaskStatus;
use shared::job::audit::Stand;
use shared::job::outcome::{Checkpoint, Outcome};
use shared::job::task::TaskInput;
use shared::secret::SecretString;
use shared::store::{Family, JobSpec, StoreError};

use super::core::Core;
use crate::executors::{JobData, Past, Standing, Task};

pub struct StoredJob {
    pub core: Arc<Core>,
    pub spec: Arc<JobSpec>,
}

/// Place of a chunk's sealed column: the API seals with the same words.
pub fn chunk_place(spec: &JobSpec, chunk: u32) -> String {
    format!("{}|input|{chunk}", spec.id)
}

#[async_trait]
impl JobData for StoredJob {
    async fn input_chunk(&self, chunk: u32) -> Result<Option<(Vec<u8>, Vec<Option<SecretString>>)>, StoreError> {
        if chunk >= self.spec.input_chunks {
            return Ok(None);
        }
        let missing = || StoreError::Corrupt(format!("chunk {chunk} of the job's input is missing"));
        let found = self
            .core
            .store
            .input_chunk(self.spec.partition, self.spec.id, chunk)
            .await?;
        let (rows, sealed) = found.ok_or_else(missing)?;
        let json = blob::unpack_bytes(&rows)?;
        let count: Vec<serde::de::IgnoredAny> = serde_json::from_slice(&json)?;
        let secrets = self
            .core
            .sealer
            .open_column(&chunk_place(&self.spec, chunk), &sealed, count.len())
            .map_err(|e| StoreError::Corrupt(format!("secrets of input chunk {chunk}: {e}")))?;
        Ok(Some((json, secrets)))
    }

    async fn phases(&self) -> Result<Value, StoreError> {
        self.core.store.phase_results(&self.spec).await
    }

    async fn outcomes(&self, phase: &PhaseId, each: &mut (dyn FnMut(Outcome) + Send)) -> Result<(), StoreError> {
        let (store, p, job) = (&self.core.store, self.spec.partition, self.spec.id);
        let mut cursor = "0".to_owned();
        let mut seen = std::collections::HashSet::new();
        loop {
            let (page, next) = store.scan_outcomes(p, job, phase, &cursor).await?;
            for (batch, blob) in page {
                // HSCAN may give a field twice
                if seen.insert(batch) {
                    blob::unpack::<Vec<Outcome>>(&blob)?.into_iter().for_each(&mut *each);
                }
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    async fn past_batch(&self, job: JobId, phase: &PhaseId, batch: u32) -> Result<Option<Vec<Past>>, StoreError> {
        let (core, p) = (&self.core, self.spec.partition);
        // a job lives in the partition of its tenant, and that is another's as well
        let of = core.spec(p, job).await?.filter(|of| of.tenant == self.spec.tenant);
        if of.is_none() {
            return Err(StoreError::Corrupt(format!("job {job} is not stored any more")));
        }
        let unit = Unit {
            job,
            phase: phase.clone(),
            batch: batch.into(),
        };
        let Some(stored) = core.store.batch(p, &unit).await? else {
            return Ok(None);
        };
        let Some(outcomes) = stored.outcomes else {
            return Ok(Some(Vec::new()));
        };
        let inputs: Vec<TaskInput> = blob::unpack(&stored.tasks)?;
        let secrets = core
            .sealer
            .open_column(&unit.to_string(), &stored.secrets, inputs.len())
            .map_err(|e| StoreError::Corrupt(format!("secrets of {unit}: {e}")))?;
        let mut outcomes: HashMap<u32, Outcome> = blob::unpack::<Vec<Outcome>>(&outcomes)?
            .into_iter()
            .map(|outcome| (outcome.index, outcome))
            .collect();
        let past = inputs.into_iter().zip(secrets).filter_map(|(input, secret)| {
            let outcome = outcomes.remove(&input.index)?;
            let task = Task { input, secret };
            Some(Past { task, outcome })
        });
        Ok(Some(past.collect()))
    }

    async fn other_job(&self, job: JobId) -> Result<Option<(Arc<JobSpec>, Stand)>, StoreError> {
        let (core, tenant) = (&self.core, &self.spec.tenant);
        let of = core.spec(self.spec.partition, job).await?;
        let Some(of) = of.filter(|of| of.tenant == *tenant) else {
            return Ok(None);
        };
        let stand = core.store.stand(tenant, job).await?;
        Ok(stand.map(|stand| (of, stand)))
    }

    async fn family(&self, job: JobId) -> Result<Family, StoreError> {
        self.core.store.family(&self.spec.tenant, job).await
    }

    async fn standing_batch(
        &self,
        job: JobId,
        phase: &PhaseId,
        batch: u32,
    ) -> Result<Option<Vec<Standing>>, StoreError> {
        let (core, p) = (&self.core, self.spec.partition);
        if self.other_job(job).await?.is_none() {
            return Err(StoreError::Corrupt(format!("job {job} is not stored any more")));
        }
        let unit = Unit {
            job,
            phase: phase.clone(),
            batch: batch.into(),
        };
        let Some(found) = core.store.standing_batch(p, &unit).await? else {
            return Ok(None);
        };
        let inputs: Vec<TaskInput> = blob::unpack(&found.batch.tasks)?;
        let secrets = core
            .sealer
            .open_column(&unit.to_string(), &found.batch.secrets, inputs.len())
            .map_err(|e| StoreError::Corrupt(format!("secrets of {unit}: {e}")))?;
        let settled: Vec<Outcome> = found.batch.outcomes.map_or(Ok(Vec::new()), |b| blob::unpack(&b))?;
        let mut settled: HashMap<u32, Outcome> = settled.into_iter().map(|o| (o.index, o)).collect();
        let standing = inputs.into_iter().zip(secrets).map(|(input, secret)| {
            let index = input.index;
            let known = found.checkpoints.get(&index).map(|text| Checkpoint::from_stored(text));
            let is_begun = known.is_some();
            let done = match known {
                Some(Checkpoint::Done { outcome }) => Some(*outcome),
                _ => None,
            };
            let outcome = settled.remove(&index).or(done).or_else(|| input.preset.clone());
            // cut short before it was released
            let cut = (found.has_ended && !is_begun).then(|| Outcome::new(index, TaskStatus::Cancelled));
            Standing {
                outcome: outcome.or(cut),
                task: Task { input, secret },
                is_begun,
            }
        });
        Ok(Some(standing.collect()))
    }
}
