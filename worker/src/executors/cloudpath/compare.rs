//! Field by field: what is wanted against what was found. Pure. Decides what "equal" means, and words what is not.

use shared::cloudpath::{GroupSpec, PoolSpec};
use shared::job::outcome::TaskError;
use shared::secret::SecretString;

pub use super::differences::Differences;
use super::differences::clip;
use super::key_task::Wanted;
use super::snapshot::Key;
use crate::r1::identity::IdentityGroup;
use crate::r1::pool::{Pool, PoolBody};

/// Name of the field that is never shown.
pub const PASSPHRASE: &str = "passphrase";
/// Name of the field that no update changes.
pub const GROUP_OF_POOL: &str = "identityGroupId";

/// Fields of a pool that say which keys it takes. An update only ever widens them.
const WIDTHS: [&str; 3] = ["passphraseFormat", "passphraseLength", "deviceCountLimit"];

/// The error of an object that is there and differs. `object`: `DPSK pool "Lobby"`.
pub fn name_conflict(object: &str, differences: &Differences) -> TaskError {
    TaskError::new("NAME_CONFLICT", format!("{object} exists and differs: {differences}"))
}

/// The same of a pool. Where it is only too narrow, what the two other policies do about it.
pub fn pool_conflict(object: &str, differences: &Differences) -> TaskError {
    let mut error = name_conflict(object, differences);
    if differences.iter().all(|d| WIDTHS.contains(&d.field)) {
        error.message.push_str(
            "; the pool would not take keys of this export: with name_conflict=update it is widened (existing keys stay as \
             they are), with adopt it is used as it is and keys it does not take fail",
        );
    }
    error
}

/// The error of a name that several objects have: none of them can be told to be the one meant.
pub fn ambiguous(kind: &str, name: &str, count: usize) -> TaskError {
    TaskError::new(
        "AMBIGUOUS_NAME",
        format!(
            "{count} objects are named {}: which {kind} is meant can't be told",
            quoted(name)
        ),
    )
}

/// A name between quotes, cut at 80 characters.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", clip(name))
}

/// A group's name is given; what is left is the description, which says where it came from.
pub fn group(wanted: &GroupSpec, found: &IdentityGroup) -> Differences {
    let text = |s: &str| Some(s.to_owned()).filter(|s| !s.is_empty());
    let mut all = Differences::default();
    all.values(
        "description",
        found.description.as_deref().and_then(text),
        text(&wanted.description),
    );
    all
}

/// The body a pool is created with. What we do not import (notifications, without policies also who gets in unanswered) is left to the
/// controller's defaults.
pub fn pool_body(wanted: &PoolSpec) -> PoolBody {
    let rule = wanted.expiration.as_ref();
    PoolBody {
        name: wanted.name.clone(),
        // The same words on both sides, as both modules say; a round trip through JSON keeps it so.
        passphrase_format: same_word(&wanted.passphrase_format),
        passphrase_length: wanted.passphrase_length.into(),
        device_count_limit: wanted.device_count_limit.map(Into::into),
        expiration_type: rule.map(|r| same_word(&r.kind)),
        expiration_offset: rule.and_then(|r| r.offset),
        expiration_date: rule.and_then(|r| r.date.clone()),
        policy_default_access: wanted.policy_default_access,
        auto_notifications_enabled: None,
    }
}

/// The body of an update: what is there, with the fields we want. Settings that take every key stay as they are.
pub fn pool_change(wanted: &PoolSpec, found: &Pool) -> PoolBody {
    let (mut body, there) = (pool_body(wanted), &found.body);
    body.policy_default_access = body.policy_default_access.or(there.policy_default_access);
    body.auto_notifications_enabled = there.auto_notifications_enabled;
    if takes_format(there, &body) {
        body.passphrase_format = there.passphrase_format.clone();
    }
    if takes_length(there, &body) {
        body.passphrase_length = there.passphrase_length;
    }
    if takes_devices(there, &body) {
        body.device_count_limit = there.device_count_limit;
    }
    body
}

// Format, length and device limit are nobody's wish: they are the narrowest that take every key of the export, and move with it. A
// pool that takes all of them fits, and one made by an earlier import is found again when the export has grown or shrunk.

