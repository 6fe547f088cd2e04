//! How many tasks an import has, how many calls they cost, and how long that takes at a given rate.

use super::spec::{ImportPlan, NetworkTarget};
use crate::workflow::Definition;

/// What the controller allows the whole fleet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// RUCKUS One: 2,000 per tenant unless agreed otherwise.
    pub calls_per_minute: f64,
    /// Calls that may go out at once before the rate holds them back.
    pub burst: f64,
    /// Calls under way at once.
    pub concurrency: u32,
}

/// Counts and a duration that can be told before anything was read from the controller: everything is assumed to be
/// missing there. What is adopted makes it shorter.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Phase and its number of tasks, in the order of the phases. A skipped row is a (skipped) task.
    pub tasks: Vec<(&'static str, u32)>,
    /// Writes: one per group, pool and passphrase; and per policy, condition, policy set, place in a set, assignment of a set, network,
    /// link of a pool and activation.
    pub writes: u32,
    /// Reads: about ten, and two sweeps over the passphrases (before and for the audit), 500 a page; with policies, their lists, the
    /// conditions of each, and for each place in a set its policy's condition and two dry checks; with networks, their lists and the pools of each,
    /// twice, and for the audit of each a list of networks, its settings in the venue and its pools.
    pub reads: u32,
    /// Seconds, rounded up.
    pub seconds: u64,
}

/// Seconds from a call to its answer, with which the calls that may be under way at once are reckoned. An assumption: nothing published says
/// how long RUCKUS One takes to accept a write. A job's deadline is three times what is predicted: where its calls at once hold it back, it ends
/// in time as long as answers take no more than three seconds. With the usual 2,000 calls a minute and 50 at once, the rate remains what holds a
/// job back up to 1.5 s, so that the prediction is no longer than it was.
const LATENCY_SECONDS: f64 = 1.0;
/// Rows of a page when passphrases are listed.
const PAGE: u32 = 500;
/// Polling takes at most this share of the rate on top.
const POLLING: f64 = 0.05;
/// Each phase that writes ends when its last activity has, about a second later. Three always write.
const WAIT_SECONDS: f64 = 3.0;
/// Policies are attached, and networks changed, one after another: a set is assigned when it is whole, and an AP group takes one change at
/// a time. Each change that is asynchronous waits for the activity of the one before, a poll at least.
const IN_TURN_SECONDS: f64 = 3.0;
/// Lists of policies, sets and RADIUS groups, or of networks and AP groups: before and for the audit.
const LISTS: u32 = 6;

impl Estimate {
    pub fn of(plan: &ImportPlan, rate: Rate) -> Self {
        let (groups, pools) = (plan.groups.len() as u32, plan.pools.len() as u32);
        let (policies, sets) = (plan.policies.len() as u32, plan.policy_sets.len() as u32);
        let places: u32 = plan.policy_sets.iter().map(|set| set.policies.len() as u32).sum();
        let networks = plan.networks.len() as u32;
        // Linked to its pool and activated; a new one is created before.
        let in_turn = plan.networks.iter().map(|network| match network.target {
            NetworkTarget::Create => 3,
            NetworkTarget::Existing(_) => 2,
        });
        let in_turn: u32 = in_turn.sum();
        let tasks = vec![
            ("parse_validate", 1),
            ("create_identity_groups", groups),
            ("create_dpsk_pools", pools),
            ("create_policy_sets", policies + sets),
            ("attach_policies", policies + places + sets),
            ("create_passphrases", plan.totals.rows),
            ("activate_networks", in_turn),
            ("audit_results", pools + sets + networks),
        ];
        let writes = groups + pools + plan.totals.imports + 2 * (policies + sets) + places + in_turn;
        let mut reads = 10 + 2 * plan.totals.imports.div_ceil(PAGE);
        let mut waits = WAIT_SECONDS;
        if sets > 0 {
            reads += LISTS + policies + 3 * places + 3 * sets;
            waits += 1.0 + f64::from(sets) * IN_TURN_SECONDS;
        }
        if in_turn > 0 {
            reads += LISTS + (2 + 3) * networks;
            waits += f64::from(in_turn) * IN_TURN_SECONDS;
        }
        Self {
            tasks,
            writes,
            reads,
            seconds: seconds(f64::from(writes) + f64::from(reads), rate, waits),
        }
    }

