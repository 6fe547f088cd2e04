//! Schedules about what the fleet shares of a controller: tokens, concurrency, cool-downs, and who polls.

use std::time::{Duration, Instant};

use crate::args;
use crate::bench::Bench;
use crate::model::{Broken, Dice};
use crate::proto::*;
use crate::same;

const L: &str = "workflow:{c:host|tenant}:";
const RATE: f64 = 800.0;
const BURST: f64 = 20.0;
const CONC: i64 = 50;

struct Grant {
    tokens: i64,
    wait: i64,
    conc: i64,
    generation: i64,
    rate: i64,
    cool: i64,
}

fn acquire(x: &mut Bench, worker: &str, want: i64, back: i64, conc: i64, lease_ms: i64) -> Grant {
    let a = args![worker, want, back, conc, lease_ms, RATE, BURST, CONC];
    let v =
        x.p.try_on(L, "lim_acquire", &a)
            .unwrap_or_else(|e| panic!("lim_acquire: {e}"));
    let n: Vec<i64> = texts(&v).iter().map(|t| t.parse().expect("a number")).collect();
    Grant {
        tokens: n[0],
        wait: n[1],
        conc: n[2],
        generation: n[3],
        rate: n[4],
        cool: n[7],
    }
}

fn report(x: &mut Bench, generation: i64, rate: &str, conc: &str, cool_ms: i64) -> String {
    let v = x.p.try_on(L, "lim_report", &args![generation, rate, conc, cool_ms]);
    texts(&v.unwrap_or_else(|e| panic!("lim_report: {e}"))).join(" ")
}

fn clock(x: &mut Bench) -> f64 {
    let t = texts(&x.p.cmd(&args!["TIME"]));
    t[0].parse::<f64>().expect("seconds") + t[1].parse::<f64>().expect("microseconds") / 1e6
}

/// Eight workers ask for blocks as fast as they can: never more than the burst and the rate since the start, and nearly as much.
pub fn rate_is_kept(x: &mut Bench) -> Result<(), Broken> {
    let mut dice = Dice::new(7);
    let (mut given, mut asked) = (0, 0);
    let began = clock(x);
    loop {
        let worker = format!("w{}", dice.below(8));
        let want = dice.between(1, 10) as i64;
        let g = acquire(x, &worker, want, 0, 1, 1000);
        same!(
            g.tokens <= want && (g.tokens > 0) != (g.wait > 0),
            true,
            "{} of {want} tokens, wait {}",
            g.tokens,
            g.wait
        );
        given += g.tokens;
        asked += 1;
        let seconds = clock(x) - began;
        let most = RATE * seconds + BURST + 1.0;
        same!(
            given as f64 <= most,
            true,
            "{given} tokens in {seconds} s, at most {most}"
        );
        if seconds > 0.25 {
            same!(
                given as f64 > RATE * seconds * 0.9,
                true,
                "{given} tokens in {seconds} s of {asked} calls"
            );
            return Ok(());
        }
    }
}

/// Tokens that were not used come back, and never make more than a burst.
pub fn given_back(x: &mut Bench) -> Result<(), Broken> {
    // slow, so that no time passes meanwhile
    report(x, 0, "1", "", 0);
    same!(acquire(x, "w1", 100, 0, 1, 1000).tokens, 20, "the burst");
    same!(acquire(x, "w2", 5, 0, 1, 1000).tokens, 0, "after the burst");
    same!(acquire(x, "w1", 0, 8, 1, 1000).tokens, 0, "giving back");
    same!(acquire(x, "w2", 100, 0, 1, 1000).tokens, 8, "what was given back");
    acquire(x, "w2", 0, 500, 1, 1000);
    same!(
        acquire(x, "w2", 100, 0, 1, 1000).tokens,
        20,
        "after too much was given back"
    );
    Ok(())
}

