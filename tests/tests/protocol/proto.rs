//! A connection that speaks the protocol: scripts built the way the product builds them, run by their SHA, reloaded when unknown.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use redis::{ConnectionLike, RedisResult, Value};
use testkit::redis_server::RedisServer;

pub const P: &str = "workflow:{p0}:";
pub const GROUP: &str = "workers";

/// The product's own table of scripts: `NAME "file" allow|deny batch|limiter;`. Read, not repeated, so that it can't differ.
const TABLE: &str = include_str!("../../../shared/src/store/scripts.rs");
const LUA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/src/store/lua/");

/// Builds the arguments of a call from anything printable.
#[macro_export]
macro_rules! args {
    ($($a:expr),* $(,)?) => { Vec::from([$($a.to_string()),*]) };
}

/// The scripts, whole, by name.
pub struct Scripts(HashMap<String, redis::Script>);

impl Scripts {
    pub fn real() -> Self {
        Self::edited(|_, text| text)
    }

    /// Every file (the prelude too) goes through `edit(file name, text)` first.
    pub fn edited(mut edit: impl FnMut(&str, String) -> String) -> Self {
        let mut read = |file: &str| {
            let text = std::fs::read_to_string(format!("{LUA}{file}")).expect("a script of the product");
            edit(file, text)
        };
        let prelude = read("_prelude.lua");
        let mut all = HashMap::new();
        for line in TABLE.lines() {
            let words: Vec<&str> = line.trim().trim_end_matches(';').split(' ').collect();
            let [_, name, oom @ ("allow" | "deny"), kind @ ("batch" | "limiter")] = words[..] else {
                continue;
            };
            let name = name.trim_matches('"');
            let head = if oom == "allow" {
                "#!lua flags=allow-oom"
            } else {
                "#!lua"
            };
            let prelude = if kind == "batch" { prelude.as_str() } else { "" };
            let body = read(&format!("{name}.lua"));
            all.insert(name.to_owned(), redis::Script::new(&format!("{head}\n{prelude}{body}")));
        }
        assert!(all.len() >= 20, "the table of scripts reads differently now");
        Scripts(all)
    }

    /// By which the product calls it.
    #[allow(dead_code, reason = "of the laws, which include this file")]
    pub fn sha(&self, name: &str) -> String {
        self.0[name].get_hash().to_owned()
    }

    pub fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }
}

pub struct Proto {
    url: String,
    con: redis::Connection,
    scripts: Rc<Scripts>,
    /// Scripts that were run, whatever they answered.
    pub called: BTreeSet<String>,
}

impl Proto {
    pub fn open(server: &RedisServer, scripts: Rc<Scripts>) -> Self {
        let url = server.url();
        Proto {
            con: connect(&url),
            url,
            scripts,
            called: BTreeSet::new(),
        }
    }

    /// After the server was started again.
    pub fn reconnect(&mut self) {
        self.con = connect(&self.url);
    }

    /// Runs a script of the batch protocol. An error is a bug of the script: panics with it.
    pub fn call(&mut self, name: &str, args: &[String]) -> Value {
        self.try_on(P, name, args)
            .unwrap_or_else(|e| panic!("{name}.lua {args:?}: {e}"))
    }

    pub fn try_call(&mut self, name: &str, args: &[String]) -> RedisResult<Value> {
        self.try_on(P, name, args)
    }

    /// Runs a script on another key (the limiter's).
    pub fn try_on(&mut self, key: &str, name: &str, args: &[String]) -> RedisResult<Value> {
        self.called.insert(name.to_owned());
        self.scripts.0[name]
            .prepare_invoke()
            .key(key)
            .arg(args)
            .invoke(&mut self.con)
    }

    /// Sends the call and does not wait for its answer: whether it is executed before what follows is open.
    pub fn send_only(&mut self, name: &str, args: &[String]) {
        let script = &self.scripts.0[name];
        let mut c = redis::cmd("EVALSHA");
        c.arg(script.get_hash()).arg(1).arg(P).arg(args);
        let _ = self.con.send_packed_command(&c.get_packed_command());
    }

