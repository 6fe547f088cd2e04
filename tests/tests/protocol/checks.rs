//! The laws. Some hold at every moment, the rest when everything has ended.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::args;
use crate::model::*;
use crate::proto::*;
use crate::world::{Mode, World};

const COUNTS: [(&str, &str); 5] = [
    ("done", "COMPLETED"),
    ("failed", "FAILED"),
    ("skipped", "SKIPPED"),
    ("unknown", "UNKNOWN"),
    ("cancelled", "CANCELLED"),
];

pub type Fields = HashMap<String, String>;

pub fn num(f: &Fields, name: &str) -> u64 {
    f.get(name)
        .map_or(0, |v| v.parse().unwrap_or_else(|_| panic!("{name} = {v}")))
}

pub fn settled(f: &Fields) -> u64 {
    COUNTS.iter().map(|(c, _)| num(f, c)).sum()
}

pub fn terminal(status: &str) -> bool {
    matches!(status, "COMPLETED" | "PARTIAL" | "FAILED" | "CANCELLED")
}

/// What holds at every moment, of one job drawn by lot and of the queues.
pub fn while_running(w: &mut World) {
    let job = w.jobs[w.dice.below(8)].id.clone();
    let f = w.p.hash(&job_key(&job));
    let phases: Vec<Fields> = PHASES
        .iter()
        .map(|ph| w.p.hash(&format!("{}:ph:{}", job_key(&job), ph.id)))
        .collect();
    for (name, _) in COUNTS.iter().chain([&("tasks", "")]) {
        let sum: u64 = phases.iter().map(|p| num(p, name)).sum();
        if sum != num(&f, name) {
            w.broken
                .push(format!("{job}: {name} is {}, its phases say {sum}", num(&f, name)));
        }
    }
    let share = settled(&f) * 1000 / num(&f, "expected").max(num(&f, "tasks")).max(1);
    let before = w.truth.settled.insert(job.clone(), share).unwrap_or(0);
    if share < before {
        w.broken.push(format!("{job}: settled {before} ‰, then {share} ‰"));
    }
    ages(w, &job, terminal(&f["status"]));
    if f["status"] == "AWAITING_CONFIRMATION" && w.p.text(&args!["ZSCORE", key("deadlines"), job]).is_none() {
        w.broken
            .push(format!("{job} waits to be confirmed, and nothing ends that"));
    }
    if f.contains_key("confirm_by") != (f["status"] == "AWAITING_CONFIRMATION") {
        let (status, by) = (&f["status"], f.get("confirm_by"));
        w.broken.push(format!("{job} is {status}, to be confirmed by {by:?}"));
    }
    if w.mode != Mode::Sabotage {
        if let Err(e) = queues(&mut w.p, 12) {
            w.broken.push(e);
        }
        let before = if std::env::var_os("PROTOCOL_SEED").is_some() {
            where_it_stands(w)
        } else {
            String::new()
        };
        let n = text(&w.p.call("reconcile", &args![job]));
        if n != "0" {
            w.broken.push(format!("{job}: reconcile found {n} units lost{before}"));
        }
    }
}

/// A running job's keys never expire, an ended one's all do.
fn ages(w: &mut World, job: &str, ended: bool) {
    for k in w.p.keys(&format!("{}*", job_key(job))) {
        let ttl = w.p.int(&args!["TTL", k]);
        if ended && ttl < 0 || !ended && ttl != -1 {
            w.broken.push(format!(
                "{k} has a TTL of {ttl} and the job has {}ended",
                if ended { "" } else { "not " }
            ));
        }
    }
}

