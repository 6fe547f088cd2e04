//! `audit_results`: what is in the pools now, against what was exported and what the job says it did. Reads only.
//!
//! A key the job reports `COMPLETED` has to be there and be equal; where differences were accepted (`name_conflict: adopt`) it has to be
//! there. Keys nobody exported are told and are no fault. Policy sets and networks have tasks of their own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::cloudpath::{NameConflict, Row};
use shared::id::PhaseId;
use shared::job::TaskStatus;
use shared::job::outcome::{Origin, Outcome, TaskError};
use shared::job::task::TaskInput;
use shared::secret::SecretString;
use shared::store::StoreError;
use tokio::sync::Semaphore;

use super::compare::{self, quoted};
use super::key_task::Wanted;
use super::networks;
use super::policies;
use super::snapshot::Snapshot;
use super::staged::{Rows, import_plan, made_by, policy, scope, store_failed, unreadable_task};
use crate::executors::clients::Clients;
use crate::executors::reads::Reads;
use crate::executors::{Context, PlanError, Task, TaskSink};
use crate::remote::CallError;

const NAME: &str = "cloudpath.audit_results";
/// Pools audited at once by one worker: each holds the ids of all keys of the job, and the keys of its pool.
const AT_ONCE: usize = 1;
/// Users named in an error.
const NAMED_MAX: usize = 5;

/// What a task is about: told apart by the members each has.
#[derive(Deserialize)]
#[serde(untagged)]
enum Subject {
    Pool(Data),
    PolicySet(policies::audit::Data),
    Network(networks::audit::Data),
}

/// What the task of a pool carries. Stored in batch blobs: fields are only ever added.
#[derive(Serialize, Deserialize)]
struct Data {
    /// Id of the pool.
    #[serde(rename = "p")]
    pool: String,
    /// Chunks of the input that have rows of it: first, and one past the last.
    #[serde(rename = "a")]
    first: u32,
    #[serde(rename = "b")]
    end: u32,
}

pub struct AuditResults {
    clients: Arc<Clients>,
    room: Semaphore,
}

impl AuditResults {
    pub fn new(clients: Arc<Clients>) -> Self {
        AuditResults {
            clients,
            room: Semaphore::new(AT_ONCE),
        }
    }
}

/// What the job says of its rows.
#[derive(Default)]
struct Claims {
    /// Id of the row's key, the user name it is said to have there, and how the job came by it.
    keys: HashMap<u32, (Box<str>, Box<str>, Origin)>,
    /// Rows whose task ended `UNKNOWN`.
    unknown: HashSet<u32>,
}

async fn claims(cx: &Context) -> Result<Claims, StoreError> {
    let phase: PhaseId = "create_passphrases"
        .parse()
        .map_err(|e: shared::id::BadName| StoreError::Corrupt(e.to_string()))?;
    let mut claims = Claims::default();
    let keep = &mut |o: Outcome| match o.status {
        TaskStatus::Completed => {
            let key = o.resource.map(|r| (o.index, (r.id.into(), r.name.into(), r.origin)));
            claims.keys.extend(key);
        }
        TaskStatus::Unknown => drop(claims.unknown.insert(o.index)),
        _ => {}
    };
    cx.input.outcomes(&phase, keep).await?;
    Ok(claims)
}

/// The result for one pool. Pure.
#[derive(Debug, Default, PartialEq, Eq)]
struct Audit {
    expected: u32,
    present: u32,
    missing: u32,
    changed: u32,
    /// Of the changed ones, those whose differences were accepted.
    accepted: u32,
    /// Rows of the export of which no key is claimed: failed, skipped, cancelled, unknown.
    not_imported: u32,
    /// Of these, the unknown ones whose user has a key, and those whose user has none.
    unknown_there: u32,
    unknown_absent: u32,
    /// Rows of the export found in the pool, whatever the job says of them, and whether it is about them or not.
    exported: u64,
    first_missing: Vec<String>,
    first_changed: Vec<String>,
}

