//! Names claimed by this version beside a worker of the first one, which knows only phases that write.

use std::time::Duration;

use shared::id::JobId;
use shared::store::{Claiming, Hold, NamesClaimed, Store, Writer};

use crate::world::{admin, server, store};

/// `names_claim.lua` of the first version, but for its comments.
const FIRST: &str = "
local L, c = KEYS[1], redis.call
local t = c('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)
local who, ttl, W = ARGV[1], tonumber(ARGV[2]), L..'writers'
for _, w in ipairs(c('ZRANGEBYSCORE', W, '-inf', now)) do c('ZREM', W, w); c('UNLINK', L..'names:'..w) end
for _, w in ipairs(c('ZRANGE', W, 0, -1)) do
  if w ~= who then
    for i, has in ipairs(c('SMISMEMBER', L..'names:'..w, unpack(ARGV, 3))) do
      if has == 1 then return { 'TAKEN', w, tostring(i) } end
    end
  end
end
local new = c('SADD', L..'names:'..who, unpack(ARGV, 3))
c('PEXPIRE', L..'names:'..who, ttl)
c('ZADD', W, now + ttl, who); c('PEXPIRE', W, 86400000)
return { new > 0 and 'NEW' or 'OURS' }";
const LIMITER: &str = "host_tenant";
const KEYS: &str = "workflow:{c:host_tenant}:";

struct World {
    store: Store,
    redis: redis::aio::MultiplexedConnection,
}

impl World {
    async fn claim(&self, job: JobId, phase: Option<&str>, hold: Hold, name: &str) -> NamesClaimed {
        let claim = Claiming {
            writer: Writer {
                job,
                phase: phase.map(|id| id.parse().unwrap()),
            },
            hold,
            ttl: Duration::from_secs(60),
            job_ttl: Duration::from_secs(60),
            needs_whole: false,
        };
        self.store
            .claim_names(LIMITER, &claim, &[name.to_owned()])
            .await
            .unwrap()
    }

    /// As the names of a phase that writes are stored.
    async fn hash(&mut self, name: &str) -> Vec<u8> {
        let writer = Writer {
            job: JobId::generate(),
            phase: Some("any".parse().unwrap()),
        };
        self.claim(writer.job, Some("any"), Hold::Write, name).await;
        let mut members = redis::cmd("SMEMBERS");
        members.arg(format!("{KEYS}names:{writer}"));
        let hashes: Vec<Vec<u8>> = members.query_async(&mut self.redis).await.unwrap();
        self.store.release_all_names(LIMITER, &writer).await.unwrap();
        hashes[0].clone()
    }

    /// What a worker of the first version is told.
    async fn first_claims(&mut self, job: JobId, hash: &[u8]) -> Vec<String> {
        let mut call = redis::cmd("EVAL");
        call.arg(FIRST)
            .arg(1)
            .arg(KEYS)
            .arg(format!("{job}|create_dpsk_pools"))
            .arg(60_000)
            .arg(hash);
        call.query_async(&mut self.redis).await.unwrap()
    }
}

/// It waits for who deletes, as for anybody who writes; what is only reserved or relied on it does not see.
#[tokio::test]
async fn a_first_worker_is_only_told_of_phases() {
    let server = server();
    let mut world = World {
        store: store(&server.url()),
        redis: admin(&server).await,
    };
    let pool = world.hash("pool").await;
    let [cleanup, import, first] = [(); 3].map(|()| JobId::generate());
    let all_of = |job| Writer { job, phase: None };
    let first_writer = Writer {
        job: first,
        phase: Some("create_dpsk_pools".parse().unwrap()),
    };

    assert_eq!(world.claim(import, None, Hold::Rely, "pool").await, NamesClaimed::New);
    assert_eq!(world.first_claims(first, &pool).await, ["NEW"], "relied on");
    world.store.release_all_names(LIMITER, &all_of(import)).await.unwrap();
    let taken = NamesClaimed::Taken {
        name: "pool".into(),
        by: first_writer.clone(),
    };
    let reserved = world.claim(cleanup, None, Hold::Remove, "pool").await;
    assert_eq!(reserved, taken, "the first version writes it");
    world.store.release_all_names(LIMITER, &first_writer).await.unwrap();

    let reserved = world.claim(cleanup, None, Hold::Remove, "pool").await;
    assert_eq!(reserved, NamesClaimed::New);
    assert_eq!(world.first_claims(first, &pool).await, ["NEW"], "reserved");
    let deleting = Some("delete_dpsk_pools");
    assert_eq!(
        world.claim(cleanup, deleting, Hold::Write, "pool").await,
        taken,
        "it is not deleted yet"
    );
    world.store.release_all_names(LIMITER, &first_writer).await.unwrap();
    assert_eq!(
        world.claim(cleanup, deleting, Hold::Write, "pool").await,
        NamesClaimed::New
    );
    let told = world.first_claims(first, &pool).await;
    assert_eq!(told, ["TAKEN", &format!("{cleanup}|delete_dpsk_pools"), "1"]);
    // one of this version is told, too
    let own = world
        .claim(import, Some("create_dpsk_pools"), Hold::Write, "pool")
        .await;
    assert!(matches!(own, NamesClaimed::Taken { by, .. } if by.job == cleanup));
}
