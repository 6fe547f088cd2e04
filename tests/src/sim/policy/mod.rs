//! Adaptive policies: sets, policies with their conditions, RADIUS attribute groups, and what depends on what.

pub mod evaluate;
mod ledger;
mod seed;
pub mod templates;
mod view;

use serde_json::{Map, Value};

use super::clock::Millis;
use super::model::{Kind, Origin, Ref};
use super::shelf::{Item, Shelf};
use super::tenant::Tenant;

/// A policy set. Policies are tried in the order of the list; a policy that is in no set does nothing.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct PolicySet {
    pub id: String,
    pub name: String,
    pub description: String,
    /// Ids, highest priority first: the first is priority 1.
    pub policies: Vec<String>,
    pub origin: Origin,
}

/// A policy.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct Policy {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub template_id: i64,
    pub policy_type: String,
    /// Id of the RADIUS attribute group it answers with; `None` until the association is done.
    pub response: Option<String>,
    pub conditions: Vec<Condition>,
    pub origin: Origin,
}

/// One condition of a policy: all of them have to hold.
#[derive(Clone)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct Condition {
    pub id: String,
    pub attribute_id: i64,
    /// A regular expression the whole value has to match.
    pub pattern: String,
    /// Request that made it; `None` when seeded.
    pub request_id: Option<String>,
}

/// A RADIUS attribute group.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct RadiusGroup {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub assignments: Vec<Value>,
    /// Held by a service that no list shows: it cannot be deleted, as seen live.
    pub pinned: bool,
    pub origin: Origin,
}

macro_rules! item {
    ($type:ty) => {
        impl Item for $type {
            fn id(&self) -> &str {
                &self.id
            }
            fn name(&self) -> &str {
                &self.name
            }
            fn set_name(&mut self, name: &str) {
                self.name = name.into();
            }
            fn origin(&self) -> &Origin {
                &self.origin
            }
            fn origin_mut(&mut self) -> &mut Origin {
                &mut self.origin
            }
        }
    };
}

item!(PolicySet);
item!(Policy);
item!(RadiusGroup);

/// All of it, of one tenant.
#[derive(Default)]
#[allow(missing_docs, reason = "self-explanatory")]
pub struct Policies {
    pub sets: Shelf<PolicySet>,
    pub policies: Shelf<Policy>,
    pub radius: Shelf<RadiusGroup>,
}

impl Policies {
    /// Sets a policy is in.
    pub fn sets_with<'p>(&'p self, policy: &str) -> impl Iterator<Item = &'p PolicySet> {
        let policy = policy.to_owned();
        self.sets.live().filter(move |set| set.policies.contains(&policy))
    }

    /// Policies that answer with a RADIUS group.
    pub fn answering_with<'p>(&'p self, radius: &str) -> impl Iterator<Item = &'p Policy> {
        let radius = radius.to_owned();
        self.policies
            .live()
            .filter(move |policy| policy.response.as_deref() == Some(&radius))
    }
}

impl Policies {
    /// Changes an object behind the client's back: `name`, `description`, and of a policy `onMatchResponse`.
    pub fn change(&mut self, of: &Ref, fields: &Map<String, Value>, now: Millis) {
        let text = |field: &str| fields.get(field).and_then(Value::as_str).map(str::to_owned);
        match of.kind {
            Kind::PolicySet => {
                if let Some(name) = text("name") {
                    self.sets.rename(&of.id, &name);
                }
                if let Some(set) = self.sets.any_mut(&of.id) {
                    set.origin.updated_at = now;
                    set.description = text("description").unwrap_or_else(|| std::mem::take(&mut set.description));
                }
            }
            Kind::Policy => {
                if let Some(name) = text("name") {
                    self.policies.rename(&of.id, &name);
                }
                if let Some(policy) = self.policies.any_mut(&of.id) {
                    policy.origin.updated_at = now;
                    policy.description = text("description").or_else(|| policy.description.take());
                    policy.response = text("onMatchResponse").or_else(|| policy.response.take());
                }
            }
            _ => {
                if let Some(name) = text("name") {
                    self.radius.rename(&of.id, &name);
                }
                if let Some(group) = self.radius.any_mut(&of.id) {
                    group.origin.updated_at = now;
                    group.description = text("description").or_else(|| group.description.take());
                }
            }
        }
    }
}

/// An assignment of a policy set: the service and the id of what it is assigned to.
pub type Assignment<'t> = (&'static str, &'t str);

impl Tenant {
    /// What a policy set is assigned to. The names of the services are not in the documents.
    pub fn assignments_of<'t>(&'t self, set: &'t str) -> impl Iterator<Item = Assignment<'t>> {
        let pools = self.live_pools.values().filter_map(|id| self.pools.get(id));
        let pools = pools.filter(move |pool| pool.policy_set_id.as_deref() == Some(set));
        let groups = self.live_groups.values().filter_map(|id| self.groups.get(id));
        let groups = groups.filter(move |group| group.policy_set_id.as_deref() == Some(set));
        pools
            .map(|pool| ("DPSK_POOL", pool.id.as_str()))
            .chain(groups.map(|group| ("IDENTITY_GROUP", group.id.as_str())))
    }
}
