//! The state of a fleet in words, for whoever has to explain a test that failed elsewhere: jobs as the API tells them, what Redis
//! keeps of them, the workers' numbers, the simulator's.
//!
//! Blocking and without the product's own eyes, so that it works while a panic unwinds and whatever is broken. Holds no secret: blobs
//! and sealed columns are counted, never shown.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::fleet::Fleet;
use super::resp::{Reply, Resp};

/// The one partition of a fleet.
const P: &str = "workflow:{p0}:";
/// An answer that takes longer is not worth waiting for: the next part may tell more.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Items of a list or set that are shown.
const SHOWN_MAX: usize = 40;

/// All of it, one fact a line.
pub fn dump(fleet: &Fleet) -> String {
    let mut out = String::new();
    out.push_str("== jobs, as the API tells them\n");
    jobs(&mut out, fleet.api.base());
    out.push_str("== Redis\n");
    if let Err(e) = redis(&mut out, fleet) {
        let _ = writeln!(out, "(no more: {e})");
    }
    for worker in &fleet.workers {
        let _ = writeln!(
            out,
            "== {} ({}), pid {}",
            worker.process.name,
            worker.id,
            worker.process.pid()
        );
        let ready = get(worker.base(), "/readyz").unwrap_or_else(|e| e.to_string());
        let _ = writeln!(out, "readyz: {}", ready.trim_end());
        for line in get(worker.base(), "/metrics").unwrap_or_else(|e| e.to_string()).lines() {
            if !line.starts_with('#') && !line.ends_with(" 0") {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    for (index, simulator) in fleet.simulators.iter().enumerate() {
        let _ = writeln!(out, "== simulator {}", index + 1);
        for controller in fleet.controllers.iter().filter(|c| c.simulator == index) {
            let path = format!("/_sim/counts?tenant={}", controller.remote_tenant);
            let counts = get(simulator.base(), &path).unwrap_or_else(|e| e.to_string());
            let _ = writeln!(out, "{}: {counts}", controller.remote_tenant);
        }
    }
    out
}

fn jobs(out: &mut String, base: &str) {
    let list = match get(base, "/api/v1/jobs") {
        Ok(list) => list,
        Err(e) => {
            let _ = writeln!(out, "not answered: {e}");
            return;
        }
    };
    let ids: Vec<String> = serde_json::from_str::<serde_json::Value>(&list)
        .ok()
        .and_then(|page| page["items"].as_array().cloned())
        .unwrap_or_default()
        .iter()
        .filter_map(|job| job["id"].as_str().map(str::to_owned))
        .collect();
    if ids.is_empty() {
        let _ = writeln!(out, "{list}");
    }
    for id in ids.iter().take(5) {
        for path in [
            format!("/api/v1/jobs/{id}"),
            format!("/api/cloudpath-dpsk/jobs/{id}/status"),
        ] {
            let answer = get(base, &path).unwrap_or_else(|e| e.to_string());
            let _ = writeln!(out, "{path}: {answer}");
        }
    }
}

fn redis(out: &mut String, fleet: &Fleet) -> std::io::Result<()> {
    let mut r = fleet.redis_connection().map_err(std::io::Error::other)?;
    let info = r.call(&["INFO"])?.text();
    let told = [
        "run_id",
        "uptime_in_seconds",
        "loading",
        "aof_",
        "connected_clients",
        "blocked_clients",
        "used_memory:",
    ];
    for line in info
        .lines()
        .filter(|line| told.iter().any(|name| line.starts_with(name)))
    {
        let _ = write!(out, "{line} ");
    }
    out.push('\n');
    let work = format!("{P}work");
    let mut say = |r: &mut Resp, words: &[&str]| {
        let answer = r.call(words).map_or_else(|e| e.to_string(), |answer| shown(&answer));
        let _ = writeln!(out, "{}: {answer}", words.join(" "));
    };
    say(&mut r, &["TIME"]);
    say(&mut r, &["XINFO", "GROUPS", &work]);
    say(&mut r, &["XINFO", "CONSUMERS", &work, "workers"]);
    say(&mut r, &["XPENDING", &work, "workers", "-", "+", "40"]);
    say(&mut r, &["XRANGE", &work, "-", "+", "COUNT", "40"]);
    for set in ["ring", "delayed", "active", "deadlines", "dirty", "workers"] {
        say(&mut r, &["ZRANGE", &format!("{P}{set}"), "0", "39", "WITHSCORES"]);
    }
    for hash in ["vt", "tin", "cool", "cfg"] {
        say(&mut r, &["HGETALL", &format!("{P}{hash}")]);
    }
    for key in keys(&mut r, &format!("{P}tq:*"))? {
        say(&mut r, &["LRANGE", &key, "0", "39"]);
    }
    for key in keys(&mut r, &format!("{P}pk:*"))? {
        say(&mut r, &["SMEMBERS", &key]);
    }
    let unfinished = r.call(&["ZRANGE", &format!("{P}active"), "0", "4"])?;
    for job in unfinished.list() {
        let j = format!("{P}jobs:{}", job.text());
        let fields =
            "status held trunc phases_left tasks done failed skipped unknown cancelled errs deadline updated lane";
        let words: Vec<&str> = ["HMGET", &j].into_iter().chain(fields.split(' ')).collect();
        say(&mut r, &words);
        say(&mut r, &["SMEMBERS", &format!("{j}:pk")]);
        say(&mut r, &["HGETALL", &format!("{j}:dag")]);
        for part in ["ph", "b"] {
            for key in keys(&mut r, &format!("{j}:{part}:*"))? {
                say(&mut r, &["HGETALL", &key]);
            }
        }
        for part in ["in", "sec", "out", "ck"] {
            for key in keys(&mut r, &format!("{j}:{part}:*"))? {
                say(&mut r, &["HLEN", &key]);
            }
        }
        for key in keys(&mut r, &format!("{j}:ck:*"))? {
            say(&mut r, &["HGETALL", &key]);
        }
    }
    say(&mut r, &["ZRANGE", "workflow:polls", "0", "-1", "WITHSCORES"]);
    for limiter in r.call(&["ZRANGE", "workflow:polls", "0", "-1"])?.list() {
        let l = format!("workflow:{{c:{}}}:", limiter.text());
        say(&mut r, &["HGETALL", &format!("{l}lim")]);
        say(&mut r, &["HGETALL", &format!("{l}concn")]);
        say(&mut r, &["ZRANGE", &format!("{l}conc"), "0", "-1", "WITHSCORES"]);
        say(&mut r, &["GET", &format!("{l}poller")]);
        say(&mut r, &["HGETALL", &format!("{l}pending")]);
    }
    Ok(())
}

fn keys(r: &mut Resp, pattern: &str) -> std::io::Result<Vec<String>> {
    // no cursor: a test's database is small
    let pattern = pattern.replace('[', "\\[");
    let mut keys: Vec<String> = r.call(&["KEYS", &pattern])?.list().iter().map(Reply::text).collect();
    keys.sort();
    Ok(keys)
}

/// A reply in one line, its lists cut short.
fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Nil => "-".to_owned(),
        Reply::List(items) => {
            let mut parts: Vec<String> = items.iter().take(SHOWN_MAX).map(shown).collect();
            if items.len() > SHOWN_MAX {
                parts.push(format!("… {} in all", items.len()));
            }
            format!("[{}]", parts.join(" "))
        }
        other => other.text().replace('\n', " "),
    }
}

/// A blocking GET; HTTP 1.0, so that the body ends with the connection.
fn get(base: &str, path: &str) -> std::io::Result<String> {
    let address: SocketAddr = base
        .trim_start_matches("http://")
        .parse()
        .map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let body = answer.split_once("\r\n\r\n").map_or(answer.as_str(), |(_, body)| body);
    Ok(body.to_owned())
}
