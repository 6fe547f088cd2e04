//! A master dies under load, and another takes its place: with sentinels, and in a Cluster. Jobs end by themselves and no key stands
//! twice; what the failover has lost is told in numbers.
//!
//! On one machine replicas have everything within a millisecond, and nothing would be lost. So they are cut off for a while before the
//! master dies: what it answers meanwhile, it has never told anybody.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use shared::id::TenantId;
use shared::store::Partition;
use testkit::harness::api::summary;
use testkit::harness::resp::Resp;
use testkit::harness::{Api, Controller, Fleet, Plan, wait_until};
use testkit::redis_group::{Cluster, Watched, offset, offset_of_takeover};
use testkit::redis_server::RedisServer;
use testkit::verify::verify;

use crate::world::{TIMEOUT, World};

const LOCK_TTL_SECONDS: u32 = 15;
const SECRET: &str = "a secret of sixteen";
/// Those of a Cluster, by default.
const PARTITIONS: u16 = 16;

/// Jobs that were accepted and only wait: what of them is gone, the failover has lost.
struct Held {
    api: Api,
    accepted: Vec<String>,
}

impl Held {
    async fn submit(api: &Api, controller: i64, count: usize) -> Self {
        let export = testkit::export::single_pool(1, 5, Timestamp::now());
        let mut accepted = Vec::new();
        for _ in 0..count {
            let options = json!({"require_confirmation": true});
            accepted.push(api.import(controller, &export, options).await.unwrap());
        }
        Held {
            api: api.clone(),
            accepted,
        }
    }

    /// How many are gone. The others are cancelled.
    async fn lost(&self) -> usize {
        let mut lost = 0;
        for id in &self.accepted {
            let told = wait_until("a held job's fate", TIMEOUT, async || {
                match self.api.get(&format!("/api/v1/jobs/{id}")).await.ok()? {
                    (200, job) => Some(Some(job)),
                    (404, _) => Some(None),
                    _ => None,
                }
            });
            match told.await.unwrap() {
                Some(job) => assert_eq!(job["status"], "AWAITING_CONFIRMATION", "{}", summary(&job)),
                None => lost += 1,
            }
            let _ = self.api.steer(id, "cancel").await;
        }
        lost
    }
}

/// How long until the API answers for a job again.
async fn answers_again(api: &Api, job: &str) -> Duration {
    let began = Instant::now();
    let again = wait_until("the API to answer", TIMEOUT, async || {
        let (status, _) = api.get(&format!("/api/v1/jobs/{job}")).await.ok()?;
        (status == 200).then_some(())
    });
    again.await.unwrap();
    began.elapsed()
}

/// Its replicas are frozen, and have of the master what they have: from here on it writes for itself alone. Where it was then.
fn cut_off(master: &RedisServer, replicas: &[RedisServer]) -> u64 {
    for replica in replicas {
        replica.pause().unwrap();
    }
    // else the kernel would take for them what they have no time to read
    let mut c = Resp::connect(master.port()).unwrap();
    c.call(&["CLIENT", "KILL", "TYPE", "REPLICA"]).unwrap();
    offset(master.port()).unwrap()
}

