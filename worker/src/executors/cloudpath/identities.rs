//! The identities of a pool's group, as far as they stand in the way of new keys: RUCKUS One refuses a passphrase whose user name an
//! identity *without* passphrase bears (GENERAL-010); such an identity is given the passphrase instead.

use std::collections::{HashMap, HashSet};

use super::snapshot::is_invented;
use crate::gate::Gate;
use crate::r1::R1;
use crate::r1::identity::Identity;
use crate::remote::CallError;

/// An identity that may be meant by a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    pub name: String,
    /// Id of its passphrase, in whatever pool.
    pub key: Option<String>,
}

/// The identities of one group.
#[derive(Debug, Default)]
pub struct People {
    all: Vec<Person>,
    by_name: HashMap<String, usize>,
    /// By description, which some tools set to the Cloudpath guid.
    by_description: HashMap<String, usize>,
    taken: HashSet<usize>,
}

impl People {
    /// `group`: swept whole, 500 a call.
    pub async fn sweep(r1: &R1, gate: &dyn Gate, group: &str) -> Result<Self, CallError> {
        let mut people = Self::default();
        let mut sweep = r1.sweep_identities(group);
        sweep.visit(gate, |identity| people.add(identity)).await?;
        Ok(people)
    }

    pub fn add(&mut self, identity: Identity) {
        // An invented one is nobody's, whatever its description says.
        if is_invented(&identity.name) {
            return;
        }
        let at = self.all.len();
        self.by_name.entry(identity.name.clone()).or_insert(at);
        if let Some(description) = identity.description.filter(|d| !d.is_empty()) {
            self.by_description.entry(description).or_insert(at);
        }
        self.all.push(Person {
            id: identity.id,
            name: identity.name,
            key: identity.dpsk_guid,
        });
    }

    /// The identity a row means: by its Cloudpath guid, else by its name.
    pub fn find(&self, guid: &str, username: &str) -> Option<(usize, &Person)> {
        let at = self.by_description.get(guid).filter(|_| !guid.is_empty());
        let at = *at.or_else(|| self.by_name.get(username))?;
        Some((at, &self.all[at]))
    }

    /// Marks it as used by a row; false when another row has it already: an identity holds one passphrase.
    pub fn take(&mut self, at: usize) -> bool {
        self.taken.insert(at)
    }
}
