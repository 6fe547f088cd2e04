//! The random scheduler: six workers, eight jobs, and everything that may go wrong between two steps.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use redis::Value;
use testkit::redis_server::{Options, RedisServer};

use crate::args;
use crate::checks;
use crate::model::*;
use crate::proto::*;
use crate::worker::{At, Worker, activity_time, outcome};

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

/// A run ends long before; one that does not is stuck.
const TIME_MAX: Duration = Duration::from_secs(60);
/// Times Redis is killed in a run.
const KILLS: usize = 4;

pub struct World {
    pub mode: Mode,
    pub p: Proto,
    pub server: RedisServer,
    pub dice: Dice,
    pub jobs: Vec<Job>,
    pub remote: Remote,
    pub truth: Truth,
    /// No more trouble: whoever was frozen finishes.
    pub draining: bool,
    pub broken: Vec<Broken>,
    saved: Truth,
    leases: BTreeMap<Key, (String, Instant)>,
    stats: BTreeMap<String, u64>,
    kill_in_flight: bool,
    kills: usize,
    healthy_since: Instant,
    counter: u64,
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
    fn answers(&mut self, name: &str, a: &[String]) -> Vec<Value> {
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

    // ---- the server ----------------------------------------------------------------------------------------------------------

    fn restart(&mut self) {
        self.server.restart().expect("redis-server comes back");
        self.p.reconnect();
        self.healthy_since = Instant::now();
        self.kills += 1;
        if self.mode == Mode::TimeTravel {
            self.truth = self.saved.clone();
            self.leases.clear();
        }
    }

    fn save(&mut self) {
        self.p.cmd(&args!["SAVE"]);
        self.saved = self.truth.clone();
    }

    fn sabotage(&mut self, ws: &[Worker]) {
        let lane = self.jobs[self.dice.below(8)].lane.clone();
        match self.dice.below(7) {
            0 => drop(self.p.cmd(&args![
                "XGROUP",
                "DELCONSUMER",
                work(),
                GROUP,
                ws[self.dice.below(6)].id
            ])),
            1 => {
                for (id, _) in entries(&self.p.cmd(&args!["XRANGE", work(), "-", "+"])).iter().take(3) {
                    self.p.cmd(&args!["XDEL", work(), id]);
                }
            }
            2 => {
                self.p.cmd(&args!["DEL", work()]);
                self.p.make_group();
            }
            3 => drop(self.p.cmd(&args!["DEL", key("delayed")])),
            4 => drop(self.p.cmd(&args!["DEL", key("ring")])),
            5 => drop(self.p.cmd(&args!["DEL", key(&format!("tq:{lane}"))])),
            _ => drop(self.p.cmd(&args!["DEL", key("tin")])),
        }
    }

    // ---- the run -------------------------------------------------------------------------------------------------------------

    fn submit_all(&mut self) {
        // `depth:` (with the empty name) wins over what the ticker computes
        self.p.cmd(&args!["HSET", key("cfg"), "depth:", 12, "rate", 2]);
        for j in self.jobs.clone() {
            self.submit(&j);
        }
    }

    fn submit(&mut self, j: &Job) {
        let input = format!("{}:input", job_key(&j.id));
        self.p.cmd(&args!["HSET", input, 0, "rows"]);
        self.p.cmd(&args!["EXPIRE", input, 3600]);
        let phases: Vec<_> = PHASES
            .iter()
            .map(|p| {
                let crit = p.id == "a" || p.id == "c" && j.special == Special::Critical;
                serde_json::json!({"id": p.id, "deps": p.deps, "crit": crit, "seq": p.seq})
            })
            .collect();
        let status = if j.special == Special::Confirm {
            "AWAITING_CONFIRMATION"
        } else {
            "PENDING"
        };
        let expected: usize = PHASES.iter().map(|p| p.rows).sum();
        let budget = if j.special == Special::Deadline { "0.15" } else { "600" };
        let dag = serde_json::json!({ "phases": phases });
        let a = args![
            j.id,
            j.tenant,
            j.lane,
            format!("key-{}", j.id),
            "hash",
            dag,
            1,
            status,
            "expected",
            expected,
            "budget_s",
            budget,
            "ttl",
            604_800,
            "chunks",
            1
        ];
        for v in self.answers("submit", &a) {
            let r = texts(&v);
            assert!(
                r[0] == "OK" || r[0] == "EXISTS" && r[1] == j.id,
                "submit answered {r:?}"
            );
        }
    }

    /// What a person wants at this point of the run; asked for again when a failover forgot it.
    fn steer(&mut self, it: usize) {
        for j in self.jobs.clone() {
            let (want, from): (&'static str, usize) = match j.special {
                Special::Confirm if it > 200 => ("confirm", 200),
                Special::Cancel if it > 1200 => ("cancel", 1200),
                Special::Pause if it > 900 && it < 1800 => ("pause", 900),
                Special::Pause if it >= 1800 => ("resume", 1800),
                _ => continue,
            };
            let id = format!("{} {want} {from}", j.id);
            if self.truth.steered.contains_key(&id) {
                continue;
            }
            let r = texts(&self.call("steer", &args![j.id, want, "because"]));
            self.truth
                .steered
                .insert(id, if r[0] == "REFUSED" { "refused" } else { want });
        }
    }

    pub fn over(&mut self) -> bool {
        self.jobs.clone().iter().all(|j| {
            let st = self.p.text(&args!["HGET", job_key(&j.id), "status"]);
            st.is_some_and(|s| matches!(s.as_str(), "COMPLETED" | "PARTIAL" | "FAILED" | "CANCELLED"))
        })
    }

    fn tick(&mut self) {
        self.call("tick", &args![50, 600_000, 0]);
    }

    /// Runs to the end and checks everything; answers what was broken.
    pub fn run(mut self) -> Result<String, String> {
        let began = Instant::now();
        self.submit_all();
        self.save();
        let mut ws: Vec<Worker> = (0..6).map(|_| Worker::new(&mut self)).collect();
        let mut it = 0;
        while self.broken.is_empty() {
            it += 1;
            let n = self.dice.below(6);
            ws[n].act(&mut self);
            if it % 40 == 0 {
                self.tick();
                self.steer(it);
            }
            if it % 120 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            if it % 500 == 0 {
                self.call("reap", &args![20]);
            }
            if it % 700 == 350 {
                let lane = self.jobs[self.dice.below(8)].lane.clone();
                let ms = self.dice.between(1, 30);
                self.call("cool", &args![lane, ms]);
            }
            if it % 97 == 0 {
                checks::while_running(&mut self);
            }
            self.trouble(it, &ws);
            if it % 200 == 0 && self.over() {
                break;
            }
            if began.elapsed() > TIME_MAX {
                let stuck = checks::where_it_stands(&mut self);
                self.broken.push(format!("stuck: {stuck}"));
            }
        }
        self.finish(&mut ws);
        let said = format!(
            "{:?} {it} steps {:.1} s, {} executions, {} kills {:?}",
            self.mode,
            began.elapsed().as_secs_f64(),
            self.remote.executions,
            self.kills,
            self.stats
        );
        if self.broken.is_empty() {
            Ok(said)
        } else {
            Err(format!("{said}\n{}", self.broken.join("\n")))
        }
    }

    fn trouble(&mut self, it: usize, ws: &[Worker]) {
        match self.mode {
            Mode::Plain => {}
            Mode::KillAof if it % 600 == 599 && self.kills < KILLS => {
                if self.dice.chance(0.7) {
                    self.kill_in_flight = true
                } else {
                    self.restart()
                }
            }
            Mode::TimeTravel if it % 600 == 300 => self.save(),
            Mode::TimeTravel if it % 600 == 599 && self.kills < KILLS => self.restart(),
            Mode::Sabotage => {
                if it % 400 == 0 && it < 4000 {
                    self.sabotage(ws);
                }
                if it % 300 == 299 {
                    for j in self.jobs.clone() {
                        self.call("reconcile", &args![j.id]);
                    }
                }
            }
            _ => {}
        }
    }

    /// Zombies wake up, stale entries are swept, then the books are checked.
    fn finish(&mut self, ws: &mut [Worker]) {
        if !self.broken.is_empty() {
            return;
        }
        if self.mode != Mode::Sabotage {
            checks::nothing_queued(self);
        }
        self.draining = true;
        for round in 0..2000 {
            let n = self.dice.below(6);
            ws[n].frozen = 0;
            ws[n].act(self);
            if round % 100 == 99 {
                self.tick();
                std::thread::sleep(Duration::from_millis(2));
                if round > 300 && self.p.int(&args!["XLEN", work()]) == 0 {
                    break;
                }
            }
        }
        for j in self.jobs.clone() {
            self.call("reconcile", &args![j.id]);
        }
        checks::at_the_end(self);
    }
}
