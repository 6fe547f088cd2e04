//! The whole of Phaseline on one machine: starting it, and laying hands on its parts.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::TENANT;
use super::api::Api;
use super::autopsy;
use super::binaries;
use super::environment::{self, Environment};
use super::guard::Guard;
use super::held::{Held, held_by};
use super::http::Http;
use super::metrics::Metrics;
use super::process::{Process, Signal};
use super::proxy::Proxy;
use super::resp::Resp;
use super::simulator::{Simulator, SimulatorPlan};
use super::wait::wait_until;
use crate::redis_server::{Options, RedisServer};

const START_TIMEOUT: Duration = Duration::from_secs(30);
/// What a worker logs when it does.
const RUNS: &str = "worker runs";

/// A controller of the fleet: a tenant of one of the simulators.
#[derive(Debug, Clone)]
pub struct Controller {
    pub id: i64,
    /// Whose it is.
    pub tenant: String,
    /// Index of its simulator.
    pub simulator: usize,
    pub remote_tenant: String,
    pub calls_per_minute: u32,
    pub concurrency: u32,
}

impl Controller {
    pub fn new(id: i64, simulator: usize, calls_per_minute: u32) -> Self {
        Controller {
            id,
            tenant: TENANT.to_owned(),
            simulator,
            remote_tenant: format!("remote-{id}"),
            calls_per_minute,
            concurrency: 50,
        }
    }

    /// Half a second's worth, and at least the 17 that suit RUCKUS One's documented bucket of 34.
    pub fn burst(&self) -> u32 {
        (self.calls_per_minute / 120).max(17)
    }
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Logs and files go here; it exists.
    pub folder: PathBuf,
    pub simulators: Vec<SimulatorPlan>,
    pub controllers: Vec<Controller>,
    pub workers: usize,
    /// Shorter than the product's default for runs in which workers die: 15 s at least.
    pub lock_ttl_seconds: Option<u32>,
    pub redis: Options,
    /// More variables for API and workers.
    pub environment: Vec<(String, String)>,
    /// Proxies of its own before Redis for each process, and one before each simulator for all workers.
    pub proxied: bool,
}

impl Plan {
    /// One simulator with one controller (id 1) at `rate` calls a minute, Redis with its append-only file.
    pub fn simple(folder: &Path, rate: u32, workers: usize) -> Self {
        Plan {
            folder: folder.to_owned(),
            simulators: vec![SimulatorPlan::at_rate(rate)],
            controllers: vec![Controller::new(1, 0, rate)],
            workers,
            lock_ttl_seconds: None,
            redis: Options {
                appendonly: true,
                ..Options::default()
            },
            environment: Vec::new(),
            proxied: false,
        }
    }
}

/// A worker process.
pub struct Worker {
    pub process: Process,
    /// Its id in the fleet: the consumer's name.
    pub id: String,
    /// Its way to Redis, in a fleet with proxies.
    pub to_redis: Option<Proxy>,
    http: Http,
}

/// A worker process that was started and has not said yet that it runs.
pub struct Starting {
    pub process: Process,
    to_redis: Option<Proxy>,
}

impl Starting {
    /// The worker, once it runs: Redis may have to be waited for.
    fn runs(self, line: &Value) -> anyhow::Result<Worker> {
        let text = |field: &str| line[field].as_str().map(str::to_owned);
        let (id, address) = text("worker")
            .zip(text("address"))
            .context("the worker's log names its id and address")?;
        Ok(Worker {
            process: self.process,
            id,
            to_redis: self.to_redis,
            http: Http::new(&format!("http://{address}"))?,
        })
    }
}

impl Worker {
    pub async fn metrics(&self) -> anyhow::Result<Metrics> {
        let (_, text) = self.http.text(reqwest::Method::GET, "/metrics", None).await?;
        Ok(Metrics::parse(&text))
    }

    /// Status of `/healthz`, `/readyz` or `/metrics`.
    pub async fn status(&self, path: &str) -> anyhow::Result<u16> {
        Ok(self.http.text(reqwest::Method::GET, path, None).await?.0)
    }

    /// `http://address` of its own port.
    pub fn base(&self) -> &str {
        &self.http.base
    }
}

/// Everything of it ends with it.
pub struct Fleet {
    // dropped in this order: workers before what they talk to
    pub workers: Vec<Worker>,
    pub api: Api,
    api_process: Process,
    pub simulators: Vec<Simulator>,
    pub redis: RedisServer,
    pub controllers: Vec<Controller>,
    pub folder: PathBuf,
    /// The API's way to Redis, in a fleet with proxies.
    pub api_to_redis: Option<Proxy>,
    /// The workers' ways to the simulators, in a fleet with proxies.
    pub to_simulators: Vec<Proxy>,
    environment: Environment,
    started: usize,
    /// For further processes that must not outlive us.
    pub guard: Guard,
}

