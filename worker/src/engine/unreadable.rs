//! A batch that can't be run by this worker: its job is held with the reason, so that nothing is burnt. Where the job is being cut short
//! there is nothing to hold, and the batch is ended.

use serde::{Deserialize, Serialize};
use shared::blob;
use shared::job::TaskStatus;
use shared::job::outcome::{Outcome, TaskError};
use shared::job::retry::RetryPolicy;
use shared::job::task::TaskInput;
use shared::store::model::{Claim, Steered};
use shared::store::{JobSpec, StoreError};

use super::active::Held;
use super::batch::{Batch, Mode, State};
use super::committer;
use super::core::{Core, now_ms, persist};
use crate::executors::Task;

/// Before another try of a unit that could not be run here. Milliseconds; at most two seconds where the job is cut short.
const WAIT_MS: u64 = 10_000;
/// Claims in a row that could not run a cut batch of which something was sent, before it is ended as it is: for minutes a worker that
/// has what is missing here (a key, a controller, an executor) may still settle it.
const CLAIMS_MAX: u32 = 100;
/// Field of a batch's checkpoints that holds an [`Unread`]: no task has this index.
const UNREAD: u32 = u32::MAX;

/// How often in a row a cut batch could not be run. Persisted while it is not ended: fields are only ever added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Unread {
    /// The batch's claims, when it was last found so.
    claims: u32,
    /// Of these, the last ones in a row.
    row: u32,
}

impl Unread {
    /// With this claim. One that did not find it so in between, a worker that could run it, say, lets it begin anew.
    fn with(claim: &Claim) -> Self {
        let stored = claim.checkpoints.iter().find(|(field, _)| *field == UNREAD);
        let before: Option<Unread> = stored.and_then(|(_, text)| serde_json::from_str(text).ok());
        let row = match before {
            Some(before) if before.claims.saturating_add(1) == claim.claims => before.row,
            _ => 0,
        };
        Unread {
            claims: claim.claims,
            row: row.saturating_add(1),
        }
    }

    fn checkpoint(&self) -> Result<(u32, String), StoreError> {
        Ok((UNREAD, serde_json::to_string(self)?))
    }
}

/// Sees to it, as far as the store can be reached; else it is taken over when the lease has run out.
pub async fn see_to(core: &Core, held: &Held, claim: &Claim, why: &str) -> Result<(), StoreError> {
    tracing::error!(unit = %held.unit, why, "the batch can't be run here");
    let Some(spec) = core.spec(held.partition, held.unit.job).await? else {
        return Ok(());
    };
    let mut notes = Vec::new();
    let is_cut = Mode::of(*held.flag.borrow(), 0, 1) == Mode::Cut;
    if is_cut && !held.unit.is_plan() {
        let tasks = tasks(core, &spec, claim).await?;
        let batch = cut(tasks, claim);
        let unread = Unread::with(claim);
        if batch.all_done() || unread.row >= CLAIMS_MAX {
            return end(core, held, batch, why).await;
        }
        notes.push(unread.checkpoint()?);
    }
    let paused = core.store.pause(&spec.tenant, held.unit.job, why).await?;
    // a job that is being cut short can't be paused: looked at again by whoever can run it, without haste
    let delay = match paused {
        Steered::Done(_) | Steered::Already(_) => None,
        _ => Some(WAIT_MS),
    };
    let store = &core.store;
    store
        .park(held.partition, &held.unit, &held.token, delay, 1, &notes)
        .await?;
    Ok(())
}

/// The batch's tasks without their secrets; made up from its place in the phase when they can't be read.
async fn tasks(core: &Core, spec: &JobSpec, claim: &Claim) -> Result<Vec<Task>, StoreError> {
    let inputs: Vec<TaskInput> = match blob::unpack(&claim.input) {
        Ok(inputs) => inputs,
        Err(_) => {
            let phase = &claim.unit.phase;
            let all = core.store.phase_results(spec).await?[phase.as_str()]["tasks"].as_u64();
            let size = spec.definition.phase(phase).map_or(1, |p| u64::from(p.batch_size));
            let first = claim.unit.batch.unsigned_abs() * size;
            let indices = first..all.unwrap_or(0).min(first + size);
            let input = |index: u64| TaskInput {
                index: index as u32,
                name: String::new(),
                data: serde_json::Value::Null,
                preset: None,
            };
            indices.map(input).collect()
        }
    };
    Ok(inputs.into_iter().map(|input| Task { input, secret: None }).collect())
}

