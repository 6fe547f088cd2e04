//! What becomes of one row, given what is in its pool. Pure.

use shared::cloudpath::{NameConflict, Row};
use shared::job::outcome::{Origin, Outcome, Resource, TaskError};
use shared::secret::SecretString;

use super::compare::{self, Differences, PASSPHRASE, quoted};
use super::identities::People;
use super::key_task::{Op, Wanted};
use super::snapshot::{Key, Snapshot, is_invented};

pub const KIND: &str = "passphrase";

/// A pool as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolNow {
    pub id: String,
    pub name: String,
    /// Its `passphraseLength`: what is shorter may be replaced.
    pub min_length: u32,
    /// Group whose identities have to be looked at; absent where there can be none but ours.
    pub group: Option<String>,
}

/// What to do about a row.
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// Nothing: this is its end.
    Settled(Outcome),
    /// Adopted as it is, with these differences from the export: `name_conflict` says so.
    Left(Outcome, Differences),
    Do(Op),
}

/// A key for the ledger.
pub fn resource(id: &str, username: &str, origin: Origin) -> Resource {
    Resource {
        kind: KIND.into(),
        id: id.into(),
        name: username.into(),
        origin,
    }
}

/// By name: the row's key is there, in whatever form. `None`: it is not.
pub fn by_name(
    row: &Row,
    value: &SecretString,
    policy: NameConflict,
    pool: &PoolNow,
    keys: &Snapshot,
) -> Option<Decision> {
    if is_invented(&row.username) {
        let message = format!(
            "user name {} has the form RUCKUS One gives to users without a name, which are never adopted: give it another name",
            quoted(&row.username)
        );
        return Some(failed(row, "INVENTED_NAME", message));
    }
    let wanted = Wanted::of(row);
    let compared = keys.named(&row.username).iter().map(|key| {
        let differences = compare::key(&wanted, &row.username, value, key);
        (key, differences)
    });
    // Of twins, the one that fits; else the first.
    let (key, differences) = compared.min_by_key(|(_, differences)| !differences.is_empty())?;
    Some(exists(row, value, policy, pool, keys, key, &differences))
}

/// The row's user name has no key in the pool: an identity may wait for it, another user may have its passphrase, or it is free.
/// `people`: the identities of the pool's group, where they had to be looked at.
pub fn absent(
    row: &Row,
    value: &SecretString,
    policy: NameConflict,
    pool: &PoolNow,
    keys: &Snapshot,
    people: Option<&mut People>,
) -> Decision {
    let found = people.and_then(|people| {
        let (at, person) = people.find(&row.guid, &row.username)?;
        let person = person.clone();
        Some((people.take(at), person))
    });
    if let Some((_, person)) = &found
        && let Some(key) = person.key.as_deref().and_then(|id| keys.with_id(id))
    {
        // Somebody renamed it: its Cloudpath guid still tells whose it is.
        let differences = compare::key(&Wanted::of(row), &person.name, value, key);
        return exists(row, value, policy, pool, keys, key, &differences);
    }
    if let Some(other) = keys.with_value(value) {
        return taken(row, pool, other);
    }
    let Some((is_free, person)) = found else {
        return Decision::Do(Op::Create);
    };
    let (name, user) = (quoted(&person.name), quoted(&row.username));
    if person.key.is_some() {
        let message = format!("identity {name}, which is that of user {user}, has a passphrase in another pool");
        return failed(row, "IDENTITY_HAS_KEY", message);
    }
    match (is_free, &pool.group) {
        (true, Some(group)) => Decision::Do(Op::Identity {
            group: group.clone(),
            id: person.id,
            name: person.name,
        }),
        _ => {
            let message =
                format!("identity {name}, which is that of user {user}, is that of another user of the export, too");
            failed(row, "IDENTITY_TAKEN", message)
        }
    }
}

/// A key in the words of an error.
pub fn object(username: &str, pool: &str) -> String {
    format!("the passphrase of user {} in pool {}", quoted(username), quoted(pool))
}

