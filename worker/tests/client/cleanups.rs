//! `phaseline cleanup`: what it sends, and what it says of what went.

use serde_json::{Value, json};

use crate::double::{Api, JOB, Reply, code, err, job, out};

fn answer(status: u16, told: &str, job_status: &str, kept: Value) -> Reply {
    let cleanup = json!({"status": told, "cleanup_of": JOB, "job_id": "j-2", "job_status": job_status, "dry_run": false,
        "deleted": {"identity_groups": 0, "dpsk_pools": 1, "passphrases": 12}, "kept": kept, "errors_total": 0});
    Reply::Answer(status, cleanup)
}

#[test]
fn what_went_and_what_stays_is_said() {
    let api = Api::with(vec![
        Reply::HangUp,
        answer(200, "partly_cleaned", "COMPLETED", json!({"passphrases": 2})),
    ]);
    let output = api.run(&["cleanup", JOB, "--force", "--wait", "30"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(
        out(&output),
        "cleaned up in part by job j-2\n  dpsk pools: 1 deleted\n  passphrases: 12 deleted\n  passphrases: 2 kept\n  \
         why: phaseline tasks j-2 --status SKIPPED\n"
    );
    let seen = api.seen();
    assert_eq!(seen[1].line, format!("POST /api/v1/jobs/{JOB}/cleanup HTTP/1.1"));
    assert_eq!(seen[1].header("prefer"), Some("wait=30"));
    let key = |at: usize| seen[at].header("idempotency-key").unwrap().to_owned();
    assert!(key(0).len() >= 16 && key(0) == key(1), "it is one job");
    let sent: Value = serde_json::from_slice(&seen[1].body).unwrap();
    assert_eq!(
        sent,
        json!({"delete_partial_resources": true, "dry_run": false, "force": true})
    );
}

#[test]
fn nothing_is_asked_to_be_deleted_that_is_to_be_kept() {
    let kept = json!({"status": "kept", "cleanup_of": JOB, "job_id": null, "job_status": null, "dry_run": false,
        "deleted": {"passphrases": 0}, "kept": {"passphrases": 3}, "errors_total": 0});
    let api = Api::with(vec![Reply::Answer(200, kept)]);
    let output = api.run(&["cleanup", JOB, "--keep"]);
    assert_eq!(
        (code(&output), out(&output)),
        (0, "nothing is deleted\n  passphrases: 3 kept\n".into())
    );
    let sent: Value = serde_json::from_slice(&api.seen()[0].body).unwrap();
    assert_eq!(sent["delete_partial_resources"], false);
    let output = api.run(&["cleanup", JOB, "--keep", "--force"]);
    assert!(code(&output) == 1 && api.seen().len() == 1, "{}", err(&output));
}

#[test]
fn one_that_goes_on_is_watched_if_that_is_asked_for() {
    let api = Api::with(vec![answer(202, "cleaning", "PENDING", json!({}))]);
    let output = api.run(&["cleanup", JOB]);
    assert_eq!(code(&output), 0);
    assert!(
        out(&output).contains("phaseline status j-2 --watch"),
        "{}",
        out(&output)
    );
    assert_eq!(api.seen()[0].header("prefer"), None);

    let api = Api::with(vec![
        answer(202, "cleaning", "PENDING", json!({})),
        job("RUNNING", 1),
        job("PARTIAL", 10),
    ]);
    let output = api.run(&["cleanup", JOB, "--watch", "--dry-run"]);
    assert_eq!(code(&output), 2, "{}", err(&output));
    let seen = api.seen();
    assert_eq!(seen[0].header("prefer"), Some("wait=0"));
    assert_eq!(seen[1].line, "GET /api/v1/jobs/j-2?resources=0 HTTP/1.1");
    let sent: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(sent["dry_run"], true);

    let problem = json!({"status": 409, "detail": "job j-3 is a cleanup of it and has not ended"});
    let api = Api::with(vec![Reply::Answer(409, problem)]);
    let output = api.run(&["cleanup", JOB]);
    assert!(code(&output) == 1 && err(&output).contains("j-3"), "{}", err(&output));
}
