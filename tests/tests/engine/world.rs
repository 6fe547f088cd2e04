//! One Redis, some workers, jobs: what every test of the engine begins with.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::config::{EngineSettings, RedisSettings, Settings};
use shared::id::{JobId, TenantId, WorkerId};
use shared::job::JobStatus;
use shared::seal::Sealer;
use shared::store::Store;
use shared::store::model::{Durability, JobView, NewJob, Submitted};
use shared::workflow::{Definition, parse};
use testkit::redis_server::{Options, RedisServer};
use worker::engine::{self, core::Core};
use worker::executors::Catalogue;

use crate::toy::{Create, Toys};

pub struct World {
    pub redis: RedisServer,
    pub settings: Settings,
    pub store: Store,
    pub toys: Toys,
    pub workers: Vec<Worker>,
}

pub struct Worker {
    pub core: Arc<Core>,
    pub loops: Vec<engine::Loop>,
}

impl Worker {
    /// As a crash would: every loop and run of it ends where it is.
    pub fn stop_loops(&self) {
        for (_, handle) in &self.loops {
            handle.abort();
        }
    }
}

pub fn definition(text: &str) -> &'static Definition {
    Box::leak(Box::new(parse::parse(text).unwrap()))
}

pub const TWO_PHASES: &str = "
name: toy
version: 1
phases:
  - {id: first, name: First, executor: toy.first, critical: true, batch_size: 5}
  - {id: skipped, name: Skipped, executor: toy.first, dependencies: [first], skip_condition: 'options.n > 0'}
  - {id: second, name: Second, executor: toy.second, dependencies: [first], batch_size: 10}
";

impl World {
    pub async fn start(toys: Toys, workers: usize) -> Self {
        Self::with(toys, workers, |_| {}).await
    }

    pub async fn with(toys: Toys, workers: usize, change: impl FnOnce(&mut EngineSettings)) -> Self {
        shared::telemetry::init("engine-test");
        let redis = RedisServer::start(Options {
            appendonly: true,
            ..Options::default()
        })
        .unwrap();
        let key = Sealer::generate_key();
        let mut settings = Settings::from_pairs(&[
            ("PAYLOAD_KEY", &key),
            ("REDIS_URL", &redis.url()),
            ("ASYNC_POLL_INTERVAL", "0.5"),
        ])
        .unwrap();
        settings.engine.retry_backoff = Duration::from_millis(100);
        change(&mut settings.engine);
        let store = Store::open(&settings.redis, &settings.engine).unwrap();
        store.prepare(&settings.redis).await.unwrap();
        let mut w = World {
            redis,
            settings,
            store,
            toys,
            workers: Vec::new(),
        };
        for _ in 0..workers {
            w.add_worker().await;
        }
        w
    }

    pub async fn add_worker(&mut self) {
        let r: &RedisSettings = &self.settings.redis;
        let store = Store::open(r, &self.settings.engine).unwrap();
        let create = |name, prefix| -> Arc<dyn worker::executors::Executor> {
            Arc::new(Create {
                toys: self.toys.clone(),
                name,
                prefix,
            })
        };
        let catalogue = Catalogue::new(vec![create("toy.first", "a"), create("toy.second", "b")]);
        let core = Core::new(
            store,
            WorkerId::generate(),
            self.settings.engine.clone(),
            self.settings.sealer.clone(),
            catalogue,
            Arc::new(self.toys.clone()),
        );
        let loops = engine::start(&core);
        self.workers.push(Worker { core, loops });
    }

    pub fn tenant() -> TenantId {
        "acme".parse().unwrap()
    }

    pub fn job(&self, definition: &'static Definition, controller: i64, options: Value) -> NewJob {
        let n = options["n"].as_u64().unwrap_or(0);
        NewJob {
            id: JobId::generate(),
            tenant: Self::tenant(),
            controller,
            venue_id: "v".into(),
            workflow: Cow::Borrowed(definition),
            options,
            input_meta: json!({}),
            input_chunks: 0,
            expected_tasks: 2 * n,
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

    pub async fn submit(&self, job: &NewJob) -> JobId {
        assert_eq!(
            self.store.submit(job).await.unwrap(),
            Submitted::Accepted(Durability::Accepted)
        );
        job.id
    }

    pub async fn view(&self, job: JobId) -> JobView {
        self.store
            .job(&Self::tenant(), job)
            .await
            .unwrap()
            .expect("the job is there")
    }

    /// Until the condition holds; panics with the job's state after `limit`.
    pub async fn wait(&self, job: JobId, limit: Duration, condition: impl Fn(&JobView) -> bool) -> JobView {
        let deadline = Instant::now() + limit;
        loop {
            if let Ok(Some(v)) = self.store.job(&Self::tenant(), job).await {
                if condition(&v) {
                    return v;
                }
                assert!(Instant::now() < deadline, "not in time: {v:#?}");
            }
            assert!(Instant::now() < deadline, "not in time, and the job can't be read");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn ended(&self, job: JobId) -> JobView {
        self.wait(job, Duration::from_secs(60), |v| v.status.is_terminal())
            .await
    }
}

/// What must hold of every ended job.
pub fn check_sums(v: &JobView) {
    assert!(v.status.is_terminal());
    assert_eq!(v.counts.settled(), v.counts.total(), "{v:#?}");
    // what was foreseen and never planned counts as cancelled
    let sum = v.phases.iter().map(|p| p.counts.settled()).sum::<u64>();
    assert_eq!(sum + v.counts.total() - v.counts.tasks, v.counts.settled(), "{v:#?}");
    if v.status == JobStatus::Completed {
        assert_eq!(v.counts.failed + v.counts.unknown + v.counts.cancelled, 0);
    }
}
