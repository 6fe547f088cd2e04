//! What a fault does to the call it hits: answers in the operation's place, or changes how the operation works.

use serde_json::Value;

use super::activity::Ending;
use super::call::Reply;
use super::clock::Millis;
use super::errors::Fault;
use super::injected::Injected;
use super::route::Op;
use super::settings::Settings;
use super::token::LOGIN_PAGE;

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
    /// A passphrase gets at most so many devices.
    pub devices_to: Option<i64>,
    /// A generated value is stored in place of the one sent.
    pub replace_value: bool,
    /// A name is made up in place of the one sent.
    pub invent_name: bool,
    /// The name is stored with a suffix.
    pub suffix_name: bool,
    /// A page has at most so many rows.
    pub page_rows: Option<usize>,
    /// A query that filters finds nothing.
    pub filter_nothing: bool,
    /// A query forgets what it was to look for.
    pub filter_ignored: bool,
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
        Injected::ActivityFail { code, message, status } => {
            let fault = Fault::new(422, code, message.as_str());
            twist.ending = Some(Ending::Unhappy(*status, fault));
        }
        Injected::Html200 => return Some(Reply::html(200, LOGIN_PAGE)),
        Injected::ActivityNeverEnds { work_done } => twist.ending = Some(Ending::Never { work_done: *work_done }),
        Injected::Locked => {
            let text = "Another change is in progress";
            return Some(error(423, "GENERAL-423", text));
        }
        Injected::LicenceError => {
            twist.ending = Some(Ending::Fail(Fault::new(422, "WIFI-10126", "Insufficient licenses")));
        }
        Injected::ClampDevices { to } => twist.devices_to = Some(*to),
        Injected::ReplacePassphrase => twist.replace_value = true,
        Injected::InventName => twist.invent_name = true,
        Injected::RenameSuffix => twist.suffix_name = true,
        Injected::PageCap { rows } => twist.page_rows = Some((*rows).max(1)),
        Injected::FilterNothing => twist.filter_nothing = true,
        Injected::FilterIgnored => twist.filter_ignored = true,
        Injected::StaleRead { seconds } => twist.stale_ms = Some((seconds * 1000.0) as u64),
        Injected::TextPlain | Injected::Slow { .. } | Injected::TokenDiesEarly { .. } => {}
    }
    None
}

/// What a query looks for, besides its page.
const LOOKED_FOR: [&str; 5] = ["filters", "searchString", "keyword", "ids", "groupIds"];

impl Twist {
    /// A query's body as it is taken: without what it looks for when the fault says so.
    pub fn taken(&self, mut body: Value) -> Value {
        if let Some(fields) = body.as_object_mut().filter(|_| self.filter_ignored) {
            fields.retain(|field, _| !LOOKED_FOR.contains(&field.as_str()));
        }
        body
    }

    /// Whether a query with this body shall find nothing.
    pub fn finds_nothing(&self, body: &Value) -> bool {
        let narrows = |field: &str| match &body[field] {
            Value::Object(map) => !map.is_empty(),
            Value::Array(rows) => !rows.is_empty(),
            Value::String(text) => !text.is_empty(),
            _ => false,
        };
        self.filter_nothing && LOOKED_FOR.iter().any(|field| narrows(field))
    }
}
