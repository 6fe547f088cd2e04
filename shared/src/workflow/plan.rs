//! The definition of a plan: the phases of a workflow, planned as ever, by executors that let nothing be written.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::Definition;
use crate::job::TaskStatus;
use crate::job::outcome::Origin;

/// Before an executor's name: it only plans. A name of its own, since a worker that does not know it has no such executor and holds the
/// job, where it would pass over a field and carry everything out.
pub const ONLY_PLANNED: &str = "plan:";
/// Hexadecimal digits of what stands for all decisions of a plan.
pub const HASH_DIGITS: usize = 32;
/// Behind the name of a workflow: the workflow of its plans. In lists and metrics plans are never taken for the jobs they foretell.
const OF_PLANS: &str = "_plan";

/// The name that plans of a workflow go by.
pub fn name_of_plans(workflow: &str) -> String {
    format!("{workflow}{OF_PLANS}")
}

/// Before the id of what is not there yet.
const NOT_YET: &str = "planned:";

/// Id of what a task would make: `which` of its kind.
pub fn planned_id(kind: &str, which: impl Display) -> String {
    format!("{NOT_YET}{kind}:{which}")
}

/// Nothing of this id exists yet. One made of two ids is so when either is.
pub fn is_planned(id: &str) -> bool {
    id.split('/').any(|id| id.starts_with(NOT_YET))
}

/// What would become of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Planned {
    /// Not there: to be made.
    Create,
    /// There, differs, and is to be changed.
    Update,
    /// There, and taken as it is.
    Adopt,
    /// Of a cleanup: it is there, and is to be taken away.
    Delete,
    /// It would fail: what is there differs, or something it needs is not there.
    Conflict,
    /// Nothing is to be done for it.
    Skip,
}

/// All of them, in the order they are shown.
pub const PLANNED: [Planned; 6] = [
    Planned::Create,
    Planned::Update,
    Planned::Adopt,
    Planned::Delete,
    Planned::Conflict,
    Planned::Skip,
];

impl Planned {
    /// From how a task of a plan has ended. None: it stands for nothing on the controller, such as a check that was passed.
    pub fn of(status: TaskStatus, origin: Option<Origin>) -> Option<Self> {
        Some(match (status, origin) {
            (TaskStatus::Skipped, _) => Self::Skip,
            (TaskStatus::Completed, None) => return None,
            (TaskStatus::Completed, Some(Origin::Created)) => Self::Create,
            (TaskStatus::Completed, Some(Origin::Updated)) => Self::Update,
            (TaskStatus::Completed, Some(Origin::Deleted)) => Self::Delete,
            (TaskStatus::Completed, Some(Origin::Adopted)) => Self::Adopt,
            _ => Self::Conflict,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Adopt => "adopt",
            Self::Delete => "delete",
            Self::Conflict => "conflict",
            Self::Skip => "skip",
        }
    }

    pub fn parse(s: &str) -> Option<Self> {
        PLANNED.into_iter().find(|planned| planned.as_str() == s)
    }
}

/// What would become of the tasks of a phase, counted. Persisted as part of [`PlannedPhase`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlannedCounts {
    pub create: u64,
    pub update: u64,
    pub adopt: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub delete: u64,
    pub conflict: u64,
    pub skip: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl PlannedCounts {
    pub fn add(&mut self, planned: Option<Planned>) {
        *match planned {
            None => return,
            Some(Planned::Create) => &mut self.create,
            Some(Planned::Update) => &mut self.update,
            Some(Planned::Adopt) => &mut self.adopt,
            Some(Planned::Delete) => &mut self.delete,
            Some(Planned::Conflict) => &mut self.conflict,
            Some(Planned::Skip) => &mut self.skip,
        } += 1;
    }

    /// Tasks that stand for something on the controller.
    pub fn total(&self) -> u64 {
        self.create + self.update + self.adopt + self.delete + self.conflict + self.skip
    }
}

impl std::ops::AddAssign for PlannedCounts {
    fn add_assign(&mut self, other: Self) {
        self.create += other.create;
        self.update += other.update;
        self.adopt += other.adopt;
        self.delete += other.delete;
        self.conflict += other.conflict;
        self.skip += other.skip;
    }
}

/// Fact of a planned phase: its counts, and what stands for all its decisions.
pub const FACT: &str = "plan";

/// What a planned phase leaves behind under [`FACT`]. Persisted with the job: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPhase {
    #[serde(flatten)]
    pub counts: PlannedCounts,
    /// Calls that change something. More than objects to be made and changed, where some of what is written is no object of its own.
    pub writes: u64,
    pub hash: String,
}

