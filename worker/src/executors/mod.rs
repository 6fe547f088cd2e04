//! What a phase does: an executor plans it into tasks and runs them one at a time. The engine does the rest.
//!
//! An executor makes at most one *write* per attempt of a task and tells what came of it. It never retries, never waits for an
//! activity, never writes to the store: the engine marks the intent before the write, stores the request id after it, polls,
//! retries, reads back and commits. That is what makes every executor safe against crashes in the same way.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use shared::id::{JobId, PhaseId};
use shared::job::audit::Stand;
use shared::job::outcome::{Outcome, TaskError};
use shared::job::task::TaskInput;
use shared::secret::SecretString;
use shared::store::{Family, Hold, JobSpec, StoreError, Writer};
use shared::workflow::plan::ONLY_PLANNED;

use crate::gate::{Gate, GateClosed, Permit};
use crate::remote::CallError;

pub mod clients;
pub mod cloudpath;
pub mod dry;
pub mod reads;

/// A task with its secret, as planned or as claimed.
#[derive(Debug, Clone)]
pub struct Task {
    pub input: TaskInput,
    pub secret: Option<SecretString>,
}

/// What an executor is told of the job and phase it works for.
#[derive(Clone)]
pub struct Context {
    pub spec: Arc<JobSpec>,
    pub phase: PhaseId,
    /// Where permits for reads come from; also says when to stop.
    pub gate: Arc<dyn Gate>,
    pub input: Arc<dyn JobData>,
}

/// The job's own data, read from the store as far as needed.
#[async_trait]
pub trait JobData: Send + Sync {
    /// A chunk of the staged input: rows' JSON (decompressed) and the secrets in the same order. None past the last one.
    async fn input_chunk(&self, chunk: u32) -> Result<Option<(Vec<u8>, Vec<Option<SecretString>>)>, StoreError>;
    /// `{<phase>: {state, tasks, done, …, facts}}`.
    async fn phases(&self) -> Result<Value, StoreError>;
    /// Shows all outcomes of an earlier phase, batch by batch in no particular order. One page is in memory at a time: 100,000 take 40 MB,
    /// of which `each` keeps what it needs.
    async fn outcomes(&self, phase: &PhaseId, each: &mut (dyn FnMut(Outcome) + Send)) -> Result<(), StoreError>;
    /// The tasks of a batch of another job of this tenant that have ended, with what they ended as. None past the last batch.
    async fn past_batch(&self, job: JobId, phase: &PhaseId, batch: u32) -> Result<Option<Vec<Past>>, StoreError>;
    /// Another job of this tenant, and where it stands now; none: it is not stored any more.
    async fn other_job(&self, job: JobId) -> Result<Option<(Arc<JobSpec>, Stand)>, StoreError>;
    /// Retries and cleanups of another job of this tenant, as they are stored now.
    async fn family(&self, job: JobId) -> Result<Family, StoreError>;
    /// All tasks of a batch of another job of this tenant, which may not have ended. None past the last batch, and of a phase without a
    /// plan.
    async fn standing_batch(
        &self,
        job: JobId,
        phase: &PhaseId,
        batch: u32,
    ) -> Result<Option<Vec<Standing>>, StoreError>;
}

/// A task of a job that has ended.
#[derive(Debug, Clone)]
pub struct Past {
    pub task: Task,
    pub outcome: Outcome,
}

/// A task of a job that may not have ended.
#[derive(Debug, Clone)]
pub struct Standing {
    pub task: Task,
    /// Absent: it has not ended.
    pub outcome: Option<Outcome>,
    /// Something of it was sent, or perhaps was.
    pub is_begun: bool,
}

/// Where a planner puts its tasks, in order. Batches fill up and are stored on the way; memory stays bounded.
#[async_trait]
pub trait TaskSink: Send {
    async fn push(&mut self, task: Task) -> Result<(), PlanError>;

    /// Names the phase may write ([`Executor::writes_name`], [`Executor::writes_throughout`]), before it looks what is there: no other job writes them until their
    /// tasks have ended. [`PlanError::NamesTaken`] when another job does now.
    async fn claim(&mut self, _names: Vec<String>) -> Result<(), PlanError> {
        Ok(())
    }
}

/// Why a phase could not be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The phase can't be done as asked: it ends `FAILED` with this.
    #[error("{}: {}", .0.code, .0.message)]
    Refused(TaskError),
    /// This build can't plan it, another may: the job is held with this reason.
    #[error("{0}")]
    Elsewhere(String),
    /// Another has what this one would, at least `name`: planned again when that has ended.
    #[error("another job has the same names")]
    NamesTaken { name: String, hold: Hold, by: Writer },
    /// Somebody else plans it now.
    #[error("the plan was taken over")]
    Lost,
}

impl From<GateClosed> for PlanError {
    fn from(e: GateClosed) -> Self {
        PlanError::Call(e.into())
    }
}