/// Kills a master; what it had sent into the world before.
fn kill(fleet: &Fleet, server: &mut RedisServer) -> u64 {
    let written = offset(server.port()).unwrap();
    let pid = server.pid();
    server.kill();
    pid.into_iter().for_each(|pid| fleet.guard.forget(pid));
    written
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_name_another_master_and_the_jobs_go_on() {
    let mut redis = Watched::start(2).unwrap();
    let sentinels = redis.addresses();
    let world = World::with(300, 6_000, 2, |plan| {
        plan.lock_ttl_seconds = Some(LOCK_TTL_SECONDS);
        let variables = [
            ("REDIS_URL", String::new()),
            ("REDIS_DB", "0".into()),
            ("REDIS_SENTINELS", sentinels),
        ];
        plan.environment
            .extend(variables.map(|(name, value)| (name.to_owned(), value)));
    });
    let world = world.await;
    for server in redis.servers.iter().chain(&redis.sentinels) {
        server.pid().into_iter().for_each(|pid| world.fleet.guard.watch(pid));
    }
    let job = world.import().await;
    world.written(60).await;
    cut_off(&redis.servers[0], &redis.servers[1..]);
    let held = Held::submit(&world.fleet.api, 1, 12).await;
    world.written(100).await;
    let before = kill(&world.fleet, &mut redis.servers[0]);
    for replica in &redis.servers[1..] {
        replica.resume().unwrap();
    }
    let began = Instant::now();
    let new = redis.other_master(0).unwrap();
    let named = began.elapsed();
    let kept = offset_of_takeover(redis.servers[new].port()).unwrap();
    let again = answers_again(&world.fleet.api, &job).await;
    // it believes to be the master for a moment; whoever trusted the address would write to it
    redis.servers[0].restart().unwrap();
    redis.servers[0]
        .pid()
        .into_iter()
        .for_each(|pid| world.fleet.guard.watch(pid));
    let ended = world.ended(&job).await;
    let lost = held.lost().await;
    let counts = world.counts().await;
    println!(
        "sentinels: another master after {named:.1?}, the API answered {again:.1?} later; {} bytes of {before} lost; {lost} of {} jobs accepted just before lost; refused creates {}",
        before.saturating_sub(kept),
        held.accepted.len(),
        counts["refused_creates"],
    );
    assert_eq!(ended["status"], "COMPLETED", "{}", summary(&ended));
    let verdict = world.verdict().await;
    assert!(verdict.agrees(), "{:#?}", verdict.faults().take(10).collect::<Vec<_>>());
    assert_eq!(counts["existing_twice"]["total"], 0, "{counts}");
    assert!(lost > 0 && before > kept, "a failover that loses nothing shows nothing");
    redis.demoted(0).unwrap();
    world.fleet.simulators[0].reset_counts().await.unwrap();
    let second = world.import().await;
    let second = world.ended(&second).await;
    world.assert_done(&second).await;
    assert_eq!(world.counts().await["writes"], 0);
}

/// A tenant of a fleet with several.
struct Tenant {
    controller: i64,
    remote: String,
    home: usize,
    api: Api,
    export: Value,
}

/// Names of tenants, two whose partitions are with the master 0, one with each other.
fn tenants(redis: &Cluster) -> Vec<(String, usize)> {
    let mut left = vec![0, 0, 1, 2];
    let mut found = Vec::new();
    for n in 0..1_000 {
        let name = format!("tenant-{n}");
        let id: TenantId = name.parse().unwrap();
        let home = redis.home_of(&Partition::of(&id, PARTITIONS).prefix()).unwrap();
        if let Some(at) = left.iter().position(|l| *l == home) {
            left.remove(at);
            found.push((name, home));
        }
        if left.is_empty() {
            break;
        }
    }
    found
}

fn token(tenant: &str) -> String {
    let claims = json!({"sub": "u1", "roles": ["user"], "exp": get_current_timestamp() + 3600, "tenant_id": tenant});
    encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_loses_a_master_and_every_tenants_jobs_end() {
    let mut redis = Cluster::start(3, true).unwrap();
    let names = tenants(&redis);
    let folder = tempfile::tempdir().unwrap();
    let mut plan = Plan::simple(folder.path(), 6_000, 2);
    plan.lock_ttl_seconds = Some(LOCK_TTL_SECONDS);
    plan.controllers = (1..)
        .zip(&names)
        .map(|(id, (name, _))| {
            let mut controller = Controller::new(id, 0, 6_000);
            controller.tenant.clone_from(name);
            controller
        })
        .collect();
    let variables = [
        ("REDIS_URL", String::new()),
        ("REDIS_CLUSTER_NODES", redis.addresses()),
        ("AUTH_MODE", "jwt".into()),
        ("AUTH_JWT_SECRET", SECRET.into()),
    ];
    plan.environment
        .extend(variables.map(|(name, value)| (name.to_owned(), value)));
    let remotes: Vec<String> = plan.controllers.iter().map(|c| c.remote_tenant.clone()).collect();
    let fleet = Fleet::start(plan).await.unwrap();
    for server in &redis.nodes {
        server.pid().into_iter().for_each(|pid| fleet.guard.watch(pid));
    }
    let submitted = Timestamp::now();
    let tenants: Vec<Tenant> = (1..)
        .zip(names)
        .zip(remotes)
        .map(|((id, (name, home)), remote)| Tenant {
            controller: id,
            remote,
            home,
            api: fleet.api.with_token(token(&name)),
            export: testkit::export::full(150, id as u64, submitted),
        })
        .collect();
    let mut jobs = Vec::new();
    for t in &tenants {
        jobs.push(t.api.import(t.controller, &t.export, json!({})).await.unwrap());
    }
    let simulator = &fleet.simulators[0];
    for t in &tenants {
        let written = wait_until("30 writes of every tenant", TIMEOUT, async || {
            let counts = simulator.counts(&t.remote).await.ok()?;
            (counts["writes"].as_u64()? >= 30).then_some(())
        });
        written.await.unwrap();
    }
    let victim = tenants.iter().position(|t| t.home == 0).unwrap();
    cut_off(&redis.nodes[0], &redis.nodes[3..4]);
    let held = Held::submit(&tenants[victim].api, tenants[victim].controller, 12).await;
    let written = wait_until("some more writes", TIMEOUT, async || {
        let counts = simulator.counts(&tenants[victim].remote).await.ok()?;
        (counts["writes"].as_u64()? >= 60).then_some(())
    });
    written.await.unwrap();
    let before = kill(&fleet, &mut redis.nodes[0]);
    redis.nodes[3].resume().unwrap();
    let began = Instant::now();
    let new = redis.successor(0).unwrap();
    let taken_over = began.elapsed();
    let kept = offset_of_takeover(redis.nodes[new].port()).unwrap();
    let again = answers_again(&tenants[victim].api, &jobs[victim]).await;
    let mut refused = Vec::new();
    for (t, job) in tenants.iter().zip(&jobs) {
        let ended = t.api.ended(job, TIMEOUT).await.unwrap();
        assert_eq!(ended["status"], "COMPLETED", "{}", summary(&ended));
        let ledger = simulator.ledger(&t.remote).await.unwrap();
        let verdict = verify(&t.export, &ledger, submitted).unwrap();
        assert!(verdict.agrees(), "{:#?}", verdict.faults().take(10).collect::<Vec<_>>());
        let counts = simulator.counts(&t.remote).await.unwrap();
        assert_eq!(counts["existing_twice"]["total"], 0, "{counts}");
        refused.push(counts["refused_creates"].to_string());
    }
    let lost = held.lost().await;
    println!(
        "Cluster: a replica took over after {taken_over:.1?}, the API answered {again:.1?} later; {} bytes of {before} lost; {lost} of {} jobs accepted just before lost; refused creates {}",
        before.saturating_sub(kept),
        held.accepted.len(),
        refused.join(", "),
    );
    assert!(lost > 0 && before > kept, "a failover that loses nothing shows nothing");
}
