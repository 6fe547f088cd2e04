//! Before and after the import: the folder, the export, the processes.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use testkit::harness::{Controller, Fleet, Plan, SimulatorPlan};
use testkit::redis_server::Options;
use testkit::scene::Scene;
use testkit::sim;

use crate::args::Args;
use crate::say;

/// Shortest time without a heartbeat after which a worker's batches are taken over: nobody wants to watch 45 s of silence.
const LOCK_TTL_SECONDS: u32 = 15;
/// In a storm activities that never end are given up within seconds, and retries come soon: nobody wants to watch three minutes of
/// silence.
const STORM_ENVIRONMENT: [(&str, &str); 3] = [
    ("ASYNC_POLL_INTERVAL", "0.5"),
    ("ASYNC_MAX_ATTEMPTS", "16"),
    ("TASK_RETRY_BACKOFF", "0.3"),
];

pub struct Stage {
    pub fleet: Fleet,
    pub export: Value,
    pub export_path: PathBuf,
    /// Options of the import.
    pub scene: Scene,
    /// Keys of it that should arrive.
    pub keys_expected: usize,
    /// Controller the keys go to.
    pub controller: Controller,
    /// Moments of killing and freezing.
    pub rng: StdRng,
    folder: tempfile::TempDir,
}

impl Stage {
    pub async fn set(args: &Args) -> anyhow::Result<Self> {
        let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let folder = tempfile::Builder::new().prefix("phaseline-demo-").tempdir()?;
        let export_path = match &args.file {
            Some(file) => std::path::absolute(file)?,
            None => folder.path().join("export.json"),
        };
        let export: Value = match &args.file {
            Some(file) => read(file)?,
            None => {
                let export = testkit::export::full(args.dpsks as usize, seed, Timestamp::now());
                std::fs::write(&export_path, serde_json::to_vec_pretty(&export)?)?;
                export
            }
        };
        let expected = testkit::verify::expected(&export, Timestamp::now()).map_err(|fault| anyhow::anyhow!(fault))?;
        let scene = Scene::of(&export, args.policies, args.activate).map_err(|fault| anyhow::anyhow!(fault))?;
        let controller = Controller::new(1, 0, args.rate);
        let storm = args.storm.map(|percent| sim::storm(seed, percent));
        let environment = STORM_ENVIRONMENT.iter().filter(|_| storm.is_some());
        let plan = Plan {
            folder: folder.path().to_owned(),
            simulators: vec![SimulatorPlan {
                fault_plan: args.fault_plan.clone(),
                record: std::env::var_os("SIM_RECORD").map(PathBuf::from),
                arguments: vec!["--rng-seed".to_owned(), seed.to_string()],
                rate: args.rate,
            }],
            controllers: vec![controller.clone()],
            workers: args.workers as usize,
            lock_ttl_seconds: args.has_trouble().then_some(LOCK_TTL_SECONDS),
            redis: Options {
                appendonly: true,
                ..Options::default()
            },
            environment: environment
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            proxied: false,
        };
        let began = Instant::now();
        let fleet = Fleet::start(plan).await?;
        say::line(&format!(
            "Redis on port {}, a simulated RUCKUS One at {} calls a minute, the API at {}, {} workers: up in {:.1} s (seed {seed})",
            fleet.redis.port(),
            args.rate,
            fleet.api.base(),
            fleet.workers.len(),
            began.elapsed().as_secs_f64()
        ));
        if !scene.seed.is_empty() {
            let mut seed = scene.seed.clone();
            seed.insert("tenant".to_owned(), controller.remote_tenant.as_str().into());
            fleet.simulators[0].seed(seed.into()).await?;
        }
        if let Some(plan) = storm {
            fleet.simulators[0].faults(plan).await?;
        }
        Ok(Stage {
            fleet,
            export,
            scene,
            export_path,
            keys_expected: expected.keys.len(),
            controller,
            rng: StdRng::seed_from_u64(seed),
            folder,
        })
    }

    /// RUCKUS One behaves from now on; and imports set right what it has stored otherwise.
    pub async fn clear_up(&mut self) -> anyhow::Result<()> {
        self.fleet.simulators[0].faults(json!({"rules": []})).await?;
        self.scene.mend();
        Ok(())
    }

    /// Where the logs are.
    pub fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Ends everything. The folder stays when asked for, and when something went wrong: the logs tell why.
    pub async fn clear(self, keep: bool, is_good: bool) {
        if keep || !is_good {
            if let Ok(ledger) = self.fleet.simulators[0].ledger(&self.controller.remote_tenant).await {
                let _ = std::fs::write(self.folder.path().join("ledger.json"), format!("{:#}", masked(ledger)));
            }
            let _ = std::fs::copy(self.fleet.redis.dir().join("log"), self.folder.path().join("redis.log"));
        }
        drop(self.fleet);
        if keep || !is_good {
            say::line(&format!(
                "logs, export, tasks and ledger are in {}",
                self.folder.keep().display()
            ));
        }
    }
}

/// The export may be a real one.
fn masked(mut ledger: Value) -> Value {
    let keys = ledger["passphrases"].as_array_mut().into_iter().flatten();
    keys.for_each(|key| key["passphrase"] = "***".into());
    ledger
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    serde_json::from_slice(text).with_context(|| format!("{} is not JSON", file.display()))
}
