//! The whole state of a simulator and the way of a call through it: down → token → activities due → bucket → fault plan →
//! operation → counts. One mutex around all of it; nothing here waits.

use std::collections::{BTreeMap, HashMap};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::call::{Call, Content, Ctx, Reply, fresh_id};
use super::clock::Millis;
use super::counts::Counted;
use super::errors::Fault;
use super::faults::Faults;
use super::injected::Injected;
use super::ops;
use super::route::{Class, Op, find};
use super::settings::Settings;
use super::tenant::Tenant;
use super::token::Token;
use super::twist::{PAGE_503, Twist, before};

/// How a simulator that is down treats calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// Accepts connections and closes them without an answer.
    Cut,
    /// Answers 503 with a proxy's HTML page.
    Http503,
}

/// Everything a simulator knows.
#[allow(missing_docs, reason = "the parts are documented where they are defined")]
pub struct World {
    pub settings: Settings,
    pub tenants: BTreeMap<String, Tenant>,
    pub tokens: HashMap<String, Token>,
    pub faults: Faults,
    pub rng: StdRng,
    pub down: Option<Down>,
    /// Calls are accepted and not looked at until this is over.
    pub frozen: bool,
    /// Calls in progress over all tenants, and the most there ever were.
    pub concurrent: u64,
    pub max_concurrent: u64,
    /// Calls without a token this simulator knows.
    pub strangers: u64,
}

/// A decided call.
pub struct Served {
    /// The answer.
    pub reply: Reply,
    /// Tenant that counts it as in progress; `leave` must be called with it.
    pub tenant: Option<String>,
    /// Request body as parsed, for the record; null for forms.
    pub body: Value,
}

impl World {
    /// A world without tenants.
    pub fn new(mut settings: Settings) -> Self {
        let seed = *settings
            .rng_seed
            .get_or_insert_with(|| rand::rng().random_range(0..=u64::from(u32::MAX)));
        let faults = Faults::new(settings.faults.clone());
        Self {
            settings,
            tenants: BTreeMap::new(),
            tokens: HashMap::new(),
            faults,
            rng: StdRng::seed_from_u64(seed),
            down: None,
            frozen: false,
            concurrent: 0,
            max_concurrent: 0,
            strangers: 0,
        }
    }

    /// The tenant, made at its first use; `None` when it is not among those allowed.
    pub fn tenant(&mut self, id: &str, now: Millis) -> Option<&mut Tenant> {
        if !self.settings.tenants.is_empty() && !self.settings.tenants.iter().any(|known| known == id) {
            return None;
        }
        let settings = &self.settings;
        Some(
            self.tenants
                .entry(id.to_owned())
                .or_insert_with(|| Tenant::new(id, settings, now)),
        )
    }

    /// The call is over, answered or not.
    pub fn leave(&mut self, served: Option<&str>) {
        self.concurrent = self.concurrent.saturating_sub(1);
        if let Some(tenant) = served.and_then(|id| self.tenants.get_mut(id)) {
            tenant.counts.leave();
        }
    }

