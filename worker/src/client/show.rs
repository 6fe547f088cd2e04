//! `status`, `jobs`, `tasks`: what is, in words or as JSON.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::args;
use crate::exit::{self, Failure};
use crate::output::Output;
use crate::progress::{duration, goes_on, outlook, phase_line};
use crate::watch;
use crate::wire::{Job, Page, Task};

/// The API's largest page.
const PAGE_MAX: u64 = 200;
/// Errors of a job that are printed; `tasks --failed` lists all.
const ERRORS_SHOWN: usize = 10;

pub async fn status(api: &Api, args: args::Status, output: Output) -> Result<u8, Failure> {
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
    Ok(exit::of_ended(&job.status).unwrap_or(exit::OK))
}

/// What became of a job, in lines.
pub fn summary(job: &Job) -> Vec<String> {
    let s = &job.summary;
    let mut counts = format!("{}: {} of {} tasks done", job.status, s.completed, s.total_tasks);
    for (count, what) in [
        (s.skipped, "skipped"),
        (s.failed, "failed"),
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
        lines.push(format!(
            "  {}: {} created, {} adopted{updated}",
            kind.replace('_', " "),
            n.created,
            n.adopted
        ));
    }
    if let Some(reason) = job.pause_reason.as_deref().filter(|_| job.status == "PAUSED") {
        lines.push(format!("  paused: {reason}"));
    }
    lines.extend(job.warnings.iter().map(|w| format!("  warning: {w}")));
    lines.extend(job.notices.iter().map(|n| format!("  notice: {n}")));
    for error in job.errors.iter().take(ERRORS_SHOWN) {
        lines.push(format!("  error: {error}"));
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

fn took_seconds(job: &Job) -> Option<u64> {
    let at = |t: &Option<String>| t.as_deref()?.parse::<jiff::Timestamp>().ok();
    let began = at(&job.started_at).or_else(|| at(&job.created_at))?;
    let ended = at(&job.completed_at)?;
    u64::try_from(ended.as_second() - began.as_second()).ok()
}

pub async fn jobs(api: &Api, args: args::Jobs, output: Output) -> Result<u8, Failure> {
    let mut query = Vec::new();
    if let Some(status) = args.status {
        query.push(("status", status.to_uppercase()));
    }
    let items = list(api, "api/v1/jobs", &query, args.limit).await?;
    if output.json {
        output.document(&json!({ "items": items }));
        return Ok(exit::OK);
    }
    if items.is_empty() {
        output.line("no jobs");
    }
    for item in &items {
        let job = Job::deserialize(item).unwrap_or_default();
        let controller = job.controller_id.map_or_else(|| "-".to_owned(), |c| c.to_string());
        let created = job
            .created_at
            .as_deref()
            .unwrap_or("-")
            .get(..19)
            .unwrap_or("-")
            .replace('T', " ");
        output.line(&format!(
            "{}  {:<21}  {:>5.1} %  {:>7} tasks  controller {controller}  {created}  {}",
            job.id, job.status, job.summary.percent, job.summary.total_tasks, job.workflow_name
        ));
    }
    Ok(exit::OK)
}

pub async fn tasks(api: &Api, args: args::Tasks, output: Output) -> Result<u8, Failure> {
    let path = format!("api/v1/jobs/{}/tasks", args.job);
    let statuses = match (args.failed, args.status) {
        (true, _) => vec![Some("FAILED".to_owned()), Some("UNKNOWN".to_owned())],
        (false, status) => vec![status.map(|s| s.to_uppercase())],
    };
    let mut items = Vec::new();
    for status in statuses {
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(status.map(|s| ("status", s)));
        query.extend(args.phase.clone().map(|p| ("phase", p)));
        let left = args.limit - items.len() as u64;
        items.extend(list(api, &path, &query, left).await?);
    }
    if output.json {
        output.document(&json!({ "items": items }));
        return Ok(exit::OK);
    }
    if items.is_empty() {
        output.line("no such tasks");
    }
    for item in &items {
        let task = Task::deserialize(item).unwrap_or_default();
        let why = match (&task.error_message, &task.error_code) {
            (Some(message), Some(code)) => format!("  {message} [{code}]"),
            (Some(message), None) => format!("  {message}"),
            _ => String::new(),
        };
        let retries = if task.retry_count > 0 {
            format!(" after {} retries", task.retry_count)
        } else {
            String::new()
        };
        output.line(&format!("{:<11} {}{retries}{why}", task.status, task.name));
    }
    if items.len() as u64 == args.limit {
        output.line(&format!("(the first {}; --limit N shows more)", args.limit));
    }
    Ok(exit::OK)
}

/// Pages until `limit` items or the end.
async fn list(api: &Api, path: &str, query: &[(&str, String)], limit: u64) -> Result<Vec<Value>, Failure> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    while (items.len() as u64) < limit {
        let page_size = (limit - items.len() as u64).min(PAGE_MAX);
        let mut query: Vec<(&str, String)> = query.to_vec();
        query.push(("limit", page_size.to_string()));
        query.extend(cursor.take().map(|c| ("cursor", c)));
        let (page, _): (Page, Value) = api.get(path, &query).await?;
        items.extend(page.items);
        match page.next_cursor {
            // A filter may leave a page empty although more pages follow.
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(items)
}
