//! Where Redis is and how it is spoken to: one server, the master that sentinels name, or a Cluster.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::Reader;

#[derive(Clone)]
pub struct RedisSettings {
    /// `redis://`, `rediss://` or `redis+unix://`, with the database in its path. May hold a password. With Sentinel and Cluster only its
    /// user, password, database and scheme count.
    pub url: Zeroizing<String>,
    pub topology: Topology,
    pub tls: RedisTls,
    /// Refuse a server without append-only file. Off only for managed services that are durable in another way.
    pub require_aof: bool,
    pub durability: SubmitDurability,
}

/// Host and port.
pub type Address = (String, u16);

#[derive(Clone, Default)]
pub enum Topology {
    /// The server of the URL.
    #[default]
    Server,
    Sentinel(SentinelSettings),
    /// Some of its nodes, at least one.
    Cluster {
        nodes: Vec<Address>,
    },
}

#[derive(Clone)]
pub struct SentinelSettings {
    /// At least one.
    pub sentinels: Vec<Address>,
    /// The master's name there.
    pub master: String,
    pub username: Option<String>,
    pub password: Option<Zeroizing<String>>,
}

/// PEM texts.
#[derive(Clone, Default)]
pub struct RedisTls {
    /// Believed instead of the public authorities.
    pub authorities: Option<Vec<u8>>,
    /// Our certificate and its key.
    pub client: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

/// What the acceptance of a job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubmitDurability {
    /// That the death of the Redis process would not take it back; that is always waited for.
    #[default]
    Accepted,
    /// That so many replicas have it.
    Replicated { replicas: u32, within: Duration },
    /// That it is on the master's disk.
    Fsynced { within: Duration },
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisSettings({})", self.shown())
    }
}

impl RedisSettings {
    /// Where it is, without passwords.
    pub fn shown(&self) -> String {
        let list = |nodes: &[Address]| {
            let nodes: Vec<String> = nodes.iter().map(|(host, port)| format!("{host}:{port}")).collect();
            nodes.join(",")
        };
        match &self.topology {
            Topology::Sentinel(s) => return format!("{} (of the sentinels {})", s.master, list(&s.sentinels)),
            Topology::Cluster { nodes } => return format!("Cluster {}", list(nodes)),
            Topology::Server => {}
        }
        match url::Url::parse(&self.url) {
            Ok(mut u) => {
                if u.password().is_some() {
                    let _ = u.set_password(Some("***"));
                }
                u.to_string()
            }
            Err(_) => "redis".to_owned(),
        }
    }
}

impl Reader {
    pub(super) fn redis(&mut self) -> RedisSettings {
        let require_aof = self.flag("REDIS_REQUIRE_AOF");
        let topology = self.topology();
        let url = match self.text("REDIS_URL") {
            Some(url) => {
                self.judge_url(&url, &topology);
                url
            }
            None => self.url_of_parts(&topology),
        };
        RedisSettings {
            tls: self.tls(&url),
            url: Zeroizing::new(url),
            topology,
            require_aof,
            durability: self.durability(),
        }
    }

    fn topology(&mut self) -> Topology {
        let sentinels = self.addresses("REDIS_SENTINELS");
        let nodes = self.addresses("REDIS_CLUSTER_NODES");
        match (sentinels, nodes) {
            (Some(_), Some(_)) => {
                self.faults
                    .push("REDIS_SENTINELS and REDIS_CLUSTER_NODES are both set: one of them is to be".to_owned());
                Topology::Server
            }
            (Some(sentinels), None) => Topology::Sentinel(SentinelSettings {
                sentinels,
                master: (self.text("REDIS_SENTINEL_MASTER"))
                    .unwrap_or_else(|| Self::default_of("REDIS_SENTINEL_MASTER").to_owned()),
                username: self.text("REDIS_SENTINEL_USERNAME"),
                password: self.text("REDIS_SENTINEL_PASSWORD").map(Zeroizing::new),
            }),
            (None, Some(nodes)) => Topology::Cluster { nodes },
            (None, None) => Topology::Server,
        }
    }

    /// `host:port`, several with commas; an IPv6 address in brackets.
    fn addresses(&mut self, name: &str) -> Option<Vec<Address>> {
        let text = self.text(name)?;
        let one = |part: &str| {
            let (host, port) = part.trim().rsplit_once(':')?;
            let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
            let is_fit = !host.is_empty() && (bare.is_some() || !host.contains(':')) && !host.contains(['/', '@']);
            let port = port.parse::<u16>().ok().filter(|p| *p > 0)?;
            is_fit.then(|| (bare.unwrap_or(host).to_owned(), port))
        };
        let all: Option<Vec<Address>> = text
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(one)
            .collect();
        if all.as_ref().is_none_or(Vec::is_empty) {
            self.fault(name, &text);
        }
        all.filter(|all| !all.is_empty())
    }

