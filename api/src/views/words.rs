//! Sentences for people: what went wrong, where, and what to do about it.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use shared::cloudpath::Reason;
use shared::cloudpath::shown::CHANGES;
use shared::job::JobStatus;
use shared::store::model::{ErrorView, JobView, PhaseView};

use super::advice::advice;

/// Where, what, what to do, and the code to look up. A phase is called by its name, the task by its own in the message.
pub fn sentence(e: &ErrorView, phases: &[PhaseView]) -> String {
    let phase = e.phase.as_deref().map(|id| {
        let named = phases.iter().find(|p| p.id.as_str() == id);
        named.map_or(id, |p| p.name.as_str())
    });
    match phase {
        Some(phase) => format!("{phase}: {}", what(e)),
        None => what(e),
    }
}

/// The same where the phase is told already.
pub fn what(e: &ErrorView) -> String {
    match advice(e) {
        Some(advice) => format!("{} — {advice} [{}]", e.message, e.code),
        None => format!("{} [{}]", e.message, e.code),
    }
}

/// What is worth a look and is no error of a task: above all, what keeps a job waiting.
pub fn warnings(job: &JobView) -> Vec<String> {
    let outage = job.outage.as_ref().map(|o| {
        let since = i64::try_from(o.since_ms).ok();
        let since = since.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
        let reason = match o.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        format!(
            "controller {} has not answered since {since:.0}{reason}; it is tried again at least every {} s; the job waits and goes on by itself",
            job.controller, o.every_s
        )
    });
    let waits = job.waits.as_ref().map(|w| {
        let other = w.job.map_or_else(|| "another job".to_owned(), |id| format!("job {id}"));
        format!(
            "waits for {other}, which uses the same names; it goes on by itself when that one has ended or is through with them (if that one is paused or awaits confirmation, it has to be resumed, confirmed or cancelled first)"
        )
    });
    let idle = job
        .is_without_workers
        .then(|| "no worker is running: the job waits until one is started".to_owned());
    let plan = job.plan_checked_by.filter(|_| job.is_plan_unchecked).map(|by| {
        format!("job {by} makes its plan anew; when nothing has changed it begins by itself (with require_confirmation it waits to be confirmed), else it is cancelled")
    });
    outage.into_iter().chain(waits).chain(plan).chain(idle).collect()
}

/// Warnings of the import that are shown. There may be one for each pool of the export.
const WARNINGS_SHOWN: usize = 10;