/// What was never sent is cancelled.
fn cut(tasks: Vec<Task>, claim: &Claim) -> Batch {
    let never_again = RetryPolicy {
        max_retries: 0,
        backoff_seconds: 0.0,
    };
    let mut batch = Batch::new(tasks, &claim.checkpoints, never_again, u64::MAX, 0);
    batch.settle(Mode::Cut, now_ms());
    batch
}

/// Commits it as it stands: of what was sent nobody can tell.
async fn end(core: &Core, held: &Held, batch: Batch, why: &str) -> Result<(), StoreError> {
    let outcomes = batch.tasks.iter().zip(batch.states).map(|(task, state)| {
        let request_id = match state {
            State::Done(outcome) => return *outcome,
            State::Pending { request_id, .. } => Some(request_id),
            State::Waiting { request_id, .. } | State::Uncertain { request_id, .. } => request_id,
            State::Todo(_) | State::InFlight(_) => None,
        };
        let message = format!("it was sent, and what became of it can't be found out: {why}");
        Outcome {
            error: Some(TaskError::new("UNREADABLE", message)),
            request_id,
            ended_ms: Some(now_ms()),
            ..Outcome::new(task.input.index, TaskStatus::Unknown)
        }
    });
    let names = batch.tasks.iter().map(|t| (t.input.index, t.input.name.as_str()));
    let mut result = committer::result(outcomes.collect(), held.unit.phase.as_str(), &names.collect())?;
    result.dead_letter = Some(why.to_owned());
    let (store, p) = (&core.store, held.partition);
    persist!(
        core,
        "complete",
        held.lost,
        store.complete(p, &held.unit, &held.token, &result)
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::job::outcome::Checkpoint;

    fn claim() -> Claim {
        Claim {
            unit: shared::id::Unit {
                job: shared::id::JobId::generate(),
                phase: "a".parse().unwrap(),
                batch: 0,
            },
            token: String::new(),
            lane: shared::id::Lane::from("acme|1".to_owned()),
            claims: 1,
            crashes: 0,
            flag: shared::store::model::Flag::Cancelled,
            input: Vec::new(),
            secrets: Vec::new(),
            checkpoints: Vec::new(),
            life: shared::store::Life::default(),
            by_idle_time: false,
        }
    }

    /// A batch that waited long and then lands on a worker that can't run it.
    #[test]
    fn only_claims_in_a_row_that_could_not_run_it_are_counted() {
        let mut claim = claim();
        let mut found = |claims: u32| {
            claim.claims = claims;
            let unread = Unread::with(&claim);
            claim.checkpoints = vec![unread.checkpoint().unwrap()];
            unread.row
        };
        assert_eq!([200, 201, 202].map(&mut found), [1, 2, 3]);
        assert_eq!([204, 205].map(&mut found), [1, 2], "somebody could run it in between");
        assert_eq!((206..=303).map(found).last(), Some(CLAIMS_MAX));
    }

    /// Checkpoints outlive deploys: this line must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let line = r#"{"claims":205,"row":2}"#;
        let read: Unread = serde_json::from_str(line).unwrap();
        assert_eq!(read, Unread { claims: 205, row: 2 });
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }

    /// Also one that an older worker has.
    #[test]
    fn the_note_is_of_no_task() {
        let mut claim = claim();
        claim.checkpoints = vec![Unread::with(&claim).checkpoint().unwrap()];
        let input = TaskInput {
            index: 3,
            name: String::new(),
            data: serde_json::Value::Null,
            preset: None,
        };
        assert!(cut(vec![Task { input, secret: None }], &claim).all_done());
    }

    #[test]
    fn what_was_sent_stays_open_and_the_rest_is_cancelled() {
        let task = |index| Task {
            input: TaskInput {
                index,
                name: String::new(),
                data: serde_json::Value::Null,
                preset: None,
            },
            secret: None,
        };
        let sent = Checkpoint::Sent {
            attempt: 0,
            started_ms: 1,
        };
        let mut claim = claim();
        assert!(cut(vec![task(3), task(4)], &claim).all_done());
        claim.checkpoints = vec![(4, serde_json::to_string(&sent).unwrap())];
        let batch = cut(vec![task(3), task(4)], &claim);
        assert!(!batch.all_done());
        assert!(matches!(&batch.states[0], State::Done(o) if o.status == TaskStatus::Cancelled));
    }
}