/// Concurrency: at most an equal share each; a dead worker's share comes back when its lease ends.
pub fn concurrency_is_leased(x: &mut Bench) -> Result<(), Broken> {
    same!(acquire(x, "w1", 0, 0, 1000, 30).conc, 50, "alone");
    same!(acquire(x, "w2", 0, 0, 1000, 60_000).conc, 0, "while w1 holds all");
    let began = Instant::now();
    while acquire(x, "w2", 0, 0, 1000, 60_000).conc < 50 {
        if began.elapsed() > Duration::from_secs(2) {
            return Err("a dead worker's share never comes back".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    same!(
        began.elapsed() >= Duration::from_millis(15),
        true,
        "the lease ended early"
    );
    let mut shares = Vec::new();
    for round in 0..2 {
        shares = (2..6)
            .map(|n| acquire(x, &format!("w{n}"), 0, 0, 1000, 60_000).conc)
            .collect();
        same!(shares.iter().sum::<i64>() <= CONC, true, "round {round}: {shares:?}");
    }
    same!(
        shares.iter().all(|s| (11..=13).contains(s)),
        true,
        "a fair share of 50 for four: {shares:?}"
    );
    // who wants no more gives its share back
    acquire(x, "w2", 0, 0, 0, 1000);
    same!(acquire(x, "w3", 0, 0, 1000, 60_000).conc, 17, "a third of 50");
    Ok(())
}

/// Fewer calls at once than workers that want one: they go round, nobody keeps it by renewing, and never more than there is.
pub fn too_few_go_round(x: &mut Bench) -> Result<(), Broken> {
    let g = acquire(x, "w0", 0, 0, 1, 60_000).generation;
    report(x, g, "", "1", 0);
    let mut had = [false; 3];
    let began = Instant::now();
    while had != [true; 3] {
        if began.elapsed() > Duration::from_secs(9) {
            return Err(format!("one call at once for three workers, who had it: {had:?}"));
        }
        let shares: Vec<_> = (0..3)
            .map(|n| acquire(x, &format!("w{n}"), 0, 0, 5, 60_000).conc)
            .collect();
        for (n, s) in shares.iter().enumerate() {
            had[n] |= *s > 0;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A share that got smaller is not given to others while its calls are under way.
pub fn calls_under_way_count(x: &mut Bench) -> Result<(), Broken> {
    let mut ask = |worker: &str, want: i64, flight: i64| {
        let a = args![worker, 0, 0, want, 60_000, RATE, BURST, CONC, flight];
        let v = x.p.try_on(L, "lim_acquire", &a);
        let v = texts(&v.unwrap_or_else(|e| panic!("lim_acquire: {e}")));
        v[2].parse::<i64>().expect("a number")
    };
    same!(ask("w1", 50, 0), 50, "alone");
    same!(ask("w2", 50, 0), 0, "while w1 holds all");
    same!(ask("w1", 50, 50), 25, "w1's share of two");
    same!(ask("w2", 50, 0), 0, "while w1 has 50 calls under way");
    same!(ask("w1", 50, 30), 25, "w1's share when 20 have ended");
    same!(ask("w2", 50, 0), 20, "what w1 has left");
    Ok(())
}

/// Who may make no call now takes no tokens from those who may.
pub fn no_tokens_without_a_share(x: &mut Bench) -> Result<(), Broken> {
    acquire(x, "w1", 0, 0, 50, 60_000);
    let g = acquire(x, "w2", 5, 0, 5, 60_000);
    same!((g.conc, g.tokens, g.wait > 0), (0, 0, true), "while w1 holds all");
    Ok(())
}

/// Neither a lane nor a controller is paused for more than five minutes.
pub fn a_pause_has_an_end(x: &mut Bench) -> Result<(), Broken> {
    const FOREVER: u64 = 1 << 53;
    let ms: i64 = text(&x.p.call("cool", &args!["t|1", FOREVER]))
        .parse()
        .expect("a number");
    same!((299_000..=300_000).contains(&ms), true, "the lane opens in {ms} ms");
    x.p.call("cool", &args!["t|1", 0]);
    report(x, 99, "", "", FOREVER as i64);
    let cool = acquire(x, "w1", 1, 0, 1, 1000).cool;
    same!(
        (299_000..=300_000).contains(&cool),
        true,
        "the controller cools {cool} ms"
    );
    Ok(())
}

/// One signal, one change: of two reports about the same generation one counts.
pub fn one_change_per_generation(x: &mut Bench) -> Result<(), Broken> {
    let g = acquire(x, "w1", 1, 0, 1, 1000).generation;
    same!(report(x, g, "100", "20", 0), "1 1", "the first report");
    same!(
        report(x, g, "50", "10", 0),
        "1 0",
        "a second report about the same generation"
    );
    let now = acquire(x, "w1", 1, 0, 1, 1000);
    same!((now.rate, now.generation), (100_000, 1), "rate and generation");
    // the configured rate is the ceiling
    same!(report(x, 1, "5000", "500", 0), "2 1", "a report above the ceiling");
    let now = acquire(x, "w1", 1, 0, 1000, 1000);
    same!((now.rate, now.conc), (800_000, 50), "rate and concurrency");
    Ok(())
}

/// `Retry-After` stops the whole fleet, whatever generation reports it; a shorter one does not end a longer one.
pub fn cool_down_stops_everybody(x: &mut Bench) -> Result<(), Broken> {
    acquire(x, "w1", 1, 0, 1, 1000);
    report(x, 99, "", "", 300);
    report(x, 99, "", "", 10);
    for n in 0..8 {
        let g = acquire(x, &format!("w{n}"), 5, 0, 1, 1000);
        same!(g.tokens, 0, "tokens while it cools");
        same!(g.wait > 100 && g.cool > 100, true, "wait {} cool {}", g.wait, g.cool);
    }
    let began = Instant::now();
    while acquire(x, "w1", 1, 0, 1, 1000).tokens == 0 {
        if began.elapsed() > Duration::from_secs(2) {
            return Err("it cools for ever".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn lease(x: &mut Bench, worker: &str, ms: u64) -> String {
    let v = x.p.try_on(L, "poll_lease", &args![worker, ms]);
    texts(&v.unwrap_or_else(|e| panic!("poll_lease: {e}"))).join(" ")
}

/// One worker polls, for as long as something is pending; when it dies another may.
pub fn one_poller(x: &mut Bench) -> Result<(), Broken> {
    same!(lease(x, "w1", 50), "0 0", "nothing is pending");
    x.p.cmd(&args![
        "HSET",
        format!("{L}pending"),
        "r1",
        "0|j|a|0|17",
        "r2",
        "0|j|a|1|17"
    ]);
    same!(lease(x, "w1", 60), "2 1", "the first");
    same!(lease(x, "w2", 60), "2 0", "the second");
    same!(lease(x, "w1", 60), "2 1", "the first, again");
    let began = Instant::now();
    while lease(x, "w2", 60_000) != "2 1" {
        if began.elapsed() > Duration::from_secs(2) {
            return Err("a dead poller's lease never ends".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    same!(
        began.elapsed() >= Duration::from_millis(30),
        true,
        "the lease ended early"
    );
    // it is given up by who has it, and by nobody else
    same!(lease(x, "w1", 0), "2 0", "giving up what is not its own");
    same!(lease(x, "w1", 60_000), "2 0", "w2 has it still");
    same!(lease(x, "w2", 0), "2 0", "giving up");
    same!(lease(x, "w1", 60_000), "2 1", "at once");
    lease(x, "w1", 0);
    same!(lease(x, "w2", 60_000), "2 1", "and back");
    settle_and_end(x)
}

/// Settling twice is settling once.
fn settle_and_end(x: &mut Bench) -> Result<(), Broken> {
    for _ in 0..2 {
        let v = x.p.try_on(L, "poll_settle", &args!["r1", r#"{"ok":1}"#, "r2", ""]);
        same!(text(&v.unwrap_or_else(|e| panic!("poll_settle: {e}"))), "1", "settled");
    }
    same!(
        x.p.text(&args!["GET", format!("{L}settled:r1")]),
        Some(r#"{"ok":1}"#.into()),
        "what became of r1"
    );
    same!(
        (1..=900).contains(&x.p.int(&args!["TTL", format!("{L}settled:r1")])),
        true,
        "it expires"
    );
    same!(
        x.p.int(&args!["EXISTS", format!("{L}settled:r2")]),
        0,
        "r2 is only forgotten"
    );
    same!(lease(x, "w2", 1000), "0 0", "nothing is pending any more");
    same!(
        x.p.int(&args!["EXISTS", format!("{L}poller")]),
        0,
        "the lease is given back"
    );
    Ok(())
}
