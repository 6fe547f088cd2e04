//! From an ended job to the job that takes away what it made.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};
use shared::id::{JobId, TenantId};
use shared::job::Steer;
use shared::job::cleanup::CleanupOrder;
use shared::store::model::{JobView, NewJob, TakesUp};
use shared::workflow::{Definition, catalog};

use crate::error::{Kind, Problem};
use crate::import::{self, Accepted};
use crate::state::State;

/// Beside its calls: each phase lists what is there, and waits for its last activities.
const SECONDS_AT_LEAST: u64 = 10;

/// What is asked for.
pub struct Cleanup {
    pub order: CleanupOrder,
    pub tenant: TenantId,
    /// Who asks.
    pub by: String,
    /// The caller's key and the hash of the body.
    pub idempotency: Option<(String, [u8; 32])>,
}

/// The job that is to be cleaned up, and the workflow that does it. A job that has not ended, or is being taken up otherwise, is a
/// conflict, and so is one that made nothing a cleanup knows of.
async fn judge(state: &State, cleanup: &Cleanup) -> Result<(JobView, &'static Definition), Problem> {
    let (store, tenant, of) = (state.store()?, &cleanup.tenant, cleanup.order.cleanup_of);
    let gone = || Problem::no_such_job(&of.to_string());
    let spec = store.job_spec(store.partition_of(tenant), of).await?.ok_or_else(gone)?;
    let job = store.job(tenant, of).await?.ok_or_else(gone)?;
    let conflict = |detail: String| Err(Problem::new(Kind::Conflict, detail));
    if spec.definition.is_plan() {
        return conflict(format!("job {of} only planned, and made nothing"));
    }
    if let Some(cleaned) = job.cleanup_of {
        return conflict(format!(
            "job {of} is a cleanup itself; clean up job {cleaned} once more"
        ));
    }
    if let Some(audited) = job.audit_of {
        return conflict(format!("job {of} is an audit and made nothing; clean up job {audited}"));
    }
    let Some(workflow) = catalog::cleanup_of(&job.workflow) else {
        return conflict(format!(
            "what jobs of workflow `{}` make is not cleaned up",
            job.workflow
        ));
    };
    if state.controllers.current().for_tenant(job.controller, tenant).is_none() {
        return conflict(format!(
            "its controller {} is not there for this tenant any more",
            job.controller
        ));
    }
    Ok((job, workflow))
}

/// Whether a job may be cleaned up now.
async fn may_be_cleaned(state: &State, tenant: &TenantId, of: JobId) -> Result<Option<Problem>, Problem> {
    let refused = state.store()?.not_taken_up(tenant, of, Steer::Cleanup).await?;
    Ok(refused.map(|why| import::not_taken_up(why, of, "cleaned up")))
}

/// Judges and submits. To be called in a task of its own, so that a caller who hangs up does not stop it half way.
pub async fn accept(state: Arc<State>, cleanup: Cleanup) -> Result<Accepted, Problem> {
    let (store, tenant, of) = (state.store()?.clone(), &cleanup.tenant, cleanup.order.cleanup_of);
    // looked at before the key is: what the same key made in between is the answer, and not in its own way
    let refused = may_be_cleaned(&state, tenant, of).await?;
    if let Some(then) = import::accepted_before(&store, tenant, cleanup.idempotency.as_ref()).await? {
        return Ok(then);
    }
    if let Some(problem) = refused {
        return Err(problem);
    }
    let (job, workflow) = judge(&state, &cleanup).await?;
    let made: u64 = job.resources.values().map(|n| n.created).sum();
    let per_minute = state
        .controllers
        .current()
        .for_tenant(job.controller, tenant)
        .map(|c| c.limits.calls_per_minute);
    let predicted = SECONDS_AT_LEAST + (made as f64 * 60.0 / f64::from(per_minute.unwrap_or(1).max(1))).ceil() as u64;
    let input_meta = serde_json::to_value(cleanup.order).map_err(|_| Problem::internal())?;
    let new = NewJob {
        id: JobId::generate(),
        tenant: cleanup.tenant,
        controller: job.controller,
        venue_id: job.venue_id,
        workflow: match cleanup.order.dry_run {
            true => Cow::Owned(workflow.for_plan()),
            false => Cow::Borrowed(workflow),
        },
        options: json!({"force": cleanup.order.force, "dry_run": cleanup.order.dry_run}),
        input_meta,
        input_chunks: 0,
        expected_tasks: made,
        timeout_seconds: import::timeout(&state, None, predicted),
        predicted_seconds: predicted,
        failure_budget_percent: None,
        submitted_by: cleanup.by,
        idempotency: cleanup.idempotency,
        require_confirmation: false,
        ttl_seconds: state.engine.job_ttl.as_secs(),
        takes_up: Some(TakesUp::Cleanup(of)),
        // its answer has what it would delete
        plan_reads: None,
        pinned_to: None,
    };
    import::submit(&store, &new).await
}

/// What stays where nothing is to be deleted: the job, if it might be cleaned up.
pub async fn keep(state: &State, cleanup: &Cleanup) -> Result<JobView, Problem> {
    match may_be_cleaned(state, &cleanup.tenant, cleanup.order.cleanup_of).await? {
        Some(problem) => Err(problem),
        None => Ok(judge(state, cleanup).await?.0),
    }
}

/// What the phases of a cleanup have left alone, by kind.
pub fn kept(job: &JobView) -> impl Iterator<Item = (&str, u64)> {
    let kept = job.phases.iter().filter_map(|phase| phase.facts["kept"].as_object());
    kept.flatten()
        .filter_map(|(kind, n): (&String, &Value)| Some((kind.as_str(), n.as_u64()?)))
}