    /// Seconds a plan takes: what is looked up before anything is written, and nothing is waited for.
    pub fn planning_seconds(&self, rate: Rate) -> u64 {
        seconds(f64::from(self.reads), rate, 1.0)
    }

    /// Tasks of a job of this workflow, or of its plan.
    pub fn tasks_of(&self, workflow: &Definition, is_plan: bool) -> u64 {
        let is_in =
            |id: &str| (workflow.phases.iter()).any(|phase| phase.id.as_str() == id && (phase.in_plan || !is_plan));
        let tasks = self.tasks.iter().filter(|(id, _)| is_in(id));
        tasks.map(|(_, count)| u64::from(*count)).sum()
    }

    pub fn total_tasks(&self) -> u32 {
        self.tasks.iter().map(|(_, count)| count).sum()
    }
}

/// What a phase of a plan would write, and whether one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedWrites {
    pub count: u64,
    pub in_turn: bool,
}

/// Seconds that what was planned takes.
pub fn predicted_seconds(reads: u32, phases: &[PlannedWrites], rate: Rate) -> u64 {
    let writes: u64 = phases.iter().map(|phase| phase.count).sum();
    let wait = |phase: &PlannedWrites| match (phase.count, phase.in_turn) {
        (0, _) => 0.0,
        (count, true) => 1.0 + count as f64 * IN_TURN_SECONDS,
        // the phase ends when its last activity has
        (_, false) => WAIT_SECONDS / 3.0,
    };
    seconds(f64::from(reads) + writes as f64, rate, phases.iter().map(wait).sum())
}