/// Counters of the lanes, depth of the stream, and who must be in the ring.
pub fn queues(p: &mut Proto, depth: usize) -> Result<(), String> {
    let stream = entries(&p.cmd(&args!["XRANGE", work(), "-", "+"]));
    if stream.len() > depth {
        return Err(format!(
            "the stream holds {} entries, its depth is {depth}",
            stream.len()
        ));
    }
    let mut tin: BTreeMap<String, u64> = BTreeMap::new();
    for (_, e) in &stream {
        *tin.entry(e["l"].clone()).or_default() += num(e, "w");
    }
    let has: BTreeMap<String, u64> = p
        .hash(&key("tin"))
        .into_iter()
        .map(|(l, n)| (l, n.parse().expect("a number")))
        .collect();
    if has != tin {
        return Err(format!("tin is {has:?}, the stream holds {tin:?}"));
    }
    let rate = p
        .text(&args!["HGET", key("cfg"), "rate"])
        .map_or(33.0, |r| r.parse::<f64>().expect("a rate"));
    let depth = ["depth:", "depth"]
        .iter()
        .find_map(|name| p.text(&args!["HGET", key("cfg"), *name]));
    let depth = depth.map_or(64.0, |d| d.parse::<f64>().expect("a depth"));
    let cool = p.hash(&key("cool"));
    for k in p.keys(&key("tq:*")) {
        let lane = k.strip_prefix(&key("tq:")).expect("a lane").to_owned();
        let head = p.text(&args!["LINDEX", k, 0]).unwrap_or_default();
        let unit = head.matches('|').count() == 2;
        let begins = {
            let (job, ph) = head.split_once('|').unwrap_or_default();
            let phase = key(&format!("jobs:{job}:ph:{ph}"));
            let state = p.text(&args!["HGET", &phase, "st"]);
            let next = p.text(&args!["HGET", &phase, "next"]);
            state.as_deref() == Some("PLANNING") || next.is_none_or(|n| n == "0")
        };
        let most = (rate * 6.0 + 20.0).min(depth * 37.0) * if unit || begins { 2.0 } else { 1.0 };
        let room = (tin.get(&lane).copied().unwrap_or(0) as f64) < most
            && (unit || (p.int(&args!["SCARD", key(&format!("pk:{lane}"))]) as f64) < 64.0 + (rate * 1.8).ceil());
        let listed = p.text(&args!["ZSCORE", key("ring"), lane]).is_some();
        if listed != (room && !cool.contains_key(&lane)) {
            return Err(format!(
                "lane {lane}: in the ring {listed}, room {room}, cools {}",
                cool.contains_key(&lane)
            ));
        }
    }
    Ok(())
}

/// All jobs have ended: not an entry, not a pending delivery is left.
pub fn nothing_queued(w: &mut World) {
    let (len, pending) = (
        w.p.int(&args!["XLEN", work()]),
        list(&w.p.cmd(&args!["XPENDING", work(), GROUP])),
    );
    if len != 0 || text(&pending[0]) != "0" {
        w.broken.push(format!(
            "all jobs ended, the stream holds {len} entries, pending {}",
            text(&pending[0])
        ));
    }
}

pub fn at_the_end(w: &mut World) {
    nothing_queued(w);
    for job in w.jobs.clone() {
        if let Err(e) = one_job(w, &job) {
            w.broken.push(format!("{} ({:?}): {e}", job.id, job.special));
        }
        ages(w, &job.id, true);
    }
    for k in ["tin", "ring", "delayed", "dirty", "active", "deadlines"] {
        if w.p.int(&args!["EXISTS", key(k)]) == 1 {
            w.broken.push(format!("{k} is left over"));
        }
    }
    for k in w.p.keys(&key("*")) {
        if k.contains(":ck:") || k.contains(":tq:") || k.contains(":pk") || k.contains(":b:") {
            w.broken.push(format!("{k} is left over"));
        }
    }
    if w.strict() {
        for (t, n) in w.remote.created.iter().filter(|(_, n)| **n > 1) {
            w.broken.push(format!("{t:?} was made {n} times"));
        }
    }
}

