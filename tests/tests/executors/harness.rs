//! A job in memory and a small engine that runs its phases: plan, then for each task send, wait for the activity, settle, read back.

#[path = "memory.rs"]
mod memory;
#[path = "sink.rs"]
mod sink;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::cloudpath::{self, RowScope, parse_request};
use shared::controllers::ControllersFile;
use shared::id::JobId;
use shared::job::TaskStatus;
use shared::job::outcome::{Outcome, TaskError};
use shared::store::{JobSpec, Partition};
use shared::workflow::catalog;
use testkit::sim::{Handle, Settings, Simulator};
use worker::executors::clients::Clients;
use worker::executors::{Catalogue, Context, Executor, Found, PlanError, Sent, Settle, Task, catalogue};
use worker::gate::{Gate, OpenGate, Permit};
use worker::r1::R1;
use worker::r1::activity::ActivityState;
use worker::remote::CallError;

use self::memory::Memory;
use self::sink::{Sink, written};

pub const TENANT: &str = "t1";
/// Of a whole import, in the order in which they are run here.
pub const PHASES: [&str; 8] = [
    "parse_validate",
    "create_identity_groups",
    "create_dpsk_pools",
    "create_policy_sets",
    "attach_policies",
    "create_passphrases",
    "activate_networks",
    "audit_results",
];
/// Rows in a chunk of the staged input: few, so that every job has several chunks.
const CHUNK_ROWS: usize = 7;
/// Sends of one task, at most.
const ATTEMPTS: u32 = 3;
/// The longest pause before a task is tried again.
const PAUSE: Duration = Duration::from_millis(300);
/// Longer than any activity of the quick simulator.
const PATIENCE: Duration = Duration::from_secs(5);

/// A simulator and what speaks to it.
pub struct World {
    pub sim: Handle,
    pub clients: Arc<Clients>,
    catalogue: Catalogue,
    _folder: tempfile::TempDir,
}

impl World {
    pub fn start() -> Self {
        Self::with(Settings::quick())
    }

    pub fn with(settings: Settings) -> Self {
        let sim = Simulator::start(settings).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controllers.toml");
        let (base, token) = (&sim.base_url, sim.token_url(TENANT));
        let text = format!(
            "[[controllers]]\nid = 1\nname = \"sim\"\ntenants = [\"acme\"]\nbase_url = \"{base}\"\ntoken_url = \"{token}\"\n\
             tenant_id = \"{TENANT}\"\nclient_id = \"me\"\nclient_secret = \"sim-secret\"\n"
        );
        std::fs::write(&path, text).unwrap();
        let file = Arc::new(ControllersFile::open(path).unwrap());
        let clients = Arc::new(Clients::new(file, worker::r1::Settings::default()));
        World {
            sim,
            catalogue: catalogue(&clients),
            clients,
            _folder: folder,
        }
    }

    pub fn writes(&self) -> u64 {
        self.sim.counts(TENANT)["writes"].as_u64().unwrap()
    }

    /// Of any kind but logins.
    pub fn calls(&self) -> u64 {
        let counts = self.sim.counts(TENANT);
        ["reads", "writes", "polls"]
            .map(|kind| counts[kind].as_u64().unwrap())
            .iter()
            .sum()
    }

    pub fn seed(&self, mut seed: Value) -> Value {
        seed["tenant"] = TENANT.into();
        self.sim.post("seed", &seed)
    }

    /// The passphrases in the ledger, by user name.
    pub fn ledger(&self) -> HashMap<String, Value> {
        let ledger = self.sim.ledger(TENANT);
        let rows = ledger["passphrases"].as_array().unwrap().iter();
        rows.map(|row| (row["username"].as_str().unwrap().to_owned(), row.clone()))
            .collect()
    }

    /// A job over an export with these options, accepted but not begun.
    pub fn job(&self, dpsk_data: Value, options: Value) -> Job<'_> {
        Job::new(self, dpsk_data, options, "venue-sim-1")
    }

    fn r1(&self) -> R1 {
        self.clients.get(1).unwrap()
    }
}

/// An export of one pool, as Cloudpath makes it.
pub fn export(dpsks: Value) -> Value {
    json!({
        "metadata": {"mode": "dpsk_only"},
        "pool": {"guid": "AccountDpskPool-1", "displayName": "Lobby"},
        "dpsks": dpsks,
    })
}

