//! The keys of one pool as they were when it was swept. Kept small (about 150 bytes and the texts for each): a pool may hold 100,000.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use shared::secret::SecretString;

use crate::gate::Gate;
use crate::r1::R1;
use crate::r1::passphrase::Passphrase;
use crate::remote::CallError;

/// What of a passphrase is compared, and what an update has to say again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: Box<str>,
    pub username: Box<str>,
    pub value: Option<SecretString>,
    pub vlan: Option<u32>,
    pub devices: Option<u32>,
    pub expires: Option<Box<str>>,
    pub revoked: bool,
    /// E-mail and phone; few have them.
    pub contact: Option<Box<(Option<String>, Option<String>)>>,
}

impl Key {
    pub fn of(found: Passphrase) -> Self {
        let contact = (found.email, found.phone_number);
        Key {
            id: found.id.into(),
            username: found.username.unwrap_or_default().into(),
            value: found.passphrase,
            vlan: found.vlan_id,
            devices: found.number_of_devices,
            expires: found.expiration_date.map(Into::into),
            revoked: found.revocation_date.is_some(),
            contact: (contact != (None, None)).then(|| Box::new(contact)),
        }
    }

    fn value(&self) -> &str {
        self.value.as_ref().map_or("", SecretString::expose)
    }

    /// Tells one state of the key from another: the version of what is hashed, and 32 bits of a hash. Of the passphrases it says whether
    /// they are alike; where they are not, both are in it, so that neither can be guessed without the other. `sealed`: the value it is to
    /// have. Marks are stored: whatever is changed here gets another version.
    pub fn mark(&self, sealed: &SecretString) -> String {
        let values = match sealed.expose() == self.value() {
            true => ["", ""],
            false => [sealed.expose(), self.value()],
        };
        let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        // the same second is the same time, however it is written
        let expires = self.expires.as_deref().map(|at| match at.parse::<Timestamp>() {
            Ok(at) => at.as_second().to_string(),
            Err(_) => at.to_owned(),
        });
        let revoked = if self.revoked { "r" } else { "" };
        let (vlan, devices, expires) = (number(self.vlan), number(self.devices), expires.unwrap_or_default());
        let bits = bits([
            values[0],
            &*self.username,
            values[1],
            &vlan,
            &devices,
            &expires,
            revoked,
        ]);
        format!("{MARK_VERSION}{bits}")
    }

    /// Tells one passphrase from another, and neither can be guessed without the other: 32 bits of a hash of both. `sealed`: the value it
    /// was to have. Stored: what is made otherwise goes by another name.
    pub fn mark_of_value(&self, sealed: &SecretString) -> String {
        bits([sealed.expose(), self.value()])
    }

    /// Whether a mark was made of this very state. A mark of another version can't tell: that is as good as a change that has not been
    /// made, which is looked for again and never booked.
    pub fn is_still(&self, mark: Option<&str>, sealed: &SecretString) -> bool {
        match mark {
            Some(mark) if mark.len() == MARK_LENGTH && mark.starts_with(MARK_VERSION) => mark == self.mark(sealed),
            _ => true,
        }
    }
}

/// 32 bits of a hash.
pub(super) fn bits<const N: usize>(texts: [&str; N]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text);
        hash.update([0]);
    }
    let hash = hash.finalize();
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Version 1 had no digit before its 32 bits.
const MARK_VERSION: char = '2';
/// The version and eight hexadecimal digits.
const MARK_LENGTH: usize = 9;

/// All keys of a pool, to be looked up by user name, value or id.
#[derive(Debug, Default)]
pub struct Snapshot {
    keys: Vec<Key>,
    /// Places in `keys`, in order of value and of id; `keys` itself is in order of user name.
    by_value: Vec<u32>,
    by_id: Vec<u32>,
    /// Keys the controller announced and did not show.
    pub missing: u64,
}

impl Snapshot {
    pub async fn sweep(r1: &R1, gate: &dyn Gate, pool: &str) -> Result<Self, CallError> {
        let mut sweep = r1.sweep_passphrases(pool);
        let mut keys = Vec::new();
        sweep.visit(gate, |found| keys.push(Key::of(found))).await?;
        Ok(Snapshot {
            missing: sweep.missing(),
            ..Self::of(keys)
        })
    }

