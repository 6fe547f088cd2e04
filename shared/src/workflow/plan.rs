//! The definition of a plan: the phases of a workflow, planned as ever, by executors that let nothing be written.

use super::Definition;

/// Before an executor's name: it only plans. A name of its own, since a worker that does not know it has no such executor and holds the
/// job, where it would pass over a field and carry everything out.
pub const ONLY_PLANNED: &str = "plan:";

impl Definition {
    /// Of the job that finds out what a job of this definition would do. What is marked `in_plan: false` is left out. A phase whose tasks
    /// write is not critical in it: a plan tells all conflicts, not those of the first phase.
    pub fn for_plan(&self) -> Definition {
        let mut plan = self.clone();
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
    use crate::workflow::catalog;

    #[test]
    fn the_plan_of_the_import_has_its_phases_but_the_audit_and_tells_all_conflicts() {
        let import = catalog::find(catalog::CLOUDPATH_DPSK_IMPORT).unwrap();
        let plan = import.for_plan();
        assert!(plan.is_plan() && !import.is_plan());
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
