//! Schedules about pause, resume, confirm, cancel and the deadline.

use crate::args;
use crate::bench::{Bench, submit_args};
use crate::model::Broken;
use crate::proto::*;
use crate::same;

const LANE: &str = "t|1";
const ACCEPTED: &str = r#"{"s":"A","q":"r1","t":17}"#;

fn depth(x: &mut Bench, n: u32) {
    x.p.cmd(&args!["HSET", key("cfg"), "depth:", n]);
}

pub fn resume_unparks(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("w")?;
    same!(x.steer("j", "pause"), "DONE PAUSED", "pause");
    same!(x.heartbeat(&u), "HELD", "heartbeat");
    same!(x.checkpoint(&u, 0, ACCEPTED), "HELD", "checkpoint");
    same!(x.park(&u, -1, &[]), "OK", "park");
    x.tick();
    same!(x.try_take("w").is_none(), true, "nothing runs while held");
    same!(x.reconcile("j"), "0", "repairs of a held job");
    same!(x.steer("j", "resume"), "DONE RUNNING", "resume");
    let u = x.take("w")?;
    same!((u.flag.as_str(), u.ck.len()), ("", 1), "flag and checkpoints");
    x.done(&u, 5)
}

pub fn resume_requeues(x: &mut Bench) -> Result<(), Broken> {
    depth(x, 1);
    x.planned("j", LANE, "", 15, 5)?;
    let u = x.take("w")?;
    x.steer("j", "pause");
    x.done(&u, 5)?;
    same!(x.try_take("w").is_none(), true, "released while held");
    same!(x.reconcile("j"), "0", "repairs of a held job");
    x.steer("j", "resume");
    for _ in 0..2 {
        let u = x.take("w")?;
        x.done(&u, 5)?;
    }
    same!(x.status("j"), "COMPLETED", "the job");
    Ok(())
}

/// The worker learned of the hold, the job was resumed, then the worker parks "until the resume".
pub fn park_after_the_resume(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("w")?;
    x.steer("j", "pause");
    same!(x.heartbeat(&u), "HELD", "heartbeat");
    x.steer("j", "resume");
    same!(x.park(&u, -1, &[]), "OK", "park");
    x.tick();
    let u = x.take("w")?;
    x.done(&u, 5)
}

/// The same with a cancel in between.
pub fn park_after_the_cancel(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("w")?;
    x.steer("j", "pause");
    x.steer("j", "cancel");
    same!(x.park(&u, -1, &[]), "OK", "park");
    x.tick();
    let u = x.take("w")?;
    same!(u.flag, "CANCEL", "flag");
    same!(x.complete(&u, [0, 0, 0, 0, 5]), "OK", "complete");
    same!(x.status("j"), "CANCELLED", "the job");
    Ok(())
}

pub fn cancel_wakes_the_parked(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 10, 5)?;
    let (one, two) = (x.take("w")?, x.take("w")?);
    x.park(&one, 60_000, &[(0, ACCEPTED)]);
    x.steer("j", "pause");
    x.park(&two, -1, &[(0, ACCEPTED)]);
    same!(x.steer("j", "cancel"), "DONE CANCELLING", "cancel");
    for _ in 0..2 {
        let u = x.take("w")?;
        same!((u.flag.as_str(), u.ck.len()), ("CANCEL", 1), "flag and checkpoints");
        same!(x.complete(&u, [1, 0, 0, 0, 4]), "OK", "complete");
    }
    same!(x.status("j"), "CANCELLED", "the job");
    same!(x.p.keys(&key("*pk*")), Vec::<String>::new(), "parked");
    Ok(())
}

/// A plan has sent nothing: it is dropped when the job is held, and made again.
pub fn held_plan_is_dropped(x: &mut Bench) -> Result<(), Broken> {
    x.submit("j", LANE, &[("a", "", "")]);
    let entry = x.p.deliver("w").ok_or("nothing delivered")?;
    same!(x.steer("j", "pause"), "DONE PAUSED", "pause");
    let token = x.token();
    same!(
        x.claim("w", &token, &entry).err(),
        Some("DONE".into()),
        "claim of a held job's plan"
    );
    same!(x.reconcile("j"), "0", "repairs");
    same!(x.steer("j", "resume"), "DONE PENDING", "resume");
    let u = x.take("w")?;
    x.plan(&u, 5, 5)
}

