//! `audit_passphrases`: each key of the import, by its id and field by field; and what else is in its pools.
//!
//! Every pool is read once. Its keys are in memory from the first of its rows to the last, and a mark for each that a row accounts for;
//! what has no mark in the end is *extra*. It is not where a retry of the import, or the job it is a retry of, has put it there; nor where
//! it was in a pool of others before the import came: these are counted and left alone.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use jiff::Timestamp;
use shared::job::audit::{Finding, Verdict};
use shared::job::outcome::Origin;
use shared::job::task::TaskInput;
use shared::secret::SecretString;

use super::super::cleanup::target::pool_is_there;
use super::super::compare::{self, Differences};
use super::super::decide::KIND;
use super::super::key_task::KeyTask;
use super::super::snapshot::{Key, Snapshot};
use super::executor::{Inspection, Work};
use super::groups::made;
use super::past::{Expected, expected};
use super::rows::{About, Rows, Seen};
use crate::executors::{PlanError, Standing};
use crate::r1::asked;
use crate::remote::CallError;

pub struct Keys;

/// A pool is swept so often, at most, until as many keys were seen as it is said to have.
const SWEEPS_MAX: u32 = 3;
/// Tasks for what is extra, at most; beyond that it is counted.
const EXTRA_MAX: u64 = 100_000;
/// What was settled so long before a pool was read is sure to be in the list; clocks of workers differ.
const SETTLED_MS: u64 = 10_000;

/// A pool of the import.
struct Pool {
    name: String,
    /// It was there before the import: others may have keys in it.
    is_of_others: bool,
    /// Rows that are left to be judged.
    left: u32,
}

/// A pool while its rows are judged.
struct Open {
    keys: Snapshot,
    /// Keys, by their places, that a row accounts for.
    known: Vec<bool>,
    /// Ids of keys that were there before the import.
    earlier: HashSet<Box<str>>,
    /// When it was read, milliseconds since the epoch.
    read_ms: u64,
}

/// How a key is found.
struct Looked<'a> {
    seen: Seen,
    key: Option<&'a Key>,
    note: Option<&'static str>,
}

/// Absent in the tasks of jobs of earlier versions, of keys they found.
const NOT_COMPARED: &str = "its passphrase can't be compared: the job has not kept it";
const ANOTHER: &str = "it is not the key that the job left there, but another one of this user";

fn compared(key: &KeyTask, name: &str, value: Option<&SecretString>, found: &Key) -> Differences {
    let unknown = SecretString::new("");
    let value = value.or(found.value.as_ref()).unwrap_or(&unknown);
    compare::key(&key.wanted, name, value, found)
}

/// Pure: by the id that is known, else by name, else by value.
fn look<'a>(task: &Standing, key: &KeyTask, keys: &'a Snapshot) -> Looked<'a> {
    let value = task.task.secret.as_ref();
    let made = made(task);
    let wanted = key.name_there(&task.task.input.name);
    // what failed is held against what was wanted, and not against what it came to
    let name = match (
        made,
        task.outcome
            .as_ref()
            .is_some_and(|o| o.resource.is_some() && o.error.is_none()),
    ) {
        (Some(made), true) => made.name.as_str(),
        _ => wanted,
    };
    let there = |found: &'a Key, note: Option<&'static str>| Looked {
        seen: Seen::There(found.id.to_string(), compared(key, name, value, found)),
        key: Some(found),
        note: note.or(value.is_none().then_some(NOT_COMPARED)),
    };
    if let Some(found) = made.and_then(|made| keys.with_id(&made.id)) {
        return there(found, None);
    }
    let named = keys.named(name);
    let equal = named.iter().find(|found| compared(key, name, value, found).is_empty());
    if let Some(found) = equal.or(named.first()) {
        return there(found, made.is_some().then_some(ANOTHER));
    }
    match value.and_then(|value| keys.with_value(value)) {
        Some(found) => there(found, made.is_some().then_some(ANOTHER)),
        None => Looked {
            seen: Seen::Missing,
            key: None,
            note: None,
        },
    }
}

fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// The job's birth, seconds since the epoch: its id is made of it.
fn born(work: &Work<'_>) -> i64 {
    let at = work.of.order.audit_of.0.get_timestamp();
    at.map_or(0, |at| i64::try_from(at.to_unix().0).unwrap_or(i64::MAX))
}

