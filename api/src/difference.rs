//! What has changed between a plan that somebody has seen and the same plan made anew.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;
use shared::id::{JobId, PhaseId, TenantId};
use shared::store::model::{JobFilter, JobView, Scope, TaskFilter, TaskView};
use shared::store::{Store, StoreError};
use shared::workflow::plan::Planned;
use utoipa::ToSchema;

use crate::error::Problem;
use crate::openapi::words::PlannedWord;
use crate::views::{PlannedView, planned_totals};

/// Rows that are listed; all are counted.
const ROWS_SHOWN: usize = 100;
/// Plans looked through for the one that somebody has seen, in pages of a hundred, the newest first.
const PAGES_MAX: u32 = 5;

/// What has changed since a plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PlanDifference)]
pub struct Difference {
    /// The job that made the plan which was given. Null: it is not there any more, or it was a plan of another controller or venue.
    #[schema(format = Uuid)]
    pub planned_by: Option<String>,
    /// The job that has made it anew: its plan can be given next.
    #[schema(format = Uuid)]
    pub now_by: String,
    /// Null without `planned_by`.
    pub planned: Option<PlannedView>,
    pub now: PlannedView,
    /// The hash of the plan as it is now.
    pub now_hash: Option<String>,
    /// The first hundred rows of which something else would become.
    pub rows: Vec<ChangedRow>,
    pub rows_total: u64,
}

/// A row of which something else would become than was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangedRow {
    pub phase: String,
    /// Row of the input, from 0.
    pub index: u32,
    pub name: String,
    /// Null: it was not planned.
    #[schema(value_type = Option<PlannedWord>)]
    pub planned: Option<Planned>,
    /// Null: it is not planned any more. The same as `planned`: another object, or other fields of it.
    #[schema(value_type = Option<PlannedWord>)]
    pub now: Option<Planned>,
}

/// The 409 that an import is refused with: `now` is the job that has made its plan anew.
pub async fn problem(store: &Store, tenant: &TenantId, import: JobId, now: JobId) -> Result<Problem, StoreError> {
    let gone = || StoreError::Corrupt(format!("job {now} went while it was read"));
    let hash = store.job(tenant, import).await?.ok_or_else(gone)?.options["plan_hash"].clone();
    let now = store.job(tenant, now).await?.ok_or_else(gone)?;
    let before = seen(store, tenant, &now, hash.as_str().unwrap_or_default()).await?;
    let (rows, rows_total) = match &before {
        Some(before) => rows(store, tenant, before.id, now.id).await?,
        None => (Vec::new(), 0),
    };
    let detail = match (&before, rows_total) {
        (None, _) => "there is no plan of this controller and venue with the hash that was given, or not any more, and what would be done now has another".to_owned(),
        (_, 0) => "what it would do is not what was planned: phases have come or gone".to_owned(),
        (_, 1) => "what it would do is not what was planned: 1 row differs".to_owned(),
        (_, n) => format!("what it would do is not what was planned: {n} rows differ"),
    };
    let difference = Difference {
        planned_by: before.as_ref().map(|plan| plan.id.to_string()),
        now_by: now.id.to_string(),
        planned: before.as_ref().map(planned_totals),
        now: planned_totals(&now),
        now_hash: now.plan_hash(),
        rows,
        rows_total,
    };
    let detail = format!("{detail}; nothing was sent to the controller");
    Ok(Problem::changed(detail, difference))
}

/// The plan with this hash, of the controller and venue of `now`.
async fn seen(store: &Store, tenant: &TenantId, now: &JobView, hash: &str) -> Result<Option<JobView>, StoreError> {
    let filter = JobFilter {
        workflow: Some(now.workflow.clone()),
        controller: Some(now.controller),
        venue: Some(now.venue_id.clone()),
        ..JobFilter::default()
    };
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let page = store
            .jobs(&Scope::Tenant(tenant.clone()), &filter, cursor.as_ref(), 100)
            .await?;
        let found = page
            .items
            .into_iter()
            .find(|plan| plan.plan_hash().as_deref() == Some(hash));
        cursor = page.next.and_then(|next| next.parse().ok());
        if found.is_some() || cursor.is_none() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// What is remembered of a planned row: what would become of it, and what stands for everything else that is known of it.
type Row = (Option<Planned>, u64);

fn row(task: &TaskView) -> Row {
    let mut hash = DefaultHasher::new();
    let known = (&task.name, task.input_data.to_string(), task.output_data.to_string());
    (known, &task.error_code, &task.error_message).hash(&mut hash);
    (task.planned(), hash.finish())
}

/// The first rows that differ, and how many do. Both plans are walked through, one after the other.
async fn rows(
    store: &Store,
    tenant: &TenantId,
    before: JobId,
    now: JobId,
) -> Result<(Vec<ChangedRow>, u64), StoreError> {
    let mut planned: HashMap<(PhaseId, u32), (String, Row)> = HashMap::new();
    let mut walk = walk(store, tenant, before).await?;
    while let Some(tasks) = walk.next().await? {
        for task in tasks {
            let then = row(&task);
            planned.insert((task.phase, task.index), (task.name, then));
        }
    }
    let mut changed = Changed::default();
    let mut walk = self::walk(store, tenant, now).await?;
    while let Some(tasks) = walk.next().await? {
        for task in tasks {
            let now = row(&task);
            let before = planned.remove(&(task.phase.clone(), task.index)).map(|(_, row)| row);
            if before != Some(now) {
                changed.add(task.phase, task.index, task.name, before.and_then(|row| row.0), now.0);
            }
        }
    }
    for ((phase, index), (name, (was, _))) in planned {
        changed.add(phase, index, name, was, None);
    }
    Ok((changed.rows, changed.total))
}

async fn walk(store: &Store, tenant: &TenantId, job: JobId) -> Result<shared::store::TaskWalk, StoreError> {
    let known = store.known_job(tenant, job).await?;
    let known = known.ok_or_else(|| StoreError::Corrupt(format!("job {job} went while it was read")))?;
    Ok(store.walk_tasks(&known, TaskFilter::default()))
}

#[derive(Default)]
struct Changed {
    rows: Vec<ChangedRow>,
    total: u64,
}

impl Changed {
    fn add(&mut self, phase: PhaseId, index: u32, name: String, planned: Option<Planned>, now: Option<Planned>) {
        self.total += 1;
        if self.rows.len() < ROWS_SHOWN {
            self.rows.push(ChangedRow {
                phase: phase.to_string(),
                index,
                name,
                planned,
                now,
            });
        }
    }
}