fn takes_format(there: &PoolBody, wanted: &PoolBody) -> bool {
    let width = |body: &PoolBody| {
        ["NUMBERS_ONLY", "KEYBOARD_FRIENDLY", "MOST_SECURED"]
            .iter()
            .position(|known| *known == word(&body.passphrase_format))
    };
    match (width(there), width(wanted)) {
        (Some(there), Some(wanted)) => there >= wanted,
        _ => there.passphrase_format == wanted.passphrase_format,
    }
}

/// It is the pool's minimum: what is shorter would be replaced.
fn takes_length(there: &PoolBody, wanted: &PoolBody) -> bool {
    there.passphrase_length <= wanted.passphrase_length
}

fn takes_devices(there: &PoolBody, wanted: &PoolBody) -> bool {
    match (there.device_count_limit, wanted.device_count_limit) {
        (None, _) => true,
        (Some(there), wanted) => wanted.is_some_and(|wanted| there >= wanted),
    }
}

/// Whether users whom no policy answers get in, where that is asked for at all. A pool that does not say lets them in.
fn takes_access(there: &PoolBody, wanted: &PoolBody) -> bool {
    let wanted = wanted.policy_default_access;
    wanted.is_none_or(|wanted| there.policy_default_access.unwrap_or(true) == wanted)
}

/// Whether the settings that may be wider are exactly these: what differs was not made by this body.
pub fn is_as_sent(sent: &PoolBody, found: &Pool) -> bool {
    found.body.passphrase_format == sent.passphrase_format
        && found.body.passphrase_length == sent.passphrase_length
        && found.body.device_count_limit == sent.device_count_limit
        && takes_access(&found.body, sent)
}

fn same_word<A: serde::Serialize, B: serde::de::DeserializeOwned>(word: &A) -> B {
    serde_json::to_value(word)
        .and_then(serde_json::from_value)
        .expect("an enum of words whose counterpart takes any word")
}

/// A pool with the name wanted, against the body wanted and the group it should be in.
pub fn pool(wanted: &PoolBody, group_id: &str, found: &Pool) -> Differences {
    let (mut all, body) = (Differences::default(), &found.body);
    if !takes_format(body, wanted) {
        all.values(
            "passphraseFormat",
            Some(word(&body.passphrase_format)),
            Some(word(&wanted.passphrase_format)),
        );
    }
    if !takes_length(body, wanted) {
        all.numbers(
            "passphraseLength",
            Some(body.passphrase_length),
            Some(wanted.passphrase_length),
        );
    }
    if !takes_devices(body, wanted) {
        all.numbers("deviceCountLimit", body.device_count_limit, wanted.device_count_limit);
    }
    pool_rest(&mut all, wanted, group_id, found);
    all
}

/// What of a pool has nothing to do with which keys it takes.
pub fn pool_rest(all: &mut Differences, wanted: &PoolBody, group_id: &str, found: &Pool) {
    let body = &found.body;
    all.values(
        "expirationType",
        body.expiration_type.as_ref().map(word),
        wanted.expiration_type.as_ref().map(word),
    );
    all.numbers("expirationOffset", body.expiration_offset, wanted.expiration_offset);
    all.times(
        "expirationDate",
        body.expiration_date.as_deref(),
        wanted.expiration_date.as_deref(),
    );
    if !takes_access(body, wanted) {
        let text = |access: Option<bool>| access.map(|access| access.to_string());
        all.values(
            "policyDefaultAccess",
            text(body.policy_default_access),
            text(wanted.policy_default_access),
        );
    }
    all.values(
        GROUP_OF_POOL,
        found.identity_group_id.clone(),
        Some(group_id.to_owned()),
    );
}

/// The word of an enum as it is on the wire.
pub fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "?".to_owned(),
    }
}

