//! A worker of the random schedules: obeys the rules of the real one, one small step at a time, and may die or freeze between any two.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::args;
use crate::model::*;
use crate::proto::{list, pairs, text};
use crate::world::World;

/// Where a task stands.
#[derive(Clone, PartialEq, Debug)]
pub enum At {
    /// Nothing was sent.
    None,
    Sent,
    Accepted(String),
    Done(String),
}

impl At {
    fn parse(v: &str) -> Self {
        let j: serde_json::Value = serde_json::from_str(v).expect("a checkpoint we wrote");
        match j["s"].as_str() {
            Some("S") => At::Sent,
            Some("A") => At::Accepted(j["q"].as_str().unwrap_or_default().to_owned()),
            _ => At::Done(j["o"].to_string()),
        }
    }
    fn write(&self) -> String {
        match self {
            At::None => unreachable!("nothing to remember"),
            At::Sent => r#"{"s":"S","n":0,"b":5}"#.into(),
            At::Accepted(q) => format!(r#"{{"s":"A","q":"{q}","t":17}}"#),
            At::Done(o) => format!(r#"{{"s":"D","o":{o}}}"#),
        }
    }
}

struct Flight {
    token: String,
    entry: String,
    /// '' | HELD | CANCELLED …
    flag: String,
    crashes: u32,
    rows: Vec<u32>,
    at: BTreeMap<u32, At>,
    /// Results not yet in a checkpoint.
    unsaved: Vec<u32>,
    /// Marked SENT in Redis, not called yet.
    intents: Vec<u32>,
    plan: Option<Plan>,
    /// When the last heartbeat (or the read that brought the entry) was sent.
    lease: Instant,
}

struct Plan {
    batches: Vec<Vec<u32>>,
    next: usize,
}

#[derive(Default)]
pub struct Worker {
    pub id: String,
    seq: u32,
    pub frozen: usize,
    flights: BTreeMap<Key, Flight>,
    /// Delivered, not claimed yet.
    late: Vec<(String, Instant)>,
}

impl Worker {
    pub fn new(w: &mut World) -> Self {
        Worker {
            id: format!("w{:08x}", w.dice.next() as u32),
            ..Worker::default()
        }
    }

    fn crash(&mut self, w: &mut World) {
        w.count("crash");
        *self = Worker::new(w);
    }

    pub fn act(&mut self, w: &mut World) {
        if self.frozen > 0 {
            self.frozen -= 1;
            return;
        }
        if !w.draining {
            if w.dice.chance(0.004) {
                return self.crash(w);
            }
            if w.dice.chance(0.004) {
                self.frozen = w.dice.between(50, 400);
                return w.count("freeze");
            }
        }
        if let Some((entry, at)) = self.late.pop() {
            return self.claim(w, entry, at);
        }
        match w.dice.below(15) {
            0..3 => self.read(w),
            3 => self.takeover(w),
            4..7 => self.heartbeat(w),
            _ => self.step(w),
        }
    }

    fn read(&mut self, w: &mut World) {
        let at = Instant::now();
        if self.flights.len() + self.late.len() < 3
            && let Some(entry) = w.p.deliver(&self.id)
        {
            self.got(w, entry, at);
        }
    }

    fn takeover(&mut self, w: &mut World) {
        let at = Instant::now();
        if self.flights.len() + self.late.len() < 3
            && w.may_take_over()
            && let Some(entry) = w.p.autoclaim(&self.id, IDLE_MS)
            && self.flights.values().all(|f| f.entry != entry)
        {
            w.count("taken over");
            self.got(w, entry, at);
        }
    }

    fn got(&mut self, w: &mut World, entry: String, at: Instant) {
        if !w.draining && w.dice.chance(0.02) {
            return self.crash(w);
        }
        if !w.draining && w.dice.chance(0.02) {
            self.late.push((entry, at));
            self.frozen = w.dice.between(50, 400);
            return;
        }
        self.claim(w, entry, at);
    }

    fn claim(&mut self, w: &mut World, entry: String, at: Instant) {
        self.seq += 1;
        let token = format!("{}.{}", self.id, self.seq);
        let reply = list(&w.call("claim", &args![self.id, token, entry]));
        let what = text(&reply[0]);
        w.count(&format!("claim {what}"));
        if what != "OK" {
            return;
        }
        let key: Key = (
            text(&reply[1]),
            text(&reply[2]),
            text(&reply[3]).parse().expect("a batch"),
        );
        w.claimed(&key, &token, at);
        let (crashes, flag) = (text(&reply[6]).parse().expect("crashes"), text(&reply[7]));
        let mut f = Flight {
            token,
            entry,
            flag,
            crashes,
            rows: Vec::new(),
            at: BTreeMap::new(),
            unsaved: Vec::new(),
            intents: Vec::new(),
            plan: None,
            lease: at,
        };
        if key.2 == -1 {
            f.plan = Some(Plan {
                batches: w.plan(&key.1),
                next: 0,
            });
        } else {
            let input: serde_json::Value = serde_json::from_str(&text(&reply[8])).expect("the batch's input");
            f.rows = input["rows"]
                .as_array()
                .expect("rows")
                .iter()
                .map(|r| r.as_u64().expect("a row") as u32)
                .collect();
            f.at = f.rows.iter().map(|r| (*r, At::None)).collect();
            for (row, v) in pairs(&reply[10]) {
                f.at.insert(row.parse().expect("a row"), At::parse(&v));
            }
        }
        self.flights.insert(key, f);
    }

    fn heartbeat(&mut self, w: &mut World) {
        let sent = Instant::now();
        let mut a = args![self.id, 8, "{}", 40];
        for ((job, ph, b), f) in &self.flights {
            a.extend(args![job, ph, b, f.token]);
        }
        let replies = list(&w.call("heartbeat", &a));
        let keys: Vec<Key> = self.flights.keys().cloned().collect();
        for (k, r) in keys.iter().zip(replies) {
            match text(&r).as_str() {
                "LOST" => {
                    w.count("heartbeat LOST");
                    self.flights.remove(k);
                }
                answer => {
                    let f = self.flights.get_mut(k).expect("asked for it");
                    w.kept(k, &f.token, sent);
                    f.lease = sent;
                    f.flag = merge(&f.flag, answer);
                }
            }
        }
    }

    fn step(&mut self, w: &mut World) {
        if self.flights.is_empty() {
            return;
        }
        let key = self
            .flights
            .keys()
            .nth(w.dice.below(self.flights.len()))
            .cloned()
            .expect("one");
        let mut f = self.flights.remove(&key).expect("one");
        let goes_on = if f.plan.is_some() {
            plan_step(w, &key, &mut f)
        } else if f.flag.is_empty() && f.crashes <= CRASHES_MAX {
            match run_step(w, &key, &mut f) {
                Some(on) => on,
                None => return self.crash(w),
            }
        } else {
            settle_step(w, &key, &mut f)
        };
        if goes_on {
            self.flights.insert(key, f);
        }
    }
}

fn merge(old: &str, answer: &str) -> String {
    match answer {
        // a hold ends, a cancel never does
        "OK" if old == "HELD" || old.is_empty() => String::new(),
        "OK" => old.to_owned(),
        other => other.to_owned(),
    }
}

/// Plans and publishes. False: done with it.
fn plan_step(w: &mut World, key: &Key, f: &mut Flight) -> bool {
    let plan = f.plan.as_mut().expect("a plan");
    let (job, ph, _) = key;
    if plan.next < plan.batches.len() {
        let mut a = args![job, ph, f.token];
        for _ in 0..w.dice.between(1, 3) {
            if let Some(rows) = plan.batches.get(plan.next) {
                let blob = serde_json::json!({"planner": f.token, "rows": rows}).to_string();
                a.extend(args![plan.next, blob, ""]);
                plan.next += 1;
            }
        }
        let r = w.fenced(key, &f.token, "plan_put", &a);
        return r != "FENCED"
            && !(r == "HELD" && w.dice.chance(0.3) && {
                w.fenced(key, &f.token, "release", &args![job, ph, -1, f.token]);
                true
            });
    }
    if ph == "d" && w.special(job) == Special::PlanFails {
        w.fenced(
            key,
            &f.token,
            "plan_fail",
            &args![job, ph, f.token, r#"{"code":"NO"}"#, ""],
        );
        return false;
    }
    let tasks: usize = plan.batches.iter().map(Vec::len).sum();
    let (tolerated, end) = (
        w.tolerated(job, ph),
        if ph == "d" && w.dice.chance(0.5) { "SKIPPED" } else { "" },
    );
    let a = args![job, ph, f.token, plan.batches.len(), tasks, BSIZE, tolerated, "", end];
    let r = w.fenced(key, &f.token, "plan_commit", &a);
    w.count(&format!("plan_commit {r}"));
    plan.next = 0;
    r == "INCOMPLETE"
}

/// One step of a batch that runs. None: the worker dies of it.
fn run_step(w: &mut World, key: &Key, f: &mut Flight) -> Option<bool> {
    let task = |row: u32| (key.0.clone(), key.1.clone(), row);
    let leased = f.lease.elapsed().as_millis() < LEASE_MS;
    if !f.intents.is_empty() {
        if !leased {
            return Some(true);
        }
        for row in std::mem::take(&mut f.intents) {
            if w.poisonous(&task(row)) {
                return None;
            }
            f.at.insert(row, w.execute(&task(row), &f.token));
            f.unsaved.push(row);
        }
        // a 202 is remembered before anything else happens
        let accepted = f.unsaved.iter().any(|r| matches!(f.at[r], At::Accepted(_)));
        return Some(!(accepted || w.dice.chance(0.5)) || save(w, key, f));
    }
    if w.dice.chance(0.02) {
        return Some(if save(w, key, f) { hand_back(w, key, f) } else { false });
    }
    if let Some(row) = f.rows.iter().copied().find(|r| f.at[r] == At::Sent) {
        // taken over: perhaps sent, perhaps applied; read back
        f.at.insert(row, w.read_back(&task(row), &f.token));
        if f.at[&row] != At::None {
            f.unsaved.push(row);
        }
        return Some(true);
    }
    collect(w, key, f);
    let fresh: Vec<u32> = f.rows.iter().copied().filter(|r| f.at[r] == At::None).collect();
    let waiting = f.at.values().any(|a| matches!(a, At::Accepted(_)));
    if (waiting && fresh.is_empty() && w.dice.chance(0.7)) || (!w.draining && w.dice.chance(0.03)) {
        let delay = w.dice.between(1, 30).to_string();
        return Some(park(w, key, f, &delay));
    }
    if !fresh.is_empty() {
        let n = if phase(&key.1).seq { 1 } else { w.dice.between(1, 6) };
        f.intents = fresh.into_iter().take(n).collect();
        for row in &f.intents {
            f.at.insert(*row, At::Sent);
        }
        let mut rows = std::mem::take(&mut f.unsaved);
        rows.extend(&f.intents);
        let answer = checkpoint(w, key, f, &rows);
        if answer != "OK" {
            f.intents.clear();
        }
        return Some(answer != "FENCED");
    }
    Some(waiting || complete(w, key, f, "CANCELLED"))
}

/// One step of a batch that only settles: starts nothing, finishes what was accepted, gives every task an outcome.
fn settle_step(w: &mut World, key: &Key, f: &mut Flight) -> bool {
    let poison = f.crashes > CRASHES_MAX;
    f.intents.clear();
    let rows = f.rows.clone();
    if f.crashes > SETTLE_CRASHES_MAX {
        for row in rows {
            if matches!(f.at[&row], At::Sent | At::Accepted(_)) {
                f.at.insert(row, At::Done(outcome(row, "UNKNOWN", &f.token)));
            }
        }
        return complete(w, key, f, "POISON");
    }
    for row in rows {
        if f.at[&row] == At::Sent {
            let found = w.read_back(&(key.0.clone(), key.1.clone(), row), &f.token);
            f.at.insert(row, found);
            f.unsaved.push(row);
        }
    }
    f.unsaved.retain(|r| f.at[r] != At::None);
    collect(w, key, f);
    if f.at.values().any(|a| matches!(a, At::Accepted(_))) {
        let delay = w.dice.between(1, 20).to_string();
        return park(w, key, f, &delay);
    }
    if f.flag == "HELD" && !poison && f.at.values().any(|a| *a == At::None) {
        return park(w, key, f, "-1");
    }
    complete(w, key, f, if poison { "POISON" } else { "CANCELLED" })
}

/// Accepted tasks whose activity has ended.
fn collect(w: &mut World, key: &Key, f: &mut Flight) {
    for row in f.rows.clone() {
        if let At::Accepted(q) = &f.at[&row]
            && let Some(end) = w.activity(q)
        {
            let status = if end { "COMPLETED" } else { "FAILED" };
            f.at.insert(
                row,
                At::Done(outcome(row, status, &format!("{}:{}", f.token, w.fresh()))),
            );
            f.unsaved.push(row);
        }
    }
    let _ = key;
}

fn checkpoint(w: &mut World, key: &Key, f: &mut Flight, rows: &[u32]) -> String {
    let mut a = args![key.0, key.1, key.2, f.token];
    for r in rows {
        a.extend(args![r, f.at[r].write()]);
    }
    let answer = w.fenced(key, &f.token, "checkpoint", &a);
    f.flag = merge(&f.flag, if answer == "FENCED" { "OK" } else { &answer });
    answer
}

/// False: another's.
fn save(w: &mut World, key: &Key, f: &mut Flight) -> bool {
    let rows = std::mem::take(&mut f.unsaved);
    rows.is_empty() || checkpoint(w, key, f, &rows) != "FENCED"
}

fn hand_back(w: &mut World, key: &Key, f: &Flight) -> bool {
    w.fenced(key, &f.token, "release", &args![key.0, key.1, key.2, f.token]);
    false
}

fn park(w: &mut World, key: &Key, f: &mut Flight, delay: &str) -> bool {
    let weight = f.at.values().filter(|a| !matches!(a, At::Done(_))).count().max(1);
    let mut a = args![key.0, key.1, key.2, f.token, delay, weight];
    for r in std::mem::take(&mut f.unsaved) {
        a.extend(args![r, f.at[&r].write()]);
    }
    let r = w.fenced(key, &f.token, "park", &a);
    w.count(&format!("park {r}"));
    false
}

/// One outcome per task, always; `rest` for those nothing was done for.
fn complete(w: &mut World, key: &Key, f: &Flight, rest: &str) -> bool {
    let mut counts = [0u32; 5];
    let mut blob = Vec::new();
    let poison = f.crashes > CRASHES_MAX;
    for row in &f.rows {
        let o = match &f.at[row] {
            At::Done(o) => o.clone(),
            At::None if rest == "POISON" => outcome(*row, "FAILED", &format!("{}:poison", f.token)),
            _ => outcome(*row, "CANCELLED", &f.token),
        };
        let kind = ["COMPLETED", "FAILED", "SKIPPED", "UNKNOWN", "CANCELLED"];
        counts[kind
            .iter()
            .position(|k| o.contains(&format!("\"{k}\"")))
            .expect("a status")] += 1;
        blob.push(o);
    }
    let blob = format!("[{}]", blob.join(","));
    let mut a = args![key.0, key.1, key.2, f.token, blob];
    a.extend(counts.iter().map(u32::to_string));
    let errors = counts[1] + counts[3];
    a.extend(args![
        r#"{"thing|c":1}"#,
        r#"["e"]"#,
        errors,
        "",
        if poison { "poison" } else { "" }
    ]);
    let r = w.complete(key, &f.token, &a, &blob);
    w.count(&format!("complete {r}"));
    false
}

/// Every execution has a result of its own: a zombie's accepted result would be seen.
pub fn outcome(row: u32, status: &str, execution: &str) -> String {
    serde_json::json!({"i": row, "s": status, "x": execution}).to_string()
}

/// After this long a started activity has ended.
pub fn activity_time(w: &mut World) -> Duration {
    Duration::from_millis(w.dice.between(1, 15) as u64)
}