/// One DPSK; `change` overrides.
pub fn dpsk(name: &str, change: Value) -> Value {
    let mut row = json!({"guid": format!("AccountDpsk-{name}"), "name": name, "passphrase": format!("secret-of-{name}"),
        "status": "ACTIVE", "ssidList": [], "vlanid": ""});
    for (field, value) in change.as_object().into_iter().flatten() {
        row[field] = value.clone();
    }
    row
}

pub struct Job<'w> {
    world: &'w World,
    spec: Arc<JobSpec>,
    data: Arc<Memory>,
}

/// What a phase came to.
pub struct Phase {
    pub tasks: Vec<Task>,
    pub outcomes: Vec<Outcome>,
    /// Of the plan.
    pub facts: Value,
    /// Of the tasks, where they only read.
    pub task_facts: Vec<Value>,
}

impl Phase {
    /// The outcome of the task of this name.
    pub fn of(&self, name: &str) -> &Outcome {
        let at = self.tasks.iter().position(|t| t.input.name == name);
        &self.outcomes[at.unwrap_or_else(|| panic!("no task {name}"))]
    }

    pub fn code(&self, name: &str) -> &str {
        self.of(name).error.as_ref().map_or("none", |e| &e.code)
    }

    /// `created`, `adopted`, `updated`, or the task's state.
    pub fn end(&self, name: &str) -> String {
        let outcome = self.of(name);
        match (&outcome.resource, outcome.status) {
            (Some(r), TaskStatus::Completed) => format!("{:?}", r.origin).to_lowercase(),
            (_, status) => format!("{status:?}").to_lowercase(),
        }
    }

    pub fn all(&self, end: &str) -> bool {
        self.tasks.iter().all(|t| self.end(&t.input.name) == end)
    }
}

impl<'w> Job<'w> {
    pub fn new(world: &'w World, dpsk_data: Value, options: Value, venue: &str) -> Self {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let body =
            json!({"controller_id": 1, "venue_id": venue, "dpsk_data": dpsk_data, "options": options}).to_string();
        let request = parse_request(body.as_bytes(), now).unwrap();
        let (plan, mapper) = cloudpath::plan(&request.export, &request.options, now);
        let mut rows = request.export.rows.into_iter().map(|row| mapper.map(row)).peekable();
        let mut chunks = Vec::new();
        while rows.peek().is_some() {
            let (rows, secrets): (Vec<_>, Vec<_>) = rows.by_ref().take(CHUNK_ROWS).unzip();
            chunks.push((
                serde_json::to_vec(&rows).unwrap(),
                secrets.into_iter().map(Some).collect(),
            ));
        }
        let spec = JobSpec {
            id: JobId::generate(),
            partition: Partition(0),
            tenant: "acme".parse().unwrap(),
            controller: 1,
            venue_id: venue.into(),
            definition: catalog::find(catalog::CLOUDPATH_DPSK_IMPORT).unwrap().clone(),
            options: serde_json::to_value(&request.options).unwrap(),
            input: json!({ "plan": plan }),
            input_chunks: chunks.len() as u32,
            failure_budget_percent: None,
        };
        let data = Memory::of(chunks);
        Job {
            world,
            spec: Arc::new(spec),
            data: Arc::new(data),
        }
    }

    /// The same input, about these rows alone.
    pub fn about(mut self, rows: &[u32]) -> Self {
        let scope = RowScope::of(rows.iter().copied());
        Arc::make_mut(&mut self.spec).input["scope"] = json!(scope);
        self
    }

    /// What the plan of the import tells the people who asked for it.
    pub fn warnings(&self) -> Vec<String> {
        serde_json::from_value(self.spec.input["plan"]["warnings"].clone()).unwrap_or_default()
    }

    fn context(&self, phase: &str) -> (Context, Arc<dyn Executor>) {
        let phase = self
            .spec
            .definition
            .phases
            .iter()
            .find(|p| p.id.as_str() == phase)
            .unwrap();
        let cx = Context {
            spec: self.spec.clone(),
            phase: phase.id.clone(),
            gate: Arc::new(OpenGate) as Arc<dyn Gate>,
            input: self.data.clone(),
        };
        (cx, self.world.catalogue.find(&phase.executor).unwrap())
    }

