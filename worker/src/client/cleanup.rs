//! `phaseline cleanup`: say what is to go, and what went.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::args::Cleanup;
use crate::exit::{self, Failure};
use crate::output::Output;
use crate::start;
use crate::watch;
use crate::wire::Cleaned;

pub async fn run(api: &Api, cleanup: Cleanup, output: Output) -> Result<u8, Failure> {
    let key = start::key(&cleanup.idempotency_key);
    let patience = Duration::from_secs(cleanup.patience * 60);
    let sending = start::start(
        &key,
        patience,
        output,
        || true,
        async || send(api, &cleanup, &key).await,
    );
    let (cleaned, raw) = sending.await?;
    if output.json {
        output.document(&raw);
    } else {
        lines(&cleaned).iter().for_each(|line| output.line(line));
    }
    let Some(job) = cleaned.job_id.as_deref() else {
        return Ok(exit::OK);
    };
    let status = cleaned.job_status.as_deref().unwrap_or_default();
    match exit::of_standing(status) {
        Some(code) => Ok(code),
        None if cleanup.watch => watch::watch(api, job, patience, output).await,
        None => {
            if !output.json {
                output.line(&format!("it goes on; watch it with: phaseline status {job} --watch"));
            }
            Ok(exit::OK)
        }
    }
}

async fn send(api: &Api, cleanup: &Cleanup, key: &str) -> Result<(Cleaned, Value), Failure> {
    let body = json!({"delete_partial_resources": !cleanup.keep, "dry_run": cleanup.dry_run, "force": cleanup.force});
    let mut request = api
        .request(Method::POST, &format!("api/v1/jobs/{}/cleanup", cleanup.job))?
        .header("idempotency-key", key)
        .json(&body);
    // who watches wants to see it begin
    if let Some(seconds) = cleanup.wait.or(cleanup.watch.then_some(0)) {
        request = request.header("prefer", format!("wait={seconds}"));
    }
    api.answer(request).await
}

fn lines(cleaned: &Cleaned) -> Vec<String> {
    let job = cleaned.job_id.as_deref().unwrap_or_default();
    let (head, verb) = match cleaned.status.as_str() {
        "kept" => (String::from("nothing is deleted"), "deleted"),
        "planned" => (format!("dry run, job {job}: nothing was deleted"), "would be deleted"),
        "cleaned" => (format!("cleaned up by job {job}"), "deleted"),
        "partly_cleaned" => (format!("cleaned up in part by job {job}"), "deleted"),
        _ => (format!("accepted as job {job}"), "deleted so far"),
    };
    let counted = |n: &std::collections::BTreeMap<String, u64>, what: &str| {
        let some = n.iter().filter(|(_, n)| **n > 0);
        some.map(|(kind, n)| format!("  {}: {n} {what}", kind.replace('_', " ")))
            .collect::<Vec<_>>()
    };
    let mut lines = vec![head];
    lines.extend(counted(&cleaned.deleted, verb));
    lines.extend(counted(&cleaned.kept, "kept"));
    if !cleaned.kept.is_empty() && !job.is_empty() {
        lines.push(format!("  why: phaseline tasks {job} --status SKIPPED"));
    }
    if cleaned.errors_total > 0 {
        lines.push(format!(
            "  errors: {}; see phaseline tasks {job} --failed",
            cleaned.errors_total
        ));
    }
    lines
}
