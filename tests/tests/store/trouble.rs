//! Demoted, frozen, killed, full, and with another password.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::json;
use shared::config::Settings;
use shared::id::JobId;
use shared::seal::Sealer;
use shared::store::StoreError;
use shared::store::model::{Durability, NewJob, Submitted};
use shared::workflow::{Definition, parse};

use crate::world::{Address, admin, loading, recovers, server, settings, store, tell, write};

/// The connection to a demoted master is healthy; only a new one finds the new master. Not only the first time.
#[tokio::test]
async fn every_failover_is_followed() {
    let servers = [server(), server()];
    let address = Address::of(&servers[0]).await;
    let store = store(&address.url());
    write(&store).await.unwrap();
    for (old, new) in [(0, 1), (1, 0), (0, 1)] {
        let port = servers[new].port().to_string();
        tell(&mut admin(&servers[new]).await, &["REPLICAOF", "NO", "ONE"]).await;
        address.point_to(&servers[new]);
        tell(&mut admin(&servers[old]).await, &["REPLICAOF", "127.0.0.1", &port]).await;
        let e = write(&store).await.unwrap_err();
        assert!(
            matches!(
                e,
                StoreError::Unavailable {
                    stale: true,
                    timeout: false,
                    ..
                }
            ),
            "{e:?}"
        );
        recovers("after a failover", || write(&store)).await;
    }
    assert_eq!(address.accepted(), 4, "one connection each");
}

/// Calls that time out late, one by one, on a connection that is replaced already do not replace the new one.
#[tokio::test]
async fn late_time_outs_leave_the_new_connection_alone() {
    let (frozen, alive) = (server(), server());
    let address = Address::of(&frozen).await;
    let store = store(&address.url());
    write(&store).await.unwrap();
    frozen.pause().unwrap();
    address.point_to(&alive);
    let mut calls = tokio::task::JoinSet::new();
    for i in 0..40 {
        let store = store.clone();
        calls.spawn(async move {
            // so that they end one by one, over two seconds
            tokio::time::sleep(Duration::from_millis(45 * i)).await;
            write(&store).await
        });
    }
    let mut ended = 0;
    while let Some(call) = calls.join_next().await {
        let e = call.unwrap().unwrap_err();
        assert!(matches!(e, StoreError::Unavailable { timeout: true, .. }), "{e:?}");
        ended += 1;
        // the third has the connection replaced; from then on there are several time-outs between two writes, enough to take a
        // connection for dead if they counted
        if ended >= 3 && (ended - 3) % 6 == 0 {
            write(&store).await.unwrap();
        }
    }
    assert_eq!(ended, 40);
    assert_eq!(address.accepted(), 2, "the first connection and its replacement");
    frozen.resume().unwrap();
}

#[tokio::test]
async fn a_frozen_server_is_used_again_when_it_continues() {
    let server = server();
    let store = store(&server.url());
    for _ in 0..2 {
        recovers("before the freeze", || write(&store)).await;
        server.pause().unwrap();
        let e = write(&store).await.unwrap_err();
        assert!(matches!(e, StoreError::Unavailable { timeout: true, .. }), "{e:?}");
        server.resume().unwrap();
        recovers("after the freeze", || write(&store)).await;
    }
}

/// A black hole that never comes back to life: only a new connection helps.
#[tokio::test]
async fn a_connection_that_is_never_answered_again_is_replaced() {
    let (dead, alive) = (server(), server());
    let address = Address::of(&dead).await;
    let store = store(&address.url());
    write(&store).await.unwrap();
    dead.pause().unwrap();
    address.point_to(&alive);
    recovers("from a black hole", || write(&store)).await;
    assert!(!store.healthy_for().is_zero() || !store.never_failed());
    dead.resume().unwrap();
}

#[tokio::test]
async fn a_killed_and_restarted_server_is_found_again() {
    let mut server = server();
    let store = store(&server.url());
    for _ in 0..2 {
        recovers("before the kill", || write(&store)).await;
        server.kill();
        let e = write(&store).await.unwrap_err();
        assert!(matches!(e, StoreError::Unavailable { stale: false, .. }), "{e:?}");
        server.restart().unwrap();
        recovers("after the restart", || write(&store)).await;
    }
}

