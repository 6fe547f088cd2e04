//! The permission to call a controller, and what is reported back of each call.
//!
//! Clients of remote systems know this and nothing of jobs; the engine's limiter implements it. A call is made with a
//! [`Permit`] in hand and ends by telling the permit what happened: that is how the fleet-wide limit learns.

use std::time::Duration;

use async_trait::async_trait;

/// What one call told about the controller's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An answer below 500 that is not 429: the controller is well, whatever it said.
    Answered,
    /// 429, with `Retry-After` if one came.
    Throttled { retry_after: Option<Duration> },
    /// 5xx, with `Retry-After` if one came.
    ServerError { retry_after: Option<Duration> },
    /// No connection could be made: nothing was sent.
    Unreachable,
    /// Sent, but no (whole) answer came in time.
    NoReply,
    /// The permit was not used: the login that has to come before could not be made, as the token endpoint is away.
    NoLogin,
    /// The permit was not used: no request was made.
    Unused,
}

/// Right to make one call. Dropping it without [`Permit::report`] counts as unused and gives the token back.
///
/// A right to call is not yet a right to send: between the permit and the request may stand a login, and a process that was
/// frozen there wakes with its lease gone. So the client asks [`Permit::may_send`] immediately before each request it sends.
pub struct Permit {
    on_end: Option<OnEnd>,
    may_send: Option<MaySend>,
}

type OnEnd = Box<dyn FnOnce(Verdict, Duration, &str) + Send>;
type MaySend = Box<dyn Fn() -> bool + Send + Sync>;

impl Permit {
    /// `on_end` gets the verdict and the call's latency, exactly once.
    pub fn new(on_end: impl FnOnce(Verdict, Duration) + Send + 'static) -> Self {
        Self::telling_why(move |verdict, latency, _| on_end(verdict, latency))
    }

    /// As [`Permit::new`]; `on_end` gets the reason of a failure, too, in words (empty: none was given).
    pub fn telling_why(on_end: impl FnOnce(Verdict, Duration, &str) + Send + 'static) -> Self {
        Permit {
            on_end: Some(Box::new(on_end)),
            may_send: None,
        }
    }

    /// Good only as long as `may_send` answers true. Without it a permit is always good.
    pub fn while_true(mut self, may_send: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.may_send = Some(Box::new(may_send));
        self
    }

    /// To be asked immediately before each request. False: the lease on the work has ended, nothing may leave.
    pub fn may_send(&self) -> bool {
        self.may_send.as_ref().is_none_or(|f| f())
    }

    /// For tools and tests that need no limit.
    pub fn unlimited() -> Self {
        Permit {
            on_end: None,
            may_send: None,
        }
    }

    pub fn report(self, verdict: Verdict, latency: Duration) {
        self.report_why(verdict, latency, "");
    }

    /// With the reason of a failure, for people; never a secret.
    pub fn report_why(mut self, verdict: Verdict, latency: Duration, why: &str) {
        if let Some(f) = self.on_end.take() {
            f(verdict, latency, why);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(f) = self.on_end.take() {
            f(Verdict::Unused, Duration::ZERO, "");
        }
    }
}

/// Why no permit was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateClosed {
    /// The controller asked for a pause (`Retry-After`, or it is down). Worth waiting for outside of a slot.
    #[error("the controller is cooling down for another {} s", .0.as_secs())]
    CoolDown(Duration),
    /// The lease on the work is over: another worker may have it. Nothing may be sent.
    #[error("the lease on this work has ended")]
    LeaseLost,
    /// The job was cancelled or held.
    #[error("the job is not running any more")]
    Stopped,
}

/// Where permits come from.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Waits for a permit. Fails when waiting makes no sense.
    async fn permit(&self) -> Result<Permit, GateClosed>;
}

/// No limit at all.
pub struct OpenGate;

#[async_trait]
impl Gate for OpenGate {
    async fn permit(&self) -> Result<Permit, GateClosed> {
        Ok(Permit::unlimited())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_dropped_permit_is_given_back_and_a_used_one_reported_once() {
        let (tx, rx) = mpsc::channel();
        let permit = |tx: mpsc::Sender<Verdict>| Permit::new(move |v, _| tx.send(v).unwrap());
        drop(permit(tx.clone()));
        permit(tx).report(Verdict::Answered, Duration::ZERO);
        assert_eq!(rx.iter().collect::<Vec<_>>(), [Verdict::Unused, Verdict::Answered]);
    }
}
