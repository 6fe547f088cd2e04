//! Which server is the master now, as the sentinels have it and as the server itself does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, Value};
use tokio::task::JoinSet;

use super::StoreError;
use super::dial::{Dial, brief};
use crate::config::{Address, SentinelSettings};

/// Of the sentinels, and of the server they name.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Sentinels(Arc<Inner>);

struct Inner {
    dial: Dial,
    settings: SentinelSettings,
}

/// What a sentinel says.
struct Named {
    address: Address,
    /// Goes up with each failover.
    epoch: u64,
}

impl Sentinels {
    pub fn new(dial: Dial, settings: SentinelSettings) -> Self {
        Sentinels(Arc::new(Inner { dial, settings }))
    }

    /// A client of the master. All sentinels are asked, and who knows of the latest failover is believed first: one that was cut off, or has
    /// not heard of it yet, names the last master, which may be back and not know either. Then the server itself is asked.
    pub async fn master(&self) -> Result<Client, StoreError> {
        let mut asked = JoinSet::new();
        for at in 0..self.0.settings.sentinels.len() {
            let this = self.clone();
            asked.spawn(async move { (at, this.named_by(at).await) });
        }
        let (mut named, mut reasons, mut may_pass) = (Vec::new(), Vec::new(), false);
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok((_, Ok(one))) => named.push(one),
                Ok((at, Err(e))) => {
                    may_pass |= e.is_transient();
                    let (host, port) = &self.0.settings.sentinels[at];
                    reasons.push(format!("{host}:{port}: {e}"));
                }
                Err(e) => reasons.push(e.to_string()),
            }
        }
        named.sort_by(|a, b| (b.epoch, &a.address).cmp(&(a.epoch, &b.address)));
        named.dedup_by(|a, b| a.address == b.address);
        for one in named {
            match self.proven(&one.address).await {
                Ok(client) => return Ok(client),
                // waiting helps against everything but a refusal of our credentials
                Err(e @ StoreError::Server(_)) => return Err(e),
                Err(e) => {
                    may_pass = true;
                    reasons.push(format!("{}:{}, which they name: {e}", one.address.0, one.address.1));
                }
            }
        }
        let reason = format!("no sentinel leads to a master: {}", reasons.join("; "));
        Err(match may_pass {
            true => StoreError::Unavailable {
                reason,
                timeout: false,
                stale: false,
            },
            // none knows it, or each refuses us: somebody has to correct the settings
            false => StoreError::Server(reason),
        })
    }

    async fn named_by(&self, at: usize) -> Result<Named, StoreError> {
        let settings = &self.0.settings;
        let client = self.0.dial.sentinel_at(&settings.sentinels[at], settings)?;
        let mut connection = brief(&client, ANSWER_WITHIN).await?;
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("MASTER").arg(&settings.master);
        let state: HashMap<String, String> = ask.query_async(&mut connection).await?;
        let field = |name: &str| state.get(name).map(String::as_str).unwrap_or_default();
        let port = field("port").parse().ok().filter(|_| !field("ip").is_empty());
        Ok(Named {
            address: (
                field("ip").to_owned(),
                port.ok_or_else(|| StoreError::Server("it names no address".into()))?,
            ),
            epoch: field("config-epoch").parse().unwrap_or(0),
        })
    }

    async fn proven(&self, address: &Address) -> Result<Client, StoreError> {
        let client = self.0.dial.client_at(address)?;
        let mut connection = brief(&client, ANSWER_WITHIN).await?;
        let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
        let role = role
            .into_iter()
            .next()
            .and_then(|r| redis::from_redis_value::<String>(r).ok());
        match role.as_deref() {
            Some("master") => Ok(client),
            other => Err(StoreError::Unavailable {
                reason: format!("it is a {}", other.unwrap_or("stranger")),
                timeout: false,
                stale: true,
            }),
        }
    }
}