impl Definition {
    /// Of the job that finds out what a job of this definition would do. What is marked `in_plan: false` is left out. A phase whose tasks
    /// write is not critical in it: a plan tells all conflicts, not those of the first phase.
    pub fn for_plan(&self) -> Definition {
        let mut plan = self.clone();
        plan.name = name_of_plans(&self.name);
        plan.title = format!("Plan: {}", self.title);
        plan.phases.retain(|phase| phase.in_plan);
        let left: Vec<_> = plan.phases.iter().map(|phase| phase.id.clone()).collect();
        for phase in &mut plan.phases {
            phase.dependencies.retain(|id| left.contains(id));
            phase.executor = format!("{ONLY_PLANNED}{}", phase.executor);
            phase.critical &= phase.cleanup == super::Cleanup::Nothing;
        }
        plan
    }

    /// Whether its jobs only find out what would be done.
    pub fn is_plan(&self) -> bool {
        !self.phases.is_empty() && self.phases.iter().all(|phase| phase.executor.starts_with(ONLY_PLANNED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::catalog;
    /// What runs or is kept outlives deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let first: PlannedPhase =
            serde_json::from_str(r#"{"create":2,"update":0,"adopt":1,"conflict":0,"skip":0,"writes":2,"hash":"ab"}"#)
                .unwrap();
        assert_eq!((first.counts.create, first.counts.delete, first.writes), (2, 0, 2));
        let line = r#"{"create":0,"update":0,"adopt":0,"delete":4,"conflict":0,"skip":1,"writes":4,"hash":"ab"}"#;
        let read: PlannedPhase = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        for planned in PLANNED {
            assert_eq!(serde_json::to_value(planned).unwrap(), planned.as_str());
        }
    }

    #[test]
    fn an_id_of_what_is_not_there_is_known_by_itself_and_in_pairs() {
        let pool = planned_id("dpsk_pool", 3);
        assert!(is_planned(&pool) && is_planned(&format!("network/{pool}")) && is_planned(&format!("{pool}/set")));
        assert!(!is_planned("5d0e3b") && !is_planned("venue/network"));
    }

    #[test]
    fn how_a_task_of_a_plan_ends_says_what_would_become_of_it() {
        use TaskStatus::*;
        let table = [
            (Completed, Some(Origin::Created), Some(Planned::Create)),
            (Completed, Some(Origin::Updated), Some(Planned::Update)),
            (Completed, Some(Origin::Adopted), Some(Planned::Adopt)),
            (Completed, Some(Origin::Deleted), Some(Planned::Delete)),
            (Completed, None, None),
            (Skipped, None, Some(Planned::Skip)),
            (Failed, None, Some(Planned::Conflict)),
            (Failed, Some(Origin::Adopted), Some(Planned::Conflict)),
        ];
        let mut counts = PlannedCounts::default();
        for (status, origin, planned) in table {
            assert_eq!(Planned::of(status, origin), planned, "{status:?} {origin:?}");
            counts.add(planned);
        }
        for planned in PLANNED {
            assert_eq!(Planned::parse(planned.as_str()), Some(planned));
        }
        assert_eq!(
            (counts.create, counts.update, counts.adopt, counts.conflict, counts.skip),
            (1, 1, 1, 2, 1)
        );
        assert_eq!((counts.delete, counts.total()), (1, 7));
    }

    #[test]
    fn the_plan_of_the_import_has_its_phases_but_the_audit_and_tells_all_conflicts() {
        let import = catalog::find(catalog::CLOUDPATH_DPSK_IMPORT).unwrap();
        let plan = import.for_plan();
        assert!(plan.is_plan() && !import.is_plan());
        assert_eq!(plan.name, "cloudpath_dpsk_import_plan");
        let ids = |phases: &[crate::workflow::Phase]| phases.iter().map(|p| p.id.to_string()).collect::<Vec<_>>();
        let all = ids(&import.phases);
        assert_eq!(ids(&plan.phases), all[..all.len() - 1]);
        assert_eq!(all.last().unwrap(), "audit_results");
        assert!(plan.phases.iter().all(|p| p.executor.starts_with("plan:cloudpath.")));
        let critical: Vec<_> = plan
            .phases
            .iter()
            .filter(|p| p.critical)
            .map(|p| p.id.to_string())
            .collect();
        assert_eq!(critical, ["parse_validate"], "what can't be checked can't be planned");
    }
}
