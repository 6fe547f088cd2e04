//! Tasks, page by page and in one walk, while plans are written and jobs go.

use serde_json::json;
use shared::blob;
use shared::id::{PhaseId, TenantId, Unit, WorkerId};
use shared::job::TaskStatus;
use shared::job::task::TaskInput;
use shared::store::model::{Claimed, PlanCommitted, TaskFilter};
use shared::store::{KnownJob, Partition, Read, Store, StoreError};
use testkit::redis_server::RedisServer;

use crate::trouble::job;
use crate::world::{admin, server, settings, tell};

const P: Partition = Partition(0);
const TOKEN: &str = "t.1";

struct World {
    server: RedisServer,
    store: Store,
    tenant: TenantId,
    unit: Unit,
}

/// A job whose one phase is being planned.
async fn world() -> World {
    let server = server();
    let s = settings(&server.url());
    let store = Store::open(&s.redis, &s.engine).unwrap();
    store.prepare(&s.redis).await.unwrap();
    let new = job();
    store.submit(&new).await.unwrap();
    let worker = WorkerId::generate();
    let mut reader = store.reader(P, &worker).await.unwrap();
    let Read::Entry(entry) = reader.next().await.unwrap() else {
        panic!("nothing to read")
    };
    let Claimed::Work(claim) = store.claim(P, &worker, TOKEN, &entry).await.unwrap() else {
        panic!("no work")
    };
    World {
        server,
        store,
        tenant: new.tenant,
        unit: claim.unit,
    }
}

impl World {
    /// Batches of ten tasks; every seventh is called Anna.
    async fn put(&self, batches: std::ops::Range<u32>) {
        let name = |i: u32| {
            if i.is_multiple_of(7) {
                format!("Änna {i}")
            } else {
                format!("user {i}")
            }
        };
        let task = |i: u32| TaskInput {
            index: i,
            name: name(i),
            data: json!({}),
            preset: None,
        };
        for b in batches {
            let tasks: Vec<TaskInput> = (b * 10..b * 10 + 10).map(task).collect();
            let blobs = [(b, blob::pack(&tasks).unwrap(), Vec::new())];
            self.store.plan_put(P, &self.unit, TOKEN, &blobs).await.unwrap();
        }
    }

    async fn publish(&self, batches: u32) {
        let tasks = u64::from(batches) * 10;
        let done = self
            .store
            .plan_commit(P, &self.unit, TOKEN, batches, tasks, 10, 0, None, false);
        assert_eq!(done.await.unwrap(), PlanCommitted::Ok);
    }

    async fn known(&self) -> KnownJob {
        let known = self.store.known_job(&self.tenant, self.unit.job).await;
        known.unwrap().unwrap()
    }

    /// All tasks of a filter, by pages of `limit`: their rows.
    async fn pages(&self, filter: &TaskFilter, limit: usize) -> Vec<u32> {
        let known = self.known().await;
        let (mut rows, mut cursor): (Vec<u32>, Option<String>) = (Vec::new(), None);
        loop {
            let page = self.store.tasks(&known, filter, cursor.as_deref(), limit);
            let page = page.await.unwrap();
            assert!(page.items.len() <= limit);
            rows.extend(page.items.iter().map(|t| t.index));
            cursor = page.next;
            if cursor.is_none() {
                return rows;
            }
        }
    }

    /// The rows of a walk, or why it was broken off; `between` is called behind its first step.
    async fn walk(&self, filter: TaskFilter, between: impl AsyncFnOnce()) -> Result<Vec<u32>, StoreError> {
        let mut walk = self.store.walk_tasks(&self.known().await, filter);
        let mut rows = Vec::new();
        let mut between = Some(between);
        while let Some(tasks) = walk.next().await? {
            assert!(tasks.len() <= 100, "a few batches at a time");
            rows.extend(tasks.iter().map(|t| t.index));
            if let Some(between) = between.take() {
                between().await;
            }
        }
        Ok(rows)
    }

    async fn tell(&self, words: &[&str]) {
        tell(&mut admin(&self.server).await, words).await;
    }

    fn key(&self, part: &str) -> String {
        format!("workflow:{{p0}}:jobs:{}{part}", self.unit.job)
    }
}