/// Held, and one of its last calls was one failure too many: it settles, ends, and is watched meanwhile.
pub fn critical_failure_of_a_held_job(x: &mut Bench) -> Result<(), Broken> {
    depth(x, 2);
    x.planned("j", LANE, "c", 25, 5)?;
    let (one, two) = (x.take("w")?, x.take("w")?);
    x.steer("j", "pause");
    same!(x.complete(&one, [0, 5, 0, 0, 0]), "OK", "complete");
    same!(x.status("j"), "RUNNING", "a job that settles");
    same!(
        x.p.text(&args!["ZSCORE", key("active"), "j"]).is_some(),
        true,
        "it is watched"
    );
    same!(x.steer("j", "resume"), "REFUSED RUNNING", "resume");
    same!(x.steer("j", "pause"), "REFUSED RUNNING", "pause");
    same!(x.steer("j", "cancel"), "ALREADY RUNNING", "cancel");
    same!(x.complete(&two, [0, 0, 0, 0, 5]), "OK", "complete");
    same!(x.status("j"), "FAILED", "the job");
    Ok(())
}

pub fn confirm(x: &mut Bench) -> Result<(), Broken> {
    let fields = args!["budget_s", 600];
    for (job, what, then) in [("j2", "cancel", "DONE CANCELLED"), ("j1", "confirm", "DONE PENDING")] {
        let a = submit_args(job, LANE, &[("a", "", "")], "", "", "AWAITING_CONFIRMATION", &fields);
        x.p.call("submit", &a);
        same!(x.try_take("w").is_none(), true, "nothing runs before");
        same!(x.steer(job, "pause"), "REFUSED AWAITING_CONFIRMATION", "pause");
        same!(x.steer(job, what), then, "{what}");
    }
    let u = x.take("w")?;
    same!(u.job, "j1", "the confirmed job's plan");
    same!(x.steer("j1", "confirm"), "REFUSED RUNNING", "confirm, again");
    Ok(())
}

fn held(x: &mut Bench, job: &str) {
    let fields = args!["ttl", 604_800, "budget_s", 600];
    let a = submit_args(job, LANE, &[("a", "", "")], "", "", "AWAITING_CONFIRMATION", &fields);
    x.p.call("submit", &a);
}

/// A week goes by: what is to be done by then is due.
fn a_week_later(x: &mut Bench, job: &str) {
    x.p.cmd(&args!["ZADD", key("deadlines"), "XX", 1, job]);
    x.tick();
}

