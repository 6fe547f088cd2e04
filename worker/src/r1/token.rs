//! The access token: one login at a time however many callers wait, renewed before it ends, replaced once when it dies early.
//!
//! OAuth2 client credentials. A session lasts two hours by promise, but live ones have died after fifty minutes with a 401 on
//! every call, so a 401 is answered by one new login shared by all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, HeaderValue, LOCATION};
use serde::Deserialize;
use shared::controllers::Controller;
use shared::secret::SecretString;
use url::Url;

use super::error::{Refusal, classify};
use super::http::{Reply, host_of, is_json, read_reply};
use crate::remote::{CallError, NotSent};

/// Renewed this long before its end, or after nine tenths of its life if that is shorter.
const MARGIN: Duration = Duration::from_secs(60);
/// A failed login is remembered this long, so that a fleet with a wrong secret does not hammer the token host. Also the time in
/// which a fresh token that was refused from the start is not replaced by yet another.
const MEMORY: Duration = Duration::from_secs(5);
/// The same for an endpoint that is down or overloaded (unless it says how long to wait): callers that queue behind a failed login
/// share its failure instead of each waiting for another.
const MEMORY_TRANSIENT: Duration = Duration::from_secs(1);
/// Life of a token whose answer does not say: one hour.
const LIFE_DEFAULT: u64 = 3600;
/// Largest token answer read, bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// A token in use. `number` tells it from its predecessors.
#[derive(Clone)]
pub struct Token {
    pub number: u64,
    /// `Bearer …`, marked sensitive so that no library prints it.
    pub header: HeaderValue,
}

#[derive(Default)]
struct State {
    token: Option<Held>,
    /// Tokens had so far.
    issued: u64,
    /// The last token was given up because of a 401.
    after_refusal: bool,
    failure: Option<(Instant, Duration, CallError)>,
}

struct Held {
    token: Token,
    since: Instant,
    renew_at: Instant,
    ends_at: Instant,
    /// Some call with it was answered with something other than 401.
    proven: bool,
    /// Its predecessor was given up because of a 401.
    is_replacement: bool,
}

/// The token cache of one controller.
pub struct Tokens {
    http: reqwest::Client,
    url: Url,
    client_id: String,
    client_secret: SecretString,
    state: Mutex<State>,
    /// Held by the one caller that logs in. A caller that is dropped meanwhile frees it, and the next one logs in.
    flight: tokio::sync::Mutex<()>,
}

