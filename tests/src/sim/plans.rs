//! Ready fault plans.

use serde_json::{Value, json};

/// Every kind of fault, each at the same rate (0–1) of the calls it can hit: what `POST /_sim/faults` and `--fault-plan` take.
///
/// Faults of the token's are left out: a rate of them says nothing about the work. Ask for them with a rule of their own.
pub fn everything(rate: f64) -> Value {
    let kinds = [
        json!({"operation": "any", "kind": "429_plain"}),
        json!({"operation": "any", "kind": "429_retry_after", "seconds": 1}),
        json!({"operation": "any", "kind": "5xx", "status": 500}),
        json!({"operation": "any", "kind": "html_503"}),
        json!({"operation": "any", "kind": "html_200"}),
        json!({"operation": "any", "kind": "text_plain"}),
        json!({"operation": "any", "kind": "cut_before_apply"}),
        json!({"operation": "any", "kind": "slow", "ms": 200}),
        json!({"operation": "write", "kind": "cut_after_apply"}),
        json!({"operation": "write", "kind": "locked_423"}),
        json!({"operation": "write", "kind": "permanent_4xx", "status": 422}),
        json!({"operation": "write", "kind": "late_404", "seconds": 2.0}),
        json!({"operation": "write", "kind": "licence_error"}),
        json!({"operation": "write", "kind": "activity_fail", "code": "GENERAL-500", "message": "failed by the fault plan"}),
        json!({"operation": "write", "kind": "activity_fail", "code": "", "message": "", "status": "CANCELLED"}),
        json!({"operation": "write", "kind": "activity_never_ends"}),
        json!({"operation": "write", "kind": "activity_never_ends", "work_done": false}),
        json!({"operation": "write", "kind": "clamp_devices", "to": 1}),
        json!({"operation": "write", "kind": "replace_passphrase"}),
        json!({"operation": "write", "kind": "invent_name"}),
        json!({"operation": "write", "kind": "rename_suffix"}),
        json!({"operation": "read", "kind": "page_cap", "rows": 100}),
        json!({"operation": "read", "kind": "filter_nothing"}),
        json!({"operation": "read", "kind": "filter_ignored"}),
        json!({"operation": "read", "kind": "stale_read", "seconds": 2.0}),
    ];
    let rules = kinds.into_iter().map(|mut rule| {
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
