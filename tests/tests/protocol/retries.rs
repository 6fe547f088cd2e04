//! Schedules about retries, cleanups and audits: what is kept of a job that has ended, and who may take it up.

use crate::args;
use crate::bench::{Bench, submit_args};
use crate::checks::Fields;
use crate::model::Broken;
use crate::proto::*;
use crate::same;

const LANE: &str = "t|1";

/// Submits `job` as a retry of `of`.
fn retry(x: &mut Bench, job: &str, of: &str, key: &str) -> String {
    retry_in(x, LANE, job, of, key)
}

fn retry_in(x: &mut Bench, lane: &str, job: &str, of: &str, key: &str) -> String {
    let mut a = submit_args(
        job,
        lane,
        &[("a", "", "")],
        key,
        "hash",
        "PENDING",
        &args!["budget_s", 600],
    );
    a[8] = of.into();
    texts(&x.p.call("submit", &a)).join(" ")
}

fn told<'a>(job: &'a Fields, field: &str) -> &'a str {
    job.get(field).map_or("", String::as_str)
}

/// A job of five tasks with staged rows, of which so many fail.
fn ended(x: &mut Bench, job: &str, failed: u32) -> Result<(), Broken> {
    ended_with(x, job, failed, &args!["budget_s", 600])
}

fn ended_with(x: &mut Bench, job: &str, failed: u32, fields: &[String]) -> Result<(), Broken> {
    for part in ["input", "inputsec"] {
        x.p.cmd(&args!["HSET", key(&format!("jobs:{job}:{part}")), 0, "rows"]);
    }
    let mut a = submit_args(job, LANE, &[("a", "", "")], "", "", "PENDING", fields);
    a[6] = "1".into();
    same!(texts(&x.p.call("submit", &a))[0], "OK", "submit");
    let u = x.take("w")?;
    x.plan(&u, 5, 5)?;
    let u = x.take("w")?;
    same!(x.complete(&u, [5 - failed, failed, 0, 0, 0]), "OK", "complete");
    Ok(())
}

pub fn what_is_not_done_keeps_its_input(x: &mut Bench) -> Result<(), Broken> {
    ended(x, "done", 0)?;
    ended(x, "part", 2)?;
    // of a plan nothing is retried
    ended_with(x, "plan", 2, &args!["budget_s", 600, "plan", 17])?;
    same!(
        (x.status("done"), x.status("part")),
        ("COMPLETED".into(), "PARTIAL".into()),
        "ends"
    );
    for part in ["input", "inputsec"] {
        same!(
            x.p.int(&args!["EXISTS", key(&format!("jobs:done:{part}"))]),
            0,
            "{part} of what is done"
        );
        same!(
            x.p.int(&args!["EXISTS", key(&format!("jobs:plan:{part}"))]),
            0,
            "{part} of a plan"
        );
        let ttl = x.p.int(&args!["TTL", key(&format!("jobs:part:{part}"))]);
        same!(
            (1..=1000).contains(&ttl),
            true,
            "{part} lives as long as its job: {ttl}"
        );
    }
    Ok(())
}

pub fn only_what_has_ended_undone(x: &mut Bench) -> Result<(), Broken> {
    ended(x, "done", 0)?;
    same!(retry(x, "r", "done", ""), "REFUSED COMPLETED", "of what is done");
    x.submit("j", LANE, &[("a", "", "")]);
    same!(retry(x, "r", "j", ""), "REFUSED PENDING", "of what has not begun");
    x.steer("j", "pause");
    same!(retry(x, "r", "j", ""), "REFUSED PAUSED", "of what is held");
    x.steer("j", "cancel");
    same!(
        retry(x, "r", "j", ""),
        "REFUSED CANCELLING",
        "of what is being cancelled"
    );
    same!(x.try_take("w").is_none(), true, "nothing is left to be done");
    same!(x.status("j"), "CANCELLED", "the job");
    same!(retry(x, "r", "j", ""), "OK r", "of what was cancelled");
    same!(retry(x, "r2", "nothing", ""), "GONE", "of what is not there");
    same!(x.p.int(&args!["EXISTS", job_key("r2")]), 0, "a refused retry exists");
    Ok(())
}

