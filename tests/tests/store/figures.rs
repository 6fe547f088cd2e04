//! The fleet's numbers, read back from states made by hand.

use shared::id::{Unit, WorkerId};
use shared::limit::aimd::Limit;
use shared::store::model::{Claim, Claimed, Fenced, PlanCommitted};
use shared::store::{Figures, LimitRequest, LimiterFigures, Partition, PendingActivity, Read, Reader, Store};

use crate::scripted::{array, bulk, scripted};
use crate::trouble::job;
use crate::world::{admin, server, settings, tell};

const P: Partition = Partition(0);

async fn claim(store: &Store, reader: &mut Reader, worker: &WorkerId, token: &str) -> Claim {
    let Read::Entry(entry) = reader.next().await.unwrap() else {
        panic!("nothing to read")
    };
    match store.claim(P, worker, token, &entry).await.unwrap() {
        Claimed::Work(claim) => *claim,
        Claimed::Nothing(why) => panic!("{why}"),
    }
}

/// Publishes a plan of `tasks` tasks in one batch (none: no batch).
async fn plan(store: &Store, unit: &Unit, token: &str, tasks: u64) {
    let batches = u32::from(tasks > 0);
    let blobs: Vec<_> = (0..batches).map(|b| (b, b"[]".to_vec(), Vec::new())).collect();
    store.plan_put(P, unit, token, &blobs).await.unwrap();
    let done = store
        .plan_commit(P, unit, token, batches, tasks, 5, 0, None, false)
        .await
        .unwrap();
    assert_eq!(done, PlanCommitted::Ok);
}

#[tokio::test]
async fn every_state_is_counted() {
    let server = server();
    let s = settings(&server.url());
    let store = Store::open(&s.redis, &s.engine).unwrap();
    store.prepare(&s.redis).await.unwrap();
    let none = store.figures().await.unwrap();
    assert!(none.memory_used_bytes > 0);
    let same = Figures {
        memory_used_bytes: none.memory_used_bytes,
        ..Figures::default()
    };
    assert_eq!(none, same, "an empty database");

    // three jobs of one planned unit each; nobody has read
    for expected in [7, 5, 1] {
        let mut new = job();
        new.expected_tasks = expected;
        store.submit(&new).await.unwrap();
    }
    let worker = WorkerId::generate();
    store.heartbeat(P, &worker, 9, "{}", 15_000, &[]).await.unwrap();
    let f = store.figures().await.unwrap();
    assert_eq!((f.backlog_tasks, f.stream_entries, f.waiting_entries), (13, 3, 3));
    assert_eq!((f.in_flight_entries, f.in_flight_age_ms, f.parked), (0, None, 0));
    assert_eq!((f.workers, f.slots, f.slots_busy), (1, 9, 0));
    assert_eq!(f.jobs, [("PENDING", 3)].into());
    assert!(f.waiting_age_ms.is_some() && f.workflows.is_empty());

    // one is being planned and stays; one ends at once, without tasks; one has its only batch put aside
    let mut reader = store.reader(P, &worker).await.unwrap();
    let held = claim(&store, &mut reader, &worker, "t.1").await;
    let empty = claim(&store, &mut reader, &worker, "t.2").await;
    plan(&store, &empty.unit, "t.2", 0).await;
    let last = claim(&store, &mut reader, &worker, "t.3").await;
    plan(&store, &last.unit, "t.3", 4).await;
    let f = store.figures().await.unwrap();
    assert_eq!((f.stream_entries, f.waiting_entries, f.in_flight_entries), (2, 1, 1));
    assert_eq!(f.tasks_in_stream, 1 + 4, "a plan counts as one");
    let batch = claim(&store, &mut reader, &worker, "t.4").await;
    let parked = store.park(P, &batch.unit, "t.4", Some(60_000), 4, &[]).await.unwrap();
    assert!(matches!(parked, Fenced::Ok(_)));
    let units = [(held.unit.clone(), held.token.clone())];
    store.heartbeat(P, &worker, 9, "{}", 15_000, &units).await.unwrap();
    store.cool_lane(P, &held.lane, 60_000).await.unwrap();
    let f = store.figures().await.unwrap();
    assert_eq!((f.stream_entries, f.waiting_entries, f.in_flight_entries), (1, 0, 1));
    assert_eq!((f.parked, f.lanes_cooling, f.slots_busy), (1, 1, 1));
    assert!(f.in_flight_age_ms.is_some() && f.waiting_age_ms.is_none());
    assert_eq!(f.backlog_tasks, 7 + 4, "planned where it is, foreseen where not");
    assert_eq!(f.jobs, [("RUNNING", 2)].into());
    let w = &f.workflows["toy"];
    assert_eq!((w.started, w.ended.clone()), (3, [("COMPLETED", 1)].into()));
    assert_eq!((w.durations[0], w.durations.iter().sum::<u64>()), (1, 1));

    let mut c = admin(&server).await;
    tell(&mut c, &["CONFIG", "SET", "maxmemory", "123456789"]).await;
    assert_eq!(store.figures().await.unwrap().memory_max_bytes, 123_456_789);
}

