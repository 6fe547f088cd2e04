//! What can go wrong with a call to a remote system, classified where it happens, in words no vendor owns.
//!
//! The retry policy and the executors match on [`CallError`]; nothing above this sees a status code it has to interpret.
//! An error never holds a secret: its texts pass through [`clean`] where they are made.

use std::time::Duration;

use shared::secret::SecretString;

use crate::gate::GateClosed;

/// Why nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSent {
    /// No permit was to be had.
    Closed(GateClosed),
    /// No connection: name resolution, connect or TLS handshake failed. The request had not left.
    Unreachable { detail: String },
    /// The token endpoint could not be reached, was overloaded or out of order. (Refused credentials are [`CallError::Auth`].)
    Login {
        detail: String,
        retry_after: Option<Duration>,
    },
}

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    NotSent(NotSent),
    /// Sent, and the reply was lost, cut or too late. A write may have been applied: read back before sending it again.
    /// 408 on a write counts here too: gateways also answer it when it was their upstream that took too long.
    Ambiguous {
        write: bool,
        detail: String,
    },
    /// 429. Refused before anything was done.
    RateLimited {
        retry_after: Option<Duration>,
    },
    /// 5xx, except 501 and 505. On a write it is as ambiguous as a lost reply: a gateway's 502, 503 or 504 ("disconnect or reset
    /// before headers") says nothing of what its upstream did, and a 500 may come after the commit.
    ServerError {
        status: u16,
        retry_after: Option<Duration>,
        write: bool,
        detail: String,
    },
    /// 408 on a read, 423 (locked) or 425 (too early): not done, worth trying again.
    Transient {
        status: u16,
        retry_after: Option<Duration>,
        code: Option<String>,
        detail: String,
    },
    /// 401 that stands after one new login, 403, or credentials refused by the token endpoint. No other call will fare better.
    Auth {
        status: u16,
        code: Option<String>,
        detail: String,
    },
    /// What we ask for contradicts what is there. `uniqueness`: the object (or its name) exists already; for a write we may
    /// have sent before, that may be our own object. Without it: 409 for another reason, such as work under way; worth another try.
    Conflict {
        status: u16,
        code: Option<String>,
        detail: String,
        uniqueness: bool,
    },
    NotFound {
        code: Option<String>,
        detail: String,
    },
    /// Any other answer that will be the same next time: 4xx, 501, 505, a redirect (never followed). `status` 0: refused by our
    /// own checks, nothing was sent.
    Rejected {
        status: u16,
        code: Option<String>,
        detail: String,
    },
    /// 2xx that is not what the vendor documents, such as a gateway's HTML page with status 200. A write may have been applied.
    Malformed {
        status: u16,
        write: bool,
        detail: String,
    },
}

/// Status of a refusal because somebody else's change of the same object is under way.
pub const LOCKED: u16 = 423;

/// Whether a read that failed is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskAgain {
    AtOnce,
    /// After the caller's backoff.
    Later,
    Never,
}

impl CallError {
    /// Of reads. They change nothing, so asking again costs a call, while giving up costs a plan, or leaves `UNKNOWN` what was written.
    /// So more is asked again than is sent again ([`Self::is_transient`]): live systems also refuse reads, and do not know objects, that
    /// are right a moment later. What fails on the way, or is refused for no reason a read can have, is over by one of the next calls; what
    /// may be meant (no such object, no such page, no such call) needs its moment. What our own checks or
    /// refused credentials stopped is the same next time.
    pub fn ask_again(&self) -> AskAgain {
        match self {
            CallError::Auth { .. } | CallError::Rejected { status: 0, .. } => AskAgain::Never,
            CallError::NotSent(_)
            | CallError::RateLimited { .. }
            | CallError::NotFound { .. }
            | CallError::Rejected {
                status: ..=400 | 405 | 501,
                ..
            } => AskAgain::Later,
            CallError::Ambiguous { .. }
            | CallError::ServerError { .. }
            | CallError::Malformed { .. }
            | CallError::Transient { .. }
            | CallError::Conflict { .. }
            | CallError::Rejected { .. } => AskAgain::AtOnce,
        }
    }

    /// Of writes: whether the same call may succeed later without anybody changing anything. Says nothing of whether it is safe to send
    /// it again: that is [`Self::maybe_applied`].
    pub fn is_transient(&self) -> bool {
        match self {
            CallError::NotSent(NotSent::Closed(GateClosed::CoolDown(_))) => true,
            CallError::NotSent(NotSent::Closed(_)) => false,
            CallError::NotSent(_) | CallError::Ambiguous { .. } | CallError::RateLimited { .. } => true,
            CallError::ServerError { .. } | CallError::Transient { .. } | CallError::Malformed { .. } => true,
            CallError::Conflict { uniqueness, .. } => !uniqueness,
            CallError::Auth { .. } | CallError::NotFound { .. } | CallError::Rejected { .. } => false,
        }
    }