    /// Decides a call that arrives now. The caller waits, answers, and then says [`World::leave`].
    pub fn serve(&mut self, call: &Call, now: Millis) -> Served {
        self.concurrent += 1;
        self.max_concurrent = self.max_concurrent.max(self.concurrent);
        match self.down {
            Some(Down::Cut) => {
                return Served {
                    reply: Reply::dropped(),
                    tenant: None,
                    body: Value::Null,
                };
            }
            Some(Down::Http503) => {
                return Served {
                    reply: Reply::html(503, PAGE_503),
                    tenant: None,
                    body: Value::Null,
                };
            }
            None => {}
        }
        let route = find(&call.method, &call.path);
        if let Some((Op::Token, params)) = route {
            return self.serve_token(call, &params, now);
        }
        let op = route.as_ref().map(|(op, _)| *op);
        let request_id = fresh_id(&mut self.rng);
        let (id, client) = match self.authenticate(call, now) {
            Ok(found) => found,
            Err((tenant, fault)) => {
                let reply = Reply::json(fault.status, fault.body(op, &request_id, now));
                self.strangers += u64::from(tenant.is_none());
                let tenant = tenant.filter(|id| self.tenants.contains_key(id));
                if let Some(tenant) = tenant.as_ref().and_then(|id| self.tenants.get_mut(id)) {
                    tenant.counts.enter();
                    tenant.counts.call(counted(op, &reply, "", "", now));
                }
                return Served {
                    reply,
                    tenant,
                    body: Value::Null,
                };
            }
        };
        let Self {
            settings,
            tenants,
            faults,
            rng,
            ..
        } = self;
        let Some(tenant) = tenants.get_mut(&id) else {
            return Served {
                reply: Reply::json(401, Value::Null),
                tenant: None,
                body: Value::Null,
            };
        };
        tenant.settle(now);
        tenant.counts.enter();
        let parsed = match call.body.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice(&call.body).map_err(|_| Fault::invalid("body", "is not JSON")),
        };
        let body = parsed.clone().unwrap_or_default();
        let params = route.map(|(_, params)| params).unwrap_or_default();
        let container = params.first().copied().unwrap_or_default().to_owned();
        let granted = tenant.bucket.take(now);
        // a call the bucket refuses never reaches the fault plan
        let fault = op
            .filter(|_| granted.is_ok())
            .and_then(|op| faults.decide(op, &id, name_in(&body), page_in(&call.query, &body), rng));
        if let Some(fault) = &fault {
            tenant.counts.injected(fault.name());
        }
        let mut twist = Twist::default();
        let early = fault
            .as_ref()
            .and_then(|fault| before(fault, &mut twist, settings, op, &request_id, now));
        let mut reply = match (granted, early, parsed) {
            (Err(_), ..) => {
                tenant.counts.http_429_bucket += 1;
                let fault = Fault::new(429, "GENERAL-429", "Too many requests");
                let mut reply = Reply::json(429, fault.body(op, &request_id, now));
                reply.retry_after_s = settings.retry_after_s;
                reply
            }
            (_, Some(reply), _) => reply,
            (.., Err(fault)) => Reply::json(fault.status, fault.body(op, &request_id, now)),
            (.., Ok(body)) => {
                let request = request_id.clone();
                let mut ctx = Ctx {
                    tenant,
                    settings,
                    rng,
                    now,
                    call,
                    body: twist.taken(body),
                    params,
                    request_id: request,
                    twist,
                };
                let done = match op {
                    Some(op) => ops::run(op, &mut ctx),
                    None => Err(Fault::new(
                        404,
                        "GENERAL-404",
                        format!("no such operation: {} {}", call.method, call.path),
                    )),
                };
                done.unwrap_or_else(|fault| Reply::json(fault.status, fault.body(op, &request_id, now)))
            }
        };
        // the operation's borrow of the tenant is over
        let tenant = self.tenants.get_mut(&id);
        reply.delay_ms = match op.map(Op::class) {
            Some(Class::Write) => self.settings.write_ms,
            _ => self.settings.read_ms,
        };
        if let Some(tenant) = tenant {
            match fault {
                Some(Injected::Slow { ms }) => reply.delay_ms += ms,
                Some(Injected::CutAfterApply) => reply.cut = true,
                Some(Injected::TextPlain) => reply.plain = true,
                _ => {}
            }
            let injected_429 = matches!(fault, Some(Injected::TooMany | Injected::TooManyRetryAfter { .. }));
            tenant.counts.http_429_injected += u64::from(injected_429 && reply.status == 429);
            tenant.counts.call(counted(op, &reply, &client, &container, now));
        }
        Served {
            reply,
            tenant: Some(id),
            body,
        }
    }

    fn serve_token(&mut self, call: &Call, params: &[&str], now: Millis) -> Served {
        let id = params.first().copied().unwrap_or_default().to_owned();
        let known = self.tenant(&id, now).is_some();
        let fault = if known {
            self.faults.decide(Op::Token, &id, None, None, &mut self.rng)
        } else {
            None
        };
        let mut reply = match &fault {
            Some(fault) => before(fault, &mut Twist::default(), &self.settings, Some(Op::Token), "", now),
            None => None,
        }
        .unwrap_or_else(|| self.grant(call, &id, known, fault.as_ref(), now));
        reply.delay_ms = self.settings.write_ms;
        if let Some(tenant) = self.tenants.get_mut(&id) {
            tenant.counts.enter();
            match &fault {
                Some(Injected::Slow { ms }) => reply.delay_ms += ms,
                Some(Injected::CutAfterApply) => reply.cut = true,
                _ => {}
            }
            if let Some(fault) = &fault {
                tenant.counts.injected(fault.name());
            }
            tenant.counts.call(counted(Some(Op::Token), &reply, "", "", now));
        }
        Served {
            reply,
            tenant: known.then_some(id),
            body: Value::Null,
        }
    }
}