    /// Only the plan of a phase; its outcomes stay unknown to later phases. Whatever the phase: what a task will write was claimed before.
    pub async fn plan(&self, phase: &str) -> Result<(Vec<Task>, Value), PlanError> {
        let (sink, facts) = self.plan_into_sink(phase).await?;
        Ok((sink.tasks, facts))
    }

    /// The same, with all that it claims.
    pub async fn plan_into_sink(&self, phase: &str) -> Result<(Sink, Value), PlanError> {
        let (cx, executor) = self.context(phase);
        let mut sink = Sink::of(executor.as_ref(), &cx).await?;
        let facts = executor.plan(&cx, &mut sink).await?;
        if sink.tasks.iter().any(|task| task.input.preset.is_none()) {
            for name in written(executor.as_ref(), &cx, &sink.tasks) {
                assert!(sink.claimed.contains(&name), "{phase}: {name} is not claimed");
            }
        }
        Ok((sink, facts.unwrap_or_default()))
    }

    /// Plans every phase that a plan has: what each task would come to, and what stands for all decisions.
    pub async fn dry_run(&self) -> (Vec<(&'static str, Phase)>, Vec<Value>) {
        let dry = self.dry();
        let (mut phases, mut hashes) = (Vec::new(), Vec::new());
        let has = |phase: &&str| dry.spec.definition.phases.iter().any(|p| p.id.as_str() == *phase);
        for phase in PHASES.into_iter().filter(has) {
            let planned = dry.run(phase).await;
            hashes.push(planned.facts["plan"]["hash"].clone());
            phases.push((phase, planned));
        }
        (phases, hashes)
    }

    /// What of the tasks of a phase no other job may do meanwhile.
    pub async fn names(&self, phase: &str) -> BTreeSet<String> {
        let (cx, executor) = self.context(phase);
        let (tasks, _) = self.plan(phase).await.unwrap();
        written(executor.as_ref(), &cx, &tasks)
    }

    /// Asks for the plan of a phase while another job writes what it would.
    pub async fn plan_in_vain(&self, phase: &str) -> PlanError {
        let (cx, executor) = self.context(phase);
        let mut sink = Sink {
            is_taken: true,
            ..Sink::default()
        };
        let planned = executor.plan(&cx, &mut sink).await;
        planned.expect_err("what it writes is taken")
    }

    /// Plans and runs a phase to its end.
    pub async fn run(&self, phase: &str) -> Phase {
        let (tasks, facts) = self.plan(phase).await.unwrap();
        self.carry_out(phase, tasks, facts).await
    }

    /// Runs what was planned.
    pub async fn carry_out(&self, phase: &str, tasks: Vec<Task>, facts: Value) -> Phase {
        let (cx, executor) = self.context(phase);
        let (mut outcomes, mut task_facts) = (Vec::new(), Vec::new());
        for task in &tasks {
            let outcome = match &task.input.preset {
                Some(preset) => preset.clone(),
                None if executor.writes() => self.write(&cx, executor.as_ref(), task).await,
                None => {
                    let (outcome, facts) = self.read(&cx, executor.as_ref(), task).await;
                    task_facts.extend(facts);
                    outcome
                }
            };
            assert_eq!(outcome.index, task.input.index);
            outcomes.push(outcome);
        }
        self.data.keep(&cx.phase, &tasks, &outcomes);
        Phase {
            tasks,
            outcomes,
            facts,
            task_facts,
        }
    }

    /// Reads back once. `ours`: the task may have been sent.
    pub async fn look_back(&self, phase: &str, task: &Task, ours: bool) -> Found {
        let (cx, executor) = self.context(phase);
        executor.read_back(&cx, &[(task, ours)]).await.unwrap().remove(0)
    }

    /// The phases before the passphrases, with policies; those that make and attach them.
    pub async fn run_policies(&self) -> (Phase, Phase) {
        for phase in ["parse_validate", "create_identity_groups", "create_dpsk_pools"] {
            let ended = self.run(phase).await;
            let failed: Vec<_> = ended.outcomes.iter().filter_map(|o| o.error.as_ref()).collect();
            assert!(failed.is_empty(), "{phase}: {failed:?}");
        }
        (self.run("create_policy_sets").await, self.run("attach_policies").await)
    }

    /// Every phase but the optional ones; the phase of the passphrases and that of the audit.
    pub async fn run_all(&self) -> (Phase, Phase) {
        let keys = self.run_all_but_networks().await;
        (keys, self.run("audit_results").await)
    }

    /// The phases that come before that of the networks; that of the passphrases.
    pub async fn run_all_but_networks(&self) -> Phase {
        for phase in ["parse_validate", "create_identity_groups", "create_dpsk_pools"] {
            let ended = self.run(phase).await;
            let failed: Vec<_> = ended.outcomes.iter().filter_map(|o| o.error.as_ref()).collect();
            assert!(failed.is_empty(), "{phase}: {failed:?}");
        }
        self.run("create_passphrases").await
    }

    async fn read(&self, cx: &Context, executor: &dyn Executor, task: &Task) -> (Outcome, Option<Value>) {
        let mut last = TaskError::new("NEVER_READ", "");
        for _ in 0..ATTEMPTS {
            match executor.read(cx, task).await {
                Ok(read) => return read,
                Err(e) => {
                    assert!(e.is_transient(), "{e:?}");
                    last = TaskError::new(&e.code(), e.to_message());
                    tokio::time::sleep(e.retry_after().unwrap_or_default().min(PAUSE)).await;
                }
            }
        }
        (Outcome::failed(task.input.index, last), None)
    }

    async fn write(&self, cx: &Context, executor: &dyn Executor, task: &Task) -> Outcome {
        let (index, mut was_sent) = (task.input.index, false);
        let mut last = TaskError::new("NEVER_SENT", "");
        for _ in 0..ATTEMPTS {
            let (ours, done) = match executor.send(cx, task, Permit::unlimited()).await {
                Sent::Done(outcome) => return outcome,
                Sent::Unconfirmed => (true, true),
                Sent::Accepted {
                    request_id,
                    resource_id,
                } => match self.activity(&request_id).await {
                    ActivityState::Success { entity_ids } => {
                        let id = resource_id.or(entity_ids.into_iter().next());
                        match executor.settled(cx, task, id.as_deref()) {
                            Settle::Done(outcome) => return outcome,
                            Settle::ReadBack => (true, true),
                        }
                    }
                    ActivityState::Failed {
                        code,
                        message,
                        uniqueness,
                    } => {
                        last = TaskError::new(&code, message);
                        if executor.waits_out()(None, &code) {
                            tokio::time::sleep(PAUSE).await;
                            continue;
                        }
                        if !uniqueness {
                            return Outcome::failed(index, last);
                        }
                        (was_sent, false)
                    }
                    ActivityState::Pending => panic!("waited for its end"),
                },
                Sent::Failed(e) => {
                    last = TaskError::new(&e.code(), e.to_message());
                    match e {
                        e if executor.waits_out()(e.status(), &e.code()) => {
                            tokio::time::sleep(PAUSE).await;
                            continue;
                        }
                        CallError::Conflict { uniqueness: true, .. } => (was_sent, false),
                        e if e.maybe_applied() => (true, false),
                        e if e.is_transient() => {
                            tokio::time::sleep(e.retry_after().unwrap_or_default().min(PAUSE)).await;
                            continue;
                        }
                        _ => return Outcome::failed(index, last),
                    }
                }
            };
            was_sent |= ours;
            match self.read_back(cx, executor, task, ours, done).await {
                Found::Present(outcome) => return outcome,
                Found::Absent | Found::Remains => {}
                Found::Unfinished => panic!("never whole"),
            }
        }
        Outcome::failed(index, last)
    }

    /// Until it is found; what may only be on its way has as long as an activity takes. `done`: it is reported done.
    async fn read_back(&self, cx: &Context, executor: &dyn Executor, task: &Task, ours: bool, done: bool) -> Found {
        let patience = if done { PATIENCE } else { Duration::from_millis(200) };
        let begun = Instant::now();
        let deadline = begun + patience;
        loop {
            let mut found = executor.read_back(cx, &[(task, ours)]).await.unwrap();
            assert_eq!(found.len(), 1);
            match found.remove(0) {
                Found::Absent | Found::Remains if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(10)).await
                }
                Found::Unfinished if Instant::now() < begun + PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(10)).await
                }
                found => return found,
            }
        }
    }

    async fn activity(&self, request_id: &str) -> ActivityState {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = self.world.r1().activity(Permit::unlimited(), request_id).await.unwrap();
            if state.is_terminal() {
                return state;
            }
            assert!(Instant::now() < deadline, "the activity does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