fn one_job(w: &mut World, job: &Job) -> Result<(), String> {
    let j = job_key(&job.id);
    let f = w.p.hash(&j);
    // a retry needs the rows, and of what is done there is none
    let has_input = w.p.int(&args!["EXISTS", format!("{j}:input")]) == 1;
    check(has_input != (f["status"] == "COMPLETED"), || {
        format!("{}, input: {has_input}", f["status"])
    })?;
    let mut failed_phase = false;
    let mut states = BTreeMap::new();
    for ph in &PHASES {
        let p = w.p.hash(&format!("{j}:ph:{}", ph.id));
        let st = p["st"].clone();
        if !matches!(st.as_str(), "COMPLETED" | "FAILED" | "SKIPPED" | "CANCELLED") {
            return Err(format!("phase {} is {st}", ph.id));
        }
        failed_phase |= st == "FAILED";
        states.insert(ph.id.to_owned(), st);
        one_phase(w, job, ph.id, &p).map_err(|e| format!("phase {}: {e}", ph.id))?;
    }
    for (name, _) in COUNTS.iter().chain([&("tasks", "")]) {
        let mut sum = 0;
        for ph in &PHASES {
            sum += num(&w.p.hash(&format!("{j}:ph:{}", ph.id)), name);
        }
        check(sum == num(&f, name), || {
            format!("{name} is {}, phases say {sum}", num(&f, name))
        })?;
    }
    check(settled(&f) == num(&f, "tasks"), || {
        format!("{} of {} tasks have an outcome", settled(&f), num(&f, "tasks"))
    })?;
    check(f["phases_left"] == "0" && !f.contains_key("held"), || format!("{f:?}"))?;

    let trunc = f.get("trunc").map(String::as_str);
    let trouble = num(&f, "failed") + num(&f, "unknown") > 0 || failed_phase;
    let right = match trunc {
        Some("CANCEL") => "CANCELLED",
        Some(_) => "FAILED",
        None if trouble => "PARTIAL",
        None => "COMPLETED",
    };
    check(f["status"] == right, || format!("ended {}, not {right}", f["status"]))?;
    let asked = |what: &str| {
        w.truth
            .steered
            .iter()
            .any(|(k, v)| k.starts_with(&job.id) && *v == what)
    };
    // five takeovers in a row without progress (a driver that got no processor for long) end the critical first phase
    let dead = entries(&w.p.cmd(&args!["XRANGE", key("dlq"), "-", "+"]));
    let first_given_up = states["a"] == "FAILED" && dead.iter().any(|(_, e)| e["j"] == job.id && e["ph"] == "a");
    let fits = match job.special {
        _ if first_given_up => trunc.is_some(),
        Special::Confirm if !w.is_confirmed => {
            trunc == Some("CANCEL") && f.get("why").is_some_and(|why| why == "NOT_CONFIRMED") && num(&f, "tasks") == 0
        }
        Special::Cancel => trunc.is_none() || asked("cancel") && trunc == Some("CANCEL"),
        Special::Critical => (trunc == Some("CRITICAL")) == (states["c"] == "FAILED"),
        Special::Deadline => trunc.is_none() || trunc == Some("TIMEOUT"),
        Special::PlanFails => states["d"] == "FAILED" && right == "PARTIAL",
        _ => trunc.is_none() && states.values().all(|s| s != "CANCELLED"),
    };
    check(fits, || format!("ended {right} for {trunc:?}, phases {states:?}"))?;
    events(w, job, right, &states)
}

/// Counters = outcomes = tasks, every batch accepted once, and as its owner wrote it.
fn one_phase(w: &mut World, job: &Job, ph: &str, p: &Fields) -> Result<(), String> {
    let part = |name: &str| format!("{}:{name}:{ph}", job_key(&job.id));
    let Some(batches) = p.get("batches").map(|b| b.parse::<i64>().expect("a number")) else {
        return check(num(p, "tasks") == 0, || "never published, and has tasks".into());
    };
    let (out, input) = (w.p.hash(&part("out")), w.p.hash(&part("in")));
    check(
        num(p, "bdone") == batches as u64 && out.len() == batches as usize,
        || format!("{batches} batches, {} done, {} outcomes", num(p, "bdone"), out.len()),
    )?;
    check(input.len() as u64 == batches as u64 + num(p, "cut"), || {
        format!("{} inputs of {batches} + {} cut", input.len(), num(p, "cut"))
    })?;
    let mut planners = BTreeSet::new();
    let (mut sums, mut cut_tasks): (BTreeMap<&str, u64>, u64) = Default::default();
    for (b, blob) in &input {
        let plan: serde_json::Value = serde_json::from_str(blob).expect("json");
        let rows = plan["rows"].as_array().expect("rows");
        planners.insert(plan["planner"].to_string());
        let Some(done) = out.get(b) else {
            cut_tasks += rows.len() as u64;
            continue;
        };
        let k: Key = (job.id.clone(), ph.to_owned(), b.parse().expect("a batch"));
        check(w.truth.accepted.get(&k) == Some(done), || {
            format!("batch {b} holds {done}, accepted was {:?}", w.truth.accepted.get(&k))
        })?;
        let outcomes: Vec<serde_json::Value> = serde_json::from_str(done).expect("json");
        check(outcomes.iter().map(|o| &o["i"]).eq(rows.iter()), || {
            format!("batch {b}: {done} for {blob}")
        })?;
        for o in outcomes {
            let status = o["s"].as_str().expect("a status");
            let (name, _) = COUNTS.iter().find(|(_, s)| *s == status).expect("a known status");
            *sums.entry(name).or_default() += 1;
            let t: Task = (job.id.clone(), ph.to_owned(), o["i"].as_u64().expect("a row") as u32);
            let made = w.strict() && w.remote.created.contains_key(&t);
            check(!made || matches!(status, "COMPLETED" | "UNKNOWN"), || {
                format!("{t:?} was made and ended {status}")
            })?;
        }
    }
    *sums.entry("cancelled").or_default() += cut_tasks;
    check(planners.len() <= 1, || format!("planned by {planners:?}"))?;
    for (name, _) in COUNTS {
        let sum = sums.get(name).copied().unwrap_or(0);
        check(sum == num(p, name), || {
            format!("{name} is {}, outcomes say {sum}", num(p, name))
        })?;
    }
    check(settled(p) == num(p, "tasks"), || {
        format!("{} of {} tasks", settled(p), num(p, "tasks"))
    })
}

