//! `phaseline import`: what it sends, and when.

use serde_json::{Value, json};

use crate::double::{Api, Reply, Scratch, code, err, job, out, run};

#[test]
fn an_export_is_wrapped_and_sent_whole() {
    let export = br#"[{"name":"u","passphrase":"12345678"}]"#;
    let file = Scratch::file(&[b"\xEF\xBB\xBF".as_slice(), export].concat());
    let accepted = json!({"job_id": "j-1", "status": "PENDING", "estimated_duration_seconds": 65});
    let api = Api::with(vec![Reply::Answer(202, accepted)]);
    let args = [
        "import",
        file.path(),
        "--controller",
        "7",
        "--venue",
        "v\"1",
        "--option",
        "group_by_vlan=true",
        "--option",
        "expired=renew",
    ];
    let output = api.run(&args);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).contains("accepted as job j-1, about 1 min 05 s"));
    let seen = &api.seen()[0];
    assert_eq!(seen.line, "POST /api/cloudpath-dpsk/import HTTP/1.1");
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let sent: Value = serde_json::from_slice(&seen.body).unwrap();
    let wanted = json!({"controller_id": 7, "venue_id": "v\"1", "options": {"group_by_vlan": true, "expired": "renew"},
        "dpsk_data": [{"name": "u", "passphrase": "12345678"}]});
    assert_eq!(sent, wanted);

    let wrapped = api.run(&[&args[..], &["--just-wrap"]].concat());
    assert_eq!(serde_json::from_slice::<Value>(&wrapped.stdout).unwrap(), wanted);
    assert_eq!(api.seen().len(), 1, "--just-wrap sends nothing");
}

