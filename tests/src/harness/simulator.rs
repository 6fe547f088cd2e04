//! A RUCKUS One simulator as a process, and its `/_sim` calls.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::guard::Guard;
use super::http::Http;
use super::process::Process;
use super::wait::wait_until;
use super::{CLIENT_SECRET, binaries, environment};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How it is started.
#[derive(Debug, Clone)]
pub struct SimulatorPlan {
    /// Calls a minute of each tenant.
    pub rate: u32,
    pub fault_plan: Option<PathBuf>,
    pub record: Option<PathBuf>,
    /// More arguments, see `simulator --help`.
    pub arguments: Vec<String>,
}

impl SimulatorPlan {
    pub fn at_rate(rate: u32) -> Self {
        SimulatorPlan {
            rate,
            fault_plan: None,
            record: None,
            arguments: Vec::new(),
        }
    }
}

pub struct Simulator {
    pub process: Process,
    control: Control,
}

/// Its `/_sim` calls, for whoever needs them beside the fleet. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control(Http);

impl Deref for Simulator {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Simulator {
    pub async fn start(index: usize, plan: &SimulatorPlan, folder: &Path, guard: &Guard) -> anyhow::Result<Self> {
        let name = if index == 0 {
            "simulator".to_owned()
        } else {
            format!("simulator-{}", index + 1)
        };
        let ready = folder.join(format!("{name}.ready"));
        let mut command = environment::bare(&binaries::find("simulator")?);
        command
            .args(["--rate", &plan.rate.to_string(), "--client-secret", CLIENT_SECRET])
            .arg("--ready-file")
            .arg(&ready)
            .args(&plan.arguments);
        if let Some(path) = &plan.fault_plan {
            command.arg("--fault-plan").arg(std::path::absolute(path)?);
        }
        if let Some(path) = &plan.record {
            command.arg("--record").arg(std::path::absolute(path)?);
        }
        let mut process = Process::spawn(&name, command, folder, guard)?;
        let base = wait_until("the simulator", START_TIMEOUT, async || {
            match std::fs::read_to_string(&ready) {
                Ok(base) => Some(Ok(base.trim().to_owned())),
                Err(_) if !process.is_running() => Some(Err(process.log_tail())),
                Err(_) => None,
            }
        });
        match base.await? {
            Ok(base) => Ok(Simulator {
                control: Control(Http::new(&base)?),
                process,
            }),
            Err(log) => bail!("the simulator did not start; {log}"),
        }
    }
}

impl Control {
    pub fn base(&self) -> &str {
        &self.0.base
    }

    /// What `tenant` holds.
    pub async fn ledger(&self, tenant: &str) -> anyhow::Result<Value> {
        self.control(Method::GET, &format!("ledger?tenant={tenant}"), None)
            .await
    }

    pub async fn counts(&self, tenant: &str) -> anyhow::Result<Value> {
        self.control(Method::GET, &format!("counts?tenant={tenant}"), None)
            .await
    }

    /// Seconds a perfect client would need for what `tenant` holds.
    pub async fn ideal(&self, tenant: &str) -> anyhow::Result<f64> {
        let ideal = self
            .control(Method::GET, &format!("ideal?tenant={tenant}"), None)
            .await?;
        ideal["ideal_seconds"].as_f64().context("the simulator's ideal_seconds")
    }

    /// Counts from zero again; the objects stay.
    pub async fn reset_counts(&self) -> anyhow::Result<()> {
        self.control(Method::POST, "reset?what=counts", None).await.map(|_| ())
    }

    /// Closes connections without an answer, or answers again.
    pub async fn down(&self, is_down: bool) -> anyhow::Result<()> {
        self.control(Method::POST, "down", Some(json!({"down": is_down})))
            .await
            .map(|_| ())
    }

    pub async fn seed(&self, seed: Value) -> anyhow::Result<Value> {
        self.control(Method::POST, "seed", Some(seed)).await
    }

    pub async fn faults(&self, plan: Value) -> anyhow::Result<()> {
        self.control(Method::POST, "faults", Some(plan)).await.map(|_| ())
    }

    async fn control(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let path = format!("/_sim/{path}");
        let (status, answer) = self
            .0
            .call(method, &path, body.map(|b| b.to_string().into_bytes()))
            .await?;
        match status {
            200 => Ok(answer),
            _ => bail!("the simulator answers {status} to {path}: {answer}"),
        }
    }
}
