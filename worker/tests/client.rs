//! The client command against an API made of canned answers: what it sends, what it prints, how it ends.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// One request as it came.
#[derive(Debug, Clone)]
struct Seen {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let find = |h: &'_ String| h.split_once(": ").is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        self.headers
            .iter()
            .find(|h| find(h))
            .map(|h| h.split_once(": ").unwrap().1)
    }
}

enum Reply {
    Answer(u16, Value),
    /// Hang up without a word, as a process that is restarted does.
    HangUp,
}

/// Answers one request after the other with what it was given; the last answer is repeated.
struct Api {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Api {
    fn with(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        std::thread::spawn(move || {
            let mut replies = VecDeque::from(replies);
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let request = read(&stream);
                log.lock().unwrap().push(request);
                let last = replies.len() == 1;
                match replies.front().unwrap() {
                    Reply::Answer(status, body) => answer(stream, *status, body),
                    Reply::HangUp => drop(stream),
                }
                if !last {
                    replies.pop_front();
                }
            }
        });
        Api { port, seen }
    }

    fn run(&self, args: &[&str]) -> Output {
        run(&format!("http://127.0.0.1:{}", self.port), args)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn run(url: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phaseline"))
        .args(args)
        .env("PHASELINE_URL", url)
        .env("PHASELINE_TOKEN", "t0ken")
        .output()
        .unwrap()
}

fn read(stream: &TcpStream) -> Seen {
    let mut reader = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let line = next();
    let headers: Vec<String> = std::iter::from_fn(|| Some(next()).filter(|l| !l.is_empty())).collect();
    let mut seen = Seen {
        line,
        headers,
        body: Vec::new(),
    };
    let length = seen.header("content-length").map_or(0, |n| n.parse().unwrap());
    reader.take(length).read_to_end(&mut seen.body).unwrap();
    seen
}

fn answer(mut stream: TcpStream, status: u16, body: &Value) {
    // an import that was accepted before
    let replayed = match (status, body["job_id"].is_string()) {
        (200, true) => "idempotent-replayed: true\r\n",
        _ => "",
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\nretry-after: 0\r\n{replayed}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
}

fn job(status: &str, completed: u64) -> Reply {
    Reply::Answer(
        200,
        json!({"id": "j-1", "workflow_name": "cloudpath_dpsk_import", "status": status, "pause_reason": "too many failures",
            "phases": [{"id": "p", "name": "Create passphrases", "status": if status == "RUNNING" { "RUNNING" } else { "COMPLETED" },
                "tasks": {"total": 10, "completed": completed}}],
            "summary": {"total_tasks": 10, "completed": completed, "percent": completed as f64 * 10.0,
                "resources": {"passphrases": {"created": 7, "adopted": 3}}},
            "limited_by": "controller_rate", "errors": ["user1: refused [HTTP_400]"], "errors_total": 1}),
    )
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

struct Scratch(PathBuf);

impl Scratch {
    fn file(content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("phaseline-client-{}.json", uuid::Uuid::new_v4()));
        std::fs::write(&path, content).unwrap();
        Scratch(path)
    }
    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const JOB: &str = "0197a1b2-0000-7000-8000-000000000000";

#[test]
fn each_end_of_a_job_has_its_exit_code() {
    for (status, watched, asked) in [
        ("COMPLETED", 0, 0),
        ("PARTIAL", 2, 2),
        ("FAILED", 3, 3),
        ("CANCELLED", 4, 4),
        ("PAUSED", 7, 0),
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
        assert!(text.contains(if status == "PAUSED" {
            "paused: too many"
        } else {
            "passphrases: 7 created, 3 adopted"
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

#[test]
fn watching_as_json_prints_a_line_for_every_change_only() {
    let api = Api::with(vec![job("RUNNING", 4), job("RUNNING", 4), job("PARTIAL", 10)]);
    let output = api.run(&["--json", "status", JOB, "--watch"]);
    assert_eq!(code(&output), 2);
    let lines: Vec<Value> = out(&output).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let states: Vec<_> = lines.iter().map(|l| l["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["RUNNING", "PARTIAL"]);
}

#[test]
fn lists_follow_cursors_and_failed_means_unknown_too() {
    let page = |ids: &[&str], next: Option<&str>| {
        let items: Vec<_> = ids
            .iter()
            .map(|id| json!({"id": id, "name": id, "status": "FAILED", "error_message": "why", "error_code": "E"}))
            .collect();
        Reply::Answer(200, json!({"items": items, "next_cursor": next}))
    };
    let api = Api::with(vec![
        page(&["a"], Some("c1")),
        page(&[], Some("c2")),
        page(&["b"], None),
        page(&["c"], None),
    ]);
    let output = api.run(&["tasks", JOB, "--failed", "--phase", "create_passphrases"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(out(&output).lines().filter(|l| l.contains("why [E]")).count(), 3);
    let lines: Vec<_> = api.seen().iter().map(|s| s.line.clone()).collect();
    assert!(lines[0].contains("status=FAILED") && lines[0].contains("phase=create_passphrases"));
    assert!(lines[1].contains("cursor=c1") && lines[2].contains("cursor=c2"));
    assert!(lines[3].contains("status=UNKNOWN") && !lines[3].contains("cursor"));
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