impl Fleet {
    pub async fn start(plan: Plan) -> anyhow::Result<Self> {
        let guard = Guard::start()?;
        let redis = RedisServer::start(plan.redis.clone())?;
        redis.pid().into_iter().for_each(|pid| guard.watch(pid));
        let mut simulators = Vec::new();
        for (index, simulator) in plan.simulators.iter().enumerate() {
            simulators.push(Simulator::start(index, simulator, &plan.folder, &guard).await?);
        }
        let mut bases: Vec<String> = simulators.iter().map(|s| s.base().to_owned()).collect();
        let mut to_simulators = Vec::new();
        for base in bases.iter_mut().filter(|_| plan.proxied) {
            let target = base.trim_start_matches("http://").parse();
            let proxy = Proxy::start(target.with_context(|| format!("the address of {base}"))?).await?;
            *base = format!("http://{}", proxy.address());
            to_simulators.push(proxy);
        }
        let controllers = plan.folder.join("controllers.toml");
        std::fs::write(&controllers, environment::controllers_toml(&plan.controllers, &bases))?;
        // lives in the environment of the processes only: with it gone, what stays in the folder cannot be opened
        let payload_key = STANDARD.encode(rand::random::<[u8; 32]>());
        let redis_url = format!("{}1", redis.url());
        let environment = Environment::new(&plan, &redis_url, &payload_key, &controllers);
        let api_to_redis = match plan.proxied {
            true => Some(Proxy::start((Ipv4Addr::LOCALHOST, redis.port()).into()).await?),
            false => None,
        };
        let command = api_command(&environment, api_to_redis.as_ref(), 0)?;
        let (api_process, api) = start_api(command, &plan.folder, &guard).await?;
        let mut fleet = Fleet {
            workers: Vec::new(),
            api,
            api_process,
            simulators,
            redis,
            controllers: plan.controllers,
            folder: plan.folder,
            api_to_redis,
            to_simulators,
            environment,
            started: 0,
            guard,
        };
        for _ in 0..plan.workers {
            fleet.add_worker().await?;
        }
        Ok(fleet)
    }

    /// One more; its place in `workers`.
    pub async fn add_worker(&mut self) -> anyhow::Result<usize> {
        let starting = self.spawn_worker().await?;
        self.running_one(starting).await
    }

    /// One of the first version (`tests/first-worker` builds it); its place in `workers`.
    pub async fn add_first_worker(&mut self) -> anyhow::Result<usize> {
        let starting = self.spawn("phaseline-worker-first").await?;
        self.running_one(starting).await
    }

    async fn running_one(&mut self, mut starting: Starting) -> anyhow::Result<usize> {
        let line = started(&mut starting.process, RUNS, 0).await?;
        self.workers.push(starting.runs(&line)?);
        Ok(self.workers.len() - 1)
    }

    /// One more, which is not waited for: see [`Fleet::adopt`].
    pub async fn spawn_worker(&mut self) -> anyhow::Result<Starting> {
        self.spawn("phaseline-worker").await
    }

    async fn spawn(&mut self, program: &str) -> anyhow::Result<Starting> {
        self.started += 1;
        let mut command = self.environment.command(&binaries::find(program)?);
        let to_redis = match self.api_to_redis.is_some() {
            true => Some(Proxy::start((Ipv4Addr::LOCALHOST, self.redis.port()).into()).await?),
            false => None,
        };
        through(&mut command, to_redis.as_ref());
        let process = Process::spawn(&format!("worker-{}", self.started), command, &self.folder, &self.guard)?;
        Ok(Starting { process, to_redis })
    }

    /// Takes it among the workers if it runs by now; gives it back if not.
    pub fn adopt(&mut self, starting: Starting) -> anyhow::Result<Option<Starting>> {
        match starting.process.logged(RUNS, 0) {
            None => Ok(Some(starting)),
            Some(line) => {
                self.workers.push(starting.runs(&line)?);
                Ok(None)
            }
        }
    }

    pub fn api_pid(&self) -> u32 {
        self.api_process.pid()
    }

    /// SIGKILL, and a new one on the same address.
    pub async fn restart_api(&mut self) -> anyhow::Result<()> {
        self.kill_api();
        let command = api_command(&self.environment, self.api_to_redis.as_ref(), self.api_port())?;
        (self.api_process, self.api) = start_api(command, &self.folder, &self.guard).await?;
        Ok(())
    }

    /// SIGKILL.
    pub fn kill_api(&mut self) {
        self.api_process.kill();
    }

    pub fn api_runs(&mut self) -> bool {
        self.api_process.is_running()
    }

