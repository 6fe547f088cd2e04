//! The units this worker holds: what the heartbeat keeps alive, and how their runs hear of cancel, pause and loss.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use shared::id::Unit;
use shared::store::Partition;
use shared::store::model::Flag;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One held unit.
#[derive(Clone)]
pub struct Held {
    pub partition: Partition,
    pub unit: Unit,
    pub token: String,
    /// Set by every reply that carries one.
    pub flag: Arc<watch::Sender<Flag>>,
    /// Somebody else owns it: whatever is known of it here is worth nothing.
    pub lost: CancellationToken,
    /// Its 202s whose activity has not ended, for the metrics.
    pub unsettled: Arc<AtomicUsize>,
}

impl Held {
    pub fn new(partition: Partition, unit: Unit, token: String, flag: Flag) -> Self {
        Held {
            partition,
            unit,
            token,
            flag: Arc::new(watch::Sender::new(flag)),
            lost: CancellationToken::new(),
            unsettled: Arc::default(),
        }
    }

    /// Tells the run, if it is news. A flag is never taken back: a resumed job's batches are claimed anew.
    pub fn tell(&self, flag: Flag) {
        if flag != Flag::None {
            self.flag.send_if_modified(|f| std::mem::replace(f, flag) != flag);
        }
    }
}

#[derive(Clone, Default)]
pub struct Active(Arc<Mutex<HashMap<Unit, Held>>>);

impl Active {
    fn map(&self) -> MutexGuard<'_, HashMap<Unit, Held>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// An earlier run of the same unit in this process is told that it lost: there is one owner, also here.
    pub fn insert(&self, held: Held) -> Guard {
        let guard = Guard {
            active: self.clone(),
            unit: held.unit.clone(),
            token: held.token.clone(),
        };
        if let Some(old) = self.map().insert(held.unit.clone(), held) {
            old.lost.cancel();
        }
        guard
    }

    pub fn all(&self) -> Vec<Held> {
        self.map().values().cloned().collect()
    }

    /// Whether this very claim is in our hands.
    pub fn holds(&self, unit: &Unit, token: &str) -> bool {
        self.map().get(unit).is_some_and(|h| h.token == token)
    }

    pub fn len(&self) -> usize {
        self.map().len()
    }

    pub fn is_empty(&self) -> bool {
        self.map().is_empty()
    }
}

/// Takes the unit off the list when its run ends, however it ends.
pub struct Guard {
    active: Active,
    unit: Unit,
    token: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut map = self.active.map();
        if map.get(&self.unit).is_some_and(|h| h.token == self.token) {
            map.remove(&self.unit);
        }
    }
}
