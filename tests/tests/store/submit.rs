//! What an acceptance waits for, and that it tells what was reached.

use std::time::Duration;

use shared::config::{Settings, SubmitDurability};
use shared::seal::Sealer;
use shared::store::model::{Durability, Submitted};
use shared::store::{Store, StoreError};
use testkit::redis_group::follow;
use testkit::redis_server::{Options, RedisServer};

use crate::trouble::job;
use crate::world::{admin, server};

fn settings(server: &RedisServer, more: &[(&str, &str)]) -> Settings {
    let key = Sealer::generate_key();
    let url = server.url();
    let mut pairs = vec![("PAYLOAD_KEY", key.as_str()), ("REDIS_URL", &url)];
    pairs.extend_from_slice(more);
    Settings::from_pairs(&pairs).unwrap()
}

async fn opened(server: &RedisServer, more: &[(&str, &str)]) -> Result<Store, StoreError> {
    let s = settings(server, more);
    let store = Store::open(&s.redis, &s.engine)?;
    store.prepare(&s.redis).await?;
    Ok(store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_has_the_job_is_told_of_and_none_is_not() {
    let (master, mut replica) = (server(), server());
    follow(&replica, &master).unwrap();
    let wait = [("SUBMIT_DURABILITY", "replicated"), ("SUBMIT_DURABILITY_TIMEOUT", "5")];
    let store = opened(&master, &wait).await.unwrap();
    // side by side, each on a connection of its own; then again, on those that are there
    for _ in 0..2 {
        let jobs: Vec<_> = (0..4).map(|_| job()).collect();
        let all = futures_util::future::join_all(jobs.iter().map(|job| store.submit(job))).await;
        for answer in all {
            assert_eq!(answer.unwrap(), Submitted::Accepted(Durability::Replicated));
        }
    }
    // the same submission again writes nothing, so nothing can be said of its replicas
    let new = job();
    assert_eq!(
        store.submit(&new).await.unwrap(),
        Submitted::Accepted(Durability::Replicated)
    );
    assert_eq!(
        store.submit(&new).await.unwrap(),
        Submitted::Accepted(Durability::Accepted)
    );

    let two = [wait[0], ("SUBMIT_REPLICAS", "2"), ("SUBMIT_DURABILITY_TIMEOUT", "0.2")];
    let asks_two = opened(&master, &two).await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(
        asks_two.submit(&job()).await.unwrap(),
        Submitted::Accepted(Durability::Accepted)
    );
    assert!(began.elapsed() >= Duration::from_millis(200), "it was waited for");

    // frozen, it is a replica still and has nothing; the job is accepted, late
    replica.pause().unwrap();
    let short = opened(&master, &[wait[0], ("SUBMIT_DURABILITY_TIMEOUT", "0.3")])
        .await
        .unwrap();
    let late = job();
    assert_eq!(
        short.submit(&late).await.unwrap(),
        Submitted::Accepted(Durability::Accepted)
    );
    assert!(short.job(&late.tenant, late.id).await.unwrap().is_some());
    replica.resume().unwrap();
    replica.kill();
    assert_eq!(
        short.submit(&job()).await.unwrap(),
        Submitted::Accepted(Durability::Accepted)
    );
}

/// The job is there; of its replicas nothing is known, and nobody is given that connection again.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_while_replicas_are_waited_for_is_not_used_again() {
    let (master, replica) = (server(), server());
    follow(&replica, &master).unwrap();
    let wait = [("SUBMIT_DURABILITY", "replicated"), ("SUBMIT_DURABILITY_TIMEOUT", "30")];
    let store = opened(&master, &wait).await.unwrap();
    replica.pause().unwrap();
    let (new, mut operator) = (job(), admin(&master).await);
    let cut = async {
        loop {
            let list: String = redis::cmd("CLIENT")
                .arg("LIST")
                .query_async(&mut operator)
                .await
                .unwrap();
            let waiting = list.lines().find(|line| line.contains(" cmd=wait "));
            if let Some(id) = waiting.and_then(|line| line.strip_prefix("id=")?.split(' ').next()) {
                let mut kill = redis::cmd("CLIENT");
                return kill.arg("KILL").arg("ID").arg(id).query_async(&mut operator).await;
            }
        }
    };
    let (answer, killed): (_, redis::RedisResult<u32>) = tokio::join!(store.submit(&new), cut);
    assert_eq!(killed.unwrap(), 1);
    assert_eq!(answer.unwrap(), Submitted::Accepted(Durability::Accepted));
    assert!(store.job(&new.tenant, new.id).await.unwrap().is_some());
    assert!(!store.never_failed(), "it counts as a failure of Redis");
    replica.resume().unwrap();
    assert_eq!(
        store.submit(&job()).await.unwrap(),
        Submitted::Accepted(Durability::Replicated)
    );
}

#[tokio::test]
async fn the_disk_is_told_of_where_redis_syncs_always_and_asked_for_where_it_can_be() {
    let always = RedisServer::start(Options {
        appendonly: true,
        appendfsync: Some("always"),
        ..Options::default()
    })
    .unwrap();
    let wait = [("SUBMIT_DURABILITY", "fsynced")];
    let store = opened(&always, &wait).await.unwrap();
    assert_eq!(
        store.submit(&job()).await.unwrap(),
        Submitted::Accepted(Durability::Fsynced)
    );

    let everysec = server();
    let found = opened(&everysec, &wait).await;
    let version = testkit::redis_group::info(everysec.port(), "server", "redis_version").unwrap();
    let major_minor: Vec<u32> = version.split('.').take(2).map(|n| n.parse().unwrap()).collect();
    match (found, major_minor.as_slice() >= &[7, 2][..]) {
        (Ok(store), true) => {
            assert_eq!(
                store.submit(&job()).await.unwrap(),
                Submitted::Accepted(Durability::Fsynced)
            );
        }
        (Err(StoreError::Server(line)), false) => {
            assert!(
                line.contains("SUBMIT_DURABILITY=fsynced needs version 7.2") && line.contains(&version),
                "{line}"
            );
            assert!(line.contains("appendfsync always") && !line.contains('\n'), "{line}");
        }
        (other, _) => panic!("{:?}", other.map(drop)),
    }
    let s = settings(&everysec, &[]);
    assert_eq!(s.redis.durability, SubmitDurability::Accepted);
}
