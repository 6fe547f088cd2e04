//! Imports that are to follow a plan: held while it is made anew, then begun or refused. Waited for here; a worker sees to it when we die
//! (`store/plan_checks.rs`).

use std::time::Duration;

use shared::id::TenantId;
use shared::job::JobStatus;
use shared::store::{PlanChecked, Store};
use tokio::time::{Instant, sleep};

use crate::difference;
use crate::error::{Kind, Problem};
use crate::import::Accepted;
use crate::state::State;

/// For the plan to be made anew: some seconds for the reads of 100,000 keys. A plan that takes longer goes on, and its import with it.
const WAIT: Duration = Duration::from_secs(10);
/// Between two looks: a tenth of the time waited so far, within these.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The import as it has begun, or as it still waits for its plan; or why it was refused.
pub async fn checked(state: &State, store: &Store, tenant: &TenantId, accepted: Accepted) -> Result<Accepted, Problem> {
    let began = Instant::now();
    loop {
        let (status, plan_awaited) = match store.check_plan(tenant, accepted.job).await? {
            PlanChecked::Same(status) => (status, None),
            PlanChecked::Nothing => return Ok(accepted),
            PlanChecked::Changed(now) => return Err(difference::problem(store, tenant, accepted.job, now).await?),
            PlanChecked::Failed(by) => {
                let detail = format!(
                    "nobody could find out whether its plan still holds: see job {by}; nothing was sent to the controller"
                );
                return Err(Problem::new(Kind::Conflict, detail));
            }
            PlanChecked::NotYet(_) if began.elapsed() < WAIT && !state.stopping.is_cancelled() => {
                sleep((began.elapsed() / 10).clamp(PAUSE_MIN, PAUSE_MAX)).await;
                continue;
            }
            PlanChecked::NotYet(by) => (JobStatus::AwaitingConfirmation, Some(by)),
        };
        return Ok(Accepted {
            status,
            plan_awaited,
            ..accepted
        });
    }
}
