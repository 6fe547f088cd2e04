//! What time brings: due parked units, deadlines, progress, stalled jobs, consumers of dead workers; and the small notes of what
//! limits each job here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::id::JobId;
use shared::store::{Partition, PlanChecked};

use super::core::Core;
use super::throttle::Bound;

const EVERY_MAX: Duration = Duration::from_millis(500);
const NOTE_EVERY: Duration = Duration::from_secs(1);
const PLANS_EVERY: Duration = Duration::from_secs(2);
const REAP_EVERY: Duration = Duration::from_secs(60);
/// A consumer that read nothing for so long and owns nothing is dropped, if its worker is off the list.
const REAP_IDLE_MS: u64 = 120_000;

/// Until the worker stops.
pub async fn run(core: Arc<Core>, p: Partition) {
    let mut cursor = String::new();
    // a job is stalled when nobody has touched it for longer than any take-over takes
    let stall_ms = (core.settings.lock_ttl * 2).as_millis() as u64;
    let (mut noted, mut reaped, mut looked) = (Instant::now(), Instant::now(), Instant::now());
    let mut pause = EVERY_MAX;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause.mul_f64(0.8 + 0.4 * rand::random::<f64>())) => {}
            () = core.stopping.cancelled() => return,
        }
        pause = EVERY_MAX;
        match core.store.tick(p, stall_ms, &cursor).await {
            Ok(tick) => {
                cursor = tick.index_cursor;
                if let Some(due) = tick.next_due_ms {
                    pause = Duration::from_millis(due.max(20)).min(EVERY_MAX);
                }
                for job in tick.stalled {
                    mend(&core, p, job).await;
                }
            }
            Err(e) => tracing::debug!(error = %e, "tick failed"),
        }
        if noted.elapsed() >= NOTE_EVERY {
            noted = Instant::now();
            note(&core, p).await;
        }
        if looked.elapsed() >= PLANS_EVERY {
            looked = Instant::now();
            check_plans(&core, p).await;
        }
        if reaped.elapsed() >= REAP_EVERY {
            reaped = Instant::now();
            match core.store.reap(p, REAP_IDLE_MS).await {
                Ok(gone) if !gone.is_empty() => {
                    tracing::info!(consumers = ?gone, "consumers of workers that are gone dropped")
                }
                _ => {}
            }
        }
    }
}

/// Jobs that are to follow a plan, and whose submitter has not come back to look what became of it.
async fn check_plans(core: &Core, p: Partition) {
    let due = match core.store.plan_checks_due(p).await {
        Ok(due) => due,
        Err(e) => return tracing::debug!(error = %e, "held jobs whose plans are checked not read"),
    };
    for (tenant, job) in due {
        match core.store.check_plan(&tenant, job).await {
            Ok(PlanChecked::NotYet(_) | PlanChecked::Nothing) => {}
            Ok(came) => tracing::info!(job = %job, ?came, "a job's plan was made anew"),
            Err(e) => tracing::warn!(job = %job, error = %e, "a job's plan could not be looked at"),
        }
    }
}

async fn mend(core: &Core, p: Partition, job: JobId) {
    match core.store.reconcile(p, job).await {
        Ok(0) => {}
        Ok(n) => {
            core.metrics.repairs.inc_by(n);
            tracing::warn!(job = %job, repairs = n, "a stalled job's lost work was found and queued again");
        }
        Err(e) => tracing::warn!(job = %job, error = %e, "a stalled job could not be looked at"),
    }
}

/// What limits each job held here, and what its lane's controller allows.
async fn note(core: &Core, p: Partition) {
    let mut jobs = BTreeMap::new();
    for held in core.active.all().into_iter().filter(|h| h.partition == p) {
        jobs.insert(held.unit.job, ());
    }
    let mut notes = Vec::new();
    for job in jobs.into_keys() {
        let Ok(Some(spec)) = core.spec(p, job).await else {
            continue;
        };
        let Some(throttle) = core.throttle(spec.controller) else {
            continue;
        };
        let what = match throttle.bound() {
            Bound::Rate => "controller_rate",
            Bound::Concurrency => "controller_concurrency",
            Bound::CoolDown => "cool_down",
            Bound::Nothing => "polling",
        };
        notes.push((job, what));
        let lane = shared::id::Lane::new(&spec.tenant, spec.controller);
        if let Err(e) = core.store.set_lane_rate(p, &lane, throttle.rate()).await {
            tracing::debug!(error = %e, "lane's rate not noted");
        }
    }
    if let Err(e) = core.store.note_limits(p, &notes).await {
        tracing::debug!(error = %e, "limits not noted");
    }
}
