//! Schedules about plans, the graph, and how a job ends.

use crate::args;
use crate::bench::{Bench, submit_args};
use crate::model::Broken;
use crate::proto::*;
use crate::same;

const LANE: &str = "t|1";

pub fn stale_plan(x: &mut Bench) -> Result<(), Broken> {
    x.submit("j", LANE, &[("a", "", "")]);
    let old = x.take("old")?;
    same!(x.put(&old, &[0, 1]), "OK", "plan_put");
    let new = x.take_over("new", &old)?;
    same!(x.put(&old, &[2]), "FENCED", "the old planner's plan_put");
    same!(x.commit(&old, 2, 10, 5), "FENCED", "the old planner's plan_commit");
    x.plan(&new, 10, 5)
}

/// A failover dropped batches that were acknowledged to this very planner.
pub fn commit_verifies(x: &mut Bench) -> Result<(), Broken> {
    x.submit("j", LANE, &[("a", "", "")]);
    let u = x.take("w")?;
    x.put(&u, &[0, 1, 2]);
    x.p.cmd(&args!["HDEL", format!("{}:in:a", job_key("j")), 1]);
    same!(
        x.commit(&u, 3, 15, 5),
        "INCOMPLETE",
        "plan_commit of a plan with a hole"
    );
    same!(x.put(&u, &[0, 1, 2]), "OK", "plan_put, again");
    same!(x.commit(&u, 3, 15, 5), "OK", "plan_commit");
    same!(x.commit(&u, 3, 15, 5), "DONE", "plan_commit, repeated");
    Ok(())
}

/// The controller was read again and there is less to do now.
pub fn second_planner_starts_from_nothing(x: &mut Bench) -> Result<(), Broken> {
    x.submit("j", LANE, &[("a", "", "")]);
    let old = x.take("old")?;
    x.put(&old, &[0, 1, 2]);
    let new = x.take_over("new", &old)?;
    same!(x.put(&new, &[0]), "OK", "plan_put");
    same!(x.put(&new, &[1]), "OK", "plan_put");
    same!(x.commit(&new, 2, 10, 5), "OK", "plan_commit of a smaller plan");
    let all = x.p.hash(&format!("{}:in:a", job_key("j")));
    same!(
        all.values().all(|v| *v == format!("plan of {}", new.token)),
        true,
        "one planner's plan"
    );
    Ok(())
}

