//! Fields that differ, each with what is found and what is wanted; of a secret neither. Pure.

use jiff::Timestamp;

/// Longest value shown, in characters.
const SHOWN_MAX: usize = 80;

/// One field that differs, by the vendor's name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub field: &'static str,
    /// Found and wanted; absent for a secret.
    pub values: Option<(String, String)>,
}

/// Every field that differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences(Vec<Difference>);

impl Differences {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|d| d.field == field)
    }

    pub fn only(&self, field: &str) -> bool {
        !self.is_empty() && self.0.iter().all(|d| d.field == field)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Difference> {
        self.0.iter()
    }

    /// Without those that `accepted` has in the same words: what was known of the object, and left as it was.
    pub fn without(mut self, accepted: &str) -> Self {
        self.0.retain(|d| !accepted.contains(&d.to_string()));
        self
    }

    /// One whose values are not shown.
    pub(super) fn secret(&mut self, field: &'static str) {
        self.0.push(Difference { field, values: None });
    }

    pub(super) fn values(&mut self, field: &'static str, found: Option<String>, wanted: Option<String>) {
        if found != wanted {
            let shown = |v: Option<String>| v.map_or("none".to_owned(), |v| clip(&v));
            self.0.push(Difference {
                field,
                values: Some((shown(found), shown(wanted))),
            });
        }
    }

    pub(super) fn numbers(
        &mut self,
        field: &'static str,
        found: Option<impl Into<u64>>,
        wanted: Option<impl Into<u64>>,
    ) {
        let text = |n: u64| n.to_string();
        self.values(field, found.map(Into::into).map(text), wanted.map(Into::into).map(text));
    }

    /// Times are equal when they are the same second, however they are written.
    pub(super) fn times(&mut self, field: &'static str, found: Option<&str>, wanted: Option<&str>) {
        let second = |t: &str| t.parse::<Timestamp>().map(Timestamp::as_second).ok();
        let same = match (found, wanted) {
            (Some(found), Some(wanted)) => found == wanted || second(found).is_some_and(|s| second(wanted) == Some(s)),
            (found, wanted) => found == wanted,
        };
        if !same {
            self.values(field, found.map(str::to_owned), wanted.map(str::to_owned));
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.values {
            Some((found, wanted)) => write!(f, "{} is {found}, wanted {wanted}", self.field),
            None => write!(f, "{} differs", self.field),
        }
    }
}

impl std::fmt::Display for Differences {
    /// `vlanId is 4, wanted 5; passphrase differs`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, d) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{d}")?;
        }
        Ok(())
    }
}

pub(super) fn clip(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_is_no_difference_and_what_came_on_top_is() {
        let mut all = Differences::default();
        all.numbers("vlanId", Some(4u32), Some(5u32));
        all.secret("passphrase");
        assert_eq!(all.to_string(), "vlanId is 4, wanted 5; passphrase differs");
        assert!(
            all.clone()
                .without("vlanId is 4, wanted 5; passphrase differs")
                .is_empty()
        );
        let left = all.without("vlanId is 6, wanted 5; passphrase differs");
        assert_eq!(left.to_string(), "vlanId is 4, wanted 5");
    }
}
