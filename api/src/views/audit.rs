//! What an audit has found.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::job::audit::{AuditFacts, Finding, VERDICTS, Verdict};
use shared::job::{JobStatus, PhaseStatus};
use shared::store::model::{JobView, TaskView};
use utoipa::ToSchema;

use crate::openapi::words::{AuditStatusWord, JobStatusWord, VerdictWord};

/// Stands for a value that is never shown.
const MASKED: &str = "***";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditStatus {
    /// It has ended, and could read everything.
    Audited,
    /// It has ended, and something could not be read.
    PartlyAudited,
    /// It has not ended.
    Auditing,
}

/// A field that differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditDifference)]
pub struct DifferenceView {
    /// By the name RUCKUS One has for it.
    #[schema(example = "vlanId")]
    field: String,
    /// What is there now; of a passphrase `***`.
    #[schema(example = "45")]
    found: String,
    /// What the job left there; of a passphrase `***`.
    #[schema(example = "44")]
    expected: String,
}

/// How an item of the job stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRow)]
pub struct AuditRowView {
    #[schema(value_type = VerdictWord)]
    verdict: &'static str,
    #[schema(example = "passphrase")]
    kind: String,
    /// Of a key: its user.
    name: String,
    /// Name of what it is in: of a key its DPSK pool.
    #[serde(rename = "where")]
    place: Option<String>,
    /// On the controller.
    id: Option<String>,
    /// How the job came by it: `created`, `adopted`, `updated`; `failed`: it is there although its task failed; `unknown`: nobody knew what
    /// became of its write. Null of what is extra.
    origin: Option<String>,
    differences: Vec<DifferenceView>,
    note: Option<String>,
    /// Of the audit.
    task_id: String,
}

/// How many there are of a list that shows the first ones only, and where the rest is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditTotal)]
pub struct AuditTotalView {
    total: u64,
    /// All of them, by page.
    #[schema(example = "/api/v1/jobs/01a21c40-0c1e-7d0a-9b6e-3f1d2a4b5c6d/tasks?verdict=missing")]
    link: String,
}

/// What an audit has found, or has so far.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Audit)]
pub struct AuditView {
    #[schema(value_type = AuditStatusWord)]
    status: AuditStatus,
    /// The job whose things are looked at.
    #[schema(format = Uuid)]
    audit_of: String,
    /// The job that does it.
    #[schema(format = Uuid)]
    job_id: String,
    #[schema(value_type = JobStatusWord)]
    job_status: JobStatus,
    venue_id: String,
    /// Null while it is not known, or when there is no such venue any more.
    venue_name: Option<String>,
    /// Groups of the job that are there.
    total_identity_groups: u64,
    /// DPSK pools of the job that are there.
    total_dpsk_pools: u64,
    /// Keys in these pools, whoever made them.
    total_passphrases: u64,
    /// Keys of others among them that were in an adopted pool before the job came: they are not extra.
    passphrases_of_others: u64,
    /// Nothing is missing, changed or extra. Null while that is not known of everything.
    is_as_left: Option<bool>,
    /// Verdict → how many.
    verdicts: BTreeMap<&'static str, u64>,
    /// Of the three lists below, which show the first 20.
    totals: BTreeMap<&'static str, AuditTotalView>,
    /// It should be there, and is not.
    missing: Vec<AuditRowView>,
    /// It is there, and differs from what the job left.
    changed: Vec<AuditRowView>,
    /// Keys in pools of the job that it neither made nor adopted.
    extra: Vec<AuditRowView>,
    /// Every item of the job, and every extra key, by page: a task of the audit each, whose `input_data` says how it stands.
    rows_link: String,
    /// The same as one file.
    report_link: String,
    /// What could not be read.
    errors_total: u64,
}

impl AuditRowView {
    fn of(task: TaskView) -> Option<Self> {
        let finding = Finding::of(&task.input_data)?;
        let difference = |f: shared::job::audit::FieldDiffers| {
            let masked = || (MASKED.to_owned(), MASKED.to_owned());
            let (found, expected) = f.values.unwrap_or_else(masked);
            DifferenceView {
                field: f.field,
                found,
                expected,
            }
        };
        Some(AuditRowView {
            verdict: finding.verdict.as_str(),
            kind: finding.kind,
            name: task.name,
            place: finding.place,
            id: finding.id,
            origin: finding.origin,
            differences: finding.fields.into_iter().map(difference).collect(),
            note: finding.note,
            task_id: task.id,
        })
    }
}

