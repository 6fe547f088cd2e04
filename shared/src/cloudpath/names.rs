//! Names that fit RUCKUS One, the same in every run, and never two alike.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::change::Reason;
use super::limits::length;

/// A name wanted, and what tells its bearer from others that want the same.
pub(super) struct Wanted {
    pub name: String,
    pub salt: String,
}

/// Fits every name into `max` UTF-16 units. Names that come out alike (letter case aside: RUCKUS One may not tell
/// them apart) all get a hash of name and salt at their end, so that the outcome does not depend on their order.
pub(super) fn fit(wanted: &[Wanted], max: usize) -> Vec<(String, Option<Reason>)> {
    let mut names: Vec<_> = wanted.iter().map(|wanted| shorten(&wanted.name, max)).collect();
    // Twelve and more digits are needed only if the shorter hashes collide.
    for digits in [8, 12, 16] {
        let mut bearers: HashMap<String, u32> = HashMap::new();
        for (name, _) in &names {
            *bearers.entry(name.to_lowercase()).or_default() += 1;
        }
        if bearers.len() == names.len() {
            break;
        }
        for (place, wanted) in wanted.iter().enumerate() {
            if bearers[&names[place].0.to_lowercase()] > 1 {
                let salted = format!("{}\0{}", wanted.name, wanted.salt);
                names[place] = (with_hash(&wanted.name, &salted, digits, max), Some(Reason::NameTaken));
            }
        }
    }
    names
}

fn shorten(name: &str, max: usize) -> (String, Option<Reason>) {
    if length(name) <= max {
        return (name.to_owned(), None);
    }
    (with_hash(name, name, 8, max), Some(Reason::NameShortened))
}

/// The beginning of `name`, a hyphen, and `digits` hexadecimal digits of a hash of `hashed`.
fn with_hash(name: &str, hashed: &str, digits: usize, max: usize) -> String {
    let room = max - digits - 1;
    let mut kept = String::new();
    let mut units = 0;
    for letter in name.chars() {
        units += letter.len_utf16();
        if units > room {
            break;
        }
        kept.push(letter);
    }
    let hash: String = Sha256::digest(hashed)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{}-{}", kept.trim_end_matches([' ', '-']), &hash[..digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(names: &[(&str, &str)], max: usize) -> Vec<String> {
        let wanted: Vec<_> = names
            .iter()
            .map(|(name, salt)| Wanted {
                name: (*name).into(),
                salt: (*salt).into(),
            })
            .collect();
        fit(&wanted, max).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn names_that_fit_stay() {
        let name = "x".repeat(27) + "-DPSK";
        assert_eq!(
            fitted(&[(&name, "g"), ("Lobby-DPSK", "g")], 32),
            [name, "Lobby-DPSK".into()]
        );
    }

    #[test]
    fn shortened_names_are_pinned_because_a_second_run_finds_pools_by_them() {
        assert_eq!(
            fitted(&[("Sunrise Apartments Building 7 North-DPSK", "g")], 32),
            ["Sunrise Apartments Buil-0771e3e7"]
        );
    }

    #[test]
    fn every_length_and_alphabet_fits_and_is_told_apart() {
        for letter in ["x", "ä", "🔑", " ", "-", "e\u{301}"] {
            let names: Vec<_> = (1..120).map(|count| (letter.repeat(count) + "-DPSK", "g")).collect();
            let names: Vec<_> = names.iter().map(|(name, salt)| (name.as_str(), *salt)).collect();
            let mut fitted = fitted(&names, 32);
            assert!(fitted.iter().all(|name| (2..=32).contains(&length(name))), "{fitted:?}");
            fitted.sort_unstable();
            fitted.dedup();
            assert_eq!(fitted.len(), names.len());
        }
    }

    #[test]
    fn equal_names_are_told_apart_by_their_salt_whatever_the_order() {
        let [a, b, c] = [
            ("Lobby-DPSK", "guid-a"),
            ("LOBBY-DPSK", "guid-b"),
            ("Bar-DPSK", "guid-c"),
        ];
        let forth = fitted(&[a, b, c], 32);
        let back = fitted(&[c, b, a], 32);
        assert_eq!(forth, [back[2].clone(), back[1].clone(), back[0].clone()]);
        assert_ne!(forth[0].to_lowercase(), forth[1].to_lowercase());
        assert_eq!(forth[2], "Bar-DPSK");
    }
}
