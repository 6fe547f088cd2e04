//! What a fault does to the call it hits: answers in the operation's place, or changes how the operation works.

use super::activity::Ending;
use super::call::Reply;
use super::clock::Millis;
use super::errors::Fault;
use super::faults::Injected;
use super::route::Op;
use super::settings::Settings;

/// The page of a proxy that cannot reach the service behind it.
pub const PAGE_503: &str = "<html><body>upstream connect error or disconnect/reset before headers. reset reason: connection failure</body></html>";

/// What a fault rule changes about an operation and its activity.
#[derive(Debug, Clone, Default)]
pub struct Twist {
    /// Hidden this long instead of the setting.
    pub hidden_ms: Option<u64>,
    /// Ends this way instead of `Success`.
    pub ending: Option<Ending>,
    /// The reply will be cut: creates remember it.
    pub cut: bool,
    /// A read shows networks as they were this many milliseconds ago, if they were changed since.
    pub stale_ms: Option<u64>,
}

/// A fault that answers instead of the operation, or that twists the activity and lets the operation run.
pub fn before(
    fault: &Injected,
    twist: &mut Twist,
    settings: &Settings,
    op: Option<Op>,
    request_id: &str,
    now: Millis,
) -> Option<Reply> {
    let error = |status, code: &str, message: &str| {
        Reply::json(status, Fault::new(status, code, message).body(op, request_id, now))
    };
    match fault {
        Injected::TooMany => return Some(error(429, "GENERAL-429", "Too many requests")),
        Injected::TooManyRetryAfter { seconds } => {
            return Some(Reply {
                retry_after_s: Some(*seconds),
                ..error(429, "GENERAL-429", "Too many requests")
            });
        }
        Injected::ServerError { status } => return Some(error(*status, "GENERAL-500", "Internal server error")),
        Injected::Permanent { status, code, message } => return Some(error(*status, code, message)),
        Injected::Html503 => return Some(Reply::html(503, PAGE_503)),
        Injected::CutBeforeApply => return Some(Reply::dropped()),
        Injected::CutAfterApply => twist.cut = true,
        Injected::Late404 { seconds } => {
            twist.hidden_ms = Some(((seconds * 1000.0) as u64).max(settings.activity_hidden_ms));
        }
        Injected::ActivityFail { code, message } => {
            twist.ending = Some(Ending::Fail(Fault::new(422, code, message.as_str())))
        }
        Injected::ActivityNeverEnds { work_done } => twist.ending = Some(Ending::Never { work_done: *work_done }),
        Injected::Slow { .. } | Injected::TokenDiesEarly { .. } => {}
    }
    None
}
