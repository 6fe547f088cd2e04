//! What a plan has found out.

use serde::Serialize;
use shared::cloudpath::{PlannedWrites, Rate, predicted_seconds};
use shared::job::JobStatus;
use shared::store::model::{JobView, PhaseView};
use shared::workflow::plan::{FACT, PlannedCounts, PlannedPhase};
use utoipa::ToSchema;

/// What would become of tasks, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PlannedCounts)]
pub struct PlannedView {
    /// Not there: to be made.
    pub create: u64,
    /// There, differs, and is to be changed (`name_conflict: update`).
    pub update: u64,
    /// There, and taken as it is.
    pub adopt: u64,
    /// Would fail: what is there differs, or something it needs is not there.
    pub conflict: u64,
    /// Nothing is to be done for it, as its task says.
    pub skip: u64,
}

impl From<PlannedCounts> for PlannedView {
    fn from(counts: PlannedCounts) -> Self {
        PlannedView {
            create: counts.create,
            update: counts.update,
            adopt: counts.adopt,
            conflict: counts.conflict,
            skip: counts.skip,
        }
    }
}

/// One phase of a plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlannedPhase)]
pub struct PlannedPhaseView {
    pub id: String,
    pub name: String,
    #[serde(flatten)]
    pub counts: PlannedView,
    /// The rows behind the counts; with `&planned=create`, say, only those.
    pub link: String,
}

/// What an import would do, found out without writing anything.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub struct PlanView {
    /// Stands for every decision: give it to the import as `plan_hash`, and it begins only if they would be the same. Null until the plan is
    /// whole, and when it could not be made. Passphrases are no part of it.
    pub hash: Option<String>,
    pub totals: PlannedView,
    /// Those that have been planned and have anything to do.
    pub phases: Vec<PlannedPhaseView>,
    /// Calls the import would need: a write for each that is to be made or changed, and what is read before, and for the audit. Asking after
    /// activities comes on top, 5 % at most. Null until the plan is whole.
    pub calls: Option<u64>,
    /// At what the controller allows now, as the fleet has learned it, when no other job shares it. Null until the plan is whole.
    pub predicted_duration_seconds: Option<u64>,
}

impl PlanView {
    /// `rate`: what the controller allows now; none: it is not there any more.
    pub fn of(job: &JobView, rate: Option<Rate>) -> Self {
        let of_phase = |phase: &PhaseView| Some((phase.clone(), planned(phase)?));
        let planned: Vec<(PhaseView, PlannedPhase)> = job.phases.iter().filter_map(of_phase).collect();
        let reads = job.plan_reads.unwrap_or_default();
        let is_whole = matches!(job.status, JobStatus::Completed | JobStatus::Partial);
        let writes: Vec<PlannedWrites> = planned
            .iter()
            .map(|(phase, planned)| PlannedWrites {
                count: planned.writes,
                in_turn: phase.in_turn,
            })
            .collect();
        let all: u64 = writes.iter().map(|phase| phase.count).sum();
        PlanView {
            hash: job.plan_hash(),
            calls: is_whole.then(|| all + u64::from(reads)),
            predicted_duration_seconds: rate
                .filter(|_| is_whole)
                .map(|rate| predicted_seconds(reads, &writes, rate)),
            totals: totals(job),
            phases: planned
                .into_iter()
                .filter(|(_, planned)| planned.counts.total() > 0)
                .map(|(phase, planned)| PlannedPhaseView {
                    link: format!("/api/v1/jobs/{}/tasks?phase={}", job.id, phase.id),
                    id: phase.id.to_string(),
                    name: phase.name,
                    counts: planned.counts.into(),
                })
                .collect(),
        }
    }
}

/// What would become of all tasks of a plan.
pub fn totals(job: &JobView) -> PlannedView {
    let mut totals = PlannedCounts::default();
    let of_phases = job.phases.iter().filter_map(planned);
    of_phases.for_each(|phase| totals += phase.counts);
    totals.into()
}

/// None: it was not planned.
fn planned(phase: &PhaseView) -> Option<PlannedPhase> {
    serde_json::from_value(phase.facts.get(FACT)?.clone()).ok()
}
