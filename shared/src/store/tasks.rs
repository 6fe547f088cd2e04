//! Reading tasks: a page at a time, put together from the batch's input, its checkpoints and its outcomes.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::inspect::reply;
use super::keys::Partition;
use super::model::{Page, TaskFilter, TaskView};
use super::{KnownJob, Store, StoreError};
use crate::blob;
use crate::id::{JobId, PhaseId, TaskId};
use crate::job::outcome::{Checkpoint, Origin, Outcome};
use crate::job::task::TaskInput;
use crate::job::{PhaseStatus, TaskStatus};
use crate::workflow::Definition;

/// Batches read for one page: a filter that matches nothing answers an empty page with a cursor instead of reading all.
const BATCHES_MAX: usize = 60;
/// Of these, in one round trip: without a filter two fill most pages.
const PAGE_CHUNK: u32 = 2;
const SCAN_CHUNK: u32 = 10;

/// Where a page begins: phase, batch, position in the batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct At {
    phase: usize,
    batch: u32,
    position: usize,
}

impl At {
    fn parse(s: &str) -> Option<Self> {
        let mut n = s.split('.').map(|x| x.parse::<u32>().ok());
        Some(At {
            phase: n.next()?? as usize,
            batch: n.next()??,
            position: n.next()?? as usize,
        })
    }
    fn to_text(self) -> String {
        format!("{}.{}.{}", self.phase, self.batch, self.position)
    }
    /// A page that ends here.
    fn page<T>(self, items: Vec<T>) -> Page<T> {
        let next = Some(self.to_text());
        Page { items, next }
    }
}

/// Batches of a phase, read in one go.
pub(super) struct Batches {
    /// In order, up to the first that is not there.
    pub tasks: Vec<Vec<TaskView>>,
    /// How many the phase has at least, by its own word; 0 when that is not known.
    pub total: u32,
}

