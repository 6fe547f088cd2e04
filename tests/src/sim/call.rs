//! A call on its way through the simulator, and its answer.

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Map, Value};
use uuid::Builder;

use super::clock::Millis;
use super::counts::Refused;
use super::errors::Fault;
use super::model::{Kind, Passphrase};
use super::paging::Page;
use super::settings::{Refusal, Settings};
use super::tenant::Tenant;
use super::twist::Twist;

/// A request as far as the simulator looks at it.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the parts of an HTTP request")]
pub struct Call {
    pub method: String,
    pub path: String,
    /// Without the question mark; empty when there is none.
    pub query: String,
    pub accept: String,
    pub content_type: String,
    /// Bearer token.
    pub bearer: String,
    /// `x-rks-tenantid`, or empty.
    pub tenant: String,
    pub body: Vec<u8>,
}

/// An answer body.
#[derive(Clone, PartialEq)]
#[allow(missing_docs, reason = "self-explanatory")]
pub enum Content {
    Json(Value),
    Html(&'static str),
    Empty,
}

/// What the HTTP layer does with a call.
#[derive(Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub content: Content,
    /// Seconds of a `Retry-After` header.
    pub retry_after_s: Option<u64>,
    /// Wait this long before answering, milliseconds.
    pub delay_ms: u64,
    /// Drop the connection instead of answering.
    pub cut: bool,
    /// JSON under `text/plain`.
    pub plain: bool,
}

impl Reply {
    /// A JSON answer.
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            content: Content::Json(body),
            retry_after_s: None,
            delay_ms: 0,
            cut: false,
            plain: false,
        }
    }

    /// 200.
    pub fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    /// No body at all.
    pub fn empty(status: u16) -> Self {
        Self {
            content: Content::Empty,
            ..Self::json(status, Value::Null)
        }
    }

    /// An HTML page, as proxies send them.
    pub fn html(status: u16, page: &'static str) -> Self {
        Self {
            content: Content::Html(page),
            ..Self::json(status, Value::Null)
        }
    }

    /// A dropped connection.
    pub fn dropped() -> Self {
        Self {
            cut: true,
            ..Self::json(503, Value::Null)
        }
    }
}

/// Everything an operation works with.
pub struct Ctx<'a> {
    /// The effective tenant.
    pub tenant: &'a mut Tenant,
    /// The simulator's settings.
    pub settings: &'a Settings,
    /// The seeded source of ids and durations.
    pub rng: &'a mut StdRng,
    /// Time of arrival.
    pub now: Millis,
    /// The call.
    pub call: &'a Call,
    /// Its body; `Null` when empty.
    pub body: Value,
    /// Its path parameters.
    pub params: Vec<&'a str>,
    /// Request id of the answer.
    pub request_id: String,
    /// Orders of the fault plan.
    pub twist: Twist,
}

