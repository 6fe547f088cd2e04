//! `phaseline retry`: what it sends, and what it never says.

use serde_json::{Value, json};

use crate::double::{Api, JOB, Reply, Scratch, code, err, job, out};

fn accepted() -> Reply {
    Reply::Answer(
        202,
        json!({"job_id": "j-2", "status": "PENDING", "estimated_duration_seconds": 4, "resume_of": JOB}),
    )
}

#[test]
fn corrections_are_sent_as_they_are_and_a_bare_list_is_wrapped() {
    let list = br#"[{"row": 3, "fields": {"passphrase": "hunter22hunter22"}}]"#;
    let whole = [br#"{"corrections": "#.as_slice(), list, b"}"].concat();
    for text in [&[b"\xEF\xBB\xBF\n".as_slice(), list].concat(), &whole] {
        let file = Scratch::file(text);
        let api = Api::with(vec![accepted()]);
        let output = api.run(&["retry", JOB, "--corrections", file.path(), "--idempotency-key", "mine"]);
        assert_eq!(code(&output), 0, "{}", err(&output));
        assert!(out(&output).contains("accepted as job j-2"), "{}", out(&output));
        let seen = &api.seen()[0];
        assert_eq!(seen.line, format!("POST /api/v1/jobs/{JOB}/retry HTTP/1.1"));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(seen.header("idempotency-key"), Some("mine"));
        let sent: Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(sent["corrections"][0]["row"], 3);
    }
    let api = Api::with(vec![accepted()]);
    let output = api.run(&["retry", JOB, "--corrections", "/nowhere/at-all"]);
    assert!(code(&output) == 1 && api.seen().is_empty(), "{}", err(&output));
}

#[test]
fn without_corrections_there_is_no_body_and_a_lost_answer_is_asked_for_again() {
    let api = Api::with(vec![Reply::HangUp, accepted(), job("RUNNING", 1), job("COMPLETED", 10)]);
    let output = api.run(&["retry", JOB, "--watch"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let seen = api.seen();
    assert!(seen[0].body.is_empty() && seen[0].header("content-type").is_none());
    let key = |at: usize| seen[at].header("idempotency-key").unwrap().to_owned();
    assert!(key(0).len() >= 16 && key(0) == key(1), "it is one job");
    assert_eq!(seen[2].line, "GET /api/v1/jobs/j-2?resources=0 HTTP/1.1");
}

#[test]
fn faults_and_states_are_told_by_the_exit_code() {
    let problem = |status: u16, detail: &str| Reply::Answer(status, json!({"status": status, "detail": detail}));
    let api = Api::with(vec![problem(409, "job j-2 is a retry of it and has not ended")]);
    let output = api.run(&["retry", JOB]);
    assert!(code(&output) == 1 && err(&output).contains("j-2"), "{}", err(&output));
    let api = Api::with(vec![problem(400, "1 fault")]);
    let file = Scratch::file(br#"[{"passphrase": "hunter22hunter22"}]"#);
    let output = api.run(&["retry", JOB, "--corrections", file.path()]);
    assert_eq!(code(&output), 5);
    assert!(!err(&output).contains("hunter22"));
    let api = Api::with(vec![
        Reply::Answer(200, json!({"job_id": "j-2", "status": "COMPLETED"})),
        job("COMPLETED", 10),
    ]);
    let output = api.run(&["retry", JOB, "--wait", "5"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(api.seen()[0].header("prefer"), Some("wait=5"));
}

/// What a script that failed leaves behind: the rows would be sent once more as they were.
#[test]
fn a_file_without_corrections_is_none() {
    for empty in [
        "",
        " \n",
        "[]",
        "{}",
        "null",
        r#"{"corrections": []}"#,
        r#"{"corrections": null}"#,
    ] {
        let (file, api) = (Scratch::file(empty.as_bytes()), Api::with(vec![]));
        let output = api.run(&["retry", JOB, "--corrections", file.path()]);
        assert_eq!(code(&output), 5, "{empty:?}: {}", err(&output));
        assert!(err(&output).contains("no corrections in it") && api.seen().is_empty());
    }
}

#[test]
fn when_no_answer_comes_the_key_is_told_with_which_to_repeat_it() {
    for command in ["retry", "cleanup", "plan"] {
        let file = Scratch::file(br#"{"dpsk_data":[]}"#);
        let about = if command == "plan" { file.path() } else { JOB };
        let api = Api::with(vec![Reply::HangUp]);
        let output = api.run(&[command, about, "--patience", "0"]);
        assert_eq!(code(&output), 6, "{command}: {}", err(&output));
        let key = api.seen()[0].header("idempotency-key").unwrap().to_owned();
        let told = format!("repeat the command with --idempotency-key {key},");
        assert!(err(&output).contains(&told), "{command}: {}", err(&output));
    }
}

#[test]
fn a_dead_letter_is_taken_up_by_its_id_alone() {
    let api = Api::with(vec![Reply::HangUp, accepted(), job("RUNNING", 1), job("COMPLETED", 10)]);
    let output = api.run(&["admin", "replay", "0.17-0", "--watch"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let seen = api.seen();
    assert_eq!(seen[1].line, "POST /api/v1/admin/dead-letters/0.17-0/replay HTTP/1.1");
    assert_eq!(seen[0].header("idempotency-key"), seen[1].header("idempotency-key"));
    assert_eq!(seen[2].line, "GET /api/v1/jobs/j-2?resources=0 HTTP/1.1");
    let api = Api::with(vec![Reply::Answer(
        404,
        json!({"status": 404, "detail": "there is no dead letter `../jobs`"}),
    )]);
    let output = api.run(&["admin", "replay", "../jobs"]);
    assert!(
        code(&output) == 1 && err(&output).contains("no dead letter"),
        "{}",
        err(&output)
    );
    assert_eq!(
        api.seen()[0].line,
        "POST /api/v1/admin/dead-letters/..%2Fjobs/replay HTTP/1.1"
    );
}

#[test]
fn a_dead_letter_is_dismissed_by_its_id() {
    let api = Api::with(vec![Reply::Answer(204, Value::Null), Reply::Answer(204, Value::Null)]);
    let output = api.run(&["admin", "dismiss", "0.17-0"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).starts_with("dismissed 0.17-0"), "{}", out(&output));
    assert_eq!(api.seen()[0].line, "DELETE /api/v1/admin/dead-letters/0.17-0 HTTP/1.1");
    let told: Value = serde_json::from_slice(&api.run(&["--json", "admin", "dismiss", "0.17-0"]).stdout).unwrap();
    assert_eq!(told["dismissed"], true);
    let problem = json!({"status": 404, "detail": "there is no dead letter `0.17-0`"});
    let output = Api::with(vec![Reply::Answer(404, problem)]).run(&["admin", "dismiss", "0.17-0"]);
    assert!(
        code(&output) == 1 && err(&output).contains("no dead letter"),
        "{}",
        err(&output)
    );
}
