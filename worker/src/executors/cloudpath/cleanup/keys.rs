//! `delete_passphrases`: the keys the import made. The keys of a pool are in memory from the first of its rows to the last.

use std::collections::HashMap;

use async_trait::async_trait;
use shared::cloudpath::NameConflict;
use shared::job::TaskStatus;
use shared::job::outcome::{Origin, Resource};
use shared::secret::SecretString;

use super::super::compare::{self, Differences, quoted};
use super::super::key_task::{KeyTask, Op};
use super::super::snapshot::{Key, Snapshot};
use super::super::{passphrases, read_back};
use super::executor::{Kept, Plan, Removal, Work};
use super::kin::{OfKin, is_in_doubt};
use super::past::{Claim, claim};
use super::target::{Target, pool_is_there};
use crate::executors::{Found, Past, PlanError};
use crate::r1::asked;
use crate::remote::CallError;

pub struct Keys;

/// A pool is swept so often, at most, until as many keys were seen as it is said to have.
const SWEEPS_MAX: u32 = 3;
/// The phase that made them.
const FROM: &str = "create_passphrases";
/// The error of a key that has the value sent, under a name RUCKUS One made of ours.
const RENAMED: &str = "STORED_UNDER_ANOTHER_NAME";

/// What becomes of a key.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Gone,
    /// Id and user name there, and what of it was changed since.
    Ours(String, String, Differences),
    /// The same of one that may be somebody else's.
    NotOurs(String, String, String),
}

/// Pure: a key that the import knows to have made, found by its id.
fn fate_of_made(made: &Resource, status: TaskStatus, key: &KeyTask, value: &SecretString, found: Option<&Key>) -> Fate {
    let Some(found) = found else { return Fate::Gone };
    let differences = match status {
        TaskStatus::Completed => compare::key(&key.wanted, &made.name, value, found),
        // it never was as it should be; what it was is not known but for its name
        _ => {
            let mut all = Differences::default();
            all.values("username", Some(found.username.to_string()), Some(made.name.clone()));
            all
        }
    };
    Fate::Ours(found.id.to_string(), found.username.to_string(), differences)
}

/// Pure: a key of which nobody knows what became of its write.
fn fate_of_unknown(past: &Past, key: &KeyTask, value: &SecretString, there: &Snapshot) -> Fate {
    let (index, user) = (past.task.input.index, &past.task.input.name);
    let Found::Present(outcome) = read_back::judge(index, user, value, key, there, NameConflict::Fail, true) else {
        return Fate::Gone;
    };
    let (error, name) = (outcome.error, key.name_there(user));
    let is_as_sent = error.as_ref().is_none_or(|e| e.code == RENAMED);
    match outcome.resource {
        Some(made) if made.origin == Origin::Created && is_as_sent => {
            Fate::Ours(made.id, made.name, Differences::default())
        }
        _ => {
            let why = error.map_or_else(String::new, |e| e.message);
            let id = there
                .named(name)
                .first()
                .map_or_else(String::new, |key| key.id.to_string());
            Fate::NotOurs(id, name.to_owned(), why)
        }
    }
}

/// The import only makes keys of tasks of these two kinds.
fn key_of(past: &Past) -> Result<Option<KeyTask>, CallError> {
    let key = KeyTask::read(&past.task.input.data)?;
    Ok(Some(key).filter(|key| !matches!(key.op, Op::Update { .. })))
}

async fn sweep(work: &Work<'_>, pool: &str) -> Result<Snapshot, CallError> {
    let mut last = None;
    for _ in 0..SWEEPS_MAX {
        match Snapshot::sweep(&work.r1, work.cx.gate.as_ref(), pool).await {
            Err(e @ CallError::NotFound { .. }) if pool_is_there(&work.r1, work.cx, pool).await? => return Err(e),
            Err(CallError::NotFound { .. }) => return Ok(Snapshot::default()),
            Err(e) => return Err(e),
            Ok(keys) if keys.missing == 0 => return Ok(keys),
            Ok(keys) => last = Some(keys),
        }
    }
    Ok(last.unwrap_or_default())
}

async fn decide(work: &Work<'_>, past: &Past, key: &KeyTask, there: &Snapshot) -> Result<Fate, CallError> {
    // without it nothing is equal, so the key stays
    let value = past.task.secret.clone().unwrap_or_else(|| SecretString::new(""));
    Ok(match claim(past) {
        Some(Claim::Made(made)) => {
            let mut found = there.with_id(&made.id).cloned();
            if found.is_none() && there.missing > 0 {
                // keys are hidden: this may be one of them
                let ask = |permit| work.r1.passphrase(permit, &key.pool, &made.id);
                found = match asked(work.cx.gate.as_ref(), ask).await {
                    Ok(key) => Some(Key::of(key)),
                    Err(CallError::NotFound { .. }) => None,
                    Err(e) => return Err(e),
                };
            }
            fate_of_made(made, past.outcome.status, key, &value, found.as_ref())
        }
        _ => fate_of_unknown(past, key, &value, there),
    })
}

#[async_trait]
impl Removal for Keys {
    const EXECUTOR: &'static str = "cloudpath.delete_passphrases";

