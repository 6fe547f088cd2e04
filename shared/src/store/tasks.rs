//! Reading tasks: a page at a time, put together from the batch's input, its checkpoints and its outcomes.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::keys::Partition;
use super::model::{Page, TaskFilter, TaskView};
use super::{Store, StoreError};
use crate::blob;
use crate::id::{JobId, PhaseId, TaskId, TenantId};
use crate::job::outcome::{Checkpoint, Origin, Outcome};
use crate::job::task::TaskInput;
use crate::job::{PhaseStatus, TaskStatus};

/// Batches read for one page: a filter that matches nothing answers an empty page with a cursor instead of reading all.
const BATCHES_MAX: usize = 60;

/// Where a page begins: phase, batch, position in the batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct At {
    phase: usize,
    batch: i64,
    position: usize,
}

impl At {
    fn parse(s: &str) -> Option<Self> {
        let mut n = s.split('.').map(|x| x.parse::<u32>().ok());
        Some(At {
            phase: n.next()?? as usize,
            batch: i64::from(n.next()??),
            position: n.next()?? as usize,
        })
    }
    fn to_text(self) -> String {
        format!("{}.{}.{}", self.phase, self.batch, self.position)
    }
}

impl Store {
    /// Tasks in the order of phases and rows. None: no such job of this tenant.
    pub async fn tasks(
        &self,
        tenant: &TenantId,
        job: JobId,
        filter: &TaskFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Option<Page<TaskView>>, StoreError> {
        let p = self.partition_of(tenant);
        let Some(definition) = self.definition(tenant, job).await? else {
            return Ok(None);
        };
        let mut at = cursor.and_then(At::parse).unwrap_or_default();
        let (mut items, mut read) = (Vec::new(), 0);
        while let Some(phase) = definition.phases.get(at.phase) {
            if filter.phase.as_ref().is_some_and(|f| *f != phase.id) {
                at = At {
                    phase: at.phase + 1,
                    ..At::default()
                };
                continue;
            }
            let Some(tasks) = self.batch_tasks(p, job, &phase.id, at.batch).await? else {
                at = At {
                    phase: at.phase + 1,
                    ..At::default()
                };
                continue;
            };
            read += 1;
            for (position, task) in tasks.into_iter().enumerate().skip(at.position) {
                if items.len() >= limit {
                    at.position = position;
                    return Ok(Some(Page {
                        items,
                        next: Some(at.to_text()),
                    }));
                }
                if filter.status.is_none_or(|s| s == task.status) {
                    items.push(task);
                }
            }
            at = At {
                batch: at.batch + 1,
                position: 0,
                ..at
            };
            if read >= BATCHES_MAX {
                return Ok(Some(Page {
                    items,
                    next: Some(at.to_text()),
                }));
            }
        }
        Ok(Some(Page { items, next: None }))
    }

    /// The tasks of a batch; none when the phase has no such batch.
    async fn batch_tasks(
        &self,
        p: Partition,
        job: JobId,
        phase: &PhaseId,
        batch: i64,
    ) -> Result<Option<Vec<TaskView>>, StoreError> {
        let (input, out) = (
            p.job_part(job, &format!("in:{phase}")),
            p.job_part(job, &format!("out:{phase}")),
        );
        let (ck, rec) = (
            p.job_part(job, &format!("ck:{phase}:{batch}")),
            p.job_part(job, &format!("b:{phase}")),
        );
        let ph = p.job_part(job, &format!("ph:{phase}"));
        type Row = (
            Option<Vec<u8>>,
            Option<Vec<u8>>,
            HashMap<u32, String>,
            Option<String>,
            Option<String>,
        );
        let (input, out, checkpoints, record, state): Row = self
            .redis
            .run(|mut c| async move {
                redis::pipe()
                    .hget(input, batch)
                    .hget(out, batch)
                    .hgetall(ck)
                    .hget(rec, batch)
                    .hget(ph, "st")
                    .query_async(&mut c)
                    .await
            })
            .await?;
        let Some(input) = input else { return Ok(None) };
        let tasks: Vec<TaskInput> = blob::unpack(&input)?;
        let outcomes: HashMap<u32, Outcome> = match out {
            Some(b) => blob::unpack::<Vec<Outcome>>(&b)?
                .into_iter()
                .map(|o| (o.index, o))
                .collect(),
            None => HashMap::new(),
        };
        let ended = !matches!(
            state.as_deref().and_then(PhaseStatus::parse),
            Some(PhaseStatus::Pending | PhaseStatus::Running) | None
        );
        // a batch that was never released when its phase was cut short
        let idle = match (ended, record) {
            (true, _) => TaskStatus::Cancelled,
            (false, Some(r)) if r.starts_with('R') => TaskStatus::InProgress,
            _ => TaskStatus::Pending,
        };
        let view = |t: TaskInput| {
            let known = outcomes.get(&t.index).cloned();
            let checkpoint = checkpoints.get(&t.index).map(|c| Checkpoint::from_stored(c));
            view(
                TaskId {
                    job,
                    phase: phase.clone(),
                    index: t.index,
                },
                t,
                known,
                checkpoint,
                idle,
            )
        };
        Ok(Some(tasks.into_iter().map(view).collect()))
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
        };
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