/// What came of one attempt's write.
#[derive(Debug)]
pub enum Sent {
    /// 202: to be polled.
    Accepted {
        request_id: String,
        resource_id: Option<String>,
    },
    /// Done at once.
    Done(Outcome),
    /// Taken, with nothing to ask after: it is looked for until it can be seen, and never sent again.
    Unconfirmed,
    Failed(CallError),
}

/// What reading back found of a task whose write may have been applied.
#[derive(Debug)]
pub enum Found {
    /// Not there.
    Absent,
    /// There, and still being made: it is looked for until it is whole, and never sent again.
    Unfinished,
    /// There; the outcome says whether it fits. Of a write that takes something away: it is gone.
    Present(Outcome),
    /// What the write should take away is still there. Sending it once more does no harm.
    Remains,
}

/// What follows from an activity that ended well.
#[derive(Debug)]
pub enum Settle {
    Done(Outcome),
    /// Only reading back tells (the id is not known, or the value has to be compared).
    ReadBack,
}

#[async_trait]
pub trait Executor: Send + Sync {
    /// The name definitions use.
    fn name(&self) -> &'static str;

    /// Turns the phase and what came before into tasks. May be run several times, by several workers; only the last plan counts.
    /// A task that needs nothing done carries its outcome as `preset`. Answers facts (≤ 4 KiB of JSON) for later phases.
    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError>;

    /// False: its tasks only read; [`Executor::read`] runs them, without intents and polling.
    fn writes(&self) -> bool {
        true
    }

    /// What the task's write makes, changes or takes, by a name that is the same in every job and unlike that of anything else on the
    /// controller. Planned only after it was claimed with [`TaskSink::claim`].
    fn writes_name(&self, _task: &Task) -> Option<String> {
        None
    }

    /// The same of a task whose write is about several of them.
    fn writes_names(&self, task: &Task) -> Vec<String> {
        self.writes_name(task).into_iter().collect()
    }

    /// What several tasks of the phase change, by names of the same kind: claimed as well, and kept until the phase has ended.
    fn writes_throughout(&self, _cx: &Context) -> Vec<String> {
        Vec::new()
    }

    /// What the job as a whole claims [`Executor::needs`] for. None: it needs nothing.
    fn hold(&self) -> Option<Hold> {
        None
    }

    /// Names of what the job builds on or takes away, the same in each of its phases: claimed all at once, before the first of them is
    /// planned, until the job has ended.
    async fn needs(&self, _cx: &Context) -> Result<Vec<String>, PlanError> {
        Ok(Vec::new())
    }

    /// How long after a write whose answer was lost what it has done is sure to be shown. It is not looked for before: taken for not
    /// done, it would be sent a second time.
    fn shown_within(&self) -> Duration {
        Duration::from_secs(2)
    }

    /// Whether a write that was refused with this HTTP status, if any, and code only waits for something else to end, such as the use of
    /// what it takes away. Like a lock it is waited out, and is no attempt.
    fn waits_out(&self) -> fn(Option<u16>, &str) -> bool {
        |_, _| false
    }

    /// What the write of a planned task would leave behind, if all went well. What it would make has [`dry::planned_id`] for an id.
    /// [`CallError::Rejected`]: the task can't be read.
    fn would(&self, _cx: &Context, task: &Task) -> Result<Outcome, CallError> {
        Ok(Outcome::completed(task.input.index, None))
    }

    /// One task of a phase that only reads. Facts (≤ 4 KiB) are kept with the batch.
    async fn read(&self, _cx: &Context, task: &Task) -> Result<(Outcome, Option<Value>), CallError> {
        Ok((Outcome::completed(task.input.index, None), None))
    }

    /// One write, with the permit given. The permit is reported by the client that makes the call.
    async fn send(&self, cx: &Context, task: &Task, permit: Permit) -> Sent;

    /// The activity of this task's write ended well.
    fn settled(&self, cx: &Context, task: &Task, resource_id: Option<&str>) -> Settle;

    /// Looks up tasks whose writes may have been applied, with as few calls as can be. `ours`: a write of ours may be what is
    /// found, so finding it equal means *created*; else it means *adopted*. One answer per task, in order.
    async fn read_back(&self, cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError>;
}

/// The executors of this build, by name. A list to be read, not a registry to be searched.
#[derive(Clone)]
pub struct Catalogue(Arc<Vec<Arc<dyn Executor>>>);

impl Catalogue {
    pub fn new(all: Vec<Arc<dyn Executor>>) -> Self {
        Catalogue(Arc::new(all))
    }

    /// Also by the name of one that only plans ([`ONLY_PLANNED`]).
    pub fn find(&self, name: &str) -> Option<Arc<dyn Executor>> {
        let named = |name: &str| self.0.iter().find(|e| e.name() == name).cloned();
        match name.strip_prefix(ONLY_PLANNED) {
            Some(name) => named(name).map(|of| Arc::new(reads::ReadsOnly(dry::Dry::new(of))) as Arc<dyn Executor>),
            None => named(name),
        }
    }
}

/// What this build can do.
pub fn catalogue(clients: &Arc<clients::Clients>) -> Catalogue {
    Catalogue::new(cloudpath::executors(clients))
}
