//! Settings: environment variables, with a TOML file below them (`PHASELINE_CONFIG`, default `phaseline.toml`, keys in lower case).
//!
//! A bad value stops the start; every faulty variable is named, with its value and what it takes. Values are read as text and
//! converted here: the `config` crate's own parsing would turn the password `007` into `7`.

mod store;
mod variables;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use config::{Config, Environment, File, FileFormat};
use zeroize::Zeroizing;

use crate::job::retry::RetryPolicy;
use crate::seal::Sealer;

pub use store::{Address, RedisSettings, RedisTls, SentinelSettings, SubmitDurability, Topology};
pub use variables::VARIABLES;

/// Everything a process of ours is told from outside.
#[derive(Debug, Clone)]
pub struct Settings {
    pub redis: RedisSettings,
    pub engine: EngineSettings,
    pub auth: AuthSettings,
    pub api_bind: SocketAddr,
    pub worker_bind: SocketAddr,
    pub controllers_file: PathBuf,
    pub sealer: Sealer,
}

#[derive(Debug, Clone)]
pub struct EngineSettings {
    pub poll_interval: Duration,
    pub poll_attempts_max: u32,
    pub global_timeout: Duration,
    pub calls_parallel_max: u32,
    pub polls_parallel_max: u32,
    pub retry_max: u32,
    pub retry_backoff: Duration,
    pub job_ttl: Duration,
    /// Idle time after which an entry may be taken over. Leases (two thirds) and HTTP timeouts (a quarter) follow from it.
    pub lock_ttl: Duration,
    /// Batches a worker holds at once.
    pub slots: usize,
    pub shutdown_grace: Duration,
    /// Partitions of the key space; fixed at the first start.
    pub partitions: u16,
}

impl EngineSettings {
    /// After this time without a heartbeat of its own a worker starts no call any more.
    pub fn lease(&self) -> Duration {
        self.lock_ttl * 2 / 3
    }
    /// Whole time of one call: lease + timeout stay below the take-over time, so that no call of a dead lease is still under way.
    pub fn http_timeout(&self) -> Duration {
        (self.lock_ttl / 4).min(Duration::from_secs(10))
    }
    /// Of a task, unless its phase says otherwise.
    pub fn retries(&self) -> RetryPolicy {
        RetryPolicy {
            max_retries: self.retry_max,
            backoff_seconds: self.retry_backoff.as_secs_f64(),
        }
    }
    /// How long a 202 is waited for before its task is read back.
    pub fn poll_give_up(&self) -> Duration {
        self.poll_interval * self.poll_attempts_max
    }
    /// A write is settled after this time: its activity is waited for, it is read back as long again, and two workers may die over it
    /// (each time twice `lock_ttl`, until it is found). Longer only where its job was held, or the controller, Redis or all workers were
    /// away meanwhile.
    pub fn settled_within(&self) -> Duration {
        self.poll_give_up() * 2 + self.lock_ttl * 4
    }
}

#[derive(Clone, Default)]
pub struct AuthSettings {
    pub jwt_secret: Option<Zeroizing<String>>,
    pub jwks_file: Option<PathBuf>,
    pub jwks_url: Option<String>,
    /// `AUTH_MODE=dev`: no token needed, loopback only.
    pub dev: bool,
}

impl fmt::Debug for AuthSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthSettings")
            .field("jwt_secret", &self.jwt_secret.is_some())
            .field("jwks_file", &self.jwks_file)
            .field("jwks_url", &self.jwks_url)
            .field("dev", &self.dev)
            .finish()
    }
}

/// What stops the start: one line per variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigFaults(pub Vec<String>);

/// With Cluster, unless said otherwise: enough for a few shards to have some each, and each costs a worker a connection and a slot.
const PARTITIONS_OF_CLUSTER: u16 = 16;

struct Reader {
    config: Config,
    faults: Vec<String>,
}

