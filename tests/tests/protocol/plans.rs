//! Schedules about jobs that are held until their plan has been made anew.

use crate::args;
use crate::bench::{Bench, submit_args};
use crate::model::Broken;
use crate::proto::*;
use crate::same;

const LANE: &str = "t|1";

/// A job that is to follow a plan which `by` makes anew; `ask`: and is to be confirmed then.
fn pinned(x: &mut Bench, job: &str, ask: bool) {
    let mut fields = args!["ttl", 604_800, "budget_s", 600, "check", "by", "phash", "5f0c"];
    if ask {
        fields.extend(args!["ask", 1]);
    }
    let a = submit_args(job, LANE, &[("a", "", "")], "", "", "AWAITING_CONFIRMATION", &fields);
    x.p.call("submit", &a);
}

/// Held jobs that a worker is to look at now.
fn due(x: &mut Bench) -> Vec<String> {
    texts(&x.p.call("checks", &args![5_000, 10]))
}

/// Nobody has come back to look for so long.
fn later(x: &mut Bench, job: &str) {
    x.p.cmd(&args!["ZADD", key("checks"), "XX", 1, job]);
}

fn nothing_is_left(x: &mut Bench, job: &str) -> Result<(), Broken> {
    same!(x.p.int(&args!["ZCARD", key("checks")]), 0, "checks");
    same!(x.job(job).get("checking").cloned(), None, "still to be checked");
    Ok(())
}

pub fn the_same(x: &mut Bench) -> Result<(), Broken> {
    pinned(x, "j", false);
    same!(x.steer("j", "confirm"), "CHECKING by", "confirm by a person");
    same!(due(x), Vec::<String>::new(), "due at once: whoever submits looks first");
    later(x, "j");
    same!(due(x), ["j", "t"], "due");
    same!(due(x), Vec::<String>::new(), "due again at once");
    same!(x.try_take("w").is_none(), true, "nothing runs before");
    same!(x.steer("j", "plan_same"), "DONE PENDING", "the plan holds");
    same!(
        x.steer("j", "plan_same"),
        "ALREADY PENDING",
        "the plan holds, said twice"
    );
    same!(x.steer("j", "plan_other"), "ALREADY PENDING", "another, too late");
    nothing_is_left(x, "j")?;
    let u = x.take("w")?;
    x.plan(&u, 5, 5)?;
    let u = x.take("w")?;
    x.done(&u, 5)?;
    same!(x.status("j"), "COMPLETED", "the job");
    Ok(())
}

pub fn the_same_and_to_be_confirmed(x: &mut Bench) -> Result<(), Broken> {
    pinned(x, "j", true);
    same!(
        x.steer("j", "plan_same"),
        "DONE AWAITING_CONFIRMATION",
        "the plan holds"
    );
    nothing_is_left(x, "j")?;
    same!(x.try_take("w").is_none(), true, "nothing runs before it is confirmed");
    same!(
        x.steer("j", "plan_other"),
        "ALREADY AWAITING_CONFIRMATION",
        "another, too late"
    );
    same!(x.steer("j", "confirm"), "DONE PENDING", "confirm");
    same!(x.take("w")?.job, "j", "its plan");
    Ok(())
}

pub fn another(x: &mut Bench) -> Result<(), Broken> {
    pinned(x, "j", false);
    same!(x.steer("j", "plan_other"), "DONE CANCELLED", "the plan does not hold");
    let f = x.job("j");
    same!(
        f.get("why").map(String::as_str),
        Some("because"),
        "the reason it was given"
    );
    same!(x.steer("j", "plan_same"), "ALREADY CANCELLED", "the same, too late");
    nothing_is_left(x, "j")?;
    same!(x.try_take("w").is_none(), true, "nothing of it runs");
    Ok(())
}

/// A person ends it, or its time to be confirmed is over, while the plan is made.
pub fn ended_meanwhile(x: &mut Bench) -> Result<(), Broken> {
    pinned(x, "one", false);
    same!(x.steer("one", "cancel"), "DONE CANCELLED", "cancel");
    nothing_is_left(x, "one")?;
    same!(x.steer("one", "plan_other"), "ALREADY CANCELLED", "another, too late");
    same!(x.job("one").get("why").cloned(), None, "why it was cancelled");
    pinned(x, "two", false);
    x.p.cmd(&args!["ZADD", key("deadlines"), "XX", 1, "two"]);
    x.tick();
    same!(x.status("two"), "CANCELLED", "the job");
    nothing_is_left(x, "two")?;
    // its keys have gone, and somebody is still to look
    x.p.cmd(&args!["ZADD", key("checks"), 1, "gone"]);
    same!(due(x), Vec::<String>::new(), "due");
    nothing_is_left(x, "two")
}