impl AuditView {
    /// `job`: the audit; `first`: the first rows of each finding.
    pub fn of(job: &JobView, first: BTreeMap<Verdict, Vec<TaskView>>) -> Self {
        let facts = |phase: &str| {
            let phase = job.phases.iter().find(|p| p.id.as_str() == phase);
            phase.and_then(|p| AuditFacts::of(&p.facts)).unwrap_or_default()
        };
        let (groups, pools, keys) = (
            facts("audit_identity_groups"),
            facts("audit_dpsk_pools"),
            facts("audit_passphrases"),
        );
        let mut sums: BTreeMap<Verdict, u64> = BTreeMap::new();
        let mut hidden = 0;
        for facts in job.phases.iter().filter_map(|p| AuditFacts::of(&p.facts)) {
            for (verdict, n) in facts.verdicts {
                *sums.entry(verdict).or_default() += n;
            }
            *sums.entry(Verdict::Extra).or_default() += facts.extra_untold;
            hidden += facts.hidden;
        }
        let total = |verdict: Verdict| sums.get(&verdict).copied().unwrap_or_default();
        let is_whole = job.phases.iter().all(|p| p.status == PhaseStatus::Completed);
        let (tasks, id) = (format!("/api/v1/jobs/{}/tasks", job.id), job.id);
        let findings = VERDICTS.into_iter().filter(|verdict| verdict.is_finding());
        let is_as_left = findings.clone().all(|verdict| total(verdict) == 0);
        // what could not be judged, or was not even shown, may differ
        let is_known = is_whole && total(Verdict::NotJudged) == 0 && hidden == 0;
        let list = |verdict: Verdict| AuditTotalView {
            total: total(verdict),
            link: format!("{tasks}?verdict={}", verdict.as_str()),
        };
        let mut first = first;
        let mut rows = |verdict: Verdict| {
            let rows = first.remove(&verdict).unwrap_or_default();
            rows.into_iter().filter_map(AuditRowView::of).collect()
        };
        AuditView {
            status: match (job.status.is_terminal(), job.status == JobStatus::Completed && is_whole) {
                (false, _) => AuditStatus::Auditing,
                (true, true) => AuditStatus::Audited,
                (true, false) => AuditStatus::PartlyAudited,
            },
            audit_of: job.audit_of.map(|id| id.to_string()).unwrap_or_default(),
            job_id: id.to_string(),
            job_status: job.status,
            venue_id: job.venue_id.clone(),
            venue_name: groups.venue_name,
            total_identity_groups: groups.there,
            total_dpsk_pools: pools.there,
            total_passphrases: keys.there,
            passphrases_of_others: keys.of_others,
            // what is found of a part is found
            is_as_left: (is_known || !is_as_left).then_some(is_as_left),
            verdicts: VERDICTS.into_iter().map(|v| (v.as_str(), total(v))).collect(),
            totals: findings.map(|v| (v.as_str(), list(v))).collect(),
            missing: rows(Verdict::Missing),
            changed: rows(Verdict::Changed),
            extra: rows(Verdict::Extra),
            report_link: format!("/api/v1/jobs/{id}/report?format=csv"),
            rows_link: tasks,
            errors_total: job.errors_total,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_that_differs_is_told_and_not_shown() {
        let task = TaskView {
            id: "j:audit_passphrases:7".to_owned(),
            phase: "audit_passphrases".parse().unwrap(),
            index: 7,
            name: "anna".to_owned(),
            status: shared::job::TaskStatus::Completed,
            request_id: None,
            poll_count: 0,
            retry_count: 0,
            input_data: json!({"v": "changed", "t": "passphrase", "d": "k", "w": "Lobby-DPSK", "a": "created",
                "f": [{"n": "passphrase"}, {"n": "vlanId", "v": ["45", "44"]}]}),
            output_data: json!(null),
            origin: None,
            error_code: None,
            error_message: None,
            started_ms: None,
            completed_ms: None,
        };
        let shown = serde_json::to_value(AuditRowView::of(task).unwrap()).unwrap();
        assert_eq!(
            shown,
            json!({"verdict": "changed", "kind": "passphrase", "name": "anna", "where": "Lobby-DPSK", "id": "k",
                "origin": "created", "note": null, "task_id": "j:audit_passphrases:7", "differences": [
                    {"field": "passphrase", "found": "***", "expected": "***"},
                    {"field": "vlanId", "found": "45", "expected": "44"}]})
        );
    }
}
