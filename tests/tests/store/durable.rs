//! What Redis acknowledged and did not write yet, and the promise made of it.

use std::time::{Duration, Instant};

use shared::store::model::{Steered, Submitted};
use testkit::redis_server::{Options, RedisServer};

use crate::trouble::job;
use crate::world::{admin, recovers, settings, store};

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

/// Killed while it holds acknowledged writes back, Redis forgets them. What was answered for is not among them.
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
        assert_eq!(store.submit(&new).await.unwrap(), Submitted::Accepted);
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
