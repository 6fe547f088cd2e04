//! Does this server fit? Asked at every start, answered with one line per fault.

use super::StoreError;
use super::connection::Redis;
use crate::config::RedisSettings;

/// Version, role, eviction policy and append-only file, from `INFO` (managed services block `CONFIG`).
pub async fn check_server(redis: &Redis, settings: &RedisSettings) -> Result<(), StoreError> {
    let info: String = redis
        .run(|mut c| async move { redis::cmd("INFO").query_async(&mut c).await })
        .await?;
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
    let major: u32 = version.split('.').next().and_then(|v| v.parse().ok()).unwrap_or(0);
    if major < 7 {
        faults.push(format!(
            "it is version {version}; 7.0 or later is needed (Redis or Valkey)"
        ));
    }
    let role = field("role");
    if role != "master" {
        faults.push(format!("it is a {role}; the master is needed"));
    }
    let policy = field("maxmemory_policy");
    if policy != "noeviction" {
        faults.push(format!(
            "maxmemory-policy is {policy}; noeviction is needed, or accepted jobs could be evicted"
        ));
    }
    if field("aof_enabled") != "1" {
        let line = "appendonly is off; an accepted job would not survive a restart of Redis";
        if settings.require_aof {
            faults.push(format!(
                "{line} (set `appendonly yes`, or REDIS_REQUIRE_AOF=false if the service is durable in another way)"
            ));
        } else {
            tracing::warn!("{line}");
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(StoreError::Server(format!(
        "the server at {} does not fit: {}",
        settings.shown(),
        faults.join("; ")
    )))
}
