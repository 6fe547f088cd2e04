//! From the suffixes of user names to adaptive policies: `anna_gold` is answered with the RADIUS attribute group `gold`.
//!
//! A policy depends on its suffix alone, and its name is unique in the tenant: all pools share it, and so does another import.
//! Patterns never overlap, since a suffix holds no `_`; so the order of the policies in a set decides nothing.

use std::collections::BTreeMap;

use super::change::Reason;
use super::export::{CloudpathPool, ExportRow};
use super::fault::{Code, Fault, quote};
use super::limits::{MAX_NAME, MAX_PATTERN, MAX_POLICIES, MAX_POLICY_LINKS};
use super::names::{Wanted, fit};
use super::spec::{PolicySetSpec, PolicySpec};

/// Where the faults of policies stand: there is no place in the export they could be mended at alone.
const AT: &str = "/options/include_adaptive_policy_sets";
/// Suffixes named in one sentence.
const NAMED_IN_A_SENTENCE: usize = 20;

/// The suffixes of the users of one pool.
#[derive(Debug, Default, Clone)]
pub(super) struct Suffixes {
    /// Suffix, and users who have it.
    users: BTreeMap<Box<str>, u32>,
    /// Users who have none.
    without: u32,
}

impl Suffixes {
    /// Counts one key to be imported. A key without a name has no suffix, whatever its guid looks like.
    pub fn add(&mut self, row: &ExportRow) {
        match suffix(&row.name) {
            Some(suffix) => *self.users.entry(suffix.into()).or_default() += 1,
            None => self.without += 1,
        }
    }
}

/// What comes behind the last `_`, if anything does.
pub(super) fn suffix(name: &str) -> Option<&str> {
    let (_, suffix) = name.trim().rsplit_once('_')?;
    (!suffix.is_empty()).then_some(suffix)
}

/// Matches the user names that end in `_` and the suffix, in the regular expressions of Java. Letter case counts.
fn pattern(suffix: &str) -> String {
    let mut pattern = String::from("^.*_");
    for letter in suffix.chars() {
        if "\\^$.|?*+()[]{}".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern + "$"
}

/// What becomes of the suffixes.
#[derive(Debug, Default)]
pub(super) struct Policies {
    /// In order of their suffixes.
    pub policies: Vec<PolicySpec>,
    /// In order of their pools; pools without a suffix have none.
    pub sets: Vec<PolicySetSpec>,
    /// At most one for each Cloudpath pool, and one more.
    pub warnings: Vec<String>,
}

/// A planned pool, as far as policies need to know it.
pub(super) struct Users<'a> {
    /// Index of the planned pool.
    pub pool: u16,
    /// Its full name, before it was fitted.
    pub pool_name: &'a str,
    /// The description of its group.
    pub description: &'a str,
    /// The Cloudpath pool it is made of.
    pub source: &'a CloudpathPool,
    pub suffixes: &'a Suffixes,
}

