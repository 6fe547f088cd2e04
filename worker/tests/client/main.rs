//! The client command against an API made of canned answers: what it sends, what it prints, how it ends.

mod audits;
mod cleanups;
mod completion;
mod double;
mod imports;
mod lists;
mod plans;
mod reports;
mod retries;
mod stopped;

use serde_json::{Value, json};

use double::{Api, JOB, Reply, Scratch, code, err, job, out, run};

#[test]
fn each_end_of_a_job_has_its_exit_code() {
    for (status, watched, asked) in [
        ("COMPLETED", 0, 0),
        ("PARTIAL", 2, 2),
        ("FAILED", 3, 3),
        ("CANCELLED", 4, 4),
        ("PAUSED", 7, 0),
        ("AWAITING_CONFIRMATION", 7, 0),
    ] {
        let api = Api::with(vec![job("RUNNING", 4), job(status, 10)]);
        let output = api.run(&["status", JOB, "--watch"]);
        assert_eq!(code(&output), watched, "{status}: {}", err(&output));
        let text = out(&output);
        assert!(
            text.contains("(40 %), as many calls a minute as the controller allows"),
            "{text}"
        );
        assert!(
            text.contains("Create passphrases: RUNNING") && text.contains(&format!("job {status}")),
            "{text}"
        );
        assert!(text.contains(match status {
            "PAUSED" => "paused: too many",
            "AWAITING_CONFIRMATION" => "it is cancelled when nobody has confirmed it by 2026-12-04T10:00:00.000Z",
            _ => "passphrases: 7 created, 3 adopted",
        }));
        let api = Api::with(vec![job(status, 10)]);
        assert_eq!(code(&api.run(&["status", JOB])), asked, "{status}");
        assert_eq!(api.seen()[0].header("authorization"), Some("Bearer t0ken"));
    }
}

#[test]
fn a_controller_that_is_down_is_told_once_and_no_end_is_promised() {
    let down = || {
        let Reply::Answer(_, mut job) = job("RUNNING", 4) else {
            unreachable!()
        };
        job["warnings"] = json!(["controller 1 has not answered since 10:21"]);
        Reply::Answer(200, job)
    };
    let api = Api::with(vec![down(), down(), job("RUNNING", 5), job("COMPLETED", 10)]);
    let text = out(&api.run(&["status", JOB, "--watch"]));
    assert_eq!(text.matches("warning: controller 1 has not").count(), 1, "{text}");
    assert!(
        text.contains("waiting for the controller, which does not answer") && !text.contains(" left"),
        "{text}"
    );
    assert!(text.contains("it goes on"), "{text}");
    let text = out(&Api::with(vec![down()]).run(&["status", JOB]));
    assert!(text.contains("  warning: controller 1 has not"), "{text}");
}

/// Somebody pauses or cancels it while its controller is away: then it does not go on.
#[test]
fn a_job_that_is_held_meanwhile_is_not_said_to_go_on() {
    for (status, ends) in [("PAUSED", 7), ("CANCELLING", 4)] {
        let Reply::Answer(_, mut down) = job("RUNNING", 4) else {
            unreachable!()
        };
        down["warnings"] = json!(["controller 1 has not answered since 10:21"]);
        let api = Api::with(vec![Reply::Answer(200, down), job(status, 4), job("CANCELLED", 4)]);
        let output = api.run(&["status", JOB, "--watch"]);
        assert_eq!(code(&output), ends, "{status}");
        let text = out(&output);
        assert!(
            text.contains(&format!("job {status}")) && !text.contains("goes on"),
            "{text}"
        );
    }
}

/// What scripts read of a failure, whatever it is.
#[test]
fn every_failure_has_the_same_members_as_json() {
    let file = Scratch::file(br#"[{"passphrase":"hunter22"#);
    let refusal = |body: Value| Api::with(vec![Reply::Answer(409, body)]);
    let import = ["--json", "import", file.path(), "--controller", "1", "--venue", "v"];
    let pause = ["--json", "pause", JOB];
    let fault = json!({"pointer": "/a", "code": "X", "detail": "bad"});
    for (output, ends, faults) in [
        (run("http://127.0.0.1:1", &import), 5, 1),
        (run("http://127.0.0.1:1", &pause), 6, 0),
        (run("ftp://x", &pause), 1, 0),
        (refusal(json!({"status": 409, "detail": "no"})).run(&pause), 1, 0),
        (refusal(json!({"status": 409, "errors": [fault]})).run(&pause), 1, 1),
        (refusal(json!("<html>")).run(&pause), 1, 0),
    ] {
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (code(&output), said["exit_code"].as_i64()),
            (ends, Some(i64::from(ends))),
            "{said}"
        );
        assert!(said["error"].as_str().is_some_and(|text| !text.is_empty()), "{said}");
        let listed = said["errors"].as_array().unwrap();
        assert_eq!(listed.len(), faults, "{said}");
        for fault in listed {
            assert!(
                ["pointer", "code", "detail"]
                    .iter()
                    .all(|member| fault[member].is_string()),
                "{said}"
            );
        }
        assert!(!said.to_string().contains("hunter22"));
    }
}

