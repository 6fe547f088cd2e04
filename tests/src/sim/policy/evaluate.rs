//! Which policy of a set matches: tried in order of priority, the first match wins.

use std::collections::HashMap;

use regex::Regex;

use super::templates::attribute;
use super::{Policies, Policy, PolicySet};

/// A pattern that has to match the whole value; `None` when it is no regular expression.
pub fn whole(pattern: &str) -> Option<Regex> {
    // the reference client sends patterns without anchors and means the whole name
    Regex::new(pattern).ok()?;
    Regex::new(&format!("^(?:{pattern})$")).ok()
}

impl Policies {
    /// The first policy of the set whose conditions all hold for `values` (by match name). One without conditions never matches.
    pub fn first_match(&self, set: &PolicySet, values: &HashMap<String, String>) -> Option<&Policy> {
        let policies = set.policies.iter().filter_map(|id| self.policies.get(id));
        policies
            .into_iter()
            .find(|policy| !policy.conditions.is_empty() && holds(policy, values))
    }
}

fn holds(policy: &Policy, values: &HashMap<String, String>) -> bool {
    policy.conditions.iter().all(|condition| {
        let value = attribute(condition.attribute_id).and_then(|attribute| values.get(attribute.text_match));
        let pattern = whole(&condition.pattern);
        value
            .zip(pattern)
            .is_some_and(|(value, pattern)| pattern.is_match(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_the_whole_value() {
        let matches = |pattern: &str, text: &str| whole(pattern).unwrap().is_match(text);
        assert!(matches("^.*_gigabit$", "anna_gigabit") && matches(".*_gigabit", "anna_gigabit"));
        assert!(!matches("gigabit", "anna_gigabit") && !matches("anna|ben", "annaben"));
        assert!(whole("(").is_none() && whole("a)(b").is_none());
    }
}
