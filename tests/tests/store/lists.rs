//! Lists of jobs, page by page, while jobs come, go, change, and begin in the same moment.

use std::collections::BTreeSet;

use shared::id::{JobId, TenantId};
use shared::job::JobStatus;
use shared::store::Store;
use shared::store::model::{JobFilter, Scope};
use testkit::redis_server::RedisServer;

use crate::trouble::job;
use crate::world::{admin, server, settings, tell};

const INDEX: &str = "workflow:{p0}:index";

async fn world() -> (RedisServer, Store) {
    let server = server();
    let s = settings(&server.url());
    let store = Store::open(&s.redis, &s.engine).unwrap();
    store.prepare(&s.redis).await.unwrap();
    (server, store)
}

fn of(tenant: &str) -> Scope {
    Scope::Tenant(tenant.parse().unwrap())
}

/// Jobs of a tenant in one venue, created at `ms` as far as the index goes.
async fn submit(server: &RedisServer, store: &Store, tenant: &str, venue: &str, ms: u64) -> JobId {
    let mut new = job();
    (new.tenant, new.venue_id) = (tenant.parse().unwrap(), venue.into());
    store.submit(&new).await.unwrap();
    let (id, ms) = (new.id.to_string(), ms.to_string());
    let mut c = admin(server).await;
    tell(&mut c, &["ZADD", &format!("{INDEX}:t:{tenant}"), &ms, &id]).await;
    tell(&mut c, &["ZADD", INDEX, &ms, &format!("{tenant}|{id}")]).await;
    tell(&mut c, &["HSET", &format!("workflow:{{p0}}:jobs:{id}"), "created", &ms]).await;
    new.id
}

/// Walks a list to its end: the jobs, and how many pages that took. `between` is called behind each page with its last job.
async fn walk(
    store: &Store,
    scope: &Scope,
    filter: &JobFilter,
    limit: usize,
    mut between: impl AsyncFnMut(Option<JobId>),
) -> (Vec<JobId>, usize) {
    let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.jobs(scope, filter, cursor.as_ref(), limit).await.unwrap();
        pages += 1;
        assert!(page.items.len() <= limit && pages < 500);
        found.extend(page.items.iter().map(|j| j.id));
        between(page.items.last().map(|j| j.id)).await;
        let Some(next) = page.next else { return (found, pages) };
        cursor = Some(next.parse().unwrap());
        assert!(cursor.as_ref().is_some_and(|c| c.is_of(scope)));
    }
}

async fn all(store: &Store, scope: &Scope, filter: &JobFilter, limit: usize) -> Vec<JobId> {
    walk(store, scope, filter, limit, async |_| {}).await.0
}

#[tokio::test]
async fn jobs_of_one_millisecond_are_each_listed_once() {
    let (server, store) = world().await;
    let mut of_acme = BTreeSet::new();
    let mut everybodys = BTreeSet::new();
    for (tenant, count) in [("acme", 70), ("a.b", 40), ("a", 30)] {
        for i in 0..count {
            // most of them in one moment, some before and some after
            let ms = 5_000 + u64::from(i % 10 == 1) - u64::from(i % 10 == 2);
            let id = submit(&server, &store, tenant, "v", ms).await;
            everybodys.insert(id);
            if tenant == "acme" {
                of_acme.insert(id);
            }
        }
    }
    for limit in [1, 3, 7, 50, 70, 140, 200] {
        for (scope, wanted) in [(of("acme"), &of_acme), (Scope::All, &everybodys)] {
            if limit == 1 && matches!(scope, Scope::All) {
                continue;
            }
            let found = all(&store, &scope, &JobFilter::default(), limit).await;
            assert_eq!(found.len(), wanted.len(), "by {limit}, {scope:?}");
            assert_eq!(&found.into_iter().collect::<BTreeSet<_>>(), wanted, "by {limit}");
        }
    }
    let moment = JobFilter {
        from_ms: Some(5_000),
        to_ms: Some(5_001),
        ..JobFilter::default()
    };
    assert_eq!(all(&store, &of("acme"), &moment, 4).await.len(), 56);
}

