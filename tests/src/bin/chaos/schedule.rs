//! When what is done: from the seed alone.

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::kinds::{Kind, Target};

/// From one fault to the next.
const GAP_MS: std::ops::RangeInclusive<u64> = 2_000..=5_600;
/// After all kinds had their turn: time to make headway in.
const CALM_MS: u64 = 12_000;
/// Until everything runs and the first imports are under way.
const FIRST_MS: u64 = 3_000;
/// Between the end of a fault and the next one at the same place.
const REST_MS: u64 = 500;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    /// Since the beginning.
    pub at: Duration,
    pub lasts: Duration,
    /// Whom of those there are, how much of it: whatever a fault has to choose.
    pub pick: u64,
}

impl Fault {
    /// One of `count`; several choices of one fault have different `place`s.
    pub fn choose(&self, place: u64, count: usize) -> usize {
        let mixed = self
            .pick
            .rotate_left((place * 13) as u32)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            >> 32;
        (mixed % count.max(1) as u64) as usize
    }
}

/// All faults that begin within `time`. Every kind has its turn before one has its second.
pub fn schedule(seed: u64, time: Duration, kinds: &[Kind]) -> Vec<Fault> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut faults, mut at) = (Vec::new(), FIRST_MS);
    let mut free: HashMap<_, u64> = HashMap::new();
    if kinds.is_empty() {
        return faults;
    }
    loop {
        let mut round = kinds.to_vec();
        round.shuffle(&mut rng);
        for kind in round {
            let (lasts, pick) = (rng.random_range(kind.lasts_ms()), rng.random());
            let gap = rng.random_range(GAP_MS);
            // processes come and go as they like; each other place has one fault at a time
            let begins = match kind.target() {
                Target::Process => at,
                place => at.max(free.get(&place).copied().unwrap_or_default()),
            };
            free.insert(kind.target(), begins + lasts + REST_MS);
            let millis = Duration::from_millis;
            if millis(begins) >= time {
                return faults;
            }
            faults.push(Fault {
                kind,
                at: millis(begins),
                lasts: millis(lasts),
                pick,
            });
            at = begins + gap;
        }
        at += CALM_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seed: u64, minutes: u64) -> Vec<Fault> {
        schedule(seed, Duration::from_secs(minutes * 60), &Kind::ALL)
    }

    #[test]
    fn the_seed_alone_decides() {
        assert_eq!(of(3, 5), of(3, 5));
        assert_ne!(of(3, 5), of(4, 5));
        // a longer run begins like a shorter one
        assert_eq!(of(3, 20)[..of(3, 5).len()], of(3, 5));
    }

    #[test]
    fn twenty_minutes_have_two_hundred_faults_of_all_kinds_in_equal_shares() {
        for seed in 0..50 {
            let faults = of(seed, 20);
            assert!(faults.len() >= 200, "{} with {seed}", faults.len());
            let shares = Kind::ALL.map(|kind| faults.iter().filter(|fault| fault.kind == kind).count());
            let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
            assert!(most - least <= 1, "{shares:?} with {seed}");
        }
    }

    #[test]
    fn at_each_place_one_ends_before_the_next_begins() {
        for seed in 0..50 {
            let faults = of(seed, 20);
            for (index, fault) in faults.iter().enumerate() {
                let mut later = faults[index + 1..].iter();
                let next = later.find(|next| next.kind.target() == fault.kind.target());
                let is_process = fault.kind.target() == Target::Process;
                if let Some(next) = next.filter(|_| !is_process) {
                    assert!(fault.at + fault.lasts < next.at, "{fault:?} {next:?}");
                }
            }
        }
    }

    #[test]
    fn one_fault_chooses_among_all_there_are() {
        let mut seen = [[false; 3]; 4];
        for fault in of(1, 60) {
            for (place, seen) in seen.iter_mut().enumerate() {
                seen[fault.choose(place as u64, 3)] = true;
            }
        }
        assert_eq!(seen, [[true; 3]; 4]);
    }
}
