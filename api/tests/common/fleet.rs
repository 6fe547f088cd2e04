//! Jobs that are brought to any state by hand: what workers do, without workers.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::borrow::Cow;

use serde_json::json;
use shared::blob;
use shared::id::{JobId, PhaseId, TenantId, WorkerId};
use shared::job::TaskStatus;
use shared::job::outcome::{Origin, Outcome, Resource, TaskError};
use shared::job::task::TaskInput;
use shared::store::model::{BatchResult, Claim, Claimed, Completed, Durability, NewJob, PlanCommitted, Submitted};
use shared::store::{Partition, Read, Reader, Store};
use shared::workflow::{Definition, parse};

pub const P: Partition = Partition(0);

/// A definition of phases that follow one another: (id, executor) each.
pub fn definition(phases: &[(&str, &str)]) -> &'static Definition {
    let mut text = String::from("name: toy\nversion: 1\nphases:\n");
    let mut before = String::new();
    for (id, executor) in phases {
        text += &format!("  - {{id: {id}, name: {id}, executor: {executor}, dependencies: [{before}]}}\n");
        before = (*id).to_owned();
    }
    Box::leak(Box::new(parse::parse(&text).unwrap()))
}

pub fn new_job(tenant: &str, workflow: &'static Definition) -> NewJob {
    NewJob {
        id: JobId::generate(),
        tenant: tenant.parse().unwrap(),
        controller: 1,
        venue_id: "v-1".into(),
        workflow: Cow::Borrowed(workflow),
        options: json!({}),
        input_meta: json!({}),
        input_chunks: 0,
        expected_tasks: 1,
        timeout_seconds: 600,
        predicted_seconds: 10,
        failure_budget_percent: None,
        submitted_by: "test".into(),
        idempotency: None,
        require_confirmation: false,
        ttl_seconds: 3600,
        takes_up: None,
        plan_reads: None,
        pinned_to: None,
    }
}

/// One worker's hands.
pub struct Hands {
    pub store: Store,
    pub worker: WorkerId,
    reader: Reader,
    claims: u32,
}

impl Hands {
    pub async fn of(store: &Store) -> Self {
        let worker = WorkerId::generate();
        Hands {
            reader: store.reader(P, &worker).await.unwrap(),
            store: store.clone(),
            worker,
            claims: 0,
        }
    }

    pub async fn submit(&self, new: &NewJob) -> JobId {
        assert_eq!(
            self.store.submit(new).await.unwrap(),
            Submitted::Accepted(Durability::Accepted)
        );
        new.id
    }

    /// The next entry; why it is none, when nothing of it is left to be done.
    pub async fn take(&mut self) -> Result<Claim, &'static str> {
        let Read::Entry(entry) = self.reader.next().await.unwrap() else {
            panic!("nothing to read")
        };
        self.claims += 1;
        let token = format!("t.{}", self.claims);
        match self.store.claim(P, &self.worker, &token, &entry).await.unwrap() {
            Claimed::Work(claim) => Ok(*claim),
            Claimed::Nothing(why) => Err(why),
        }
    }

    pub async fn claim(&mut self) -> Claim {
        self.take().await.unwrap()
    }

    /// Writes a plan and, unless told otherwise, publishes it.
    pub async fn plan(&mut self, batches: &[Vec<TaskInput>], is_published: bool) {
        let claim = self.claim().await;
        assert!(claim.unit.is_plan());
        let (unit, token) = (&claim.unit, claim.token.as_str());
        for (first, part) in (0u32..).step_by(10).zip(batches.chunks(10)) {
            let numbered = (first..).zip(part);
            let blobs: Vec<_> = numbered
                .map(|(b, tasks)| (b, blob::pack(tasks).unwrap(), Vec::new()))
                .collect();
            self.store.plan_put(P, unit, token, &blobs).await.unwrap();
        }
        if is_published {
            let tasks = batches.iter().map(|b| b.len() as u64).sum();
            let size = batches.first().map_or(1, Vec::len) as u32;
            let count = batches.len() as u32;
            let done = self
                .store
                .plan_commit(P, unit, token, count, tasks, size, 1_000_000, None, false)
                .await;
            assert_eq!(done.unwrap(), PlanCommitted::Ok);
        }
    }

    /// Ends the next batch with an outcome for each task.
    pub async fn complete(&mut self, outcome: impl Fn(&TaskInput) -> Outcome) {
        self.complete_with(outcome, []).await;
    }

    /// The same, with numbers of resources.
    pub async fn complete_with<const N: usize>(
        &mut self,
        outcome: impl Fn(&TaskInput) -> Outcome,
        resources: [(&str, u64); N],
    ) {
        self.end(outcome, resources, None).await;
    }

    /// Gives the next batch up: all of it failed.
    pub async fn bury(&mut self) {
        self.end(failed, [], Some("workers kept crashing on it".into())).await;
    }

    async fn end<const N: usize>(
        &mut self,
        outcome: impl Fn(&TaskInput) -> Outcome,
        resources: [(&str, u64); N],
        dead_letter: Option<String>,
    ) {
        let claim = self.claim().await;
        assert!(!claim.unit.is_plan());
        let tasks: Vec<TaskInput> = blob::unpack(&claim.input).unwrap();
        let outcomes: Vec<Outcome> = tasks.iter().map(outcome).collect();
        let count = |status| outcomes.iter().filter(|o| o.status == status).count() as u64;
        let result = BatchResult {
            blob: blob::pack(&outcomes).unwrap(),
            done: count(TaskStatus::Completed),
            failed: count(TaskStatus::Failed),
            skipped: count(TaskStatus::Skipped),
            unknown: count(TaskStatus::Unknown),
            resources: resources.map(|(kind, n)| (kind.to_owned(), n)).into(),
            dead_letter,
            ..BatchResult::default()
        };
        let done = self
            .store
            .complete(P, &claim.unit, &claim.token, &result)
            .await
            .unwrap();
        assert!(matches!(done, Completed::Ok { .. }), "{done:?}");
    }
}

pub fn task(index: u32, name: &str, data: serde_json::Value) -> TaskInput {
    TaskInput {
        index,
        name: name.to_owned(),
        data,
        preset: None,
    }
}

/// A task whose object was made.
pub fn made(task: &TaskInput, kind: &str) -> Outcome {
    let resource = Resource {
        kind: kind.to_owned(),
        id: format!("{kind}-{}", task.index),
        name: task.name.clone(),
        origin: Origin::Created,
    };
    let mut outcome = Outcome::completed(task.index, Some(resource));
    (outcome.started_ms, outcome.ended_ms) = (Some(1_000), Some(2_500));
    outcome
}

pub fn failed(task: &TaskInput) -> Outcome {
    let mut outcome = Outcome::failed(task.index, TaskError::new("HTTP_400", "=refused"));
    (outcome.started_ms, outcome.ended_ms, outcome.retries) = (Some(1_000), Some(2_500), 2);
    outcome
}

pub fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub fn phase(name: &str) -> PhaseId {
    name.parse().unwrap()
}
