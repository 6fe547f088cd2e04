//! Who is served when: lanes beside each other, jobs on one lane, weights of tenants, and a backlog nobody works on.

use std::time::{Duration, Instant};

use crate::args;
use crate::bench::Bench;
use crate::checks;
use crate::model::Broken;
use crate::proto::*;
use crate::same;

const DEPTH: usize = 12;

fn depth(x: &mut Bench) {
    x.p.cmd(&args!["HSET", key("cfg"), "depth:", DEPTH]);
}

/// Entries delivered and completed until this job's unit comes.
fn until(x: &mut Bench, job: &str, max: usize) -> Result<usize, Broken> {
    for n in 0..=max {
        let u = x.take("w")?;
        if u.job == job {
            x.release(&u);
            return Ok(n);
        }
        x.done(&u, 10)?;
    }
    Err(format!("{job} was not served within {max} entries"))
}

/// 10,000 tasks on one lane; a ten-task job on another waits for what is in the stream already, and for nothing else.
pub fn a_small_job_passes_a_large_one(x: &mut Bench) -> Result<(), Broken> {
    depth(x);
    x.planned("large", "t|1", "", 10_000, 10)?;
    x.submit("small", "t|2", &[("a", "", "")]);
    until(x, "small", DEPTH + 1)?;
    let u = x.take_all("w").pop().ok_or("the plan")?;
    x.plan(&u, 10, 10)?;
    until(x, "small", DEPTH + 2)?;
    Ok(())
}

/// 10,000 tasks are under way on its own lane; the steps of a ten-task job wait for none of them to end.
pub fn a_small_job_beside_a_large_one(x: &mut Bench) -> Result<(), Broken> {
    x.p.cmd(&args!["HSET", key("cfg"), "depth:", 64]);
    x.planned("large", "t|1", "", 10_000, 100)?;
    let busy = x.take_all("w");
    same!(busy.len(), 3, "batches of the large one in flight");
    x.submit("small", "t|1", &[("a", "", "")]);
    // its turn comes after one batch of the other
    x.done(&busy[0], 100)?;
    let u = of_small(x)?;
    x.plan(&u, 10, 10)?;
    x.done(&busy[1], 100)?;
    let u = of_small(x)?;
    same!(u.b, 0, "the unit");
    x.done(&u, 10)?;
    same!(x.status("small"), "COMPLETED", "the small job");
    Ok(())
}

/// What is delivered now, but for the large job's, is one unit of the small one.
fn of_small(x: &mut Bench) -> Result<crate::bench::Unit, Broken> {
    let mut units = x.take_all("w");
    units.retain(|u| u.job == "small");
    units.pop().ok_or_else(|| "the small job is not served".into())
}

/// The plan of the next phase of a job that has begun goes before what others begin.
pub fn a_plan_passes_its_lane(x: &mut Bench) -> Result<(), Broken> {
    x.p.cmd(&args!["HSET", key("cfg"), "depth:", 1]);
    x.submit("small", "t|1", &[("a", "", ""), ("b", "a", "")]);
    let u = x.take("w")?;
    x.plan(&u, 10, 10)?;
    let u = x.take("w")?;
    x.submit("other", "t|1", &[("a", "", "")]);
    x.done(&u, 10)?;
    let u = x.take("w")?;
    same!(
        (u.job.as_str(), u.ph.as_str(), u.b),
        ("small", "b", -1),
        "the unit served"
    );
    Ok(())
}

/// The same when the large job's controller is down: its lane is empty, so there is nothing to wait for at all.
pub fn a_cooling_lane_holds_up_nobody(x: &mut Bench) -> Result<(), Broken> {
    depth(x);
    x.planned("large", "t|1", "", 10_000, 10)?;
    x.p.call("cool", &args!["t|1", 60_000]);
    for u in x.take_all("w") {
        x.done(&u, 10)?;
    }
    x.submit("small", "t|2", &[("a", "", "")]);
    let u = x.take("w")?;
    same!(u.job, "small", "the job served");
    x.plan(&u, 10, 10)?;
    let u = x.take("w")?;
    same!((u.job.as_str(), u.b), ("small", 0), "the unit served");
    x.done(&u, 10)
}

