//! The HTTP client underneath: where it may connect to, and how an answer is read.
//!
//! No redirects, no cookies, no proxy: `HTTP_PROXY` and its kin are ignored on purpose, since calls carry credentials and may go to
//! the configured hosts only. Names that resolve to link-local or metadata addresses are refused at every connect, so that a name
//! can't be pointed there later.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use shared::controllers::{Controller, is_forbidden_address};
use url::Url;

use super::Settings;
use super::error::{http_date, retry_after};

/// Builds the client of one controller. Fails when the system has no root certificates and the controller needs them.
pub fn client(controller: &Controller, settings: &Settings) -> Result<reqwest::Client, reqwest::Error> {
    // Process-wide; whoever comes second finds it done, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(settings.user_agent.as_str())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        // Half of the total at most, so that a connect that hangs is told from a reply that does not come.
        .connect_timeout(settings.connect_timeout.min(settings.timeout / 2))
        .timeout(settings.timeout)
        // Shorter than the minute after which load balancers close idle connections: a request written to a connection that is being
        // closed looks like a lost reply.
        .pool_idle_timeout(Duration::from_secs(25))
        .dns_resolver(Arc::new(PublicNames));
    if controller.base_url.scheme() == "http" && controller.token_url.scheme() == "http" {
        // No TLS will be spoken: do not require root certificates.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

/// The system's resolver without the addresses nobody may call.
pub(super) struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|a| !is_forbidden_address(a.ip())).collect();
            if allowed.is_empty() {
                return Err("the name has no address that may be called".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// An answer, read to its end.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub retry_after: Option<Duration>,
    /// The server's clock when it answered.
    pub date: Option<Timestamp>,
}

impl Reply {
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why a body could not be read.
pub enum Unread {
    Cut {
        status: u16,
        retry_after: Option<Duration>,
        detail: String,
    },
    TooLarge {
        status: u16,
    },
}

impl Unread {
    pub fn detail(self) -> String {
        match self {
            Unread::Cut { detail, .. } => detail,
            Unread::TooLarge { .. } => "the answer is too large".into(),
        }
    }
}

/// Reads the answer, at most `max` bytes of it.
pub async fn read_reply(mut response: reqwest::Response, max: usize) -> Result<Reply, Unread> {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let header = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let date = header(DATE).and_then(http_date);
    let retry_after = header(RETRY_AFTER).and_then(|v| retry_after(v, date.unwrap_or_else(Timestamp::now)));
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > max => return Err(Unread::TooLarge { status }),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(e) => {
                return Err(Unread::Cut {
                    status,
                    retry_after,
                    detail: causes(e),
                });
            }
        }
    }
    Ok(Reply {
        status,
        headers,
        body,
        retry_after,
        date,
    })
}

/// JSON by its content type, or text/plain that begins like JSON: live systems send it so.
pub fn is_json(reply: &Reply) -> bool {
    let kind = reply
        .header(CONTENT_TYPE)
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let begins_like_json = || {
        reply
            .body
            .iter()
            .find(|b| !b.is_ascii_whitespace())
            .is_some_and(|b| b"{[\"".contains(b))
    };
    match kind.as_str() {
        "application/json" => true,
        "text/plain" => begins_like_json(),
        k => k.starts_with("application/") && k.ends_with("+json"),
    }
}

/// The causes of a transport error in one line. Without the address: the path may hold names of customers.
pub fn causes(error: reqwest::Error) -> String {
    let timeout = error.is_timeout();
    let error = error.without_url();
    let (mut parts, mut source) = (Vec::new(), error.source());
    while let Some(cause) = source {
        let text = cause.to_string();
        // the kind of error the client gives to all of them tells nothing
        if !parts.contains(&text) && !text.starts_with("client error (") {
            parts.push(text);
        }
        source = cause.source();
    }
    match (parts.is_empty(), timeout) {
        (true, true) => "timed out".into(),
        (true, false) => error.to_string(),
        _ => parts.join(": "),
    }
}

/// Host and, where given, port.
pub fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |p| format!("{host}:{p}"))
}