impl Ctx<'_> {
    /// The `index`-th path parameter.
    pub fn param(&self, index: usize) -> String {
        self.params
            .get(index)
            .map(|text| (*text).to_owned())
            .unwrap_or_default()
    }

    /// Whether the media type asks for the synchronous v1 form of identity calls.
    pub fn is_sync(&self) -> bool {
        self.call.accept.contains("vnd.ruckus.v1+json")
    }

    /// A fresh id.
    pub fn fresh_id(&mut self) -> String {
        fresh_id(self.rng)
    }

    /// The body as an object, or 400.
    pub fn object(&self) -> Result<Map<String, Value>, Fault> {
        self.body
            .as_object()
            .cloned()
            .ok_or_else(|| Fault::invalid("body", "a JSON object is required"))
    }

    /// A list of ids as body, or 400.
    pub fn ids(&self) -> Result<Vec<String>, Fault> {
        let ids = self
            .body
            .as_array()
            .map(|rows| rows.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        ids.filter(|ids: &Vec<String>| !ids.is_empty())
            .ok_or_else(|| Fault::invalid("body", "a list of ids is required"))
    }

    /// Counts a create that came too late for its name; `live` says whether the owner can be seen already.
    pub fn count_refused(&mut self, kind: Kind, container: &str, name: &str, live: bool) {
        let cut = self.tenant.cut.contains(&(kind, container.to_owned(), name.to_owned()));
        let cause = match (cut, live) {
            (true, _) => "after_cut",
            (false, false) => "in_flight",
            (false, true) => "existed",
        };
        let at = super::clock::iso(self.now);
        let refused = Refused {
            kind: kind.word(),
            container: container.into(),
            name: name.into(),
            cause,
            at,
        };
        self.tenant.counts.refuse(refused);
    }

    /// Remembers an accepted create whose reply is going to be cut.
    pub fn remember_cut(&mut self, kind: Kind, container: &str, name: &str) {
        if self.twist.cut {
            self.tenant.cut.insert((kind, container.into(), name.into()));
        }
    }

    /// A page of a list with Spring's query parameters.
    pub fn spring_page(&self) -> Page {
        self.twisted(Page::spring(&self.call.query, self.settings.page_cap))
    }

    /// A page of a query whose first page is `first`; `default_size` rows when the body names none.
    pub fn body_page(&self, first: u64, default_size: usize) -> Page {
        self.twisted(Page::body(&self.body, first, default_size, self.settings.page_cap))
    }

    fn twisted(&self, mut page: Page) -> Page {
        page.size = page.size.min(self.twist.page_rows.unwrap_or(usize::MAX));
        page.nothing = self.twist.finds_nothing(&self.body);
        page
    }

    /// A name as it is stored: with the first free suffix when the fault plan says so.
    pub fn suffixed(&mut self, group: Option<&str>, pool: Option<&str>, name: String) -> String {
        if !self.twist.suffix_name {
            return name;
        }
        self.tenant.counts.suffixed_names += 1;
        let people = group.and_then(|group| self.tenant.people.get(group));
        let keys = pool.and_then(|pool| self.tenant.keys.get(pool));
        let taken = |name: &String| {
            let in_either = [people, keys].into_iter().flatten();
            in_either.into_iter().any(|members| members.names.contains_key(name))
        };
        (1..)
            .map(|n| format!("{name}_{n}"))
            .find(|name| !taken(name))
            .unwrap_or(name)
    }

    /// How far behind this read is, milliseconds.
    pub fn stale_ms(&self) -> u64 {
        self.twist.stale_ms.unwrap_or_default()
    }

    /// Counts a link that was there already; `from` and `to` are what it links.
    pub fn count_relink(&mut self, link: &'static str, from: &str, to: &str) {
        let cut = self.tenant.cut_links.contains(&(link, from.into(), to.into()));
        let cause = if cut { "after_cut" } else { "existed" };
        self.tenant.counts.relink(link, cause);
    }

    /// Remembers an accepted link whose reply is going to be cut.
    pub fn remember_link(&mut self, link: &'static str, from: &str, to: &str) {
        if self.twist.cut {
            self.tenant.cut_links.insert((link, from.into(), to.into()));
        }
    }

    /// The form for a taken name.
    pub fn form_for(&self, live: bool) -> Refusal {
        if live {
            self.settings.refuse_existing
        } else {
            self.settings.refuse_in_flight
        }
    }

    /// A passphrase of `length` in a pool's format.
    pub fn generate(&mut self, format: &str, length: usize) -> String {
        const DIGITS: &[u8] = b"0123456789";
        const FRIENDLY: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
        const SECURED: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789!#$%&*+-=?@";
        let letters = match format {
            "NUMBERS_ONLY" => DIGITS,
            "KEYBOARD_FRIENDLY" => FRIENDLY,
            _ => SECURED,
        };
        (0..length.clamp(8, 63))
            .map(|_| char::from(letters[self.rng.random_range(0..letters.len())]))
            .collect()
    }

    /// The value that will be stored: too short ones are silently replaced. Says whether it was.
    pub fn fit_value(&mut self, pool: &str, value: Option<&str>) -> (String, bool) {
        let pool = self.tenant.pools.get(pool);
        let (format, length) = pool.map_or((String::new(), 8), |p| {
            (p.passphrase_format.clone(), p.passphrase_length)
        });
        match value {
            Some(value) if value.chars().count() >= length && !self.twist.replace_value => (value.to_owned(), false),
            other => {
                let replaced = other.is_some();
                self.tenant.counts.replaced_passphrases += u64::from(replaced);
                (self.generate(&format, length), replaced)
            }
        }
    }

    /// Inserts a passphrase, not visible yet.
    pub fn insert_passphrase(&mut self, mut key: Passphrase) {
        key.origin = self.tenant.origin(Some(&self.request_id), self.now);
        self.tenant.insert_passphrase(key);
    }
}

/// A random UUID from the seeded source.
pub fn fresh_id(rng: &mut StdRng) -> String {
    let mut bytes = [0_u8; 16];
    rng.fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid().to_string()
}
