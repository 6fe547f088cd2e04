//! How many tasks an import has, how many calls they cost, and how long that takes at a given rate.

use super::spec::ImportPlan;

/// What the controller allows the whole fleet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// RUCKUS One: 2,000 per tenant unless agreed otherwise.
    pub calls_per_minute: f64,
    /// Calls that may go out at once before the rate holds them back.
    pub burst: f64,
}

/// Counts and a duration that can be told before anything was read from the controller: everything is assumed to be
/// missing there. What is adopted makes it shorter.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Phase and its number of tasks, in the order of the phases. A skipped row is a (skipped) task.
    pub tasks: Vec<(&'static str, u32)>,
    /// Writes: one per group, pool and passphrase.
    pub writes: u32,
    /// Reads: about ten, and two sweeps over the passphrases (before and for the audit), 500 a page.
    pub reads: u32,
    /// Seconds, rounded up.
    pub seconds: u64,
}

/// Rows of a page when passphrases are listed.
const PAGE: u32 = 500;
/// Polling takes at most this share of the rate on top.
const POLLING: f64 = 0.05;
/// Three phases write; each ends when its last activity has, about a second later.
const WAIT_SECONDS: f64 = 3.0;

impl Estimate {
    pub fn of(plan: &ImportPlan, rate: Rate) -> Self {
        let (groups, pools) = (plan.groups.len() as u32, plan.pools.len() as u32);
        let tasks = vec![
            ("parse_validate", 1),
            ("create_identity_groups", groups),
            ("create_dpsk_pools", pools),
            ("create_policy_sets", 0),
            ("attach_policies", 0),
            ("create_passphrases", plan.totals.rows),
            ("activate_networks", 0),
            ("audit_results", pools),
        ];
        let writes = groups + pools + plan.totals.imports;
        let reads = 10 + 2 * plan.totals.imports.div_ceil(PAGE);
        Self {
            tasks,
            writes,
            reads,
            seconds: seconds(f64::from(writes) + f64::from(reads), rate),
        }
    }

    pub fn total_tasks(&self) -> u32 {
        self.tasks.iter().map(|(_, count)| count).sum()
    }
}

fn seconds(calls: f64, rate: Rate) -> u64 {
    let per_second = rate.calls_per_minute / 60.0 * (1.0 - POLLING);
    let held_back = (calls - rate.burst.max(0.0)).max(0.0);
    // A rate of nothing means for ever; the cast saturates.
    (held_back / per_second.max(f64::MIN_POSITIVE) + WAIT_SECONDS).ceil() as u64
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
            },
        );
        assert_eq!((estimate.writes, estimate.reads), (2000, 18));
        assert_eq!(estimate.total_tasks(), 2006);
        assert!((63..=70).contains(&estimate.seconds), "{}", estimate.seconds);
    }

    #[test]
    fn more_calls_never_take_less_and_a_silly_rate_does_not_panic() {
        let rate = Rate {
            calls_per_minute: 2000.0,
            burst: 17.0,
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
                },
            );
        }
    }
}
