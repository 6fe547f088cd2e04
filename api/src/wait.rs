//! Waiting for the end of a job that a call has started (`Prefer: wait=N`, RFC 7240).
//!
//! A waiter asks for the job's state, two fields of its hash, now and then, and less and less often. Events would be told sooner, but a
//! blocking read of them needs a connection to Redis for each waiter; and a caller who waits for seconds does not mind a tenth more.
//! The job is accepted already, so nothing here is ever an error: who cannot wait, or no longer, is told the state known last.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use shared::id::{JobId, TenantId};
use shared::job::JobStatus;
use shared::store::Store;
use tokio::time::{Instant, sleep, timeout_at};

use crate::state::State;

/// Longest wait, in seconds; who prefers more gets this.
pub const SECONDS_MAX: u64 = 60;
/// Between two looks: a tenth of the time waited so far, within these.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a caller prefers to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preference {
    seconds: u64,
}

impl Preference {
    /// Of a route that waits unless something else is preferred.
    pub const fn seconds(seconds: u64) -> Self {
        Preference { seconds }
    }

    /// None: not said, or nonsense, which is passed over as RFC 7240 asks. Of several, the first counts.
    pub fn of(req: &HttpRequest) -> Option<Self> {
        let values = req.headers().get_all("prefer").filter_map(|v| v.to_str().ok());
        Self::parse(values.flat_map(|v| v.split(',')))
    }

    fn parse<'a>(preferences: impl Iterator<Item = &'a str>) -> Option<Self> {
        for preference in preferences {
            // parameters behind a semicolon are none of ours
            let said = preference.split(';').next().unwrap_or_default();
            let (name, value) = said.split_once('=').unwrap_or((said, ""));
            if name.trim().eq_ignore_ascii_case("wait") {
                let value = value.trim();
                let value = value
                    .strip_prefix('"')
                    .and_then(|v| v.strip_suffix('"'))
                    .unwrap_or(value);
                let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                // more digits than a number takes are a long time as well
                let seconds = value.parse().unwrap_or(u64::MAX);
                return is_number.then_some(Preference {
                    seconds: seconds.min(SECONDS_MAX),
                });
            }
        }
        None
    }
}

/// How a wait has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// State of the job, as known last.
    pub status: JobStatus,
    /// What was preferred and done; none: nobody asked for it, or too many wait.
    applied: Option<Preference>,
}

impl Waited {
    /// 200 when the job has ended, 202 while it has not.
    pub fn answer(&self) -> StatusCode {
        if self.applied.is_some() && self.status.is_terminal() {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        }
    }

    /// The header that says so.
    pub fn applied(&self) -> Option<(&'static str, String)> {
        self.applied
            .map(|p| ("Preference-Applied", format!("wait={}", p.seconds)))
    }
}

/// Waits until a job has ended, does not go on by itself, the preferred time is over, or the process is to end. `status`: of the job when it was accepted.
pub async fn for_end(
    state: &State,
    tenant: &TenantId,
    job: JobId,
    status: JobStatus,
    preference: Option<Preference>,
) -> Waited {
    let nothing = Waited { status, applied: None };
    let (Some(preference), Ok(store)) = (preference, state.store()) else {
        return nothing;
    };
    let Ok(_place) = state.waits.clone().try_acquire_owned() else {
        return nothing;
    };
    let mut last = status;
    let until = Instant::now() + Duration::from_secs(preference.seconds);
    let watching = watch(store, tenant, job, until, &mut last);
    tokio::select! {
        () = watching => {}
        () = state.stopping.cancelled() => {}
    }
    Waited {
        status: last,
        applied: Some(preference),
    }
}

/// Until the job has ended, goes on only when somebody says so, or it is time. `last` is its state, as known.
async fn watch(store: &Store, tenant: &TenantId, job: JobId, until: Instant, last: &mut JobStatus) {
    let began = Instant::now();
    loop {
        match timeout_at(until, store.job_status(tenant, job)).await {
            Ok(Ok(Some(status))) => *last = status,
            // Redis has forgotten it, or it was ended and dropped: no end will be seen
            Ok(Ok(None)) => return,
            // it is away; the job is not
            Ok(Err(error)) => tracing::debug!(%job, %error, "a look at a job that is waited for failed"),
            Err(_) => return,
        }
        let pause = (began.elapsed() / 10).clamp(PAUSE_MIN, PAUSE_MAX);
        if last.is_terminal() || last.is_held() || Instant::now() >= until {
            return;
        }
        sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wait_that_makes_sense_is_preferred() {
        let wait = |text: &str| Preference::parse(text.split(',')).map(|p| p.seconds);
        for (said, meant) in [
            ("wait=10", Some(10)),
            ("respond-async, WAIT = \"7\" ; x=y", Some(7)),
            ("wait=0", Some(0)),
            ("wait=3600", Some(60)),
            ("wait=99999999999999999999999", Some(60)),
            ("wait=5, wait=9", Some(5)),
            ("wait=x, wait=9", None),
            ("wait", None),
            ("wait=", None),
            ("wait=-1", None),
            ("wait=1.5", None),
            ("waiting=3", None),
            ("", None),
        ] {
            assert_eq!(wait(said), meant, "{said}");
        }
    }

    #[test]
    fn only_an_end_that_was_waited_for_is_200() {
        let waited = |status, applied| Waited { status, applied };
        let preference = Some(Preference { seconds: 5 });
        assert_eq!(waited(JobStatus::Completed, preference).answer(), 200);
        assert_eq!(waited(JobStatus::Paused, preference).answer(), 202);
        assert_eq!(waited(JobStatus::Completed, None).answer(), 202);
        assert_eq!(waited(JobStatus::Paused, preference).applied().unwrap().1, "wait=5");
    }
}