    /// The call was a write and may have taken effect although we have no proof.
    pub fn maybe_applied(&self) -> bool {
        match self {
            CallError::Ambiguous { write, .. }
            | CallError::ServerError { write, .. }
            | CallError::Malformed { write, .. } => *write,
            _ => false,
        }
    }

    /// How long the remote side (or our own gate) asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            CallError::NotSent(NotSent::Closed(GateClosed::CoolDown(wait))) => Some(*wait),
            CallError::NotSent(NotSent::Login { retry_after, .. })
            | CallError::RateLimited { retry_after }
            | CallError::ServerError { retry_after, .. }
            | CallError::Transient { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// For machines, stable: the vendor's own code where there is one (`DPSK-020`), else `HTTP_503` or a word of ours.
    pub fn code(&self) -> String {
        let code = match self {
            CallError::NotSent(NotSent::Closed(GateClosed::CoolDown(_))) => return "COOL_DOWN".into(),
            CallError::NotSent(NotSent::Closed(GateClosed::LeaseLost)) => return "LEASE_LOST".into(),
            CallError::NotSent(NotSent::Closed(GateClosed::Stopped)) => return "STOPPED".into(),
            CallError::NotSent(NotSent::Unreachable { .. }) => return "UNREACHABLE".into(),
            CallError::NotSent(NotSent::Login { .. }) => return "LOGIN_UNAVAILABLE".into(),
            CallError::Ambiguous { .. } => return "NO_REPLY".into(),
            CallError::RateLimited { .. } => return "RATE_LIMITED".into(),
            CallError::Malformed { .. } => return "MALFORMED_ANSWER".into(),
            CallError::ServerError { .. } => &None,
            CallError::Transient { code, .. }
            | CallError::Auth { code, .. }
            | CallError::Conflict { code, .. }
            | CallError::NotFound { code, .. }
            | CallError::Rejected { code, .. } => code,
        };
        code.clone()
            .unwrap_or_else(|| format!("HTTP_{}", self.status().unwrap_or(0)))
    }

    /// HTTP status with which the remote side refused it. None: nobody refused it, or only our own checks did.
    pub fn status(&self) -> Option<u16> {
        let status = match self {
            CallError::RateLimited { .. } => 429,
            CallError::NotFound { .. } => 404,
            CallError::ServerError { status, .. }
            | CallError::Transient { status, .. }
            | CallError::Auth { status, .. }
            | CallError::Conflict { status, .. }
            | CallError::Rejected { status, .. } => *status,
            CallError::NotSent(_) | CallError::Ambiguous { .. } | CallError::Malformed { .. } => 0,
        };
        Some(status).filter(|status| *status != 0)
    }

    /// For people: one sentence, lower case, no full stop.
    pub fn to_message(&self) -> String {
        let with = |head: String, detail: &str| {
            if detail.is_empty() {
                head
            } else {
                format!("{head}: {detail}")
            }
        };
        match self {
            CallError::NotSent(NotSent::Closed(closed)) => closed.to_string(),
            CallError::NotSent(NotSent::Unreachable { detail }) => {
                with("the controller can't be reached".into(), detail)
            }
            CallError::NotSent(NotSent::Login { detail, .. }) => with(
                "no token could be had, the token endpoint is out of order".into(),
                detail,
            ),
            CallError::Ambiguous { write: true, detail } => with(
                "no whole answer came; the change may or may not have been made".into(),
                detail,
            ),
            CallError::Ambiguous { write: false, detail } => with("no whole answer came".into(), detail),
            CallError::RateLimited { retry_after: None } => "the controller limits our calls (429)".into(),
            CallError::RateLimited {
                retry_after: Some(wait),
            } => {
                format!(
                    "the controller limits our calls (429) and asks for {} s of pause",
                    wait.as_secs()
                )
            }
            CallError::ServerError { status, detail, .. } => with(format!("the controller failed ({status})"), detail),
            // By our own looking: the detail says it all.
            CallError::Transient { status: 0, detail, .. } => detail.clone(),
            CallError::Transient { status, detail, .. } => {
                with(format!("the controller is not ready for it ({status})"), detail)
            }
            CallError::Auth { status: 0, detail, .. } => with("the controller can't be used".into(), detail),
            CallError::Auth { status, detail, .. } => {
                with(format!("the controller refused our credentials ({status})"), detail)
            }
            CallError::Conflict {
                status,
                detail,
                uniqueness: true,
                ..
            } => with(format!("it exists already ({status})"), detail),
            CallError::Conflict { status, detail, .. } => {
                with(format!("it contradicts the controller's state ({status})"), detail)
            }
            CallError::NotFound { detail, .. } => with("the controller does not know it (404)".into(), detail),
            CallError::Rejected { status: 0, detail, .. } => with("the call was not made".into(), detail),
            CallError::Rejected { status, detail, .. } => with(format!("the controller refused it ({status})"), detail),
            CallError::Malformed { status, detail, .. } => {
                with(format!("the controller's answer ({status}) makes no sense"), detail)
            }
        }
    }
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_message())
    }
}

