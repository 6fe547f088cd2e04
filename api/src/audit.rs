//! From a job to the job that looks whether what it left behind is still so, and what that has found.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use shared::id::{JobId, TenantId};
use shared::job::Steer;
use shared::job::audit::{AuditFacts, AuditOrder, FIRST_MAX, Verdict};
use shared::store::model::{JobView, NewJob, NotTakenUp, TakesUp, TaskView};
use shared::store::{Store, StoreError};
use shared::workflow::{Definition, catalog};

use crate::error::{Kind, Problem};
use crate::import::{self, Accepted};
use crate::state::State;
use crate::views::AuditView;

/// Beside the reading of keys: each phase lists what is there.
const SECONDS_AT_LEAST: u64 = 10;
/// Keys on a page of a pool's list.
const PAGE: u64 = 500;

/// What is asked for.
pub struct Audit {
    pub of: JobId,
    pub tenant: TenantId,
    /// Who asks.
    pub by: String,
    /// The caller's key and the hash of the body.
    pub idempotency: Option<(String, [u8; 32])>,
}

/// The job that is to be audited, and the workflow that does it.
async fn judge(state: &State, audit: &Audit) -> Result<(JobView, &'static Definition), Problem> {
    let (store, tenant, of) = (state.store()?, &audit.tenant, audit.of);
    let gone = || Problem::no_such_job(&of.to_string());
    let spec = store.job_spec(store.partition_of(tenant), of).await?.ok_or_else(gone)?;
    let job = store.job(tenant, of).await?.ok_or_else(gone)?;
    let conflict = |detail: String| Err(Problem::new(Kind::Conflict, detail));
    if spec.definition.is_plan() {
        return conflict(format!("job {of} only planned, and left nothing behind"));
    }
    if let Some(audited) = job.audit_of {
        return conflict(format!("job {of} is an audit itself; audit job {audited} once more"));
    }
    if let Some(cleaned) = job.cleanup_of {
        return conflict(format!(
            "job {of} is a cleanup; audit job {cleaned}: what was deleted is missing then"
        ));
    }
    let Some(workflow) = catalog::audit_of(&job.workflow) else {
        return conflict(format!(
            "what jobs of workflow `{}` leave behind is not audited",
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

/// Of a relative that is being worked on: what it changes meanwhile would be told as a finding.
fn under_way(why: NotTakenUp, of: JobId) -> Problem {
    let detail = match why {
        NotTakenUp::Retrying(id) => format!("job {id} is a retry of the same import and has not ended"),
        NotTakenUp::Cleaning(id) => {
            format!("job {id} is a cleanup of the same import, or of a retry of it, and has not ended")
        }
        other => return import::not_taken_up(other, of, "audited"),
    };
    Problem::new(Kind::Conflict, detail)
}

/// Judges and submits. To be called in a task of its own, so that a caller who hangs up does not stop it half way.
pub async fn accept(state: Arc<State>, audit: Audit) -> Result<Accepted, Problem> {
    let (store, tenant, of) = (state.store()?.clone(), &audit.tenant, audit.of);
    // looked at before the key is: what the same key made in between is the answer, and not in its own way
    let refused = store.not_taken_up(tenant, of, Steer::Audit).await?;
    if let Some(then) = import::accepted_before(&store, tenant, audit.idempotency.as_ref()).await? {
        return Ok(then);
    }
    if let Some(why) = refused {
        return Err(import::not_taken_up(why, of, "audited"));
    }
    let (job, workflow) = judge(&state, &audit).await?;
    let stood = store.stand(tenant, of).await?;
    let family = store.family(tenant, of).await?;
    if let Some(why) = family.under_way {
        return Err(under_way(why, of));
    }
    let order = AuditOrder {
        audit_of: of,
        kin: family.kin,
        cleanups: Some(family.cleanups),
        stood,
    };
    let items = job.counts.total();
    let per_minute = state
        .controllers
        .current()
        .for_tenant(job.controller, tenant)
        .map_or(1, |c| u64::from(c.limits.calls_per_minute).max(1));
    let predicted = SECONDS_AT_LEAST + (items.div_ceil(PAGE) * 60).div_ceil(per_minute);
    let input_meta = serde_json::to_value(order).map_err(|_| Problem::internal())?;
    let new = NewJob {
        id: JobId::generate(),
        tenant: audit.tenant,
        controller: job.controller,
        venue_id: job.venue_id,
        workflow: Cow::Borrowed(workflow),
        options: json!({}),
        input_meta,
        input_chunks: 0,
        expected_tasks: items,
        timeout_seconds: import::timeout(&state, None, predicted),
        predicted_seconds: predicted,
        failure_budget_percent: None,
        submitted_by: audit.by,
        idempotency: audit.idempotency,
        require_confirmation: false,
        ttl_seconds: state.engine.job_ttl.as_secs(),
        takes_up: Some(TakesUp::Audit(of)),
        plan_reads: None,
        pinned_to: None,
    };
    import::submit(&store, &new).await
}

/// What an audit has found, or has so far; none: the job is no audit. The first rows of each finding take a round trip for each phase that
/// has any.
pub async fn found(store: &Store, job: &JobView) -> Result<Option<AuditView>, StoreError> {
    if job.audit_of.is_none() {
        return Ok(None);
    }
    let Some(known) = store.known_job(&job.tenant, job.id).await? else {
        return Ok(None);
    };
    let mut first: BTreeMap<Verdict, Vec<TaskView>> = BTreeMap::new();
    for phase in &job.phases {
        let Some(facts) = AuditFacts::of(&phase.facts) else {
            continue;
        };
        let wanted = facts.first.iter().flat_map(|(verdict, places)| {
            let room = FIRST_MAX.saturating_sub(first.get(verdict).map_or(0, Vec::len));
            places.iter().take(room).copied()
        });
        let places: Vec<u32> = wanted.collect();
        for task in store.tasks_at(&known, &phase.id, &places).await? {
            if let Some(verdict) = task.verdict() {
                first.entry(verdict).or_default().push(task);
            }
        }
    }
    Ok(Some(AuditView::of(job, first)))
}
