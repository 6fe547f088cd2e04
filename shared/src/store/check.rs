//! Does this server fit? Asked at every start, answered with one line per fault.

use super::StoreError;
use super::connection::Node;
use super::routed::Redis;
use crate::config::{RedisSettings, SubmitDurability, Topology};

/// Redis (and Valkey, which says 7.2.4 of itself) can be asked to tell when a write is on its disk since this version.
const WAITAOF_SINCE: (u32, u32) = (7, 2);

/// Looks at every master. Answers whether all of them sync every write before they answer it, as far as that matters.
pub async fn check_servers(redis: &Redis, settings: &RedisSettings) -> Result<bool, StoreError> {
    let mut always = true;
    for node in redis.masters().await? {
        always &= check_server(redis, &node, settings).await?;
    }
    Ok(always)
}

/// Version, role, eviction policy and append-only file, from `INFO` (managed services block `CONFIG`).
async fn check_server(redis: &Redis, node: &Node, settings: &RedisSettings) -> Result<bool, StoreError> {
    let ask = |mut c| async move { redis::cmd("INFO").query_async::<String>(&mut c).await };
    let info = redis.on(node, ask).await?;
    let field = |name: &str| {
        info.lines()
            .find_map(|l| l.strip_prefix(name).and_then(|r| r.strip_prefix(':')))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    // until it has read its append-only file it answers INFO, and says that it has none
    if field("loading") == "1" {
        return Err(StoreError::Unavailable {
            reason: "it is loading its data".to_owned(),
            timeout: false,
            stale: false,
        });
    }
    let mut faults = Vec::new();
    // Valkey reports redis_version 7.2.4 for compatibility and its own as valkey_version
    let version = field("redis_version");
    let mut numbers = version.split('.').map(|v| v.parse::<u32>().unwrap_or(0));
    let version_is = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version_is < (7, 0) {
        faults.push(format!(
            "it is version {version}; 7.0 or later is needed (Redis or Valkey)"
        ));
    }
    let role = field("role");
    if role != "master" {
        faults.push(format!("it is a {role}; the master is needed"));
    }
    let is_cluster = matches!(settings.topology, Topology::Cluster { .. });
    if field("cluster_enabled") == "1" && !is_cluster {
        faults.push("it is a node of a Cluster; REDIS_CLUSTER_NODES is to name it".to_owned());
    }
    let policy = field("maxmemory_policy");
    if policy != "noeviction" {
        faults.push(format!(
            "maxmemory-policy is {policy}; noeviction is needed, or accepted jobs could be evicted"
        ));
    }
    let has_aof = field("aof_enabled") == "1";
    if !has_aof {
        let line = "appendonly is off; an accepted job would not survive a restart of Redis";
        if settings.require_aof {
            faults.push(format!(
                "{line} (set `appendonly yes`, or REDIS_REQUIRE_AOF=false if the service is durable in another way)"
            ));
        } else {
            tracing::warn!("{line}");
        }
    }
    let mut always = false;
    if matches!(settings.durability, SubmitDurability::Fsynced { .. }) {
        let is_alone = matches!(settings.topology, Topology::Server);
        always = has_aof && is_alone && syncs_always(redis, node).await;
        if !has_aof {
            faults.push("SUBMIT_DURABILITY=fsynced needs `appendonly yes`".to_owned());
        } else if !always && version_is < WAITAOF_SINCE {
            let instead = match is_alone {
                true => " or `appendfsync always` (which a user of the server needs `+config|get` to see),",
                false => "",
            };
            faults.push(format!(
                "SUBMIT_DURABILITY=fsynced needs version 7.2 (WAITAOF){instead} and it is version {version}"
            ));
        }
    }
    if faults.is_empty() {
        return Ok(always);
    }
    Err(StoreError::Server(format!(
        "the server at {} does not fit: {}",
        settings.shown(),
        faults.join("; ")
    )))
}

/// `appendfsync always`: what is answered is on the disk. False where the server does not tell.
async fn syncs_always(redis: &Redis, node: &Node) -> bool {
    let ask = |mut c| async move {
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET")
            .arg("appendfsync")
            .query_async::<Vec<(String, String)>>(&mut c)
            .await
    };
    match redis.on(node, ask).await {
        Ok(pairs) => pairs
            .iter()
            .any(|(name, value)| name == "appendfsync" && value == "always"),
        Err(e) => {
            tracing::debug!(error = %e, "appendfsync is not told");
            false
        }
    }
}