impl std::error::Error for CallError {}

impl From<GateClosed> for CallError {
    fn from(closed: GateClosed) -> Self {
        CallError::NotSent(NotSent::Closed(closed))
    }
}

/// Longest text taken over from an answer, in characters.
pub const DETAIL_MAX: usize = 300;

/// Makes a text of the remote side fit for an error: the secrets of the request are masked in every spelling an echo may have
/// (as is, inside JSON once or twice, HTML, URL), values that follow the word "passphrase" too, white space is collapsed, and the
/// rest is cut at [`DETAIL_MAX`] characters.
pub fn clean(text: &str, secrets: &[SecretString]) -> String {
    let text = mask_after_passphrase(&mask(text, secrets));
    let mut short = String::new();
    for (n, c) in text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .enumerate()
    {
        if n == DETAIL_MAX {
            short.push('…');
            break;
        }
        short.push(if c.is_control() { '?' } else { c });
    }
    short
}

/// Only the first half of [`clean`]: the request's own secrets masked in every spelling. Has to come before anything that takes
/// characters away, or what is left of a secret is no longer recognised.
pub fn mask(text: &str, secrets: &[SecretString]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().map(SecretString::expose).filter(|s| !s.is_empty()) {
        for spelling in spellings(secret) {
            if text.contains(&spelling) {
                text = text.replace(&spelling, "***");
            }
        }
    }
    text
}

/// A text that was cut (it ends with `…`) may end with the beginning of a secret: masked when it is three characters or more.
pub fn mask_cut(text: &str, secrets: &[SecretString]) -> String {
    let Some(kept) = text.strip_suffix('…') else {
        return text.to_owned();
    };
    let begins = |spelling: String| {
        let ends = spelling.char_indices().map(|(at, _)| at).skip(3);
        ends.filter(|end| kept.ends_with(&spelling[..*end])).max()
    };
    let secrets = secrets.iter().map(SecretString::expose).filter(|s| !s.is_empty());
    match secrets.flat_map(spellings).filter_map(begins).max() {
        Some(length) => format!("{}***…", &kept[..kept.len() - length]),
        None => text.to_owned(),
    }
}

