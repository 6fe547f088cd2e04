//! What the random schedules run: jobs, their phases, the controller they write to, and what the driver knows to be true.

use std::collections::{BTreeMap, HashMap};

/// Small, fast, the same on every machine: a start number gives the same decisions for ever (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(start: u64) -> Self {
        Dice(start.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66)
    }
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// 0..n
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
    pub fn between(&mut self, a: usize, b: usize) -> usize {
        a + self.below(b - a + 1)
    }
    pub fn chance(&mut self, p: f64) -> bool {
        ((self.next() >> 11) as f64 / (1u64 << 53) as f64) < p
    }
}

/// Tasks of a full batch.
pub const BSIZE: usize = 10;
/// Time without a heartbeat after which an entry may be taken over, ms. The real one is 45 s.
pub const IDLE_MS: u64 = 30;
/// No call starts this long after the last heartbeat that succeeded was sent, ms. Shorter than `IDLE_MS`, as in the product.
pub const LEASE_MS: u128 = 15;
/// More crashes in a row than this and the batch is given up: settled as `POISON`.
pub const CRASHES_MAX: u32 = 4;
/// Settling crashed as well: what the checkpoints say becomes the outcomes.
pub const SETTLE_CRASHES_MAX: u32 = 8;

pub struct Phase {
    pub id: &'static str,
    pub deps: &'static [&'static str],
    pub seq: bool,
    /// Rows of the input this phase may have tasks for.
    pub rows: usize,
}

pub const PHASES: [Phase; 6] = [
    Phase {
        id: "a",
        deps: &[],
        seq: false,
        rows: 3,
    },
    Phase {
        id: "b",
        deps: &["a"],
        seq: false,
        rows: 37,
    },
    Phase {
        id: "c",
        deps: &["a"],
        seq: false,
        rows: 96,
    },
    Phase {
        id: "d",
        deps: &["a"],
        seq: false,
        rows: 0,
    },
    Phase {
        id: "s",
        deps: &["a"],
        seq: true,
        rows: 23,
    },
    Phase {
        id: "e",
        deps: &["b", "c", "d", "s"],
        seq: false,
        rows: 25,
    },
];

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Special {
    None,
    /// Waits for somebody to confirm it first.
    Confirm,
    /// One task of phase c kills every worker that tries it.
    Poison,
    Pause,
    /// Phase c is critical and tolerates two failures; every fifth task fails.
    Critical,
    /// Its time is over long before its work.
    Deadline,
    Cancel,
    /// Phase d can't be planned.
    PlanFails,
}

#[derive(Clone)]
pub struct Job {
    pub id: String,
    pub tenant: String,
    pub lane: String,
    pub special: Special,
}

/// Eight jobs on five lanes of three tenants, each with its own trouble.
pub fn jobs() -> Vec<Job> {
    use Special::*;
    [
        (0, 1, None),
        (1, 1, Confirm),
        (0, 1, PlanFails),
        (2, 2, Poison),
        (1, 2, Pause),
        (0, 2, Critical),
        (2, 2, Deadline),
        (2, 1, Cancel),
    ]
    .into_iter()
    .enumerate()
    .map(|(n, (t, c, special))| Job {
        id: format!("job{n}"),
        tenant: format!("t{t}"),
        lane: format!("t{t}|{c}"),
        special,
    })
    .collect()
}

pub fn phase(id: &str) -> &'static Phase {
    PHASES.iter().find(|p| p.id == id).expect("a phase")
}

/// job, phase, batch (-1: the plan)
pub type Key = (String, String, i64);
/// job, phase, row of the input
pub type Task = (String, String, u32);

/// The controller. It is not rolled back when Redis is.
#[derive(Default)]
pub struct Remote {
    /// Times an object was made for a task: twice is a duplicate.
    pub created: HashMap<Task, u32>,
    /// Request id → whether its activity ended well; looked up by `ready_at`.
    pub activities: HashMap<String, (Task, std::time::Instant)>,
    pub executions: u64,
}

/// What the driver knows for sure; goes back in time together with Redis.
#[derive(Clone, Default)]
pub struct Truth {
    /// Token of the last accepted claim of each unit that is still claimed.
    pub owner: HashMap<Key, String>,
    /// The one accepted result of each batch, byte for byte.
    pub accepted: HashMap<Key, String>,
    /// Highest share settled seen of each job, per mille.
    pub settled: HashMap<String, u64>,
    /// Calls that were answered DONE: they must never be forgotten.
    pub steered: BTreeMap<String, &'static str>,
}

/// A violation of the protocol, in words.
pub type Broken = String;
