//! What reading back says of a key whose write may have been applied. Pure.

use shared::cloudpath::NameConflict;
use shared::job::outcome::{Origin, Outcome, TaskError};
use shared::secret::SecretString;

use super::compare::{self, Differences, PASSPHRASE, name_conflict, quoted};
use super::decide::resource;
use super::key_task::{KeyTask, Op};
use super::snapshot::{Key, Snapshot, is_invented};
use crate::executors::Found;

/// `there`: keys of the pool, at least those of that name. `ours`: a write of ours may have made them.
pub fn judge(
    index: u32,
    username: &str,
    value: &SecretString,
    task: &KeyTask,
    there: &Snapshot,
    policy: NameConflict,
    ours: bool,
) -> Found {
    let name = task.name_there(username);
    let compared = there
        .named(name)
        .iter()
        .filter(|key| !matches!(&task.op, Op::Update { id, .. } if **id != *key.id))
        .map(|key| (key, compare::key(&task.wanted, name, value, key)));
    // Of twins, the one that fits; else the first.
    let Some((key, differences)) = compared.min_by_key(|(_, differences)| !differences.is_empty()) else {
        // a change of a key that is there is looked for by its name alone
        let elsewhere = there
            .with_value(value)
            .filter(|_| ours && !matches!(task.op, Op::Update { .. }));
        return elsewhere.map_or(Found::Absent, |other| {
            Found::Present(under_another_name(index, username, name, other))
        });
    };
    let completed = |origin| Outcome::completed(index, Some(resource(&key.id, name, origin)));
    let outcome = match (differences.is_empty(), &task.op) {
        (true, _) if !ours => completed(Origin::Adopted),
        (true, Op::Update { .. }) => completed(Origin::Updated),
        (true, Op::Create | Op::Identity { .. }) => completed(Origin::Created),
        // The change has not been made (yet).
        (false, Op::Update { was, .. }) if !ours || key.is_still(was.as_deref(), value) => {
            return Found::Absent;
        }
        (false, _) if ours => {
            let (error, is_ours) = ours_but_different(username, task, &differences);
            let origin = match task.op {
                Op::Update { .. } => Origin::Updated,
                Op::Create | Op::Identity { .. } => Origin::Created,
            };
            let made = is_ours.then(|| resource(&key.id, name, origin));
            Outcome {
                resource: made,
                ..Outcome::failed(index, error)
            }
        }
        (false, _) if policy == NameConflict::Adopt => completed(Origin::Adopted),
        (false, _) => {
            let object = format!("the passphrase of user {}", quoted(username));
            Outcome::failed(index, name_conflict(&object, &differences))
        }
    };
    Found::Present(outcome)
}

/// No key had that value when this was planned. It is ours, and a cleanup takes it away, where RUCKUS One has made its name of ours or
/// invented it; a name that somebody has chosen may be somebody else's key, made in the same moment. `name`: what it should have there.
fn under_another_name(index: u32, username: &str, name: &str, other: &Key) -> Outcome {
    let is_numbered = other
        .username
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('_'))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    let (user, stored) = (quoted(username), quoted(&other.username));
    if !is_numbered && !is_invented(&other.username) {
        let message = format!(
            "user {stored} has the passphrase of user {user}, stored there by RUCKUS One or somebody else in the same moment; see whose it is"
        );
        return Outcome::failed(index, TaskError::new("PASSPHRASE_TAKEN", message));
    }
    let message = format!(
        "RUCKUS One stored the passphrase of user {user} under the name {stored}; delete it there, then import again"
    );
    Outcome {
        resource: Some(resource(&other.id, &other.username, Origin::Created)),
        ..Outcome::failed(index, TaskError::new("STORED_UNDER_ANOTHER_NAME", message))
    }
}

