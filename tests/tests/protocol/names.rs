//! Schedules about names: two jobs never write the same one side by side.

use std::time::{Duration, Instant};

use crate::args;
use crate::bench::Bench;
use crate::model::Broken;
use crate::proto::*;
use crate::same;

const L: &str = "workflow:{c:host|tenant}:";

/// Of what all of a job has.
const WHOLE_TTL_MS: i64 = 3_600_000;

/// Marks behind a name: what another must not have of it, and what one gets.
type Hold = (&'static [&'static str], &'static [&'static str]);
const WRITE: Hold = (&["", "d"], &[""]);
const RELY: Hold = (&["d"], &["u"]);
const REMOVE: Hold = (&["", "u", "d"], &["d"]);

fn claim(x: &mut Bench, who: &str, ttl_ms: i64, names: &[&str]) -> String {
    hold(x, who, ttl_ms, WRITE, names)
}

fn hold(x: &mut Bench, who: &str, ttl_ms: i64, (looks, gets): Hold, names: &[&str]) -> String {
    claim_with(x, who, ttl_ms, 0, (looks, gets), names)
}

fn claim_with(x: &mut Bench, who: &str, ttl_ms: i64, needs: u8, (looks, gets): Hold, names: &[&str]) -> String {
    let mut a = args![who, ttl_ms, WHOLE_TTL_MS, needs, looks.len() * names.len()];
    for mark in looks.iter().chain(gets) {
        a.extend(names.iter().map(|name| format!("{name}{mark}")));
    }
    let v = x.p.try_on(L, "names_claim", &a);
    texts(&v.unwrap_or_else(|e| panic!("names_claim: {e}"))).join(" ")
}

fn release(x: &mut Bench, who: &str, names: &[&str]) -> i64 {
    let mut a = args![who];
    a.extend(names.iter().map(|n| n.to_string()));
    let v = x.p.try_on(L, "names_release", &a);
    text(&v.unwrap_or_else(|e| panic!("names_release: {e}")))
        .parse()
        .expect("a number")
}

/// One job at a time has a name; jobs with other names are not held up; who is refused has got nothing.
pub fn one_writer(x: &mut Bench) -> Result<(), Broken> {
    same!(claim(x, "j1|a", 60_000, &["n1", "n2"]), "NEW", "the first");
    same!(claim(x, "j1|a", 60_000, &["n2"]), "OURS", "the first, again");
    same!(claim(x, "j1|a", 60_000, &["n2", "n3"]), "NEW", "one more");
    same!(claim(x, "j2|a", 60_000, &["m1"]), "NEW", "other names");
    same!(
        claim(x, "j2|a", 60_000, &["m2", "n3"]),
        "TAKEN j1|a 2",
        "one of them is the first's"
    );
    same!(
        claim(x, "j1|a", 60_000, &["m2"]),
        "NEW",
        "what was refused with another is free"
    );
    same!(release(x, "j1|a", &["n1", "n3", "m2"]), 1, "left");
    same!(claim(x, "j2|a", 60_000, &["n1", "n3"]), "NEW", "given back");
    same!(claim(x, "j2|a", 60_000, &["n2"]), "TAKEN j1|a 1", "not given back");
    same!(release(x, "j1|a", &["n2"]), 0, "left");
    same!(x.p.int(&args!["ZCARD", format!("{L}writers")]), 1, "writers");
    same!(release(x, "j2|a", &[]), 0, "all of them");
    same!(
        claim(x, "j3|a", 60_000, &["m1", "n1", "n2", "n3"]),
        "NEW",
        "all are free"
    );
    Ok(())
}

/// Now, by Redis' clock, in ms.
fn now(x: &mut Bench) -> i64 {
    let t = texts(&x.p.cmd(&args!["TIME"]));
    let part = |i: usize| t[i].parse::<i64>().expect("a number");
    part(0) * 1000 + part(1) / 1000
}

/// The first moment later than `moment`: what is kept alive from then on ends later than before.
fn after(x: &mut Bench, moment: i64) -> i64 {
    loop {
        let now = now(x);
        if now > moment {
            return now;
        }
    }
}

