//! Ctrl-C, and what is said of an import that may have been accepted by then.

use serde_json::json;

use crate::double::{Api, JOB, Reply, Running, Scratch};

fn import<'a>(file: &'a Scratch, more: &[&'a str]) -> Vec<&'a str> {
    let flags = ["import", file.path(), "--controller", "1", "--venue", "v"];
    [&flags[..], more].concat()
}

#[test]
fn an_import_that_reached_nobody_was_not_accepted() {
    let file = Scratch::file(b"[]");
    // nobody listens where somebody did a moment ago
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut running = Running::start(
        &format!("http://127.0.0.1:{port}"),
        &import(&file, &["--patience", "5"]),
    );
    running.complains_of("trying again");
    let (code, told) = running.stop();
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("stopped before the API answered"), "{told}");
    assert!(!told.contains("idempotency-key"), "{told}");
}

#[test]
fn an_import_that_was_sent_may_have_been_accepted() {
    let file = Scratch::file(b"[]");
    let api = Api::with(vec![Reply::Silence]);
    let running = Running::start(&api.url(), &import(&file, &["--idempotency-key", "k-7"]));
    api.has_seen(1);
    let (code, told) = running.stop();
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("--idempotency-key k-7"), "{told}");
}

/// Refused, whole as it was: what is waited for then is the next attempt, of which nothing has been sent.
#[test]
fn an_import_that_was_refused_was_not_accepted() {
    let file = Scratch::file(b"[]");
    let busy = json!({"title": "busy", "status": 429, "retry_after": 60});
    let api = Api::with(vec![Reply::Answer(429, busy)]);
    let mut running = Running::start(&api.url(), &import(&file, &["--patience", "5"]));
    running.complains_of("trying again");
    let (code, told) = running.stop();
    assert_eq!(code, Some(130), "{told}");
    assert!(!told.contains("idempotency-key"), "{told}");
}

#[test]
fn every_question_of_a_command_can_be_stopped() {
    let file = Scratch::file(b"[]");
    let accepted = Reply::Answer(202, json!({"job_id": "j-1", "status": "RUNNING"}));
    let api = Api::with(vec![accepted, Reply::Silence]);
    // behind one that has been listening for Ctrl-C
    let running = Running::start(&api.url(), &import(&file, &["--wait", "5"]));
    api.has_seen(2);
    assert_eq!(running.stop().0, Some(130));

    let api = Api::with(vec![Reply::Silence]);
    let running = Running::start(&api.url(), &["status", JOB]);
    api.has_seen(1);
    assert_eq!(running.stop().0, Some(130));
}