fn counted<'a>(op: Option<Op>, reply: &Reply, client: &'a str, container: &'a str, at: Millis) -> Counted<'a> {
    let applied = reply.cut && (200..300).contains(&reply.status);
    Counted {
        op,
        status: (!reply.cut).then_some(reply.status),
        applied,
        client,
        container,
        at,
    }
}

/// The number of the page a call asks for.
fn page_in(query: &str, body: &Value) -> Option<u64> {
    let in_query = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "page");
    let in_query = in_query.and_then(|(_, value)| value.parse().ok());
    in_query.or_else(|| body["page"].as_u64())
}

/// The name a create is about.
fn name_in(body: &Value) -> Option<&str> {
    body["username"].as_str().or_else(|| body["name"].as_str())
}

impl Reply {
    /// The JSON body, if it is one.
    pub fn as_json(&self) -> Value {
        match &self.content {
            Content::Json(value) => value.clone(),
            Content::Html(_) | Content::Empty => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;
    use crate::sim::seed::seed;

    /// Creates, polls and look-ups never walk over the rows: 3000 calls over 30,000 passphrases take a fraction of a second even
    /// unoptimised, where one walk takes milliseconds.
    #[test]
    fn calls_do_not_grow_with_the_ledger() {
        let mut world = World::new(Settings::quick());
        let row = |n: u32| json!({"pool": "P", "username": format!("u{n}"), "passphrase": format!("secret-{n}")});
        let keys: Vec<Value> = (0..30_000).map(row).collect();
        let pools = json!([{"id": "p", "name": "P", "group": "G"}]);
        let all = json!({"tenant": "t", "identity_groups": [{"name": "G"}], "dpsk_pools": pools, "passphrases": keys});
        seed(&mut world, &all, 0).unwrap();
        let form = b"grant_type=client_credentials&client_id=a&client_secret=sim-secret".to_vec();
        let granted = world
            .grant(
                &Call {
                    body: form,
                    ..Call::default()
                },
                "t",
                true,
                None,
                0,
            )
            .as_json();
        let mut ask = |method: &str, path: &str, body: Value, now| {
            let bearer = granted["access_token"].as_str().unwrap().to_owned();
            let body = if body.is_null() {
                Vec::new()
            } else {
                body.to_string().into_bytes()
            };
            let call = Call {
                method: method.into(),
                path: path.into(),
                bearer,
                body,
                ..Call::default()
            };
            let served = world.serve(&call, now);
            world.leave(served.tenant.as_deref());
            (served.reply.status, served.reply.as_json())
        };
        let start = Instant::now();
        for n in 0..1000 {
            let body = json!({"username": format!("new{n}"), "passphrase": "correct-horse"});
            let (status, accepted) = ask("POST", "/dpskServices/p/passphrases", body, n * 100);
            assert_eq!(status, 202);
            let path = format!("/activities/{}", accepted["requestId"].as_str().unwrap());
            assert_eq!(ask("GET", &path, Value::Null, n * 100 + 70).1["status"], "SUCCESS");
            let body = json!({"page": 1, "pageSize": 10, "filters": {"username": [format!("new{n}")]}});
            assert_eq!(
                ask("POST", "/dpskServices/p/passphrases/query", body, n * 100 + 71).1["totalCount"],
                1
            );
        }
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
}
