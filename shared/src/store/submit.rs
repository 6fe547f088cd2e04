//! Accepting a job, and how safe it is when that is told.

use std::time::{Duration, Instant};

use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use serde::Serialize;

use super::jobs::{hex, key_hash};
use super::keys::Partition;
use super::model::{NewJob, NotTakenUp, Submitted, TakesUp};
use super::scripts::{self, Args};
use super::{Store, StoreError, script_times};
use crate::config::SubmitDurability;
use crate::id::{JobId, Lane};
use crate::job::JobStatus;

/// What an accepted job has been seen to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The death of every process, that of Redis included.
    Accepted,
    /// That of the master as well, if the replica that takes its place is one that has it: so many as were asked for have it.
    Replicated,
    /// A crash of the master's machine: it is on its disk.
    Fsynced,
}

impl Store {
    /// Accepts the job: from here on it survives every process, ours and that of Redis. Safe to repeat after a lost reply.
    ///
    /// Where more is to be waited for and does not come in time, the job is accepted all the same, and the answer says what it is.
    pub async fn submit(&self, new: &NewJob) -> Result<Submitted, StoreError> {
        let p = self.partition_of(&new.tenant);
        let life = self.life(p);
        let answer = self.submit_once(p, new).await?;
        // also a replay: whoever was to hear of the first acceptance may never have
        self.secured(p, &life).await?;
        Ok(answer)
    }

    async fn submit_once(&self, p: Partition, new: &NewJob) -> Result<Submitted, StoreError> {
        let lane = Lane::new(&new.tenant, new.controller);
        let phases: Vec<_> = new
            .workflow
            .phases
            .iter()
            .map(|ph| {
                serde_json::json!({ "id": ph.id, "deps": ph.dependencies, "crit": ph.critical, "seq": !ph.parallelizable })
            })
            .collect();
        let (key, hash) = match &new.idempotency {
            Some((key, hash)) => (key_hash(key), hex(hash)),
            None => (String::new(), String::new()),
        };
        let mut args = Args::new()
            .with(new.id.to_string())
            .with(new.tenant.as_str())
            .with(lane.as_str())
            .with(key)
            .with(hash)
            .with(serde_json::json!({ "phases": phases }).to_string())
            .with(new.input_chunks)
            .with(new.first_status().as_str())
            .with(taken_up(new));
        let fields = [
            ("ctl", new.controller.to_string()),
            ("venue", new.venue_id.clone()),
            ("wf", new.workflow.name.clone()),
            ("wfv", new.workflow.version.to_string()),
            ("def", serde_json::to_string(&*new.workflow)?),
            ("options", new.options.to_string()),
            ("input", new.input_meta.to_string()),
            ("chunks", new.input_chunks.to_string()),
            ("expected", new.expected_tasks.to_string()),
            ("budget_s", new.timeout_seconds.to_string()),
            ("predicted", new.predicted_seconds.to_string()),
            (
                "fbudget",
                new.failure_budget_percent.map(|b| b.to_string()).unwrap_or_default(),
            ),
            ("by", new.submitted_by.clone()),
            ("ttl", new.ttl_seconds.to_string()),
        ];
        let pinned = new.pinned_to.as_ref();
        let only_some = [
            ("plan", new.plan_reads.map(|reads| reads.to_string())),
            ("check", pinned.map(|plan| plan.by.to_string())),
            ("phash", pinned.map(|plan| plan.hash.clone())),
            (
                "ask",
                (pinned.is_some() && new.require_confirmation).then(|| "1".to_owned()),
            ),
        ];
        let only_some = only_some.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in fields.into_iter().chain(only_some) {
            args.push(name);
            args.push(value);
        }
        let (reply, reached) = self.submit_script(p, args).await?;
        let id = || {
            reply
                .get(1)
                .and_then(|s| s.parse::<JobId>().ok())
                .ok_or_else(|| StoreError::Corrupt("submit: no job id".into()))
        };
        let status = || {
            reply
                .get(1)
                .and_then(|s| JobStatus::parse(s))
                .ok_or_else(|| StoreError::Corrupt(format!("submit answered {reply:?}")))
        };
        match reply.first().map(String::as_str) {
            Some("OK") => Ok(Submitted::Accepted(reached)),
            // our own id: the first call's reply was lost, and with it the connection whose writes could be waited for
            Some("EXISTS") if id()? == new.id => Ok(Submitted::Accepted(Durability::Accepted)),
            Some("EXISTS") => Ok(Submitted::Replay(id()?)),
            Some("REUSED") => Ok(Submitted::KeyReused),
            Some("GONE") => Ok(Submitted::NotTakenUp(NotTakenUp::NotFound)),
            Some("REFUSED") => Ok(Submitted::NotTakenUp(NotTakenUp::Refused(status()?))),
            Some("RETRIED") => Ok(Submitted::NotTakenUp(NotTakenUp::Retrying(id()?))),
            Some("CLEANED") => Ok(Submitted::NotTakenUp(NotTakenUp::Cleaning(id()?))),
            Some("NOINPUT") => Err(StoreError::Unavailable {
                reason: "the staged input is not whole (Redis lost it, or the upload took over an hour)".into(),
                timeout: false,
                stale: false,
            }),
            other => Err(StoreError::Corrupt(format!("submit answered {other:?}"))),
        }
    }

