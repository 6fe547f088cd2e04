//! Schedules about ownership: whoever lost a unit changes nothing, whoever repeats a call changes nothing twice.

use crate::args;
use crate::bench::Bench;
use crate::model::Broken;
use crate::proto::*;
use crate::same;

const LANE: &str = "t|1";
const DONE: &str = r#"{"s":"D","o":{"i":0,"s":"COMPLETED"}}"#;
const SENT: &str = r#"{"s":"S","n":0,"b":5}"#;

/// Two workers on one batch: the old owner, and the new one that took over.
fn contested(x: &mut Bench) -> Result<(crate::bench::Unit, crate::bench::Unit), Broken> {
    x.planned("j", LANE, "", 10, 5)?;
    let old = x.take("old")?;
    let new = x.take_over("new", &old)?;
    Ok((old, new))
}

pub fn stale_complete(x: &mut Bench) -> Result<(), Broken> {
    let (old, new) = contested(x)?;
    same!(x.complete(&old, [1, 4, 0, 0, 0]), "FENCED", "the old owner's complete");
    x.done(&new, 5)?;
    same!(
        x.out(&new),
        Some(format!("result of {}", new.token)),
        "the accepted result"
    );
    same!(x.job("j")["failed"], "0", "failed");
    Ok(())
}

pub fn stale_heartbeat(x: &mut Bench) -> Result<(), Broken> {
    let (old, new) = contested(x)?;
    same!(x.heartbeat(&old), "LOST", "the old owner's heartbeat");
    same!(x.heartbeat(&new), "OK", "the new owner's heartbeat");
    let pending = list(&x.p.cmd(&args!["XPENDING", work(), GROUP, new.entry, new.entry, 1]));
    same!(text(&list(&pending[0])[1]), "new", "the pending entry's owner");
    Ok(())
}

pub fn stale_park(x: &mut Bench) -> Result<(), Broken> {
    let (old, new) = contested(x)?;
    same!(x.park(&old, 5000, &[(0, DONE)]), "FENCED", "the old owner's park");
    same!(x.checkpoint(&new, 1, DONE), "OK", "the new owner's checkpoint");
    x.done(&new, 5)
}

pub fn stale_checkpoint(x: &mut Bench) -> Result<(), Broken> {
    let (old, new) = contested(x)?;
    same!(x.checkpoint(&old, 0, DONE), "FENCED", "the old owner's checkpoint");
    let after = x.take_over("third", &new)?;
    same!(after.ck, vec![], "checkpoints");
    Ok(())
}

pub fn stale_release(x: &mut Bench) -> Result<(), Broken> {
    let (old, new) = contested(x)?;
    same!(x.release(&old), "FENCED", "the old owner's release");
    same!(x.heartbeat(&new), "OK", "the new owner's heartbeat");
    x.done(&new, 5)
}

/// Slept between the delivery and the claim; meanwhile another took the entry and claimed it.
pub fn late_claim(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let entry = x.p.deliver("sleeper").ok_or("nothing delivered")?;
    same!(x.p.autoclaim("quick", 0), Some(entry.clone()), "autoclaim");
    let quick = x.claim("quick", "quick.1", &entry)?;
    same!(
        x.claim("sleeper", "sleeper.1", &entry).err(),
        Some("LOST".into()),
        "the sleeper's claim"
    );
    same!(x.heartbeat(&quick), "OK", "the owner's heartbeat");
    x.done(&quick, 5)
}

/// The entry was auto-claimed, not claimed yet: the old owner may still finish, and the taker finds it done.
pub fn finished_in_between(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 10, 5)?;
    let old = x.take("old")?;
    let entry = x.p.autoclaim("new", 0).ok_or("nothing idle")?;
    x.done(&old, 5)?;
    let token = x.token();
    same!(
        x.claim("new", &token, &entry).err(),
        Some("LOST".into()),
        "the claim of an entry that is gone"
    );
    same!(x.job("j")["done"], "5", "done");
    Ok(())
}

pub fn complete_twice(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 10, 5)?;
    let u = x.take("w")?;
    x.done(&u, 5)?;
    same!(x.complete(&u, [5, 0, 0, 0, 0]), "DONE", "a complete that is repeated");
    let (job, ph) = (x.job("j"), x.phase("j", "a"));
    same!(
        (job["done"].as_str(), ph["bdone"].as_str()),
        ("5", "1"),
        "done and batches done"
    );
    Ok(())
}

pub fn claim_twice_is_no_crash(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("w")?;
    let again = x.claim("w", &u.token, &u.entry)?;
    same!(again.crashes, "0", "crashes after a claim that was repeated");
    let other = x.take_over("w2", &u)?;
    same!(other.crashes, "1", "crashes after a takeover");
    Ok(())
}

