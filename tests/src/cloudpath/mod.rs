//! A Cloudpath server that is not there: the REST API of 5.11 as far as an export needs it, with the troubles of a real one. Written from
//! what is known of that interface: a login answers a token that goes into `Authorization` bare, without `Bearer`; lists take `page` (from
//! 1) and `pageSize`, and answer `contents` and `page.totalCount`; every object carries links.

mod answers;
mod serve;

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use serde_json::Value;

pub const USER: &str = "admin@example.net";
pub const PASSWORD: &str = "the admin's own pässword";

/// Something that goes wrong `times` times, at requests whose path and query hold `at`.
#[derive(Debug, Clone)]
pub struct Trouble {
    pub at: &'static str,
    pub times: u32,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub enum Kind {
    /// An answer with this status and a page in HTML, or with a header.
    Status(u16, Option<(&'static str, &'static str)>),
    /// The connection ends in the middle of the answer.
    CutShort,
    /// So many rows of a page are left out.
    Short(usize),
    /// Somebody deletes the pool's first key just before.
    Deleted,
    /// A page in HTML instead of JSON, with 200.
    Html,
}

impl Trouble {
    pub fn new(at: &'static str, times: u32, kind: Kind) -> Self {
        Trouble { at, times, kind }
    }
}

#[derive(Debug, Clone)]
pub struct Settings {
    /// As in a full export, each with its `dpsks`.
    pub pools: Vec<Value>,
    /// Rows of a page, whatever is asked for.
    pub page_max: usize,
    /// Requests after which a token has run out.
    pub token_requests: u32,
    /// Lists show DPSKs without their passphrases; only a DPSK itself does.
    pub lists_hide_passphrases: bool,
    pub troubles: Vec<Trouble>,
}

impl Settings {
    /// The pools of a full export.
    pub fn of(export: &Value) -> Self {
        Settings {
            pools: export["dpskPools"].as_array().cloned().unwrap_or_default(),
            page_max: 1000,
            token_requests: u32::MAX,
            lists_hide_passphrases: false,
            troubles: Vec::new(),
        }
    }
}

/// Requests as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// With its query.
    pub path: String,
    pub authorization: Option<String>,
}

struct State {
    settings: Settings,
    /// Every login makes another one; only the newest counts.
    tokens: u32,
    token_left: u32,
    seen: Vec<Seen>,
}

/// Serves until the process ends.
pub struct Cloudpath {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Cloudpath {
    /// On loopback, over TLS when there is a configuration for it.
    pub fn start(settings: Settings, tls: Option<Arc<ServerConfig>>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(Mutex::new(State {
            settings,
            tokens: 0,
            token_left: 0,
            seen: Vec::new(),
        }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, tls) = (shared.clone(), tls.clone());
                // a client that goes away ends its thread; what it was told is in the log
                std::thread::spawn(move || serve::connection(stream, tls, &state));
            }
        });
        Ok(Cloudpath { port, state })
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// How often somebody has logged in.
    pub fn logins(&self) -> u32 {
        self.lock().tokens
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("a request has panicked")
    }
}