fn exists(
    row: &Row,
    value: &SecretString,
    policy: NameConflict,
    pool: &PoolNow,
    keys: &Snapshot,
    key: &Key,
    differences: &Differences,
) -> Decision {
    let adopted = || {
        let resource = resource(&key.id, &key.username, Origin::Adopted);
        Outcome::completed(row.row, Some(resource))
    };
    match policy {
        _ if differences.is_empty() => Decision::Settled(adopted()),
        NameConflict::Adopt => Decision::Left(adopted(), differences.clone()),
        NameConflict::Fail => {
            let object = object(&row.username, &pool.name);
            Decision::Settled(Outcome::failed(row.row, compare::name_conflict(&object, differences)))
        }
        NameConflict::Update => {
            if is_short(value, pool) {
                let message = format!(
                    "the passphrase of user {} is shorter than the {} characters pool {} asks for, so updating it could replace it \
                     by a generated one; left as it is, and differs: {differences}",
                    quoted(&row.username),
                    pool.min_length,
                    quoted(&pool.name),
                );
                return failed(row, "PASSPHRASE_TOO_SHORT", message);
            }
            if differences.has(PASSPHRASE)
                && let Some(other) = keys.with_value(value)
            {
                return taken(row, pool, other);
            }
            let (email, phone) = key.contact.as_deref().cloned().unwrap_or_default();
            Decision::Do(Op::Update {
                id: key.id.to_string(),
                name: (*key.username != *row.username).then(|| key.username.to_string()),
                email,
                phone,
                was: Some(key.mark(value)),
            })
        }
    }
}

/// Shorter than the pool's minimum: RUCKUS One may report success and store another value.
pub fn is_short(value: &SecretString, pool: &PoolNow) -> bool {
    value.expose().chars().count() < pool.min_length as usize
}

fn taken(row: &Row, pool: &PoolNow, other: &Key) -> Decision {
    let invented = if is_invented(&other.username) {
        ", a name RUCKUS One made up"
    } else {
        ""
    };
    let message = format!(
        "the passphrase of user {} is that of user {}{invented} in pool {} already",
        quoted(&row.username),
        quoted(&other.username),
        quoted(&pool.name)
    );
    failed(row, "PASSPHRASE_TAKEN", message)
}