pub fn jobs_of_a_lane_take_turns(x: &mut Bench) -> Result<(), Broken> {
    depth(x);
    x.p.cmd(&args!["HSET", key("cfg"), "depth:", 1]);
    x.p.call("cool", &args!["t|1", 60_000]);
    for job in ["one", "two"] {
        x.submit(job, "t|1", &[("a", "", "")]);
    }
    x.p.call("cool", &args!["t|1", 0]);
    // both plans first, so that both have a backlog
    x.p.cmd(&args!["HSET", key("cfg"), "depth:", 2]);
    x.tick();
    let plans = x.take_all("w");
    same!(plans.len(), 2, "plans");
    x.p.cmd(&args!["HSET", key("cfg"), "depth:", 1]);
    for u in &plans {
        x.plan(u, 200, 10)?;
    }
    let mut order = Vec::new();
    for _ in 0..20 {
        let u = x.take("w")?;
        order.push(u.job.clone());
        x.done(&u, 10)?;
    }
    for pair in order.chunks(2) {
        same!(pair[0] != pair[1], true, "they take turns in {order:?}");
    }
    Ok(())
}

pub fn weights_share_1_2_4(x: &mut Bench) -> Result<(), Broken> {
    depth(x);
    x.p.cmd(&args!["HSET", key("cfg"), "weight:a", 1, "weight:b", 2, "weight:c", 4]);
    for t in ["a", "b", "c"] {
        x.submit(t, &format!("{t}|1"), &[("a", "", "")]);
    }
    for u in x.take_all("w") {
        x.plan(&u, 5_000, 10)?;
    }
    let mut served = std::collections::BTreeMap::<String, i32>::new();
    for n in 0..170 {
        let u = x.take("w")?;
        if n >= 30 {
            *served.entry(u.job.clone()).or_default() += 1;
        }
        x.done(&u, 10)?;
    }
    let expected = [("a", 20), ("b", 40), ("c", 80)];
    same!(
        expected.iter().all(|(t, n)| (served[*t] - n).abs() <= 3),
        true,
        "shares of 1:2:4 in {served:?}"
    );
    Ok(())
}

/// 100,000 tasks wait in 1,000 batches of ten jobs, nobody works; then workers come and it drains. The stream stays short.
pub fn a_backlog_drains(x: &mut Bench) -> Result<(), Broken> {
    depth(x);
    let lane = |n: usize| format!("t{}|{}", n % 3, n % 4);
    for n in 0..10 {
        x.submit(&format!("job{n}"), &lane(n), &[("a", "", "")]);
    }
    let mut planned = 0;
    while planned < 10 {
        let u = x.take("planner")?;
        if u.b == -1 {
            x.plan(&u, 10_000, 100)?;
            planned += 1;
        } else {
            // for later: the plans come first here
            x.park(&u, 0, &[]);
        }
    }
    for _ in 0..50 {
        x.tick();
        checks::queues(&mut x.p, DEPTH)?;
    }
    let (began, mut done) = (Instant::now(), 0);
    while done < 1000 {
        match x.try_take(["w1", "w2", "w3"][done % 3]) {
            Some(u) => {
                x.done(&u, 100)?;
                done += 1;
            }
            None => drop(x.tick()),
        }
        if done % 50 == 0 {
            checks::queues(&mut x.p, DEPTH)?;
        }
        if began.elapsed() > Duration::from_secs(30) {
            return Err(format!("{done} of 1000 batches after {:?}", began.elapsed()));
        }
    }
    for n in 0..10 {
        same!(x.status(&format!("job{n}")), "COMPLETED", "job{n}");
    }
    for k in ["tin", "ring", "delayed"] {
        same!(x.p.int(&args!["EXISTS", key(k)]), 0, "{k}");
    }
    Ok(())
}