/// A key found for a row that should have the name `username` and the value `value`.
pub fn key(wanted: &Wanted, username: &str, value: &SecretString, found: &Key) -> Differences {
    let mut all = Differences::default();
    all.values("username", Some(found.username.to_string()), Some(username.to_owned()));
    if found.value.as_ref() != Some(value) {
        all.secret(PASSPHRASE, found.mark_of_value(value));
    }
    all.numbers("vlanId", found.vlan, wanted.vlan);
    all.numbers("numberOfDevices", found.devices, wanted.devices);
    all.times("expirationDate", found.expires.as_deref(), wanted.expires.as_deref());
    if found.revoked {
        all.values("status", Some("revoked".into()), Some("active".into()));
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pool_there(change: serde_json::Value) -> Pool {
        let mut pool = json!({"id": "p", "name": "Lobby-DPSK", "passphraseFormat": "KEYBOARD_FRIENDLY", "passphraseLength": 11,
            "deviceCountLimit": 5, "expirationType": "SPECIFIED_DATE", "expirationDate": "2027-01-01T00:00:00.000Z",
            "identityGroupId": "g", "policyDefaultAccess": false});
        for (field, value) in change.as_object().unwrap() {
            pool[field] = value.clone();
        }
        serde_json::from_value(pool).unwrap()
    }

    fn pool_wanted() -> PoolSpec {
        serde_json::from_value(
            json!({"index": 0, "group": 0, "name": "Lobby-DPSK", "passphrase_format": "KEYBOARD_FRIENDLY",
            "passphrase_length": 11, "device_count_limit": 5, "passphrases": 1,
            "expiration": {"type": "SPECIFIED_DATE", "date": "2027-01-01T00:00:00Z"}}),
        )
        .unwrap()
    }

    #[test]
    fn a_pool_is_equal_however_its_time_is_written_and_whatever_we_do_not_import() {
        assert!(pool(&pool_body(&pool_wanted()), "g", &pool_there(json!({}))).is_empty());
    }

    #[test]
    fn every_differing_field_of_a_pool_is_named_with_both_values() {
        let there = pool_there(
            json!({"passphraseFormat": "DICTIONARY_WORDS", "passphraseLength": 20, "deviceCountLimit": 3,
            "expirationType": "DAYS_AFTER_TIME", "expirationOffset": 3, "expirationDate": null, "identityGroupId": "h"}),
        );
        let found = pool(&pool_body(&pool_wanted()), "g", &there);
        assert_eq!(
            name_conflict("DPSK pool \"Lobby-DPSK\"", &found).message,
            "DPSK pool \"Lobby-DPSK\" exists and differs: passphraseFormat is DICTIONARY_WORDS, wanted KEYBOARD_FRIENDLY; \
             passphraseLength is 20, wanted 11; deviceCountLimit is 3, wanted 5; expirationType is DAYS_AFTER_TIME, wanted \
             SPECIFIED_DATE; expirationOffset is 3, wanted none; expirationDate is none, wanted 2027-01-01T00:00:00Z; \
             identityGroupId is h, wanted g"
        );
    }

    #[test]
    fn a_pool_that_is_only_too_narrow_is_told_what_can_be_done() {
        let told = |change| {
            let found = pool(&pool_body(&pool_wanted()), "g", &pool_there(change));
            pool_conflict("DPSK pool \"Lobby-DPSK\"", &found).message
        };
        assert_eq!(
            told(json!({"passphraseFormat": "NUMBERS_ONLY", "passphraseLength": 19})),
            "DPSK pool \"Lobby-DPSK\" exists and differs: passphraseFormat is NUMBERS_ONLY, wanted KEYBOARD_FRIENDLY; \
             passphraseLength is 19, wanted 11; the pool would not take keys of this export: with name_conflict=update it is \
             widened (existing keys stay as they are), with adopt it is used as it is and keys it does not take fail"
        );
        let other = told(json!({"passphraseLength": 19, "expirationType": null, "expirationDate": null}));
        assert!(other.ends_with("wanted 2027-01-01T00:00:00Z"), "{other}");
    }

    #[test]
    fn a_pool_that_takes_every_key_is_equal_one_that_does_not_differs() {
        for (field, fits, does_not) in [
            ("passphraseLength", json!(8), json!(12)),
            ("deviceCountLimit", json!(6), json!(4)),
            ("deviceCountLimit", json!(null), json!(1)),
            ("passphraseFormat", json!("MOST_SECURED"), json!("NUMBERS_ONLY")),
            (
                "passphraseFormat",
                json!("KEYBOARD_FRIENDLY"),
                json!("DICTIONARY_WORDS"),
            ),
        ] {
            let found = |value: &serde_json::Value| pool_there(json!({ field: value }));
            let differs = |value| pool(&pool_body(&pool_wanted()), "g", &found(value));
            assert!(differs(&fits).is_empty(), "{field} {fits}");
            assert!(differs(&does_not).only(field), "{field} {does_not}");
            // as it is where it fits, as wanted where it does not
            let changed = |value| pool_change(&pool_wanted(), &found(value));
            assert!(is_as_sent(&changed(&fits), &found(&fits)), "{field} {fits}");
            assert!(
                is_as_sent(&changed(&does_not), &pool_there(json!({}))),
                "{field} {does_not}"
            );
        }
        let unlimited: PoolSpec = serde_json::from_value(
            json!({"index": 0, "group": 0, "name": "Lobby-DPSK", "passphrase_format": "KEYBOARD_FRIENDLY",
            "passphrase_length": 11, "passphrases": 1}),
        )
        .unwrap();
        assert!(pool(&pool_body(&unlimited), "g", &pool_there(json!({}))).has("deviceCountLimit"));
    }

    #[test]
    fn a_change_keeps_what_we_do_not_import() {
        let body = pool_change(&pool_wanted(), &pool_there(json!({"passphraseLength": 20})));
        assert_eq!((body.passphrase_length, body.policy_default_access), (11, Some(false)));
    }

    #[test]
    fn who_gets_in_unanswered_matters_where_there_are_policies() {
        let wanted = |access: Option<bool>| PoolSpec {
            policy_default_access: access,
            ..pool_wanted()
        };
        let differs = |access, there| {
            pool(
                &pool_body(&wanted(access)),
                "g",
                &pool_there(json!({"policyDefaultAccess": there})),
            )
        };
        assert_eq!(
            differs(Some(true), json!(false)).to_string(),
            "policyDefaultAccess is false, wanted true"
        );
        assert_eq!(
            differs(Some(false), json!(null)).to_string(),
            "policyDefaultAccess is none, wanted false"
        );
        assert!(differs(Some(true), json!(null)).is_empty() && differs(None, json!(false)).is_empty());
        let changed = pool_change(&wanted(Some(true)), &pool_there(json!({})));
        assert_eq!(changed.policy_default_access, Some(true));
        assert!(!is_as_sent(&changed, &pool_there(json!({}))));
    }

    fn key_there(change: serde_json::Value) -> Key {
        let mut key = json!({"id": "k", "username": "anna", "passphrase": "correct-horse", "vlanId": 44, "numberOfDevices": 3,
            "expirationDate": "2027-06-15T07:00:00+00:00"});
        for (field, value) in change.as_object().unwrap() {
            key[field] = value.clone();
        }
        Key::of(serde_json::from_value(key).unwrap())
    }

    fn differences(change: serde_json::Value) -> Differences {
        let wanted = Wanted {
            vlan: Some(44),
            devices: Some(3),
            expires: Some("2027-06-15T07:00:00Z".into()),
        };
        key(&wanted, "anna", &"correct-horse".into(), &key_there(change))
    }

    #[test]
    fn a_key_is_compared_in_every_field_and_never_shown() {
        assert!(differences(json!({})).is_empty());
        let all = differences(
            json!({"username": "bob", "passphrase": "battery-staple", "vlanId": null, "numberOfDevices": null,
            "expirationDate": null, "revocationDate": "2026-01-01T00:00:00Z"}),
        );
        assert_eq!(
            all.to_string(),
            "username is bob, wanted anna; passphrase differs; vlanId is none, wanted 44; numberOfDevices is none, wanted 3; \
             expirationDate is none, wanted 2027-06-15T07:00:00Z; status is revoked, wanted active"
        );
        let only = differences(json!({"passphrase": "battery-staple"}));
        assert!(only.only(PASSPHRASE) && only.has(PASSPHRASE) && !all.only(PASSPHRASE));
    }

    #[test]
    fn a_description_may_be_absent_or_empty() {
        let there = |description| IdentityGroup {
            id: "g".into(),
            name: "n".into(),
            description,
            dpsk_pool_id: None,
            policy_set_id: None,
            identity_count: None,
        };
        let wanted = |description: &str| GroupSpec {
            index: 0,
            name: "n".into(),
            description: description.into(),
        };
        assert!(group(&wanted(""), &there(None)).is_empty());
        assert!(group(&wanted("a"), &there(Some("a".into()))).is_empty());
        assert_eq!(
            group(&wanted("a"), &there(None)).to_string(),
            "description is none, wanted a"
        );
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(quoted(&"ä".repeat(200)).chars().count(), 80 + 3);
    }
}