/// The ways an echoed value may be written, longest first so that no part of one is left over.
fn spellings(secret: &str) -> Vec<String> {
    let json = |s: &str| {
        let quoted = serde_json::Value::from(s).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let once = json(secret);
    let words: Vec<&str> = secret.split_whitespace().collect();
    let mut all = vec![
        json(&once),
        html.replace('"', "&quot;").replace('\'', "&#39;"),
        html.replace('"', "&#34;").replace('\'', "&apos;"),
        html,
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        once,
        // white space is collapsed where a text is made fit to be shown
        words.join(" "),
        secret.to_owned(),
    ];
    all.sort_by_key(|s| std::cmp::Reverse(s.len()));
    all.dedup();
    all.retain(|s| !s.is_empty());
    all
}

/// `passphrase":"abc"`, `passphrase=abc`, `Passphrase 'abc'`: what follows the word behind a quote, colon or equals sign is masked
/// up to the closing quote, or the next separator.
fn mask_after_passphrase(text: &str) -> String {
    const WORD: &str = "passphrase";
    let lower = text.to_ascii_lowercase();
    let (mut out, mut at) = (String::new(), 0);
    while let Some(found) = lower[at..].find(WORD) {
        let word_end = at + found + WORD.len();
        let glue: usize = lower[word_end..]
            .chars()
            .take_while(|c| " \\\"':=".contains(*c))
            .map(char::len_utf8)
            .sum();
        let start = word_end + glue;
        out.push_str(&text[at..start]);
        at = start;
        let glue = &text[word_end..start];
        let quote = glue.chars().rev().find(|c| "\"'".contains(*c) && !glue.ends_with(' '));
        if quote.is_some() || glue.contains([':', '=']) {
            let end = text[start..].find(|c: char| match quote {
                Some(q) => c == q || c == '\\',
                None => c.is_whitespace() || ",;&}\"".contains(c),
            });
            let end = end.map_or(text.len(), |e| start + e);
            if end > start {
                out.push_str("***");
            }
            at = end;
        }
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_only_maybe_applied_when_it_left_us_and_nobody_refused_it() {
        let server = |write| CallError::ServerError {
            status: 503,
            retry_after: None,
            write,
            detail: String::new(),
        };
        let lost = |write| CallError::Ambiguous {
            write,
            detail: String::new(),
        };
        assert!(server(true).maybe_applied() && lost(true).maybe_applied());
        assert!(!server(false).maybe_applied() && !lost(false).maybe_applied());
        for safe in [
            CallError::RateLimited { retry_after: None },
            CallError::NotSent(NotSent::Unreachable { detail: String::new() }),
            CallError::from(GateClosed::LeaseLost),
        ] {
            assert!(!safe.maybe_applied(), "{safe:?}");
        }
    }

    #[test]
    fn a_lost_lease_is_no_reason_to_try_again_and_a_cool_down_is() {
        let cool = CallError::from(GateClosed::CoolDown(Duration::from_secs(7)));
        assert!(cool.is_transient() && !CallError::from(GateClosed::LeaseLost).is_transient());
        assert_eq!(cool.retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_read_is_asked_again_more_often_than_a_write_is_sent_again() {
        let refused = |status| CallError::Rejected {
            status,
            code: None,
            detail: String::new(),
        };
        let (code, detail) = (None, String::new());
        let unknown = CallError::NotFound { code, detail };
        for (e, again) in [
            (refused(422), AskAgain::AtOnce),
            (refused(400), AskAgain::Later),
            (refused(302), AskAgain::Later),
            (unknown, AskAgain::Later),
            (refused(0), AskAgain::Never),
        ] {
            assert_eq!((e.ask_again(), e.is_transient()), (again, false), "{e:?}");
        }
    }

    #[test]
    fn codes_are_the_vendors_where_there_is_one_and_the_status_is_that_of_a_refusal() {
        let conflict = |code: Option<&str>| CallError::Conflict {
            status: 409,
            code: code.map(str::to_owned),
            detail: String::new(),
            uniqueness: true,
        };
        assert_eq!(conflict(Some("DPSK-020")).code(), "DPSK-020");
        assert_eq!(conflict(None).code(), "HTTP_409");
        assert_eq!(CallError::from(GateClosed::LeaseLost).status(), None);
        assert_eq!(CallError::RateLimited { retry_after: None }.code(), "RATE_LIMITED");
    }

    #[test]
    fn an_echoed_secret_is_masked_in_every_spelling() {
        let secret = SecretString::new(r#"p<a"s\s'7&"#);
        let once = serde_json::to_string(secret.expose()).unwrap();
        let twice = serde_json::to_string(&once).unwrap();
        let url: String = url::form_urlencoded::byte_serialize(secret.expose().as_bytes()).collect();
        for echo in [secret.expose(), &once, &twice, &url, "p&lt;a&quot;s\\s&#39;7&amp;"] {
            let cleaned = clean(&format!("bad value [{echo}] given"), std::slice::from_ref(&secret));
            assert!(
                cleaned.contains("***") && !cleaned.contains("p<a") && !cleaned.contains("s'7"),
                "{cleaned}"
            );
            assert!(!cleaned.contains("p&lt;a") && !cleaned.contains("p%3Ca"), "{cleaned}");
        }
    }

    #[test]
    fn values_behind_the_word_passphrase_are_masked_even_when_not_ours() {
        for (text, wanted) in [
            (
                r#"{"dpskPassphrase":"geheim12","vlan":4}"#,
                r#"{"dpskPassphrase":"***","vlan":4}"#,
            ),
            (r#"{\"passphrase\":\"geheim12\"}"#, r#"{\"passphrase\":\"***\"}"#),
            ("Passphrase 'geheim12' is too short", "Passphrase '***' is too short"),
            ("passphrase=geheim12&x=1", "passphrase=***&x=1"),
            (
                "the passphrase must be at least 8 long",
                "the passphrase must be at least 8 long",
            ),
        ] {
            assert_eq!(clean(text, &[]), wanted);
        }
    }

    #[test]
    fn texts_are_cut_after_masking_not_before() {
        let secret = SecretString::new("geheim1234");
        let text = format!("{}{}", "x".repeat(DETAIL_MAX - 4), secret.expose());
        let cleaned = clean(&text, std::slice::from_ref(&secret));
        assert!(!cleaned.contains("geh"), "{cleaned}");
        assert_eq!(mask_cut("no gehei…", std::slice::from_ref(&secret)), "no ***…");
        assert_eq!(mask_cut("not geheim", &[secret]), "not geheim");
        assert_eq!(clean(&"ä".repeat(900), &[]).chars().count(), DETAIL_MAX + 1);
    }
}
