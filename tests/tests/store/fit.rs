//! Which process fits which database: payload keys, rotation, a flushed server, a full one. And what is not kept for ever.

use std::cell::Cell;
use std::time::Duration;

use shared::config::Settings;
use shared::job::JobStatus;
use shared::seal::Sealer;
use shared::store::{Partition, Store, StoreError};
use testkit::harness::resp::Resp;
use testkit::redis_server::{Options, RedisServer};

use crate::trouble::job;
use crate::world::{admin, recovers, server, settings, store, tell};

async fn start(server: &RedisServer, keys: &[&str]) -> Result<(), StoreError> {
    let s = Settings::from_pairs(&[("PAYLOAD_KEY", &keys.join(",")), ("REDIS_URL", &server.url())]).unwrap();
    Store::open(&s.redis, &s.engine).unwrap().make_ready(&s).await
}

fn id(key: &str) -> String {
    Sealer::from_base64(key).unwrap().key_ids().remove(0)
}

fn refused(r: Result<(), StoreError>) -> String {
    match r {
        Err(StoreError::Server(line)) => line,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_refused_by_its_id() {
    let server = server();
    let (right, wrong) = (Sealer::generate_key(), Sealer::generate_key());
    start(&server, &[&right]).await.unwrap();
    start(&server, &[&right]).await.unwrap();
    let line = refused(start(&server, &[&wrong]).await);
    assert!(
        line.contains("PAYLOAD_KEY does not fit") && !line.contains('\n'),
        "{line}"
    );
    assert!(line.contains(&id(&right)) && line.contains(&id(&wrong)), "{line}");
    assert!(
        !line.contains(&right[..12]) && !line.contains(&wrong[..12]),
        "no key: {line}"
    );

    // flushed: whoever starts next says which key counts
    tell(&mut admin(&server).await, &["FLUSHALL"]).await;
    start(&server, &[&wrong]).await.unwrap();
    refused(start(&server, &[&right]).await);
}

#[tokio::test]
async fn a_key_is_rotated_in_three_rounds() {
    let server = server();
    let (old, new) = (Sealer::generate_key(), Sealer::generate_key());
    start(&server, &[&old]).await.unwrap();
    // every process can open both, then seals with the new one, then forgets the old one
    start(&server, &[&old, &new]).await.unwrap();
    start(&server, &[&old]).await.unwrap();
    start(&server, &[&new, &old]).await.unwrap();
    start(&server, &[&old, &new]).await.unwrap();
    start(&server, &[&new, &old]).await.unwrap();
    refused(start(&server, &[&old]).await);
    start(&server, &[&new]).await.unwrap();
    // the first round skipped: the others could not open what it seals
    let other = Sealer::generate_key();
    refused(start(&server, &[&other]).await);
}

#[tokio::test]
async fn a_full_server_that_was_set_up_takes_processes_but_no_work() {
    let server = server();
    let key = Sealer::generate_key();
    start(&server, &[&key]).await.unwrap();
    let store = store(&server.url());
    store.probe().await.unwrap();
    let mut c = admin(&server).await;
    let ttl: i64 = redis::cmd("TTL")
        .arg("workflow:probe")
        .query_async(&mut c)
        .await
        .unwrap();
    assert!((1..=60).contains(&ttl), "{ttl}");
    tell(&mut c, &["CONFIG", "SET", "maxmemory", "1"]).await;
    start(&server, &[&key]).await.unwrap();
    assert!(matches!(store.probe().await, Err(StoreError::OutOfMemory)));
    refused(start(&server, &[&Sealer::generate_key()]).await);
    // an empty one has nowhere to put what it needs: waited for
    tell(&mut c, &["FLUSHALL"]).await;
    assert!(matches!(start(&server, &[&key]).await, Err(StoreError::OutOfMemory)));
}

#[tokio::test]
async fn a_tenants_log_goes_an_hour_after_its_last_event() {
    let server = server();
    let s = settings(&server.url());
    let store = store(&server.url());
    store.prepare(&s.redis).await.unwrap();
    let new = job();
    store.submit(&new).await.unwrap();
    let mut c = admin(&server).await;
    let key = format!("workflow:{{p0}}:ev:t:{}", new.tenant);
    let ttl = async |c: &mut redis::aio::MultiplexedConnection| -> i64 {
        redis::cmd("TTL").arg(&key).query_async(c).await.unwrap()
    };
    assert!((3_500..=3_600).contains(&ttl(&mut c).await));
    tell(&mut c, &["EXPIRE", &key, "100"]).await;
    store.cancel(&new.tenant, new.id, "enough").await.unwrap();
    let left = Duration::from_secs(u64::try_from(ttl(&mut c).await).unwrap());
    assert!(
        left > Duration::from_secs(3_500),
        "an event begins the hour anew: {left:?}"
    );
}

/// While two versions run side by side, the older one shows what the newer one stored.
#[tokio::test]
async fn a_job_of_a_later_version_is_shown_as_far_as_it_is_understood() {
    let server = server();
    let s = settings(&server.url());
    let store = store(&server.url());
    store.prepare(&s.redis).await.unwrap();
    let new = job();
    store.submit(&new).await.unwrap();
    let key = format!("workflow:{{p0}}:jobs:{}", new.id);
    let def = r#"{"name":"toy","version":2,"owner":"x","phases":[{"id":"first","name":"First","executor":"toy.first","weight":3}]}"#;
    tell(
        &mut admin(&server).await,
        &["HSET", &key, "status", "DEFERRED", "def", def, "later", "1"],
    )
    .await;
    let view = store.job(&new.tenant, new.id).await.unwrap().unwrap();
    assert_eq!(view.status, JobStatus::Running, "not known to have ended");
    assert_eq!((view.workflow_version, view.phases.len()), (2, 1));
    let spec = store.job_spec(Partition(0), new.id).await.unwrap().unwrap();
    assert_eq!(spec.definition.version, 2);
}

/// While it reads its append-only file, Redis answers `INFO`, and calls `aof_enabled` 0.
#[tokio::test]
async fn a_server_that_is_loading_is_waited_for() {
    let mut server = RedisServer::start(Options {
        appendonly: true,
        // microseconds a command: it loads for six seconds, unless it is told to hurry
        extra: vec![("key-load-delay", "600".to_owned())],
        ..Options::default()
    })
    .unwrap();
    let key = Sealer::generate_key();
    start(&server, &[&key]).await.unwrap();
    // one command each in the file: Redis looks at its connections once in 1,024 of them
    let mut many = redis::pipe();
    for n in 0..10_000 {
        many.cmd("SET").arg(format!("k{n}")).arg(n).ignore();
    }
    many.query_async::<()>(&mut admin(&server).await).await.unwrap();
    server.kill();
    let (url, port) = (server.url(), server.port());
    // returns when it has loaded
    let restarted = tokio::task::spawn_blocking(move || server.restart().map(|()| server));
    let s = Settings::from_pairs(&[("PAYLOAD_KEY", &key), ("REDIS_URL", &url)]).unwrap();
    let store = Store::open(&s.redis, &s.engine).unwrap();
    let was_loading = Cell::new(false);
    recovers("to be ready", || async {
        let ready = store.make_ready(&s).await;
        if !was_loading.get() && ready.as_ref().is_err_and(|e| e.to_string().contains("loading")) {
            was_loading.set(true);
            let hurry = Resp::connect(port).and_then(|mut redis| redis.call(&["CONFIG", "SET", "key-load-delay", "0"]));
            hurry.unwrap();
        }
        ready
    })
    .await;
    assert!(was_loading.get(), "it had loaded before it was looked at");
    restarted.await.unwrap().unwrap();
}