#[test]
fn what_failed_tasks_left_behind_is_told_from_what_is_right() {
    let Reply::Answer(_, mut job) = job("PARTIAL", 6) else {
        unreachable!()
    };
    job["phases"][0]["id"] = "create_passphrases".into();
    job["phases"][0]["tasks"] = json!({"total": 10, "completed": 6, "failed": 3, "unknown": 1});
    job["summary"]["resources"] =
        json!({"passphrases": {"created": 7, "adopted": 1}, "activations": {"created": 1, "adopted": 0}});
    let text = out(&Api::with(vec![Reply::Answer(200, job)]).run(&["status", JOB]));
    let keys = "  passphrases: 7 created, 1 adopted (2 of them by tasks that did not succeed)\n";
    assert!(
        text.contains(keys) && text.contains("  activations: 1 created, 0 adopted\n"),
        "{text}"
    );
}

#[test]
fn notices_are_told_at_the_end_of_watching_and_in_the_status() {
    let ended = || {
        let Reply::Answer(_, mut job) = job("COMPLETED", 10) else {
            unreachable!()
        };
        job["notices"] = json!([
            "not activated, since ssid_network_map does not name them: \"Bar\"",
            "and 3 more"
        ]);
        Reply::Answer(200, job)
    };
    for args in [&["status", JOB][..], &["status", JOB, "--watch"]] {
        let text = out(&Api::with(vec![ended()]).run(args));
        for notice in ["  notice: not activated, since ", "  notice: and 3 more"] {
            assert_eq!(text.matches(notice).count(), 1, "{text}");
        }
    }
}

#[test]
fn a_single_fault_is_told_once() {
    let fault = json!({"parameter": "phase", "code": "UNKNOWN_PHASE", "detail": "the job has no such phase"});
    let problem = json!({"status": 400, "title": "T", "detail": "the job has no such phase", "errors": [fault]});
    let api = Api::with(vec![Reply::Answer(400, problem)]);
    let output = api.run(&["tasks", JOB, "--phase", "foo"]);
    assert_eq!(
        (code(&output), err(&output).matches("no such phase").count()),
        (5, 1),
        "{}",
        err(&output)
    );
}

#[test]
fn several_faults_are_counted_and_each_is_printed() {
    let fault = |n: u32| json!({"pointer": format!("/dpsk_data/{n}"), "code": "X", "detail": "bad"});
    let problem =
        json!({"status": 400, "detail": "2 faults; each is listed in errors", "errors": [fault(1), fault(2)]});
    let said = err(&Api::with(vec![Reply::Answer(400, problem)]).run(&["pause", JOB]));
    assert!(
        said.starts_with("phaseline: 2 faults; nothing was changed:\n  /dpsk_data/1: bad [X]\n"),
        "{said}"
    );
}

#[test]
fn each_refusal_has_its_exit_code_and_every_fault_is_printed() {
    let problem = |status: u16| {
        let fault = json!({"pointer": "/dpsk_data/3/vlanid", "code": "BAD_VLAN", "detail": "no VLAN"});
        json!({"status": status, "title": "T", "detail": "the detail", "errors": [fault, {"header": "Idempotency-Key", "code": "X", "detail": "bad"}]})
    };
    for (status, expected) in [
        (400, 5),
        (413, 5),
        (422, 5),
        (401, 6),
        (403, 6),
        (404, 1),
        (409, 1),
        (503, 6),
    ] {
        let api = Api::with(vec![Reply::Answer(status, problem(status))]);
        let output = api.run(&["pause", JOB]);
        assert_eq!(code(&output), expected, "{status}");
        let text = err(&output);
        assert!(
            text.contains("the detail") && text.contains("/dpsk_data/3/vlanid: no VLAN [BAD_VLAN]"),
            "{text}"
        );
        assert!(text.contains("Idempotency-Key: bad"), "{text}");
        assert!(!text.contains("t0ken"));
        let output = api.run(&["--json", "pause", JOB]);
        assert_eq!(
            serde_json::from_slice::<Value>(&output.stdout).unwrap()["status"],
            status
        );
    }
    assert_eq!(code(&run("http://127.0.0.1:1", &["jobs"])), 6);
    assert_eq!(code(&run("ftp://x", &["jobs"])), 1);
    assert_eq!(code(&run("http://127.0.0.1:1", &["nonsense"])), 1);
    assert_eq!(code(&run("http://127.0.0.1:1", &["--help"])), 0);
}

#[test]
fn watching_as_json_prints_a_line_for_every_change_only() {
    let api = Api::with(vec![job("RUNNING", 4), job("RUNNING", 4), job("PARTIAL", 10)]);
    let output = api.run(&["--json", "status", JOB, "--watch"]);
    assert_eq!(code(&output), 2);
    let lines: Vec<Value> = out(&output).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let states: Vec<_> = lines.iter().map(|l| l["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["RUNNING", "PARTIAL"]);
}
