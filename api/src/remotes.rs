//! Controllers, and what the fleet may ask of each now: the controllers file beside the limiter that workers share.

use std::sync::Arc;

use shared::cloudpath::Rate;
use shared::controllers::Controller;
use shared::store::model::JobView;
use shared::store::{LimiterFigures, Store, StoreError};

use crate::state::State;
use crate::views::PlanView;

/// A configured controller and the limiter it shares.
#[derive(Debug)]
pub struct Remote {
    pub controller: Arc<Controller>,
    /// Calls a second by the controllers file.
    pub configured_rate: f64,
    /// Calls at once by the controllers file and `MAX_PARALLEL_API_CALLS`.
    pub configured_concurrency: u32,
    pub now: LimiterFigures,
}

impl Remote {
    /// Calls a second, at most, now.
    pub fn rate(&self) -> f64 {
        self.now.rate.unwrap_or(f64::MAX).min(self.configured_rate)
    }

    /// Calls at once, at most, now.
    pub fn concurrency(&self) -> u32 {
        self.now
            .concurrency
            .unwrap_or(u32::MAX)
            .min(self.configured_concurrency)
    }
}

/// These controllers as they are now, in order. One round trip.
pub async fn look(store: &Store, state: &State, controllers: Vec<Arc<Controller>>) -> Result<Vec<Remote>, StoreError> {
    let limiters: Vec<String> = controllers.iter().map(|c| c.limiter_key()).collect();
    let now = store.limiter_figures(&limiters).await?;
    let remotes = controllers.into_iter().zip(now).map(|(controller, now)| Remote {
        configured_rate: f64::from(controller.limits.calls_per_minute) / 60.0,
        configured_concurrency: controller.limits.concurrency.min(state.engine.calls_parallel_max),
        controller,
        now,
    });
    Ok(remotes.collect())
}

/// What a plan has found, with how long it would take at what the controller allows now; none: the job is no plan. One round trip, of a plan
/// that is whole.
pub async fn plan(store: &Store, state: &State, job: &JobView) -> Result<Option<PlanView>, StoreError> {
    if job.plan_reads.is_none() {
        return Ok(None);
    }
    let known = state
        .controllers
        .current()
        .for_tenant(job.controller, &job.tenant)
        .cloned();
    let known = known.filter(|_| job.status.is_terminal());
    let remote = match known {
        Some(controller) => look(store, state, vec![controller]).await?.pop(),
        None => None,
    };
    let rate = remote.map(|remote| Rate {
        calls_per_minute: remote.rate() * 60.0,
        burst: f64::from(remote.controller.limits.burst),
        concurrency: remote.concurrency(),
    });
    Ok(Some(PlanView::of(job, rate)))
}