impl Store {
    /// Tasks in the order of phases and rows. Of a job that has gone since it was known there are none.
    pub async fn tasks(
        &self,
        known: &KnownJob,
        filter: &TaskFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<TaskView>, StoreError> {
        let (job, definition) = (known.id, known.definition());
        let p = self.partition_of(&known.pinned.tenant);
        let mut at = cursor.and_then(At::parse).unwrap_or_default();
        let (mut items, mut read) = (Vec::new(), 0);
        let together = if filter.is_any() { PAGE_CHUNK } else { SCAN_CHUNK };
        let barren = self.without(p, job, definition, filter).await?;
        while let Some(phase) = definition.phases.get(at.phase) {
            let is_wanted = filter.phase.as_ref().is_none_or(|f| *f == phase.id);
            let found = match is_wanted && !barren.contains(&phase.id) {
                true => self.batches(p, job, &phase.id, at.batch, together).await?.tasks,
                false => Vec::new(),
            };
            let is_end = found.len() < together as usize;
            for tasks in found {
                read += 1;
                for (position, task) in tasks.into_iter().enumerate().skip(at.position) {
                    if items.len() >= limit {
                        at.position = position;
                        return Ok(at.page(items));
                    }
                    if filter.takes(&task) {
                        items.push(task);
                    }
                }
                at = At {
                    batch: at.batch + 1,
                    position: 0,
                    ..at
                };
                if read >= BATCHES_MAX {
                    return Ok(at.page(items));
                }
            }
            if is_end {
                at = At {
                    phase: at.phase + 1,
                    ..At::default()
                };
            }
        }
        Ok(Page { items, next: None })
    }

    /// Phases whose sums say that none of their tasks is in a wanted state: nothing of them has to be read. A task that has just ended is
    /// in the sums, and here, once its batch is committed.
    async fn without(
        &self,
        p: Partition,
        job: JobId,
        definition: &Definition,
        filter: &TaskFilter,
    ) -> Result<Vec<PhaseId>, StoreError> {
        let fields: Option<Vec<&str>> = filter.status.iter().map(|s| summed_as(*s)).collect();
        let Some(fields) = fields.filter(|fields| !fields.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut pipe = redis::pipe();
        for phase in &definition.phases {
            pipe.hmget(p.job_part(job, &format!("ph:{}", phase.id)), &fields);
        }
        let replies = self.replies(pipe).await?;
        let mut barren = Vec::new();
        for (phase, sums) in definition.phases.iter().zip(&replies) {
            let sums: Vec<Option<u64>> = reply(sums)?;
            if sums.into_iter().flatten().all(|n| n == 0) {
                barren.push(phase.id.clone());
            }
        }
        Ok(barren)
    }

    /// At most `count` batches of a phase, from `first` on. A phase whose plan is still being written has none: what is there of it may be
    /// thrown away and made anew.
    pub(super) async fn batches(
        &self,
        p: Partition,
        job: JobId,
        phase: &PhaseId,
        first: u32,
        count: u32,
    ) -> Result<Batches, StoreError> {
        let numbers: Vec<u32> = (first..first.saturating_add(count)).collect();
        self.numbered(p, job, phase, &numbers).await
    }

    /// Tasks by their places in the plan of a phase, from 0; those that are not there are left out. At most one round trip, which grows with
    /// the number of batches they are in.
    pub async fn tasks_at(
        &self,
        known: &KnownJob,
        phase: &PhaseId,
        places: &[u32],
    ) -> Result<Vec<TaskView>, StoreError> {
        let size = known.definition().phase(phase).map_or(1, |p| p.batch_size.max(1));
        let mut numbers: Vec<u32> = places.iter().map(|place| place / size).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let p = self.partition_of(&known.pinned.tenant);
        let found = self.numbered(p, known.id, phase, &numbers).await?.tasks;
        let batches: HashMap<u32, Vec<TaskView>> = numbers.into_iter().zip(found).collect();
        let at = |place: &u32| batches.get(&(place / size))?.get((place % size) as usize).cloned();
        Ok(places.iter().filter_map(at).collect())
    }

    /// These batches of a phase, up to the first that is not there.
    async fn numbered(
        &self,
        p: Partition,
        job: JobId,
        phase: &PhaseId,
        numbers: &[u32],
    ) -> Result<Batches, StoreError> {
        let part = |name: &str| p.job_part(job, &format!("{name}:{phase}"));
        let mut pipe = redis::pipe();
        pipe.hmget(part("ph"), &["st", "batches", "tasks"]);
        for name in ["in", "out", "b"] {
            pipe.hmget(part(name), numbers);
        }
        for batch in numbers {
            pipe.hgetall(part("ck") + &format!(":{batch}"));
        }
        let replies = self.replies(pipe).await?;
        let (head, checkpoints) = replies.split_at(replies.len().min(4));
        let [state, inputs, outcomes, records] = head else {
            return Err(StoreError::Corrupt(format!("{phase}: no answer")));
        };
        let [state, total, planned]: [Option<String>; 3] = reply(state)?;
        let total = total.and_then(|n| n.parse().ok()).unwrap_or(0);
        // of one that was cut short while it was planned there may be batches, and no plan
        let has_plan = planned.is_some() && !matches!(state.as_deref(), None | Some("PENDING" | "PLANNING"));
        if !has_plan {
            return Ok(Batches {
                tasks: Vec::new(),
                total: 0,
            });
        }
        let ended = !matches!(
            state.as_deref().and_then(PhaseStatus::parse),
            Some(PhaseStatus::Running) | None
        );
        let inputs: Vec<Option<Vec<u8>>> = reply(inputs)?;
        let outcomes: Vec<Option<Vec<u8>>> = reply(outcomes)?;
        let records: Vec<Option<String>> = reply(records)?;
        let mut stored = Vec::with_capacity(inputs.len());
        for (((input, out), record), checkpoints) in inputs.into_iter().zip(outcomes).zip(records).zip(checkpoints) {
            let Some(input) = input else { break };
            stored.push(Stored {
                input,
                out,
                checkpoints: reply(checkpoints)?,
                // a batch that was never released when its phase was cut short
                idle: match (ended, record) {
                    (true, _) => TaskStatus::Cancelled,
                    (false, Some(r)) if r.starts_with('R') => TaskStatus::InProgress,
                    _ => TaskStatus::Pending,
                },
            });
        }
        // milliseconds of work: not on a thread that others are served on
        let phase = phase.clone();
        let read = move || stored.into_iter().map(|s| s.tasks(job, &phase)).collect();
        let tasks: Result<_, StoreError> = tokio::task::spawn_blocking(read)
            .await
            .map_err(|e| StoreError::Corrupt(e.to_string()))?;
        Ok(Batches { tasks: tasks?, total })
    }
}

/// The field of a phase that counts tasks of a state; none: they are not counted, or also stand for batches that were never released.
fn summed_as(status: TaskStatus) -> Option<&'static str> {
    match status {
        TaskStatus::Completed => Some("done"),
        TaskStatus::Failed => Some("failed"),
        TaskStatus::Skipped => Some("skipped"),
        TaskStatus::Unknown => Some("unknown"),
        _ => None,
    }
}

/// A batch as it is stored.
struct Stored {
    input: Vec<u8>,
    out: Option<Vec<u8>>,
    checkpoints: HashMap<u32, String>,
    /// State of a task nothing is known of.
    idle: TaskStatus,
}

impl Stored {
    fn tasks(self, job: JobId, phase: &PhaseId) -> Result<Vec<TaskView>, StoreError> {
        let tasks: Vec<TaskInput> = blob::unpack(&self.input)?;
        let outcomes: Vec<Outcome> = self.out.map_or(Ok(Vec::new()), |b| blob::unpack(&b))?;
        let mut outcomes: HashMap<u32, Outcome> = outcomes.into_iter().map(|o| (o.index, o)).collect();
        let view = |t: TaskInput| {
            let known = outcomes.remove(&t.index);
            let checkpoint = self.checkpoints.get(&t.index).map(|c| Checkpoint::from_stored(c));
            let id = TaskId {
                job,
                phase: phase.clone(),
                index: t.index,
            };
            view(id, t, known, checkpoint, self.idle)
        };
        Ok(tasks.into_iter().map(view).collect())
    }
}

fn view(
    id: TaskId,
    t: TaskInput,
    known: Option<Outcome>,
    checkpoint: Option<Checkpoint>,
    idle: TaskStatus,
) -> TaskView {
    let mut v = TaskView {
        id: id.to_string(),
        phase: id.phase.clone(),
        index: id.index,
        name: t.name,
        status: idle,
        request_id: None,
        poll_count: 0,
        retry_count: 0,
        input_data: t.data,
        output_data: Json::Null,
        origin: None,
        error_code: None,
        error_message: None,
        started_ms: None,
        completed_ms: None,
    };
    match (known, checkpoint) {
        (Some(o), _) => settled(&mut v, o),
        (None, Some(Checkpoint::Done { outcome })) => settled(&mut v, *outcome),
        (None, Some(Checkpoint::Sent { attempt, started_ms })) => {
            (v.status, v.retry_count, v.started_ms) = (TaskStatus::InProgress, attempt, Some(started_ms));
        }
        (
            None,
            Some(Checkpoint::Accepted {
                request_id,
                attempt,
                started_ms,
                polls,
                ..
            }),
        ) => {
            (v.status, v.retry_count, v.started_ms) = (TaskStatus::Polling, attempt, Some(started_ms));
            (v.request_id, v.poll_count) = (Some(request_id), polls);
        }
        (
            None,
            Some(Checkpoint::Retry {
                attempt,
                last,
                started_ms,
                request_id,
                polls,
                ..
            }),
        ) => {
            (v.status, v.retry_count, v.started_ms) = (TaskStatus::InProgress, attempt, Some(started_ms));
            (v.request_id, v.poll_count) = (request_id, polls);
            (v.error_code, v.error_message) = (Some(last.code), Some(last.message));
        }
        (None, None) => {}
    }
    v
}

fn settled(v: &mut TaskView, o: Outcome) {
    v.status = o.status;
    (v.request_id, v.poll_count, v.retry_count) = (o.request_id, o.polls, o.retries);
    (v.started_ms, v.completed_ms) = (o.started_ms, o.ended_ms);
    if let Some(e) = o.error {
        (v.error_code, v.error_message) = (Some(e.code), Some(e.message));
    }
    if let Some(r) = o.resource {
        let origin = match r.origin {
            Origin::Created => "created",
            Origin::Adopted => "adopted",
            Origin::Updated => "updated",
            Origin::Deleted => "deleted",
        };
        v.origin = Some(r.origin);
        v.output_data = json!({ "type": r.kind, "id": r.id, "name": r.name, "origin": origin });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_nonsense_begins_anew() {
        let at = At {
            phase: 5,
            batch: 17,
            position: 99,
        };
        assert_eq!(At::parse(&at.to_text()), Some(at));
        for bad in ["", "1", "1.2", "a.b.c", "1.-2.3"] {
            assert_eq!(At::parse(bad), None, "{bad}");
        }
    }
}
