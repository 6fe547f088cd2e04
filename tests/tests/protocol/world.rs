//! The world of a random run: the server, the controller, and what the driver knows while others only believe.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use redis::Value;
use testkit::redis_server::{Options, RedisServer};

use crate::model::*;
use crate::proto::*;
use crate::worker::{At, activity_time, outcome};

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mode {
    /// Crashes, freezes, lost replies, steering.
    Plain,
    /// Redis is killed too, with every write on disk: nothing may be lost.
    KillAof,
    /// Redis is killed and comes back with an older state: a failover that lost acknowledged writes.
    TimeTravel,
    /// Somebody deletes things by hand; `reconcile` repairs.
    Sabotage,
}

impl Mode {
    pub fn parse(s: &str) -> Option<Self> {
        [Mode::Plain, Mode::KillAof, Mode::TimeTravel, Mode::Sabotage]
            .into_iter()
            .find(|m| format!("{m:?}").eq_ignore_ascii_case(s))
    }
}

pub struct World {
    pub mode: Mode,
    pub p: Proto,
    pub server: RedisServer,
    pub dice: Dice,
    pub jobs: Vec<Job>,
    /// Whether the job that waits for it is confirmed; else its time passes.
    pub is_confirmed: bool,
    pub remote: Remote,
    pub truth: Truth,
    /// No more trouble: whoever was frozen finishes.
    pub draining: bool,
    pub broken: Vec<Broken>,
    pub saved: Truth,
    pub leases: BTreeMap<Key, (String, Instant)>,
    pub stats: BTreeMap<String, u64>,
    pub kill_in_flight: bool,
    pub kills: usize,
    pub healthy_since: Instant,
    pub counter: u64,
}

impl World {
    pub fn new(mode: Mode, start: u64) -> Self {
        let server = RedisServer::start(Options {
            appendonly: mode == Mode::KillAof,
            appendfsync: Some("always"),
            in_memory: true,
            ..Options::default()
        })
        .expect("redis-server");
        let mut p = Proto::open(&server, Rc::new(Scripts::real()));
        p.reset();
        World {
            mode,
            p,
            server,
            dice: Dice::new(start * 4 + mode as u64),
            jobs: jobs(),
            is_confirmed: !start.is_multiple_of(4),
            remote: Remote::default(),
            truth: Truth::default(),
            draining: false,
            broken: Vec::new(),
            saved: Truth::default(),
            leases: BTreeMap::new(),
            stats: BTreeMap::new(),
            kill_in_flight: false,
            kills: 0,
            healthy_since: Instant::now() - Duration::from_secs(1),
            counter: 0,
        }
    }

    pub fn count(&mut self, what: &str) {
        *self.stats.entry(what.to_owned()).or_default() += 1;
    }

