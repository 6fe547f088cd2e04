//! One call: token, headers, media type, the one retry after an early end of the session, and the verdict for the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::controllers::Controller;
use shared::secret::SecretString;
use url::Url;

use super::Settings;
use super::error::{Refusal, classify};
use super::http::{self, Reply, Unread, host_of, is_json, read_reply};
use super::token::Tokens;
use crate::gate::{GateClosed, Permit, Verdict};
use crate::remote::{CallError, NotSent};

/// The version of the API a call is made in, as media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// The latest version: operations that know no other, and reads that are the same in all.
    Json,
    /// Writes of identities and identity groups: version 1 answers them synchronously, 1.1 asynchronously, and the latest may be
    /// either one day.
    IdentityV1_1,
    /// DPSK services and passphrases: the versions that tell a pool's identity group.
    DpskV2,
}

impl Media {
    fn as_str(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::IdentityV1_1 => "application/vnd.ruckus.v1.1+json",
            Media::DpskV2 => "application/vnd.ruckus.v2+json",
        }
    }
}

/// A call to be made. Not printable: it may hold secrets.
pub struct Request {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    media: Media,
    body: Option<Vec<u8>>,
    write: bool,
    secrets: Vec<SecretString>,
}

impl Request {
    /// A GET, or a POST that only asks.
    pub fn read(method: Method, path: impl IntoIterator<Item: Into<String>>) -> Self {
        Request {
            method,
            path: path.into_iter().map(Into::into).collect(),
            query: Vec::new(),
            media: Media::Json,
            body: None,
            write: false,
            secrets: Vec::new(),
        }
    }

    /// A call that changes something.
    pub fn write(method: Method, path: impl IntoIterator<Item: Into<String>>) -> Self {
        Request {
            write: true,
            ..Self::read(method, path)
        }
    }

    pub fn media(self, media: Media) -> Self {
        Request { media, ..self }
    }

    pub fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// `secrets` are the values in `body` that no error may repeat.
    pub fn json(self, body: &impl Serialize, secrets: Vec<SecretString>) -> Self {
        let body = serde_json::to_vec(body).expect("our own types with string keys always serialise");
        Request {
            body: Some(body),
            secrets,
            ..self
        }
    }
}

/// A 2xx answer.
pub struct Answer {
    pub status: u16,
    write: bool,
    body: Option<Vec<u8>>,
}

impl Answer {
    /// The documented content. What serde says of a misfit is not repeated: it quotes values.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        let body = self
            .body
            .as_deref()
            .ok_or_else(|| self.malformed("not JSON, or empty"))?;
        serde_json::from_slice(body).map_err(|e| {
            let kind = match e.classify() {
                serde_json::error::Category::Data => "JSON of another shape than documented",
                _ => "not valid JSON",
            };
            self.malformed(&format!("{kind}, at line {} column {}", e.line(), e.column()))
        })
    }

    /// The JSON text, `None` when the answer is empty or not JSON.
    pub fn json(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    pub fn malformed(&self, detail: &str) -> CallError {
        CallError::Malformed {
            status: self.status,
            write: self.write,
            detail: detail.to_owned(),
        }
    }
}

/// Speaks to one controller.
pub struct Wire {
    http: reqwest::Client,
    controller: Arc<Controller>,
    settings: Settings,
    tokens: Tokens,
    /// Server's clock minus ours, milliseconds; from the last `Date` header.
    clock_offset_ms: AtomicI64,
}

impl Wire {
    pub fn new(controller: Arc<Controller>, settings: Settings) -> Result<Self, reqwest::Error> {
        let http = http::client(&controller, &settings)?;
        Ok(Wire {
            tokens: Tokens::new(http.clone(), &controller),
            http,
            controller,
            settings,
            clock_offset_ms: AtomicI64::new(0),
        })
    }

    pub fn controller(&self) -> &Arc<Controller> {
        &self.controller
    }

    /// What the server's clock shows when ours shows `ours`. Offsets up to ten seconds are taken for network delay and the
    /// header's resolution of one second, and ignored.
    pub fn server_time(&self, ours: Timestamp) -> Timestamp {
        let offset = self.clock_offset_ms.load(Ordering::Relaxed);
        if offset.abs() <= 10_000 {
            return ours;
        }
        ours.checked_add(SignedDuration::from_millis(offset)).unwrap_or(ours)
    }

    /// Makes the call. A 401 is answered by one new login, shared with all other callers, and one repetition under the same permit;
    /// after that it stands. The permit learns of the last request made.
    ///
    /// Whether it may still be sent is asked after the login, immediately before each request: a login may take seconds, and a
    /// process frozen in it longer than its lease has lost the work to another.
    pub async fn call(&self, permit: Permit, request: Request) -> Result<Answer, CallError> {
        let url = self.url(&request)?;
        let mut token = match self.tokens.get().await {
            Ok(token) => token,
            Err(e) => {
                if let CallError::NotSent(_) = &e {
                    permit.report_why(Verdict::NoLogin, Duration::ZERO, &e.to_message());
                }
                return Err(e);
            }
        };
        let mut in_flight = InFlight::new(permit);
        loop {
            if !in_flight.may_send() {
                // of a first request the permit is unused; of a repeated one, the 401 before it was an answer
                in_flight.end(Verdict::Answered, "");
                return Err(GateClosed::LeaseLost.into());
            }
            let repeated = in_flight.restart();
            let result = self.once(&url, &request, token.header.clone()).await;
            let unauthorised = matches!(&result, Ok(reply) if reply.status == 401);
            if unauthorised && !repeated && self.tokens.refuse(token.number) {
                match self.tokens.get().await {
                    Ok(new) => {
                        token = new;
                        continue;
                    }
                    Err(e) => {
                        in_flight.end(Verdict::Answered, "");
                        return Err(e);
                    }
                }
            }
            if matches!(&result, Ok(reply) if reply.status != 401) {
                self.tokens.prove(token.number);
            }
            let (verdict, result) = self.judge(&request, result);
            in_flight.end(
                verdict,
                &result.as_ref().err().map_or_else(String::new, CallError::to_message),
            );
            return result;
        }
    }