#[tokio::test]
async fn a_full_server_is_told_from_one_that_is_away() {
    let server = server();
    let s = settings(&server.url());
    let store = store(&server.url());
    store.prepare(&s.redis).await.unwrap();
    let mut c = admin(&server).await;
    tell(&mut c, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let e = store.submit(&job()).await.unwrap_err();
    assert!(matches!(e, StoreError::OutOfMemory), "{e:?}");
    let new = job();
    let e = store
        .stage_input(&new.tenant, new.id, 0, vec![1], vec![2])
        .await
        .unwrap_err();
    assert!(matches!(e, StoreError::OutOfMemory), "{e:?}");
    assert!(store.never_failed(), "the connection is well");
    tell(&mut c, &["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(
        store.submit(&job()).await.unwrap(),
        Submitted::Accepted(Durability::Accepted)
    );
}

/// redis-rs keeps a connection attempt that was refused with words, not by the network, and answers every call with them from then on.
#[tokio::test]
async fn a_server_that_refused_the_connection_itself_is_asked_again() {
    let (mut gone, alive) = (server(), server());
    let address = Address::of(&gone).await;
    let store = store(&address.url());
    write(&store).await.unwrap();
    address.point_to_port(loading().await);
    gone.kill();
    let refused = || async {
        match write(&store).await {
            Err(e) if e.to_string().contains("oading") => Ok(()),
            Err(e) => Err(e),
            Ok(()) => panic!("nobody is there to write"),
        }
    };
    recovers("no refusal", refused).await;
    address.point_to(&alive);
    recovers("from a refusal", || write(&store)).await;
}

/// Stopped between the two, a server would keep staged rows for ever. Here it refuses the second: then nothing is kept.
#[tokio::test]
async fn staged_input_has_an_end_or_is_not_there() {
    let server = server();
    let (store, new) = (store(&server.url()), job());
    let mut c = admin(&server).await;
    let stage = || store.stage_input(&new.tenant, new.id, 0, vec![1], vec![2]);
    tell(&mut c, &["ACL", "SETUSER", "default", "-expire"]).await;
    stage().await.unwrap_err();
    let keys: u32 = redis::cmd("DBSIZE").query_async(&mut c).await.unwrap();
    assert_eq!(keys, 0, "input without an end");
    tell(&mut c, &["ACL", "SETUSER", "default", "+expire"]).await;
    stage().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut c).await.unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let left: i64 = redis::cmd("TTL").arg(&key).query_async(&mut c).await.unwrap();
        assert!(left > 0, "{key}: {left}");
    }
}

/// No waiting helps, so the start stops instead of trying for ever.
#[tokio::test]
async fn refused_credentials_are_no_outage() {
    let server = server();
    let mut c = admin(&server).await;
    tell(&mut c, &["CONFIG", "SET", "requirepass", "right"]).await;
    tell(
        &mut c,
        &["ACL", "SETUSER", "weak", "on", ">right", "~*", "+ping", "+info"],
    )
    .await;
    let port = server.port();
    for who in ["", ":wrong@", "weak:right@"] {
        let s = settings(&format!("redis://{who}127.0.0.1:{port}/0"));
        let e = store(&s.redis.url).prepare(&s.redis).await.unwrap_err();
        let told = match who {
            "weak:right@" => {
                "lacks a right (deploy/redis/users.acl has all of them): NoPerm: this user has no permissions to run the 'hget'"
            }
            _ => "refuses our credentials",
        };
        assert!(
            matches!(&e, StoreError::Server(text) if text.contains(told)),
            "{who}: {e:?}"
        );
        assert!(
            !e.to_string().contains("wrong@") && !e.to_string().contains('\n'),
            "{e}"
        );
    }
    let s = settings(&format!("redis://:right@127.0.0.1:{port}/0"));
    store(&s.redis.url).prepare(&s.redis).await.unwrap();
}

/// Our address of an IPv6 host is read by the client as that host, without the brackets.
#[test]
fn an_ipv6_host_is_understood_by_the_client() {
    let key = Sealer::generate_key();
    let s = Settings::from_pairs(&[("PAYLOAD_KEY", &key), ("REDIS_HOST", "::1")]).unwrap();
    let info = redis::IntoConnectionInfo::into_connection_info(s.redis.url.as_str()).unwrap();
    assert_eq!(*info.addr(), redis::ConnectionAddr::Tcp("::1".into(), 6379));
}

pub fn job() -> NewJob {
    let text = "name: toy\nversion: 1\nphases:\n  - {id: first, name: First, executor: toy.first}\n";
    let workflow: &'static Definition = Box::leak(Box::new(parse::parse(text).unwrap()));
    NewJob {
        id: JobId::generate(),
        tenant: "acme".parse().unwrap(),
        controller: 1,
        venue_id: "v".into(),
        workflow: Cow::Borrowed(workflow),
        options: json!({}),
        input_meta: json!({}),
        input_chunks: 0,
        expected_tasks: 1,
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
