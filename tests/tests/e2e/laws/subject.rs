//! How a workflow is begun, and what its end must be.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::workflow::catalog;
use testkit::harness::Plan;
use testkit::harness::api::summary;
use testkit::scene::{Scene, timeless};
use testkit::verify::{Options, verify_with};

use crate::world::{REMOTE, World};

/// All there are, in the order of the catalogue. Whoever adds one says here how it is begun and judged.
pub const SUBJECTS: [&str; 3] = [
    catalog::CLOUDPATH_DPSK_IMPORT,
    catalog::CLOUDPATH_DPSK_CLEANUP,
    catalog::CLOUDPATH_DPSK_AUDIT,
];

/// Enough for several batches of keys, few enough for many runs.
const KEYS: usize = 130;

/// Retries and polls come soon: what is asked here is what becomes of them.
fn hurry(plan: &mut Plan) {
    plan.lock_ttl_seconds = Some(15);
    let settings = [("ASYNC_POLL_INTERVAL", "0.5"), ("TASK_RETRY_BACKOFF", "0.3")];
    let pairs = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    plan.environment.extend(pairs);
}

/// A world in which the workflow can begin. It has no worker.
pub struct Subject {
    workflow: &'static str,
    pub world: World,
    scene: Scene,
    submitted: Timestamp,
    /// Of what is about another job: that job, and what there has to be in the end.
    about: Option<(String, Value)>,
}

impl Subject {
    pub async fn new(workflow: &'static str) -> Self {
        let world = World::with(KEYS, 60_000, 0, hurry).await;
        let scene = Scene::of(&world.export, true, true).unwrap();
        let mut seed = scene.seed.clone();
        seed.insert("tenant".to_owned(), REMOTE.into());
        world.fleet.simulators[0].seed(seed.into()).await.unwrap();
        let mut subject = Subject {
            workflow,
            world,
            scene,
            submitted: Timestamp::now(),
            about: None,
        };
        if workflow != catalog::CLOUDPATH_DPSK_IMPORT {
            let before = subject.state().await;
            subject.world.fleet.add_worker().await.unwrap();
            let import = subject.import().await;
            let ended = subject.world.ended(&import).await;
            assert_eq!(ended["status"], "COMPLETED", "{}", summary(&ended));
            subject.world.fleet.workers.clear();
            subject.world.fleet.simulators[0].reset_counts().await.unwrap();
            let goal = match workflow {
                catalog::CLOUDPATH_DPSK_CLEANUP => before,
                _ => subject.state().await,
            };
            subject.about = Some((import, goal));
        }
        subject
    }

    async fn import(&self) -> String {
        let options: Value = self.scene.options.clone().into();
        self.world
            .fleet
            .api
            .import(1, &self.world.export, options)
            .await
            .unwrap()
    }

    async fn ledger(&self) -> Value {
        self.world.fleet.simulators[0].ledger(REMOTE).await.unwrap()
    }

    /// Everything there is, without what only tells that something was done.
    async fn state(&self) -> Value {
        let mut ledger = self.ledger().await;
        ledger["totals"]["activities"] = Value::Null;
        timeless(&mut ledger);
        ledger
    }

    /// Starts the job; nobody waits for it.
    pub async fn begin(&self) -> String {
        let Some((import, _)) = &self.about else {
            return self.import().await;
        };
        let (call, body) = match self.workflow {
            catalog::CLOUDPATH_DPSK_CLEANUP => ("cleanup", json!({"delete_partial_resources": true}).to_string()),
            _ => ("audit", String::new()),
        };
        let path = format!("/api/v1/jobs/{import}/{call}");
        let sent = self
            .world
            .fleet
            .api
            .post_with(&path, &[("prefer", "wait=0")], body.as_bytes());
        let (status, answer) = sent.await.unwrap();
        assert!(status == 200 || status == 202, "{status} {answer}");
        answer["job_id"].as_str().unwrap().to_owned()
    }

    /// It has ended well, and there is what should be there, once.
    pub async fn judge(&self, job: &str) {
        let ended = self.world.ended(job).await;
        assert_eq!(ended["status"], "COMPLETED", "{}: {}", self.workflow, summary(&ended));
        let counts = self.world.counts().await;
        assert_eq!(
            counts["duplicates"], 0,
            "{}: {}",
            self.workflow, counts["existing_twice"]
        );
        match &self.about {
            None => {
                let options = Options::read(&self.scene.options.clone().into());
                let verdict = verify_with(&self.world.export, &options, &self.ledger().await, self.submitted).unwrap();
                assert!(verdict.agrees(), "{verdict:#?}");
            }
            Some((_, goal)) => assert_eq!(&self.state().await, goal, "{}", self.workflow),
        }
        if self.workflow == catalog::CLOUDPATH_DPSK_AUDIT {
            let found = ["missing", "changed", "extra"].map(|what| ended["audit"]["totals"][what]["total"].clone());
            assert_eq!(found, [json!(0), json!(0), json!(0)], "{}", ended["audit"]);
        }
    }

    /// The same once more finds all done.
    pub async fn again_writes_nothing(&self) {
        self.world.fleet.simulators[0]
            .faults(json!({"rules": []}))
            .await
            .unwrap();
        self.world.fleet.simulators[0].reset_counts().await.unwrap();
        let again = self.begin().await;
        self.judge(&again).await;
        let counts = self.world.counts().await;
        assert_eq!(counts["writes"], 0, "{}: {}", self.workflow, counts["calls"]);
    }
}
