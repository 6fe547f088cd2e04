//! The handle to Redis: one server, the master that sentinels name, or the nodes of a Cluster. Who uses it says which slot a command
//! belongs to, and nothing else.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::{Pipeline, RedisResult, Value};

use super::StoreError;
use super::cluster::Cluster;
use super::connection::Node;
use super::dial::Dial;
use super::durable::Life;
use super::script_times::{self, ScriptTimes};
use super::sentinel::Sentinels;
use super::slots::Slot;
use crate::config::{RedisSettings, Topology};

/// Cheap to clone; all clones share the connections and their health.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    nodes: Nodes,
    script_times: ScriptTimes,
}

enum Nodes {
    One(Node),
    Cluster(Box<Cluster>),
}

impl Redis {
    /// Makes no connection yet: a server that is down at start is waited for by whoever asks.
    pub fn open(settings: &RedisSettings) -> Result<Self, StoreError> {
        let dial = Dial::new(settings)?;
        let nodes = match &settings.topology {
            Topology::Server => Nodes::One(Node::fixed(dial.client()?)?),
            Topology::Sentinel(s) => Nodes::One(Node::named_by(Sentinels::new(dial, s.clone()))),
            Topology::Cluster { nodes } => Nodes::Cluster(Box::new(Cluster::new(dial, nodes.clone()))),
        };
        Ok(Redis(Arc::new(Inner {
            nodes,
            script_times: script_times::new(),
        })))
    }

    /// Runs one command or script where its keys are. Never retries: the caller knows whether it may.
    pub async fn run<T, F, Fut>(&self, at: impl Into<Slot>, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(ConnectionManager) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        self.on(&self.node(at).await?, f).await
    }

    /// Runs a command on a node.
    pub async fn on<T, F, Fut>(&self, node: &Node, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(ConnectionManager) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        self.noted(node.run(f).await)
    }

    /// [`Redis::run`] on a connection that nobody else uses meanwhile; `block`: how long an answer may take.
    pub async fn alone<T, F, Fut>(&self, at: impl Into<Slot>, block: Duration, f: F) -> Result<T, StoreError>
    where
        F: FnOnce(MultiplexedConnection) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        let node = self.node(at).await?;
        self.noted(node.alone(block, f).await)
    }

    /// A connection of its own for a blocking reader of what is in this slot. To be opened anew after any error: the slot may be elsewhere
    /// by then.
    pub async fn dedicated(&self, at: impl Into<Slot>, block: Duration) -> Result<MultiplexedConnection, StoreError> {
        let node = self.node(at).await?;
        self.noted(node.dedicated(block).await)
    }

    /// Sends a pipeline of commands whose first argument is their key: its replies, in order. With a Cluster each node gets its part, and a
    /// command without a key goes with the one behind it.
    pub async fn replies(&self, pipe: Pipeline) -> Result<Vec<Value>, StoreError> {
        if let Nodes::One(node) = &self.0.nodes {
            return node.run(|mut c| async move { pipe.query_async(&mut c).await }).await;
        }
        let mut parts: Vec<(Node, Vec<usize>, Pipeline)> = Vec::new();
        let mut keyless = Vec::new();
        for (at, cmd) in pipe.cmd_iter().enumerate() {
            keyless.push((at, cmd.clone()));
            let Some(redis::Arg::Simple(key)) = cmd.args_iter().nth(1) else {
                continue;
            };
            let node = self.node(Slot::of(key)).await?;
            let part = match parts.iter().position(|(other, ..)| *other == node) {
                Some(part) => part,
                None => {
                    parts.push((node, Vec::new(), redis::pipe()));
                    parts.len() - 1
                }
            };
            for (at, cmd) in keyless.drain(..) {
                parts[part].1.push(at);
                parts[part].2.add_command(cmd);
            }
        }
        let mut replies = vec![Value::Nil; pipe.cmd_iter().count()];
        for (node, places, part) in parts {
            let of_part: Vec<Value> = self
                .on(&node, |mut c| async move { part.query_async(&mut c).await })
                .await?;
            for (at, value) in places.into_iter().zip(of_part) {
                replies[at] = value;
            }
        }
        Ok(replies)
    }

    async fn node(&self, at: impl Into<Slot>) -> Result<Node, StoreError> {
        match &self.0.nodes {
            Nodes::One(node) => Ok(node.clone()),
            Nodes::Cluster(cluster) => cluster.node(at.into()).await,
        }
    }

    fn known(&self, at: impl Into<Slot>) -> Option<Node> {
        match &self.0.nodes {
            Nodes::One(node) => Some(node.clone()),
            Nodes::Cluster(cluster) => cluster.known(at.into()),
        }
    }

    /// All that hold data of ours: what is asked of servers, not of keys, is asked of each.
    pub async fn masters(&self) -> Result<Vec<Node>, StoreError> {
        match &self.0.nodes {
            Nodes::One(node) => Ok(vec![node.clone()]),
            Nodes::Cluster(cluster) => cluster.masters().await,
        }
    }

    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let (Nodes::Cluster(cluster), Err(StoreError::Unavailable { .. })) = (&self.0.nodes, &result) {
            cluster.doubt();
        }
        result
    }

    /// A connection that was made by [`Redis::dedicated`] has failed.
    pub async fn doubt(&self, at: impl Into<Slot>) {
        match &self.0.nodes {
            Nodes::One(node) => node.doubt().await,
            Nodes::Cluster(cluster) => {
                let _ = at;
                cluster.doubt();
            }
        }
    }

    /// Both are in the same server now.
    pub fn is_together(&self, a: impl Into<Slot>, b: impl Into<Slot>) -> bool {
        let (a, b) = (self.known(a), self.known(b));
        a.is_some() && a == b
    }

    /// The life of the server that has the slot, as last told.
    pub fn life(&self, at: impl Into<Slot>) -> Life {
        self.known(at).map(|node| node.life()).unwrap_or_default()
    }

    /// Asks the server that has the slot, and tells its life.
    pub async fn info(
        &self,
        at: impl Into<Slot>,
        sections: &'static [&'static str],
    ) -> Result<(Node, String), StoreError> {
        let node = self.node(at).await?;
        let ask = |mut c: ConnectionManager| async move { redis::cmd("INFO").arg(sections).query_async(&mut c).await };
        let info = self.on(&node, ask).await?;
        Ok((node, info))
    }

    pub fn script_times(&self) -> &ScriptTimes {
        &self.0.script_times
    }

    /// How long every command has succeeded; zero when the last one failed. Of a Cluster the least of its nodes.
    ///
    /// While Redis is away every entry looks idle, so nothing is taken over before this has reached the take-over time.
    pub fn healthy_for(&self) -> Duration {
        match &self.0.nodes {
            Nodes::One(node) => node.healthy_for(),
            Nodes::Cluster(cluster) => {
                let nodes = cluster.known_masters();
                nodes.iter().map(Node::healthy_for).min().unwrap_or_default()
            }
        }
    }

    /// No failure since the process began.
    pub fn never_failed(&self) -> bool {
        match &self.0.nodes {
            Nodes::One(node) => node.never_failed(),
            Nodes::Cluster(cluster) => !cluster.has_failed() && cluster.known_masters().iter().all(Node::never_failed),
        }
    }
}
