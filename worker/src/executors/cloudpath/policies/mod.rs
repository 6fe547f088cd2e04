//! Adaptive policies: which RADIUS attributes answer whom.
//!
//! `make` makes policies and sets, `attach` gives each policy its condition, each set its policies, and each pool its set, `audit` asks
//! the sets whom they answer. `found` and `decide` compare what is there with what is wanted, `whole` asks whether a set does what it should.

pub mod attach;
mod attach_plan;
pub mod audit;
pub mod decide;
pub mod found;
pub mod links;
pub mod make;
pub mod whole;

use std::collections::HashMap;

use shared::cloudpath::{ImportPlan, PolicySetSpec, PolicySpec};
use shared::job::outcome::{Origin, Resource};
use shared::store::StoreError;

use super::staged::made_by;
use crate::executors::Context;

/// What the ledger calls them. A place goes by `<set>/<policy>`, an assignment by `<pool>/<set>`: both ids are needed to undo one.
pub const POLICY: &str = "policy";
pub const POLICY_SET: &str = "policy_set";
pub const PLACE: &str = "prioritized_policy";
pub const ASSIGNMENT: &str = "pool_policy_set";

/// Field of a condition, by the vendor's name.
pub const PATTERN: &str = "regexStringCriteria";
/// A policy's conditions on other attributes than the user name. No update takes them away.
pub const CONDITIONS: &str = "conditions";
/// Which RADIUS attribute group a policy answers with.
pub const RESPONSE: &str = "onMatchResponse";

fn resource(kind: &str, id: &str, name: &str, origin: Origin) -> Resource {
    Resource {
        kind: kind.into(),
        id: id.into(),
        name: name.into(),
        origin,
    }
}

/// A user name that the policy of this suffix answers.
fn example(policy: &PolicySpec) -> String {
    format!("example_{}", policy.radius_group)
}

/// Every place of a policy in a set, in the order of the tasks: set, policy, and how many of ours are before it in the set.
pub(super) fn places(plan: &ImportPlan) -> impl Iterator<Item = (&PolicySetSpec, &PolicySpec, u32)> {
    plan.policy_sets.iter().flat_map(|set| {
        let policies = set.policies.iter().filter_map(|at| plan.policies.get(*at as usize));
        policies.zip(0..).map(move |(policy, before)| (set, policy, before))
    })
}

/// Index of the first place, and of the first assignment, among the tasks of `attach_policies`. Conditions come first.
pub(super) fn first_place(plan: &ImportPlan) -> u32 {
    plan.policies.len() as u32
}

pub(super) fn first_assignment(plan: &ImportPlan) -> u32 {
    first_place(plan) + places(plan).count() as u32
}

/// What `create_policy_sets` made or found. Its tasks are the policies, then the sets.
struct Made {
    by_index: HashMap<u32, Resource>,
    policies: u32,
}

impl Made {
    async fn read(cx: &Context, plan: &ImportPlan) -> Result<Self, StoreError> {
        Ok(Made {
            by_index: made_by(cx, "create_policy_sets").await?,
            policies: plan.policies.len() as u32,
        })
    }

    fn policy(&self, spec: &PolicySpec) -> Option<&Resource> {
        self.by_index.get(&spec.index)
    }

    fn set(&self, spec: &PolicySetSpec) -> Option<&Resource> {
        self.by_index.get(&(self.policies + u32::from(spec.index)))
    }
}
