//! Reading back what a job has stored: its input, its planned tasks, and its outcomes.

use std::collections::HashMap;

use super::keys::Partition;
use super::{Store, StoreError};
use crate::id::{JobId, PhaseId, Unit};

/// Blobs of a batch.
pub struct StoredBatch {
    pub tasks: Vec<u8>,
    /// AEAD box of the secret column; empty when there is none.
    pub secrets: Vec<u8>,
    /// Absent: it was never settled, so nothing of it was sent.
    pub outcomes: Option<Vec<u8>>,
}

/// A batch of a job that may not have ended.
pub struct StandingBatch {
    pub batch: StoredBatch,
    /// Of its tasks, by index, while it is not settled.
    pub checkpoints: HashMap<u32, String>,
    /// Its phase has ended: what is not settled never will be.
    pub has_ended: bool,
}

impl Store {
    /// Outcome blobs of a phase, a page at a time: (batch, blob), and the cursor to go on from (`0` at the end).
    pub async fn scan_outcomes(
        &self,
        p: Partition,
        job: JobId,
        phase: &PhaseId,
        cursor: &str,
    ) -> Result<(Vec<(i64, Vec<u8>)>, String), StoreError> {
        let (key, cursor) = (p.job_part(job, &format!("out:{phase}")), cursor.to_owned());
        let (next, flat): (String, Vec<Vec<u8>>) = self
            .redis
            .run(p, |mut c| async move {
                redis::cmd("HSCAN")
                    .arg(key)
                    .arg(cursor)
                    .arg("COUNT")
                    .arg(20)
                    .query_async(&mut c)
                    .await
            })
            .await?;
        let pairs = flat
            .chunks_exact(2)
            .filter_map(|kv| String::from_utf8_lossy(&kv[0]).parse().ok().map(|b| (b, kv[1].clone())))
            .collect();
        Ok((pairs, next))
    }

    /// A batch of a phase as it was planned, and what came of it; none: there is no such batch.
    pub async fn batch(&self, p: Partition, u: &Unit) -> Result<Option<StoredBatch>, StoreError> {
        let part = |name: &str| p.job_part(u.job, &format!("{name}:{}", u.phase));
        let (input, secrets, outcomes, batch) = (part("in"), part("sec"), part("out"), u.batch);
        type Found = (Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);
        let (tasks, secrets, outcomes): Found = self
            .redis
            .run(p, |mut c| async move {
                redis::pipe()
                    .hget(input, batch)
                    .hget(secrets, batch)
                    .hget(outcomes, batch)
                    .query_async(&mut c)
                    .await
            })
            .await?;
        Ok(tasks.map(|tasks| StoredBatch {
            tasks,
            secrets: secrets.unwrap_or_default(),
            outcomes,
        }))
    }

    /// The same, of a job that may not have ended. None as well while the phase is being planned: what is there may be thrown away.
    pub async fn standing_batch(&self, p: Partition, u: &Unit) -> Result<Option<StandingBatch>, StoreError> {
        let part = |name: &str| p.job_part(u.job, &format!("{name}:{}", u.phase));
        let (phase, checkpoints) = (part("ph"), format!("{}:{}", part("ck"), u.batch));
        // the checkpoints before the outcomes: what is settled in between is seen as settled
        let (state, checkpoints): (Option<String>, HashMap<u32, String>) = self
            .redis
            .run(p, |mut c| async move {
                redis::pipe()
                    .hget(phase, "st")
                    .hgetall(checkpoints)
                    .query_async(&mut c)
                    .await
            })
            .await?;
        let has_ended = match state.as_deref() {
            None | Some("PENDING" | "PLANNING") => return Ok(None),
            Some(state) => state != "RUNNING",
        };
        let batch = self.batch(p, u).await?;
        Ok(batch.map(|batch| StandingBatch {
            batch,
            checkpoints,
            has_ended,
        }))
    }

    /// One chunk of the job's input: rows' blob and sealed secrets.
    pub async fn input_chunk(
        &self,
        p: Partition,
        job: JobId,
        chunk: u32,
    ) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
        let (input, secrets) = (p.job_part(job, "input"), p.job_part(job, "inputsec"));
        let (rows, sealed): (Option<Vec<u8>>, Option<Vec<u8>>) = self
            .redis
            .run(p, |mut c| async move {
                redis::pipe()
                    .hget(input, chunk)
                    .hget(secrets, chunk)
                    .query_async(&mut c)
                    .await
            })
            .await?;
        Ok(rows.map(|r| (r, sealed.unwrap_or_default())))
    }
}
