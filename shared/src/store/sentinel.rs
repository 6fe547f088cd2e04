//! Which server is the master now, as the sentinels have it and as the server itself does.

use std::time::Duration;

use redis::{Client, Value};

use super::StoreError;
use super::dial::{Dial, brief};
use crate::config::{Address, SentinelSettings};

/// Of one sentinel, and of the server it names. One that is away must not keep the others from being asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

pub struct Sentinels {
    dial: Dial,
    settings: SentinelSettings,
}

impl Sentinels {
    pub fn new(dial: Dial, settings: SentinelSettings) -> Self {
        Sentinels { dial, settings }
    }

    /// A client of the master. A sentinel may be cut off from the others and name the last one; so the server it names is asked too,
    /// and the next sentinel when that one is no master.
    pub async fn master(&self) -> Result<Client, StoreError> {
        let mut reasons = Vec::new();
        for sentinel in &self.settings.sentinels {
            let (host, port) = sentinel;
            match self.named_by(sentinel).await {
                Ok(Some(address)) => match self.proven(&address).await {
                    Ok(client) => return Ok(client),
                    // waiting helps against everything but a refusal of our credentials
                    Err(e @ StoreError::Server(_)) => return Err(e),
                    Err(e) => reasons.push(format!("{host}:{port} names {}:{}: {e}", address.0, address.1)),
                },
                Ok(None) => reasons.push(format!("{host}:{port} knows no master {}", self.settings.master)),
                Err(e) => reasons.push(format!("{host}:{port}: {e}")),
            }
        }
        Err(StoreError::Unavailable {
            reason: format!("no sentinel leads to a master: {}", reasons.join("; ")),
            timeout: false,
            stale: false,
        })
    }

    async fn named_by(&self, sentinel: &Address) -> Result<Option<Address>, StoreError> {
        let client = self.dial.sentinel_at(sentinel, &self.settings)?;
        let mut connection = brief(&client, ANSWER_WITHIN).await?;
        let found: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.settings.master)
            .query_async(&mut connection)
            .await?;
        Ok(found)
    }

    async fn proven(&self, address: &Address) -> Result<Client, StoreError> {
        let client = self.dial.client_at(address)?;
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
