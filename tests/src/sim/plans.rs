//! Ready fault plans.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// Operations whose failure costs one key, policy, link or activation, and not the whole import: writes, then reads.
const SINGLE: [&str; 16] = [
    "create_passphrase",
    "create_policy",
    "create_policy_set",
    "create_network",
    "activate",
    "POST /policyTemplates/{templateId}/policies/{policyId}/conditions",
    "PUT /policySets/{policySetId}/prioritizedPolicies/{policyId}",
    "PUT /dpskServices/{poolId}/policySets/{policySetId}",
    "PUT /dpskServices/{poolId}/passphrases/{id}",
    "poll",
    "POST /dpskServices/{poolId}/passphrases/query",
    "GET /policyTemplates/{templateId}/policies/{policyId}/conditions",
    "GET /policySets/{policySetId}/prioritizedPolicies",
    "POST /policySets/{policySetId}/evaluationReports",
    "GET /wifiNetworks/{wifiNetworkId}/dpskServices",
    "GET /venues/{venueId}/wifiNetworks/{wifiNetworkId}/settings",
];

/// What every kind of call can meet in its way, and weather.
fn misbehaviour() -> Vec<Value> {
    vec![
        json!({"operation": "any", "kind": "429_plain"}),
        json!({"operation": "any", "kind": "429_retry_after", "seconds": 1}),
        json!({"operation": "any", "kind": "5xx", "status": 500}),
        json!({"operation": "any", "kind": "html_503"}),
        json!({"operation": "any", "kind": "html_200"}),
        json!({"operation": "any", "kind": "text_plain"}),
        json!({"operation": "any", "kind": "cut_before_apply"}),
        json!({"operation": "any", "kind": "cut_after_apply"}),
        json!({"operation": "any", "kind": "slow", "ms": 200}),
        json!({"operation": "any", "kind": "locked_423"}),
        json!({"operation": "any", "kind": "late_404", "seconds": 1.5}),
        json!({"operation": "any", "kind": "activity_never_ends"}),
        json!({"operation": "any", "kind": "clamp_devices", "to": 1}),
        json!({"operation": "any", "kind": "replace_passphrase"}),
        json!({"operation": "any", "kind": "invent_name"}),
        json!({"operation": "any", "kind": "rename_suffix"}),
        json!({"operation": "any", "kind": "page_cap", "rows": 20}),
        json!({"operation": "any", "kind": "filter_nothing"}),
        json!({"operation": "any", "kind": "filter_ignored"}),
        json!({"operation": "any", "kind": "stale_read", "seconds": 2.0}),
    ]
}

/// Every kind of fault at 3–5 % each, or at `percent`: of every call it can hit, in an order of precedence that the seed decides.
///
/// With one exception: what is final by its nature (a refusal for good, an activity that fails, one of which nobody knows the end)
/// is kept from the few steps without which there is no import at all: the venue, identity groups, DPSK pools, and the lists that
/// are read for them. Whoever's controller refuses those for good has no import, and is told so; there is nothing to weather.
pub fn storm(seed: u64, percent: Option<f64>) -> Value {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut rules = misbehaviour();
    rules.push(json!({"operation": "token", "kind": "5xx", "status": 503}));
    let failed = |status: &str| json!({"kind": "activity_fail", "code": "GENERAL-500", "message": "failed by the fault plan", "status": status});
    let unhappy = ["CANCELLED", "PARTIAL_SUCCESS", "SKIPPED"][rng.random_range(0..3)];
    for fault in [
        json!({"kind": "permanent_4xx", "status": 422}),
        json!({"kind": "licence_error"}),
        json!({"kind": "activity_never_ends", "work_done": false}),
        failed("FAIL"),
        failed(unhappy),
    ] {
        rules.extend(SINGLE.map(|operation| {
            let mut rule = fault.clone();
            rule["operation"] = operation.into();
            rule
        }));
    }
    rules.shuffle(&mut rng);
    for rule in &mut rules {
        let percent = percent.unwrap_or_else(|| rng.random_range(3.0..5.0));
        rule["probability"] = (percent / 100.0).into();
    }
    // by calls, not by chance: a session dies while it is used
    for tokens in [80, 250] {
        rules.insert(
            0,
            json!({"operation": "token", "kind": "token_dies_early", "after_calls": tokens, "tokens": 1}),
        );
    }
    json!({ "rules": rules })
}

/// Every kind of fault, each at the same rate (0–1) of the calls it can hit: what `POST /_sim/faults` and `--fault-plan` take.
///
/// Faults of the token's are left out: a rate of them says nothing about the work. Ask for them with a rule of their own.
pub fn everything(rate: f64) -> Value {
    let lasting = [
        json!({"operation": "write", "kind": "permanent_4xx", "status": 422}),
        json!({"operation": "write", "kind": "licence_error"}),
        json!({"operation": "write", "kind": "activity_fail", "code": "GENERAL-500", "message": "failed by the fault plan"}),
        json!({"operation": "write", "kind": "activity_fail", "code": "", "message": "", "status": "CANCELLED"}),
        json!({"operation": "write", "kind": "activity_never_ends", "work_done": false}),
    ];
    let kinds = misbehaviour().into_iter().chain(lasting);
    let rules = kinds.map(|mut rule| {
        rule["probability"] = rate.into();
        rule
    });
    json!({"rules": rules.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::sim::faults::{FaultPlan, Faults};
    use crate::sim::injected::Injected;
    use crate::sim::route::Op;

    #[test]
    fn a_storm_has_every_kind_and_spares_what_everything_hangs_on() {
        let hit = |op: Op, seed: u64| {
            let mut faults = Faults::new(FaultPlan::try_from(storm(seed, None)).unwrap());
            let mut rng = StdRng::seed_from_u64(seed);
            let calls = (0..1000).filter_map(|_| faults.decide(op, "t", None, None, &mut rng));
            calls.map(|fault| fault.name()).collect::<BTreeSet<_>>()
        };
        let mut seen = BTreeSet::new();
        for op in [Op::PassphraseCreate, Op::NetworkQuery, Op::PassphraseQuery, Op::Token] {
            seen.extend(hit(op, 7));
        }
        assert_eq!(seen, Injected::NAMES.into());
        for op in [Op::VenueGet, Op::GroupCreate, Op::PoolCreateInGroup, Op::NetworkQuery] {
            for last in ["permanent_4xx", "licence_error", "activity_fail"] {
                assert!(!hit(op, 8).contains(last), "{op:?} {last}");
            }
        }
        assert_ne!(storm(1, Some(4.0)), storm(2, Some(4.0)));
    }

    #[test]
    fn every_kind_but_the_tokens_own_is_in_it_and_happens() {
        let mut faults = Faults::new(FaultPlan::try_from(everything(0.04)).unwrap());
        let mut rng = StdRng::seed_from_u64(1);
        let mut seen = BTreeSet::new();
        for op in [
            Op::PassphraseCreate,
            Op::IdentityPatch,
            Op::NetworkQuery,
            Op::IdentityList,
        ] {
            for _ in 0..3000 {
                seen.extend(faults.decide(op, "t", None, None, &mut rng).map(|fault| fault.name()));
            }
        }
        let all: BTreeSet<&str> = Injected::NAMES
            .iter()
            .copied()
            .filter(|name| *name != "token_dies_early")
            .collect();
        assert_eq!(seen, all);
    }
}
