//! `phaseline status`: what is, in words or as JSON.

use std::time::Duration;

use serde_json::Value;

use crate::api::Api;
use crate::args;
use crate::audit;
use crate::exit::{self, Failure};
use crate::output::Output;
use crate::plan;
use crate::progress::{duration, goes_on, outlook, phase_line};
use crate::watch;
use crate::wire::Job;

/// Errors of a job that are printed; `tasks --failed` lists all.
const ERRORS_SHOWN: usize = 10;

pub async fn run(api: &Api, args: args::Status, output: Output) -> Result<u8, Failure> {
    let id = args.job.to_string();
    if args.watch {
        return watch::watch(api, &id, Duration::from_secs(args.patience * 60), output).await;
    }
    let (job, raw): (Job, Value) = api.get(&format!("api/v1/jobs/{id}"), &[]).await?;
    if output.json {
        output.document(&raw);
    } else {
        let to = job
            .controller_id
            .map_or_else(String::new, |c| format!(" to controller {c}"));
        output.line(&format!("job {} ({}{to}): {}", job.id, job.workflow_name, job.status));
        for phase in &job.phases {
            output.line(&format!("  {}", phase_line(phase)));
        }
        for line in summary(&job) {
            output.line(&line);
        }
    }
    Ok(job.ended().unwrap_or(exit::OK))
}

/// What became of a job, in lines.
pub fn summary(job: &Job) -> Vec<String> {
    let s = &job.summary;
    let plan = job.plan.iter().flat_map(plan::lines);
    let is_plan = job.plan.is_some();
    let (done, failed) = match is_plan {
        true => ("planned", "would fail"),
        false => ("done", "failed"),
    };
    let mut counts = format!("{}: {} of {} tasks {done}", job.status, s.completed, s.total_tasks);
    for (count, what) in [
        (s.skipped, "skipped"),
        (s.failed, failed),
        (s.unknown, "of unknown fate"),
        (s.cancelled, "cancelled"),
    ] {
        if count > 0 {
            counts += &format!(", {count} {what}");
        }
    }
    if let Some(seconds) = took_seconds(job) {
        counts += &format!(", in {}", duration(seconds));
    }
    let mut lines = vec![counts];
    if goes_on(job) {
        lines.extend(
            Some(outlook(job, None).join(", "))
                .filter(|l| !l.is_empty())
                .map(|l| format!("  {l}")),
        );
    }
    for (kind, n) in &s.resources {
        let updated = if n.updated > 0 {
            format!(", {} updated", n.updated)
        } else {
            String::new()
        };
        let besides = match besides(job, kind) {
            0 => String::new(),
            of => format!(" ({of} of them by tasks that did not succeed)"),
        };
        let kind = kind.replace('_', " ");
        lines.push(match n.deleted {
            0 => format!(
                "  {kind}: {} created, {} adopted{updated}{besides}",
                n.created, n.adopted
            ),
            deleted => format!("  {kind}: {deleted} deleted"),
        });
    }
    lines.extend(plan);
    lines.extend(
        job.audit
            .iter()
            .filter(|_| !goes_on(job))
            .flat_map(audit::lines)
            .map(|line| format!("  {line}")),
    );
    lines.extend(taken_up(job));
    lines.extend(held(job).iter().map(|line| format!("  {line}")));
    lines.extend(job.warnings.iter().map(|w| format!("  warning: {w}")));
    lines.extend(job.notices.iter().map(|n| format!("  notice: {n}")));
    for error in job.errors.iter().take(ERRORS_SHOWN) {
        lines.push(format!("  {}: {error}", if is_plan { "would fail" } else { "error" }));
    }
    let more = job
        .errors_total
        .max(job.errors.len() as u64)
        .saturating_sub(ERRORS_SHOWN as u64);
    if more > 0 {
        lines.push(format!("  … and {more} more: phaseline tasks {} --failed", job.id));
    }
    lines
}

/// What else has been done about it, and what is left to look at.
fn taken_up(job: &Job) -> Vec<String> {
    let (is_cleanup, is_audit) = (job.cleanup_of.is_some(), job.audit_of.is_some());
    let kept = (is_cleanup && job.summary.skipped > 0).then(|| {
        format!(
            "  what was kept or gone before, and why: phaseline tasks {} --status SKIPPED",
            job.id
        )
    });
    let cleaned = job
        .cleaned_by
        .as_ref()
        .map(|by| format!("  cleaned up, or begun to be: job {by} says what is gone and what was kept"));
    let retried = job
        .retried_by
        .as_ref()
        .map(|by| format!("  taken up by a retry: job {by}"));
    let earlier: Vec<&str> = job.retries.iter().skip(1).map(String::as_str).collect();
    let earlier = (!earlier.is_empty()).then(|| format!("  and by earlier ones: {}", earlier.join(", ")));
    let is_left = matches!(job.status.as_str(), "PARTIAL" | "FAILED" | "CANCELLED") && job.plan.is_none();
    let is_refused_by_its_plan = job.plan_checked_by.is_some() && job.started_at.is_none();
    let to_retry =
        (is_left && !is_refused_by_its_plan && !is_cleanup && !is_audit && retried.is_none() && cleaned.is_none())
            .then(|| format!("  what is left can be made by: phaseline retry {}", job.id));
    [kept, cleaned, retried, earlier, to_retry]
        .into_iter()
        .flatten()
        .collect()
}

/// How many of the resources of a kind are of tasks that failed or whose fate is unknown: they are there, and not as they should be. Told of
/// kinds that a phase of their own makes, a task for each.
fn besides(job: &Job, kind: &str) -> u64 {
    let phase = job
        .phases
        .iter()
        .find(|phase| phase.id.strip_prefix("create_") == Some(kind));
    phase.map_or(0, |phase| {
        let (n, tasks) = (&job.summary.resources[kind], &phase.tasks);
        let all = n.created + n.adopted + n.updated;
        all.saturating_sub(tasks.completed).min(tasks.failed + tasks.unknown)
    })
}

/// Why it stands, and how to go on; nothing of one that does not.
pub fn held(job: &Job) -> Vec<String> {
    match job.status.as_str() {
        "PAUSED" => vec![
            format!("paused: {}", job.pause_reason.as_deref().unwrap_or("no reason given")),
            format!("continue it with: phaseline resume {}", job.id),
        ],
        "AWAITING_CONFIRMATION" if job.is_plan_awaited => Vec::new(),
        "AWAITING_CONFIRMATION" => {
            let by = job.confirm_by.as_deref();
            let by = by.map(|by| format!("it is cancelled when nobody has confirmed it by {by}"));
            let wait = format!("waits for confirmation: phaseline confirm {}", job.id);
            [wait].into_iter().chain(by).collect()
        }
        _ => Vec::new(),
    }
}

fn took_seconds(job: &Job) -> Option<u64> {
    let at = |t: &Option<String>| t.as_deref()?.parse::<jiff::Timestamp>().ok();
    let began = at(&job.started_at).or_else(|| at(&job.created_at))?;
    let ended = at(&job.completed_at)?;
    u64::try_from(ended.as_second() - began.as_second()).ok()
}