/// We sent it, and it is not what we sent. The flag: it is ours all the same, and belongs into the ledger, so that a cleanup takes it
/// away; where somebody else may have made it in the meantime, it does not.
fn ours_but_different(username: &str, task: &KeyTask, differences: &Differences) -> (TaskError, bool) {
    let user = quoted(username);
    let is_change = matches!(task.op, Op::Update { .. });
    if differences.has(PASSPHRASE) {
        let why = match (task.is_short, is_change, differences.only(PASSPHRASE)) {
            (true, ..) => ", since it is shorter than the pool's minimum; lengthen it in the export",
            (false, true, _) => ", or somebody else changed it in the same moment; see what it is there",
            (false, false, true) => ", or somebody else made that user's in the same moment; delete it there",
            (false, false, false) => {
                let object = format!("the passphrase of user {user}");
                return (name_conflict(&object, differences), false);
            }
        };
        let message = format!(
            "RUCKUS One has stored another passphrase for user {user} than the one sent{why}, then import again"
        );
        return (
            TaskError::new("PASSPHRASE_REPLACED", message),
            task.is_short || is_change,
        );
    }
    let what = match task.op {
        Op::Identity { .. } => "the identity that was there has its passphrase, without the rest",
        Op::Update { .. } => "it was changed, but not as sent",
        Op::Create => "it was made, but not as sent",
    };
    let message =
        format!("user {user}: {what}: {differences}; a further import with name_conflict update sets it right");
    (TaskError::new("FIELDS_NOT_SET", message), true)
}

#[cfg(test)]
mod tests {
    use shared::job::TaskStatus;

    use super::super::key_task::Wanted;
    use super::super::snapshot::tests::key;
    use super::*;

    fn task(op: Op, is_short: bool) -> KeyTask {
        KeyTask {
            pool: "p".into(),
            wanted: Wanted::default(),
            is_short,
            op,
        }
    }

    fn judged(task: &KeyTask, there: &[Key], policy: NameConflict, ours: bool) -> Option<Outcome> {
        let there = Snapshot::of(there.to_vec());
        match judge(7, "anna", &"correct-horse".into(), task, &there, policy, ours) {
            Found::Absent | Found::Unfinished | Found::Remains => None,
            Found::Present(outcome) => Some(outcome),
        }
    }

    fn origin(outcome: Option<Outcome>) -> Option<Origin> {
        let outcome = outcome?;
        assert_eq!((outcome.index, outcome.status), (7, TaskStatus::Completed));
        outcome.resource.map(|r| r.origin)
    }

    fn update() -> Op {
        Op::Update {
            id: "k".into(),
            name: None,
            email: None,
            phone: None,
            was: Some(key("k", "anna", "old-value").mark(&"correct-horse".into())),
        }
    }

    #[test]
    fn equal_is_created_if_it_may_be_ours_and_else_adopted() {
        let (there, fail) = ([key("k", "anna", "correct-horse")], NameConflict::Fail);
        let create = task(Op::Create, false);
        assert_eq!(origin(judged(&create, &there, fail, true)), Some(Origin::Created));
        assert_eq!(origin(judged(&create, &there, fail, false)), Some(Origin::Adopted));
        assert_eq!(
            origin(judged(&task(update(), false), &there, fail, true)),
            Some(Origin::Updated)
        );
        assert_eq!(judged(&create, &[], fail, true), None);
        let twins = [key("j", "anna", "other"), key("k", "anna", "correct-horse")];
        assert_eq!(judged(&create, &twins, fail, true).unwrap().resource.unwrap().id, "k");
    }

    #[test]
    fn a_change_not_made_yet_is_as_good_as_absent() {
        let there = [key("k", "anna", "old-value")];
        assert_eq!(judged(&task(update(), false), &there, NameConflict::Update, true), None);
    }

    #[test]
    fn a_change_that_came_to_something_else_is_told() {
        let changed = |there: Key| judged(&task(update(), false), &[there], NameConflict::Update, true).unwrap();
        let replaced = changed(key("k", "anna", "generated-by-r1"));
        assert_eq!(replaced.error.unwrap().code, "PASSPHRASE_REPLACED");
        assert_eq!(replaced.resource.unwrap().origin, Origin::Updated);
        let clamped = Key {
            devices: Some(1),
            ..key("k", "anna", "correct-horse")
        };
        let message = changed(clamped).error.unwrap().message;
        assert!(
            message.contains("it was changed, but not as sent: numberOfDevices is 1, wanted none"),
            "{message}"
        );
        // planned by a version that kept no mark
        let op = Op::Update {
            id: "k".into(),
            name: None,
            email: None,
            phone: None,
            was: None,
        };
        let there = [key("k", "anna", "generated-by-r1")];
        assert_eq!(judged(&task(op, false), &there, NameConflict::Update, true), None);
    }