/// Nobody confirms it: it ends as if cancelled, and says why.
pub fn nobody_confirms(x: &mut Bench) -> Result<(), Broken> {
    held(x, "j");
    let (created, by) = (
        x.job("j")["created"].clone(),
        x.p.text(&args!["ZSCORE", key("deadlines"), "j"]).unwrap_or_default(),
    );
    let kept = by.parse::<f64>().unwrap_or(0.0) - created.parse::<f64>().unwrap_or(0.0);
    same!(kept, 604_800_000.0, "held for, in ms");
    same!(x.job("j").get("confirm_by").cloned(), Some(by), "to be confirmed by");
    x.tick();
    same!(x.status("j"), "AWAITING_CONFIRMATION", "before its time");
    a_week_later(x, "j");
    let f = x.job("j");
    same!(
        (
            f["status"].as_str(),
            f["trunc"].as_str(),
            f.get("why").map(String::as_str)
        ),
        ("CANCELLED", "CANCEL", Some("NOT_CONFIRMED")),
        "the job"
    );
    same!(f.get("confirm_by"), None, "to be confirmed by, when it has ended");
    let log = entries(&x.p.cmd(&args!["XRANGE", format!("{}:ev", job_key("j")), "-", "+"]));
    let told: Vec<&str> = log
        .iter()
        .filter(|(_, e)| e["t"].starts_with("job."))
        .map(|(_, e)| e["t"].as_str())
        .collect();
    same!(
        told,
        ["job.awaiting_confirmation", "job.cancelling", "job.cancelled"],
        "events"
    );
    let reasons = log
        .iter()
        .filter(|(_, e)| e["d"].contains(r#""reason":"NOT_CONFIRMED""#))
        .count();
    same!(reasons, 2, "events that say why");
    same!(x.steer("j", "confirm"), "REFUSED CANCELLED", "confirm");
    same!(
        x.p.int(&args!["TTL", job_key("j")]) > 0,
        true,
        "it is kept, and not for ever"
    );
    same!(x.p.int(&args!["ZCARD", key("deadlines")]), 0, "deadlines");
    same!(x.p.int(&args!["ZCARD", key("active")]), 0, "active");
    Ok(())
}

/// Before this version, or by an API that is older than the workers: nothing says by when.
pub fn held_by_an_older_version(x: &mut Bench) -> Result<(), Broken> {
    held(x, "j");
    let f = x.job("j");
    x.p.cmd(&args!["ZREM", key("deadlines"), "j"]);
    x.p.cmd(&args!["HDEL", job_key("j"), "confirm_by"]);
    x.tick();
    same!(
        x.job("j").get("confirm_by").cloned(),
        f.get("confirm_by").cloned(),
        "to be confirmed by"
    );
    let by = x.p.text(&args!["ZSCORE", key("deadlines"), "j"]);
    same!(by, f.get("confirm_by").cloned(), "its deadline");
    a_week_later(x, "j");
    same!(x.status("j"), "CANCELLED", "the job");
    Ok(())
}

/// The time to confirm it by is not the time it has to run.
pub fn confirmed_in_time(x: &mut Bench) -> Result<(), Broken> {
    held(x, "j");
    same!(x.steer("j", "confirm"), "DONE PENDING", "confirm");
    same!(x.job("j").get("confirm_by").cloned(), None, "to be confirmed by");
    a_week_later(x, "j");
    same!(x.status("j"), "PENDING", "the job");
    let u = x.take("w")?;
    x.plan(&u, 5, 5)?;
    let u = x.take("w")?;
    x.done(&u, 5)?;
    same!(x.status("j"), "COMPLETED", "the job");
    Ok(())
}

fn with_budget(x: &mut Bench, seconds: &str) -> Result<crate::bench::Unit, Broken> {
    depth(x, 1);
    x.submit_with("j", LANE, &[("a", "", "")], &args!["budget_s", seconds]);
    let u = x.take("w")?;
    x.plan(&u, 15, 5)?;
    x.take("w")
}

pub fn deadline(x: &mut Bench) -> Result<(), Broken> {
    let u = with_budget(x, "0")?;
    x.tick();
    same!(x.heartbeat(&u), "CANCELLED", "heartbeat");
    same!(x.complete(&u, [2, 0, 0, 0, 3]), "OK", "complete");
    let f = x.job("j");
    same!(
        (f["status"].as_str(), f["trunc"].as_str()),
        ("FAILED", "TIMEOUT"),
        "the job"
    );
    same!(
        (f["done"].as_str(), f["cancelled"].as_str()),
        ("2", "13"),
        "done and cancelled of 15"
    );
    Ok(())
}

/// The deadline's clock stands still while the job is held.
pub fn deadline_stands_still(x: &mut Bench) -> Result<(), Broken> {
    let u = with_budget(x, "600")?;
    x.steer("j", "pause");
    // an hour goes by
    let at = x.job("j")["deadline"].parse::<u64>().map_err(|e| e.to_string())?;
    if x.p.text(&args!["ZSCORE", key("deadlines"), "j"]).is_some() {
        x.p.cmd(&args!["ZADD", key("deadlines"), 1, "j"]);
    }
    x.p.cmd(&args!["HSET", job_key("j"), "deadline", at - 3_600_000]);
    x.tick();
    same!(x.heartbeat(&u), "HELD", "heartbeat");
    x.steer("j", "resume");
    x.tick();
    same!(x.heartbeat(&u), "OK", "heartbeat after the resume");
    let left = x.p.int(&args!["ZSCORE", key("deadlines"), "j"]) as u64;
    same!(left.abs_diff(at) < 60_000, true, "the deadline of {at} moved to {left}");
    Ok(())
}
