//! Killing and freezing while the job runs, at moments the seed decides.
//!
//! A victim is stopped first (SIGSTOP) and what it holds is read from Redis, where nothing of it can change then. Holds it less than
//! one batch and one request id whose activity has not ended, it goes on, and the next moment is tried.

use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;
use serde_json::Value;
use testkit::harness::api::has_ended;
use testkit::harness::held::Held;
use testkit::harness::{Fleet, Signal, wait_until};

use crate::args::Args;
use crate::say;
use crate::stage::Stage;

/// Between two looks at a victim: not the same moment of its cycle each time.
const NEXT_LOOK_MS: std::ops::Range<u64> = 20..150;
/// Silence until take-over (15 s), the reclaimer's round, and time to spare.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_secs(60);
/// A worker that wakes sends its heartbeat within a second, and learns what it lost.
const FENCE_TIMEOUT: Duration = Duration::from_secs(30);
const REDIS_AWAY_MS: std::ops::Range<u64> = 100..3000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    KillWorker,
    FreezeWorker,
    KillRedis,
}

/// What was done, in sentences; and what could not be done.
#[derive(Debug, Default)]
pub struct Trouble {
    pub done: Vec<String>,
    pub failed: Vec<String>,
}

pub async fn make(stage: &mut Stage, args: &Args, job: &str) -> anyhow::Result<Trouble> {
    let mut acts = Vec::new();
    for (is_wanted, act) in [
        (args.kill_worker, Act::KillWorker),
        (args.freeze_worker, Act::FreezeWorker),
        (args.kill_redis, Act::KillRedis),
    ] {
        acts.extend(is_wanted.then_some(act));
    }
    acts.shuffle(&mut stage.rng);
    let mut trouble = Trouble::default();
    let count = acts.len() as f64;
    for (index, act) in acts.into_iter().enumerate() {
        // Each act has its part of the first 70 % of the job, so that the last one still meets work.
        let from = (0.03 + index as f64 / count).min(0.9) * 70.0;
        let to = ((index as f64 + 1.0) / count) * 70.0;
        let moment = stage.rng.random_range(from..=to.max(from));
        if !reached(stage, job, moment).await {
            trouble
                .failed
                .push(format!("the job had ended before {act:?} could be tried"));
            continue;
        }
        match act {
            Act::KillWorker => kill_worker(stage, job, &mut trouble).await?,
            Act::FreezeWorker => freeze_worker(stage, job, &mut trouble).await?,
            Act::KillRedis => kill_redis(stage, &mut trouble).await?,
        }
    }
    Ok(trouble)
}

