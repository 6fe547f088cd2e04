//! Redis as people run it who must not be without it: a master with replicas and sentinels, and a Cluster. Real servers on loopback, which
//! fail over within seconds.

#![expect(clippy::disallowed_methods, reason = "waits for processes, without a runtime")]

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::harness::resp::{Reply, Resp};
use crate::redis_server::{Options, RedisServer};

/// What the sentinels call the master.
pub const MASTER: &str = "mymaster";
/// Until all know each other.
const TIMEOUT: Duration = Duration::from_secs(40);
const SLOTS: u32 = 16_384;

/// A server with its append-only file, that a replica follows at once.
fn data_node(cluster: bool) -> anyhow::Result<RedisServer> {
    let mut extra = vec![("repl-diskless-sync-delay", "0".to_owned())];
    if cluster {
        extra.push(("cluster-node-timeout", "2000".to_owned()));
    }
    let options = Options {
        appendonly: true,
        cluster,
        extra,
        ..Options::default()
    };
    Ok(RedisServer::start(options)?)
}

/// Asks every 20 ms.
fn until<T>(what: &str, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let found = look();
        if let Ok(Some(found)) = found {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("waited in vain for {what}: {:?}", found.err());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A field of `INFO`, of one section or all (`all`).
pub fn info(port: u16, section: &str, field: &str) -> anyhow::Result<String> {
    let text = Resp::connect(port)?.call(&["INFO", section])?.text();
    let line = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
    Ok(line.with_context(|| format!("INFO has no {field}"))?.trim().to_owned())
}

/// Bytes of the replication stream so far.
pub fn offset(port: u16) -> anyhow::Result<u64> {
    Ok(info(port, "replication", "master_repl_offset")?.parse()?)
}

/// Where a replica was when it became the master.
pub fn offset_of_takeover(port: u16) -> anyhow::Result<u64> {
    // the first byte that is its own
    let first: i64 = info(port, "replication", "second_repl_offset")?.parse()?;
    Ok(u64::try_from(first - 1)?)
}

/// Makes a server follow another, and waits until it does.
pub fn follow(replica: &RedisServer, master: &RedisServer) -> anyhow::Result<()> {
    let port = master.port().to_string();
    Resp::connect(replica.port())?.call(&["REPLICAOF", "127.0.0.1", &port])?;
    until("the replica", || {
        let link = info(replica.port(), "replication", "master_link_status")?;
        Ok((link == "up").then_some(()))
    })
}

/// A master, its replicas, three sentinels.
pub struct Watched {
    /// The master is the first one at the start.
    pub servers: Vec<RedisServer>,
    pub sentinels: Vec<RedisServer>,
}

impl Watched {
    pub fn start(replicas: usize) -> anyhow::Result<Self> {
        let master = data_node(false)?;
        let mut servers = vec![master];
        for _ in 0..replicas {
            let replica = data_node(false)?;
            follow(&replica, &servers[0])?;
            servers.push(replica);
        }
        let text = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 4000\n",
            servers[0].port()
        );
        let sentinel = || {
            RedisServer::start(Options {
                sentinel: Some(text.clone()),
                ..Options::default()
            })
        };
        let sentinels = vec![sentinel()?, sentinel()?, sentinel()?];
        for sentinel in &sentinels {
            until("the sentinels to know each other", || {
                let state = Resp::connect(sentinel.port())?.call(&["SENTINEL", "MASTER", MASTER])?;
                let field = |name: &str| {
                    let pair = state.list().chunks(2).find(|pair| pair[0].text() == name);
                    pair.map(|pair| pair[1].text()).unwrap_or_default()
                };
                let know = field("num-slaves") == replicas.to_string() && field("num-other-sentinels") == "2";
                Ok((know && field("flags") == "master").then_some(()))
            })?;
        }
        Ok(Watched { servers, sentinels })
    }

    /// As `REDIS_SENTINELS` takes it.
    pub fn addresses(&self) -> String {
        let all: Vec<String> = self
            .sentinels
            .iter()
            .map(|s| format!("127.0.0.1:{}", s.port()))
            .collect();
        all.join(",")
    }

    /// Another master than `old`, by the word of all sentinels and its own: its place.
    pub fn other_master(&self, old: usize) -> anyhow::Result<usize> {
        until("another master", || {
            let mut named = Vec::new();
            for sentinel in &self.sentinels {
                let address = Resp::connect(sentinel.port())?.call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER])?;
                named.push(address.list().get(1).map(Reply::text).unwrap_or_default());
            }
            let place = self.servers.iter().position(|s| s.port().to_string() == named[0]);
            let Some(place) = place.filter(|p| *p != old && named.iter().all(|n| *n == named[0])) else {
                return Ok(None);
            };
            let role = info(self.servers[place].port(), "replication", "role")?;
            Ok((role == "master").then_some(place))
        })
    }

    /// Until the server has become a replica.
    pub fn demoted(&self, place: usize) -> anyhow::Result<()> {
        until("the old master to follow the new one", || {
            let role = info(self.servers[place].port(), "replication", "role")?;
            Ok((role == "slave").then_some(()))
        })
    }
}

