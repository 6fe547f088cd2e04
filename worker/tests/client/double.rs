//! An API made of canned answers, and the command run against it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub line: String,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let find = |h: &'_ String| h.split_once(": ").is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        self.headers
            .iter()
            .find(|h| find(h))
            .map(|h| h.split_once(": ").unwrap().1)
    }
}

pub enum Reply {
    Answer(u16, Value),
    /// Content type and body, in chunks; `false`: the connection breaks off behind the last one.
    Stream(&'static str, Vec<String>, bool),
    /// Hang up without a word, as a process that is restarted does.
    HangUp,
    /// Say nothing, and keep the connection.
    Silence,
}

/// Answers one request after the other with what it was given; the last answer is repeated.
pub struct Api {
    pub port: u16,
    seen: Arc<(Mutex<Vec<Seen>>, Condvar)>,
}

impl Api {
    pub fn with(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let log = seen.clone();
        std::thread::spawn(move || {
            let mut replies = VecDeque::from(replies);
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let request = read(&stream);
                log.0.lock().unwrap().push(request);
                log.1.notify_all();
                let last = replies.len() == 1;
                match replies.front().unwrap() {
                    Reply::Answer(status, body) => answer(stream, *status, body),
                    Reply::Stream(kind, chunks, is_whole) => stream_out(stream, kind, chunks, *is_whole),
                    Reply::HangUp => drop(stream),
                    Reply::Silence => silent.push(stream),
                }
                if !last {
                    replies.pop_front();
                }
            }
        });
        Api { port, seen }
    }

    pub fn run(&self, args: &[&str]) -> Output {
        run(&format!("http://127.0.0.1:{}", self.port), args)
    }

    /// Until so many requests have come.
    pub fn has_seen(&self, requests: usize) {
        let (seen, came) = &*self.seen;
        let limit = Duration::from_secs(20);
        let (seen, _) = came
            .wait_timeout_while(seen.lock().unwrap(), limit, |seen| seen.len() < requests)
            .unwrap();
        assert!(seen.len() >= requests, "{} requests have come", seen.len());
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.0.lock().unwrap().clone()
    }
}

pub fn run(url: &str, args: &[&str]) -> Output {
    command(url, args).output().unwrap()
}

/// As if the terminal had so many columns.
pub fn run_in(columns: u32, api: &Api, args: &[&str]) -> Output {
    let mut command = command(&format!("http://127.0.0.1:{}", api.port), args);
    command.env("COLUMNS", columns.to_string()).output().unwrap()
}

/// The command while it runs, to be stopped by hand.
pub struct Running {
    child: Child,
    /// Lines of its standard error, as they come.
    complaints: BufReader<ChildStderr>,
    told: String,
}

impl Running {
    pub fn start(url: &str, args: &[&str]) -> Self {
        let mut command = command(url, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let complaints = BufReader::new(child.stderr.take().unwrap());
        Running {
            child,
            complaints,
            told: String::new(),
        }
    }

    /// Until it has complained of that.
    pub fn complains_of(&mut self, what: &str) {
        while !self.told.contains(what) {
            let read = self.complaints.read_line(&mut self.told).unwrap();
            assert!(read > 0, "it has ended: {}", self.told);
        }
    }

    /// Ctrl-C: its exit code and what it has complained of. It has ten seconds to end.
    pub fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
        let (tell, ended) = mpsc::channel();
        let mut child = self.child;
        std::thread::spawn(move || tell.send(child.wait().unwrap()));
        let ended = ended.recv_timeout(Duration::from_secs(10));
        if ended.is_err() {
            Command::new("kill").args(["-KILL", &pid]).status().unwrap();
        }
        self.complaints.read_to_string(&mut self.told).unwrap();
        (ended.ok().and_then(|status| status.code()), self.told)
    }
}

fn command(url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phaseline"));
    command
        .args(args)
        .env_remove("COLUMNS")
        .env("PHASELINE_URL", url)
        .env("PHASELINE_TOKEN", "t0ken");
    command
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
    let wait = body["retry_after"].as_u64().unwrap_or(0);
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\nretry-after: {wait}\r\n{replayed}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
}

fn stream_out(mut stream: TcpStream, kind: &str, chunks: &[String], is_whole: bool) {
    let head =
        format!("HTTP/1.1 200 X\r\ncontent-type: {kind}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    for chunk in chunks {
        stream
            .write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes())
            .unwrap();
    }
    if is_whole {
        stream.write_all(b"0\r\n\r\n").unwrap();
    }
}

pub fn job(status: &str, completed: u64) -> Reply {
    Reply::Answer(
        200,
        json!({"id": "j-1", "workflow_name": "cloudpath_dpsk_import", "status": status, "pause_reason": "too many failures", "confirm_by": "2026-12-04T10:00:00.000Z",
            "phases": [{"id": "p", "name": "Create passphrases", "status": if status == "RUNNING" { "RUNNING" } else { "COMPLETED" },
                "tasks": {"total": 10, "completed": completed}}],
            "summary": {"total_tasks": 10, "completed": completed, "percent": completed as f64 * 10.0,
                "resources": {"passphrases": {"created": 7, "adopted": 3}}},
            "limited_by": "controller_rate", "errors": ["user1: refused [HTTP_400]"], "errors_total": 1}),
    )
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn file(content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("phaseline-client-{}.json", uuid::Uuid::new_v4()));
        std::fs::write(&path, content).unwrap();
        Scratch(path)
    }
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub const JOB: &str = "0197a1b2-0000-7000-8000-000000000000";
