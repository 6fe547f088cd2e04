//! What Redis acknowledged and did not write yet, and the promise made of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use shared::id::JobId;
use shared::job::JobStatus;
use shared::store::Partition;
use shared::store::model::{Durability, Steered, Submitted};
use testkit::redis_server::{Options, RedisServer};

use crate::scripted::{array, bulk, scripted};
use crate::trouble::job;
use crate::world::{admin, recovers, settings, store};

const P: Partition = Partition(0);

/// A look at the server: its life, the bytes it has yet to write, those it has written, and whether it syncs.
type Look = (&'static str, u64, u64, u8);

/// A server that shows these in turn, the last one again and again, and a count of the looks. It answers every script with `steered`.
async fn shows(looks: &'static [Look], steered: &'static str) -> (String, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let url = scripted(move |words| match words[0].as_str() {
        "INFO" => {
            let (life, buffered, size, syncing) = looks[count.fetch_add(1, SeqCst).min(looks.len() - 1)];
            Some(bulk(&format!(
                "run_id:{life}\r\naof_current_size:{size}\r\naof_buffer_length:{buffered}\r\naof_pending_bio_fsync:{syncing}\r\n"
            )))
        }
        "EVALSHA" => Some(array(&[bulk(steered), bulk("CANCELLING")])),
        _ => None,
    });
    (url.await, seen)
}

const HELD_BACK: Look = ("a", 30, 100, 1);

/// More is buffered meanwhile; what counts is what there was at first.
#[tokio::test]
async fn what_is_held_back_is_waited_for() {
    let looks = &[
        ("a", 0, 100, 0),
        HELD_BACK,
        ("a", 50, 100, 1),
        ("a", 60, 129, 1),
        ("a", 60, 130, 1),
    ];
    let (url, seen) = shows(looks, "").await;
    let store = store(&url);
    let life = store.present_life(P).await.unwrap();
    store.secured_within(P, &life, Duration::from_secs(60)).await.unwrap();
    assert_eq!(seen.load(SeqCst), 5, "it was not enough before, and enough then");
}

#[tokio::test]
async fn a_write_that_may_be_forgotten_is_not_answered_for() {
    // started anew before the first look, and while it is waited for
    for looks in [&[("a", 0, 100, 0), ("b", 0, 100, 0)], &[HELD_BACK, ("b", 0, 100, 0)]] as [&[Look]; 2] {
        let (url, seen) = shows(looks, "").await;
        let store = store(&url);
        let life = store.present_life(P).await.unwrap();
        let e = store
            .secured_within(P, &life, Duration::from_secs(60))
            .await
            .unwrap_err();
        assert!(e.is_transient() && e.to_string().contains("started anew"), "{e}");
        assert_eq!(seen.load(SeqCst), 2);
    }
    // never written
    let (url, seen) = shows(&[HELD_BACK], "").await;
    let store = store(&url);
    let life = store.present_life(P).await.unwrap();
    let e = store
        .secured_within(P, &life, Duration::from_millis(100))
        .await
        .unwrap_err();
    assert!(e.is_transient() && e.to_string().contains("does not write"), "{e}");
    assert!(seen.load(SeqCst) > 2, "it was looked at more than once");
}

/// Also "it was cancelled already" is no answer while that cancel may be forgotten.
#[tokio::test]
async fn no_steering_call_is_answered_for_before_it_is_kept() {
    const LIVES: &[Look] = &[
        ("a", 0, 1, 0),
        ("b", 0, 1, 0),
        ("c", 0, 1, 0),
        ("c", 0, 1, 0),
        ("c", 0, 1, 0),
    ];
    let tenant = job().tenant;
    for (answer, kept) in [
        ("DONE", Steered::Done(JobStatus::Cancelling)),
        ("ALREADY", Steered::Already(JobStatus::Cancelling)),
    ] {
        let (url, _) = shows(LIVES, answer).await;
        let store = store(&url);
        store.present_life(P).await.unwrap();
        let cancel = || store.cancel(&tenant, JobId::generate(), "test");
        let e = cancel().await.unwrap_err();
        assert!(e.is_transient(), "{answer}: {e}");
        assert_eq!(cancel().await.unwrap(), kept, "the third life stays");
    }
    let (url, _) = shows(LIVES, "REFUSED").await;
    let store = store(&url);
    let refused = store.cancel(&tenant, JobId::generate(), "test").await.unwrap();
    assert_eq!(refused, Steered::Refused(JobStatus::Cancelling));
}

/// Looks for a moment in which writes are held back, at most. On a fast disk there may be none.
const LOOK_FOR: Duration = Duration::from_secs(4);

/// Until the server has so much to sync that it holds back what comes now. False: not in time.
async fn holds_back(server: &RedisServer) -> bool {
    let mut c = admin(server).await;
    let big = vec![b'x'; 1 << 20];
    let deadline = Instant::now() + LOOK_FOR;
    while Instant::now() < deadline {
        for _ in 0..40 {
            let set: redis::RedisResult<()> = redis::cmd("SET").arg("big").arg(&big).query_async(&mut c).await;
            set.unwrap();
        }
        for _ in 0..20 {
            let incr: redis::RedisResult<()> = redis::cmd("INCR").arg("small").query_async(&mut c).await;
            incr.unwrap();
            let info: String = redis::cmd("INFO").arg("persistence").query_async(&mut c).await.unwrap();
            if info.contains("aof_pending_bio_fsync:1") && !info.contains("aof_buffer_length:0") {
                return true;
            }
        }
    }
    false
}

/// Killed while it holds acknowledged writes back, Redis forgets them. What was answered for is not among them. On a disk that is
/// never behind this shows little; the tests above do not depend on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_forgets_no_accepted_job_and_no_cancel() {
    let mut held_back = 0;
    for _ in 0..4 {
        let mut server = RedisServer::start(Options {
            appendonly: true,
            extra: vec![("auto-aof-rewrite-percentage", "0".to_owned())],
            ..Options::default()
        })
        .unwrap();
        let (settings, store) = (settings(&server.url()), store(&server.url()));
        store.prepare(&settings.redis).await.unwrap();
        let new = job();
        let id = new.id;
        held_back += u32::from(holds_back(&server).await);
        assert_eq!(
            store.submit(&new).await.unwrap(),
            Submitted::Accepted(Durability::Accepted)
        );
        server.kill();
        server.restart().unwrap();
        let there = recovers("after the kill", || store.job(&new.tenant, id)).await;
        assert!(there.is_some(), "an accepted job is gone");

        held_back += u32::from(holds_back(&server).await);
        let cancelled = recovers("a cancel", || store.cancel(&new.tenant, id, "test")).await;
        let Steered::Done(status) = cancelled else {
            panic!("the first cancel is a change: {cancelled:?}")
        };
        server.kill();
        server.restart().unwrap();
        let there = recovers("after the second kill", || store.job(&new.tenant, id)).await;
        assert_eq!(there.unwrap().status, status, "a cancel that was answered is gone");
    }
    println!("writes were held back in {held_back} of 8 kills");
}
