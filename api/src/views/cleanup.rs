//! What became of a cleanup.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::job::JobStatus;
use shared::store::model::JobView;
use utoipa::ToSchema;

use super::plural;
use crate::cleanup;
use crate::openapi::words::{CleanupStatusWord, JobStatusWord};

/// Told of in any case.
const KINDS: [&str; 3] = ["identity_group", "dpsk_pool", "passphrase"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CleanupStatus {
    /// Everything the job made is gone.
    Cleaned,
    /// It has ended, and something stays.
    PartlyCleaned,
    /// It has not ended.
    Cleaning,
    /// A dry run that has ended.
    Planned,
    /// Nothing was to be deleted.
    Kept,
}

/// What became of a cleanup, or has so far.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cleanup)]
pub struct CleanupView {
    #[schema(value_type = CleanupStatusWord)]
    status: CleanupStatus,
    /// The job whose things are deleted.
    #[schema(format = Uuid)]
    cleanup_of: String,
    /// The job that does it. Null where nothing was to be deleted.
    #[schema(format = Uuid)]
    job_id: Option<String>,
    #[schema(value_type = Option<JobStatusWord>)]
    job_status: Option<JobStatus>,
    dry_run: bool,
    /// Kind → how many were deleted, or would be by a dry run.
    deleted: BTreeMap<String, u64>,
    /// Kind → how many the job made and stay: changed since, or in use by others. Its tasks in state `SKIPPED` say why.
    kept: BTreeMap<String, u64>,
    /// Of what could not be deleted; the tasks say why.
    errors_total: u64,
    /// What stays, by page.
    #[schema(example = "/api/v1/jobs/01a21c3f-b648-7329-8625-546bb5256438/tasks?status=SKIPPED,FAILED,UNKNOWN")]
    kept_link: Option<String>,
}

/// What a cleanup has deleted.
pub fn deleted(job: &JobView) -> BTreeMap<String, u64> {
    let mut all: BTreeMap<String, u64> = KINDS.iter().map(|kind| (plural(kind), 0)).collect();
    let counted = job.resources.iter().map(|(kind, n)| (plural(kind), n.deleted));
    all.extend(counted);
    all
}

impl CleanupView {
    /// Nothing is deleted: this is what the job made.
    pub fn kept(of: &JobView, dry_run: bool) -> Self {
        let made = of.resources.iter().filter(|(_, n)| n.created > 0);
        CleanupView {
            status: CleanupStatus::Kept,
            cleanup_of: of.id.to_string(),
            job_id: None,
            job_status: None,
            dry_run,
            deleted: KINDS.iter().map(|kind| (plural(kind), 0)).collect(),
            kept: made.map(|(kind, n)| (plural(kind), n.created)).collect(),
            errors_total: 0,
            kept_link: None,
        }
    }

    /// `job`: the cleanup.
    pub fn of(job: &JobView, dry_run: bool) -> Self {
        let mut kept: BTreeMap<String, u64> = BTreeMap::new();
        for (kind, n) in cleanup::kept(job) {
            *kept.entry(plural(kind)).or_default() += n;
        }
        let status = match (job.status, dry_run) {
            (status, _) if !status.is_terminal() => CleanupStatus::Cleaning,
            (JobStatus::Completed, true) => CleanupStatus::Planned,
            (JobStatus::Completed, false) if kept.is_empty() => CleanupStatus::Cleaned,
            _ => CleanupStatus::PartlyCleaned,
        };
        CleanupView {
            status,
            cleanup_of: job.cleanup_of.map(|id| id.to_string()).unwrap_or_default(),
            job_id: Some(job.id.to_string()),
            job_status: Some(job.status),
            dry_run,
            deleted: deleted(job),
            kept_link: Some(format!("/api/v1/jobs/{}/tasks?status=SKIPPED,FAILED,UNKNOWN", job.id)),
            kept,
            errors_total: job.errors_total,
        }
    }
}