    async fn plan(work: &Work<'_>, plan: &mut Plan<'_>) -> Result<(), PlanError> {
        // keys to decide about in each pool
        let mut left: HashMap<String, u32> = HashMap::new();
        let (mut walk, mut is_any_in_doubt) = (work.past(FROM)?, false);
        while let Some(batch) = walk.next().await? {
            let mut names = Vec::new();
            for past in &batch {
                is_any_in_doubt |= is_in_doubt(past);
                if let Some(key) = key_of(past)? {
                    names.push(passphrases::claimed(&key.pool, &past.task.input.name));
                    *left.entry(key.pool).or_default() += 1;
                }
            }
            plan.claim(names).await?;
        }
        let of_kin = OfKin::of(work, FROM, is_any_in_doubt).await?;
        let mut open: HashMap<String, Snapshot> = HashMap::new();
        let mut walk = work.past(FROM)?;
        while let Some(batch) = walk.next().await? {
            for past in &batch {
                let Some(key) = key_of(past)? else { continue };
                if !open.contains_key(&key.pool) {
                    open.insert(key.pool.clone(), sweep(work, &key.pool).await?);
                }
                let fate = decide(work, past, &key, &open[&key.pool]).await?;
                push(plan, &of_kin, past, &key, fate).await?;
                let left = left.entry(key.pool.clone()).or_default();
                *left = left.saturating_sub(1);
                if *left == 0 {
                    open.remove(&key.pool);
                }
            }
        }
        Ok(())
    }
}

async fn push(plan: &mut Plan<'_>, of_kin: &OfKin, past: &Past, key: &KeyTask, fate: Fate) -> Result<(), PlanError> {
    let (index, name) = (past.task.input.index, &past.task.input.name);
    let object = |user: &str| format!("the passphrase of user {}", quoted(user));
    let target = |id: String, user: &str| Target::Passphrase {
        pool: key.pool.clone(),
        id,
        user: (user != name).then(|| user.to_owned()),
    };
    match fate {
        Fate::Gone => plan.gone(index, name).await,
        Fate::Ours(id, user, differences) => {
            let (target, object) = (target(id, &user), object(&user));
            match of_kin.keeps(past, &target, &object) {
                Some(why) => plan.keep(index, name, &target, why).await,
                None => {
                    plan.delete_unless_changed(index, name, &target, &object, &differences)
                        .await
                }
            }
        }
        Fate::NotOurs(id, user, why) => {
            let why = Kept::may_not_be_ours(&object(&user), &why);
            plan.keep(index, name, &target(id, &user), why).await
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::job::outcome::{Outcome, TaskError};
    use shared::job::task::TaskInput;

    use super::super::super::snapshot::tests::key;
    use super::*;
    use crate::executors::Task;

    fn made(name: &str) -> Resource {
        serde_json::from_value(json!({"t": "passphrase", "d": "k", "n": name, "a": "c"})).unwrap()
    }

    fn task() -> KeyTask {
        serde_json::from_value(json!({"p": "pool"})).unwrap()
    }

    fn fate(found: Option<&Key>, status: TaskStatus) -> Fate {
        fate_of_made(&made("anna"), status, &task(), &"correct-horse".into(), found)
    }

    #[test]
    fn a_key_that_was_made_goes_unless_it_was_changed() {
        let ours = |differs: bool, fate: Fate| matches!(fate, Fate::Ours(_, _, d) if d.is_empty() != differs);
        assert_eq!(fate(None, TaskStatus::Completed), Fate::Gone);
        assert!(ours(
            false,
            fate(Some(&key("k", "anna", "correct-horse")), TaskStatus::Completed)
        ));
        assert!(ours(
            true,
            fate(Some(&key("k", "anna", "another")), TaskStatus::Completed)
        ));
        assert!(ours(
            true,
            fate(Some(&key("k", "bea", "correct-horse")), TaskStatus::Completed)
        ));
        // not as sent from the beginning
        assert!(ours(
            false,
            fate(Some(&key("k", "anna", "another")), TaskStatus::Failed)
        ));
        assert!(ours(true, fate(Some(&key("k", "bea", "another")), TaskStatus::Failed)));
    }

    #[test]
    fn of_an_unknown_write_only_what_was_sent_is_ours() {
        let input: TaskInput = serde_json::from_value(json!({"i": 7, "n": "anna"})).unwrap();
        let mut outcome = Outcome::new(7, TaskStatus::Unknown);
        outcome.error = Some(TaskError::new("ACTIVITY_NEVER_ENDED", ""));
        let past = Past {
            task: Task { input, secret: None },
            outcome,
        };
        let fate =
            |there: &[Key]| fate_of_unknown(&past, &task(), &"correct-horse".into(), &Snapshot::of(there.to_vec()));
        assert_eq!(fate(&[]), Fate::Gone);
        assert!(matches!(fate(&[key("k", "anna", "correct-horse")]), Fate::Ours(id, ..) if id == "k"));
        assert!(matches!(fate(&[key("k", "anna_1", "correct-horse")]), Fate::Ours(_, name, _) if name == "anna_1"));
        assert!(matches!(fate(&[key("k", "anna", "another")]), Fate::NotOurs(id, ..) if id == "k"));
        assert!(
            matches!(fate(&[key("k", "zoe", "correct-horse")]), Fate::NotOurs(..)),
            "somebody else's name"
        );
    }
}
