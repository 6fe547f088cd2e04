//! Names of the events in the logs of jobs and tenants. The scripts write them; readers match on them.

/// At most one a second per job; all others are never coalesced, dropped or delayed.
pub const JOB_PROGRESS: &str = "job.progress";

/// True for the event after which a job's log does not grow any more.
pub fn ends_a_job(name: &str) -> bool {
    matches!(name, "job.completed" | "job.partial" | "job.failed" | "job.cancelled")
}
