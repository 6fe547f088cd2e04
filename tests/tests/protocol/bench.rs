//! The tools of a directed schedule: who does what, in which order, and what must come of it.

use std::rc::Rc;

use redis::Value;
use testkit::redis_server::{Options, RedisServer};

use crate::args;
use crate::checks::Fields;
use crate::model::Broken;
use crate::proto::*;

/// A schedule: the law it breaks, when it does.
pub type Schedule = fn(&mut Bench) -> Result<(), Broken>;

/// Fails the schedule, with the values, unless both are equal.
#[macro_export]
macro_rules! same {
    ($a:expr, $b:expr, $($what:tt)+) => {{
        let (a, b) = (&$a, &$b);
        if *a != *b {
            return Err(format!("{}: {a:?}, not {b:?}", format!($($what)+)));
        }
    }};
}

pub struct Bench {
    pub p: Proto,
    tokens: u32,
}

/// A claimed unit.
#[derive(Debug, Clone)]
pub struct Unit {
    pub job: String,
    pub ph: String,
    pub b: i64,
    pub token: String,
    pub entry: String,
    pub worker: String,
    pub crashes: String,
    pub flag: String,
    pub ck: Vec<(String, String)>,
}

pub fn server() -> RedisServer {
    RedisServer::start(Options::default()).expect("redis-server")
}

impl Bench {
    pub fn on(server: &RedisServer, scripts: Rc<Scripts>) -> Self {
        let mut p = Proto::open(server, scripts);
        p.reset();
        Bench { p, tokens: 0 }
    }

    pub fn real(server: &RedisServer) -> Self {
        Self::on(server, Rc::new(Scripts::real()))
    }

    /// `phases`: (id, dependencies by comma, flags: c critical, s sequential)
    pub fn submit(&mut self, job: &str, lane: &str, phases: &[(&str, &str, &str)]) -> Vec<String> {
        self.submit_with(job, lane, phases, &args!["budget_s", 600])
    }

    pub fn submit_with(
        &mut self,
        job: &str,
        lane: &str,
        phases: &[(&str, &str, &str)],
        fields: &[String],
    ) -> Vec<String> {
        let a = submit_args(job, lane, phases, "", "", "PENDING", fields);
        texts(&self.p.call("submit", &a))
    }

    pub fn token(&mut self) -> String {
        self.tokens += 1;
        format!("tok{}", self.tokens)
    }

    pub fn claim(&mut self, worker: &str, token: &str, entry: &str) -> Result<Unit, String> {
        let r = list(&self.p.call("claim", &args![worker, token, entry]));
        if text(&r[0]) != "OK" {
            return Err(text(&r[0]));
        }
        Ok(Unit {
            job: text(&r[1]),
            ph: text(&r[2]),
            b: text(&r[3]).parse().expect("a batch"),
            token: token.into(),
            entry: entry.into(),
            worker: worker.into(),
            crashes: text(&r[6]),
            flag: text(&r[7]),
            ck: pairs(&r[10]),
        })
    }

    /// Delivered and claimed, if there is anything.
    pub fn try_take(&mut self, worker: &str) -> Option<Unit> {
        let entry = self.p.deliver(worker)?;
        let token = self.token();
        self.claim(worker, &token, &entry).ok()
    }

    pub fn take(&mut self, worker: &str) -> Result<Unit, Broken> {
        self.try_take(worker).ok_or_else(|| "nothing to take".to_owned())
    }

    /// Everything there is.
    pub fn take_all(&mut self, worker: &str) -> Vec<Unit> {
        std::iter::from_fn(|| self.try_take(worker)).collect()
    }

    /// The unit's owner is silent; this worker takes over.
    pub fn take_over(&mut self, worker: &str, u: &Unit) -> Result<Unit, Broken> {
        let entry = self.p.autoclaim(worker, 0).ok_or("nothing is idle")?;
        same!(entry, u.entry, "the entry taken over");
        let token = self.token();
        self.claim(worker, &token, &entry)
    }

    fn unit_args(u: &Unit) -> Vec<String> {
        args![u.job, u.ph, u.b, u.token]
    }

    pub fn put(&mut self, u: &Unit, batches: &[u32]) -> String {
        let mut a = args![u.job, u.ph, u.token];
        for b in batches {
            a.extend(args![b, format!("plan of {}", u.token), ""]);
        }
        text(&self.p.call("plan_put", &a))
    }

    pub fn commit(&mut self, u: &Unit, batches: u32, tasks: u32, bsize: u32) -> String {
        let a = args![u.job, u.ph, u.token, batches, tasks, bsize, 0, "", ""];
        text(&self.p.call("plan_commit", &a))
    }