    /// The script's reply, and what it can be told to survive. Replicas are counted by connection, so who waits has one to itself.
    async fn submit_script(&self, p: Partition, args: Args) -> Result<(Vec<String>, Durability), StoreError> {
        let (wait, within) = match self.durability {
            SubmitDurability::Fsynced { .. } if self.syncs_always() => {
                let reply = scripts::on_partition(&self.redis, p, &scripts::SUBMIT, args).await?;
                return Ok((reply, Durability::Fsynced));
            }
            SubmitDurability::Accepted => {
                let reply = scripts::on_partition(&self.redis, p, &scripts::SUBMIT, args).await?;
                return Ok((reply, Durability::Accepted));
            }
            SubmitDurability::Replicated { replicas, within } => (Wait::Replicas(replicas), within),
            SubmitDurability::Fsynced { within } => (Wait::Disk, within),
        };
        let (began, key) = (Instant::now(), p.prefix());
        // kept apart from the wait: should that fail, the job is accepted, and the connection is as broken as any that failed
        let mut answer: Option<Vec<String>> = None;
        let heard = &mut answer;
        let reached = self
            .redis
            .alone(p, within, |mut c| async move {
                let reply = heard.insert(scripts::invoke(&scripts::SUBMIT, &key, &args, &mut c).await?);
                match reply.first().map(String::as_str) {
                    Some("OK") => wait.reached(&mut c, within).await,
                    // nothing was written that could be waited for
                    _ => Ok(Durability::Accepted),
                }
            })
            .await;
        let (reply, reached) = match (answer, reached) {
            (Some(reply), reached) => (reply, reached),
            (None, Err(e)) => return Err(e),
            (None, Ok(_)) => return Err(StoreError::Corrupt("submit: no answer".into())),
        };
        script_times::took(self.redis.script_times(), scripts::SUBMIT.name, began.elapsed());
        let is_new = reply.first().is_some_and(|answer| answer == "OK");
        let reached = match reached {
            Ok(Durability::Accepted) if is_new => {
                tracing::warn!(?wait, within = ?within, "a job was accepted, and not seen to be as safe as SUBMIT_DURABILITY asks for in that time");
                Durability::Accepted
            }
            Ok(reached) => reached,
            Err(e) => {
                tracing::warn!(error = %e, "how safe an accepted job is can't be told");
                Durability::Accepted
            }
        };
        Ok((reply, reached))
    }
}

#[derive(Debug, Clone, Copy)]
enum Wait {
    Replicas(u32),
    Disk,
}

impl Wait {
    async fn reached(self, c: &mut MultiplexedConnection, within: Duration) -> RedisResult<Durability> {
        // 0 would be without an end
        let ms = within.as_millis().max(1) as u64;
        let (is_reached, goal) = match self {
            Wait::Replicas(wanted) => {
                let have: u32 = redis::cmd("WAIT").arg(wanted).arg(ms).query_async(c).await?;
                (have >= wanted, Durability::Replicated)
            }
            Wait::Disk => {
                let mut wait = redis::cmd("WAITAOF");
                let have: (u32, u32) = wait.arg(1).arg(0).arg(ms).query_async(c).await?;
                (have.0 >= 1, Durability::Fsynced)
            }
        };
        Ok(if is_reached { goal } else { Durability::Accepted })
    }
}

/// The job it takes up, as the script is told. A cleanup that only plans leaves no mark on it.
fn taken_up(new: &NewJob) -> String {
    match new.takes_up {
        None => String::new(),
        Some(TakesUp::Retry(job)) => job.to_string(),
        Some(TakesUp::Cleanup(job)) if new.workflow.is_plan() => format!("look|{job}"),
        Some(TakesUp::Cleanup(job)) => format!("clean|{job}"),
        Some(TakesUp::Audit(job)) => format!("audit|{job}"),
    }
}
