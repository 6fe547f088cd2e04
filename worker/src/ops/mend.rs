//! Mending by hand.

use anyhow::bail;
use serde_json::json;
use shared::id::{JobId, PhaseId, Unit, WorkerId};
use shared::store::{LetterId, Store};

use super::{place, print};

pub async fn requeue(store: &Store, job: JobId, phase: PhaseId, batch: i64) -> anyhow::Result<()> {
    let partition = place(store, job).await?;
    let unit = Unit { job, phase, batch };
    match store.requeue(partition, &unit).await? {
        Some(was) => print(&json!({"job": job, "phase": unit.phase, "batch": batch, "was": was, "state": "QUEUED"})),
        None => bail!(
            "batch {batch} of {} has not been released, or has ended: nothing was changed",
            unit.phase
        ),
    }
}

pub async fn drain(store: &Store, worker: &WorkerId) -> anyhow::Result<()> {
    match store.drain_worker(worker).await? {
        true => print(&json!({"worker": worker, "asked_to_stop": true})),
        false => bail!("no worker {worker} has shown itself lately; `inspect consumers` lists them"),
    }
}

pub async fn dismiss(store: &Store, letter: &LetterId) -> anyhow::Result<()> {
    let is_ours = store.partitions().any(|p| p == letter.partition);
    match is_ours && store.dismiss_letter(letter).await? {
        true => print(&json!({"letter": letter, "dismissed": true})),
        false => bail!("there is no dead letter {letter}; `dead-letters list` lists them"),
    }
}

pub async fn reconcile(store: &Store, job: JobId) -> anyhow::Result<()> {
    let partition = place(store, job).await?;
    let repairs = store.reconcile(partition, job).await?;
    print(&json!({"job": job, "repairs": repairs}))
}
