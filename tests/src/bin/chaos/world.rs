//! What is started, and what every part of the run has in common.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use testkit::harness::simulator::Control;
use testkit::harness::{Api, Controller, Fleet, Plan, SimulatorPlan};

use crate::args::Args;
use crate::story::Story;

/// Shortest time without a heartbeat after which a worker's batches are taken over.
const LOCK_TTL_SECONDS: u32 = 15;
const SIMULATORS: usize = 2;
/// Controllers for each minute, and at least: each export goes to one of its own, whose ledger then is the export's.
const CONTROLLERS_PER_MINUTE: f64 = 16.0;
const CONTROLLERS_MIN: usize = 16;

/// For the imports, which go on beside the faults. Cheap to clone.
#[derive(Clone)]
pub struct World {
    pub api: Api,
    pub simulators: Vec<Control>,
    pub controllers: Arc<Vec<Controller>>,
    pub seed: u64,
    pub story: Story,
    healed: Arc<AtomicBool>,
    accepted: Arc<Mutex<BTreeMap<String, String>>>,
}

impl World {
    /// No fault any more from here on.
    pub fn heal(&self) {
        self.healed.store(true, Ordering::SeqCst);
    }

    /// The API has accepted a job for this key. From here on it must not be lost.
    pub fn accepted(&self, key: &str, job: &str) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.insert(key.to_owned(), job.to_owned());
    }

    /// Every job that was accepted, with its key.
    pub fn all_accepted(&self) -> Vec<(String, String)> {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.iter().map(|(key, job)| (key.clone(), job.clone())).collect()
    }

    pub fn is_healed(&self) -> bool {
        self.healed.load(Ordering::SeqCst)
    }
}

pub async fn start(args: &Args, folder: &Path) -> anyhow::Result<(Fleet, World)> {
    let count = CONTROLLERS_MIN + (args.minutes * CONTROLLERS_PER_MINUTE) as usize;
    let controllers: Vec<Controller> = (0..count)
        .map(|index| Controller::new(index as i64 + 1, index % SIMULATORS, args.rate))
        .collect();
    let simulator = |index: usize| SimulatorPlan {
        arguments: vec!["--rng-seed".to_owned(), (args.start + index as u64).to_string()],
        ..SimulatorPlan::at_rate(args.rate)
    };
    let plan = Plan {
        simulators: (0..SIMULATORS).map(simulator).collect(),
        controllers: controllers.clone(),
        lock_ttl_seconds: Some(LOCK_TTL_SECONDS),
        proxied: true,
        ..Plan::simple(folder, args.rate, args.workers as usize)
    };
    let story = Story::begin(folder)?;
    let fleet = Fleet::start(plan).await?;
    let world = World {
        api: fleet.api.clone(),
        simulators: fleet.simulators.iter().map(|simulator| (**simulator).clone()).collect(),
        controllers: Arc::new(controllers),
        seed: args.start,
        story,
        healed: Arc::default(),
        accepted: Arc::default(),
    };
    Ok((fleet, world))
}