#[tokio::test]
async fn limiters_are_shown_as_the_fleet_shares_them() {
    let server = server();
    let s = settings(&server.url());
    let store = Store::open(&s.redis, &s.engine).unwrap();
    let worker = WorkerId::generate();
    let request = LimitRequest {
        tokens: 5,
        give_back: 0,
        concurrency: 4,
        in_flight: 0,
        lease_ms: 60_000,
        rate_max: 30.0,
        burst: 10.0,
        concurrency_max: 20,
    };
    store.limit_acquire("busy", &worker, &request).await.unwrap();
    let new = Limit {
        rate: 12.5,
        concurrency: 8,
    };
    // of a worker that has died: its share counts no more
    let dead = LimitRequest { lease_ms: 1, ..request };
    store.limit_acquire("busy", &WorkerId::generate(), &dead).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert!(store.limit_report("busy", 0, Some(new), 90_000).await.unwrap());
    let unit = Unit {
        job: job().id,
        phase: "first".parse().unwrap(),
        batch: 0,
    };
    let waits = |n: u64| {
        let activity = PendingActivity {
            partition: P,
            unit: unit.clone(),
            since_ms: n,
        };
        (format!("r-{n}"), activity)
    };
    // more than one script call takes
    store
        .pending_add("busy", &(0..900).map(waits).collect::<Vec<_>>())
        .await
        .unwrap();
    let found = store.limiter_figures(&["busy".into(), "idle".into()]).await.unwrap();
    let busy = &found[0];
    assert_eq!((busy.rate, busy.concurrency), (Some(12.5), Some(8)));
    assert_eq!((busy.concurrency_leased, busy.activities_pending), (4, 900));
    assert!((60_000..=90_000).contains(&busy.cool_ms), "{busy:?}");
    assert_eq!(found[1], Default::default(), "never used");
}

/// Redis' clock is years behind ours: shares and pauses end by its own.
#[tokio::test]
async fn a_limiter_is_seen_by_the_clock_of_redis() {
    let url = scripted(|words| {
        Some(match words[0].as_str() {
            "TIME" => array(&[bulk("1000"), bulk("500000")]),
            "HMGET" => array(&[bulk("20.5"), bulk("7"), bulk("1003000")]),
            "HLEN" => ":3\r\n".into(),
            "HGETALL" => array(&["ended", "4", "going", "2"].map(bulk)),
            "ZRANGE" => array(&["ended", "1000499.9", "going", "1000500.1"].map(bulk)),
            _ => return None,
        })
    });
    let store = crate::world::store(&url.await);
    let l = store.limiter_figures(&["host|tenant".to_owned()]).await.unwrap();
    let seen = LimiterFigures {
        rate: Some(20.5),
        concurrency: Some(7),
        concurrency_leased: 2,
        cool_ms: 2_500,
        activities_pending: 3,
    };
    assert_eq!(l, [seen]);
}