impl Reader {
    fn text(&self, name: &str) -> Option<String> {
        self.config
            .get_string(&name.to_ascii_lowercase())
            .ok()
            .filter(|v| !v.is_empty())
    }

    fn fault(&mut self, name: &str, value: &str) {
        let takes = VARIABLES.iter().find(|v| v.0 == name).map_or("", |v| v.2);
        // values of secrets are not repeated
        let shown =
            if name.contains("PASSWORD") || name.contains("SECRET") || name.contains("KEY") || name == "REDIS_URL" {
                "(not shown)"
            } else {
                value
            };
        self.faults
            .push(format!("{name}={shown} is not valid: it takes {takes}"));
    }

    fn default_of(name: &str) -> &'static str {
        VARIABLES.iter().find(|v| v.0 == name).map_or("", |v| v.1)
    }

    fn number(&mut self, name: &str, min: f64, max: f64) -> f64 {
        let text = self.text(name).unwrap_or_else(|| Self::default_of(name).to_owned());
        match text.trim().parse::<f64>() {
            Ok(n) if n.is_finite() && (min..=max).contains(&n) => n,
            _ => {
                self.fault(name, &text);
                min
            }
        }
    }

    fn whole(&mut self, name: &str, min: u32, max: u32) -> u32 {
        let n = self.number(name, f64::from(min), f64::from(max));
        if n.fract() != 0.0 {
            self.fault(name, &n.to_string());
        }
        n as u32
    }

    fn seconds(&mut self, name: &str, min: f64, max: f64) -> Duration {
        Duration::from_secs_f64(self.number(name, min, max))
    }

    fn flag(&mut self, name: &str) -> bool {
        let text = self.text(name).unwrap_or_else(|| Self::default_of(name).to_owned());
        match text.as_str() {
            "true" | "1" | "yes" => true,
            "false" | "0" | "no" => false,
            _ => {
                self.fault(name, &text);
                false
            }
        }
    }

    fn address(&mut self, name: &str) -> SocketAddr {
        let text = self.text(name).unwrap_or_else(|| Self::default_of(name).to_owned());
        text.parse().unwrap_or_else(|_| {
            self.fault(name, &text);
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn jwt_secret(&self) -> Option<Zeroizing<String>> {
        self.text("AUTH_JWT_SECRET").map(Zeroizing::new)
    }

    fn sealer(&mut self) -> Option<Sealer> {
        let (name, text) = match (self.text("PAYLOAD_KEY"), self.text("PAYLOAD_KEY_FILE")) {
            (Some(t), _) => ("PAYLOAD_KEY", t),
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(t) => ("PAYLOAD_KEY_FILE", t),
                Err(e) => {
                    self.faults.push(format!("PAYLOAD_KEY_FILE={path} can't be read: {e}"));
                    return None;
                }
            },
            (None, None) => {
                self.faults
                    .push("PAYLOAD_KEY (or PAYLOAD_KEY_FILE) is required: `phaseline-api keygen` makes one".to_owned());
                return None;
            }
        };
        let text = Zeroizing::new(text);
        Sealer::from_base64(&text)
            .map_err(|e| self.faults.push(format!("{name} is not valid: {e}")))
            .ok()
    }
}

/// A variable that is set to nothing is as good as not set: it does not hide what the file says.
fn environment() -> Environment {
    Environment::default().ignore_empty(true)
}

/// File and environment.
fn sources() -> Result<Config, ConfigFaults> {
    let path = std::env::var("PHASELINE_CONFIG").ok();
    let file = File::new(path.as_deref().unwrap_or("phaseline.toml"), FileFormat::Toml).required(path.is_some());
    let built = Config::builder().add_source(file).add_source(environment()).build();
    built.map_err(|e| ConfigFaults(vec![format!("configuration file: {e}")]))
}

impl AuthSettings {
    /// The key of HS256 tokens alone, for whoever needs nothing else: other settings may be missing or faulty, and its length is not judged.
    pub fn load_jwt_secret() -> Result<Option<Zeroizing<String>>, ConfigFaults> {
        let (config, faults) = (sources()?, Vec::new());
        Ok(Reader { config, faults }.jwt_secret())
    }
}

impl Settings {
    /// Reads file and environment.
    pub fn load() -> Result<Self, ConfigFaults> {
        Self::read(sources()?)
    }

    /// For tests: only these variables.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Result<Self, ConfigFaults> {
        let mut builder = Config::builder();
        for (k, v) in pairs {
            builder = builder
                .set_override(k.to_ascii_lowercase(), *v)
                .map_err(|e| ConfigFaults(vec![format!("{k}: {e}")]))?;
        }
        Self::read(builder.build().map_err(|e| ConfigFaults(vec![e.to_string()]))?)
    }

    fn read(config: Config) -> Result<Self, ConfigFaults> {
        let mut r = Reader {
            config,
            faults: Vec::new(),
        };
        let redis = r.redis();
        let engine = EngineSettings {
            poll_interval: r.seconds("ASYNC_POLL_INTERVAL", 0.2, 300.0),
            poll_attempts_max: r.whole("ASYNC_MAX_ATTEMPTS", 1, 10_000),
            global_timeout: r.seconds("ASYNC_GLOBAL_TIMEOUT", 10.0, 2_592_000.0),
            calls_parallel_max: r.whole("MAX_PARALLEL_API_CALLS", 1, 1000),
            polls_parallel_max: r.whole("MAX_PARALLEL_POLLS", 1, 1000),
            retry_max: r.whole("TASK_MAX_RETRIES", 0, 20),
            retry_backoff: r.seconds("TASK_RETRY_BACKOFF", 0.05, 300.0),
            job_ttl: Duration::from_secs(u64::from(r.whole("JOB_TTL_DAYS", 1, 365)) * 86_400),
            lock_ttl: r.seconds("LOCK_TTL", 15.0, 300.0),
            slots: r.whole("WORKER_SLOTS", 2, 1024) as usize,
            shutdown_grace: r.seconds("SHUTDOWN_GRACE", 1.0, 300.0),
            partitions: match (r.text("PARTITIONS"), &redis.topology) {
                (None, Topology::Cluster { .. }) => PARTITIONS_OF_CLUSTER,
                _ => r.whole("PARTITIONS", 1, 1024) as u16,
            },
        };
        // each partition's reader keeps a slot while it waits: at least one has to be left for what is taken over
        if engine.slots <= usize::from(engine.partitions) {
            r.faults.push(format!(
                "WORKER_SLOTS={} is too few for PARTITIONS={}: it has to be greater, each partition's reader holds one slot",
                engine.slots, engine.partitions
            ));
        }
        let dev = match r.text("AUTH_MODE").as_deref() {
            None | Some("jwt") => false,
            Some("dev") => true,
            Some(other) => {
                let other = other.to_owned();
                r.fault("AUTH_MODE", &other);
                false
            }
        };
        let auth = AuthSettings {
            jwt_secret: r.jwt_secret(),
            jwks_file: r.text("AUTH_JWKS_FILE").map(PathBuf::from),
            jwks_url: r.text("AUTH_JWKS_URL"),
            dev,
        };
        if auth.jwt_secret.as_ref().is_some_and(|s| s.len() < 16) {
            r.fault("AUTH_JWT_SECRET", "");
        }
        let api_bind = r.address("API_BIND");
        let worker_bind = r.address("WORKER_BIND");
        let controllers_file = PathBuf::from(
            r.text("CONTROLLERS_FILE")
                .unwrap_or_else(|| "controllers.toml".to_owned()),
        );
        match r.sealer() {
            Some(sealer) if r.faults.is_empty() => Ok(Settings {
                redis,
                engine,
                auth,
                api_bind,
                worker_bind,
                controllers_file,
                sealer,
            }),
            _ => Err(ConfigFaults(r.faults)),
        }
    }
}

#[cfg(test)]
mod tests;