fn failed(row: &Row, code: &str, message: String) -> Decision {
    Decision::Settled(Outcome::failed(row.row, TaskError::new(code, message)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::snapshot::tests::key;
    use super::*;

    const VALUE: &str = "correct-horse";

    fn row(username: &str) -> Row {
        serde_json::from_value(json!({"i": 7, "p": 0, "g": "guid-1", "u": username, "v": 44})).unwrap()
    }

    fn pool(min_length: u32) -> PoolNow {
        PoolNow {
            id: "p".into(),
            name: "Lobby".into(),
            min_length,
            group: Some("g".into()),
        }
    }

    fn there(id: &str, username: &str, value: &str) -> Key {
        Key {
            vlan: Some(44),
            ..key(id, username, value)
        }
    }

    fn decide(policy: NameConflict, keys: Vec<Key>, people: Option<&mut People>) -> Decision {
        let (row, value, keys) = (row("anna"), SecretString::from(VALUE), Snapshot::of(keys));
        by_name(&row, &value, policy, &pool(8), &keys)
            .unwrap_or_else(|| absent(&row, &value, policy, &pool(8), &keys, people))
    }

    fn code(decision: Decision) -> String {
        match decision {
            Decision::Settled(Outcome { error: Some(e), .. }) => {
                assert!(!e.message.contains(VALUE), "{}", e.message);
                e.code
            }
            other => format!("{other:?}"),
        }
    }

    fn person(id: &str, name: &str, description: &str, key: Option<&str>) -> crate::r1::identity::Identity {
        serde_json::from_value(json!({"id": id, "name": name, "description": description, "dpskGuid": key})).unwrap()
    }

    fn people(all: Vec<crate::r1::identity::Identity>) -> People {
        let mut people = People::default();
        all.into_iter().for_each(|identity| people.add(identity));
        people
    }

    #[test]
    fn absent_is_created_and_equal_is_adopted() {
        assert_eq!(decide(NameConflict::Fail, vec![], None), Decision::Do(Op::Create));
        let adopted = Decision::Settled(Outcome::completed(7, Some(resource("k", "anna", Origin::Adopted))));
        let twins = vec![there("j", "anna", "other-value"), there("k", "anna", VALUE)];
        assert_eq!(decide(NameConflict::Fail, twins, None), adopted);
    }

    #[test]
    fn a_key_that_differs_goes_by_the_policy() {
        let differs = || vec![there("k", "anna", "other-value")];
        assert_eq!(code(decide(NameConflict::Fail, differs(), None)), "NAME_CONFLICT");
        let Decision::Left(outcome, differences) = decide(NameConflict::Adopt, differs(), None) else {
            panic!("it is left as it is");
        };
        let adopted = Outcome::completed(7, Some(resource("k", "anna", Origin::Adopted)));
        assert_eq!((outcome, differences.only(PASSPHRASE)), (adopted, true));
        let update = |name| {
            Decision::Do(Op::Update {
                id: "k".into(),
                name,
                email: None,
                phone: None,
                was: Some(there("k", "anna", "other-value").mark(&VALUE.into())),
            })
        };
        assert_eq!(decide(NameConflict::Update, differs(), None), update(None));
        let with_other = vec![there("k", "anna", "other-value"), there("l", "ben", VALUE)];
        assert_eq!(code(decide(NameConflict::Update, with_other, None)), "PASSPHRASE_TAKEN");
        let short = by_name(
            &row("anna"),
            &VALUE.into(),
            NameConflict::Update,
            &pool(20),
            &Snapshot::of(differs()),
        );
        assert_eq!(
            code(short.unwrap()),
            "PASSPHRASE_TOO_SHORT",
            "a working key must not become a generated one"
        );
    }

    #[test]
    fn a_passphrase_somebody_else_has_and_names_nobody_has_are_refused() {
        let other = vec![there("k", "DPSK_User_0A1B2C3D_1", VALUE)];
        assert_eq!(code(decide(NameConflict::Adopt, other, None)), "PASSPHRASE_TAKEN");
        let invented = by_name(
            &row("DPSK_User_0A1B2C3D_1"),
            &VALUE.into(),
            NameConflict::Adopt,
            &pool(8),
            &Snapshot::of(vec![there("k", "DPSK_User_0A1B2C3D_1", VALUE)]),
        );
        assert_eq!(code(invented.unwrap()), "INVENTED_NAME");
    }

    #[test]
    fn an_identity_without_a_key_is_given_one_and_only_one() {
        let identity = Op::Identity {
            group: "g".into(),
            id: "by-guid".into(),
            name: "Anna A.".into(),
        };
        let mut all = people(vec![
            person("by-name", "anna", "", None),
            person("invented", "DPSK_User_0A1B2C3D_1", "guid-1", None),
            person("by-guid", "Anna A.", "guid-1", None),
        ]);
        assert_eq!(
            decide(NameConflict::Fail, vec![], Some(&mut all)),
            Decision::Do(identity)
        );
        assert_eq!(
            code(decide(NameConflict::Fail, vec![], Some(&mut all))),
            "IDENTITY_TAKEN"
        );
        let mut elsewhere = people(vec![person("by-name", "anna", "", Some("key-of-another-pool"))]);
        assert_eq!(
            code(decide(NameConflict::Fail, vec![], Some(&mut elsewhere))),
            "IDENTITY_HAS_KEY"
        );
    }

    #[test]
    fn a_renamed_identity_keeps_its_key_in_a_second_run() {
        let mut all = people(vec![person("i", "Anna A.", "guid-1", Some("k"))]);
        let adopted = Decision::Settled(Outcome::completed(7, Some(resource("k", "Anna A.", Origin::Adopted))));
        assert_eq!(
            decide(NameConflict::Fail, vec![there("k", "Anna A.", VALUE)], Some(&mut all)),
            adopted
        );
    }
}
