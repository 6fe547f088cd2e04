//! What an operator does by hand: look at single units, take one away from its worker, have a worker stop.

use std::collections::BTreeMap;

use redis::Value;
use serde::Serialize;

use super::inspect::reply;
use super::keys::{GROUP, Partition};
use super::scripts::{self, Args};
use super::{Store, StoreError};
use crate::id::{JobId, PhaseId, Unit, WorkerId};

/// Units of a job that are listed at most.
pub const LISTED_MAX: usize = 200;

/// A batch (or, as -1, the plan of a phase) that has been released and has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitView {
    pub phase: PhaseId,
    pub batch: i64,
    pub state: UnitState,
    /// Tasks in it; a plan counts as one.
    pub tasks: u64,
    /// How often it was claimed, and how often in a row a worker left it unfinished. More than four: it is given up.
    pub claims: u64,
    pub crashes: u64,
    /// In the work stream; none: it waits elsewhere.
    pub entry: Option<String>,
    /// Who has it, and since when it has not shown that it still works on it.
    pub worker: Option<String>,
    pub idle_ms: Option<u64>,
    /// Of a parked one: when it is due, milliseconds since the epoch; none: when its activities end, or its job goes on.
    pub due_ms: Option<u64>,
    /// What is remembered of its tasks, counted.
    pub checkpoints: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnitState {
    Queued,
    /// In a worker's hands.
    Claimed,
    /// Waits for activities, for a retry, or until its job goes on.
    Parked,
}

impl Store {
    /// Where a job lies. None: there is none in any partition.
    pub async fn partition_of_job(&self, job: JobId) -> Result<Option<Partition>, StoreError> {
        Ok(self.tenant_of(job).await?.map(|tenant| self.partition_of(&tenant)))
    }

    /// Units of a job that have been released and have not ended, by phase and batch: the first [`LISTED_MAX`], and how many there are.
    pub async fn units(&self, p: Partition, job: JobId) -> Result<(Vec<UnitView>, usize), StoreError> {
        let Some(pinned) = self.pinned(p, job).await? else {
            return Ok((Vec::new(), 0));
        };
        let mut pipe = redis::pipe();
        for phase in &pinned.definition.phases {
            pipe.hgetall(p.job_part(job, &format!("b:{}", phase.id)));
        }
        let mut found = Vec::new();
        for (phase, records) in pinned.definition.phases.iter().zip(self.replies(pipe).await?) {
            let records: BTreeMap<String, String> = reply(&records)?;
            let mut of_phase: Vec<(i64, String)> = (records.into_iter())
                .filter_map(|(batch, record)| Some((batch.parse().ok()?, record)))
                .collect();
            of_phase.sort_by_key(|(batch, _)| *batch);
            found.extend(
                of_phase
                    .into_iter()
                    .map(|(batch, record)| (phase.id.clone(), batch, record)),
            );
        }
        let total = found.len();
        if found.is_empty() {
            return Ok((Vec::new(), 0));
        }
        found.truncate(LISTED_MAX);
        let mut pipe = redis::pipe();
        for (phase, batch, record) in &found {
            let entry = record
                .split('|')
                .nth(2)
                .filter(|entry| !entry.is_empty())
                .unwrap_or("0-0");
            pipe.cmd("XPENDING")
                .arg(p.key("work"))
                .arg(GROUP)
                .arg(entry)
                .arg(entry)
                .arg(1);
            pipe.zscore(p.key("delayed"), format!("{job}|{phase}|{batch}"));
            pipe.hvals(p.job_part(job, &format!("ck:{phase}:{batch}")));
        }
        let replies = self.replies(pipe).await?;
        let views = found.into_iter().zip(replies.chunks_exact(3));
        let views: Result<Vec<_>, _> = views
            .map(|((phase, batch, record), told)| view(phase, batch, &record, told))
            .collect();
        Ok((views?, total))
    }

    /// Takes a unit away from whoever has it, or out of its waiting. The state it was in; none: it has not been released, or is done.
    pub async fn requeue(&self, p: Partition, unit: &Unit) -> Result<Option<UnitState>, StoreError> {
        let args = Args::new()
            .with(unit.job.to_string())
            .with(unit.phase.as_str())
            .with(unit.batch);
        let reply: Vec<String> = scripts::on_partition(&self.redis, p, &scripts::REQUEUE, args).await?;
        Ok(reply.get(1).map(|state| UnitState::of(state)))
    }

    /// Asks a worker to stop as on SIGTERM. False: none of this name has shown itself lately.
    pub async fn drain_worker(&self, worker: &WorkerId) -> Result<bool, StoreError> {
        let mut asked = false;
        for p in self.partitions() {
            let args = Args::new().with(worker.as_str());
            asked |= scripts::on_partition::<u64>(&self.redis, p, &scripts::DRAIN, args).await? == 1;
        }
        Ok(asked)
    }
}

impl UnitState {
    fn of(letter: &str) -> Self {
        match letter {
            "R" => Self::Claimed,
            "W" => Self::Parked,
            _ => Self::Queued,
        }
    }
}

/// One unit, from its record `state|token|entry|claims|crashes|weight` and what is pending, due and remembered of it.
fn view(phase: PhaseId, batch: i64, record: &str, told: &[Value]) -> Result<UnitView, StoreError> {
    let [state, _, entry, claims, crashes, tasks] = record.split('|').collect::<Vec<_>>()[..] else {
        return Err(StoreError::Corrupt(format!(
            "{phase}, batch {batch}: record {record:?}"
        )));
    };
    let [pending, due, checkpoints] = told else {
        return Err(StoreError::Corrupt(format!("{phase}, batch {batch}: no answer")));
    };
    let number = |text: &str| text.parse().unwrap_or(0);
    let pending: Vec<(String, String, u64, u64)> = reply(pending)?;
    let owner = pending.into_iter().next();
    let due: Option<f64> = reply(due)?;
    let mut counted = BTreeMap::new();
    for checkpoint in reply::<Vec<String>>(checkpoints)? {
        let what = match serde_json::from_str::<serde_json::Value>(&checkpoint).unwrap_or_default()["s"].as_str() {
            Some("S") => "about_to_be_sent",
            Some("A") => "accepted",
            Some("R") => "to_be_tried_again",
            Some("D") => "done",
            _ => "other",
        };
        *counted.entry(what).or_insert(0) += 1;
    }
    Ok(UnitView {
        phase,
        batch,
        state: UnitState::of(state),
        tasks: number(tasks),
        claims: number(claims),
        crashes: number(crashes),
        entry: Some(entry.to_owned()).filter(|entry| !entry.is_empty()),
        worker: owner.as_ref().map(|(_, worker, ..)| worker.clone()),
        idle_ms: owner.map(|(_, _, idle_ms, _)| idle_ms),
        due_ms: due.map(|ms| ms as u64),
        checkpoints: counted,
    })
}
