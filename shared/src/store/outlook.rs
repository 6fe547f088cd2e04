//! How long a job may still take, what limits it, and why it was cut short. Pure but for the clock.

use super::inspect::{Fields, now_ms, num};
use super::model::{Counts, ErrorView, PhaseView};
use super::plan_checks::{PLAN_CHANGED, PLAN_NOT_CHECKED};
use crate::job::{JobStatus, PhaseStatus};

/// A worker's word on what limits a job counts for so long, milliseconds.
const LIMITED_FRESH_MS: u64 = 5_000;

/// Why the store cancelled a job by itself: nobody confirmed it for as long as an ended one is kept.
const NOT_CONFIRMED: &str = "NOT_CONFIRMED";

/// Seconds to go: what is left at the pace of the phase that runs; before there is one, what was predicted.
pub(super) fn eta(
    status: JobStatus,
    phases: &[PhaseView],
    counts: &Counts,
    predicted: u64,
    started: Option<u64>,
) -> Option<u64> {
    if status.is_terminal() || status.is_held() {
        return None;
    }
    let now = now_ms();
    let left = counts.total().saturating_sub(counts.settled());
    let busiest = phases
        .iter()
        .filter(|p| p.status == PhaseStatus::Running && p.counts.settled() >= 20)
        .max_by_key(|p| p.counts.tasks.saturating_sub(p.counts.settled()));
    if let Some(p) = busiest {
        let seconds = now.saturating_sub(p.started_ms?).max(1) as f64 / 1000.0;
        let pace = p.counts.settled() as f64 / seconds;
        return Some((left as f64 / pace).ceil() as u64);
    }
    let gone = started.map_or(0, |s| now.saturating_sub(s) / 1000);
    // time in which a controller was away brings the end no nearer
    let share = predicted * left / counts.total().max(1);
    Some(predicted.saturating_sub(gone).max(share).max(1))
}

/// What limits a job now, as a worker has said lately, or as its state tells.
pub(super) fn limited_by(status: JobStatus, f: &Fields, parked: bool, cooling: bool) -> &'static str {
    match status {
        s if s.is_held() => return "paused",
        s if s.is_terminal() => return "nothing",
        _ => {}
    }
    let fresh = num(f, "lim_at") + LIMITED_FRESH_MS > now_ms();
    match f.get("lim").map(String::as_str).filter(|_| fresh) {
        Some("controller_rate") => "controller_rate",
        Some("controller_concurrency") => "controller_concurrency",
        Some("cool_down") => "cool_down",
        Some("polling") => "polling",
        Some("own_cap") => "own_cap",
        Some("nothing") => "nothing",
        _ if cooling => "cool_down",
        // accepted this moment: nobody can have taken it yet
        _ if num(f, "created") + LIMITED_FRESH_MS > now_ms() => "nothing",
        // all of it waits for activities
        _ if parked => "polling",
        // nobody works on it
        _ => "workers",
    }
}

/// The line that the errors of a job begin with when its time was over, when nobody confirmed it, or when a critical phase failed without
/// a word of its tasks.
pub(super) fn cut_short(
    status: JobStatus,
    f: &Fields,
    phases: &[PhaseView],
    counts: &Counts,
    is_silent: bool,
) -> Option<ErrorView> {
    let left = match counts.cancelled {
        0 => String::new(),
        1 => "; 1 task was not sent any more".to_owned(),
        n => format!("; {n} tasks were not sent any more"),
    };
    let (code, phase, message) = match f.get("trunc").map(String::as_str) {
        Some("TIMEOUT") => {
            let seconds = num(f, "budget_s");
            let next = if status.is_terminal() {
                "; import again with a longer timeout_seconds: what is there is found"
            } else {
                "; what was begun is being settled"
            };
            (
                "TIMEOUT",
                None,
                format!("the job's time ({seconds} s) was over{left}{}{next}", standing(phases)),
            )
        }
        Some("CRITICAL") if is_silent => {
            let failed = phases.iter().find(|p| p.critical && p.status == PhaseStatus::Failed)?;
            let why = failed
                .error
                .as_ref()
                .map_or(String::new(), |e| format!(": {}", e.message));
            let message = format!("it failed{why}, and nothing can be done without it{left}");
            ("CRITICAL_PHASE_FAILED", Some(failed.id.to_string()), message)
        }
        Some("CANCEL") if f.get("why").is_some_and(|why| why == NOT_CONFIRMED) => {
            let held = held_for(num(f, "ttl"));
            let message = format!(
                "nobody confirmed it within {held}, so it was cancelled; nothing was sent to the controller; import again if it is still wanted"
            );
            (NOT_CONFIRMED, None, message)
        }
        Some("CANCEL")
            if f.get("why")
                .is_some_and(|why| why == PLAN_CHANGED || why == PLAN_NOT_CHECKED) =>
        {
            let by = f.get("check").map_or("", String::as_str);
            let (code, what) = match f.get("why").is_some_and(|why| why == PLAN_CHANGED) {
                true => (PLAN_CHANGED, "what it would do is not what was planned any more; job"),
                false => (
                    PLAN_NOT_CHECKED,
                    "nobody could find out whether its plan still holds; job",
                ),
            };
            let told = if code == PLAN_CHANGED {
                "has the plan as it is now"
            } else {
                "says why"
            };
            (
                code,
                None,
                format!("{what} {by} {told}; nothing was sent to the controller"),
            )
        }
        _ => return None,
    };
    Some(ErrorView {
        code: code.to_owned(),
        message,
        phase,
        task: None,
        request_id: None,
        status: None,
    })
}