/// What a job's tasks are read with is given to its own tenant only, and the partition, which others share, is not what tells them apart.
#[tokio::test]
async fn a_job_is_known_to_its_own_tenant_only_and_while_it_is_there() {
    let w = world().await;
    let (job, other) = (w.unit.job, "somebody-else".parse::<TenantId>().unwrap());
    assert_eq!(w.store.partition_of(&other), w.store.partition_of(&w.tenant));
    // read for them first, and from memory after its own tenant has read it
    assert!(w.store.known_job(&other, job).await.unwrap().is_none());
    assert_eq!(w.known().await.definition().phases[0].id.as_str(), "first");
    assert!(w.store.known_job(&other, job).await.unwrap().is_none());
    w.tell(&["UNLINK", &w.key("")]).await;
    assert!(w.store.known_job(&w.tenant, job).await.unwrap().is_none());
}

/// That the job is there, and what its phases are, was asked before and is not asked again.
#[tokio::test]
async fn a_page_of_tasks_takes_four_hmgets_for_a_phase() {
    let w = world().await;
    w.put(0..2).await;
    w.publish(2).await;
    let known = w.known().await;
    let filter = TaskFilter::default();
    w.tell(&["CONFIG", "RESETSTAT"]).await;
    let page = w.store.tasks(&known, &filter, None, 10).await.unwrap();
    assert_eq!(page.items.len(), 10);
    let mut ask = admin(&w.server).await;
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut ask)
        .await
        .unwrap();
    let hmget = stats.lines().find(|line| line.starts_with("cmdstat_hmget:")).unwrap();
    assert!(
        hmget.contains("calls=4,"),
        "state, tasks, outcomes and records of one phase: {hmget}"
    );
}

#[tokio::test]
async fn a_plan_that_is_still_written_has_no_tasks_yet() {
    let w = world().await;
    w.put(0..3).await;
    assert!(
        w.pages(&TaskFilter::default(), 50).await.is_empty(),
        "it may be thrown away"
    );
    assert!(w.walk(TaskFilter::default(), async || {}).await.unwrap().is_empty());
    w.publish(3).await;
    assert_eq!(w.pages(&TaskFilter::default(), 50).await.len(), 30);
}

#[tokio::test]
async fn filtered_tasks_are_each_listed_once_at_any_page_size() {
    let w = world().await;
    w.put(0..70).await;
    w.publish(70).await;
    let named = TaskFilter {
        name: Some("änna".to_owned()),
        ..TaskFilter::default()
    };
    let annas: Vec<u32> = (0..700).filter(|i| i % 7 == 0).collect();
    let pending = TaskFilter {
        status: vec![TaskStatus::Failed, TaskStatus::Pending],
        phase: Some("first".parse::<PhaseId>().unwrap()),
        ..TaskFilter::default()
    };
    let failed = TaskFilter {
        status: vec![TaskStatus::Failed],
        ..TaskFilter::default()
    };
    for limit in [1, 3, 10, 99, 200] {
        assert_eq!(w.pages(&named, limit).await, annas, "by {limit}");
        assert_eq!(
            w.pages(&pending, limit).await,
            (0..700).collect::<Vec<_>>(),
            "by {limit}"
        );
        assert!(w.pages(&failed, limit).await.is_empty(), "by {limit}");
    }
    assert_eq!(w.walk(named, async || {}).await.unwrap(), annas);
    assert_eq!(w.walk(TaskFilter::default(), async || {}).await.unwrap().len(), 700);
}

#[tokio::test]
async fn a_walk_over_what_is_missing_breaks_off() {
    let w = world().await;
    w.put(0..12).await;
    w.publish(12).await;
    let lost = w.walk(TaskFilter::default(), async || {
        w.tell(&["HDEL", &w.key(":in:first"), "11"]).await;
    });
    let error = lost.await.unwrap_err();
    assert!(error.to_string().contains("first has 11 of 12 batches"), "{error}");

    let w = world().await;
    w.put(0..12).await;
    w.publish(12).await;
    // all keys of a job end their time at once
    let gone = w.walk(TaskFilter::default(), async || {
        for part in ["", ":in:first", ":ph:first", ":out:first"] {
            w.tell(&["UNLINK", &w.key(part)]).await;
        }
    });
    let error = gone.await.unwrap_err();
    assert!(error.to_string().contains("went while it was read"), "{error}");
}