impl Tokens {
    pub fn new(http: reqwest::Client, controller: &Controller) -> Self {
        Tokens {
            http,
            url: controller.token_url.clone(),
            client_id: controller.client_id.clone(),
            client_secret: controller.client_secret.clone(),
            state: Mutex::default(),
            flight: tokio::sync::Mutex::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cached token, or a new one. Fails with [`CallError::Auth`] when the credentials are refused and with
    /// [`NotSent::Login`] or [`NotSent::Unreachable`] when the endpoint does not work.
    pub async fn get(&self) -> Result<Token, CallError> {
        if let Some(token) = self.state().fresh(Instant::now()) {
            return Ok(token);
        }
        let _flight = self.flight.lock().await;
        if let Some(known) = self.state().known(Instant::now()) {
            return known;
        }
        let result = self.login().await;
        self.state().keep(result, Instant::now())
    }

    /// A call with this token was answered with something other than 401.
    pub fn prove(&self, number: u64) {
        if let Some(held) = self.state().token.as_mut().filter(|h| h.token.number == number) {
            held.proven = true;
        }
    }

    /// A call with this token was answered 401: true when another try with [`Self::get`] makes sense.
    ///
    /// Gives the token up only if it is still the one in use; otherwise somebody else has replaced it already. A replacement that was
    /// refused from its first call on stays: the account is at fault then, not the token.
    pub fn refuse(&self, number: u64) -> bool {
        let mut state = self.state();
        match &state.token {
            Some(held) if held.token.number == number => {
                if held.is_replacement && !held.proven && held.since.elapsed() < MEMORY {
                    return false;
                }
                state.token = None;
                state.after_refusal = true;
                true
            }
            _ => true,
        }
    }

    async fn login(&self) -> Result<(SecretString, Duration), CallError> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.expose()),
        ];
        let request = self
            .http
            .post(self.url.clone())
            .header(ACCEPT, "application/json")
            .form(&form);
        let unavailable = |detail: String, retry_after| CallError::NotSent(NotSent::Login { detail, retry_after });
        let reply = match request.send().await {
            Ok(response) => read_reply(response, ANSWER_MAX)
                .await
                .map_err(|e| unavailable(e.detail(), None))?,
            Err(e) if e.is_connect() => {
                let detail = format!("token endpoint {}: {}", host_of(&self.url), super::http::causes(e));
                return Err(CallError::NotSent(NotSent::Unreachable { detail }));
            }
            Err(e) => return Err(unavailable(super::http::causes(e), None)),
        };
        let status = reply.status;
        if (200..300).contains(&status) {
            return self.read_token(&reply);
        }
        let secrets = [self.client_secret.clone()];
        let refused = classify(&Refusal {
            status,
            retry_after: reply.retry_after,
            body: &reply.body,
            location_host: reply
                .header(LOCATION)
                .and_then(|l| self.url.join(l).ok())
                .map(|u| host_of(&u)),
            write: false,
            secrets: &secrets,
        });
        Err(match refused {
            CallError::RateLimited { retry_after } => unavailable("it limits our logins (429)".into(), retry_after),
            CallError::ServerError {
                retry_after, detail, ..
            }
            | CallError::Transient {
                retry_after, detail, ..
            } => unavailable(format!("({status}) {detail}").trim_end().to_owned(), retry_after),
            // Any other refusal of a login is for people to repair: wrong client, wrong secret, wrong tenant in the address.
            CallError::NotFound { code, detail } => CallError::Auth { status, code, detail },
            CallError::Rejected { code, detail, .. } | CallError::Conflict { code, detail, .. } => {
                CallError::Auth { status, code, detail }
            }
            other => other,
        })
    }

    /// Wrong parameters have been answered with status 200 and an HTML page: that is a refusal, not a token.
    fn read_token(&self, reply: &Reply) -> Result<(SecretString, Duration), CallError> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: SecretString,
            #[serde(default)]
            expires_in: Option<serde_json::Value>,
        }
        let not_a_token = |detail: &str| CallError::Auth {
            status: reply.status,
            code: Some("NOT_A_TOKEN".into()),
            detail: format!("the token endpoint answered {detail}; check token_url and tenant_id"),
        };
        if !is_json(reply) {
            return Err(not_a_token("with something that is not JSON"));
        }
        let answer: Answer =
            serde_json::from_slice(&reply.body).map_err(|_| not_a_token("with JSON that holds no access_token"))?;
        let life = match &answer.expires_in {
            Some(serde_json::Value::Number(n)) => n.as_f64().map(|s| s as u64),
            Some(serde_json::Value::String(s)) => s.parse().ok(),
            _ => None,
        };
        let life = Duration::from_secs(life.unwrap_or(LIFE_DEFAULT).clamp(1, 86_400));
        if answer.access_token.expose().is_empty()
            || !answer.access_token.expose().bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(not_a_token("with a token that can't be sent"));
        }
        Ok((answer.access_token, life))
    }
}

impl State {
    fn fresh(&self, now: Instant) -> Option<Token> {
        self.token
            .as_ref()
            .filter(|h| now < h.renew_at)
            .map(|h| h.token.clone())
    }

    /// What needs no login: a fresh token; or, while a failure is remembered, the old token as long as it lives, else the failure.
    fn known(&self, now: Instant) -> Option<Result<Token, CallError>> {
        if let Some(token) = self.fresh(now) {
            return Some(Ok(token));
        }
        let (at, memory, error) = self.failure.as_ref()?;
        if now.duration_since(*at) >= *memory {
            return None;
        }
        Some(self.alive(now).ok_or_else(|| error.clone()))
    }

    fn alive(&self, now: Instant) -> Option<Token> {
        self.token.as_ref().filter(|h| now < h.ends_at).map(|h| h.token.clone())
    }

    fn keep(&mut self, login: Result<(SecretString, Duration), CallError>, now: Instant) -> Result<Token, CallError> {
        match login {
            Ok((secret, life)) => {
                self.issued += 1;
                let mut header = HeaderValue::try_from(format!("Bearer {}", secret.expose()))
                    .expect("read_token lets printable ASCII through only");
                header.set_sensitive(true);
                let token = Token {
                    number: self.issued,
                    header,
                };
                self.token = Some(Held {
                    token: token.clone(),
                    since: now,
                    renew_at: now + (life - MARGIN.min(life / 10)),
                    ends_at: now + life,
                    proven: false,
                    is_replacement: std::mem::take(&mut self.after_refusal),
                });
                self.failure = None;
                Ok(token)
            }
            Err(error) => {
                let memory = match error {
                    CallError::Auth { .. } => MEMORY,
                    _ => error
                        .retry_after()
                        .unwrap_or(MEMORY_TRANSIENT)
                        .clamp(MEMORY_TRANSIENT, 12 * MEMORY),
                };
                self.failure = Some((now, memory, error.clone()));
                self.alive(now).ok_or(error)
            }
        }
    }
}
