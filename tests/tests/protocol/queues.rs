//! Schedules about lanes, caps, cool-downs, order and repairs.

use crate::args;
use crate::bench::Bench;
use crate::checks;
use crate::model::Broken;
use crate::proto::*;
use crate::same;

const LANE: &str = "t|1";

fn set(x: &mut Bench, name: &str, value: impl ToString) {
    x.p.cmd(&args!["HSET", key("cfg"), name, value.to_string()]);
}

/// Nothing of a lane that cools down is released; the others go on; it comes back when the time is over.
pub fn cool_down(x: &mut Bench) -> Result<(), Broken> {
    set(x, "depth:", 1);
    x.planned("j", LANE, "", 20, 5)?;
    let first = x.take("w")?;
    x.p.call("cool", &args![LANE, 60_000]);
    x.done(&first, 5)?;
    x.tick();
    same!(x.try_take("w").is_none(), true, "released while the lane cools");
    x.planned("other", "t|2", "", 5, 5)?;
    let u = x.take("w")?;
    same!(u.job, "other", "the other lane's job");
    x.done(&u, 5)?;
    x.p.cmd(&args!["HSET", key("cool"), LANE, 1]);
    x.tick();
    let u = x.take("w")?;
    same!(u.job, "j", "the job whose lane cooled down");
    checks::queues(&mut x.p, 64)
}

/// In flight: six seconds of the rate, and 20. Rate 2 → below 32 tasks.
pub fn cap_of_a_lane(x: &mut Bench) -> Result<(), Broken> {
    set(x, "rate", 2);
    x.planned("j", LANE, "", 200, 10)?;
    same!(x.take_all("w").len(), 4, "batches of 10 in flight");
    Ok(())
}

/// Nor more than three quarters of the fleet's slots, in batches of 100, however fast the controller may be: another lane's work is taken
/// at once. Depth 4: two slots.
pub fn cap_of_slots(x: &mut Bench) -> Result<(), Broken> {
    set(x, "depth:", 4);
    set(x, "rate", 1_000_000);
    x.planned("j", LANE, "", 1_000, 100)?;
    same!(x.take_all("w").len(), 2, "batches of 100 in flight");
    x.submit("other", "t|2", &[("a", "", "")]);
    same!(x.take("w")?.job, "other", "there is room for the other lane");
    checks::queues(&mut x.p, 64)
}

/// What begins may be in flight beyond that, up to twice as much. Rate 2 → below 64 tasks.
pub fn cap_of_what_begins(x: &mut Bench) -> Result<(), Broken> {
    set(x, "rate", 2);
    for n in 0..10 {
        x.submit(&format!("j{n}"), LANE, &[("a", "", "")]);
    }
    for u in x.take_all("w") {
        x.plan(&u, 10, 10)?;
    }
    same!(x.take_all("w").len(), 7, "first batches of 10 in flight");
    checks::queues(&mut x.p, 64)
}

/// Parked batches count: the lane does not start more than can be waiting.
pub fn parked_count(x: &mut Bench) -> Result<(), Broken> {
    set(x, "rate", 1);
    set(x, "depth:", 4);
    // a name that looks like a batch's number
    x.submit("j", LANE, &[("7", "", "")]);
    let u = x.take("w")?;
    x.plan(&u, 300, 1)?;
    let mut n = 0;
    while let Some(u) = x.try_take("w") {
        same!(x.park(&u, 60_000, &[]), "OK", "park");
        n += 1;
        same!(n <= 70, true, "{n} batches parked and more released");
    }
    // 64 + 1.8 × rate, and what was in the stream when the cap was reached
    same!((66..=70).contains(&n), true, "{n} parked");
    checks::queues(&mut x.p, 64)
}

/// What has begun is finished first: a batch that comes back goes to the head of its lane.
pub fn returning_goes_first(x: &mut Bench) -> Result<(), Broken> {
    set(x, "depth:", 1);
    x.planned("j", LANE, "", 20, 5)?;
    let u = x.take("w")?;
    x.park(&u, 0, &[]);
    // the next fresh one has taken the place meanwhile
    let fresh = x.take("w")?;
    same!(fresh.b, 1, "the fresh batch");
    x.tick();
    x.done(&fresh, 5)?;
    same!(x.take("w")?.b, 0, "the batch that came back");
    Ok(())
}

/// Batch b+1 of a sequential phase is released when b has ended, not before; also after a pause.
pub fn sequential(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "s", 15, 5)?;
    for b in 0..3 {
        let u = x.take("w")?;
        same!(u.b, b, "the batch");
        x.steer("j", "pause");
        x.steer("j", "resume");
        // somebody queued it once more
        x.p.cmd(&args!["RPUSH", key("tq:t|1"), "j|a"]);
        x.p.cmd(&args!["ZADD", key("ring"), 0, LANE]);
        x.tick();
        same!(x.try_take("w").is_none(), true, "a second batch of a sequential phase");
        same!(x.reconcile("j"), "0", "repairs");
        x.done(&u, 5)?;
    }
    same!(x.status("j"), "COMPLETED", "the job");
    Ok(())
}

/// Everything of a job was lost from the stream and the queues: `reconcile` brings it back, once.
pub fn repairs(x: &mut Bench) -> Result<(), Broken> {
    set(x, "depth:", 3);
    x.planned("j", LANE, "", 30, 5)?;
    let (one, two) = (x.take("w1")?, x.take("w2")?);
    x.park(&one, 60_000, &[]);
    x.p.cmd(&args!["XGROUP", "DELCONSUMER", work(), GROUP, "w2"]);
    for k in ["delayed", "ring", "tin", "tq:t|1"] {
        x.p.cmd(&args!["DEL", key(k)]);
    }
    same!(x.heartbeat(&two), "LOST", "heartbeat of an entry that nobody owns");
    same!(x.reconcile("j") == "0", false, "nothing was repaired");
    same!(x.reconcile("j"), "0", "repairs, again");
    checks::queues(&mut x.p, 64)?;
    let mut seen = Vec::new();
    while let Some(u) = x.try_take("w3") {
        seen.push(u.b);
        x.done(&u, 5)?;
    }
    seen.sort_unstable();
    same!(seen, vec![0, 1, 2, 3, 4, 5], "batches run");
    same!(x.status("j"), "COMPLETED", "the job");
    Ok(())
}

/// Parked units without a record: their lane's count of the parked forgets them, and the lane opens again.
pub fn stray_parked(x: &mut Bench) -> Result<(), Broken> {
    set(x, "rate", 1);
    set(x, "depth:", 1);
    x.planned("j", LANE, "", 20, 5)?;
    let u = x.take("w")?;
    for n in 100..170 {
        x.p.cmd(&args!["ZADD", key("delayed"), 1, format!("j|a|{n}")]);
        x.p.cmd(&args!["SADD", key("pk:t|1"), format!("j|a|{n}")]);
    }
    x.done(&u, 5)?;
    same!(x.try_take("w").is_none(), true, "released although 70 are parked");
    x.tick();
    x.tick();
    same!(x.p.int(&args!["SCARD", key("pk:t|1")]), 0, "parked");
    let u = x.take("w")?;
    x.done(&u, 5)
}