/// Whether a claim that was made between the two times ends so long after that, and its names with it.
fn ends_after(x: &mut Bench, who: &str, ttl_ms: i64, made: (i64, i64)) -> Result<(), Broken> {
    let end = x.p.int(&args!["ZSCORE", format!("{L}writers"), who]);
    same!((made.0..=made.1).contains(&(end - ttl_ms)), true, "when the claim ends");
    let (names, now) = (x.p.int(&args!["PTTL", format!("{L}names:{who}")]), now(x));
    // what was left when it was asked for: more than at `now`, less than at first; a millisecond for the rounding
    same!(
        (end - now - 1..=ttl_ms + 1).contains(&names),
        true,
        "when its names end"
    );
    Ok(())
}

/// A claim is kept alive by any later one of the same phase, ends when nobody does so, and is new to who comes back.
pub fn a_claim_runs_out(x: &mut Bench) -> Result<(), Broken> {
    for (ttl_ms, name) in [(40_000, "n1"), (60_000, "n2")] {
        let before = now(x);
        same!(
            claim(x, "j1|a", ttl_ms, &[name]),
            "NEW",
            "its own, and the first name, too"
        );
        let made = (before, now(x));
        ends_after(x, "j1|a", ttl_ms, made)?;
    }
    same!(claim(x, "j3|a", 60_000, &["k"]), "NEW", "another job");
    same!(claim(x, "j2|a", 60_000, &["k"]), "TAKEN j3|a 1", "it has not run out");
    // nobody keeps it alive any more
    same!(claim(x, "j3|a", 1, &["k"]), "OURS", "the last time");
    let deadline = Instant::now() + Duration::from_secs(20);
    while claim(x, "j2|a", 60_000, &["k"]) != "NEW" {
        if Instant::now() > deadline {
            return Err("a claim never ends".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    same!(x.p.int(&args!["ZCARD", format!("{L}writers")]), 2, "writers");
    same!(claim(x, "j2|a", 60_000, &["n1"]), "TAKEN j1|a 1", "kept alive");
    same!(claim(x, "j3|a", 60_000, &["k"]), "TAKEN j2|a 1", "who let it run out");
    release(x, "j2|a", &[]);
    same!(claim(x, "j3|a", 60_000, &["k"]), "NEW", "it was another's meanwhile");
    Ok(())
}

/// Many rely on what nobody takes away meanwhile; what is taken away nobody writes, relies on or takes away too.
pub fn nobody_takes_away_what_others_build_on(x: &mut Bench) -> Result<(), Broken> {
    let hold = |x: &mut Bench, who: &str, how: Hold, names: &[&str]| hold(x, who, 60_000, how, names);
    same!(hold(x, "j1|*", RELY, &["p", "g"]), "NEW", "the first relies");
    same!(hold(x, "j2|*", RELY, &["p"]), "NEW", "so does another");
    same!(hold(x, "j3|a", WRITE, &["p"]), "NEW", "to find it again is no harm");
    same!(release(x, "j3|a", &["p"]), 0, "left");
    same!(
        hold(x, "j4|*", REMOVE, &["x", "g"]),
        "TAKEN j1|* 4",
        "it is relied on: the fourth that was looked for"
    );
    same!(hold(x, "j3|a", WRITE, &["x"]), "NEW", "refused with another");
    same!(hold(x, "j4|*", REMOVE, &["x"]), "TAKEN j3|a 1", "it is written");
    release(x, "j3|a", &[]);
    release(x, "j1|*", &[]);
    same!(hold(x, "j4|*", REMOVE, &["x", "g"]), "NEW", "nobody needs them");
    same!(hold(x, "j1|*", RELY, &["g"]), "TAKEN j4|* 1", "it goes");
    same!(hold(x, "j3|a", WRITE, &["g"]), "TAKEN j4|* 2", "it goes");
    same!(hold(x, "j5|*", REMOVE, &["g"]), "TAKEN j4|* 3", "it goes already");
    same!(hold(x, "j4|*", REMOVE, &["x"]), "OURS", "again");
    same!(hold(x, "j4|b", WRITE, &["x"]), "NEW", "and now it is deleted");
    Ok(())
}

/// What all of a job has is no hindrance to its own phases, and is kept alive by whatever one of them claims.
pub fn a_job_is_not_in_its_own_way(x: &mut Bench) -> Result<(), Broken> {
    same!(hold(x, "j1|*", 60_000, REMOVE, &["p"]), "NEW", "all of the job");
    same!(claim(x, "j1|a", 60_000, &["p"]), "NEW", "a phase of it");
    same!(
        hold(x, "j1|*", 60_000, REMOVE, &["p", "q"]),
        "NEW",
        "all of the job, again"
    );
    same!(claim(x, "j1|b", 60_000, &["p"]), "TAKEN j1|a 1", "two phases of it");
    same!(
        claim(x, "j10|a", 60_000, &["q"]),
        "TAKEN j1|* 2",
        "a job with a similar name"
    );
    let made = now(x);
    let before = after(x, made);
    same!(claim(x, "j1|a", 1_000, &["p"]), "OURS", "a sign of life");
    let made = (before, now(x));
    ends_after(x, "j1|a", 1_000, made)?;
    ends_after(x, "j1|*", WHOLE_TTL_MS, made)?;
    // also by one that has to wait
    same!(claim(x, "j2|a", 60_000, &["k"]), "NEW", "another job");
    let before = after(x, made.1);
    same!(claim(x, "j1|b", 60_000, &["k"]), "TAKEN j2|a 1", "a sign of life, too");
    let made = (before, now(x));
    ends_after(x, "j1|*", WHOLE_TTL_MS, made)?;
    release(x, "j2|a", &[]);
    release(x, "j1|*", &[]);
    same!(claim(x, "j1|a", 60_000, &["p"]), "OURS", "nothing to be kept alive");
    same!(x.p.int(&args!["ZCARD", format!("{L}writers")]), 1, "writers");
    Ok(())
}

/// A job that has lost what it needs as a whole is told so by whichever phase goes on, and has all of it again or nothing.
pub fn what_a_job_lost_is_told(x: &mut Bench) -> Result<(), Broken> {
    let with_whole = |x: &mut Bench, name: &str| claim_with(x, "j1|a", 60_000, 1, WRITE, &[name]);
    same!(with_whole(x, "n"), "LOST", "it had nothing");
    same!(claim(x, "j2|a", 60_000, &["n"]), "NEW", "nothing was claimed");
    release(x, "j2|a", &[]);
    same!(hold(x, "j1|*", 60_000, RELY, &["p"]), "NEW", "all of the job");
    same!(with_whole(x, "n"), "NEW", "it has it");
    release(x, "j1|*", &[]);
    same!(with_whole(x, "n"), "LOST", "it has it no more");
    same!(claim(x, "j1|a", 60_000, &["n"]), "OURS", "nothing is needed");
    same!(hold(x, "j1|*", 60_000, RELY, &[]), "OURS", "a job that needs no name");
    same!(with_whole(x, "n"), "OURS", "has all it needs");
    Ok(())
}

/// However many: claimed all at once or not at all.
pub fn many_names_are_one_claim(x: &mut Bench) -> Result<(), Broken> {
    let all: Vec<String> = (0..9_000).map(|n| format!("n{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    same!(claim(x, "j1|a", 60_000, &["n4321"]), "NEW", "one of them");
    same!(
        claim(x, "j2|a", 60_000, &all),
        "TAKEN j1|a 4322",
        "not the first thousand"
    );
    same!(claim(x, "j1|a", 60_000, &["n0", "n8999"]), "NEW", "nothing was claimed");
    release(x, "j1|a", &[]);
    same!(claim(x, "j2|a", 60_000, &all), "NEW", "all of them");
    same!(x.p.int(&args!["SCARD", format!("{L}names:j2|a")]), 9_000, "names");
    Ok(())
}
