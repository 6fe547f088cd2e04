//! Every question of the store, asked of a Cluster: none of them touches two slots with one command, and what spans partitions is asked
//! of every node.

use std::collections::BTreeSet;
use std::str::FromStr;

use shared::config::Settings;
use shared::id::{JobId, Lane, PhaseId, TenantId, Unit, WorkerId};
use shared::job::Steer;
use shared::seal::Sealer;
use shared::store::model::{
    BatchResult, Claimed, Completed, Durability, JobFilter, PlanCommitted, Scope, Submitted, TaskFilter,
};
use shared::store::{
    Claiming, Hold, LetterId, LimitRequest, NamesClaimed, Partition, PendingActivity, Read, Store, StoreError, Writer,
};
use testkit::harness::resp::Resp;
use testkit::redis_group::{Cluster, info};
use testkit::redis_server::{Options, RedisServer};

use crate::trouble::job;
use crate::world::recovers;

fn settings(addresses: &str) -> Settings {
    let key = Sealer::generate_key();
    let pairs = [("PAYLOAD_KEY", key.as_str()), ("REDIS_CLUSTER_NODES", addresses)];
    Settings::from_pairs(&pairs).unwrap()
}

/// One tenant in each partition's own time: its job is planned, run and ended by hand.
async fn run(store: &Store, tenant: &TenantId, worker: &WorkerId) -> JobId {
    let p = store.partition_of(tenant);
    let mut new = job();
    new.tenant = tenant.clone();
    new.input_chunks = 1;
    store
        .stage_input(tenant, new.id, 0, b"[]".to_vec(), Vec::new())
        .await
        .unwrap();
    assert_eq!(
        store.submit(&new).await.unwrap(),
        Submitted::Accepted(Durability::Accepted)
    );
    let mut reader = store.reader(p, worker).await.unwrap();
    for (token, batch) in [("t1", -1), ("t2", 0)] {
        let Read::Entry(entry) = reader.next().await.unwrap() else {
            panic!("nothing to read")
        };
        let Claimed::Work(claim) = store
            .claim(p, worker, &format!("{tenant}.{token}"), &entry)
            .await
            .unwrap()
        else {
            panic!("not claimed")
        };
        assert_eq!(claim.unit.batch, batch);
        store.secured(p, &claim.life).await.unwrap();
        if batch < 0 {
            store
                .plan_put(p, &claim.unit, &claim.token, &[(0, b"[]".to_vec(), Vec::new())])
                .await
                .unwrap();
            let done = store
                .plan_commit(p, &claim.unit, &claim.token, 1, 1, 5, 0, None, false)
                .await
                .unwrap();
            assert_eq!(done, PlanCommitted::Ok);
        } else {
            let units = [(claim.unit.clone(), claim.token.clone())];
            store.heartbeat(p, worker, 8, "{}", 15_000, &units).await.unwrap();
            store
                .checkpoint(p, &claim.unit, &claim.token, &[(0, "{\"s\":\"S\"}".to_owned())])
                .await
                .unwrap();
            let result = BatchResult {
                done: 1,
                blob: b"[]".to_vec(),
                ..BatchResult::default()
            };
            let done = store.complete(p, &claim.unit, &claim.token, &result).await.unwrap();
            assert!(matches!(done, Completed::Ok { .. }), "{done:?}");
        }
    }
    new.id
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_finds_its_node() {
    let redis = Cluster::start(3, false).unwrap();
    let s = settings(&redis.addresses());
    let store = Store::open(&s.redis, &s.engine).unwrap();
    store.make_ready(&s).await.unwrap();
    assert_eq!(store.partitions().count(), 16);
    let (worker, other) = (WorkerId::generate(), WorkerId::generate());
    let tenants: Vec<TenantId> = (0..24).map(|n| format!("tenant-{n}").parse().unwrap()).collect();
    let mut jobs = Vec::new();
    for tenant in &tenants {
        jobs.push(run(&store, tenant, &worker).await);
    }
    let homes: BTreeSet<usize> = tenants
        .iter()
        .map(|t| redis.home_of(&store.partition_of(t).prefix()).unwrap())
        .collect();
    assert_eq!(homes.len(), 3, "tenants on every node");

    // over all partitions: lists by page, whose a job is, figures
    let mut cursor = None;
    let mut listed = Vec::new();
    loop {
        let page = store
            .jobs(&Scope::All, &JobFilter::default(), cursor.as_ref(), 10)
            .await
            .unwrap();
        listed.extend(page.items.iter().map(|j| j.id));
        let Some(next) = page.next else { break };
        cursor = Some(next.parse().unwrap());
    }
    assert_eq!(listed, jobs.iter().rev().copied().collect::<Vec<_>>(), "newest first");
    let filter = JobFilter {
        workflow: Some("toy".into()),
        ..JobFilter::default()
    };
    assert_eq!(
        store.jobs(&Scope::All, &filter, None, 50).await.unwrap().items.len(),
        jobs.len()
    );
    for (tenant, job) in tenants.iter().zip(&jobs) {
        assert_eq!(store.tenant_of(*job).await.unwrap().as_ref(), Some(tenant));
        let view = store.job(tenant, *job).await.unwrap().unwrap();
        assert_eq!(view.status.as_str(), "COMPLETED");
        assert_eq!(store.not_taken_up(tenant, *job, Steer::Cleanup).await.unwrap(), None);
        let known = store.known_job(tenant, *job).await.unwrap().unwrap();
        store.tasks(&known, &TaskFilter::default(), None, 10).await.unwrap();
    }
    let figures = store.figures().await.unwrap();
    assert_eq!(figures.workflows["toy"].started, tenants.len() as u64);
    let used: u64 = redis
        .nodes
        .iter()
        .map(|n| info(n.port(), "memory", "used_memory").unwrap().parse::<u64>().unwrap())
        .sum();
    assert!(
        figures.memory_used_bytes > used / 2,
        "{} of {used} on three nodes",
        figures.memory_used_bytes
    );

    // each partition by itself
    for p in store.partitions() {
        store.partition(p).await.unwrap();
        store.workers(p, "", 10).await.unwrap();
        store.tick(p, 60_000, "").await.unwrap();
        let letter = LetterId::from_str(&format!("{}.1-0", p.0)).unwrap();
        store.letter_replayed(&letter, jobs[0]).await.unwrap();
        assert_eq!(store.replay_of(&letter).await.unwrap(), Some(jobs[0]));
        assert!(store.dead_letters(p, None, 10, |_| true).await.unwrap().is_empty());
        store.own_pending(p, &worker).await.unwrap();
        store.autoclaim(p, &other, 60_000, "0-0", 4).await.unwrap();
        store.reap(p, 60_000).await.unwrap();
        store.plan_checks_due(p).await.unwrap();
        assert!(store.active_jobs(p).await.unwrap().is_empty());
    }

    // limiters have slots of their own
    let limiters: Vec<String> = (0..12).map(|n| format!("host_{n}")).collect();
    let phase: PhaseId = "first".parse().unwrap();
    let mut homes = BTreeSet::new();
    for (n, limiter) in limiters.iter().enumerate() {
        homes.insert(redis.home_of(&format!("workflow:{{c:{limiter}}}:")).unwrap());
        let request = LimitRequest {
            tokens: 1,
            give_back: 0,
            concurrency: 1,
            in_flight: 0,
            lease_ms: 5_000,
            rate_max: 10.0 + n as f64,
            burst: 5.0,
            concurrency_max: 3,
        };
        store.limit_acquire(limiter, &worker, &request).await.unwrap();
        let unit = Unit {
            job: jobs[n],
            phase: phase.clone(),
            batch: 0,
        };
        let p = store.partition_of(&tenants[n]);
        let waits = PendingActivity {
            partition: p,
            unit,
            since_ms: 1_790_000_000_000,
        };
        store.pending_add(limiter, &[("r1".to_owned(), waits)]).await.unwrap();
        store
            .settle(limiter, &[("r2".to_owned(), Some("{}".to_owned()))])
            .await
            .unwrap();
        let ids = ["r1".to_owned(), "r2".to_owned()];
        assert_eq!(
            store.settled(limiter, &ids).await.unwrap(),
            [None, Some("{}".to_owned())]
        );
        let writer = Writer {
            job: jobs[n],
            phase: Some(phase.clone()),
        };
        let claiming = Claiming {
            writer: writer.clone(),
            hold: Hold::Write,
            ttl: std::time::Duration::from_secs(60),
            job_ttl: std::time::Duration::from_secs(60),
            needs_whole: false,
        };
        let claimed = store
            .claim_names(limiter, &claiming, &["a".to_owned(), "b".to_owned()])
            .await;
        assert_eq!(claimed.unwrap(), NamesClaimed::New);
        assert!(!store.is_writing(&writer).await.unwrap(), "its phase has ended");
        assert_eq!(
            store.present_life_of_limiter(limiter, p).await.unwrap(),
            store.life_of_limiter(limiter)
        );
        store.set_lane_rate(p, &Lane::new(&tenants[n], 1), 2.0).await.unwrap();
    }
    assert_eq!(homes.len(), 3, "limiters on every node");
    let rates: Vec<_> = store
        .limiter_figures(&limiters)
        .await
        .unwrap()
        .iter()
        .map(|l| (l.rate, l.activities_pending))
        .collect();
    let wanted: Vec<_> = (0..12).map(|n| (Some(10.0 + f64::from(n)), 1)).collect();
    assert_eq!(rates, wanted, "in the order they were asked for");
    assert_eq!(store.polled_limiters().await.unwrap().len(), 12);
}

/// A slot goes to another node, key by key: its partition stands still meanwhile, and goes on there.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_is_followed() {
    let redis = Cluster::start(2, false).unwrap();
    let s = settings(&redis.addresses());
    let store = Store::open(&s.redis, &s.engine).unwrap();
    store.prepare(&s.redis).await.unwrap();
    let new = job();
    store.submit(&new).await.unwrap();
    let p: Partition = store.partition_of(&new.tenant);
    let from = redis.home_of(&p.prefix()).unwrap();
    let mut ends = [0, 1].map(|n| Resp::connect(redis.nodes[n].port()).unwrap());
    let ids = [0, 1].map(|n| ends[n].call(&["CLUSTER", "MYID"]).unwrap().text());
    let to = 1 - from;
    let slot = ends[0].call(&["CLUSTER", "KEYSLOT", &p.prefix()]).unwrap().text();
    ends[to]
        .call(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[from]])
        .unwrap();
    ends[from]
        .call(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[to]])
        .unwrap();
    // half of a job is on neither node: nobody may write to it
    let e = store.cancel(&new.tenant, new.id, "test").await.unwrap_err();
    assert!(e.is_transient(), "{e}");
    let keys = ends[from].call(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]).unwrap();
    let port = redis.nodes[to].port().to_string();
    for key in keys.list() {
        ends[from]
            .call(&["MIGRATE", "127.0.0.1", &port, &key.text(), "0", "5000"])
            .unwrap();
    }
    for end in &mut ends {
        end.call(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[to]]).unwrap();
    }
    let there = recovers("a slot that has moved", || store.job(&new.tenant, new.id)).await;
    assert!(there.is_some());
    recovers("a write to it", || store.cancel(&new.tenant, new.id, "test")).await;
    assert!(
        store
            .jobs(&Scope::All, &JobFilter::default(), None, 10)
            .await
            .unwrap()
            .items
            .len()
            == 1
    );
}

#[tokio::test]
async fn what_is_no_cluster_and_what_is_one_is_told_in_one_line() {
    let server = crate::world::server();
    let s = settings(&format!("127.0.0.1:{}", server.port()));
    let e = Store::open(&s.redis, &s.engine)
        .unwrap()
        .prepare(&s.redis)
        .await
        .unwrap_err();
    assert!(
        matches!(&e, StoreError::Server(text) if text.contains("cluster support disabled")),
        "{e:?}"
    );
    let node = RedisServer::start(Options {
        appendonly: true,
        cluster: true,
        ..Options::default()
    })
    .unwrap();
    let s = crate::world::settings(&node.url());
    let e = Store::open(&s.redis, &s.engine)
        .unwrap()
        .prepare(&s.redis)
        .await
        .unwrap_err();
    assert!(
        matches!(&e, StoreError::Server(text) if text.contains("REDIS_CLUSTER_NODES")),
        "{e:?}"
    );
}
