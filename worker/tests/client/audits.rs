//! `phaseline audit`: what it sends, what it says of what was found, and how it ends.

use serde_json::{Value, json};

use crate::double::{Api, JOB, Reply, code, err, job, out};

fn audit(job_status: &str, is_as_left: Option<bool>) -> Value {
    let row = |kind: &str, name: &str, differences: Value| {
        json!({"verdict": "x", "kind": kind, "name": name,
        "where": "Lobby-DPSK", "id": "k", "differences": differences, "note": null, "task_id": "t"})
    };
    let found = is_as_left == Some(false);
    let some = |rows: Value| if found { rows } else { json!([]) };
    let n = u64::from(found);
    json!({"status": "audited", "audit_of": JOB, "job_id": "j-2", "job_status": job_status, "venue_id": "v-1",
        "venue_name": "Annex", "total_identity_groups": 1, "total_dpsk_pools": 1, "total_passphrases": 12,
        "passphrases_of_others": 0, "is_as_left": is_as_left,
        "verdicts": {"present": 11, "missing": 12 * n, "changed": n, "extra": n, "pending": 0, "not_expected": 2, "not_judged": 0},
        "missing": some(json!([row("passphrase", "anna", json!([]))])),
        "changed": some(json!([row("passphrase", "ben", json!([{"field": "passphrase", "found": "***", "expected": "***"},
            {"field": "vlanId", "found": "45", "expected": "44"}]))])),
        "extra": some(json!([row("passphrase", "zoe", json!([]))])), "errors_total": 0})
}

#[test]
fn what_differs_is_said_and_a_script_hears_it_by_the_exit_code() {
    let api = Api::with(vec![Reply::HangUp, Reply::Answer(200, audit("COMPLETED", Some(false)))]);
    let output = api.run(&["audit", JOB, "--wait", "30"]);
    assert_eq!(code(&output), 8, "{}", err(&output));
    assert_eq!(
        out(&output),
        "not all is as the job left it (venue Annex, audit j-2)\n  \
         11 present, 12 missing, 1 changed, 1 extra\n  \
         there now: 1 identity group, 1 DPSK pool, 12 keys in the pools\n  \
         2 items the job did not make, by its own word\n  \
         missing: passphrase anna in Lobby-DPSK\n  \
         … and 11 more missing: phaseline tasks j-2 --verdict missing --all\n  \
         changed: passphrase ben in Lobby-DPSK: passphrase differs; vlanId is 45, was 44\n  \
         extra: passphrase zoe in Lobby-DPSK\n  \
         every item in a file: phaseline report j-2 --output audit.csv\n"
    );
    let seen = api.seen();
    assert_eq!(seen[1].line, format!("POST /api/v1/jobs/{JOB}/audit HTTP/1.1"));
    assert_eq!(seen[1].header("prefer"), Some("wait=30"));
    let key = |at: usize| seen[at].header("idempotency-key").unwrap().to_owned();
    assert!(key(0).len() >= 16 && key(0) == key(1), "it is one job");

    let api = Api::with(vec![Reply::Answer(200, audit("COMPLETED", Some(true)))]);
    let output = api.run(&["audit", JOB]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(
        out(&output).starts_with("all is as the job left it"),
        "{}",
        out(&output)
    );
    let api = Api::with(vec![Reply::Answer(200, audit("COMPLETED", Some(false)))]);
    let output = api.run(&["audit", JOB, "--json"]);
    let told: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!((code(&output), &told["missing"][0]["name"]), (8, &json!("anna")));
}

#[test]
fn one_that_goes_on_is_watched_if_that_is_asked_for() {
    let api = Api::with(vec![Reply::Answer(202, audit("RUNNING", None))]);
    let output = api.run(&["audit", JOB]);
    assert_eq!(code(&output), 9, "nobody is told that nothing differs");
    assert!(
        out(&output).contains("phaseline status j-2 --watch"),
        "{}",
        out(&output)
    );
    assert_eq!(api.seen()[0].header("prefer"), None);

    let Reply::Answer(_, mut done) = job("COMPLETED", 10) else {
        panic!("an answer")
    };
    done["audit"] = audit("COMPLETED", Some(false));
    let replies = vec![
        Reply::Answer(202, audit("PENDING", None)),
        job("RUNNING", 1),
        Reply::Answer(200, done.clone()),
    ];
    let api = Api::with(replies);
    let output = api.run(&["audit", JOB, "--watch"]);
    assert_eq!(code(&output), 8, "{}", err(&output));
    assert_eq!(api.seen()[0].header("prefer"), Some("wait=0"));
    for arguments in [&["status", JOB][..], &["status", JOB, "--watch"]] {
        let api = Api::with(vec![Reply::Answer(200, done.clone())]);
        let output = api.run(arguments);
        assert_eq!(code(&output), 8, "{arguments:?}: {}", err(&output));
    }

    let problem = json!({"status": 409, "detail": "a job that is RUNNING cannot be audited"});
    let api = Api::with(vec![Reply::Answer(409, problem)]);
    let output = api.run(&["audit", JOB]);
    assert!(
        code(&output) == 1 && err(&output).contains("RUNNING"),
        "{}",
        err(&output)
    );
}

#[test]
fn its_tasks_and_its_report_are_asked_for_by_verdict() {
    let item = json!({"id": "t", "name": "ben", "phase": "audit_passphrases", "status": "COMPLETED", "retry_count": 0,
        "input_data": {"verdict": "changed", "note": null, "differences": [{"field": "vlanId", "found": "45", "expected": "44"}]}});
    let api = Api::with(vec![Reply::Answer(200, json!({"items": [item], "next_cursor": null}))]);
    let output = api.run(&["tasks", JOB, "--verdict", "changed,EXTRA"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(
        out(&output).contains("changed: vlanId is 45, was 44"),
        "{}",
        out(&output)
    );
    assert!(
        api.seen()[0].line.contains("verdict=changed%2Cextra"),
        "{}",
        api.seen()[0].line
    );
}