/// `users` of all planned pools, in their order.
pub(super) fn policies(users: &[Users<'_>]) -> Policies {
    let mut all: BTreeMap<&str, u32> = BTreeMap::new();
    for (suffix, count) in users.iter().flat_map(|users| &users.suffixes.users) {
        *all.entry(suffix).or_default() += count;
    }
    let wanted: Vec<_> = all
        .keys()
        .map(|suffix| Wanted {
            name: format!("{suffix}-POL"),
            salt: (*suffix).to_owned(),
        })
        .collect();
    let policies: Vec<_> = (0..)
        .zip(all.iter().zip(fit(&wanted, MAX_NAME)))
        .map(|(index, ((suffix, users), (name, reason)))| PolicySpec {
            index,
            name,
            name_reason: reason.map(|reason| match reason {
                Reason::NameTaken => Reason::PolicyNameTaken,
                other => other,
            }),
            pattern: pattern(suffix),
            radius_group: (*suffix).to_owned(),
            users: *users,
        })
        .collect();
    let places: BTreeMap<&str, u32> = policies.iter().map(|p| (&*p.radius_group, p.index)).collect();
    Policies {
        sets: sets(users, &places),
        warnings: without_suffix(users).into_iter().chain(alike(&all)).collect(),
        policies,
    }
}

fn sets(users: &[Users<'_>], places: &BTreeMap<&str, u32>) -> Vec<PolicySetSpec> {
    let used: Vec<_> = users.iter().filter(|users| !users.suffixes.users.is_empty()).collect();
    let wanted: Vec<_> = used
        .iter()
        .map(|users| Wanted {
            name: format!(
                "{}-PS",
                users.pool_name.strip_suffix("-DPSK").unwrap_or(users.pool_name)
            ),
            salt: users.source.guid.to_string(),
        })
        .collect();
    let specs = (0..).zip(used.iter().zip(fit(&wanted, MAX_NAME)));
    specs
        .map(|(index, (users, (name, reason)))| PolicySetSpec {
            index,
            pool: users.pool,
            name,
            name_reason: reason,
            description: users.description.to_owned(),
            policies: users.suffixes.users.keys().map(|suffix| places[&**suffix]).collect(),
        })
        .collect()
}

/// One sentence for each Cloudpath pool with users whom no policy will answer.
fn without_suffix(users: &[Users<'_>]) -> Vec<String> {
    let mut without: Vec<(&CloudpathPool, u32)> = Vec::new();
    for users in users.iter().filter(|users| users.suffixes.without > 0) {
        // Pools made of one Cloudpath pool stand next to each other.
        match without.last_mut() {
            Some((last, count)) if last.guid == users.source.guid => *count += users.suffixes.without,
            _ => without.push((users.source, users.suffixes.without)),
        }
    }
    let sentence = |(source, count): (&CloudpathPool, u32)| {
        let of = match &*source.display_name {
            "" => String::new(),
            name => format!(" of pool {name:?}"),
        };
        format!("{count} user name(s){of} have no suffix behind a \"_\": no policy answers them")
    };
    without.into_iter().map(sentence).collect()
}

/// One sentence for suffixes that differ in letter case only: most likely one of them is a slip.
fn alike(all: &BTreeMap<&str, u32>) -> Option<String> {
    let mut by_case: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for suffix in all.keys() {
        by_case.entry(suffix.to_lowercase()).or_default().push(quote(suffix));
    }
    let alike: Vec<_> = by_case
        .into_values()
        .filter(|same| same.len() > 1)
        .map(|same| same.join(" and "))
        .collect();
    let (named, more) = alike.split_at(alike.len().min(NAMED_IN_A_SENTENCE));
    (!named.is_empty()).then(|| {
        let more = if more.is_empty() { "" } else { " and others" };
        format!(
            "suffixes {}{more} differ in letter case only: each gets a policy, and needs a RADIUS attribute group, of its own",
            named.join(", ")
        )
    })
}

/// Why the suffixes of an export can't become policies. Judged before anything is made of it.
pub(super) fn faults<'a>(users: impl IntoIterator<Item = &'a Suffixes>) -> Vec<Fault> {
    let (mut faults, mut links, mut all) = (Vec::new(), 0, BTreeMap::new());
    for suffixes in users {
        links += suffixes.users.len();
        all.extend(suffixes.users.keys().map(|suffix| (&**suffix, ())));
    }
    let too_many = |what: &str, found: usize, most: usize| {
        let detail = format!(
            "the user names need {found} {what}; at most {most}. Are these suffixes meant to be RADIUS groups?"
        );
        Fault::new(AT, Code::TooManyPolicies, detail)
    };
    if all.len() > MAX_POLICIES {
        faults.push(too_many("policies, one for each suffix", all.len(), MAX_POLICIES));
    } else if links > MAX_POLICY_LINKS {
        faults.push(too_many("places in policy sets", links, MAX_POLICY_LINKS));
    }
    for suffix in all.into_keys() {
        let units = pattern(suffix).chars().count();
        if units > MAX_PATTERN {
            let detail = format!(
                "the pattern for suffix {} is {units} characters long; RUCKUS One takes at most {MAX_PATTERN}",
                quote(suffix)
            );
            faults.push(Fault::new(AT, Code::BadSuffix, detail));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_is_what_stands_behind_the_last_underscore() {
        for (name, expected) in [
            ("anna_gold", Some("gold")),
            ("anna_b_gold", Some("gold")),
            (" anna_gold ", Some("gold")),
            ("_gold", Some("gold")),
            ("anna", None),
            ("anna_", None),
            ("anna_gold_", None),
            ("", None),
        ] {
            assert_eq!(suffix(name), expected, "{name:?}");
        }
    }

    #[test]
    fn every_sign_of_a_pattern_stands_for_itself() {
        assert_eq!(pattern("gold"), "^.*_gold$");
        assert_eq!(pattern(r"a.b*c+d?e|f"), r"^.*_a\.b\*c\+d\?e\|f$");
        assert_eq!(pattern(r"\Q(x)[y]{2}^$"), r"^.*_\\Q\(x\)\[y\]\{2\}\^\$$");
        assert_eq!(
            pattern("größe 1-2/3&#~"),
            "^.*_größe 1-2/3&#~$",
            "nothing else needs it"
        );
    }
}