pub fn of_another_tenant_nothing_is_known(x: &mut Bench) -> Result<(), Broken> {
    ended(x, "part", 2)?;
    same!(retry_in(x, "u|1", "r", "part", ""), "GONE", "somebody else's job");
    same!(x.job("part").contains_key("retried_by"), false, "it is as it was");
    Ok(())
}

/// The second is told the first; once that has ended there may be another. A key that is used again finds its job in any case.
pub fn one_retry_at_a_time(x: &mut Bench) -> Result<(), Broken> {
    ended(x, "part", 2)?;
    let ttl = x.p.int(&args!["TTL", job_key("part")]);
    same!(retry(x, "r1", "part", "key"), "OK r1", "first");
    same!(retry(x, "r2", "part", ""), "RETRIED r1", "second");
    same!(retry(x, "r2", "part", "key"), "EXISTS r1", "first again, under its key");
    same!(
        retry(x, "r1", "part", ""),
        "EXISTS r1",
        "first again, its answer was lost"
    );
    let old = x.job("part");
    same!(
        (told(&old, "status"), told(&old, "retried_by")),
        ("PARTIAL", "r1"),
        "the old job"
    );
    let new = x.job("r1");
    same!(told(&new, "resume_of"), "part", "the new one");
    let left = x.p.int(&args!["TTL", job_key("part")]);
    same!(
        (1..=ttl).contains(&left),
        true,
        "the old job goes when it would have gone: {left}"
    );
    let u = x.take("w")?;
    same!(u.job, "r1", "whose plan");
    x.plan(&u, 2, 2)?;
    let u = x.take("w")?;
    same!(x.complete(&u, [1, 1, 0, 0, 0]), "OK", "complete");
    same!(retry(x, "r2", "part", ""), "OK r2", "another of the old job");
    same!(retry(x, "r3", "r1", ""), "OK r3", "one of the retry");
    let old = x.job("part");
    same!(told(&old, "retried_by"), "r2", "the last one is told");
    same!(told(&old, "retries"), "r2,r1", "and that before it is kept");
    Ok(())
}

/// As many as are looked at; also one that a version has accepted which kept none but the latest.
pub fn the_latest_retries_are_kept(x: &mut Bench) -> Result<(), Broken> {
    ended(x, "part", 2)?;
    x.p.cmd(&args!["HSET", job_key("part"), "retried_by", "earlier"]);
    same!(retry(x, "r0", "part", ""), "OK r0", "first");
    let old = x.job("part");
    same!(told(&old, "retries"), "r0,earlier", "both");
    for n in 1..=50 {
        x.p.cmd(&args!["HSET", job_key(&format!("r{}", n - 1)), "status", "PARTIAL"]);
        same!(retry(x, &format!("r{n}"), "part", ""), format!("OK r{n}"), "one more");
    }
    let old = x.job("part");
    let kept: Vec<&str> = told(&old, "retries").split(',').collect();
    same!(
        (kept.len(), kept[0], kept[49]),
        (50, "r50", "r1"),
        "those that are kept"
    );
    Ok(())
}

/// Of whatever has ended; beside neither a retry nor another cleanup; and what it reads stays as long as it would from now on. One that only
/// plans is as careful, and leaves no mark.
pub fn one_cleanup_at_a_time(x: &mut Bench) -> Result<(), Broken> {
    ended(x, "done", 0)?;
    ended(x, "part", 2)?;
    let full = x.p.int(&args!["TTL", job_key("done")]);
    for part in ["", ":out:a", ":in:a"] {
        x.p.cmd(&args!["EXPIRE", job_key("done") + part, 10]);
    }
    same!(retry(x, "d1", "look|done", ""), "OK d1", "a dry run");
    same!(x.job("done").contains_key("cleaned_by"), false, "is no cleanup");
    same!(retry(x, "c1", "clean|done", "key"), "OK c1", "of what is done");
    for part in ["", ":out:a", ":in:a"] {
        let left = x.p.int(&args!["TTL", job_key("done") + part]);
        same!(left > full - 10, true, "{part} is there as long as ever: {left}");
    }
    let (old, new) = (x.job("done"), x.job("c1"));
    same!(
        (told(&old, "status"), told(&old, "cleaned_by")),
        ("COMPLETED", "c1"),
        "the old job"
    );
    same!(
        (told(&new, "cleanup_of"), told(&new, "resume_of")),
        ("done", ""),
        "the new one"
    );
    same!(retry(x, "c2", "clean|done", ""), "CLEANED c1", "second");
    same!(retry(x, "d2", "look|done", ""), "CLEANED c1", "a dry run beside it");
    same!(
        retry(x, "c2", "clean|done", "key"),
        "EXISTS c1",
        "first again, under its key"
    );
    same!(
        retry_in(x, "u|1", "c2", "clean|done", ""),
        "GONE",
        "somebody else's job"
    );
    x.steer("c1", "cancel");
    while x.try_take("w").is_some() {}
    same!(x.status("c1"), "CANCELLED", "the cleanup");
    same!(retry(x, "c2", "clean|done", ""), "OK c2", "once that has ended");

    same!(retry(x, "r1", "part", ""), "OK r1", "a retry");
    same!(retry(x, "c3", "clean|part", ""), "RETRIED r1", "a cleanup beside it");
    x.steer("r1", "cancel");
    while x.try_take("w").is_some() {}
    same!(retry(x, "c3", "clean|part", ""), "OK c3", "once that has ended");
    same!(retry(x, "r2", "part", ""), "CLEANED c3", "a retry beside it");
    same!(
        retry(x, "c4", "clean|c3", ""),
        "REFUSED PENDING",
        "of what has not ended"
    );
    Ok(())
}

