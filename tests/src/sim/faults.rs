//! The fault plan: which calls go wrong, and how.
//!
//! A plan is a JSON object, e.g.
//! ```json
//! {"rules": [
//!   {"operation": "create_passphrase", "usernames": ["anna"], "kind": "cut_after_apply"},
//!   {"operation": "create_passphrase", "nth": [5, 9], "kind": "429_retry_after", "seconds": 2},
//!   {"operation": "POST /dpskServices/{poolId}/passphrases/query", "probability": 0.1, "kind": "html_503"},
//!   {"operation": "token", "kind": "token_dies_early", "after_calls": 100, "tokens": 1}
//! ]}
//! ```
//! | field | meaning |
//! |---|---|
//! | `operation` | `any` `token` `read` `poll` `write` `create_group` `create_pool` `create_passphrase` `create_identity` `create_policy_set` `create_policy` `create_network` `activate`, or method and path template as in `/_sim/counts` |
//! | `tenant` | only calls of this effective tenant |
//! | `probability` | 0–1, for each call |
//! | `nth` | occurrences, counted from 1 among the calls the rule could hit; a repeated call is a new occurrence |
//! | `pages` | only calls that ask for a page of one of these numbers, counted as the call counts them |
//! | `usernames` | user name or object name in the body of a create |
//! | `max_per_name` | how often each of `usernames` is hit; default 1, for `permanent_4xx` without limit |
//! | `max` | how often the rule fires at all |
//!
//! `probability`, `nth` and `usernames` are alternatives; with none of them every call is hit. The first rule that fires wins.
//! | kind | parameters | what happens |
//! |---|---|---|
//! | `429_plain` | | 429 without `Retry-After` |
//! | `429_retry_after` | `seconds` | 429 with it |
//! | `5xx` | `status` = 500 | JSON error |
//! | `html_503` | | a proxy's HTML page |
//! | `cut_after_apply` | | accepted and carried out, the connection dropped without a byte of reply |
//! | `cut_before_apply` | | dropped, nothing done |
//! | `late_404` | `seconds` | the activity answers 404 this long, and cannot end earlier |
//! | `activity_fail` | `code`, `message`, `status` = `FAIL` | 202, then the activity ends so: `FAIL` `CANCELLED` `PARTIAL_SUCCESS` `SKIPPED` |
//! | `activity_never_ends` | `work_done` = true | 202, then `INPROGRESS` for ever; with `work_done` the object appears |
//! | `token_dies_early` | `after_calls` or `after_seconds`, `tokens` = 1 | the next so many tokens die early: 401 RCG-10003 |
//! | `slow` | `ms` | the answer takes longer |
//! | `permanent_4xx` | `status` = 422, `code`, `message` | refused whenever it is tried |
//!
//! | `html_200` | | a login page with status 200, nothing done |
//! | `text_plain` | | the JSON that was to come, under `text/plain` |
//! | `locked_423` | | 423; it may be tried again |
//! | `licence_error` | | 202, then the activity fails with WIFI-10126 |
//! | `clamp_devices` | `to` = 1 | a passphrase gets at most so many devices, and SUCCESS |
//! | `replace_passphrase` | | another value is stored, and SUCCESS |
//! | `invent_name` | | a passphrase is stored under a made-up user name, and SUCCESS |
//! | `rename_suffix` | | an identity or passphrase is stored as `name_1`, and SUCCESS |
//! | `page_cap` | `rows` | a page has at most so many rows; where the next one starts does not change |
//! | `filter_nothing` | | a query that filters or searches answers 200 with nothing |
//! | `filter_ignored` | | a query answers as if it had no filters and no search |
//! | `stale_read` | `seconds` | a read of what is on the air does not show changes younger than this |
//!
//! A kind only hits operations that can go wrong in its way: those about activities writes that have one, those about passphrases,
//! names and pages the calls that carry them. `operation` may say `any` for all of them.

use std::collections::HashMap;

use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::injected::Injected;
use super::route::{Op, known_selector};

/// A list of rules; the first that fires wins.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct FaultPlan {
    /// In order of precedence.
    pub rules: Vec<Rule>,
}

/// When a fault happens, and which.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rule {
    operation: String,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    probability: Option<f64>,
    #[serde(default)]
    nth: Vec<u64>,
    #[serde(default)]
    pages: Vec<u64>,
    #[serde(default)]
    usernames: Vec<String>,
    #[serde(default)]
    max_per_name: Option<u64>,
    #[serde(default)]
    max: Option<u64>,
    #[serde(flatten)]
    fault: Injected,
}

impl TryFrom<Value> for FaultPlan {
    type Error = String;

    /// Refuses what would silently do nothing: unknown fields, kinds and operations.
    fn try_from(value: Value) -> Result<Self, String> {
        const SELECTORS: [&str; 9] = [
            "operation",
            "tenant",
            "probability",
            "nth",
            "pages",
            "usernames",
            "max_per_name",
            "max",
            "kind",
        ];
        let rows = match &value {
            Value::Null => return Ok(Self::default()),
            Value::Object(map) if map.keys().all(|key| key == "rules") => map.get("rules").and_then(Value::as_array),
            _ => None,
        };
        let rows = rows.ok_or("a fault plan is an object with one field, rules, a list")?;
        let mut rules = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let at = |text: String| format!("/rules/{index}: {text}");
            let rule: Rule = serde_json::from_value(row.clone()).map_err(|e| at(e.to_string()))?;
            if !known_selector(&rule.operation) {
                return Err(at(format!("no such operation: {}", rule.operation)));
            }
            let known = serde_json::to_value(&rule.fault).unwrap_or_default();
            let unknown = row.as_object().into_iter().flatten().map(|(key, _)| key);
            if let Some(key) = unknown
                .into_iter()
                .find(|key| !SELECTORS.contains(&key.as_str()) && known.get(key).is_none())
            {
                return Err(at(format!("no such field for {}: {key}", rule.fault.name())));
            }
            rules.push(rule);
        }
        Ok(Self { rules })
    }
}

