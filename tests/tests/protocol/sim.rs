//! The random scheduler: six workers, eight jobs, and everything that may go wrong between two steps.

use std::time::{Duration, Instant};

use crate::args;
use crate::checks;
use crate::model::*;
use crate::proto::*;
use crate::worker::Worker;
use crate::world::{Mode, World};

/// A run ends long before; one that does not is stuck.
const TIME_MAX: Duration = Duration::from_secs(60);
/// Times Redis is killed in a run.
const KILLS: usize = 4;

impl World {
    // ---- the server ----------------------------------------------------------------------------------------------------------

    pub fn restart(&mut self) {
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
        let job = job_key(&self.jobs[self.dice.below(8)].id);
        match self.dice.below(10) {
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
            6 => drop(self.p.cmd(&args!["DEL", key("tin")])),
            7 => drop(self.p.cmd(&args!["DEL", key("cool"), key("vt")])),
            8 => drop(self.p.cmd(&args!["DEL", key(&format!("pk:{lane}"))])),
            _ => drop(self.p.cmd(&args!["DEL", format!("{job}:pk")])),
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
            "",
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

    /// Somebody holds any job for a moment, or lets all go on again.
    fn meddle(&mut self) {
        let job = self.jobs[self.dice.below(8)].clone();
        let what = if self.dice.chance(0.5) { "pause" } else { "resume" };
        if job.special != Special::Pause {
            let r = texts(&self.call("steer", &args![job.id, what, "meddling"]));
            self.count(&format!("{what} {}", r[0]));
        }
    }

    /// Nobody is held by a meddler any more.
    fn let_go(&mut self) {
        for j in self.jobs.clone() {
            if j.special != Special::Pause {
                self.call("steer", &args![j.id, "resume", ""]);
            }
        }
    }

    /// What a person wants at this point of the run; asked for again when a failover forgot it.
    fn steer(&mut self, it: usize) {
        for j in self.jobs.clone() {
            let (want, from): (&'static str, usize) = match j.special {
                Special::Confirm if !self.is_confirmed && it > 200 => {
                    // the week is over; again when a failover forgot it
                    self.p.cmd(&args!["ZADD", key("deadlines"), "XX", 1, j.id]);
                    continue;
                }
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
        let mut it = 0usize;
        while self.broken.is_empty() {
            it += 1;
            let n = self.dice.below(6);
            ws[n].act(&mut self);
            if it.is_multiple_of(40) {
                self.tick();
                self.steer(it);
            }
            if it.is_multiple_of(120) {
                std::thread::sleep(Duration::from_millis(2));
            }
            if it.is_multiple_of(500) {
                let dropped = texts(&self.call("reap", &args![20]));
                dropped.iter().for_each(|_| self.count("reaped"));
            }
            if it % 150 == 75 && it < 3000 {
                self.meddle();
            }
            if it >= 3000 && it.is_multiple_of(600) {
                self.let_go();
            }
            if it % 700 == 350 {
                let lane = self.jobs[self.dice.below(8)].lane.clone();
                let ms = self.dice.between(1, 30);
                self.call("cool", &args![lane, ms]);
            }
            if it.is_multiple_of(97) {
                checks::while_running(&mut self);
            }
            self.trouble(it, &ws);
            if it.is_multiple_of(200) && self.over() {
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
                if it.is_multiple_of(400) && it < 4000 {
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