/// Of whatever has ended, or is held and stays so; as many as like, and beside no retry or cleanup. What it reads stays as long as it would
/// from now on.
pub fn audits_look_and_hold_up_nobody(x: &mut Bench) -> Result<(), Broken> {
    ended(x, "done", 0)?;
    ended(x, "part", 2)?;
    let full = x.p.int(&args!["TTL", job_key("done")]);
    for part in ["", ":out:a", ":in:a"] {
        x.p.cmd(&args!["EXPIRE", job_key("done") + part, 10]);
    }
    same!(retry(x, "a1", "audit|done", "key"), "OK a1", "of what is done");
    for part in ["", ":out:a", ":in:a"] {
        let left = x.p.int(&args!["TTL", job_key("done") + part]);
        same!(left > full - 10, true, "{part} is there as long as ever: {left}");
    }
    let (old, new) = (x.job("done"), x.job("a1"));
    same!(
        (told(&old, "status"), told(&old, "audited_by"), told(&old, "cleaned_by")),
        ("COMPLETED", "a1", ""),
        "the old job"
    );
    same!(
        (
            told(&new, "audit_of"),
            told(&new, "cleanup_of"),
            told(&new, "resume_of")
        ),
        ("done", "", ""),
        "the new one"
    );
    same!(retry(x, "a2", "audit|done", "key"), "EXISTS a1", "again, under its key");
    same!(retry(x, "a2", "audit|done", ""), "OK a2", "another beside it");
    same!(
        retry_in(x, "u|1", "a3", "audit|done", ""),
        "GONE",
        "somebody else's job"
    );
    same!(
        retry(x, "c1", "clean|done", ""),
        "OK c1",
        "a cleanup while it is looked at"
    );
    same!(retry(x, "a3", "audit|done", ""), "CLEANED c1", "while it is cleaned up");
    same!(retry(x, "r1", "part", ""), "OK r1", "a retry");
    same!(retry(x, "a3", "audit|part", ""), "RETRIED r1", "while it is retried");

    x.submit("held", LANE, &[("a", "", "")]);
    same!(
        retry(x, "a3", "audit|held", ""),
        "REFUSED PENDING",
        "of what has not begun"
    );
    x.steer("held", "pause");
    same!(
        retry(x, "c2", "clean|held", ""),
        "REFUSED PAUSED",
        "a cleanup of what is held"
    );
    same!(retry(x, "a3", "audit|held", ""), "OK a3", "of what is held");
    same!(x.status("held"), "PAUSED", "it is held");
    let held = x.job("held");
    same!(told(&held, "audited_by"), "a3", "and knows who looks");
    for part in ["", ":dag", ":ph:a"] {
        same!(
            x.p.int(&args!["TTL", job_key("held") + part]),
            -1,
            "{part} has no time to live"
        );
    }
    x.steer("held", "resume");
    same!(x.status("held"), "PENDING", "it goes on");
    same!(retry(x, "a4", "audit|held", ""), "REFUSED PENDING", "of what goes on");
    Ok(())
}