async fn open(work: &Work<'_>, id: &str, pool: &Pool) -> Result<Open, CallError> {
    let (gate, born, read_ms) = (work.cx.gate.as_ref(), born(work), now_ms());
    let (mut keys, mut earlier, mut missing) = (Vec::new(), HashSet::new(), 0);
    for _ in 0..SWEEPS_MAX {
        keys.clear();
        let mut sweep = work.r1.sweep_passphrases(id);
        let keep = |found: crate::r1::passphrase::Passphrase| {
            let made = found
                .created_date
                .as_deref()
                .and_then(|at| at.parse::<Timestamp>().ok());
            if pool.is_of_others && made.is_some_and(|at| at.as_second() < born) {
                earlier.insert(found.id.as_str().into());
            }
            keys.push(Key::of(found));
        };
        match sweep.visit(gate, keep).await {
            Err(e @ CallError::NotFound { .. }) if pool_is_there(&work.r1, work.cx, id).await? => return Err(e),
            // its row says so; with it its keys are gone
            Err(CallError::NotFound { .. }) => {
                keys.clear();
                missing = 0;
                break;
            }
            other => other?,
        }
        missing = sweep.missing();
        if missing == 0 {
            break;
        }
    }
    let mut keys = Snapshot::of(keys);
    keys.missing = missing;
    Ok(Open {
        known: vec![false; keys.len()],
        keys,
        earlier,
        read_ms,
    })
}

