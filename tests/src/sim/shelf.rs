//! Objects of one kind: by id, by name, and those that can be seen in order of creation.

use std::collections::{BTreeMap, HashMap};

use super::model::Origin;

/// An object that can stand on a shelf.
pub trait Item {
    /// Its id.
    fn id(&self) -> &str;
    /// Its name.
    fn name(&self) -> &str;
    /// Puts another name.
    fn set_name(&mut self, name: &str);
    /// Within what its name is unique; empty: the tenant.
    fn scope(&self) -> &str {
        ""
    }
    /// Where it comes from.
    fn origin(&self) -> &Origin;
    /// The same, to change it.
    fn origin_mut(&mut self) -> &mut Origin;
}

/// All objects of one kind of a tenant.
pub struct Shelf<T> {
    rows: HashMap<String, T>,
    live: BTreeMap<u64, String>,
    /// Names taken by objects live or in flight, with the id of the owner.
    names: HashMap<(String, String), String>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            live: BTreeMap::new(),
            names: HashMap::new(),
        }
    }
}

impl<T: Item> Shelf<T> {
    /// Takes the name and keeps the object unseen.
    pub fn insert(&mut self, row: T) {
        let key = (row.scope().to_owned(), row.name().to_owned());
        self.names.entry(key).or_insert_with(|| row.id().to_owned());
        self.rows.insert(row.id().to_owned(), row);
    }

    /// Makes an object visible; false when it is gone.
    pub fn appear(&mut self, id: &str) -> bool {
        let Some(row) = self.rows.get_mut(id) else { return false };
        row.origin_mut().live = true;
        self.live.insert(row.origin().seq, id.to_owned());
        true
    }

    /// Takes an object off and frees its name, unless a twin owns it.
    pub fn remove(&mut self, id: &str) -> Option<T> {
        let row = self.rows.remove(id)?;
        self.live.remove(&row.origin().seq);
        self.free(row.scope(), row.name(), id);
        Some(row)
    }

    /// One that can be seen.
    pub fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(id).filter(|row| row.origin().live)
    }

    /// One, whether it can be seen yet or not.
    pub fn any(&self, id: &str) -> Option<&T> {
        self.rows.get(id)
    }

    /// The same, to change it; its name is changed by [`Shelf::rename`].
    pub fn any_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(id)
    }

    /// Who has a name, live or in flight.
    pub fn owner(&self, scope: &str, name: &str) -> Option<&T> {
        let id = self.names.get(&(scope.to_owned(), name.to_owned()))?;
        self.rows.get(id)
    }

    /// Changes a name in the row and in the index.
    pub fn rename(&mut self, id: &str, name: &str) {
        let Some(row) = self.rows.get_mut(id) else { return };
        let (scope, old) = (row.scope().to_owned(), row.name().to_owned());
        row.set_name(name);
        self.free(&scope, &old, id);
        self.names
            .entry((scope, name.to_owned()))
            .or_insert_with(|| id.to_owned());
    }

    /// Those that can be seen, oldest first.
    pub fn live(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.live.values().filter_map(|id| self.rows.get(id))
    }

    /// How many cannot be seen yet.
    pub fn in_flight(&self) -> usize {
        self.rows.len() - self.live.len()
    }

    fn free(&mut self, scope: &str, name: &str, id: &str) {
        let key = (scope.to_owned(), name.to_owned());
        if self.names.get(&key).is_some_and(|owner| owner == id) {
            self.names.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::policy::PolicySet;

    fn set(id: &str, name: &str, seq: u64) -> PolicySet {
        PolicySet {
            id: id.into(),
            name: name.into(),
            origin: Origin {
                seq,
                ..Origin::default()
            },
            ..PolicySet::default()
        }
    }

    #[test]
    fn a_name_is_taken_before_its_object_can_be_seen_and_free_when_it_is_gone() {
        let mut shelf = Shelf::default();
        shelf.insert(set("a", "A", 1));
        assert!(shelf.owner("", "A").is_some() && shelf.get("a").is_none() && shelf.in_flight() == 1);
        assert!(shelf.appear("a") && shelf.get("a").is_some());
        shelf.rename("a", "B");
        assert!(shelf.owner("", "A").is_none() && shelf.owner("", "B").is_some());
        shelf.remove("a");
        assert!(shelf.owner("", "B").is_none() && !shelf.appear("a") && shelf.live().next().is_none());
    }

    #[test]
    fn a_twin_does_not_free_the_name_of_the_first() {
        let mut shelf = Shelf::default();
        shelf.insert(set("a", "A", 1));
        shelf.insert(set("b", "A", 2));
        shelf.remove("b");
        assert_eq!(shelf.owner("", "A").map(|row| row.id.as_str()), Some("a"));
    }
}
