//! Permits for one held unit: its job's turn at the controller, as long as the unit is ours and the lease holds.

use std::sync::Arc;

use async_trait::async_trait;

use super::active::Held;
use super::core::Core;
use super::throttle::Throttle;
use crate::gate::{Gate, GateClosed, Permit};

pub struct JobGate {
    pub core: Arc<Core>,
    pub held: Held,
    pub throttle: Arc<Throttle>,
    /// Round-robin is by this: all batches of a job take one turn together.
    pub queue: String,
}

impl JobGate {
    fn open(&self) -> Result<(), GateClosed> {
        if is_ours(&self.core, &self.held) {
            Ok(())
        } else {
            Err(GateClosed::LeaseLost)
        }
    }

    /// Up to `want` permits, at least one.
    pub async fn permits(&self, want: u32) -> Result<Vec<Permit>, GateClosed> {
        self.open()?;
        let permits = tokio::select! {
            p = self.throttle.permits(&self.queue, self.held.unit.batch, want) => p?,
            () = self.held.lost.cancelled() => return Err(GateClosed::LeaseLost),
            () = self.core.give_back.cancelled() => return Err(GateClosed::Stopped),
        };
        // the wait may have been longer than the lease (this process was frozen)
        self.open()?;
        Ok(permits
            .into_iter()
            .map(|p| {
                let (core, held) = (self.core.clone(), self.held.clone());
                p.while_true(move || is_ours(&core, &held))
            })
            .collect())
    }
}

/// Nobody else can have taken the unit over yet.
fn is_ours(core: &Core, held: &Held) -> bool {
    !held.lost.is_cancelled() && core.lease.is_valid()
}

#[async_trait]
impl Gate for JobGate {
    async fn permit(&self) -> Result<Permit, GateClosed> {
        self.permits(1).await?.pop().ok_or(GateClosed::Stopped)
    }
}

/// Permits that belong to no job: polling. One more turn among the jobs.
pub struct SharedGate {
    pub throttle: Arc<Throttle>,
    pub queue: &'static str,
}

#[async_trait]
impl Gate for SharedGate {
    async fn permit(&self) -> Result<Permit, GateClosed> {
        self.throttle
            .permits(self.queue, 0, 1)
            .await?
            .pop()
            .ok_or(GateClosed::Stopped)
    }
}
