//! `phaseline plan`, and imports that follow one.

use serde_json::{Value, json};

use crate::double::{Api, JOB, Reply, Scratch, code, err, out};

const EXPORT: &[u8] = br#"{"pool": {"guid": "p", "displayName": "Lobby"}, "dpsks": []}"#;
const HASH: &str = "5f0c2e6ab1d94c1f8b1fd1a2c0b7e3d4";

fn accepted(more: Value) -> Reply {
    let mut body = json!({"job_id": "j-2", "status": "PENDING", "estimated_duration_seconds": 4});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Reply::Answer(202, body)
}

fn counts(create: u64, adopt: u64, conflict: u64) -> Value {
    json!({"create": create, "update": 0, "adopt": adopt, "conflict": conflict, "skip": 0})
}

fn made() -> Reply {
    let mut keys = counts(55, 60, 5);
    keys["name"] = "Create passphrases".into();
    Reply::Answer(
        200,
        json!({"id": "j-2", "workflow_name": "cloudpath_dpsk_import_plan", "status": "PARTIAL",
            "summary": {"total_tasks": 120, "completed": 115, "failed": 5}, "errors": ["`ben` differs [NAME_CONFLICT]"], "errors_total": 5,
            "plan": {"hash": HASH, "totals": counts(55, 60, 5), "phases": [keys], "calls": 67, "predicted_duration_seconds": 75}}),
    )
}

#[test]
fn a_plan_is_waited_for_and_told_by_phase_with_what_to_do_next() {
    let file = Scratch::file(EXPORT);
    let api = Api::with(vec![accepted(json!({})), made()]);
    let output = api.run(&["plan", file.path(), "--controller", "1", "--venue", "v-1"]);
    assert_eq!(code(&output), 2, "something would fail: {}", err(&output));
    let seen = api.seen();
    assert_eq!(seen[0].line, "POST /api/cloudpath-dpsk/plan HTTP/1.1");
    let sent: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(sent["venue_id"], "v-1");
    let said = out(&output) + &err(&output);
    for told in [
        "PARTIAL: 115 of 120 tasks planned, 5 would fail",
        "Create passphrases: 55 create, 60 adopt, 5 conflict",
        "the import takes 67 calls, about 1 min 15 s",
        &format!("--option plan_hash={HASH}"),
        "would fail: `ben` differs",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
}

#[test]
fn an_import_that_would_not_do_what_was_planned_is_told_what_has_changed() {
    let file = Scratch::file(EXPORT);
    let rows = json!([{"phase": "create_passphrases", "index": 3, "name": "anna", "planned": "create", "now": "adopt"},
        {"phase": "create_dpsk_pools", "index": 0, "name": "Lobby-DPSK", "planned": "adopt", "now": "adopt"}]);
    let problem = json!({"status": 409, "detail": "what it would do is not what was planned: 25 rows differ",
        "difference": {"planned": counts(55, 60, 5), "now": counts(54, 61, 5), "now_hash": HASH, "rows": rows, "rows_total": 25}});
    let api = Api::with(vec![Reply::Answer(409, problem)]);
    let output = api.run(&[
        "import",
        file.path(),
        "--controller",
        "1",
        "--venue",
        "v",
        "--option",
        "plan_hash=0",
    ]);
    assert_eq!(code(&output), 1);
    let said = err(&output);
    for told in [
        "25 rows differ",
        "planned: 55 create, 60 adopt, 5 conflict",
        "anna (create_passphrases): create → adopt",
        "Lobby-DPSK (create_dpsk_pools): adopt, of another object",
        "… and 23 more",
        &format!("--option plan_hash={HASH}"),
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
}

#[test]
fn an_import_whose_plan_is_still_being_made_is_watched_and_not_called_held() {
    let file = Scratch::file(EXPORT);
    let held = |awaited: bool, status: &str| {
        let warning = "job j-9 makes its plan anew; it begins by itself when nothing has changed";
        let warnings = if awaited { json!([warning]) } else { json!([]) };
        Reply::Answer(
            200,
            json!({"id": "j-2", "status": status, "is_plan_awaited": awaited, "warnings": warnings, "summary": {"total_tasks": 3}}),
        )
    };
    let replies = || {
        let first = accepted(json!({"status": "AWAITING_CONFIRMATION", "plan_awaited": "j-9"}));
        vec![first, held(true, "AWAITING_CONFIRMATION"), held(false, "COMPLETED")]
    };
    let arguments = [
        "import",
        file.path(),
        "--controller",
        "1",
        "--venue",
        "v",
        "--option",
        "plan_hash=0",
    ];
    let api = Api::with(replies());
    let output = api.run(&arguments);
    assert!(out(&output).contains("job j-9 makes its plan anew"), "{}", out(&output));
    let api = Api::with(replies());
    let output = api.run(&[&arguments[..], &["--watch"]].concat());
    assert_eq!(code(&output), 0, "{}", err(&output));
    let said = out(&output) + &err(&output);
    assert!(!said.contains("phaseline confirm"), "{said}");
}

#[test]
fn what_else_was_done_about_a_job_and_what_can_be_done_is_told() {
    let told = |more: Value| {
        let mut job = json!({"id": JOB, "status": "PARTIAL", "summary": {"total_tasks": 9, "completed": 7, "failed": 1, "skipped": 1}});
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let api = Api::with(vec![Reply::Answer(200, job)]);
        out(&api.run(&["status", JOB]))
    };
    let retry = format!("phaseline retry {JOB}");
    assert!(told(json!({})).contains(&retry));
    let retried = told(json!({"retried_by": "j-2"}));
    assert!(
        retried.contains("a retry: job j-2") && !retried.contains(&retry) && !retried.contains("earlier"),
        "{retried}"
    );
    let again = told(json!({"retried_by": "j-3", "retries": ["j-3", "j-2", "j-1"]}));
    assert!(
        again.contains("a retry: job j-3") && again.contains("earlier ones: j-2, j-1"),
        "{again}"
    );
    let cleaned = told(json!({"cleaned_by": "j-3"}));
    assert!(cleaned.contains("job j-3 says what is gone and what was kept") && !cleaned.contains(&retry));
    let cleanup = told(json!({"cleanup_of": "j-1"}));
    assert!(
        cleanup.contains("--status SKIPPED") && !cleanup.contains(&retry),
        "{cleanup}"
    );
    assert!(!told(json!({"plan": {}})).contains(&retry));
    // what its plan kept from beginning would begin without it
    assert!(!told(json!({"plan_checked_by": "j-4"})).contains(&retry));
    let begun = json!({"plan_checked_by": "j-4", "started_at": "2026-01-01T00:00:00Z"});
    assert!(told(begun).contains(&retry));
}
