//! Sentences for people: what went wrong, where, and what to do about it.

use jiff::Timestamp;
use shared::job::JobStatus;
use shared::store::model::{ErrorView, JobView, PhaseView};

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
    // one that says itself what to do is not told it twice
    match advice(&e.code).filter(|_| !e.message.contains("name_conflict")) {
        Some(advice) => format!("{} — {advice} [{}]", e.message, e.code),
        None => format!("{} [{}]", e.message, e.code),
    }
}

/// What a network engineer can do about an error. None: its message says it, or there is nothing to do but look.
fn advice(code: &str) -> Option<&'static str> {
    const AGAIN: &str =
        "look at it in RUCKUS One, then import the same export again: what is there and equal is left alone";
    const LATER: &str = "import the same export again later: what is there and equal is left alone";
    Some(match code {
        "VENUE_NOT_FOUND" => "check the venue's id: it is in the address of the venue's page in RUCKUS One",
        "NAME_CONFLICT" => {
            "rename one of the two, or import again with name_conflict=adopt (leave it as it is) or update (change it)"
        }
        "AMBIGUOUS_NAME" => "rename or delete all but one of them in RUCKUS One, then import again",
        "PASSPHRASE_TAKEN" => {
            "two users of a pool cannot have the same passphrase: change or delete one of the two, then import again"
        }
        "GROUP_MISSING" | "POOL_MISSING" => "see the error of that group or pool first",
        "GROUP_HAS_POOL" => {
            "an identity group has one pool: rename or delete one of the two in RUCKUS One, then import again"
        }
        "INVENTED_NAME" => "give the user another name in the export",
        "ACTIVITY_NEVER_ENDED" | "NO_REPLY" | "NOT_FOUND" | "NOT_VISIBLE_YET" | "TAKEN_OVER" => AGAIN,
        "RATE_LIMITED" | "UNREACHABLE" | "LOGIN_UNAVAILABLE" | "HTTP_500" | "HTTP_502" | "HTTP_503" | "HTTP_504" => {
            LATER
        }
        "POISON" => {
            "look at the workers' logs; then import the same export again: what is there and equal is left alone"
        }
        "INPUT_DAMAGED" | "INPUT_INCOMPLETE" | "TASK_DAMAGED" => "import the export again",
        _ => return None,
    })
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
        format!("waits for {other}, which writes the same names; it goes on by itself")
    });
    let idle = job
        .is_without_workers
        .then(|| "no worker is running: the job waits until one is started".to_owned());
    outage.into_iter().chain(waits).chain(idle).collect()
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
    let skipped = keys.map_or(0, |p| p.counts.skipped);
    let is_nothing = status == JobStatus::Completed && skipped > 0 && keys.is_some_and(|p| p.counts.total() == skipped);
    let nothing = is_nothing
        .then(|| format!("no key was imported: all {skipped} were skipped; the tasks with status SKIPPED say why"));
    different.into_iter().chain(nothing).collect()
}

#[cfg(test)]
mod tests {
    use shared::job::PhaseStatus;
    use shared::store::model::Counts;

    use super::*;

    #[test]
    fn an_error_says_where_and_what_and_what_to_do() {
        let mut phases = [PhaseView {
            id: "create_passphrases".parse().unwrap(),
            name: "Create passphrases".to_owned(),
            status: PhaseStatus::Running,
            critical: false,
            counts: Counts::default(),
            started_ms: None,
            completed_ms: None,
            facts: serde_json::Value::Null,
            error: None,
        }];
        let mut error = ErrorView {
            code: "HTTP_400".to_owned(),
            message: "anna: refused".to_owned(),
            phase: Some("create_passphrases".to_owned()),
            task: Some("17".to_owned()),
            request_id: None,
        };
        assert_eq!(
            sentence(&error, &phases),
            "Create passphrases: anna: refused [HTTP_400]"
        );
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
        error.phase = None;
        error.code = "X".to_owned();
        assert_eq!(sentence(&error, &phases), "anna: refused [X]");
    }
}