    /// Writes and publishes a plan.
    pub fn plan(&mut self, u: &Unit, tasks: u32, bsize: u32) -> Result<(), Broken> {
        same!(u.b, -1, "a plan is expected, the batch is");
        let n = tasks.div_ceil(bsize);
        if n > 0 {
            same!(self.put(u, &(0..n).collect::<Vec<_>>()), "OK", "plan_put");
        }
        same!(self.commit(u, n, tasks, bsize), "OK", "plan_commit");
        Ok(())
    }

    /// A job with one planned phase `a`; its first batches are in the stream.
    pub fn planned(&mut self, job: &str, lane: &str, flags: &str, tasks: u32, bsize: u32) -> Result<(), Broken> {
        self.submit(job, lane, &[("a", "", flags)]);
        let u = self.take("planner")?;
        self.plan(&u, tasks, bsize)
    }

    /// counts: done, failed, skipped, unknown, cancelled
    pub fn complete(&mut self, u: &Unit, counts: [u32; 5]) -> String {
        let mut a = Self::unit_args(u);
        a.push(format!("result of {}", u.token));
        a.extend(counts.iter().map(u32::to_string));
        a.extend(args!["{}", "[]", 0, "", ""]);
        text(&list(&self.p.call("complete", &a))[0])
    }

    pub fn done(&mut self, u: &Unit, n: u32) -> Result<(), Broken> {
        same!(self.complete(u, [n, 0, 0, 0, 0]), "OK", "complete of {u:?}");
        Ok(())
    }

    pub fn park(&mut self, u: &Unit, delay: i64, values: &[(u32, &str)]) -> String {
        let mut a = Self::unit_args(u);
        a.extend(args![delay, 1]);
        a.extend(values.iter().flat_map(|(i, v)| args![i, v]));
        text(&self.p.call("park", &a))
    }

    pub fn checkpoint(&mut self, u: &Unit, i: u32, value: &str) -> String {
        let mut a = Self::unit_args(u);
        a.extend(args![i, value]);
        text(&self.p.call("checkpoint", &a))
    }

    pub fn release(&mut self, u: &Unit) -> String {
        text(&self.p.call("release", &Self::unit_args(u)))
    }

    pub fn heartbeat(&mut self, u: &Unit) -> String {
        let mut a = args![u.worker, 8, "{}", 60_000];
        a.extend(Self::unit_args(u));
        texts(&self.p.call("heartbeat", &a))[0].clone()
    }

    pub fn wake(&mut self, u: &Unit, delay: u64) -> String {
        text(&self.p.call("wake", &args![u.job, u.ph, u.b, delay]))
    }

    pub fn steer(&mut self, job: &str, what: &str) -> String {
        texts(&self.p.call("steer", &args![job, what, "because"])).join(" ")
    }

    pub fn tick(&mut self) -> Vec<Value> {
        list(&self.p.call("tick", &args![50, 600_000, 0]))
    }

    pub fn reconcile(&mut self, job: &str) -> String {
        text(&self.p.call("reconcile", &args![job]))
    }

    pub fn job(&mut self, job: &str) -> Fields {
        self.p.hash(&job_key(job))
    }

    pub fn status(&mut self, job: &str) -> String {
        self.job(job).remove("status").unwrap_or_default()
    }

    pub fn phase(&mut self, job: &str, ph: &str) -> Fields {
        self.p.hash(&format!("{}:ph:{ph}", job_key(job)))
    }

    pub fn out(&mut self, u: &Unit) -> Option<String> {
        self.p
            .text(&args!["HGET", format!("{}:out:{}", job_key(&u.job), u.ph), u.b])
    }

    /// Events of a job, by name.
    pub fn events(&mut self, job: &str) -> Vec<String> {
        let v = self.p.cmd(&args!["XRANGE", format!("{}:ev", job_key(job)), "-", "+"]);
        entries(&v)
            .into_iter()
            .map(|(_, mut e)| e.remove("t").unwrap_or_default())
            .collect()
    }
}

pub fn submit_args(
    job: &str,
    lane: &str,
    phases: &[(&str, &str, &str)],
    idem: &str,
    hash: &str,
    status: &str,
    fields: &[String],
) -> Vec<String> {
    let phases: Vec<_> = phases
        .iter()
        .map(|(id, deps, flags)| {
            let deps: Vec<&str> = deps.split(',').filter(|d| !d.is_empty()).collect();
            serde_json::json!({"id": id, "deps": deps, "crit": flags.contains('c'), "seq": flags.contains('s')})
        })
        .collect();
    let tenant = lane.split('|').next().unwrap_or_default();
    let dag = serde_json::json!({ "phases": phases });
    let mut a = args![
        job, tenant, lane, idem, hash, dag, 0, status, "", "ttl", 1000, "expected", 10
    ];
    a.extend_from_slice(fields);
    a
}