    async fn once(&self, url: &Url, request: &Request, token: HeaderValue) -> Result<Reply, Lost> {
        let mut builder = self
            .http
            .request(request.method.clone(), url.clone())
            .header(AUTHORIZATION, token)
            .header(ACCEPT, request.media.as_str());
        if let Some(tenant) = &self.controller.msp_tenant_id {
            builder = builder.header("x-rks-tenantid", tenant.as_str());
        }
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, request.media.as_str()).body(body.clone());
        }
        let response = builder
            .send()
            .await
            .map_err(|e| match e.is_connect() || e.is_builder() {
                true => Lost::NotSent(http::causes(e)),
                false => Lost::NoReply(http::causes(e)),
            })?;
        let reply = read_reply(response, self.settings.answer_max)
            .await
            .map_err(Lost::Unread)?;
        if let Some(date) = reply.date {
            let offset = date.as_millisecond() - Timestamp::now().as_millisecond();
            self.clock_offset_ms.store(offset, Ordering::Relaxed);
        }
        Ok(reply)
    }

    fn judge(&self, request: &Request, result: Result<Reply, Lost>) -> (Verdict, Result<Answer, CallError>) {
        let write = request.write;
        let reply = match result {
            Ok(reply) => reply,
            Err(Lost::NotSent(detail)) => {
                return (
                    Verdict::Unreachable,
                    Err(CallError::NotSent(NotSent::Unreachable { detail })),
                );
            }
            Err(Lost::NoReply(detail)) => return (Verdict::NoReply, Err(CallError::Ambiguous { write, detail })),
            Err(Lost::Unread(Unread::TooLarge { status })) => {
                let detail = format!("more than {} bytes", self.settings.answer_max);
                return (Verdict::Answered, Err(CallError::Malformed { status, write, detail }));
            }
            Err(Lost::Unread(Unread::Cut {
                status: 200..300,
                detail,
                ..
            })) => {
                return (Verdict::NoReply, Err(CallError::Ambiguous { write, detail }));
            }
            // The status of a refusal is enough to judge it; only its words are lost.
            Err(Lost::Unread(Unread::Cut {
                status, retry_after, ..
            })) => Reply {
                status,
                retry_after,
                headers: Default::default(),
                body: Vec::new(),
                date: None,
            },
        };
        let retry_after = reply.retry_after;
        let verdict = match reply.status {
            429 => Verdict::Throttled { retry_after },
            500.. => Verdict::ServerError { retry_after },
            _ => Verdict::Answered,
        };
        (verdict, self.read(request, reply))
    }

    fn read(&self, request: &Request, reply: Reply) -> Result<Answer, CallError> {
        let (status, write) = (reply.status, request.write);
        if !(200..300).contains(&status) {
            return Err(classify(&Refusal {
                status,
                retry_after: reply.retry_after,
                body: &reply.body,
                location_host: reply
                    .header(LOCATION)
                    .and_then(|l| self.controller.base_url.join(l).ok())
                    .map(|u| host_of(&u)),
                write,
                secrets: &request.secrets,
            }));
        }
        let is_empty = reply.body.iter().all(u8::is_ascii_whitespace);
        if !is_empty && !is_json(&reply) {
            let kind = reply.header(CONTENT_TYPE).unwrap_or("no content type");
            let detail = format!("{} where JSON belongs", crate::remote::clean(kind, &request.secrets));
            return Err(CallError::Malformed { status, write, detail });
        }
        Ok(Answer {
            status,
            write,
            body: (!is_empty).then_some(reply.body),
        })
    }

    /// The base address and the path. Segments are ids, some of them given by users: each stays one segment.
    fn url(&self, request: &Request) -> Result<Url, CallError> {
        let bad = request
            .path
            .iter()
            .find(|s| s.is_empty() || s.len() > 200 || *s == "." || *s == "..");
        let mut url = self.controller.base_url.clone();
        let extended = match (bad, url.path_segments_mut()) {
            (None, Ok(mut segments)) => {
                segments.pop_if_empty().extend(&request.path);
                true
            }
            _ => false,
        };
        if !extended {
            return Err(CallError::Rejected {
                status: 0,
                code: Some("BAD_ID".into()),
                detail: "an id is empty, too long or not an id".into(),
            });
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }
}

enum Lost {
    NotSent(String),
    NoReply(String),
    Unread(Unread),
}

/// A permit whose request has been sent. Dropped with the call (cancelled, timed out above us), it reports that no reply came:
/// the call was made and must not be given back to the budget.
struct InFlight {
    permit: Option<Permit>,
    since: Option<Instant>,
}

impl InFlight {
    fn new(permit: Permit) -> Self {
        InFlight {
            permit: Some(permit),
            since: None,
        }
    }

    fn may_send(&self) -> bool {
        self.permit.as_ref().is_none_or(Permit::may_send)
    }

    /// The latency counts from here. True if it had been started before.
    fn restart(&mut self) -> bool {
        self.since.replace(Instant::now()).is_some()
    }

    fn end(mut self, verdict: Verdict, why: &str) {
        self.report(verdict, why);
    }

    fn report(&mut self, verdict: Verdict, why: &str) {
        if let (Some(permit), Some(since)) = (self.permit.take(), self.since) {
            let latency: Duration = since.elapsed();
            permit.report_why(verdict, latency, why);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.report(Verdict::NoReply, "no answer came in time");
    }
}