/// A plan at work: counts occurrences and rolls the dice.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<(Rule, Seen)>,
}

#[derive(Debug, Default)]
struct Seen {
    calls: u64,
    fired: u64,
    per_name: HashMap<String, u64>,
}

impl Faults {
    /// Starts a plan with all its counters at zero.
    pub fn new(plan: FaultPlan) -> Self {
        Self {
            rules: plan.rules.into_iter().map(|rule| (rule, Seen::default())).collect(),
        }
    }

    /// The fault of this call, if any. `name` is the user or object name in the body, `page` the number of the page asked for.
    pub fn decide(
        &mut self,
        op: Op,
        tenant: &str,
        name: Option<&str>,
        page: Option<u64>,
        rng: &mut StdRng,
    ) -> Option<Injected> {
        let mut chosen = None;
        for (rule, seen) in &mut self.rules {
            let other_tenant = rule.tenant.as_deref().is_some_and(|wanted| wanted != tenant);
            // a rule about tokens says `token` or, as a convenience, `any`
            let token_rule = matches!(rule.fault, Injected::TokenDiesEarly { .. }) && op == Op::Token;
            let other_page = !rule.pages.is_empty() && !page.is_some_and(|page| rule.pages.contains(&page));
            if other_tenant || other_page || !rule.fault.fits(op) || !(op.selected_by(&rule.operation) || token_rule) {
                continue;
            }
            // every rule sees every call, so that `nth` does not depend on the rules before it
            seen.calls += 1;
            if chosen.is_none() && rule.fires(seen, name, rng) {
                seen.fired += 1;
                chosen = Some(rule.fault.clone());
            }
        }
        chosen
    }
}

impl Rule {
    fn fires(&self, seen: &mut Seen, name: Option<&str>, rng: &mut StdRng) -> bool {
        let max = match &self.fault {
            Injected::TokenDiesEarly { tokens, .. } => Some(*tokens),
            _ => self.max,
        };
        if max.is_some_and(|max| seen.fired >= max) {
            return false;
        }
        if self.probability.is_none() && self.nth.is_empty() && self.usernames.is_empty() {
            return true;
        }
        if self.nth.contains(&seen.calls) || self.probability.is_some_and(|p| rng.random_range(0.0..1.0) < p) {
            return true;
        }
        let Some(name) = name.filter(|name| self.usernames.iter().any(|wanted| wanted == name)) else {
            return false;
        };
        let permanent = matches!(self.fault, Injected::Permanent { .. });
        let limit = self.max_per_name.unwrap_or(if permanent { u64::MAX } else { 1 });
        let count = seen.per_name.entry(name.into()).or_default();
        *count += 1;
        *count <= limit
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use serde_json::json;

    use super::*;

    fn plan(rules: Value) -> Result<FaultPlan, String> {
        FaultPlan::try_from(json!({ "rules": rules }))
    }

    fn fired(rules: Value, calls: &[(Op, Option<&str>)]) -> Vec<usize> {
        let (mut faults, mut rng) = (Faults::new(plan(rules).unwrap()), StdRng::seed_from_u64(1));
        (0..calls.len())
            .filter(|i| faults.decide(calls[*i].0, "t", calls[*i].1, None, &mut rng).is_some())
            .collect()
    }

    #[test]
    fn occurrences_names_and_limits() {
        let create = (Op::PassphraseCreate, Some("anna"));
        assert_eq!(
            fired(
                json!([{"operation": "create_passphrase", "nth": [2], "kind": "429_plain"}]),
                &[create; 3]
            ),
            [1]
        );
        let named = |extra: Value| {
            let mut rule = json!({"operation": "write", "usernames": ["anna"], "kind": "5xx"});
            rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            fired(
                json!([rule]),
                &[create, (Op::PassphraseCreate, Some("ben")), create, create],
            )
        };
        assert_eq!(named(json!({})), [0]);
        assert_eq!(named(json!({"kind": "permanent_4xx"})), [0, 2, 3]);
        assert_eq!(named(json!({"kind": "permanent_4xx", "max": 2})), [0, 2]);
    }

    #[test]
    fn probability_is_what_it_says() {
        let calls = vec![(Op::PoolQuery, None); 4000];
        let hits = fired(
            json!([{"operation": "read", "probability": 0.25, "kind": "html_503"}]),
            &calls,
        )
        .len();
        assert!((900..1100).contains(&hits), "{hits}");
    }

    #[test]
    fn a_plan_that_would_silently_do_nothing_is_refused() {
        assert!(
            plan(json!([{"operation": "create_passphrases", "kind": "5xx"}]))
                .unwrap_err()
                .contains("/rules/0")
        );
        assert!(plan(json!([{"operation": "any", "kind": "6xx"}])).is_err());
        assert!(
            plan(json!([{"operation": "any", "kind": "slow", "ms": 5, "nht": [1]}]))
                .unwrap_err()
                .contains("nht")
        );
        assert!(plan(json!([{"operation": "any", "kind": "slow", "ms": 5, "nth": [1]}])).is_ok());
    }
}