/// What the check of the import found that stops nobody: SSIDs that nobody activates, pools without a key. Those of the options come
/// last in the facts, and are kept.
fn of_the_check(phases: &[PhaseView]) -> Vec<String> {
    let Some(check) = phases.iter().find(|p| p.id.as_str() == "parse_validate") else {
        return Vec::new();
    };
    let all: Vec<&str> = check.facts["warnings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|w| w.as_str())
        .collect();
    let first = all.len().saturating_sub(WARNINGS_SHOWN);
    let more = first as u64 + check.facts["warnings_left_out"].as_u64().unwrap_or_default();
    let more = (more > 0).then(|| format!("and {more} more of the kind that the check of the import found"));
    all[first..].iter().map(|w| (*w).to_owned()).chain(more).collect()
}

/// The reason of this name; one of a later version is [`Reason::Other`].
fn reason_of(name: &str) -> Option<Reason> {
    Reason::deserialize(StrDeserializer::<Error>::new(name)).ok()
}

/// Keys that do not arrive as they were in the export, counted by reason.
fn changed(keys: &PhaseView) -> Vec<String> {
    let counted = keys.facts[CHANGES].as_object().into_iter().flatten();
    let mut by_reason: Vec<(Reason, u64)> = counted
        .filter_map(|(reason, n)| Some((reason_of(reason)?, n.as_u64()?)))
        .collect();
    by_reason.sort_unstable();
    let told = by_reason.into_iter().map(|(reason, n)| reason.of_keys(n));
    told.collect()
}

/// What is as it was asked for and easily overlooked.
pub fn notices(status: JobStatus, phases: &[PhaseView]) -> Vec<String> {
    let different = phases.iter().filter_map(|p| {
        let (one, more) = match p.id.as_str() {
            "create_identity_groups" => ("identity group", "identity groups"),
            "create_dpsk_pools" => ("DPSK pool", "DPSK pools"),
            "create_policy_sets" => ("policy", "policies"),
            "attach_policies" => ("assignment of a policy set", "assignments of policy sets"),
            "create_passphrases" => ("key", "keys"),
            "activate_networks" => ("link or activation of a network", "links or activations of networks"),
            _ => return None,
        };
        match p.facts["left_different"].as_u64()? {
            0 => None,
            1 => Some(format!("1 {one} differs from the export and was left as it is")),
            n => Some(format!("{n} {more} differ from the export and were left as they are")),
        }
    });
    let keys = phases.iter().find(|p| p.id.as_str() == "create_passphrases");
    let changed = keys.map(changed).unwrap_or_default();
    let skipped = keys.map_or(0, |p| p.counts.skipped);
    let is_nothing = status == JobStatus::Completed && skipped > 0 && keys.is_some_and(|p| p.counts.total() == skipped);
    let nothing = is_nothing
        .then(|| format!("no key was imported: all {skipped} were skipped; the tasks with status SKIPPED say why"));
    let of_the_check = of_the_check(phases).into_iter();
    of_the_check.chain(changed).chain(different).chain(nothing).collect()
}

#[cfg(test)]
mod tests {
    use shared::job::PhaseStatus;
    use shared::store::model::Counts;

    use super::*;

    fn phase(id: &str, facts: serde_json::Value) -> PhaseView {
        PhaseView {
            id: id.parse().unwrap(),
            name: "Create passphrases".to_owned(),
            status: PhaseStatus::Running,
            critical: false,
            in_turn: false,
            counts: Counts::default(),
            started_ms: None,
            completed_ms: None,
            facts,
            error: None,
        }
    }

    #[test]
    fn what_the_check_of_an_import_found_is_told_and_bounded() {
        let told = |facts| notices(JobStatus::Pending, &[phase("parse_validate", facts)]);
        assert_eq!(told(serde_json::json!({"rows": 1})), [""; 0]);
        assert_eq!(told(serde_json::json!({"warnings": ["a", "b"]})), ["a", "b"]);
        let many: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let told = told(serde_json::json!({"warnings": many, "warnings_left_out": 40}));
        assert_eq!(told.len(), WARNINGS_SHOWN + 1);
        assert_eq!((told[0].as_str(), told[9].as_str()), ("2", "11"), "the last ones stay");
        assert_eq!(told[10], "and 42 more of the kind that the check of the import found");
    }

    #[test]
    fn an_error_says_where_and_what_and_what_to_do() {
        let mut phases = [phase("create_passphrases", serde_json::Value::Null)];
        let mut error = ErrorView {
            code: "TIMEOUT".to_owned(),
            message: "anna: refused".to_owned(),
            phase: Some("create_passphrases".to_owned()),
            task: Some("17".to_owned()),
            request_id: None,
            status: None,
        };
        assert_eq!(sentence(&error, &phases), "Create passphrases: anna: refused [TIMEOUT]");
        error.code = "POOL_MISSING".to_owned();
        assert_eq!(
            what(&error),
            "anna: refused — see the error of that group or pool first [POOL_MISSING]"
        );
        error.code = "NAME_CONFLICT".to_owned();
        assert!(what(&error).contains("name_conflict=adopt"));
        error.message = "it is widened with name_conflict=update".to_owned();
        assert_eq!(what(&error), "it is widened with name_conflict=update [NAME_CONFLICT]");
        error.message = "anna: refused".to_owned();
        let told = |phase: &str| {
            error.phase = Some(phase.to_owned());
            what(&error)
        };
        let mut told = told;
        let [group, key, pool] = ["create_identity_groups", "create_passphrases", "create_dpsk_pools"].map(&mut told);
        assert!(!group.contains("update") && group.contains("rename"), "{group}");
        assert!(key.contains("or update") && !key.contains("rename"), "{key}");
        assert!(pool.contains("or update") && pool.contains("rename"), "{pool}");
        error.phase = Some("create_passphrases".to_owned());
        assert!(notices(JobStatus::Completed, &phases).is_empty());
        phases[0].facts = serde_json::json!({"to_write": 3, "left_different": 2});
        phases[0].counts.skipped = 4;
        phases[0].counts.tasks = 4;
        assert_eq!(
            notices(JobStatus::Completed, &phases),
            [
                "2 keys differ from the export and were left as they are",
                "no key was imported: all 4 were skipped; the tasks with status SKIPPED say why"
            ]
        );
        phases[0].facts =
            serde_json::json!({"changes": {"expired": 18, "devices_clamped": 1, "of_later": 2, "bad": "?"}});
        phases[0].counts.skipped = 0;
        assert_eq!(
            notices(JobStatus::Running, &phases),
            [
                "1 key allows more than 512 devices and gets 512, the most that RUCKUS One takes",
                "18 keys whose time is over now never expire (expired=import)",
                "2 keys are not taken over as in the export: for a reason that this version does not know",
            ]
        );
        error.phase = None;
        error.code = "TIMEOUT".to_owned();
        assert_eq!(sentence(&error, &phases), "anna: refused [TIMEOUT]");
    }
}