/// What a planner remembered goes with its plan.
pub fn plan_leaves_nothing(x: &mut Bench) -> Result<(), Broken> {
    x.submit("j", LANE, &[("a", "", "")]);
    let u = x.take("w")?;
    same!(x.checkpoint(&u, 0, r#"{"s":"R"}"#), "OK", "a planner's checkpoint");
    x.plan(&u, 5, 5)?;
    let u = x.take("w")?;
    x.done(&u, 5)?;
    same!(x.p.keys(&key("jobs:j:ck:*")), Vec::<String>::new(), "checkpoints");
    Ok(())
}

pub fn cut_job_publishes_nothing(x: &mut Bench) -> Result<(), Broken> {
    x.submit("j", LANE, &[("a", "", ""), ("b", "a", "")]);
    let u = x.take("w")?;
    x.put(&u, &[0]);
    same!(x.steer("j", "cancel"), "DONE CANCELLING", "cancel");
    x.commit(&u, 1, 5, 5);
    same!(x.take_all("w").len(), 0, "units of a cancelled job");
    same!(x.status("j"), "CANCELLED", "the job");
    same!(x.phase("j", "b")["st"], "CANCELLED", "phase b");
    Ok(())
}

/// 47 tasks in batches of 10, three released: a cancel settles those three and counts the other 17 as cancelled.
pub fn cut_tasks_are_counted(x: &mut Bench) -> Result<(), Broken> {
    x.p.cmd(&args!["HSET", key("cfg"), "depth:", 3]);
    x.planned("j", LANE, "", 47, 10)?;
    let units = x.take_all("w");
    same!(units.len(), 3, "released");
    same!(x.steer("j", "cancel"), "DONE CANCELLING", "cancel");
    same!(x.steer("j", "cancel"), "ALREADY CANCELLING", "cancel, repeated");
    same!(x.heartbeat(&units[0]), "CANCELLED", "heartbeat");
    for u in &units {
        same!(x.complete(u, [4, 0, 0, 0, 6]), "OK", "complete");
    }
    let f = x.job("j");
    same!(
        (f["done"].as_str(), f["cancelled"].as_str()),
        ("12", "35"),
        "done and cancelled of 47"
    );
    same!(f["status"], "CANCELLED", "the job");
    same!(x.phase("j", "a")["st"], "CANCELLED", "the phase");
    Ok(())
}

/// The first failure of a critical phase ends it: what is not released yet never is.
pub fn critical_failure_cuts(x: &mut Bench) -> Result<(), Broken> {
    critical(x, [9, 1, 0, 0, 0])
}

/// It fails with the only batch there is in flight: the cut ends the phase, and so would the last batch.
pub fn critical_failure_of_the_last(x: &mut Bench) -> Result<(), Broken> {
    x.submit("j", LANE, &[("a", "", "c"), ("b", "", "")]);
    let u = x.take("w")?;
    same!(u.ph, "a", "the first plan");
    let other = x.take("w")?;
    // the other plan and one batch
    x.p.cmd(&args!["HSET", key("cfg"), "depth:", 2]);
    x.plan(&u, 20, 10)?;
    let u = x.take("w")?;
    same!(x.complete(&u, [9, 1, 0, 0, 0]), "OK", "complete");
    same!(x.job("j")["phases_left"], "1", "phases left while b is being planned");
    same!(x.commit(&other, 0, 0, 5), "OK", "commit of the other plan");
    let events = x.events("j");
    for once in ["phase.failed", "phase.cancelled", "job.failed"] {
        same!(events.iter().filter(|e| *e == once).count(), 1, "{once} in {events:?}");
    }
    Ok(())
}

pub fn unknown_counts_as_failed(x: &mut Bench) -> Result<(), Broken> {
    critical(x, [9, 0, 0, 1, 0])
}

fn critical(x: &mut Bench, counts: [u32; 5]) -> Result<(), Broken> {
    x.p.cmd(&args!["HSET", key("cfg"), "depth:", 2]);
    x.submit("j", LANE, &[("a", "", "c"), ("b", "a", "")]);
    let u = x.take("w")?;
    x.plan(&u, 95, 10)?;
    let units = x.take_all("w");
    same!(x.complete(&units[0], counts), "OK", "complete");
    same!(x.take_all("w").len(), 0, "released after the failure");
    same!(x.complete(&units[1], [3, 0, 0, 0, 7]), "OK", "complete of the last one");
    let f = x.job("j");
    same!(
        (f["status"].as_str(), f["trunc"].as_str()),
        ("FAILED", "CRITICAL"),
        "the job"
    );
    same!(
        (f["done"].as_str(), f["cancelled"].as_str()),
        ("12", "82"),
        "done and cancelled of 95"
    );
    same!(x.phase("j", "a")["st"], "FAILED", "phase a");
    same!(x.phase("j", "b")["st"], "CANCELLED", "phase b");
    Ok(())
}

/// Nothing of a running job expires, also what was staged under a TTL; when it has ended everything does.
pub fn ages(x: &mut Bench) -> Result<(), Broken> {
    for part in ["input", "inputsec"] {
        x.p.cmd(&args!["HSET", key(&format!("jobs:j:{part}")), 0, "rows"]);
        x.p.cmd(&args!["EXPIRE", key(&format!("jobs:j:{part}")), 3600]);
    }
    let mut a = submit_args("j", LANE, &[("a", "", "")], "", "", "PENDING", &args!["budget_s", 600]);
    a[6] = "1".into();
    same!(texts(&x.p.call("submit", &a)), vec!["OK", "j"], "submit");
    let u = x.take("w")?;
    x.plan(&u, 5, 5)?;
    let u = x.take("w")?;
    x.checkpoint(&u, 0, r#"{"s":"S"}"#);
    for k in x.p.keys(&key("jobs:j*")) {
        same!(x.p.int(&args!["TTL", k]), -1, "TTL of {k} while the job runs");
    }
    x.done(&u, 5)?;
    let left = x.p.keys(&key("jobs:j*"));
    same!(left.len() >= 6, true, "keys of the ended job: {left:?}");
    for k in left {
        same!((1..=1000).contains(&x.p.int(&args!["TTL", k])), true, "{k} expires");
        same!(k.contains(":input") || k.contains(":ck:"), false, "{k} is kept");
    }
    Ok(())
}

pub fn idempotency(x: &mut Bench) -> Result<(), Broken> {
    let fields = args!["budget_s", 600];
    let mut send = |job: &str, key: &str, hash: &str| {
        let a = submit_args(job, LANE, &[("a", "", "")], key, hash, "PENDING", &fields);
        texts(&x.p.call("submit", &a)).join(" ")
    };
    same!(send("j1", "key", "h1"), "OK j1", "first");
    same!(send("j2", "key", "h1"), "EXISTS j1", "same key, same body");
    same!(send("j3", "key", "h2"), "REUSED j1", "same key, other body");
    same!(send("j4", "key2", "h1"), "OK j4", "other key");
    same!(x.p.int(&args!["EXISTS", job_key("j2")]), 0, "the second job exists");
    Ok(())
}

/// The last numbers are told, also when the last batch of a phase brought them.
pub fn last_numbers_are_told(x: &mut Bench) -> Result<(), Broken> {
    x.submit("j", LANE, &[("a", "", ""), ("b", "a", "")]);
    let u = x.take("w")?;
    x.plan(&u, 10, 5)?;
    let (one, two) = (x.take("w")?, x.take("w")?);
    x.done(&one, 5)?;
    x.done(&two, 5)?;
    // a second has passed since the last event
    x.p.cmd(&args!["HINCRBY", job_key("j"), "pg", -5000]);
    x.p.cmd(&args!["ZADD", key("dirty"), "XX", 1, "j"]);
    x.tick();
    let v = x.p.cmd(&args!["XREVRANGE", format!("{}:ev", job_key("j")), "+", "-"]);
    let last = entries(&v)
        .into_iter()
        .find(|(_, e)| e["t"] == "job.progress")
        .ok_or("no progress was told")?;
    let d: serde_json::Value = serde_json::from_str(&last.1["d"]).map_err(|e| e.to_string())?;
    same!(d["completed"], 10, "completed in the last job.progress");
    Ok(())
}

/// Nothing is told after the end.
pub fn silent_after_the_end(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 10, 5)?;
    let (one, two) = (x.take("w")?, x.take("w")?);
    x.done(&one, 5)?;
    x.p.cmd(&args!["HINCRBY", job_key("j"), "pg", -5000]);
    x.done(&two, 5)?;
    x.tick();
    same!(x.complete(&two, [5, 0, 0, 0, 0]), "DONE", "a late repetition");
    let events = x.events("j");
    same!(
        events.last().map(String::as_str),
        Some("job.completed"),
        "the last of {events:?}"
    );
    same!(events.iter().filter(|e| *e == "job.completed").count(), 1, "ends told");
    Ok(())
}

/// A phase without tasks, a skipped one and one that can't be planned let the graph go on.
pub fn empty_skipped_failed(x: &mut Bench) -> Result<(), Broken> {
    x.submit(
        "j",
        LANE,
        &[("a", "", ""), ("b", "a", ""), ("c", "b", ""), ("d", "c", "")],
    );
    let u = x.take("w")?;
    x.plan(&u, 0, 5)?;
    let u = x.take("w")?;
    let a = args!["j", "b", u.token, 0, 0, 5, 0, "", "SKIPPED"];
    same!(text(&x.p.call("plan_commit", &a)), "OK", "plan_commit");
    let u = x.take("w")?;
    same!(
        text(&x.p.call("plan_fail", &args!["j", "c", u.token, "{}", ""])),
        "OK",
        "plan_fail"
    );
    let u = x.take("w")?;
    x.plan(&u, 1, 5)?;
    let u = x.take("w")?;
    x.done(&u, 1)?;
    let states: Vec<String> = ["a", "b", "c", "d"]
        .iter()
        .map(|ph| x.phase("j", ph)["st"].clone())
        .collect();
    same!(states, vec!["COMPLETED", "SKIPPED", "FAILED", "COMPLETED"], "phases");
    same!(x.status("j"), "PARTIAL", "the job");
    Ok(())
}