/// Whether a key that is not in the list may be there all the same: the list is cut, or the key is younger than it.
async fn is_hidden(work: &Work<'_>, task: &Standing, key: &KeyTask, open: &Open) -> Result<Option<Key>, CallError> {
    let Some(made) = made(task) else { return Ok(None) };
    let ended = task.outcome.as_ref().and_then(|o| o.ended_ms).unwrap_or_default();
    if open.keys.missing == 0 && ended.saturating_add(SETTLED_MS) < open.read_ms {
        return Ok(None);
    }
    let ask = |permit| work.r1.passphrase(permit, &key.pool, &made.id);
    match asked(work.cx.gate.as_ref(), ask).await {
        Ok(key) => Ok(Some(Key::of(key))),
        Err(CallError::NotFound { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The verdict on a row, and a mark on the keys it accounts for.
async fn judge(
    work: &Work<'_>,
    task: &Standing,
    key: &KeyTask,
    open: &mut Open,
    about: &About<'_>,
) -> Result<Finding, CallError> {
    let mut looked = look(task, key, &open.keys);
    let hidden;
    if looked.seen == Seen::Missing {
        hidden = is_hidden(work, task, key, open)
            .await?
            .map(|key| Snapshot::of(vec![key]));
        if let Some(one) = &hidden {
            looked = look(task, key, one);
        } else if open.keys.missing > 0 && expected(task) == Expected::Perhaps {
            let why = format!("RUCKUS One counts {} keys more than it lists", open.keys.missing);
            looked.seen = Seen::NotJudged(why);
        }
    }
    let found = looked.key.map(|key| key.id.clone());
    let (note, seen) = (looked.note, looked.seen);
    let mut finding = about.judge(task, || Ok::<_, CallError>(seen))?;
    match expected(task) {
        // what it said it did not make is not its
        Expected::Nothing(_) => return Ok(finding),
        Expected::Pending { .. } if found.is_some() => {
            let note = finding.note.take().unwrap_or_default();
            finding.note = Some(format!("{note}; a key of this user is there"));
        }
        Expected::Pending { .. } => {}
        _ if finding.verdict.stands() && finding.note.is_none() => finding.note = note.map(str::to_owned),
        _ => {}
    }
    if let Some(at) = found.and_then(|id| open.keys.place_of(&id)) {
        open.known[at] = true;
    }
    Ok(finding)
}

/// Ids of keys that jobs of its kin have made or found.
async fn of_kin(work: &Work<'_>) -> Result<HashSet<Box<str>>, PlanError> {
    let mut ids = HashSet::new();
    for job in &work.of.order.kin {
        // one that is not stored any more tells nothing
        if work.cx.input.other_job(*job).await?.is_none() {
            continue;
        }
        let mut walk = work.of.tasks_of(*job, "create_passphrases")?;
        while let Some(batch) = walk.next().await? {
            ids.extend(batch.iter().filter_map(|task| Some(made(task)?.id.as_str().into())));
        }
    }
    Ok(ids)
}

/// What no row accounts for.
struct Rest {
    of_kin: HashSet<Box<str>>,
    /// Index of the next task of one.
    next: u32,
    told: u64,
}

impl Rest {
    async fn tell(&mut self, open: &Open, pool: &Pool, rows: &mut Rows<'_>) -> Result<(), PlanError> {
        rows.facts.there += open.keys.len() as u64 + open.keys.missing;
        rows.facts.hidden += open.keys.missing;
        let about = About {
            kind: KIND,
            place: Some(&pool.name),
        };
        for (key, is_known) in open.keys.keys().iter().zip(&open.known) {
            if *is_known || self.of_kin.contains(&key.id) {
                continue;
            }
            if open.earlier.contains(&key.id) {
                rows.facts.of_others += 1;
                continue;
            }
            if self.told >= EXTRA_MAX {
                rows.facts.extra_untold += 1;
                continue;
            }
            self.told += 1;
            let finding = Finding {
                id: Some(key.id.to_string()),
                ..about.bare(Verdict::Extra)
            };
            rows.push(self.next, &key.username, &finding).await?;
            self.next += 1;
        }
        Ok(())
    }
}

fn key_of(input: &TaskInput) -> Option<KeyTask> {
    KeyTask::read(&input.data).ok()
}

/// The pools of the import that were made or found, by id.
async fn pools(work: &Work<'_>) -> Result<HashMap<String, Pool>, PlanError> {
    let mut pools = HashMap::new();
    for task in work.of.tasks("create_dpsk_pools")?.all().await? {
        if let Some(made) = made(&task) {
            let pool = Pool {
                name: task.task.input.name.clone(),
                is_of_others: made.origin != Origin::Created,
                left: 0,
            };
            pools.insert(made.id.clone(), pool);
        }
    }
    Ok(pools)
}

#[async_trait]
impl Inspection for Keys {
    const EXECUTOR: &'static str = "cloudpath.audit_passphrases";

    async fn look(work: &Work<'_>, rows: &mut Rows<'_>) -> Result<(), PlanError> {
        const FROM: &str = "create_passphrases";
        let mut pools = pools(work).await?;
        let mut rest = Rest {
            of_kin: of_kin(work).await?,
            next: work.of.plan.totals.rows,
            told: 0,
        };
        let mut walk = work.of.tasks(FROM)?;
        while let Some(batch) = walk.next().await? {
            for key in batch.iter().filter_map(|task| key_of(&task.task.input)) {
                if let Some(pool) = pools.get_mut(&key.pool) {
                    pool.left += 1;
                }
            }
        }
        let mut open_pools: HashMap<String, Open> = HashMap::new();
        let mut walk = work.of.tasks(FROM)?;
        while let Some(batch) = walk.next().await? {
            for task in &batch {
                let (index, name) = (task.task.input.index, &task.task.input.name);
                let key = key_of(&task.task.input).filter(|key| pools.contains_key(&key.pool));
                let Some(key) = key else {
                    let about = About {
                        kind: KIND,
                        place: None,
                    };
                    let unreadable = || Ok::<_, CallError>(Seen::NotJudged("which pool it is in can't be read".into()));
                    rows.push(index, name, &about.judge(task, unreadable)?).await?;
                    continue;
                };
                let pool = pools.get_mut(&key.pool).expect("looked up a moment ago");
                pool.left = pool.left.saturating_sub(1);
                let (left, pool) = (pool.left, &*pool);
                let mut open = match open_pools.remove(&key.pool) {
                    Some(open) => open,
                    None => open(work, &key.pool, pool).await?,
                };
                let about = About {
                    kind: KIND,
                    place: Some(&pool.name),
                };
                let finding = judge(work, task, &key, &mut open, &about).await?;
                rows.push(index, name, &finding).await?;
                if left > 0 {
                    open_pools.insert(key.pool, open);
                } else {
                    rest.tell(&open, pool, rows).await?;
                    pools.remove(&key.pool);
                }
            }
        }
        // planned meanwhile: a paused job may have been resumed
        for (id, open) in open_pools {
            if let Some(pool) = pools.remove(&id) {
                rest.tell(&open, &pool, rows).await?;
            }
        }
        // no key of the import is in these, and perhaps one of somebody else
        let mut ids: Vec<String> = pools.keys().cloned().collect();
        ids.sort_unstable();
        for id in ids {
            let pool = &pools[&id];
            let open = open(work, &id, pool).await?;
            rest.tell(&open, pool, rows).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::job::TaskStatus;
    use shared::job::outcome::Outcome;

    use super::super::super::snapshot::tests::key;
    use super::*;
    use crate::executors::Task;

    fn row(status: Option<TaskStatus>, made: Option<&str>, secret: Option<&str>) -> Standing {
        let input = serde_json::from_value(json!({"i": 7, "n": "anna", "d": {"p": "pool"}})).unwrap();
        let outcome = status.map(|status| {
            let mut outcome = Outcome::new(7, status);
            outcome.resource = made
                .map(|id| serde_json::from_value(json!({"t": "passphrase", "d": id, "n": "anna", "a": "c"})).unwrap());
            outcome
        });
        Standing {
            task: Task {
                input,
                secret: secret.map(Into::into),
            },
            outcome,
            is_begun: true,
        }
    }

    fn verdict(task: &Standing, there: &[Key]) -> (Verdict, String) {
        let (snapshot, key) = (Snapshot::of(there.to_vec()), key_of(&task.task.input).unwrap());
        let looked = look(task, &key, &snapshot);
        let about = About {
            kind: KIND,
            place: None,
        };
        let finding = about.judge(task, || Ok::<_, CallError>(looked.seen)).unwrap();
        let text = serde_json::to_string(&finding).unwrap();
        assert!(!text.contains("horse") && !text.contains("staple"), "{text}");
        let fields: Vec<_> = finding.fields.into_iter().map(|f| f.field).collect();
        (finding.verdict, fields.join(" "))
    }

    #[test]
    fn a_key_is_as_it_was_left_or_gone_or_told_in_which_fields_it_differs() {
        use Verdict::*;
        let done = || row(Some(TaskStatus::Completed), Some("k"), Some("correct-horse"));
        let of = |task: &Standing, there: &[Key]| verdict(task, there);
        assert_eq!(of(&done(), &[]), (Missing, String::new()));
        assert_eq!(
            of(&done(), &[key("k", "anna", "correct-horse")]),
            (Present, String::new())
        );
        assert_eq!(
            of(&done(), &[key("k", "anna", "battery-staple")]),
            (Changed, "passphrase".into())
        );
        assert_eq!(
            of(&done(), &[key("k", "bea", "correct-horse")]),
            (Changed, "username".into())
        );
        // somebody has deleted it and made it anew
        assert_eq!(
            of(&done(), &[key("l", "anna", "correct-horse")]),
            (Present, String::new())
        );
        assert_eq!(
            of(&done(), &[key("l", "anna", "battery-staple")]),
            (Changed, "passphrase".into())
        );
        assert_eq!(
            of(&done(), &[key("l", "zoe", "battery-staple")]),
            (Missing, String::new())
        );
        // an earlier version has not kept it
        let bare = row(Some(TaskStatus::Completed), Some("k"), None);
        assert_eq!(
            of(&bare, &[key("k", "anna", "battery-staple")]),
            (Present, String::new())
        );
    }

    #[test]
    fn of_an_unknown_write_it_is_told_whether_what_was_sent_is_there() {
        use Verdict::*;
        let unknown = row(Some(TaskStatus::Unknown), None, Some("correct-horse"));
        assert_eq!(verdict(&unknown, &[]), (Missing, String::new()));
        assert_eq!(verdict(&unknown, &[key("k", "anna", "correct-horse")]).0, Present);
        assert_eq!(verdict(&unknown, &[key("k", "anna", "battery-staple")]).0, Changed);
        assert_eq!(
            verdict(&unknown, &[key("k", "anna_1", "correct-horse")]),
            (Changed, "username".into())
        );
        for status in [TaskStatus::Failed, TaskStatus::Skipped, TaskStatus::Cancelled] {
            assert_eq!(verdict(&row(Some(status), None, None), &[]).0, NotExpected);
        }
        assert_eq!(verdict(&row(None, None, Some("correct-horse")), &[]).0, Pending);
    }
}