    /// A new one on the address of the one that was killed, which is not waited for.
    pub fn spawn_api(&mut self) -> anyhow::Result<()> {
        let command = api_command(&self.environment, self.api_to_redis.as_ref(), self.api_port())?;
        self.api_process = Process::spawn("api", command, &self.folder, &self.guard)?;
        Ok(())
    }

    fn api_port(&self) -> u16 {
        let port = self.api.base().rsplit(':').next();
        port.and_then(|port| port.parse().ok()).unwrap_or(0)
    }

    /// SIGKILL. It keeps its files: see [`Fleet::restart_redis`].
    pub fn kill_redis(&mut self) {
        let pid = self.redis.pid();
        self.redis.kill();
        pid.into_iter().for_each(|pid| self.guard.forget(pid));
    }

    /// On the same port and files.
    pub fn restart_redis(&mut self) -> anyhow::Result<()> {
        self.redis.restart()?;
        self.redis.pid().into_iter().for_each(|pid| self.guard.watch(pid));
        Ok(())
    }

    /// Places of the workers that run.
    pub fn running(&mut self) -> Vec<usize> {
        let all = self.workers.iter_mut().enumerate();
        all.filter_map(|(index, worker)| worker.process.is_running().then_some(index))
            .collect()
    }

    /// What a worker holds now. Exact only while it is stopped.
    pub fn held(&self, worker: usize) -> anyhow::Result<Held> {
        let mut redis = self.redis_connection()?;
        Ok(held_by(&mut redis, &self.workers[worker].id)?)
    }

    /// To the fleet's database.
    pub fn redis_connection(&self) -> anyhow::Result<Resp> {
        let mut redis = Resp::connect(self.redis.port())?;
        redis.call(&["SELECT", "1"])?;
        Ok(redis)
    }

    /// Stops a worker (SIGSTOP) and looks at what it holds.
    pub fn stop_and_look(&mut self, worker: usize) -> anyhow::Result<Held> {
        self.workers[worker].process.signal(Signal::Stop)?;
        self.held(worker)
    }

    /// One of our programs with the fleet's settings. Not started yet.
    pub fn command(&self, program: &str) -> anyhow::Result<Command> {
        Ok(self.environment.command(&binaries::find(program)?))
    }

    /// `phaseline`, the client command, talking to this API. Not started yet.
    pub fn client(&self) -> anyhow::Result<Command> {
        let mut command = environment::bare(&binaries::find("phaseline")?);
        command.env("PHASELINE_URL", self.api.base());
        for name in ["TERM", "COLUMNS", "NO_COLOR", "LANG", "LC_ALL"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        Ok(command)
    }

    /// Every log written so far.
    pub fn logs(&self) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
        let mut logs = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let text = std::fs::read(&path)?;
                logs.push((path, text));
            }
        }
        logs.push((
            self.redis.dir().join("log"),
            std::fs::read(self.redis.dir().join("log"))?,
        ));
        Ok(logs)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        autopsy::perform(self);
    }
}

/// `REDIS_URL` by way of a proxy.
fn through(command: &mut Command, proxy: Option<&Proxy>) {
    if let Some(proxy) = proxy {
        command.env("REDIS_URL", format!("redis://{}/1", proxy.address()));
    }
}

fn api_command(env: &Environment, to_redis: Option<&Proxy>, port: u16) -> anyhow::Result<Command> {
    let mut command = env.command(&binaries::find("phaseline-api")?);
    command.env("API_BIND", format!("127.0.0.1:{port}"));
    through(&mut command, to_redis);
    Ok(command)
}

async fn start_api(command: Command, folder: &Path, guard: &Guard) -> anyhow::Result<(Process, Api)> {
    let logged_before = std::fs::metadata(folder.join("api.log")).map_or(0, |meta| meta.len());
    let mut process = Process::spawn("api", command, folder, guard)?;
    let line = started(&mut process, "serving on", logged_before).await?;
    let address = line["address"].as_str().context("the API's log names its address")?;
    let api = Api::new(&format!("http://{address}"))?;
    let ready = wait_until("the API to be ready", START_TIMEOUT, async || {
        match api.get("/readyz").await {
            Ok((200, _)) => Some(Ok(())),
            _ if !process.is_running() => Some(Err(process.log_tail())),
            _ => None,
        }
    });
    if let Err(log) = ready.await? {
        bail!("the API did not start; {log}");
    }
    Ok((process, api))
}

/// The log line that says it runs.
async fn started(process: &mut Process, message: &str, from: u64) -> anyhow::Result<Value> {
    let what = format!("{} to start", process.name);
    let line = wait_until(&what, START_TIMEOUT, async || match process.logged(message, from) {
        Some(line) => Some(Ok(line)),
        None if !process.is_running() => Some(Err(process.log_tail())),
        None => None,
    });
    match line.await? {
        Ok(line) => Ok(line),
        Err(log) => bail!("{} did not start; {log}", process.name),
    }
}