    pub fn of(mut keys: Vec<Key>) -> Self {
        keys.sort_unstable_by(|a, b| a.username.cmp(&b.username));
        // No pool comes near 2^32 keys.
        let mut by_value: Vec<u32> = (0..keys.len() as u32).collect();
        let mut by_id = by_value.clone();
        by_value.sort_unstable_by(|a, b| keys[*a as usize].value().cmp(keys[*b as usize].value()));
        by_id.sort_unstable_by(|a, b| keys[*a as usize].id.cmp(&keys[*b as usize].id));
        Snapshot {
            keys,
            by_value,
            by_id,
            missing: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Those of exactly this user name: more than one only where somebody has made a key twice.
    pub fn named(&self, username: &str) -> &[Key] {
        let start = self.keys.partition_point(|k| *k.username < *username);
        let count = self.keys[start..].partition_point(|k| *k.username == *username);
        &self.keys[start..start + count]
    }

    /// One that has this value.
    pub fn with_value(&self, value: &SecretString) -> Option<&Key> {
        let found = self
            .by_value
            .binary_search_by(|at| self.keys[*at as usize].value().cmp(value.expose()));
        found.ok().map(|at| &self.keys[self.by_value[at] as usize])
    }

    pub fn with_id(&self, id: &str) -> Option<&Key> {
        self.place_of(id).map(|at| &self.keys[at])
    }

    /// Where the key of this id is in [`Snapshot::keys`].
    pub fn place_of(&self, id: &str) -> Option<usize> {
        let found = self.by_id.binary_search_by(|at| (*self.keys[*at as usize].id).cmp(id));
        found.ok().map(|at| self.by_id[at] as usize)
    }

    /// All of them, in order of user name.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// `DPSK_User_<random>_<number>`: what RUCKUS One calls identities that were made without a name. Whoever such a key belongs to, it is
/// nobody of the export.
pub fn is_invented(username: &str) -> bool {
    let parts = username
        .strip_prefix("DPSK_User_")
        .and_then(|rest| rest.rsplit_once('_'));
    parts.is_some_and(|(random, number)| {
        let all = |text: &str, fits: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|b| fits(&b));
        all(random, u8::is_ascii_alphanumeric) && all(number, u8::is_ascii_digit)
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn key(id: &str, username: &str, value: &str) -> Key {
        Key {
            id: id.into(),
            username: username.into(),
            value: Some(value.into()),
            vlan: None,
            devices: None,
            expires: None,
            revoked: false,
            contact: None,
        }
    }

    #[test]
    fn keys_are_found_by_name_value_and_id() {
        let all = Snapshot::of(vec![
            key("3", "c", "v-1"),
            key("1", "a", "v-3"),
            key("2", "b", "v-2"),
            key("4", "b", "v-4"),
        ]);
        assert_eq!(all.named("b").len(), 2);
        assert_eq!((all.named("a")[0].id.as_ref(), all.named("aa").len()), ("1", 0));
        assert_eq!(all.with_value(&"v-1".into()).unwrap().username.as_ref(), "c");
        assert!(all.with_value(&"v-9".into()).is_none());
        assert_eq!(all.with_id("4").unwrap().value().len(), 3);
        assert!(all.with_id("9").is_none());
        assert!(Snapshot::default().named("a").is_empty());
    }

    #[test]
    fn a_mark_changes_with_every_field_and_with_what_it_was_made_with() {
        let anna = || key("1", "anna", "old-value");
        let mark = |key: Key| key.mark(&"new-value".into());
        assert_eq!(
            (mark(anna()), mark(anna()).len()),
            (
                mark(Key {
                    id: "2".into(),
                    ..anna()
                }),
                MARK_LENGTH
            )
        );
        let others = [
            key("1", "ben", "old-value"),
            key("1", "anna", "other-value"),
            Key {
                vlan: Some(4),
                ..anna()
            },
            Key {
                devices: Some(4),
                ..anna()
            },
            Key {
                expires: Some("2027-01-01T00:00:00Z".into()),
                ..anna()
            },
            Key {
                revoked: true,
                ..anna()
            },
        ];
        assert!(others.into_iter().all(|other| mark(other) != mark(anna())));
        assert_ne!(anna().mark(&"another".into()), mark(anna()));
        let until = |text: &str| Key {
            expires: Some(text.into()),
            ..anna()
        };
        assert_eq!(
            mark(until("2027-01-01T00:00:00Z")),
            mark(until("2027-01-01T01:00:00.000+01:00"))
        );
    }

    #[test]
    fn marks_are_stored_so_a_version_never_changes_and_another_one_tells_nothing() {
        let whole = Key {
            vlan: Some(44),
            devices: Some(5),
            expires: Some("2027-01-01T00:00:00Z".into()),
            revoked: true,
            ..key("1", "anna", "old-value")
        };
        let sealed = &"new-value".into();
        assert_eq!(
            (&*whole.mark(sealed), &*key("1", "anna", "new-value").mark(sealed)),
            ("2476a9208", "2918e1efc")
        );
        assert!(whole.is_still(Some(&whole.mark(sealed)), sealed));
        assert!(!key("1", "anna", "other").is_still(Some(&whole.mark(sealed)), sealed));
        for unknown in [None, Some("0a1b2c3d"), Some("2a1b2c3d"), Some("30a1b2c3d"), Some("")] {
            assert!(whole.is_still(unknown, sealed), "{unknown:?}");
        }
    }

    #[test]
    fn invented_names_are_told_by_their_form() {
        for (name, invented) in [
            ("DPSK_User_0A1B2C3D_1", true),
            ("DPSK_User_x9_254", true),
            ("DPSK_User_0A1B_", false),
            ("DPSK_User__1", false),
            ("DPSK_User_Lobby", false),
            ("DPSK-AccountDpsk-1", false),
            ("anna", false),
        ] {
            assert_eq!(is_invented(name), invented, "{name}");
        }
    }
}