/// Masters, then their replicas in the same order.
pub struct Cluster {
    pub nodes: Vec<RedisServer>,
    masters: usize,
}

impl Cluster {
    pub fn start(masters: usize, has_replicas: bool) -> anyhow::Result<Self> {
        let count = if has_replicas { 2 * masters } else { masters };
        let nodes = (0..count)
            .map(|_| data_node(true))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let cluster = Cluster { nodes, masters };
        let mut ids = Vec::new();
        for (at, node) in cluster.nodes.iter().enumerate() {
            let mut c = Resp::connect(node.port())?;
            ids.push(c.call(&["CLUSTER", "MYID"])?.text());
            c.call(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()])?;
            if at < masters {
                let (first, last) = cluster.share(at);
                c.call(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()])?;
            }
        }
        let mut first = Resp::connect(cluster.nodes[0].port())?;
        for node in &cluster.nodes[1..] {
            let own = Resp::connect(node.port())?.call(&["CLUSTER", "NODES"])?.text();
            let bus = own.split('@').nth(1).and_then(|rest| rest.split([' ', ',']).next());
            let bus = bus.context("a node's bus port")?;
            first.call(&["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string(), bus])?;
        }
        for node in &cluster.nodes {
            until("the nodes to know each other", || {
                let text = Resp::connect(node.port())?.call(&["CLUSTER", "NODES"])?.text();
                let known = text
                    .lines()
                    .filter(|l| !l.contains("handshake") && l.contains(" connected"))
                    .count();
                Ok((known == count).then_some(()))
            })?;
        }
        for at in masters..count {
            Resp::connect(cluster.nodes[at].port())?.call(&["CLUSTER", "REPLICATE", &ids[at - masters]])?;
        }
        for (at, node) in cluster.nodes.iter().enumerate() {
            until("the Cluster to be well", || {
                let mut c = Resp::connect(node.port())?;
                let state = c.call(&["CLUSTER", "INFO"])?.text();
                let text = c.call(&["CLUSTER", "NODES"])?.text();
                let replicas = text.lines().filter(|l| l.contains("slave")).count();
                let follows = at < masters || info(node.port(), "replication", "master_link_status")? == "up";
                Ok((state.contains("cluster_state:ok") && replicas == count - masters && follows).then_some(()))
            })?;
        }
        Ok(cluster)
    }

    /// Slots of a master, first and last.
    fn share(&self, master: usize) -> (u32, u32) {
        let (n, at) = (self.masters as u32, master as u32);
        (SLOTS * at / n, SLOTS * (at + 1) / n - 1)
    }

    /// As `REDIS_CLUSTER_NODES` takes it.
    pub fn addresses(&self) -> String {
        let all: Vec<String> = self.nodes.iter().map(|s| format!("127.0.0.1:{}", s.port())).collect();
        all.join(",")
    }

    /// The master a key was given to at the start.
    pub fn home_of(&self, key: &str) -> anyhow::Result<usize> {
        let slot: u32 = Resp::connect(self.nodes[0].port())?
            .call(&["CLUSTER", "KEYSLOT", key])?
            .text()
            .parse()?;
        let home = (0..self.masters).find(|m| (self.share(*m).0..=self.share(*m).1).contains(&slot));
        home.context("a slot without a master")
    }

    /// Its replica, once it has taken the master's place: the place among the nodes.
    pub fn successor(&self, master: usize) -> anyhow::Result<usize> {
        let place = master + self.masters;
        let port = self.nodes[place].port();
        until("the replica to take over", || {
            let role = info(port, "replication", "role")?;
            let state = Resp::connect(port)?.call(&["CLUSTER", "INFO"])?.text();
            Ok((role == "master" && state.contains("cluster_state:ok")).then_some(()))
        })?;
        Ok(place)
    }
}