#[test]
fn a_whole_request_goes_as_it_is_and_takes_no_flags() {
    let request = br#"{"controller_id":1,"venue_id":"v","dpsk_data":[]}"#;
    let file = Scratch::file(request);
    let api = Api::with(vec![Reply::Answer(202, json!({"job_id": "j-1"}))]);
    assert_eq!(code(&api.run(&["import", file.path()])), 0);
    assert_eq!(api.seen()[0].body, request);
    assert_eq!(code(&api.run(&["import", file.path(), "--controller", "1"])), 1);
    let bare = Scratch::file(b"[]");
    assert_eq!(code(&api.run(&["import", bare.path(), "--venue", "v"])), 1);
    let cut = Scratch::file(br#"[{"passphrase":"hunter22"#);
    let output = api.run(&["import", cut.path(), "--controller", "1", "--venue", "v"]);
    assert_eq!(code(&output), 5);
    assert!(err(&output).contains("cut short") && !err(&output).contains("hunter22"));
    assert_eq!(api.seen().len(), 1, "nothing else was sent");
}

#[test]
fn a_restarted_api_is_waited_for_and_the_import_keeps_its_key() {
    let file = Scratch::file(br#"{"dpsk_data":[]}"#);
    let replies = vec![
        Reply::HangUp,
        Reply::Answer(503, json!({"status": 503, "detail": "away"})),
        Reply::Answer(200, json!({"job_id": "j-1"})),
        job("RUNNING", 1),
        Reply::HangUp,
        Reply::Answer(503, json!({"status": 503, "detail": "away"})),
        job("COMPLETED", 10),
    ];
    let api = Api::with(replies);
    let output = api.run(&["import", file.path(), "--watch"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).contains("the API is back"), "{}", out(&output));
    let keys: Vec<_> = api.seen()[..3]
        .iter()
        .map(|s| s.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert!(keys[0].len() >= 16 && keys.iter().all(|k| *k == keys[0]), "{keys:?}");
}

/// It may have been accepted: the key that was made up for it is the only way to find out, so it is told.
#[test]
fn when_no_answer_comes_the_key_is_told_with_which_to_repeat_it() {
    let file = Scratch::file(br#"{"dpsk_data":[]}"#);
    let away = || Reply::Answer(503, json!({"status": 503, "detail": "Redis did not answer"}));
    let refused = || Reply::Answer(401, json!({"status": 401, "detail": "no token"}));
    for (replies, ends) in [(vec![Reply::HangUp], 6), (vec![away()], 6)] {
        let api = Api::with(replies);
        let import = ["import", file.path(), "--patience", "0"];
        let output = api.run(&import);
        assert_eq!(code(&output), ends);
        let key = api.seen()[0].header("idempotency-key").unwrap().to_owned();
        assert!(
            err(&output).contains(&format!("repeat the command with --idempotency-key {key},")),
            "{}",
            err(&output)
        );
        let said: Value = serde_json::from_slice(&api.run(&[&["--json"], &import[..]].concat()).stdout).unwrap();
        let key = api.seen()[1].header("idempotency-key").unwrap().to_owned();
        assert_eq!(
            (&said["idempotency_key"], said["exit_code"].as_i64()),
            (&json!(key), Some(ends.into()))
        );
        assert!(
            said["error"].as_str().unwrap().contains(&key) && said["errors"].is_array(),
            "{said}"
        );
    }
    // the last attempt was refused, and says nothing of the first
    let output = Api::with(vec![Reply::HangUp, refused()]).run(&["import", file.path()]);
    assert!(
        err(&output).contains("no token") && err(&output).contains("--idempotency-key"),
        "{}",
        err(&output)
    );
    // nothing was sent, or it was refused: there is nothing to find out
    let unreached = run("http://127.0.0.1:1", &["import", file.path(), "--patience", "0"]);
    let refused = Api::with(vec![refused()]).run(&["import", file.path()]);
    for output in [unreached, refused] {
        assert_eq!(code(&output), 6);
        assert!(!err(&output).contains("idempotency"), "{}", err(&output));
    }
}

#[test]
fn an_import_that_was_accepted_before_is_not_shown_as_a_new_one() {
    let file = Scratch::file(b"[]");
    let import = [
        "import",
        file.path(),
        "--controller",
        "1",
        "--venue",
        "v",
        "--idempotency-key",
        "k",
    ];
    for (status, begin) in [
        (202, "accepted as job j-1"),
        (200, "accepted before, under the same idempotency key, as job j-1"),
    ] {
        let api = Api::with(vec![Reply::Answer(
            status,
            json!({"job_id": "j-1", "status": "PENDING"}),
        )]);
        let output = api.run(&import);
        assert!(out(&output).starts_with(begin), "{}{}", out(&output), err(&output));
    }
}

#[test]
fn another_encoding_is_called_by_its_name() {
    let file = Scratch::file(b"\xFF\xFE[\0]\0");
    let api = Api::with(vec![Reply::HangUp]);
    let output = api.run(&["import", file.path(), "--controller", "1", "--venue", "v"]);
    assert_eq!(code(&output), 5);
    assert!(err(&output).contains("UTF-16"), "{}", err(&output));
    assert!(api.seen().is_empty(), "nothing was sent");
}

#[test]
fn waiting_in_silence_asks_the_api_to_wait_and_exits_as_the_job_ended() {
    let file = Scratch::file(b"[]");
    let import = [
        "import",
        file.path(),
        "--controller",
        "1",
        "--venue",
        "v",
        "--wait",
        "30",
    ];
    for (answer, status, expected) in [
        (200, "COMPLETED", 0),
        (200, "PARTIAL", 2),
        (200, "FAILED", 3),
        (202, "RUNNING", 0),
        (202, "PAUSED", 7),
        (202, "AWAITING_CONFIRMATION", 7),
    ] {
        let accepted = || Reply::Answer(answer, json!({"job_id": "j-1", "status": status}));
        let api = Api::with(vec![accepted(), job(status, 4)]);
        let output = api.run(&import);
        assert_eq!(code(&output), expected, "{status}: {}{}", out(&output), err(&output));
        assert_eq!(api.seen()[0].header("prefer"), Some("wait=30"));
        let text = out(&output);
        assert!(text.contains(&format!("{status}: 4 of 10 tasks done")), "{text}");
        assert_eq!(text.contains("it goes on"), status == "RUNNING", "{text}");

        let api = Api::with(vec![accepted()]);
        let output = api.run(&[&["--json"], &import[..]].concat());
        assert_eq!(code(&output), expected, "{status}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["status"], status);
    }
    let api = Api::with(vec![Reply::HangUp]);
    for wrong in [&["--wait", "61"][..], &["--wait", "0"], &["--wait", "5", "--watch"]] {
        assert_eq!(code(&api.run(&[&import[..6], wrong].concat())), 1, "{wrong:?}");
    }
    assert!(api.seen().is_empty());
}