    #[test]
    fn a_replaced_short_passphrase_is_told_and_stays_in_the_ledger() {
        let there = [key("k", "anna", "generated-by-r1")];
        let outcome = judged(&task(Op::Create, true), &there, NameConflict::Adopt, true).unwrap();
        assert_eq!(outcome.error.unwrap().code, "PASSPHRASE_REPLACED");
        assert_eq!(outcome.resource.unwrap().origin, Origin::Created);
        // Long enough: it may be somebody else's, and is not ours to delete.
        let outcome = judged(&task(Op::Create, false), &there, NameConflict::Adopt, true).unwrap();
        assert_eq!(
            (outcome.error.unwrap().code.as_str(), outcome.resource),
            ("PASSPHRASE_REPLACED", None)
        );
    }

    #[test]
    fn somebody_elses_that_differs_goes_by_the_policy() {
        let there = [key("k", "anna", "another-one")];
        let refused = judged(&task(Op::Create, false), &there, NameConflict::Fail, false).unwrap();
        assert_eq!(
            refused.error.unwrap().message,
            "the passphrase of user \"anna\" exists and differs: passphrase differs"
        );
        let adopted = judged(&task(Op::Create, false), &there, NameConflict::Adopt, false);
        assert_eq!(origin(adopted), Some(Origin::Adopted));
    }

    #[test]
    fn a_key_of_ours_under_another_name_is_told_and_is_ours() {
        for other in ["anna_1", "DPSK_User_0A1B2C3D_1"] {
            let there = [key("j", "ben", "another-one"), key("k", other, "correct-horse")];
            let outcome = judged(&task(Op::Create, false), &there, NameConflict::Fail, true).unwrap();
            let (error, made) = (outcome.error.unwrap(), outcome.resource.unwrap());
            assert_eq!(error.code, "STORED_UNDER_ANOTHER_NAME");
            assert_eq!((&*made.id, &*made.name, made.origin), ("k", other, Origin::Created));
            // not sent yet: somebody else's, and no reason to believe that ours is there
            assert_eq!(
                judged(&task(Op::Create, false), &there, NameConflict::Fail, false),
                None
            );
            assert_eq!(judged(&task(update(), false), &there, NameConflict::Update, true), None);
        }
        // an identity of another name than the row's: the number is behind its own
        let op = || Op::Identity {
            group: "g".into(),
            id: "i".into(),
            name: "Anna A.".into(),
        };
        for (other, code) in [
            ("Anna A._1", "STORED_UNDER_ANOTHER_NAME"),
            ("anna_1", "PASSPHRASE_TAKEN"),
        ] {
            let there = [key("k", other, "correct-horse")];
            let outcome = judged(&task(op(), false), &there, NameConflict::Fail, true).unwrap();
            assert_eq!(outcome.error.unwrap().code, code, "{other}");
        }
        // chosen by somebody: perhaps theirs
        for other in ["ben", "anna_b", "anna_", "annabel_1"] {
            let there = [key("k", other, "correct-horse")];
            let outcome = judged(&task(Op::Create, false), &there, NameConflict::Fail, true).unwrap();
            assert_eq!(outcome.error.unwrap().code, "PASSPHRASE_TAKEN", "{other}");
            assert_eq!(outcome.resource, None, "{other}");
        }
    }

    #[test]
    fn fields_that_did_not_arrive_are_named() {
        let there = [Key {
            devices: Some(3),
            ..key("k", "Anna A.", "correct-horse")
        }];
        let op = Op::Identity {
            group: "g".into(),
            id: "i".into(),
            name: "Anna A.".into(),
        };
        let outcome = judged(&task(op, false), &there, NameConflict::Fail, true).unwrap();
        let (error, made) = (outcome.error.unwrap(), outcome.resource.unwrap());
        assert_eq!((error.code.as_str(), made.origin), ("FIELDS_NOT_SET", Origin::Created));
        assert!(
            error.message.contains("numberOfDevices is 3, wanted none"),
            "{}",
            error.message
        );
    }
}
