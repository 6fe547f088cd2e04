//! Which row stands for which object.

use std::collections::BTreeMap;

#[derive(Default)]
pub struct Claims(BTreeMap<(String, String), String>);

impl Claims {
    /// The row that has claimed it before, if any. Who changes a policy's pattern tells of the policy, as who made it does.
    pub fn claim(&mut self, kind: &str, id: &str, row: &str) -> Option<String> {
        let before = self.0.insert((kind.to_owned(), id.to_owned()), row.to_owned());
        before.filter(|_| kind != "policy")
    }

    pub fn has(&self, kind: &str, id: &str) -> bool {
        self.0.contains_key(&(kind.to_owned(), id.to_owned()))
    }
}
