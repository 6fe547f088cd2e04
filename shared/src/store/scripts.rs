//! The Lua scripts: one file each, the shared prelude in front, `#!lua` first.
//!
//! `#!lua` makes a key of another slot an error instead of a silent success. `allow-oom`: what finishes or steers work must go
//! on when memory is full; what brings new data (`submit`, `plan_put`) must not. A script's SHA names its content, so two
//! versions of a worker run side by side.

use std::sync::LazyLock;
use std::time::Instant;

use redis::aio::ConnectionLike;
use redis::{FromRedisValue, RedisResult, Script, ToRedisArgs};

use super::error::StoreError;
use super::keys::Partition;
use super::routed::Redis;
use super::script_times;

const PRELUDE: &str = include_str!("lua/_prelude.lua");

/// A script and the name of its file, by which its calls are timed.
pub struct Lua {
    pub name: &'static str,
    pub script: Script,
}

macro_rules! scripts {
    ($( $(#[$doc:meta])* $name:ident $file:literal $oom:ident $prelude:ident; )*) => {
        $( $(#[$doc])* pub static $name: LazyLock<Lua> = LazyLock::new(|| Lua {
            name: $file,
            script: Script::new(&source(include_str!(concat!("lua/", $file, ".lua")), stringify!($oom) == "allow", stringify!($prelude) == "batch")),
        }); )*
        /// All of them, for loading and for tests.
        pub fn all() -> Vec<&'static Lua> {
            vec![ $( &*$name ),* ]
        }
    };
}

fn source(body: &str, allow_oom: bool, prelude: bool) -> String {
    let header = if allow_oom { "#!lua flags=allow-oom" } else { "#!lua" };
    format!("{header}\n{}{body}", if prelude { PRELUDE } else { "" })
}

scripts! {
    SUBMIT "submit" deny batch;
    CLAIM "claim" allow batch;
    HEARTBEAT "heartbeat" allow batch;
    CHECKPOINT "checkpoint" allow batch;
    COMPLETE "complete" allow batch;
    PARK "park" allow batch;
    RELEASE "release" allow batch;
    WAKE "wake" allow batch;
    PLAN_PUT "plan_put" deny batch;
    PLAN_COMMIT "plan_commit" allow batch;
    PLAN_FAIL "plan_fail" allow batch;
    STEER "steer" allow batch;
    CHECKS "checks" allow batch;
    REQUEUE "requeue" allow batch;
    DRAIN "drain" allow batch;
    COOL "cool" allow batch;
    TICK "tick" allow batch;
    REAP "reap" allow batch;
    RECONCILE "reconcile" allow batch;
    FIGURES "figures" allow batch;
    GROUP_EXISTS "group_exists" allow batch;
    LANE_RATE "lane_rate" allow batch;
    JOB_LIMITS "job_limits" allow batch;
    JOB_WAITS "job_waits" allow batch;
    LIM_ACQUIRE "lim_acquire" allow limiter;
    LIM_REPORT "lim_report" allow limiter;
    POLL_ADD "poll_add" allow limiter;
    POLL_LIST "poll_list" allow limiter;
    POLL_LEASE "poll_lease" allow limiter;
    POLL_SETTLE "poll_settle" allow limiter;
    NAMES_CLAIM "names_claim" allow limiter;
    NAMES_RELEASE "names_release" allow limiter;
}

/// Arguments of a script call, in order.
#[derive(Default)]
pub struct Args(Vec<Vec<u8>>);

impl Args {
    pub fn new() -> Self {
        Args(Vec::new())
    }
    pub fn with(mut self, v: impl ToRedisArgs) -> Self {
        self.push(v);
        self
    }
    pub fn push(&mut self, v: impl ToRedisArgs) {
        self.0.extend(v.to_redis_args());
    }
}

/// Runs a script of the batch protocol on a partition.
pub async fn on_partition<T: FromRedisValue>(
    redis: &Redis,
    p: Partition,
    script: &Lua,
    args: Args,
) -> Result<T, StoreError> {
    on_key(redis, &p.prefix(), script, args).await
}

/// Runs a script with one key. Loads it when the server does not know it (restart, `SCRIPT FLUSH`, failover).
pub async fn on_key<T: FromRedisValue>(redis: &Redis, key: &str, script: &Lua, args: Args) -> Result<T, StoreError> {
    let began = Instant::now();
    let answer = redis
        .run(key, |mut c| async move { invoke(script, key, &args, &mut c).await })
        .await;
    script_times::took(redis.script_times(), script.name, began.elapsed());
    answer
}

/// Runs a script on this connection.
pub async fn invoke<T: FromRedisValue>(
    script: &Lua,
    key: &str,
    args: &Args,
    connection: &mut impl ConnectionLike,
) -> RedisResult<T> {
    let mut call = script.script.prepare_invoke();
    call.key(key);
    for a in &args.0 {
        call.arg(a.as_slice());
    }
    call.invoke_async(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_scripts_are_the_same() {
        let mut hashes: Vec<_> = all().iter().map(|s| s.script.get_hash().to_owned()).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), all().len());
    }
}