/// Phase changes and the end are told once, in order, in the job's log and in the tenant's; nothing follows the end.
fn events(w: &mut World, job: &Job, status: &str, states: &BTreeMap<String, String>) -> Result<(), String> {
    let log = entries(&w.p.cmd(&args!["XRANGE", format!("{}:ev", job_key(&job.id)), "-", "+"]));
    let told: Vec<(String, String)> = log.iter().map(|(_, e)| (e["t"].clone(), e["d"].clone())).collect();
    let kinds: Vec<&str> = told.iter().map(|(t, _)| t.as_str()).collect();
    let end = format!("job.{}", status.to_lowercase());
    check(kinds.last() == Some(&end.as_str()), || {
        format!("the last event is {:?}", kinds.last())
    })?;
    let ends = ["job.completed", "job.partial", "job.failed", "job.cancelled"];
    check(kinds.iter().filter(|k| ends.contains(k)).count() == 1, || {
        format!("{kinds:?}")
    })?;
    let count = |kind: &str| kinds.iter().filter(|k| **k == kind).count();
    let held = count("job.paused") - count("job.resumed");
    check(held <= 1, || format!("more resumed than paused: {kinds:?}"))?;
    for once in ["job.running", "job.cancelling"] {
        check(count(once) <= 1, || format!("{once} twice: {kinds:?}"))?;
    }
    let mut seen: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut progress = 0;
    for (kind, data) in &told {
        let d: serde_json::Value = serde_json::from_str(data).expect("an event's data");
        if kind.starts_with("phase.") {
            *seen
                .entry((d["phase"].as_str().expect("a phase").to_owned(), kind.clone()))
                .or_default() += 1;
        }
        if kind == "job.progress" {
            let n = ["completed", "failed", "skipped", "unknown", "cancelled"]
                .iter()
                .map(|c| d[*c].as_u64().unwrap_or(0))
                .sum();
            check(n >= progress, || format!("progress went from {progress} to {n}"))?;
            progress = n;
        }
    }
    for (ph, st) in states {
        let end = (ph.clone(), format!("phase.{}", st.to_lowercase()));
        let ended: u32 = seen
            .iter()
            .filter(|((p, k), _)| p == ph && k != "phase.running")
            .map(|(_, n)| n)
            .sum();
        check(seen.get(&end) == Some(&1) && ended == 1, || {
            format!("{ph} ended {st}, the log says {seen:?}")
        })?;
        check(
            seen.get(&(ph.clone(), "phase.running".into())).is_none_or(|n| *n == 1),
            || format!("{ph}: {seen:?}"),
        )?;
    }
    let of_tenant = entries(&w.p.cmd(&args!["XRANGE", key(&format!("ev:t:{}", job.tenant)), "-", "+"]));
    let same: Vec<(String, String)> = of_tenant
        .iter()
        .filter(|(_, e)| e["j"] == job.id)
        .map(|(_, e)| (e["t"].clone(), e["d"].clone()))
        .collect();
    check(same == told, || "the tenant's log tells another story".into())
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// For a run that does not end.
pub fn where_it_stands(w: &mut World) -> String {
    let mut out = String::new();
    for job in w.jobs.clone() {
        let f = w.p.hash(&job_key(&job.id));
        if terminal(&f["status"]) {
            continue;
        }
        out += &format!(
            "\n{} {:?} {} trunc {:?} held {:?}",
            job.id,
            job.special,
            f["status"],
            f.get("trunc"),
            f.get("held")
        );
        for ph in &PHASES {
            let p = w.p.hash(&format!("{}:ph:{}", job_key(&job.id), ph.id));
            let b = w.p.hash(&format!("{}:b:{}", job_key(&job.id), ph.id));
            if matches!(p.get("st").map(String::as_str), Some("RUNNING" | "PLANNING")) {
                out += &format!("\n  {} {p:?} {b:?}", ph.id);
            }
        }
    }
    for k in ["tin", "cool"] {
        out += &format!("\n{k} {:?}", w.p.hash(&key(k)));
    }
    for k in ["ring", "delayed"] {
        out += &format!(
            "\n{k} {:?}",
            texts(&w.p.cmd(&args!["ZRANGE", key(k), 0, -1, "WITHSCORES"]))
        );
    }
    for k in w.p.keys(&key("tq:*")) {
        out += &format!("\n{k} {:?}", texts(&w.p.cmd(&args!["LRANGE", k, 0, -1])));
    }
    out + &format!("\nstream {:?}", entries(&w.p.cmd(&args!["XRANGE", work(), "-", "+"])))
}