fn seconds(calls: f64, rate: Rate, waits: f64) -> u64 {
    let per_second = rate.calls_per_minute / 60.0 * (1.0 - POLLING);
    let held_back = (calls - rate.burst.max(0.0)).max(0.0);
    // A rate of nothing means for ever; the cast saturates.
    let by_rate = held_back / per_second.max(f64::MIN_POSITIVE);
    // The first leave together; of the rest each waits for an answer to one before. Whichever holds back more decides.
    let at_once = f64::from(rate.concurrency.max(1));
    let by_concurrency = (calls - at_once).max(0.0) * LATENCY_SECONDS / at_once;
    (by_rate.max(by_concurrency) + waits).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::super::spec::Totals;
    use super::*;

    fn plan(imports: u32, skips: u32) -> ImportPlan {
        let totals = Totals {
            rows: imports + skips,
            imports,
            skips,
            ..Totals::default()
        };
        ImportPlan {
            groups: vec![],
            pools: vec![],
            policies: vec![],
            policy_sets: vec![],
            networks: vec![],
            warnings: vec![],
            totals,
        }
    }

    #[test]
    fn two_thousand_keys_take_a_good_minute_at_the_usual_rate() {
        let estimate = Estimate::of(
            &plan(2000, 5),
            Rate {
                calls_per_minute: 2000.0,
                burst: 17.0,
                concurrency: 50,
            },
        );
        assert_eq!((estimate.writes, estimate.reads), (2000, 18));
        assert_eq!(estimate.total_tasks(), 2006);
        assert!((63..=70).contains(&estimate.seconds), "{}", estimate.seconds);
    }

    #[test]
    fn what_is_planned_takes_as_long_as_was_estimated_when_nothing_is_there_and_no_time_when_all_is() {
        let rate = Rate {
            calls_per_minute: 2000.0,
            burst: 17.0,
            concurrency: 50,
        };
        let estimate = Estimate::of(&plan(2000, 0), rate);
        let writes = |count| PlannedWrites { count, in_turn: false };
        let planned = |keys| predicted_seconds(estimate.reads, &[writes(0), writes(keys)], rate);
        assert!(
            estimate.seconds.abs_diff(planned(2000)) <= 2,
            "the groups and the pool are there"
        );
        assert!(planned(0) <= 1, "{}", planned(0));
        let in_turn = PlannedWrites {
            count: 10,
            in_turn: true,
        };
        assert_eq!(predicted_seconds(0, &[in_turn], rate), 31);
        assert!(estimate.planning_seconds(rate) <= 2);
    }

    #[test]
    fn few_calls_at_once_take_longer_and_the_usual_fifty_do_not() {
        let seconds = |imports, concurrency| {
            let rate = Rate {
                calls_per_minute: 2000.0,
                burst: 17.0,
                concurrency,
            };
            Estimate::of(&plan(imports, 0), rate).seconds
        };
        // a fifth of a second each at the least
        assert!((4000..4100).contains(&seconds(20_000, 5)), "{}", seconds(20_000, 5));
        for imports in [0, 10, 2_000, 100_000] {
            assert_eq!(seconds(imports, 50), seconds(imports, 1_000), "the rate decides");
            assert!(seconds(imports, 1) >= seconds(imports, 5));
        }
    }

    #[test]
    fn policies_and_networks_are_counted_task_by_task() {
        let rate = Rate {
            calls_per_minute: 2000.0,
            burst: 17.0,
            concurrency: 50,
        };
        let bare = Estimate::of(&plan(100, 0), rate);
        let with: ImportPlan = serde_json::from_value(serde_json::json!({
            "groups": [], "pools": [], "totals": plan(100, 0).totals,
            "policies": [{"index": 0, "name": "a-POL", "pattern": "^.*_a$", "radius_group": "a", "users": 60},
                         {"index": 1, "name": "b-POL", "pattern": "^.*_b$", "radius_group": "b", "users": 40}],
            "policy_sets": [{"index": 0, "pool": 0, "name": "P-PS", "description": "", "policies": [0, 1]},
                            {"index": 1, "pool": 1, "name": "Q-PS", "description": "", "policies": [1]}],
            "networks": [{"index": 0, "ssid": "A", "pool": 0, "target": "create"},
                         {"index": 1, "ssid": "B", "pool": 1, "target": {"existing": "n-1"}}],
        }))
        .unwrap();
        let estimate = Estimate::of(&with, rate);
        let count = |phase| estimate.tasks.iter().find(|(id, _)| *id == phase).unwrap().1;
        assert_eq!(count("create_policy_sets"), 2 + 2, "each policy, each set");
        assert_eq!(
            count("attach_policies"),
            2 + 3 + 2,
            "each condition, each place in a set, each assignment"
        );
        assert_eq!(
            count("activate_networks"),
            3 + 2,
            "created, linked and activated; linked and activated"
        );
        assert_eq!(
            estimate.writes - bare.writes,
            4 + 7 + 5,
            "each of these tasks is one write"
        );
        assert_eq!(
            estimate.reads - bare.reads,
            6 + 2 + 3 * 3 + 3 * 2 + 6 + 5 * 2,
            "lists, conditions, places and sets; lists, and of each network its pools twice and what is audited"
        );
        assert!(
            estimate.seconds >= bare.seconds + (2 + 5) * 3,
            "sets are assigned and networks changed one after another"
        );
    }

    #[test]
    fn more_calls_never_take_less_and_a_silly_rate_does_not_panic() {
        let rate = Rate {
            calls_per_minute: 2000.0,
            burst: 17.0,
            concurrency: 50,
        };
        let times: Vec<_> = (0..50)
            .map(|step| Estimate::of(&plan(step * 2000, 0), rate).seconds)
            .collect();
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(times[0], 3);
        for calls_per_minute in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            Estimate::of(
                &plan(10, 0),
                Rate {
                    calls_per_minute,
                    burst: 0.0,
                    concurrency: 0,
                },
            );
        }
    }
}