impl Audit {
    fn row(
        &mut self,
        row: &Row,
        secret: Option<&SecretString>,
        claims: &Claims,
        keys: &Snapshot,
        policy: NameConflict,
    ) {
        let named = keys.named(&row.username);
        self.exported += named.len() as u64;
        let (Some((id, claimed, origin)), Some(value)) = (claims.keys.get(&row.row), secret) else {
            self.not_imported += 1;
            if claims.unknown.contains(&row.row) {
                self.unknown_there += u32::from(!named.is_empty());
                self.unknown_absent += u32::from(named.is_empty());
            }
            return;
        };
        self.expected += 1;
        // By id as well: an identity that was there may have given its key another user name. That one is claimed; any other is not
        // what was asked for.
        let by_id = keys.with_id(id).filter(|key| *key.username != *row.username);
        self.exported += u64::from(by_id.is_some());
        let compared = named.iter().chain(by_id).map(|key| {
            let name = if by_id.is_some_and(|k| k.id == key.id) {
                claimed
            } else {
                row.username.as_str()
            };
            compare::key(&Wanted::of(row), name, value, key)
        });
        let Some(differences) = compared.min_by_key(|d| !d.is_empty()) else {
            self.missing += 1;
            if self.first_missing.len() < NAMED_MAX {
                self.first_missing.push(quoted(&row.username));
            }
            return;
        };
        self.present += 1;
        if differences.is_empty() {
            return;
        }
        self.changed += 1;
        if policy == NameConflict::Adopt && *origin == Origin::Adopted {
            self.accepted += 1;
        } else if self.first_changed.len() < NAMED_MAX {
            self.first_changed
                .push(format!("{} ({differences})", quoted(&row.username)));
        }
    }

    /// A row that a retry leaves alone: its key is that of an earlier job, which has audited it, and nothing of it is this job's to claim.
    fn other_row(&mut self, row: &Row, secret: Option<&SecretString>, keys: &Snapshot) {
        let named = keys.named(&row.username).len() as u64;
        let is_elsewhere = || secret.is_some_and(|value| keys.with_value(value).is_some());
        self.exported += match named {
            0 => u64::from(is_elsewhere()),
            named => named,
        };
    }

    /// `unseen`: keys the controller counted and did not show.
    fn outcome(&self, index: u32, pool: &str, unseen: u64) -> Outcome {
        let wrong = self.changed - self.accepted;
        if self.missing == 0 && wrong == 0 {
            return Outcome::completed(index, None);
        }
        let mut message = format!(
            "pool {}: of {} keys reported done, {} missing and {wrong} different",
            quoted(pool),
            self.expected,
            self.missing
        );
        for (what, names) in [("missing", &self.first_missing), ("different", &self.first_changed)] {
            if !names.is_empty() {
                message.push_str(&format!("; {what}: {}", names.join(", ")));
            }
        }
        if unseen > 0 {
            message.push_str(&format!("; RUCKUS One counts {unseen} keys more than it lists"));
        }
        Outcome::failed(index, TaskError::new("AUDIT_MISMATCH", message))
    }

    fn facts(&self, pool: &str, keys: &Snapshot) -> Value {
        json!({
            "pool": pool, "expected": self.expected, "present": self.present, "missing": self.missing, "changed": self.changed,
            "not_imported": self.not_imported, "unknown_there": self.unknown_there, "unknown_absent": self.unknown_absent,
            "extra": (keys.len() as u64).saturating_sub(self.exported),
        })
    }
}

