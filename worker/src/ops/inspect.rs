//! Looking, and nothing else.

use anyhow::bail;
use serde_json::{Value, json};
use shared::id::{JobId, PhaseId};
use shared::store::model::Counts;
use shared::store::{DeadLetter, LISTED_MAX, LaneFigures, Store, UnitView, WorkerFigures};

use super::{place, print, time};

/// Workers of a partition that are listed.
const WORKERS_MAX: usize = 1_000;

pub async fn job(store: &Store, id: JobId) -> anyhow::Result<()> {
    let partition = place(store, id).await?;
    let Some(tenant) = store.tenant_of(id).await? else {
        bail!("there is no job {id}");
    };
    let Some(job) = store.job(&tenant, id).await? else {
        bail!("there is no job {id}");
    };
    let (units, total) = store.units(partition, id).await?;
    let phases = job.phases.iter().map(|phase| {
        json!({"id": phase.id, "status": phase.status, "tasks": counts(&phase.counts), "error": phase.error.as_ref().map(|e| &e.code)})
    });
    print(&json!({
        "id": job.id, "key": partition.job(id), "tenant": job.tenant, "controller": job.controller, "venue": job.venue_id,
        "workflow": job.workflow, "status": job.status, "pause_reason": job.pause_reason, "truncation": job.truncation,
        "created_at": time(job.created_ms), "started_at": job.started_ms.map(time), "updated_at": time(job.updated_ms),
        "completed_at": job.completed_ms.map(time), "deadline_at": job.deadline_ms.map(time), "limited_by": job.limited_by,
        "resume_of": job.resume_of, "retried_by": job.retried_by, "retries": job.retries, "tasks": counts(&job.counts), "errors_total": job.errors_total,
        "phases": phases.collect::<Vec<_>>(), "units": units.iter().map(unit).collect::<Vec<_>>(), "units_total": total,
    }))
}

pub async fn batch(store: &Store, job: JobId, phase: PhaseId, batch: i64) -> anyhow::Result<()> {
    let partition = place(store, job).await?;
    let (units, total) = store.units(partition, job).await?;
    match units.iter().find(|u| u.phase == phase && u.batch == batch) {
        Some(found) => print(&unit(found)),
        None if total > LISTED_MAX => bail!("not among the first {LISTED_MAX} of {total} batches that have not ended"),
        None => bail!("batch {batch} of {phase} has not been released, or has ended"),
    }
}

fn unit(unit: &UnitView) -> Value {
    let mut shown = json!(unit);
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("due_ms");
        shown.insert("due_at".to_owned(), json!(unit.due_ms.map(time)));
    }
    shown
}

fn counts(counts: &Counts) -> Value {
    json!({"total": counts.total(), "completed": counts.completed, "failed": counts.failed, "skipped": counts.skipped,
        "unknown": counts.unknown, "cancelled": counts.cancelled})
}

pub async fn stream(store: &Store) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for partition in store.partitions() {
        let found = store.partition(partition).await?;
        all.push(json!({"stream": found.stream, "group": found.group, "entries": found.figures.stream_entries, "waiting": found.figures.waiting_entries,
            "in_flight": found.figures.in_flight_entries, "parked": found.figures.parked, "dead_letters": found.figures.dead_letters,
            "jobs_unfinished": found.jobs_unfinished, "lanes": found.lanes.iter().map(lane).collect::<Vec<_>>(),
            "lanes_total": found.lanes_total}));
    }
    print(&all)
}

fn lane(lane: &LaneFigures) -> Value {
    json!({"tenant": lane.tenant, "controller": lane.controller, "queued": lane.queued, "in_stream": lane.in_stream,
        "parked": lane.parked, "jobs_paused": lane.jobs_paused, "jobs_to_confirm": lane.jobs_to_confirm, "cool_ms": lane.cool_ms,
        "down": lane.outage})
}

pub async fn consumers(store: &Store) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for partition in store.partitions() {
        let found = store.workers(partition, "", WORKERS_MAX).await?;
        all.extend(found.iter().map(worker));
    }
    print(&all)
}

fn worker(worker: &WorkerFigures) -> Value {
    json!({"id": worker.id, "partition": worker.partition.0, "alive": worker.is_alive, "seen_at": worker.seen_ms.map(time),
        "slots": worker.slots, "busy": worker.busy, "pending": worker.pending, "idle_ms": worker.idle_ms,
        "version": worker.version, "pid": worker.pid})
}

pub async fn dead_letters(store: &Store, job: Option<JobId>) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for partition in store.partitions() {
        let wanted = |letter: &DeadLetter| match (job, &letter.unit) {
            (Some(job), unit) => unit.as_ref().is_some_and(|unit| unit.job == job),
            (None, _) => true,
        };
        all.extend(store.dead_letters(partition, None, LISTED_MAX, wanted).await?);
    }
    let told = all.iter().map(|letter| {
        let (mut told, advice) = (serde_json::to_value(letter)?, letter.replay.advice());
        told["replayable"] = advice.is_none().into();
        told["advice"] = json!(advice);
        Ok(told)
    });
    print(&told.collect::<Result<Vec<Value>, serde_json::Error>>()?)
}
