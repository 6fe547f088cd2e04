//! `jobs`, `tasks` and `admin`: what is asked for, and how it is shown.

use serde_json::{Value, json};

use crate::double::{Api, JOB, Reply, code, err, out, run_in};

fn page(items: Value, next: Option<&str>) -> Reply {
    Reply::Answer(200, json!({"items": items, "next_cursor": next}))
}

fn tasks(names: &[&str]) -> Value {
    let task = |name: &&str| {
        json!({"id": name, "name": name, "phase": "create_passphrases", "status": "FAILED",
        "error_message": "the controller refused it, for the user name is taken by somebody else in this very pool", "error_code": "E"})
    };
    names.iter().map(task).collect()
}

#[test]
fn lists_follow_cursors_and_failed_means_unknown_too() {
    let api = Api::with(vec![
        page(tasks(&["a"]), Some("c1")),
        page(json!([]), Some("c2")),
        page(tasks(&["b"]), None),
    ]);
    let output = api.run(&[
        "tasks",
        JOB,
        "--failed",
        "--phase",
        "create_passphrases",
        "--name",
        "an na",
    ]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(out(&output).matches("very pool [E]").count(), 2, "{}", out(&output));
    let lines: Vec<_> = api.seen().iter().map(|s| s.line.clone()).collect();
    for line in &lines {
        let all = [
            "status=FAILED%2CUNKNOWN",
            "phase=create_passphrases",
            "name=an+na",
            "limit=",
        ];
        assert!(all.iter().all(|part| line.contains(part)), "{line}");
    }
    assert!(!lines[0].contains("cursor") && lines[1].contains("cursor=c1") && lines[2].contains("cursor=c2"));
}

#[test]
fn every_filter_of_jobs_is_sent() {
    let api = Api::with(vec![page(json!([]), None)]);
    let output = api.run(&[
        "jobs",
        "--status",
        "partial,FAILED",
        "--status",
        "running",
        "--workflow",
        "w",
        "--controller",
        "7",
        "--venue",
        "v-1",
        "--from",
        "2026-11-27T08:30:00+01:00",
        "--to",
        "2026-11-28T00:00:00Z",
        "--limit",
        "5",
    ]);
    assert_eq!(
        (code(&output), out(&output).as_str()),
        (0, "no such jobs\n"),
        "{}",
        err(&output)
    );
    let line = &api.seen()[0].line;
    for part in [
        "status=PARTIAL%2CFAILED%2CRUNNING",
        "workflow=w",
        "controller=7",
        "venue=v-1",
        "from=2026-11-27T07%3A30%3A00Z",
        "to=2026-11-28T00%3A00%3A00Z",
        "limit=5",
    ] {
        assert!(line.contains(part), "{line} lacks {part}");
    }
    assert_eq!(code(&api.run(&["jobs", "--status", "GONE"])), 1);
    assert_eq!(code(&api.run(&["jobs", "--from", "yesterday"])), 1);
}

#[test]
fn a_list_is_one_document_and_says_whether_it_is_all() {
    let pages = || vec![page(tasks(&["a", "b"]), Some("c1")), page(tasks(&["c"]), Some("c2"))];
    let output = Api::with(pages()).run(&["--json", "tasks", JOB, "--limit", "3"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["items"].as_array().unwrap().len(), 3);
    assert_eq!(document["next_cursor"], "c2");
    let text = out(&Api::with(pages()).run(&["tasks", JOB, "--limit", "3"]));
    assert!(
        text.ends_with("(the first 3; --limit N shows more, --all shows all)\n"),
        "{text}"
    );

    let api = Api::with(vec![page(tasks(&["a"]), Some("c1")), page(tasks(&["b"]), None)]);
    let output = api.run(&["--json", "tasks", JOB, "--all"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (document["items"].as_array().unwrap().len(), &document["next_cursor"]),
        (2, &Value::Null)
    );
    assert_eq!(code(&api.run(&["tasks", JOB, "--all", "--limit", "3"])), 1);
}

#[test]
fn an_api_that_turns_in_circles_is_left() {
    let output = Api::with(vec![page(json!([]), Some("c1"))]).run(&["jobs"]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("again and again"), "{}", err(&output));
}

#[test]
fn lists_fit_the_terminal_and_names_cannot_steer_it() {
    let items = tasks(&[
        "anna\u{1b}[2J\u{9b}1m\r\nFAILED  forged",
        "北京 and a rather long name of a user in some flat",
    ]);
    let api = Api::with(vec![page(items.clone(), None)]);
    let text = out(&run_in(80, &api, &["tasks", JOB]));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    assert!(text.contains(r"anna\u{1b}[2J"), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("FAILED  forged")), "{text}");
    assert!(
        text.contains("somebody") && text.contains("[E]"),
        "words stay whole: {text}"
    );
    // without a terminal a task is a line
    assert_eq!(out(&api.run(&["tasks", JOB])).lines().count(), 3);

    let jobs = json!([{"id": JOB, "status": "AWAITING_CONFIRMATION", "controller_id": 1, "venue_id": "v", "workflow_name": "w",
        "created_at": "2026-11-27T08:30:15.123Z", "summary": {"total_tasks": 100_123, "percent": 99.9}}]);
    let api = Api::with(vec![page(jobs, None)]);
    let text = out(&run_in(100, &api, &["jobs"]));
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(text.contains("99 %") && text.contains("100123"), "{text}");
}

#[test]
fn the_fleet_is_shown_as_tables_and_as_one_document() {
    let lane = |outage: Value| json!({"tenant": "acme", "controller_id": 1, "queued": 12, "in_stream": 3, "parked": 4, "jobs_paused": 8, "jobs_to_confirm": 6, "cool_down_seconds": 71, "outage": outage});
    let streams = json!([{"partition": 0, "stream": "s", "group": "workers", "entries": 9, "lag_entries": 5, "lag_seconds": 62.4,
        "in_flight": 4, "in_flight_age_seconds": 3.2, "parked": 4, "dead_letters": 0, "jobs_unfinished": 2,
        "backlog_tasks": 1234, "lanes": [lane(json!({"since": "2026-11-27T10:21:05Z", "reason": "connection refused\u{7}", "tried_every_seconds": 30})), lane(Value::Null)], "lanes_total": 7}]);
    let workers = json!([{"id": "w-1", "partition": 0, "alive": true, "seen_at": "2026-11-27T08:30:15.123Z", "slots": 64, "slots_busy": 13, "pending": 2,
        "idle_seconds": 0.4, "version": "0.1.0", "pid": 4711}, {"id": "w-2", "partition": 0, "alive": false, "pending": 3, "slots": null}]);
    let limits = json!([{"controller_id": 1, "controller_name": "MSP east", "tenants": ["acme", "umbrella"],
        "rate": {"limit_per_minute": 1400.2, "configured_per_minute": 2000}, "concurrency": {"limit": 35, "configured": 50, "leased": 12},
        "cool_down_seconds": 0, "activities_pending": 77}]);
    for (what, items, expected) in [
        (
            "streams",
            streams,
            vec![
                "BACKLOG",
                "1234",
                "IN STREAM  PARKED  PAUSED  TO CONFIRM  HELD BACK BY",
                "3       4       8           6  no answer",
                "1 min 03 s",
                "1 min 11 s",
                r"refused\u{7}",
                "and 5 more lanes",
            ],
        ),
        ("workers", workers, vec!["w-1", "alive", "13", "64", "silent"]),
        ("limits", limits, vec!["MSP east", "1400", "2000", "77"]),
        (
            "dead-letters",
            json!([{"id": "0.17-0", "at": "2026-11-27T08:30:15.123Z", "tenant_id": "acme", "controller_id": 1, "job_id": JOB, "phase": "create_passphrases",
                "batch": 12, "crashes": 5, "why": "workers kept crashing on it",
                "replayable": false, "advice": "dismiss this letter"},
                {"id": "0.16-0", "at": "2026-11-27T08:30:15.123Z", "tenant_id": null, "controller_id": null, "job_id": null, "phase": null,
                "batch": null, "crashes": 0, "why": "unreadable", "replayable": false, "advice": "dismiss this one too"}]),
            vec!["0.17-0", JOB, "12", "dismiss", "0.16-0"],
        ),
    ] {
        let api = Api::with(vec![page(items.clone(), None)]);
        let output = run_in(80, &api, &["admin", what]);
        let text = out(&output);
        assert_eq!(code(&output), 0, "{}", err(&output));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for part in expected {
            assert!(text.contains(part), "{what} lacks {part}:\n{text}");
        }
        assert!(api.seen()[0].line.starts_with(&format!("GET /api/v1/admin/{what}?")));
        let document: Value = serde_json::from_slice(&api.run(&["--json", "admin", what]).stdout).unwrap();
        assert_eq!(document["items"], items);
    }
    let empty = Api::with(vec![page(json!([]), None)]);
    assert!(out(&empty.run(&["admin", "workers"])).starts_with("no workers"));
}
