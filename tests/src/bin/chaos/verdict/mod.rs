//! What became of everything, by evidence from outside: the simulators' ledgers, what the API tells, what is left in Redis.

mod events;
mod rest;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use testkit::harness::{Fleet, wait_until};
use testkit::verify::rows::{Case, account};
use testkit::verify::{Options, verify_with};

use crate::import::{Job, Played};
use crate::steer::Steering;
use crate::world::World;
use tasks::{left_out, sums};

/// Tickers, pollers and reapers look round every few seconds, and what was lost is found after twice `LOCK_TTL`.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Everything that is counted, and everything that is wrong.
#[derive(Debug, Default)]
pub struct Verdict {
    pub imports: usize,
    pub jobs: usize,
    /// First jobs of an import that people came to in time, by what they did.
    pub steered: BTreeMap<Steering, usize>,
    /// By state.
    pub ended: BTreeMap<String, usize>,
    pub tasks: u64,
    pub keys: usize,
    pub keys_right: usize,
    /// Attempts beyond the first, as the tasks tell them.
    pub attempts: u64,
    pub failed: u64,
    pub unknown: u64,
    pub dead_letters: u64,
    /// Jobs that vanished or never ended; keys that were accepted and are not there.
    pub lost: Vec<String>,
    /// Objects twice, or made twice; two jobs for one request.
    pub duplicated: Vec<String>,
    /// Anything else that is not as it must be.
    pub wrong: Vec<String>,
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.lost.is_empty() && self.duplicated.is_empty() && self.wrong.is_empty()
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

pub async fn judge(fleet: &Fleet, world: &World, played: &[Played]) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict {
        imports: played.len(),
        ..Verdict::default()
    };
    for one in played {
        import(world, one, &mut verdict).await?;
    }
    redis(fleet, world, played, &mut verdict).await?;
    Ok(verdict)
}

async fn import(world: &World, played: &Played, verdict: &mut Verdict) -> anyhow::Result<()> {
    let import = &played.import;
    let name = format!("import {} at controller {}", import.number, import.controller.id);
    verdict.lost.extend(played.faults.iter().cloned());
    if let Some(steering) = played.steered {
        *verdict.steered.entry(steering).or_default() += 1;
    }
    for job in &played.jobs {
        one_job(world, played, job, verdict).await?;
    }
    let options = Options::read(&import.scene.options.clone().into());
    let ledger = import.ledger(world).await?;
    let there = verify_with(&import.export, &options, &ledger, import.made).map_err(anyhow::Error::msg)?;
    (verdict.keys, verdict.keys_right) = (
        verdict.keys + there.keys_expected,
        verdict.keys_right + there.keys_right,
    );
    let told = |fault: &String| format!("{name}: {fault}");
    // in fair weather at the latest everything has to arrive
    verdict.lost.extend(there.missing.iter().map(told));
    verdict.duplicated.extend(there.duplicates.iter().map(told));
    verdict
        .wrong
        .extend(there.different.iter().chain(&there.extra).map(told));
    let of_keys = |what: &str| -> u64 {
        let of = |job: &Job| number(&job.ended["summary"]["resources"]["passphrases"][what]);
        played.jobs.iter().map(of).sum()
    };
    let (created, deleted) = (of_keys("created"), of_keys("deleted"));
    let keys = number(&ledger["totals"]["passphrases"]);
    if created != keys + deleted {
        verdict.wrong.push(format!(
            "{name}: its jobs say that they created {created} keys and deleted {deleted}, and there are {keys}"
        ));
    }
    let counts = import.simulator(world).counts(&import.controller.remote_tenant).await?;
    if counts["duplicates"] != 0 {
        let twice = format!("{} {}", counts["existing_twice"], counts["refused"]);
        verdict
            .duplicated
            .push(format!("{name}: {} made twice: {twice}", counts["duplicates"]));
    }
    Ok(())
}

