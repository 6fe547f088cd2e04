//! `create_passphrases`: the keys themselves, one task for each row of the export; the row is the task's index. A retry has tasks for the
//! rows that are left.
//!
//! The planner holds the keys of a pool in memory only from the first of its rows to the last. Sending makes one write: a new
//! passphrase, a change of one that differs (`update`), or a passphrase for an identity that has none. What is stored is read back, a
//! batch with one call, before it is reported done.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shared::cloudpath::shown::CHANGES;
use shared::cloudpath::{ImportPlan, NameConflict, PoolSpec, Reason, Row};
use shared::job::outcome::{Origin, Outcome, Resource, TaskError};
use shared::job::task::TaskInput;
use shared::secret::SecretString;
use shared::store::{Hold, StoreError};

use super::builds_on;
use super::compare::{quoted, word};
use super::decide::{self, Decision, PoolNow, resource};
use super::identities::People;
use super::key_task::{KeyTask, Op, Wanted};
use super::read_back;
use super::snapshot::{Key, Snapshot};
use super::staged::{
    LEFT_DIFFERENT, Rows, import_plan, leave, made_by, options, policy, scope, sent, tell_changes, unreadable_task,
};
use crate::executors::clients::Clients;
use crate::executors::dry::{is_planned, planned_id};
use crate::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::r1::R1;
use crate::r1::find::Sought;
use crate::r1::identity::IdentityPatch;
use crate::r1::passphrase::{Devices, Expiration, NewPassphrase, PassphraseUpdate};
use crate::r1::pool::Pool;
use crate::remote::CallError;

/// A pool is swept so often, at most, until as many keys were seen as it is said to have: one that hides would be made once more. A
/// count may also be wrong for good.
const SWEEPS_MAX: u32 = 3;

pub struct CreatePassphrases {
    clients: Arc<Clients>,
}

impl CreatePassphrases {
    pub fn new(clients: Arc<Clients>) -> Self {
        CreatePassphrases { clients }
    }
}

/// What is claimed of a key, against other jobs: user names are unique in a pool.
pub fn claimed(pool: &str, username: &str) -> String {
    format!("{}|{pool}|{username}", decide::KIND)
}

/// A pool while its rows are being planned.
struct Open {
    now: PoolNow,
    keys: Snapshot,
    /// Swept when the first row is found without a key, and only where there can be identities that are not ours.
    people: Option<People>,
    rows_left: u32,
}

struct Planner<'a> {
    cx: &'a Context,
    r1: R1,
    policy: NameConflict,
    pools: HashMap<u32, PoolNow>,
    /// Keys to import into each, as far as the job is about them.
    keys: HashMap<u16, u32>,
    open: BTreeMap<u16, Open>,
    /// Tasks that will write.
    writes: u32,
    /// Keys that are there, differ, and are left as they are.
    left: u32,
}

/// The pools of the plan as they are now: made ones as planned, adopted ones as they are found.
async fn pools_now(
    cx: &Context,
    r1: &R1,
    plan: &ImportPlan,
    made: &HashMap<u32, Resource>,
) -> Result<HashMap<u32, PoolNow>, PlanError> {
    let groups = made_by(cx, "create_identity_groups").await?;
    // In a group we made there is nobody but the users of our keys.
    let mut is_ours: HashMap<&str, bool> = HashMap::new();
    for group in groups.values() {
        is_ours.insert(&group.id, group.origin == Origin::Created);
    }
    let with_others = |group: &str| !is_ours.get(group).copied().unwrap_or(false);
    let planned = |spec: &PoolSpec| {
        let made = made.get(&spec.index.into())?;
        let group = groups.get(&spec.group.into()).map(|g| g.id.clone());
        let now = PoolNow {
            id: made.id.clone(),
            name: spec.name.clone(),
            min_length: spec.passphrase_length.into(),
            group: group.filter(|g| with_others(g)),
        };
        Some((u32::from(spec.index), now))
    };
    let mut pools: HashMap<u32, PoolNow> = plan.pools.iter().filter_map(planned).collect();
    if made.values().any(|pool| pool.origin != Origin::Created) {
        let by_id: HashMap<&str, u32> = made.iter().map(|(index, pool)| (pool.id.as_str(), *index)).collect();
        let mut sweep = r1.list_pools(None);
        let keep = |found: Pool| {
            if let Some(now) = by_id.get(found.id.as_str()).and_then(|index| pools.get_mut(index)) {
                now.min_length = found.body.passphrase_length;
                now.group = found.identity_group_id.filter(|g| with_others(g));
            }
        };
        sweep.visit(cx.gate.as_ref(), keep).await?;
    }
    Ok(pools)
}