    pub fn cmd(&mut self, words: &[String]) -> Value {
        self.try_cmd(words).unwrap_or_else(|e| panic!("{words:?}: {e}"))
    }

    pub fn try_cmd(&mut self, words: &[String]) -> RedisResult<Value> {
        let mut c = redis::cmd(&words[0]);
        c.arg(&words[1..]);
        c.query(&mut self.con)
    }

    /// An empty database with the work stream's group.
    pub fn reset(&mut self) {
        self.cmd(&args!["FLUSHALL"]);
        self.make_group();
    }

    pub fn make_group(&mut self) {
        let made = self.try_cmd(&args!["XGROUP", "CREATE", work(), GROUP, "0", "MKSTREAM"]);
        assert!(made.is_ok() || made.is_err_and(|e| e.to_string().contains("BUSYGROUP")));
    }

    /// One entry for this worker, if there is one.
    pub fn deliver(&mut self, worker: &str) -> Option<String> {
        let read = args!["XREADGROUP", "GROUP", GROUP, worker, "COUNT", 1, "STREAMS", work(), ">"];
        let v = self.cmd(&read);
        let stream = list(&v).into_iter().next()?;
        let entries = list(&list(&stream)[1]);
        Some(text(&list(entries.first()?)[0]))
    }

    /// One entry nobody kept alive for so long.
    pub fn autoclaim(&mut self, worker: &str, idle_ms: u64) -> Option<String> {
        let v = self.cmd(&args![
            "XAUTOCLAIM",
            work(),
            GROUP,
            worker,
            idle_ms,
            "0-0",
            "COUNT",
            1,
            "JUSTID"
        ]);
        list(&list(&v)[1]).first().map(text)
    }

    pub fn text(&mut self, words: &[String]) -> Option<String> {
        match self.cmd(words) {
            Value::Nil => None,
            v => Some(text(&v)),
        }
    }

    pub fn int(&mut self, words: &[String]) -> i64 {
        match self.cmd(words) {
            Value::Int(n) => n,
            Value::Nil => 0,
            v => text(&v).parse().expect("a number"),
        }
    }

    pub fn hash(&mut self, key: &str) -> HashMap<String, String> {
        pairs(&self.cmd(&args!["HGETALL", key])).into_iter().collect()
    }

    pub fn keys(&mut self, pattern: &str) -> Vec<String> {
        list(&self.cmd(&args!["KEYS", pattern])).iter().map(text).collect()
    }
}

fn connect(url: &str) -> redis::Connection {
    let con = redis::Client::open(url)
        .and_then(|c| c.get_connection())
        .expect("Redis answers");
    assert!(con.is_open());
    con
}

pub fn work() -> String {
    key("work")
}

pub fn key(name: &str) -> String {
    format!("{P}{name}")
}

pub fn job_key(job: &str) -> String {
    format!("{P}jobs:{job}")
}

pub fn text(v: &Value) -> String {
    match v {
        Value::BulkString(b) => String::from_utf8_lossy(b).into_owned(),
        Value::SimpleString(s) => s.clone(),
        Value::Okay => "OK".into(),
        Value::Int(n) => n.to_string(),
        Value::Nil => String::new(),
        other => panic!("not a text: {other:?}"),
    }
}

pub fn list(v: &Value) -> Vec<Value> {
    match v {
        Value::Array(a) => a.clone(),
        Value::Nil => Vec::new(),
        other => panic!("not a list: {other:?}"),
    }
}

pub fn texts(v: &Value) -> Vec<String> {
    list(v).iter().map(text).collect()
}

/// A flat list of names and values.
pub fn pairs(v: &Value) -> Vec<(String, String)> {
    texts(v)
        .chunks_exact(2)
        .map(|kv| (kv[0].clone(), kv[1].clone()))
        .collect()
}

/// Fields of a stream entry.
pub fn entries(v: &Value) -> Vec<(String, HashMap<String, String>)> {
    list(v)
        .iter()
        .map(|e| {
            let e = list(e);
            (text(&e[0]), pairs(&e[1]).into_iter().collect())
        })
        .collect()
}