/// Days where they are whole: that is how `JOB_TTL_DAYS` is set.
fn held_for(seconds: u64) -> String {
    match (seconds / 86_400, seconds % 86_400) {
        (1, 0) => "1 day".to_owned(),
        (days, 0) => format!("{days} days"),
        _ => format!("{seconds} s"),
    }
}

/// Where a job that was cut short stood: the phases it was in, and those that waited for them.
fn standing(phases: &[PhaseView]) -> String {
    let is_cut = |p: &PhaseView| {
        let open = [PhaseStatus::Pending, PhaseStatus::Running, PhaseStatus::Cancelled];
        open.contains(&p.status)
    };
    let (begun, blocked): (Vec<_>, Vec<_>) = phases
        .iter()
        .filter(|p| is_cut(p))
        .partition(|p| p.started_ms.is_some());
    let begun = begun.iter().map(|p| {
        let done = p.counts.completed + p.counts.skipped;
        format!("{} ({done} of {} tasks done)", p.name, p.counts.tasks)
    });
    let begun: Vec<String> = begun.collect();
    let blocked: Vec<&str> = blocked.iter().map(|p| p.name.as_str()).collect();
    let told = |what: &str, names: String| match names.is_empty() {
        true => String::new(),
        false => format!("; {what}: {names}"),
    };
    told("it stood in", begun.join(", ")) + &told("waiting for that", blocked.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_cut_short_names_where_it_stood_and_what_waited() {
        let phase = |id: &str, status, started_ms| PhaseView {
            id: id.parse().unwrap(),
            name: id.to_uppercase(),
            status,
            critical: false,
            in_turn: false,
            counts: Counts {
                tasks: 300,
                completed: 70,
                skipped: 1,
                ..Counts::default()
            },
            started_ms,
            completed_ms: None,
            facts: serde_json::Value::Null,
            error: None,
        };
        let phases = [
            phase("groups", PhaseStatus::Completed, Some(1)),
            phase("keys", PhaseStatus::Cancelled, Some(2)),
            phase("networks", PhaseStatus::Cancelled, None),
            phase("audit", PhaseStatus::Cancelled, None),
        ];
        assert_eq!(
            standing(&phases),
            "; it stood in: KEYS (71 of 300 tasks done); waiting for that: NETWORKS, AUDIT"
        );
        assert_eq!(standing(&phases[..1]), "");
    }

    #[test]
    fn time_in_which_nothing_was_done_brings_the_end_no_nearer() {
        let counts = Counts {
            expected: 200,
            completed: 50,
            ..Counts::default()
        };
        let minutes_ago = Some(now_ms() - 300_000);
        assert_eq!(eta(JobStatus::Running, &[], &counts, 40, minutes_ago), Some(30));
        assert_eq!(eta(JobStatus::Paused, &[], &counts, 40, minutes_ago), None);
    }

    #[test]
    fn a_job_whose_time_was_over_says_so_and_what_to_do() {
        let f = Fields::from([("trunc".into(), "TIMEOUT".into()), ("budget_s".into(), "3".into())]);
        let counts = Counts {
            tasks: 300,
            completed: 71,
            cancelled: 229,
            ..Counts::default()
        };
        let reason = |status, counts| cut_short(status, &f, &[], counts, false).unwrap();
        let ended = reason(JobStatus::Failed, &counts);
        assert_eq!(ended.code, "TIMEOUT");
        assert_eq!(
            ended.message,
            "the job's time (3 s) was over; 229 tasks were not sent any more; import again with a longer timeout_seconds: \
             what is there is found"
        );
        let settling = reason(JobStatus::Running, &Counts::default());
        assert_eq!(
            settling.message,
            "the job's time (3 s) was over; what was begun is being settled"
        );
        assert!(cut_short(JobStatus::Running, &Fields::new(), &[], &counts, true).is_none());
    }

    #[test]
    fn a_job_that_nobody_confirmed_says_so_and_one_that_a_person_cancelled_does_not() {
        let cancelled = |more: &[(&str, &str)]| {
            let f = [("trunc", "CANCEL")].iter().chain(more);
            let f: Fields = f
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            cut_short(JobStatus::Cancelled, &f, &[], &Counts::default(), true)
        };
        assert!(cancelled(&[("ttl", "604800")]).is_none());
        for (ttl, held) in [("604800", "7 days"), ("86400", "1 day"), ("90", "90 s")] {
            let told = cancelled(&[("why", NOT_CONFIRMED), ("ttl", ttl)]).unwrap();
            assert_eq!(told.code, NOT_CONFIRMED);
            let begin = format!("nobody confirmed it within {held}, so it was cancelled; nothing was sent");
            assert!(told.message.starts_with(&begin), "{}", told.message);
        }
    }

    #[test]
    fn a_critical_phase_that_failed_without_a_word_is_named() {
        let f = Fields::from([("trunc".into(), "CRITICAL".into())]);
        let phases = [PhaseView {
            id: "first".parse().unwrap(),
            name: "First".to_owned(),
            status: PhaseStatus::Failed,
            critical: true,
            in_turn: false,
            counts: Counts::default(),
            started_ms: None,
            completed_ms: None,
            facts: serde_json::Value::Null,
            error: None,
        }];
        let of = |is_silent| cut_short(JobStatus::Failed, &f, &phases, &Counts::default(), is_silent);
        let reason = of(true).unwrap();
        assert_eq!(reason.phase.as_deref(), Some("first"));
        assert_eq!(reason.message, "it failed, and nothing can be done without it");
        assert!(of(false).is_none(), "its tasks have said why");
    }
}