impl Planner<'_> {
    /// The row's task, with its end where that is known.
    async fn row(&mut self, row: &Row, secret: Option<SecretString>) -> Result<Task, PlanError> {
        let ended = |outcome| (Value::Null, Some(outcome), None);
        let index = row.row;
        let (data, preset, secret) = if let Some(skip) = &row.skip {
            ended(Outcome::skipped(
                index,
                TaskError::new(&word(&skip.code), skip.detail.as_str()),
            ))
        } else {
            let failed = |code, message| ended(Outcome::failed(index, TaskError::new(code, message)));
            match (row.pool.filter(|p| self.pools.contains_key(&u32::from(*p))), secret) {
                (None, _) => failed(
                    "POOL_MISSING",
                    format!(
                        "there is no DPSK pool for the passphrase of user {}",
                        quoted(&row.username)
                    ),
                ),
                (Some(_), None) => failed(
                    "PASSPHRASE_MISSING",
                    format!("the stored input has no passphrase for user {}", quoted(&row.username)),
                ),
                (Some(pool), Some(secret)) => self.key(row, pool, secret).await?,
            }
        };
        let input = TaskInput {
            index,
            name: row.username.clone(),
            data,
            preset,
        };
        Ok(Task { input, secret })
    }

    async fn key(
        &mut self,
        row: &Row,
        pool: u16,
        secret: SecretString,
    ) -> Result<(Value, Option<Outcome>, Option<SecretString>), PlanError> {
        let mut open = match self.open.remove(&pool) {
            Some(open) => open,
            None => self.sweep(pool).await?,
        };
        let decision = match decide::by_name(row, &secret, self.policy, &open.now, &open.keys) {
            Some(decision) => decision,
            None => {
                if let (Some(group), None) = (&open.now.group, &open.people) {
                    open.people = Some(People::sweep(&self.r1, self.cx.gate.as_ref(), group).await?);
                }
                decide::absent(row, &secret, self.policy, &open.now, &open.keys, open.people.as_mut())
            }
        };
        let mut task = KeyTask {
            pool: open.now.id.clone(),
            wanted: Wanted::of(row),
            is_short: decide::is_short(&secret, &open.now),
            op: Op::Create,
        };
        open.rows_left = open.rows_left.saturating_sub(1);
        if open.rows_left > 0 {
            self.open.insert(pool, open);
        }
        Ok(match decision {
            // Nothing will be sent. Of a key that is there the passphrase is kept, sealed: an audit compares it.
            Decision::Settled(outcome) => {
                task.is_short = false;
                let kept = outcome.resource.is_some().then_some(secret);
                (task.to_json(), Some(outcome), kept)
            }
            Decision::Left(outcome, differences) => {
                self.left += 1;
                task.is_short = false;
                let mut data = task.to_json();
                leave(&mut data, &differences);
                (data, Some(outcome), Some(secret))
            }
            Decision::Do(op) => {
                self.writes += 1;
                task.op = op;
                (task.to_json(), None, Some(secret))
            }
        })
    }

    async fn sweep(&self, pool: u16) -> Result<Open, PlanError> {
        let now = self.pools[&u32::from(pool)].clone();
        let rows_left = self.keys.get(&pool).copied().unwrap_or(0);
        if is_planned(&now.id) {
            let keys = Snapshot::default();
            return Ok(Open {
                keys,
                now,
                people: None,
                rows_left,
            });
        }
        let mut keys = Snapshot::sweep(&self.r1, self.cx.gate.as_ref(), &now.id).await?;
        for _ in 1..SWEEPS_MAX {
            if keys.missing == 0 {
                break;
            }
            keys = Snapshot::sweep(&self.r1, self.cx.gate.as_ref(), &now.id).await?;
        }
        Ok(Open {
            keys,
            now,
            people: None,
            rows_left,
        })
    }
}