    pub fn fresh(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// State that no rollback and no saboteur touched: every law holds at every moment.
    pub fn strict(&self) -> bool {
        matches!(self.mode, Mode::Plain | Mode::KillAof)
    }

    /// While Redis was away everything looks idle: nothing is taken over before it was there for the take-over time.
    pub fn may_take_over(&self) -> bool {
        self.healthy_since.elapsed() > Duration::from_millis(IDLE_MS)
    }

    pub fn special(&self, job: &str) -> Special {
        self.jobs.iter().find(|j| j.id == job).expect("a job").special
    }

    pub fn tolerated(&self, job: &str, ph: &str) -> u32 {
        if ph == "c" && self.special(job) == Special::Critical {
            2
        } else {
            0
        }
    }

    // ---- calls ---------------------------------------------------------------------------------------------------------------

    /// All answers: sometimes the reply is lost and the call is repeated blindly; sometimes Redis dies while it runs.
    pub fn answers(&mut self, name: &str, a: &[String]) -> Vec<Value> {
        let mut out = Vec::new();
        if std::mem::take(&mut self.kill_in_flight) {
            self.count("killed in flight");
            self.p.send_only(name, a);
            self.restart();
        } else if !self.draining && self.dice.chance(0.05) {
            self.count("lost reply");
            out.push(self.p.call(name, a));
        }
        out.push(self.p.call(name, a));
        out
    }

    pub fn call(&mut self, name: &str, a: &[String]) -> Value {
        self.answers(name, a).pop().expect("an answer")
    }

    /// A call that only the unit's owner may make.
    pub fn fenced(&mut self, key: &Key, token: &str, name: &str, a: &[String]) -> String {
        let mut last = String::new();
        for v in self.answers(name, a) {
            last = text(&v);
            let good = matches!(last.as_str(), "OK" | "HELD" | "CANCELLED");
            if good && self.truth.owner.get(key).map(String::as_str) != Some(token) {
                let owner = self.truth.owner.get(key);
                self.broken.push(format!(
                    "{name} by {token} accepted for {key:?}, which is owned by {owner:?}"
                ));
            }
            if good && matches!(name, "park" | "release" | "plan_commit" | "plan_fail") {
                self.gone(key);
            }
        }
        last
    }

    pub fn complete(&mut self, key: &Key, token: &str, a: &[String], blob: &str) -> String {
        let mut last = String::new();
        for v in self.answers("complete", a) {
            last = text(&list(&v)[0]);
            let owns = self.truth.owner.get(key).map(String::as_str) == Some(token);
            // DONE with nothing accepted: the call that was under way when Redis was killed went through
            if last == "OK" && !owns {
                self.broken.push(format!(
                    "complete by {token} accepted for {key:?}, owned by {:?}",
                    self.truth.owner.get(key)
                ));
            }
            if last == "OK" || last == "DONE" && owns && !self.truth.accepted.contains_key(key) {
                if self.truth.accepted.insert(key.clone(), blob.to_owned()).is_some() {
                    self.broken.push(format!("{key:?} accepted twice"));
                }
                self.gone(key);
            }
        }
        last
    }

    pub fn claimed(&mut self, key: &Key, token: &str, at: Instant) {
        if let Some((owner, lease)) = self.leases.get(key)
            && self.strict()
            && owner != token
            && lease.elapsed().as_millis() < LEASE_MS
        {
            self.broken
                .push(format!("{key:?} taken by {token} from {owner}, which had a lease"));
        }
        self.truth.owner.insert(key.clone(), token.to_owned());
        self.kept(key, token, at);
    }

    pub fn kept(&mut self, key: &Key, token: &str, at: Instant) {
        self.leases.insert(key.clone(), (token.to_owned(), at));
    }

    fn gone(&mut self, key: &Key) {
        self.truth.owner.remove(key);
        self.leases.remove(key);
    }

    // ---- the controller ------------------------------------------------------------------------------------------------------

    /// Rows of each batch. Phases b and c read the controller: a second planner may find less to do.
    pub fn plan(&mut self, ph: &str) -> Vec<Vec<u32>> {
        let mut rows: Vec<u32> = (0..phase(ph).rows as u32).collect();
        if ph == "b" || ph == "c" {
            let p = [0.0, 0.1, 0.5][self.dice.below(3)];
            rows.retain(|_| !self.dice.chance(p));
        }
        rows.chunks(BSIZE).map(<[u32]>::to_vec).collect()
    }

    pub fn poisonous(&self, t: &Task) -> bool {
        self.special(&t.0) == Special::Poison && t.1 == "c" && t.2 == 43 && !self.draining
    }

    pub fn execute(&mut self, t: &Task, token: &str) -> At {
        self.remote.executions += 1;
        let failing = if self.special(&t.0) == Special::Critical && t.1 == "c" {
            0.2
        } else {
            0.01
        };
        if t.1 != "a" && self.dice.chance(failing) {
            let status = if self.dice.chance(0.2) { "UNKNOWN" } else { "FAILED" };
            return At::Done(outcome(t.2, status, &format!("{token}:{}", self.fresh())));
        }
        *self.remote.created.entry(t.clone()).or_default() += 1;
        if self.dice.chance(0.4) {
            let id = format!("{token}:{}", self.fresh());
            let ready = Instant::now() + activity_time(self);
            self.remote.activities.insert(id.clone(), (t.clone(), ready));
            return At::Accepted(id);
        }
        At::Done(outcome(t.2, "COMPLETED", &format!("{token}:{}", self.fresh())))
    }

    pub fn read_back(&mut self, t: &Task, token: &str) -> At {
        self.count("read back");
        if self.remote.created.contains_key(t) {
            At::Done(outcome(t.2, "COMPLETED", &format!("{token}:found")))
        } else {
            At::None
        }
    }

    /// Whether it ended well; none while it runs.
    pub fn activity(&self, id: &str) -> Option<bool> {
        self.remote
            .activities
            .get(id)
            .filter(|(_, ready)| *ready <= Instant::now())
            .map(|_| true)
    }
}
