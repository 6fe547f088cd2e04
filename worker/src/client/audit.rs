//! `phaseline audit`: ask how things stand, and say what is other than the job left it.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::api::Api;
use crate::args::Audit;
use crate::exit::{self, Failure};
use crate::output::Output;
use crate::start;
use crate::watch;
use crate::wire::audit::{Audited, FieldDiffers, Row};
use crate::wire::{Job, Judged};

/// Rows of each finding that are printed.
const ROWS_SHOWN: usize = 10;

pub async fn run(api: &Api, audit: Audit, output: Output) -> Result<u8, Failure> {
    let key = start::key(&audit.idempotency_key);
    let patience = Duration::from_secs(audit.patience * 60);
    let sending = start::start(&key, patience, output, || true, async || send(api, &audit, &key).await);
    let (audited, raw) = sending.await?;
    if !audit.watch {
        match output.json {
            true => output.document(&raw),
            false => lines(&audited).iter().for_each(|line| output.line(line)),
        }
        return Ok(exit_code(&audited).unwrap_or(exit::OK));
    }
    let job = audited.job_id;
    let code = watch::watch(api, &job, patience, output).await?;
    if code == exit::INTERRUPTED || code == exit::HELD {
        return Ok(code);
    }
    // its lines, or its document, were the last that the watching printed
    let (job, _): (Job, Value) = api.get(&format!("api/v1/jobs/{job}"), &[]).await?;
    Ok(job.audit.as_ref().and_then(exit_code).unwrap_or(code))
}

async fn send(api: &Api, audit: &Audit, key: &str) -> Result<(Audited, Value), Failure> {
    let mut request = api
        .request(Method::POST, &format!("api/v1/jobs/{}/audit", audit.job))?
        .header("idempotency-key", key);
    // who watches wants to see it begin
    if let Some(seconds) = audit.wait.or(audit.watch.then_some(0)) {
        request = request.header("prefer", format!("wait={seconds}"));
    }
    api.answer(request).await
}

/// None: it goes on. What was found is worth more than what could not be read.
fn exit_code(audited: &Audited) -> Option<u8> {
    match exit::of_standing(&audited.job_status)? {
        exit::OK | exit::PARTIAL | exit::FAILED if audited.is_as_left == Some(false) => Some(exit::DIFFERENT),
        // no difference was found in what could be told
        exit::OK if audited.is_as_left.is_none() => Some(exit::PARTIAL),
        code => Some(code),
    }
}

/// What an audit has found, in lines.
pub fn lines(audited: &Audited) -> Vec<String> {
    let job = &audited.job_id;
    let n = |verdict: &str| audited.verdicts.get(verdict).copied().unwrap_or_default();
    if exit::of_ended(&audited.job_status).is_none() {
        let next = match exit::of_standing(&audited.job_status) {
            Some(_) => format!("it is {}: phaseline status {job} says why", audited.job_status),
            None => format!("it goes on; watch it with: phaseline status {job} --watch"),
        };
        return vec![format!("accepted as job {job}"), next];
    }
    let head = match (audited.is_as_left, audited.status.as_str()) {
        (Some(true), _) => "all is as the job left it",
        (Some(false), _) => "not all is as the job left it",
        (None, _) => "nothing differs in what could be told, and not everything could be",
    };
    let venue = audited.venue_name.as_deref().unwrap_or(&audited.venue_id);
    let mut lines = vec![
        format!("{head} (venue {venue}, audit {job})"),
        format!(
            "  {} present, {} missing, {} changed, {} extra",
            n("present"),
            n("missing"),
            n("changed"),
            n("extra")
        ),
        format!(
            "  there now: {} identity groups, {} DPSK pools, {} keys in them",
            audited.total_identity_groups, audited.total_dpsk_pools, audited.total_passphrases
        ),
    ];
    for (verdict, what) in [
        ("pending", "the job has not come to yet"),
        ("not_expected", "the job did not make, by its own word"),
        ("not_judged", "could not be told"),
    ] {
        if n(verdict) > 0 {
            lines.push(format!("  {} items {what}", n(verdict)));
        }
    }
    if audited.passphrases_of_others > 0 {
        let of_others = audited.passphrases_of_others;
        lines.push(format!(
            "  {of_others} keys of others were in the pools before the job came"
        ));
    }
    for (verdict, rows) in [
        ("missing", &audited.missing),
        ("changed", &audited.changed),
        ("extra", &audited.extra),
    ] {
        lines.extend(rows.iter().take(ROWS_SHOWN).map(|row| line(verdict, row)));
        let shown = rows.len().min(ROWS_SHOWN) as u64;
        if n(verdict) > shown {
            let more = n(verdict) - shown;
            lines.push(format!(
                "  … and {more} more {verdict}: phaseline tasks {job} --verdict {verdict} --all"
            ));
        }
    }
    if audited.is_as_left == Some(false) {
        lines.push(format!(
            "  every item in a file: phaseline report {job} --output audit.csv"
        ));
    }
    if audited.errors_total > 0 {
        lines.push(format!(
            "  not everything could be read: phaseline status {job} says why"
        ));
    }
    lines
}

fn differ(differences: &[FieldDiffers]) -> impl Iterator<Item = String> {
    differences.iter().map(|d| match d.found == d.expected {
        // of a secret neither value is told
        true => format!("{} differs", d.field),
        false => format!("{} is {}, was {}", d.field, d.found, d.expected),
    })
}

/// Of a task of an audit: its verdict, and what follows from it. Of another one nothing.
pub fn why(judged: &Judged) -> String {
    let Some(verdict) = &judged.verdict else {
        return String::new();
    };
    let told: Vec<String> = differ(&judged.differences).chain(judged.note.clone()).collect();
    match told.is_empty() {
        true => verdict.clone(),
        false => format!("{verdict}: {}", told.join("; ")),
    }
}

fn line(verdict: &str, row: &Row) -> String {
    let place = row
        .place
        .as_ref()
        .map_or_else(String::new, |place| format!(" in {place}"));
    let why: Vec<String> = differ(&row.differences).chain(row.note.clone()).collect();
    let why = match why.is_empty() {
        true => String::new(),
        false => format!(": {}", why.join("; ")),
    };
    format!("  {verdict}: {} {}{place}{why}", row.kind.replace('_', " "), row.name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn audited(change: Value) -> Audited {
        let mut all = json!({"status": "audited", "job_id": "j-2", "job_status": "COMPLETED", "is_as_left": true});
        for (name, value) in change.as_object().unwrap() {
            all[name] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn the_exit_code_says_whether_anything_differs() {
        let code = |change| exit_code(&audited(change));
        assert_eq!(code(json!({})), Some(exit::OK));
        assert_eq!(code(json!({"is_as_left": false})), Some(exit::DIFFERENT));
        assert_eq!(code(json!({"is_as_left": null})), Some(exit::PARTIAL));
        assert_eq!(
            code(json!({"is_as_left": false, "job_status": "PARTIAL"})),
            Some(exit::DIFFERENT)
        );
        assert_eq!(
            code(json!({"is_as_left": null, "job_status": "PARTIAL"})),
            Some(exit::PARTIAL)
        );
        assert_eq!(
            code(json!({"is_as_left": null, "job_status": "CANCELLED"})),
            Some(exit::CANCELLED)
        );
        assert_eq!(code(json!({"is_as_left": null, "job_status": "RUNNING"})), None);
        assert_eq!(
            code(json!({"is_as_left": null, "job_status": "PAUSED"})),
            Some(exit::HELD)
        );
    }
}