#[async_trait]
impl Executor for CreatePassphrases {
    fn name(&self) -> &'static str {
        "cloudpath.create_passphrases"
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let (plan, policy) = (import_plan(&cx.spec)?, options(&cx.spec)?.name_conflict);
        let scope = scope(&cx.spec)?;
        let r1 = self.clients.get(cx.spec.controller)?;
        // first of all: a job that waits for another asks often, and takes none of the controller's calls
        let made = made_by(cx, "create_dpsk_pools").await?;
        let mut keys: HashMap<u16, u32> = HashMap::new();
        let mut rows = Rows::all(cx.input.as_ref());
        while let Some((_, chunk)) = rows.next().await? {
            let wanted = || chunk.iter().map(|(row, _)| row).filter(|row| scope.contains(row.row));
            let name = |row: &Row| Some(claimed(&made.get(&row.pool?.into())?.id, &row.username));
            sink.claim(wanted().filter_map(name).collect()).await?;
            for pool in wanted().filter(|row| row.skip.is_none()).filter_map(|row| row.pool) {
                *keys.entry(pool).or_default() += 1;
            }
        }
        let pools = pools_now(cx, &r1, &plan, &made).await?;
        let mut planner = Planner {
            cx,
            r1,
            policy,
            pools,
            keys,
            open: BTreeMap::new(),
            writes: 0,
            left: 0,
        };
        let mut changed: BTreeMap<Reason, u32> = BTreeMap::new();
        let mut rows = Rows::all(cx.input.as_ref());
        while let Some((_, chunk)) = rows.next().await? {
            for (row, secret) in chunk.into_iter().filter(|(row, _)| scope.contains(row.row)) {
                let mut task = planner.row(&row, secret).await?;
                tell_changes(&mut task.input.data, &row.changes);
                for change in &row.changes {
                    *changed.entry(change.reason).or_default() += 1;
                }
                sink.push(task).await?;
            }
        }
        let mut facts = json!({"to_write": planner.writes, LEFT_DIFFERENT: planner.left});
        if !changed.is_empty() {
            facts[CHANGES] = serde_json::to_value(changed).map_err(StoreError::from)?;
        }
        Ok(Some(facts))
    }

    fn hold(&self) -> Option<Hold> {
        Some(Hold::Rely)
    }

    async fn needs(&self, cx: &Context) -> Result<Vec<String>, PlanError> {
        builds_on(&cx.spec)
    }

    fn writes_name(&self, task: &Task) -> Option<String> {
        let key = KeyTask::read(&task.input.data).ok()?;
        Some(claimed(&key.pool, &task.input.name))
    }

    fn would(&self, _cx: &Context, task: &Task) -> Result<Outcome, CallError> {
        let (key, index) = (KeyTask::read(&task.input.data)?, task.input.index);
        let name = key.name_there(&task.input.name);
        let would = match &key.op {
            Op::Update { id, .. } => resource(id, name, Origin::Updated),
            Op::Create | Op::Identity { .. } => resource(&planned_id(decide::KIND, index), name, Origin::Created),
        };
        Ok(Outcome::completed(index, Some(would)))
    }

    async fn send(&self, cx: &Context, task: &Task, permit: Permit) -> Sent {
        let read = || -> Result<(R1, KeyTask, SecretString), CallError> {
            let secret = task
                .secret
                .clone()
                .ok_or_else(|| unreadable_task("its passphrase is missing"))?;
            Ok((
                self.clients.get(cx.spec.controller)?,
                KeyTask::read(&task.input.data)?,
                secret,
            ))
        };
        let (r1, key, secret) = match read() {
            Ok(all) => all,
            Err(e) => return Sent::Failed(e),
        };
        let (username, wanted) = (&task.input.name, &key.wanted);
        let answer = match &key.op {
            Op::Create => {
                let new = NewPassphrase {
                    username: username.clone(),
                    passphrase: secret,
                    vlan_id: wanted.vlan,
                    devices: wanted
                        .devices
                        .map_or(Devices::Unlimited, |at_most| Devices::Limited { at_most }),
                    // Never has to be said: left out, the pool's rule may apply.
                    expiration: wanted.expires.clone().map_or(Expiration::Never, Expiration::At),
                };
                r1.create_passphrase(permit, &key.pool, &new).await
            }
            Op::Update { id, email, phone, .. } => {
                let update = PassphraseUpdate {
                    username: Some(key.name_there(username).to_owned()),
                    passphrase: Some(secret),
                    vlan_id: wanted.vlan.map(Into::into),
                    number_of_devices: wanted.devices.map(Into::into),
                    expiration_date: wanted.expires.clone(),
                    email: email.clone(),
                    phone_number: phone.clone(),
                    revocation_reason: None,
                };
                let answer = r1.update_passphrase(permit, &key.pool, id, &update).await;
                // Done at once is not said of which value: like a lost reply, it is read back.
                return sent(answer.map(without_id), |_| Outcome::completed(task.input.index, None));
            }
            Op::Identity { group, id, .. } => {
                let patch = IdentityPatch {
                    dpsk_passphrase: Some(secret),
                    vlan: wanted.vlan,
                    description: None,
                };
                let answer = r1.patch_identity(permit, group, id, &patch).await;
                return sent(answer.map(without_id), |_| Outcome::completed(task.input.index, None));
            }
        };
        sent(answer, |id| {
            Outcome::completed(task.input.index, Some(resource(id, username, Origin::Created)))
        })
    }

    /// RUCKUS One reports success also where it has stored another value, fewer devices, or another user name. One call for a batch.
    fn settled(&self, _cx: &Context, _task: &Task, _resource_id: Option<&str>) -> Settle {
        Settle::ReadBack
    }

    async fn read_back(&self, cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        let (r1, policy) = (self.clients.get(cx.spec.controller)?, policy(&cx.spec));
        let keys: Vec<KeyTask> = tasks
            .iter()
            .map(|(task, _)| KeyTask::read(&task.input.data))
            .collect::<Result<_, _>>()?;
        let mut names: BTreeMap<&str, Vec<Sought>> = BTreeMap::new();
        for ((task, ours), key) in tasks.iter().zip(&keys) {
            names.entry(&key.pool).or_default().push(Sought {
                name: key.name_there(&task.input.name),
                // a change is looked for by its key's name alone
                written: *ours && !matches!(key.op, Op::Update { .. }),
            });
        }
        let mut there: HashMap<&str, Snapshot> = HashMap::new();
        for (pool, names) in names {
            let found = r1.find_passphrases(cx.gate.as_ref(), pool, &names).await?;
            there.insert(pool, Snapshot::of(found.into_iter().map(Key::of).collect()));
        }
        let found = tasks.iter().zip(&keys).map(|((task, ours), key)| {
            let value = task
                .secret
                .as_ref()
                .ok_or_else(|| unreadable_task("its passphrase is missing"))?;
            let there = &there[key.pool.as_str()];
            Ok(read_back::judge(
                task.input.index,
                &task.input.name,
                value,
                key,
                there,
                policy,
                *ours,
            ))
        });
        found.collect()
    }
}

/// An identity's id is not that of its passphrase, and of a change only reading back tells.
fn without_id(written: crate::r1::Written) -> crate::r1::Written {
    use crate::r1::Written;
    match written {
        Written::Accepted { request_id, .. } => Written::Accepted {
            request_id,
            resource_id: None,
        },
        Written::Done { .. } => Written::Done { id: None },
    }
}
