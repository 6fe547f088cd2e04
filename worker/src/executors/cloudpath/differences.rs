//! Fields that differ, each with what is found and what is wanted; of a secret neither. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::snapshot::bits;

/// Longest value shown, in characters.
const SHOWN_MAX: usize = 80;

/// One field that differs, by the vendor's name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub field: &'static str,
    /// Found and wanted; absent for a secret.
    pub values: Option<(String, String)>,
    /// Of what was found: of a secret [`Key::mark_of_value`](super::snapshot::Key::mark_of_value), of a text that is not shown whole one
    /// of the whole.
    mark: Option<String>,
}

/// The same as it is stored of what was left as it was found: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftField {
    #[serde(rename = "n")]
    field: String,
    /// What was found; absent for a secret.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    /// Of a secret; and of a text that is not whole in `found`, where it was stored by a version that made one of those.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
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

    /// Without those that `accepted` has in the same words: what an earlier version stored of an object that it left as it was.
    pub fn without(mut self, accepted: &str) -> Self {
        self.0.retain(|d| !accepted.contains(&d.to_string()));
        self
    }

    /// To be stored of what is left as it is.
    pub fn left(&self) -> Vec<LeftField> {
        let left = |d: &Difference| LeftField {
            field: d.field.to_owned(),
            found: d.values.as_ref().map(|(found, _)| found.clone()),
            mark: d.mark.clone(),
        };
        self.0.iter().map(left).collect()
    }

    /// Those that came since it was left: of a field that differed then, what it was then is what is wanted.
    pub fn since(mut self, left: &[LeftField]) -> Self {
        self.0.retain_mut(|d| {
            let Some(then) = left.iter().find(|then| then.field == d.field) else {
                return true;
            };
            match (&mut d.values, &then.found) {
                (Some((found, wanted)), Some(was)) if found != was => {
                    wanted.clone_from(was);
                    true
                }
                (Some((_, wanted)), Some(was)) => {
                    *wanted = format!("{was} (differs further on)");
                    then.mark.is_some() && d.mark != then.mark
                }
                _ => d.mark != then.mark,
            }
        });
        self
    }

    /// One whose values are not shown.
    pub(super) fn secret(&mut self, field: &'static str, mark: String) {
        self.0.push(Difference {
            field,
            values: None,
            mark: Some(mark),
        });
    }

    pub(super) fn values(&mut self, field: &'static str, found: Option<String>, wanted: Option<String>) {
        if found != wanted {
            let shown = |v: Option<&String>| v.map_or("none".to_owned(), |v| clip(v));
            let values = (shown(found.as_ref()), shown(wanted.as_ref()));
            let mark = found.filter(|found| *found != values.0).map(|found| bits([&found]));
            self.0.push(Difference {
                field,
                values: Some(values),
                mark,
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
        all.secret("passphrase", "0a1b2c3d".to_owned());
        assert_eq!(all.to_string(), "vlanId is 4, wanted 5; passphrase differs");
        assert!(
            all.clone()
                .without("vlanId is 4, wanted 5; passphrase differs")
                .is_empty()
        );
        let left = all.without("vlanId is 6, wanted 5; passphrase differs");
        assert_eq!(left.to_string(), "vlanId is 4, wanted 5");
    }

    fn differs(vlan: u32, devices: u32, secret: &str) -> Differences {
        let mut all = Differences::default();
        all.numbers("vlanId", Some(vlan), Some(5u32));
        all.numbers("numberOfDevices", Some(devices), Some(1u32));
        all.secret("passphrase", secret.to_owned());
        all
    }

    /// Told against what it was when it was left, and not against what was wanted then.
    #[test]
    fn only_what_changed_since_it_was_left_is_told() {
        let left = differs(4, 1, "0a1b2c3d").left();
        let since = |vlan, devices, secret| differs(vlan, devices, secret).since(&left).to_string();
        assert_eq!(since(4, 1, "0a1b2c3d"), "");
        assert_eq!(since(5, 1, "0a1b2c3d"), "", "as it was wanted");
        assert_eq!(since(4, 1, "ffffffff"), "passphrase differs");
        assert_eq!(since(6, 1, "0a1b2c3d"), "vlanId is 6, wanted 4");
        assert_eq!(since(4, 2, "0a1b2c3d"), "numberOfDevices is 2, wanted 1");
    }

    #[test]
    fn a_change_behind_what_is_shown_of_a_text_is_told() {
        let described = |end: &str| {
            let mut all = Differences::default();
            let text = "x".repeat(SHOWN_MAX) + end;
            all.values("description", Some(text), Some("Lobby".to_owned()));
            all
        };
        let left = described("one").left();
        assert!(described("one").since(&left).is_empty());
        let shown = "x".repeat(SHOWN_MAX) + "…";
        let told = format!("description is {shown}, wanted {shown} (differs further on)");
        assert_eq!(described("two").since(&left).to_string(), told);
        assert!(!described("").since(&left).is_empty(), "shorter");
        // of a version that kept no more than is shown: nobody knows
        let line = format!(r#"[{{"n":"description","v":"{shown}"}}]"#);
        let left: Vec<LeftField> = serde_json::from_str(&line).unwrap();
        assert!(described("one").since(&left).is_empty());
        assert!(!described("").since(&left).is_empty());
    }

    /// Blobs outlive deploys: these lines must be read for ever, and marks be made as they were.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let line = r#"[{"n":"vlanId","v":"4"},{"n":"passphrase","m":"0a1b2c3d"},{"n":"name","v":"none"}]"#;
        let left: Vec<LeftField> = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&left).unwrap(), line);

        let mut all = differs(4, 1, "0a1b2c3d");
        all.values("name", None, Some("anna".to_owned()));
        assert_eq!(all.left(), left);
        let mut all = Differences::default();
        all.values("description", Some("x".repeat(SHOWN_MAX + 1)), None);
        let line = format!(
            r#"[{{"n":"description","v":"{}…","m":"6e8e2e30"}}]"#,
            "x".repeat(SHOWN_MAX)
        );
        assert_eq!(serde_json::to_string(&all.left()).unwrap(), line);
        assert_eq!(serde_json::from_str::<Vec<LeftField>>(&line).unwrap(), all.left());
    }
}