#[tokio::test]
async fn jobs_that_come_and_go_between_pages_hide_no_other() {
    let (server, store) = world().await;
    let mut jobs = Vec::new();
    for i in 0..40 {
        // four of a moment
        jobs.push(submit(&server, &store, "acme", "v", 10_000 + i / 4).await);
    }
    for scope in [of("acme"), Scope::All] {
        let mut gone = BTreeSet::new();
        let (found, _) = walk(&store, &scope, &JobFilter::default(), 3, async |last| {
            // a new one; and the one the next page begins behind goes, hash and index, or only the hash
            submit(&server, &store, "acme", "v", 20_000).await;
            let Some(last) = last else { return };
            let mut c = admin(&server).await;
            tell(&mut c, &["UNLINK", &format!("workflow:{{p0}}:jobs:{last}")]).await;
            if gone.len() % 2 == 0 {
                tell(&mut c, &["ZREM", &format!("{INDEX}:t:acme"), &last.to_string()]).await;
                tell(&mut c, &["ZREM", INDEX, &format!("acme|{last}")]).await;
            }
            gone.insert(last);
        })
        .await;
        let unique: BTreeSet<JobId> = found.iter().copied().collect();
        assert_eq!(unique.len(), found.len(), "none twice");
        for id in jobs.iter().filter(|id| !gone.contains(*id)) {
            assert!(
                unique.contains(id),
                "{id} was there all the time, and not listed ({scope:?})"
            );
        }
        jobs.retain(|id| !gone.contains(id));
        assert!(jobs.len() > 5);
    }
}

#[tokio::test]
async fn filters_take_what_they_say_at_any_page_size() {
    let (server, store) = world().await;
    let tenant: TenantId = "acme".parse().unwrap();
    let mut of_north = Vec::new();
    let mut ended = Vec::new();
    for i in 0..60u64 {
        let venue = if i % 7 == 3 { "north" } else { "south" };
        let id = submit(&server, &store, "acme", venue, 10_000 + i).await;
        if venue == "north" {
            of_north.insert(0, id);
        }
        if i % 2 == 0 {
            store.cancel(&tenant, id, "enough").await.unwrap();
            ended.insert(0, id);
        }
    }
    let north = JobFilter {
        venue: Some("north".into()),
        ..JobFilter::default()
    };
    let north_and_ended = JobFilter {
        status: vec![JobStatus::Cancelling, JobStatus::Cancelled],
        ..north.clone()
    };
    let either = JobFilter {
        status: vec![JobStatus::Pending, JobStatus::Cancelling, JobStatus::Cancelled],
        workflow: Some("toy".into()),
        controller: Some(1),
        ..north.clone()
    };
    let both: Vec<JobId> = of_north.iter().filter(|id| ended.contains(id)).copied().collect();
    assert!(!both.is_empty() && both.len() < of_north.len());
    for limit in [1, 2, 3, 9, 50] {
        assert_eq!(all(&store, &of("acme"), &north, limit).await, of_north, "by {limit}");
        assert_eq!(
            all(&store, &of("acme"), &north_and_ended, limit).await,
            both,
            "by {limit}"
        );
        assert_eq!(all(&store, &Scope::All, &either, limit).await, of_north, "by {limit}");
    }
    for nothing in [
        JobFilter {
            workflow: Some("other".into()),
            ..JobFilter::default()
        },
        JobFilter {
            controller: Some(2),
            ..JobFilter::default()
        },
        JobFilter {
            venue: Some("nort".into()),
            ..JobFilter::default()
        },
    ] {
        assert!(all(&store, &of("acme"), &nothing, 5).await.is_empty(), "{nothing:?}");
    }
    // the last page is known to be the last when it is full as well
    let (found, pages) = walk(&store, &of("acme"), &JobFilter::default(), 20, async |_| {}).await;
    assert_eq!((found.len(), pages), (60, 3));
}

/// A filter that matches nothing, or an index full of jobs that are gone, is walked a piece at a time.
#[tokio::test]
async fn one_page_looks_at_so_many_jobs_and_no_more() {
    let (server, store) = world().await;
    let oldest = submit(&server, &store, "acme", "north", 1).await;
    let mut c = admin(&server).await;
    let mut add = redis::cmd("ZADD");
    add.arg(format!("{INDEX}:t:acme"));
    for i in 0..2_500u64 {
        add.arg(100 + i / 3).arg(JobId::generate().to_string());
    }
    add.query_async::<u64>(&mut c).await.unwrap();
    let north = JobFilter {
        venue: Some("north".into()),
        ..JobFilter::default()
    };
    let first = store.jobs(&of("acme"), &north, None, 10).await.unwrap();
    assert!(
        first.items.is_empty() && first.next.is_some(),
        "empty, and not the last"
    );
    let (found, pages) = walk(&store, &of("acme"), &north, 10, async |_| {}).await;
    assert_eq!((found, pages), (vec![oldest], 3));
    assert_eq!(all(&store, &of("acme"), &JobFilter::default(), 10).await, [oldest]);
}
