//! HTTP to the API.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::exit::Failure;
use crate::wire::Problem;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a question that is answered from the store.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// For the answer to an import, from its last byte on: the API reads and checks the whole export before it answers.
const IMPORT_SILENCE: Duration = Duration::from_secs(180);
/// Of an error answer. A list of a thousand faults has a few hundred kilobytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

pub struct Api {
    client: Client,
    base: Url,
    token: Option<String>,
}

impl Api {
    pub fn new(url: &str, token: Option<String>) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::Unexpected(format!("--url {url}: {why}"));
        let mut base = Url::parse(url).map_err(|_| bad("not an address; write http://HOST:PORT"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(bad("begin with http:// or https://"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            // it would be repeated in messages
            return Err(Failure::Unexpected(
                "--url: leave user and password out of the address; give the token with --token or PHASELINE_TOKEN"
                    .to_owned(),
            ));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(IMPORT_SILENCE)
            // A token goes to the address it was meant for, and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("phaseline/", env!("CARGO_PKG_VERSION")));
        if is_this_machine(&base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| Failure::Unexpected(e.to_string()))?;
        let token = token.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        Ok(Api { client, base, token })
    }

    pub fn shown(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        let url = self
            .base
            .join(path.trim_start_matches('/'))
            .map_err(|e| Failure::Unexpected(format!("{path}: {e}")))?;
        let request = self.client.request(method, url);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<(T, Value), Failure> {
        let request = self.request(Method::GET, path)?.query(query).timeout(ANSWER_TIMEOUT);
        self.answer(request).await
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: Option<&Value>) -> Result<(T, Value), Failure> {
        let request = self.request(Method::POST, path)?.timeout(ANSWER_TIMEOUT);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.answer(request).await
    }

    /// Sends, and reads the answer twice: as what we use, and as it is for `--json`.
    pub async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<(T, Value), Failure> {
        let (read, raw, _) = self.answer_or_replay(request).await?;
        Ok((read, raw))
    }

    /// The same, and whether it is the answer to an earlier request with the same idempotency key.
    pub async fn answer_or_replay<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<(T, Value, bool), Failure> {
        let response = request.send().await.map_err(|e| self.no_answer(&e))?;
        let status = response.status();
        let retry_after = retry_after(&response);
        let is_replay = response.headers().contains_key("idempotent-replayed");
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(Failure::Answered(Box::new(Problem::read(
                status.as_u16(),
                retry_after,
                &body,
            ))));
        }
        let not_ours = |_| {
            Failure::Unexpected(format!(
                "what answers at {} does not look like a Phaseline API",
                self.shown()
            ))
        };
        let raw: Value = serde_json::from_slice(&body).map_err(not_ours)?;
        let read = serde_json::from_value(raw.clone()).map_err(not_ours)?;
        Ok((read, raw, is_replay))
    }

    /// Sends, and leaves the body to be read piece by piece; a refusal is read here.
    pub async fn stream(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, request.send()).await;
        let response = answer
            .map_err(|_| Failure::Unreachable(format!("the API at {} did not answer in time", self.shown())))?
            .map_err(|e| self.no_answer(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
        let body = self.body(response).await?;
        Err(Failure::Answered(Box::new(Problem::read(status, retry_after, &body))))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.no_answer(&e))? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(Failure::Unexpected("the answer is too large".to_owned()));
            }
        }
        Ok(body)
    }

    /// Why there is no answer, or no end of one.
    pub fn no_answer(&self, error: &reqwest::Error) -> Failure {
        let at = self.shown();
        if error.is_connect() {
            return Failure::NotReached(format!("the API at {at} can't be reached: {}", innermost(error)));
        }
        let why = if error.is_timeout() {
            format!("the API at {at} did not answer in time")
        } else if error.is_builder() {
            return Failure::Unexpected(format!("the request can't be made: {}", innermost(error)));
        } else {
            format!("the connection to the API at {at} broke: {}", innermost(error))
        };
        Failure::Unreachable(why)
    }
}

/// The cause at the end of the chain says what happened; those before it repeat the address.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn retry_after(response: &Response) -> Option<u64> {
    let waits = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    let value = response
        .headers()
        .get("retry-after")
        .filter(|_| waits.contains(&response.status()))?;
    value.to_str().ok()?.trim().parse().ok()
}

/// No proxy stands between this machine and itself.
fn is_this_machine(url: &Url) -> bool {
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
