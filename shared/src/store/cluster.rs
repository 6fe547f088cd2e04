//! A Cluster: a connection to each master, and who has which slots.
//!
//! Not redis-rs' own cluster client: that one sends a command again by itself, up to sixteen times, and whether a write may be
//! repeated is known to its caller alone. It has no answer either for what is asked of a node (its life, its memory) instead of a key.
//!
//! Nothing is redirected. `MOVED` is an error that is worth another try, by when the map is new; so is a node that does not answer. While
//! a slot is moved from one node to another (`ASK`), its partition stands still: a script names its keys' common prefix, which is no key
//! itself, and half of them would be missing on either node.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::Value;
use tokio::sync::Mutex;

use super::StoreError;
use super::connection::Node;
use super::dial::{Dial, brief};
use super::slots::{self, Range, Slot};
use crate::config::Address;

/// Of one node that is asked for the map.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Between two maps, at least.
const MAP_AGAIN: Duration = Duration::from_millis(200);

pub struct Cluster {
    dial: Dial,
    seeds: Vec<Address>,
    map: RwLock<Arc<Map>>,
    /// Something went wrong since the map was made.
    is_stale: AtomicBool,
    search: Mutex<Search>,
    /// A node, perhaps one that is not in the map any more.
    has_failed: AtomicBool,
}

#[derive(Default)]
struct Map {
    ranges: Vec<Range>,
    nodes: HashMap<Address, Node>,
}

#[derive(Default)]
struct Search {
    last: Option<Instant>,
    /// Whom to ask first: another one each time, for the first may be the one that is cut off.
    turn: usize,
}

impl Map {
    fn master(&self, slot: Slot) -> Option<Node> {
        let after = self.ranges.partition_point(|r| r.first <= slot.0);
        let range = self.ranges[..after].last().filter(|r| slot.0 <= r.last)?;
        self.nodes.get(&range.master).cloned()
    }
}

impl Cluster {
    pub fn new(dial: Dial, seeds: Vec<Address>) -> Self {
        Cluster {
            dial,
            seeds,
            map: RwLock::default(),
            is_stale: AtomicBool::new(true),
            search: Mutex::default(),
            has_failed: AtomicBool::new(false),
        }
    }

    fn map(&self) -> Arc<Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The master of a slot, as far as is known; nobody is asked.
    pub fn known(&self, slot: Slot) -> Option<Node> {
        self.map().master(slot)
    }

    /// The master of a slot.
    pub async fn node(&self, slot: Slot) -> Result<Node, StoreError> {
        self.look().await?;
        self.known(slot)
            .ok_or_else(|| unavailable(format!("no node has slot {}", slot.0)))
    }

    /// Every master that has slots, each once.
    pub async fn masters(&self) -> Result<Vec<Node>, StoreError> {
        self.look().await?;
        Ok(self.known_masters())
    }

    pub fn known_masters(&self) -> Vec<Node> {
        self.map().nodes.values().cloned().collect()
    }

    /// Something failed on a node: the slots may be elsewhere by now.
    pub fn doubt(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
        self.is_stale.store(true, Ordering::Relaxed);
    }

    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Sees to it that the map is of now. With an old one that can't be replaced it goes on: those who are there still answer.
    async fn look(&self) -> Result<(), StoreError> {
        if !self.is_stale.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut search = self.search.lock().await;
        let has_map = !self.map().ranges.is_empty();
        let is_young = search.last.is_some_and(|last| last.elapsed() < MAP_AGAIN);
        if has_map && (is_young || !self.is_stale.load(Ordering::Relaxed)) {
            return Ok(());
        }
        // what fails from here on is of the new map
        self.is_stale.store(false, Ordering::Relaxed);
        let found = self.ask(search.turn).await;
        search.turn = search.turn.wrapping_add(1);
        search.last = Some(Instant::now());
        match found.and_then(|ranges| self.take(ranges)) {
            Ok(()) => Ok(()),
            Err(e) => {
                self.is_stale.store(true, Ordering::Relaxed);
                self.has_failed.store(true, Ordering::Relaxed);
                if has_map { Ok(()) } else { Err(e) }
            }
        }
    }

    async fn ask(&self, turn: usize) -> Result<Vec<Range>, StoreError> {
        let map = self.map();
        let mut asked: Vec<&Address> = Vec::new();
        let known = map
            .ranges
            .iter()
            .flat_map(|r| std::iter::once(&r.master).chain(&r.replicas));
        for address in known.chain(&self.seeds) {
            if !asked.contains(&address) {
                asked.push(address);
            }
        }
        let first = turn % asked.len().max(1);
        asked.rotate_left(first);
        let mut reasons = Vec::new();
        for address in asked {
            match self.slots_of(address).await {
                Ok(ranges) if !ranges.is_empty() => return Ok(ranges),
                Ok(_) => reasons.push(format!("{}:{} knows no slots", address.0, address.1)),
                // a refusal of our credentials, or no Cluster: no waiting helps
                Err(e @ StoreError::Server(_)) if map.ranges.is_empty() => return Err(e),
                Err(e) => reasons.push(format!("{}:{}: {e}", address.0, address.1)),
            }
        }
        Err(unavailable(format!(
            "no node tells who has the slots: {}",
            reasons.join("; ")
        )))
    }

    async fn slots_of(&self, address: &Address) -> Result<Vec<Range>, StoreError> {
        let client = self.dial.client_at(address)?;
        let mut connection = brief(&client, ANSWER_WITHIN).await?;
        let answer: Value = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
        Ok(slots::ranges(&answer, address))
    }

    /// Nodes that stay keep their connection, and what is known of them.
    fn take(&self, ranges: Vec<Range>) -> Result<(), StoreError> {
        let old = self.map();
        let mut nodes = HashMap::new();
        for range in &ranges {
            if nodes.contains_key(&range.master) {
                continue;
            }
            let node = match old.nodes.get(&range.master) {
                Some(node) => node.clone(),
                None => Node::fixed(self.dial.client_at(&range.master)?)?,
            };
            nodes.insert(range.master.clone(), node);
        }
        let masters = |ranges: &[Range]| ranges.iter().map(|r| (r.first, r.master.clone())).collect::<Vec<_>>();
        if !old.ranges.is_empty() && masters(&old.ranges) != masters(&ranges) {
            let shown: Vec<String> = ranges
                .iter()
                .map(|r| format!("{}-{} {}:{}", r.first, r.last, r.master.0, r.master.1))
                .collect();
            tracing::warn!(slots = shown.join(", "), "the Cluster's slots have moved");
        }
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Map { ranges, nodes });
        Ok(())
    }
}

fn unavailable(reason: String) -> StoreError {
    StoreError::Unavailable {
        reason,
        timeout: false,
        stale: false,
    }
}