pub fn progress_forgives_crashes(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let mut u = x.take("w0")?;
    for n in 1..=3 {
        u = x.take_over(&format!("w{n}"), &u)?;
    }
    same!(u.crashes, "3", "crashes in a row");
    x.checkpoint(&u, 0, DONE);
    u = x.take_over("w9", &u)?;
    same!(u.crashes, "1", "crashes after progress");
    Ok(())
}

/// A task that kills its worker leaves SENT each time.
pub fn an_intent_is_no_progress(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let mut u = x.take("w0")?;
    for n in 1..=5 {
        same!(x.checkpoint(&u, 3, SENT), "OK", "the intent");
        u = x.take_over(&format!("w{n}"), &u)?;
        same!(u.crashes, n.to_string(), "crashes");
    }
    Ok(())
}

/// The same for a planner that dies after its first chunks: nobody goes on from them.
pub fn a_chunk_of_a_plan_is_no_progress(x: &mut Bench) -> Result<(), Broken> {
    x.submit("j", LANE, &[("a", "", "")]);
    let mut u = x.take("w0")?;
    for n in 1..=3 {
        same!(x.put(&u, &[0]), "OK", "plan_put");
        u = x.take_over(&format!("w{n}"), &u)?;
        same!(u.crashes, n.to_string(), "crashes");
    }
    Ok(())
}

/// What a park remembers counts like a checkpoint.
pub fn a_park_with_results_is_progress(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let mut u = x.take("w0")?;
    for n in 1..=3 {
        u = x.take_over(&format!("w{n}"), &u)?;
    }
    same!(x.park(&u, 0, &[(0, DONE)]), "OK", "park");
    x.tick();
    let u = x.take("w")?;
    same!(
        (u.crashes.as_str(), u.ck.len()),
        ("0", 1),
        "crashes and checkpoints after a park with results"
    );
    Ok(())
}

/// That a batch could not be run is noted at an index no task has; a task that kills whoever can run it is still given up.
pub fn a_note_is_no_progress(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("w0")?;
    let u = x.take_over("w1", &u)?;
    same!(x.park(&u, 0, &[(u32::MAX, r#"{"claims":2,"row":1}"#)]), "OK", "park");
    x.tick();
    let u = x.take("w")?;
    same!(
        (u.crashes.as_str(), u.ck.len()),
        ("1", 1),
        "crashes and checkpoints after a note"
    );
    Ok(())
}

pub fn release_is_no_crash(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("w")?;
    same!(x.release(&u), "OK", "release");
    let again = x.take("w2")?;
    same!(again.crashes, "0", "crashes");
    same!(x.release(&u), "FENCED", "a release that is repeated");
    x.done(&again, 5)
}

/// Two entries for one unit (somebody added it by hand): one is dropped, the owner goes on.
pub fn a_second_entry_is_dropped(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("w")?;
    x.p.cmd(&args![
        "XADD",
        work(),
        "*",
        "j",
        "j",
        "ph",
        "a",
        "b",
        0,
        "l",
        LANE,
        "w",
        5
    ]);
    let entry = x.p.deliver("w2").ok_or("nothing delivered")?;
    let token = x.token();
    same!(
        x.claim("w2", &token, &entry).err(),
        Some("DUP".into()),
        "the claim of the second entry"
    );
    x.done(&u, 5)
}

pub fn acknowledged_is_gone(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("w")?;
    x.done(&u, 5)?;
    same!(x.p.int(&args!["XLEN", work()]), 0, "entries in the stream");
    same!(x.p.int(&args!["EXISTS", key("tin")]), 0, "tin exists");
    Ok(())
}

/// `wake` of a unit that somebody runs changes nothing.
pub fn wake_of_the_running(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("w")?;
    same!(x.wake(&u, 0), "0", "units woken");
    same!(x.heartbeat(&u), "OK", "the owner's heartbeat");
    x.done(&u, 5)
}

pub fn wake_of_the_parked(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("w")?;
    same!(x.park(&u, 60_000, &[]), "OK", "park");
    same!(x.wake(&u, 50_000), "1", "units told to come earlier");
    same!(x.try_take("w").is_none(), true, "it still waits");
    same!(x.wake(&u, 0), "1", "units woken");
    let u = x.take("w")?;
    x.done(&u, 5)
}

/// A consumer that owns something is never dropped: its entries would be lost for good.
pub fn reap_spares_owners(x: &mut Bench) -> Result<(), Broken> {
    x.planned("j", LANE, "", 5, 5)?;
    let u = x.take("gone")?;
    std::thread::sleep(std::time::Duration::from_millis(3));
    let dropped = texts(&x.p.call("reap", &args![1]));
    same!(dropped.contains(&"gone".to_owned()), false, "the owner was dropped");
    same!(dropped, vec!["planner"], "dropped");
    let u = x.take_over("heir", &u)?;
    x.done(&u, 5)
}