/// Waits until RUCKUS One has accepted `percent` of the keys: finer than the job's own numbers, which move by whole batches.
/// False: the job has ended.
async fn reached(stage: &Stage, job: &str, percent: f64) -> bool {
    let keys = stage.keys_expected as f64;
    loop {
        let counts = stage.fleet.simulators[0].counts(&stage.controller.remote_tenant).await;
        let writes = counts
            .ok()
            .and_then(|counts| counts["writes"].as_f64())
            .unwrap_or_default();
        if writes >= keys * percent / 100.0 {
            return true;
        }
        if stage.fleet.api.job(job).await.is_ok_and(|job| has_ended(&job)) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Stops a worker at a moment at which it holds at least a batch and a request id. None: the job ended before.
async fn catch(stage: &mut Stage, job: &str) -> anyhow::Result<Option<(usize, Held)>> {
    loop {
        let running = stage.fleet.running();
        let victim = running[stage.rng.random_range(0..running.len())];
        match stage.fleet.stop_and_look(victim) {
            Ok(held) if held.batches() > 0 && !held.requests.is_empty() => return Ok(Some((victim, held))),
            // it holds too little, or Redis did not answer
            _ => stage.fleet.workers[victim].process.signal(Signal::Continue)?,
        }
        if stage.fleet.api.job(job).await.is_ok_and(|job: Value| has_ended(&job)) {
            return Ok(None);
        }
        let pause = stage.rng.random_range(NEXT_LOOK_MS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

async fn kill_worker(stage: &mut Stage, job: &str, trouble: &mut Trouble) -> anyhow::Result<()> {
    let Some((victim, held)) = catch(stage, job).await? else {
        trouble
            .failed
            .push("no worker held a batch with an unsettled request id: none was killed".to_owned());
        return Ok(());
    };
    let process = &mut stage.fleet.workers[victim].process;
    process.kill();
    let name = process.name.clone();
    let others = stage.fleet.running().len();
    let successor = if others == 0 {
        let index = stage.fleet.add_worker().await?;
        format!("{} was started in its place", stage.fleet.workers[index].process.name)
    } else {
        format!("{others} other(s) went on, no new one was started")
    };
    let text = format!("killed {name} (SIGKILL): it held {}; {successor}", shown(&held));
    say::line(&text);
    trouble.done.push(text);
    Ok(())
}

async fn freeze_worker(stage: &mut Stage, job: &str, trouble: &mut Trouble) -> anyhow::Result<()> {
    if stage.fleet.running().len() < 2 {
        let index = stage.fleet.add_worker().await?;
        let name = &stage.fleet.workers[index].process.name;
        say::line(&format!("{name} was started, to take over from the one to be frozen"));
    }
    let Some((victim, held)) = catch(stage, job).await? else {
        trouble
            .failed
            .push("no worker held a batch with an unsettled request id: none was frozen".to_owned());
        return Ok(());
    };
    let name = stage.fleet.workers[victim].process.name.clone();
    say::line(&format!("froze {name} (SIGSTOP): it holds {}", shown(&held)));
    let fleet = &stage.fleet;
    let taken = wait_until(
        "the frozen worker's batches to be taken over",
        TAKE_OVER_TIMEOUT,
        async || taken_over(fleet, victim, &held).await.then_some(()),
    );
    let taken = taken.await;
    stage.fleet.workers[victim].process.signal(Signal::Continue)?;
    if let Err(timed_out) = taken {
        trouble.failed.push(timed_out.to_string());
        return Ok(());
    }
    let worker = &stage.fleet.workers[victim];
    let fenced = wait_until(
        "a late write of the woken worker to be fenced",
        FENCE_TIMEOUT,
        async || {
            let fenced = worker.metrics().await.ok()?.get("phaseline_worker_writes_fenced_total");
            (fenced >= 1.0).then_some(fenced)
        },
    );
    match fenced.await {
        Ok(fenced) => {
            let text = format!(
                "froze {name} (SIGSTOP): it held {}; when it woke, others had them, and {fenced:.0} of its late writes were fenced",
                shown(&held)
            );
            say::line(&text);
            trouble.done.push(text);
        }
        Err(timed_out) => trouble.failed.push(timed_out.to_string()),
    }
    Ok(())
}

/// None of what it held is in its hands any more, and another worker has taken something over.
async fn taken_over(fleet: &Fleet, victim: usize, held: &Held) -> bool {
    if !fleet.held(victim).is_ok_and(|now| now.units.is_disjoint(&held.units)) {
        return false;
    }
    for (index, worker) in fleet.workers.iter().enumerate() {
        if index != victim
            && let Ok(metrics) = worker.metrics().await
            && metrics.get("phaseline_worker_batches_reclaimed_total") >= 1.0
        {
            return true;
        }
    }
    false
}

async fn kill_redis(stage: &mut Stage, trouble: &mut Trouble) -> anyhow::Result<()> {
    stage.fleet.kill_redis();
    let away = Duration::from_millis(stage.rng.random_range(REDIS_AWAY_MS));
    tokio::time::sleep(away).await;
    stage.fleet.restart_redis()?;
    let text = format!(
        "killed Redis (SIGKILL) and started it again on its files {:.1} s later",
        away.as_secs_f64()
    );
    say::line(&text);
    trouble.done.push(text);
    Ok(())
}

fn shown(held: &Held) -> String {
    let (batches, requests) = (held.batches(), held.requests.len());
    let s = |n: usize| if n == 1 { "" } else { "s" };
    let es = if batches == 1 { "" } else { "es" };
    format!("{batches} batch{es} and {requests} unsettled request id{}", s(requests))
}