async fn one_job(world: &World, played: &Played, job: &Job, verdict: &mut Verdict) -> anyhow::Result<()> {
    let name = format!("import {}, job {} ({})", played.import.number, job.id, job.key);
    if let Some(other) = &job.other {
        verdict
            .duplicated
            .push(format!("{name}: its Idempotency-Key has another job, {other}"));
    }
    let now = match world.api.job(&job.id).await {
        Ok(now) => now,
        Err(e) => {
            verdict.lost.push(format!("{name}: {e:#}"));
            return Ok(());
        }
    };
    let tasks = world.api.tasks(&job.id).await?;
    verdict.jobs += 1;
    let status = now["status"].as_str().unwrap_or_default().to_owned();
    *verdict.ended.entry(status).or_default() += 1;
    verdict.tasks += number(&now["summary"]["total_tasks"]);
    verdict.failed += number(&now["summary"]["failed"]);
    verdict.unknown += number(&now["summary"]["unknown"]);
    verdict.attempts += tasks.iter().map(|task| number(&task["retry_count"])).sum::<u64>();
    if now["status"] != job.ended["status"] || now["summary"] != job.ended["summary"] {
        let (then, now) = (&job.ended["summary"], &now["summary"]);
        verdict
            .wrong
            .push(format!("{name}: it changed after it had ended: {then}, {now}"));
    }
    let mut faults: Vec<String> = sums(&now).into_iter().chain(left_out(&now, &tasks)).collect();
    if let Some(before) = &job.before {
        let case = Case {
            export: &played.import.export,
            options: &Options::read(&played.import.scene.options.clone().into()),
            submitted: job.submitted,
            job: &now,
            tasks: &tasks,
            before,
            after: &job.after,
        };
        faults.extend(account(&case).map_err(anyhow::Error::msg)?);
    }
    verdict
        .wrong
        .extend(faults.iter().map(|fault| format!("{name}: {fault}")));
    Ok(())
}

/// What Redis holds in the end.
async fn redis(fleet: &Fleet, world: &World, played: &[Played], verdict: &mut Verdict) -> anyhow::Result<()> {
    let settled = wait_until("Redis to be empty of work", SETTLE_TIMEOUT, async || {
        let mut redis = fleet.redis_connection().ok()?;
        rest::left(&mut redis).ok()?.is_empty().then_some(())
    });
    // what is left then is told below
    let _ = settled.await;
    let mut redis = fleet.redis_connection()?;
    verdict.wrong.extend(
        rest::left(&mut redis)?
            .iter()
            .map(|left| format!("left in Redis: {left}")),
    );
    verdict.wrong.extend(rest::ageless(&mut redis)?);
    verdict.dead_letters = rest::dead_letters(&mut redis)?;
    let played_to_the_end = |id: &String| played.iter().flat_map(|played| &played.jobs).any(|job| job.id == *id);
    let accepted = world.all_accepted();
    let unended = accepted.iter().filter(|(_, job)| !played_to_the_end(job));
    verdict
        .lost
        .extend(unended.map(|(key, job)| format!("job {job} ({key}) has not ended")));
    let known: BTreeSet<String> = accepted.into_iter().map(|(_, job)| job).collect();
    let there = rest::jobs(&mut redis)?;
    verdict.lost.extend(
        known
            .difference(&there)
            .map(|job| format!("job {job} is not in the index")),
    );
    let strangers = there
        .difference(&known)
        .map(|job| format!("job {job} was made for a request that has another"));
    verdict.duplicated.extend(strangers);
    let tenant = events::TenantLog::read(&mut redis)?;
    for job in played.iter().flat_map(|played| &played.jobs) {
        let gaps = events::gaps(&mut redis, &tenant, &job.id, &job.ended)?;
        let told = gaps.iter().map(|gap| format!("event log of job {}: {gap}", job.id));
        verdict.wrong.extend(told);
    }
    Ok(())
}
