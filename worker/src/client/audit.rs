//! `phaseline audit`: ask how things stand, and say what is other than the job left it.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::api::Api;
use crate::args::Audit;
use crate::exit::{self, Failure};
use crate::output::Output;
use crate::start;
use crate::text::counted;
use crate::watch;
use crate::wire::Judged;
use crate::wire::audit::{Audited, FieldDiffers, Row};

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
        // whoever asks whether anything differs must not take silence for a no
        return Ok(audited.standing().unwrap_or(exit::NOT_KNOWN_YET));
    }
    watch::watch(api, &audited.job_id, patience, output).await
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
            "  there now: {}, {}, {} in the pools",
            counted(audited.total_identity_groups, "identity group"),
            counted(audited.total_dpsk_pools, "DPSK pool"),
            counted(audited.total_passphrases, "key")
        ),
    ];
    for (verdict, what) in [
        ("pending", "the job has not come to yet"),
        ("not_expected", "the job did not make, by its own word"),
        ("not_judged", "could not be told"),
    ] {
        if n(verdict) > 0 {
            lines.push(format!("  {} {what}", counted(n(verdict), "item")));
        }
    }
    if audited.passphrases_of_others > 0 {
        let keys = counted(audited.passphrases_of_others, "key");
        lines.push(format!("  in the pools before the job came: {keys} of others"));
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