#[async_trait]
impl Reads for AuditResults {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let plan = import_plan(&cx.spec)?;
        let pools = made_by(cx, "create_dpsk_pools").await?;
        let mut chunks: HashMap<u16, (u32, u32)> = HashMap::new();
        let mut rows = Rows::all(cx.input.as_ref());
        while let Some((chunk, rows)) = rows.next().await? {
            for pool in rows.iter().filter_map(|(row, _)| row.pool) {
                chunks.entry(pool).or_insert((chunk, chunk)).1 = chunk + 1;
            }
        }
        for pool in &plan.pools {
            let Some(made) = pools.get(&pool.index.into()) else {
                // Its own phase has told why it is not there.
                continue;
            };
            let (first, end) = chunks.get(&pool.index).copied().unwrap_or_default();
            let data = Data {
                pool: made.id.clone(),
                first,
                end,
            };
            let input = TaskInput {
                index: pool.index.into(),
                name: pool.name.clone(),
                data: serde_json::to_value(data).map_err(StoreError::from)?,
                preset: None,
            };
            sink.push(Task { input, secret: None }).await?;
        }
        let (pools, sets) = (plan.pools.len() as u32, plan.policy_sets.len() as u32);
        let policies = policies::audit::tasks(cx, &plan, pools).await?;
        let networks = networks::audit::tasks(cx, &plan, pools + sets).await?;
        for input in policies.into_iter().chain(networks) {
            sink.push(Task { input, secret: None }).await?;
        }
        Ok(None)
    }

    async fn read(&self, cx: &Context, task: &Task) -> Result<(Outcome, Option<Value>), CallError> {
        let r1 = self.clients.get(cx.spec.controller)?;
        let data = match Subject::deserialize(&task.input.data).map_err(unreadable_task)? {
            Subject::Pool(data) => data,
            Subject::PolicySet(set) => return policies::audit::read(&r1, cx, &task.input, &set).await,
            Subject::Network(network) => return networks::audit::read(&r1, cx, &task.input, &network).await,
        };
        let _room = self.room.acquire().await.expect("the semaphore is never closed");
        let keys = Snapshot::sweep(&r1, cx.gate.as_ref(), &data.pool).await?;
        let (claims, policy) = (claims(cx).await.map_err(|e| store_failed(&e))?, policy(&cx.spec));
        let scope = scope(&cx.spec).map_err(unreadable_task)?;
        let mut audit = Audit::default();
        let mut rows = Rows::between(cx.input.as_ref(), data.first, data.end);
        while let Some((_, chunk)) = rows.next().await.map_err(|e| store_failed(&e))? {
            for (row, secret) in chunk
                .iter()
                .filter(|(row, _)| row.pool.map(u32::from) == Some(task.input.index))
            {
                match scope.contains(row.row) {
                    true => audit.row(row, secret.as_ref(), &claims, &keys, policy),
                    false => audit.other_row(row, secret.as_ref(), &keys),
                }
            }
        }
        let (index, pool) = (task.input.index, &task.input.name);
        let outcome = audit.outcome(index, pool, keys.missing);
        Ok((outcome, Some(audit.facts(pool, &keys))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::snapshot::tests::key;
    use super::*;

    fn row(index: u32, username: &str) -> Row {
        serde_json::from_value(json!({"i": index, "p": 0, "g": format!("guid-{index}"), "u": username})).unwrap()
    }

    fn audit(policy: NameConflict, origin: Origin) -> (Outcome, Value) {
        let keys = Snapshot::of(vec![
            key("k-0", "anna", "value-of-anna"),
            key("k-1", "ben", "not-that-of-ben"),
            key("k-3", "Dora D.", "value-of-dora"),
            key("k-4", "ella", "value-of-ella"),
            key("k-9", "zoe", "nobody-exported"),
        ]);
        let claim = |id: &str, name: &str| (id.into(), name.into(), origin);
        // nobody knows what became of ella's task: nothing is claimed of her.
        let claims = Claims {
            keys: [
                (0, claim("k-0", "anna")),
                (1, claim("k-1", "ben")),
                (2, claim("k-2", "carl")),
                (3, claim("k-3", "Dora D.")),
            ]
            .into(),
            unknown: [4].into(),
        };
        let mut audit = Audit::default();
        for (index, name) in (0..).zip(["anna", "ben", "carl", "dora", "ella"]) {
            let secret = SecretString::new(format!("value-of-{name}"));
            audit.row(&row(index, name), Some(&secret), &claims, &keys, policy);
        }
        (audit.outcome(0, "Lobby", 0), audit.facts("Lobby", &keys))
    }
    /// What runs or is kept outlives deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let line = r#"{"p":"pool-1","a":0,"b":2}"#;
        let read: Data = serde_json::from_str(line).unwrap();
        assert_eq!((read.pool.as_str(), read.first, read.end), ("pool-1", 0, 2));
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        let subject = |line: &str| serde_json::from_str::<Subject>(line).unwrap();
        assert!(matches!(subject(line), Subject::Pool(_)));
        assert!(matches!(subject(r#"{"ps":"set-1","i":2}"#), Subject::PolicySet(_)));
        assert!(matches!(subject(r#"{"ssid":"Lobby"}"#), Subject::Network(_)));
    }

    #[test]
    fn what_is_missing_or_different_is_named_and_what_is_extra_only_counted() {
        let (outcome, facts) = audit(NameConflict::Fail, Origin::Created);
        let error = outcome.error.unwrap();
        assert_eq!(error.code, "AUDIT_MISMATCH");
        assert_eq!(
            error.message,
            "pool \"Lobby\": of 4 keys reported done, 1 missing and 1 different; missing: \"carl\"; different: \"ben\" \
             (passphrase differs)"
        );
        assert_eq!(
            facts,
            json!({"pool": "Lobby", "expected": 4, "present": 3, "missing": 1, "changed": 1, "extra": 1,
                "not_imported": 1, "unknown_there": 1, "unknown_absent": 0})
        );
    }

    #[test]
    fn accepted_differences_are_facts_and_no_fault() {
        let (outcome, facts) = audit(NameConflict::Adopt, Origin::Adopted);
        let message = outcome.error.unwrap().message;
        assert!(message.contains("1 missing and 0 different"), "{message}");
        assert_eq!(facts["changed"], 1);
        let message = audit(NameConflict::Adopt, Origin::Created).0.error.unwrap().message;
        assert!(
            message.contains("1 missing and 1 different"),
            "what we made has to be as sent: {message}"
        );
    }
}
