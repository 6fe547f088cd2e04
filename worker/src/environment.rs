//! What surrounds the engine in this build: the controllers of the file, spoken to by their clients.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use shared::controllers::{Controller, ControllersFile, Reload};

use crate::engine::remotes::{Activities, Ended, RemoteLimits, Remotes};
use crate::executors::clients::Clients;
use crate::gate::Gate;
use crate::r1::R1;
use crate::r1::activity::{ActivityState, Awaited};
use crate::remote::CallError;

/// How often the controllers file is looked at.
const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// The configured controllers as the engine sees them.
pub struct Environment {
    pub clients: Arc<Clients>,
    /// `MAX_PARALLEL_API_CALLS`: our own ceiling, below the controller's.
    pub calls_parallel_max: u32,
}

impl Environment {
    fn limits_of(&self, c: &Controller) -> RemoteLimits {
        RemoteLimits {
            limiter: c.limiter_key(),
            name: c.name.clone(),
            rate: f64::from(c.limits.calls_per_minute) / 60.0,
            burst: f64::from(c.limits.burst),
            concurrency: c.limits.concurrency.min(self.calls_parallel_max),
        }
    }
}

impl Remotes for Environment {
    fn limits(&self, controller: i64) -> Option<RemoteLimits> {
        self.clients.controllers().get(controller).map(|c| self.limits_of(c))
    }

    fn reading(&self) -> u64 {
        self.clients.reading()
    }

    fn reload(&self) {
        tell(&self.clients.reload());
    }

    fn activities(&self, limiter: &str) -> Option<(RemoteLimits, Arc<dyn Activities>)> {
        let controllers = self.clients.controllers();
        let controller = controllers.iter().find(|c| c.limiter_key() == limiter)?;
        let client = self.clients.get(controller.id).ok()?;
        Some((self.limits_of(controller), Arc::new(R1Activities(client))))
    }
}

struct R1Activities(R1);

#[async_trait]
impl Activities for R1Activities {
    async fn poll(
        &self,
        pending: &BTreeMap<String, u64>,
        gate: &dyn Gate,
    ) -> Result<(Vec<(String, Ended)>, u32), CallError> {
        let awaited: Vec<Awaited> = pending
            .iter()
            .map(|(id, since_ms)| Awaited {
                request_id: id.clone(),
                since: Timestamp::from_millisecond(i64::try_from(*since_ms).unwrap_or(i64::MAX))
                    .unwrap_or(Timestamp::MAX),
            })
            .collect();
        let polled = self.0.poll(gate, &awaited, Timestamp::now()).await;
        let ended: Vec<_> = polled
            .states
            .into_iter()
            .filter_map(|(id, s)| ended(s).map(|e| (id, e)))
            .collect();
        match polled.stopped_by {
            Some(e) if ended.is_empty() => Err(e),
            _ => Ok((ended, polled.calls)),
        }
    }
}

fn ended(state: ActivityState) -> Option<Ended> {
    let unclear = state.is_uncertain();
    match state {
        ActivityState::Pending => None,
        ActivityState::Success { entity_ids } => Some(Ended::Success {
            resource_ids: entity_ids,
        }),
        ActivityState::Failed { code, message, .. } if unclear => Some(Ended::Unclear { code, message }),
        ActivityState::Failed {
            code,
            message,
            uniqueness,
        } => Some(Ended::Failed {
            code,
            message,
            uniqueness,
        }),
    }
}

/// Reads the controllers file again whenever it changes. Until the process ends.
pub async fn follow(file: Arc<ControllersFile>) {
    loop {
        tokio::time::sleep(RELOAD_EVERY).await;
        let f = file.clone();
        if let Ok(found) = tokio::task::spawn_blocking(move || f.reload_if_changed()).await {
            tell(&found);
        }
    }
}

fn tell(found: &Reload) {
    match found {
        Reload::Changed(set) => tracing::info!(controllers = set.iter().count(), "controllers file read again"),
        Reload::Failed(e) => {
            tracing::error!(error = %e, "the controllers file is faulty; the last good one stays in force");
        }
        Reload::Unchanged | Reload::StillFailed => {}
    }
}