    fn judge_url(&mut self, url: &str, topology: &Topology) {
        let is_tcp = ["redis://", "rediss://"].iter().any(|s| url.starts_with(s));
        let is_unix = ["redis+unix://", "unix://"].iter().any(|s| url.starts_with(s));
        let parsed = url::Url::parse(url).ok();
        let Some(parsed) = parsed.filter(|_| is_tcp || is_unix) else {
            return self.fault("REDIS_URL", url);
        };
        if is_unix && !matches!(topology, Topology::Server) {
            self.faults
                .push("REDIS_URL names a socket: with Sentinel or Cluster it takes redis:// or rediss://".to_owned());
        }
        let db = parsed.path().trim_matches('/');
        if matches!(topology, Topology::Cluster { .. }) && !matches!(db, "" | "0") {
            self.faults
                .push(format!("REDIS_URL names database {db}: a Cluster has database 0 alone"));
        }
    }

    fn url_of_parts(&mut self, topology: &Topology) -> String {
        let mut host = self.text("REDIS_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
        // Kubernetes sets REDIS_PORT=tcp://10.0.0.1:6379 in every pod when a Service is called "redis"
        let port = match self
            .text("REDIS_PORT")
            .and_then(|p| url::Url::parse(&p).ok())
            .filter(|u| u.scheme() == "tcp")
        {
            Some(u) => {
                if self.text("REDIS_HOST").is_none()
                    && let Some(h) = u.host_str()
                {
                    host = h.to_owned();
                }
                u32::from(u.port().unwrap_or(6379))
            }
            None => self.whole("REDIS_PORT", 1, 65535),
        };
        let db = match (topology, self.text("REDIS_DB")) {
            (Topology::Cluster { .. }, None) => 0,
            _ => self.whole("REDIS_DB", 0, 1023),
        };
        if matches!(topology, Topology::Cluster { .. }) && db != 0 {
            self.faults
                .push(format!("REDIS_DB={db} is not valid: a Cluster has database 0 alone"));
        }
        let scheme = if self.flag("REDIS_TLS") { "rediss" } else { "redis" };
        // in an address it stands in brackets, in REDIS_HOST it may stand without
        if host.parse::<std::net::Ipv6Addr>().is_ok() {
            host = format!("[{host}]");
        }
        let mut url = match url::Url::parse(&format!("{scheme}://{host}:{port}/{db}")) {
            Ok(u) => u,
            Err(_) => {
                self.fault("REDIS_HOST", &host);
                return String::new();
            }
        };
        // percent-encoded by `url`, decoded again by the client
        if let Some(user) = self.text("REDIS_USERNAME") {
            let _ = url.set_username(&user);
        }
        if let Some(p) = self.text("REDIS_PASSWORD") {
            let _ = url.set_password(Some(&p));
        }
        url.to_string()
    }

    fn tls(&mut self, url: &str) -> RedisTls {
        let authorities = self.file("REDIS_TLS_CA_FILE");
        let certificate = self.file("REDIS_TLS_CERT_FILE");
        let key = self.file("REDIS_TLS_KEY_FILE").map(Zeroizing::new);
        let is_any = authorities.is_some() || certificate.is_some() || key.is_some();
        if is_any && !url.starts_with("rediss://") {
            self.faults
                .push("REDIS_TLS_…_FILE is set and TLS is not: REDIS_TLS=true, or rediss:// in REDIS_URL".to_owned());
        }
        if certificate.is_some() != key.is_some() {
            self.faults
                .push("REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE are set together".to_owned());
        }
        RedisTls {
            authorities,
            client: certificate.zip(key),
        }
    }

    fn file(&mut self, name: &str) -> Option<Vec<u8>> {
        let path = self.text(name)?;
        match std::fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(e) => {
                self.faults.push(format!("{name}={path} can't be read: {e}"));
                None
            }
        }
    }

    fn durability(&mut self) -> SubmitDurability {
        let replicas = self.whole("SUBMIT_REPLICAS", 1, 10);
        let within = self.seconds("SUBMIT_DURABILITY_TIMEOUT", 0.01, 30.0);
        match self.text("SUBMIT_DURABILITY").as_deref() {
            None | Some("accepted") => SubmitDurability::Accepted,
            Some("replicated") => SubmitDurability::Replicated { replicas, within },
            Some("fsynced") => SubmitDurability::Fsynced { within },
            Some(other) => {
                self.fault("SUBMIT_DURABILITY", other);
                SubmitDurability::Accepted
            }
        }
    }
}
