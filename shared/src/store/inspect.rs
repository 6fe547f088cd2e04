//! Reading jobs: cold and read-only. Sums are kept by the scripts, so a job's size costs nothing. A single job is read in one round
//! trip once it has been looked at (see [`super::pinned`]); a page of them in two, their hashes first.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use redis::{FromRedisValue, Value};
use serde_json::Value as Json;

use super::keys::Partition;
use super::model::{Counts, ErrorView, JobView, Outage, PhaseView, ResourceCounts, ResourceView, Waits};
use super::outlook::{cut_short, eta, limited_by};
use super::{Store, StoreError, resources};
use crate::id::{JobId, TenantId};
use crate::job::audit::Stand;
use crate::job::{JobStatus, PhaseStatus};
use crate::workflow::Definition;

pub(super) type Fields = HashMap<String, String>;

/// Errors of a job that are shown.
const ERRORS_SHOWN: usize = 100;
/// Replies that a job's view is made of besides those of its phases.
const BESIDE_PHASES: usize = 5;

pub(super) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

fn get<T: std::str::FromStr>(f: &Fields, name: &str) -> Option<T> {
    f.get(name).and_then(|v| v.parse().ok())
}

pub(super) fn num(f: &Fields, name: &str) -> u64 {
    get(f, name).unwrap_or(0)
}

fn json(f: &Fields, name: &str) -> Json {
    f.get(name)
        .and_then(|v| serde_json::from_str(v).ok())
        .unwrap_or(Json::Null)
}

/// What a phase's planner left (`facts`), and under `batches` what its batches did (`f:<batch>`), in order.
fn facts(f: &Fields) -> Json {
    let mut facts = json(f, "facts");
    let mut of_batches: Vec<(u32, Json)> = f
        .keys()
        .filter_map(|name| Some((name.strip_prefix("f:")?.parse().ok()?, json(f, name))))
        .collect();
    if !of_batches.is_empty() {
        of_batches.sort_by_key(|(batch, _)| *batch);
        if !facts.is_object() {
            facts = Json::Object(serde_json::Map::new());
        }
        facts["batches"] = of_batches.into_iter().map(|(_, facts)| facts).collect();
    }
    facts
}

fn counts(f: &Fields) -> Counts {
    Counts {
        expected: num(f, "expected"),
        tasks: num(f, "tasks"),
        completed: num(f, "done"),
        failed: num(f, "failed"),
        skipped: num(f, "skipped"),
        unknown: num(f, "unknown"),
        cancelled: num(f, "cancelled"),
    }
}

/// What is read of a job's hash: all but the metadata of its input, which may be megabytes, and its resources, which have names of
/// their own.
const FIELDS: [&str; 40] = [
    "t",
    "status",
    "ctl",
    "venue",
    "options",
    "by",
    "created",
    "started",
    "updated",
    "completed",
    "deadline",
    "confirm_by",
    "budget_s",
    "predicted",
    "expected",
    "tasks",
    "done",
    "failed",
    "skipped",
    "unknown",
    "cancelled",
    "mark",
    "errs",
    "held",
    "trunc",
    "why",
    "ttl",
    "waits",
    "lim",
    "lim_at",
    "resume_of",
    "retried_by",
    "retries",
    "plan",
    "check",
    "checking",
    "cleanup_of",
    "cleaned_by",
    "audit_of",
    "audited_by",
];

/// Replies that a job's hash is made of.
const OF_HASH: usize = 2;

/// A job whose hash has been read, and where it lies.
pub(super) struct ReadJob {
    pub partition: Partition,
    pub id: JobId,
    /// Also `lane` and `def`.
    pub fields: Fields,
}

impl Store {
    /// Sends a pipeline: its replies, in order.
    pub(super) async fn replies(&self, pipe: redis::Pipeline) -> Result<Vec<Value>, StoreError> {
        self.redis.replies(pipe).await
    }

    /// Whose job it is; for callers bound to no tenant.
    pub async fn tenant_of(&self, job: JobId) -> Result<Option<TenantId>, StoreError> {
        let mut pipe = redis::pipe();
        for p in self.partitions() {
            pipe.hget(p.job(job), "t");
        }
        let owners = self.replies(pipe).await?;
        let owners = owners.iter().map(reply::<Option<String>>);
        for owner in owners {
            if let Some(tenant) = owner?.and_then(|t| t.parse().ok()) {
                return Ok(Some(tenant));
            }
        }
        Ok(None)
    }

    /// The state of a tenant's job, and nothing else: the smallest question there is. None: no such job of this tenant.
    pub async fn job_status(&self, tenant: &TenantId, job: JobId) -> Result<Option<JobStatus>, StoreError> {
        Ok(self.stand(tenant, job).await?.map(|stand| stand.status))
    }

    /// The same, and since when it is paused or has ended.
    pub async fn stand(&self, tenant: &TenantId, job: JobId) -> Result<Option<Stand>, StoreError> {
        const FIELDS: [&str; 4] = ["t", "status", "completed", "paused_at"];
        let mut pipe = redis::pipe();
        pipe.hmget(self.partition_of(tenant).job(job), &FIELDS);
        let replies = self.replies(pipe).await?;
        let none = || Ok(Default::default());
        let [owner, status, ended, paused]: [Option<String>; FIELDS.len()] =
            replies.first().map_or_else(none, reply)?;
        let status = status.filter(|_| owner.as_deref() == Some(tenant.as_str()));
        Ok(status.map(|s| Stand {
            // a state of a later version: as far as this one can tell it has not ended
            status: JobStatus::parse(&s).unwrap_or(JobStatus::Running),
            since_ms: ended.or(paused).and_then(|at| at.parse().ok()),
        }))
    }

    /// A tenant's job; another's is as absent as one that never was.
    pub async fn job(&self, tenant: &TenantId, job: JobId) -> Result<Option<JobView>, StoreError> {
        Ok(self.job_with_resources(tenant, job, 0).await?.map(|(view, _)| view))
    }

    /// The same with at most `cap` resources of each kind that it created or adopted.
    pub async fn job_with_resources(
        &self,
        tenant: &TenantId,
        job: JobId,
        cap: usize,
    ) -> Result<Option<(JobView, Vec<ResourceView>)>, StoreError> {
        let p = self.partition_of(tenant);
        let Some(pinned) = self.pinned(p, job).await?.filter(|pinned| pinned.tenant == *tenant) else {
            return Ok(None);
        };
        let mut pipe = redis::pipe();
        ask_hash(&mut pipe, p, job, &[]);
        ask_view(&mut pipe, p, job, &pinned.lane, &pinned.definition, cap);
        let replies = self.replies(pipe).await?;
        let (hash, rest) = replies.split_at(replies.len().min(OF_HASH));
        let fields = hash_of(hash, &[])?;
        if fields.get("t").map(String::as_str) != Some(tenant.as_str()) {
            return Ok(None);
        }
        view_of(job, fields, &pinned.definition, rest, cap).map(Some)
    }

    /// The hashes of jobs, in order; an empty one for a job that is gone.
    pub(super) async fn job_fields(&self, jobs: &[(Partition, JobId)]) -> Result<Vec<Fields>, StoreError> {
        const PINNED: [&str; 2] = ["lane", "def"];
        let mut pipe = redis::pipe();
        for (p, job) in jobs {
            ask_hash(&mut pipe, *p, *job, &PINNED);
        }
        let replies = self.replies(pipe).await?;
        replies
            .chunks_exact(OF_HASH)
            .map(|hash| hash_of(hash, &PINNED))
            .collect()
    }

    /// Jobs as they are now, in one round trip.
    pub(super) async fn views(&self, jobs: Vec<ReadJob>) -> Result<Vec<JobView>, StoreError> {
        let mut pipe = redis::pipe();
        let mut definitions = Vec::with_capacity(jobs.len());
        for ReadJob { partition, id, fields } in &jobs {
            let definition: Definition = serde_json::from_str(fields.get("def").map_or("", String::as_str))?;
            let lane = fields.get("lane").map_or("", String::as_str);
            ask_view(&mut pipe, *partition, *id, lane, &definition, 0);
            definitions.push(definition);
        }
        let replies = self.replies(pipe).await?;
        let mut left = replies.as_slice();
        let mut out = Vec::with_capacity(jobs.len());
        for (job, definition) in jobs.into_iter().zip(definitions) {
            let (of_job, later) = left.split_at(left.len().min(definition.phases.len() + BESIDE_PHASES));
            left = later;
            out.push(view_of(job.id, job.fields, &definition, of_job, 0)?.0);
        }
        Ok(out)
    }
}

/// Adds the questions for a job's hash: its fields, and `more` of them.
fn ask_hash(pipe: &mut redis::Pipeline, p: Partition, job: JobId, more: &[&str]) {
    let names: Vec<&str> = FIELDS.iter().chain(more).copied().collect();
    pipe.hmget(p.job(job), &names);
    // all of it in one go: a job's hash has far fewer buckets
    pipe.cmd("HSCAN").arg(p.job(job)).arg(0);
    pipe.arg("MATCH").arg("rc|*").arg("COUNT").arg(1_000);
}

/// A job's hash, from the answers to [`ask_hash`]; empty for a job that is gone.
fn hash_of(replies: &[Value], more: &[&str]) -> Result<Fields, StoreError> {
    let [fields, resources] = replies else {
        return Err(StoreError::Corrupt("a job: no answer".into()));
    };
    let values: Vec<Option<String>> = reply(fields)?;
    let (_, resources): (String, Fields) = reply(resources)?;
    let named = FIELDS.iter().chain(more).zip(values);
    let named = named.filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
    Ok(named.chain(resources).collect())
}

/// Adds the questions for everything else that a job's view is made of.
fn ask_view(pipe: &mut redis::Pipeline, p: Partition, job: JobId, lane: &str, definition: &Definition, cap: usize) {
    for ph in &definition.phases {
        pipe.hgetall(p.job_part(job, &format!("ph:{}", ph.id)));
    }
    pipe.scard(p.job_part(job, "pk"));
    pipe.hexists(p.key("cool"), lane);
    pipe.hget(p.key("down"), lane);
    pipe.zcount(p.key("workers"), now_ms(), "+inf");
    pipe.lrange(p.job_part(job, "err"), 0, ERRORS_SHOWN as isize - 1);
    if cap > 0 {
        resources::ask(pipe, p, job, definition);
    }
}

/// A job and at most `cap` resources of a kind, from its hash and the answers to [`ask_view`].
fn view_of(
    job: JobId,
    fields: Fields,
    definition: &Definition,
    replies: &[Value],
    cap: usize,
) -> Result<(JobView, Vec<ResourceView>), StoreError> {
    let (of_job, blobs) = replies.split_at(replies.len().min(definition.phases.len() + BESIDE_PHASES));
    let view = view(job, fields, definition, of_job)?;
    let made = resources::sample(blobs, &view.resources, cap)?;
    Ok((view, made))
}

/// A reply of a pipeline as what it has to be.
pub(super) fn reply<T: FromRedisValue>(value: &Value) -> Result<T, StoreError> {
    redis::from_redis_value_ref(value).map_err(|e| StoreError::Corrupt(e.to_string()))
}

/// Redis' own clock, milliseconds, from the reply to `TIME`.
pub(super) fn time_ms(value: &Value) -> Result<u64, StoreError> {
    let (seconds, micros): (u64, u64) = reply(value)?;
    Ok(seconds * 1_000 + micros / 1_000)
}

/// A job out of its hash and what was read of its phases and beside them.
fn view(job: JobId, f: Fields, definition: &Definition, replies: &[Value]) -> Result<JobView, StoreError> {
    let mut phases = Vec::new();
    for (def, reply) in definition.phases.iter().zip(replies) {
        let ph: Fields = self::reply(reply)?;
        phases.push(PhaseView {
            id: def.id.clone(),
            name: def.name.clone(),
            status: ph
                .get("st")
                .and_then(|s| PhaseStatus::parse(s))
                .unwrap_or(PhaseStatus::Pending),
            critical: def.critical,
            in_turn: !def.parallelizable,
            counts: counts(&ph),
            started_ms: get(&ph, "started"),
            completed_ms: get(&ph, "completed"),
            facts: facts(&ph),
            error: ph.get("error").and_then(|e| serde_json::from_str(e).ok()),
        });
    }
    let number = |i: usize| {
        replies
            .get(i)
            .and_then(|v| redis::from_redis_value_ref::<u64>(v).ok())
            .unwrap_or(0)
    };
    let (parked, cooling) = (
        number(definition.phases.len()) > 0,
        number(definition.phases.len() + 1) > 0,
    );
    let down: Option<String> = replies
        .get(definition.phases.len() + 2)
        .and_then(|v| redis::from_redis_value_ref(v).ok());
    let workers = number(definition.phases.len() + 3);
    let errors: Vec<String> = replies
        .last()
        .and_then(|v| redis::from_redis_value_ref(v).ok())
        .unwrap_or_default();
    let mut errors: Vec<ErrorView> = errors.iter().filter_map(|e| serde_json::from_str(e).ok()).collect();
    let status = f
        .get("status")
        .ok_or_else(|| StoreError::Corrupt(format!("job {job} has no status")))?;
    // a state of a later version: as far as this one can tell it has not ended
    let status = JobStatus::parse(status).unwrap_or(JobStatus::Running);
    let mut counts = counts(&f);
    let ran_through = matches!(status, JobStatus::Completed | JobStatus::Partial);
    if ran_through && phases.iter().all(|ph| ph.error.is_none()) {
        // foreseen and not wanted after all: what was not made is not audited, say
        counts.expected = counts.tasks;
    } else if status.is_terminal() {
        // what was foreseen and never planned: the job ended before, or a phase could not be planned
        counts.cancelled += counts.total().saturating_sub(counts.settled());
    }
    let percent = if ran_through {
        100.0
    } else if status.is_terminal() {
        let ran = counts.settled() - counts.cancelled;
        (ran * 1000 / counts.total().max(1)) as f64 / 10.0
    } else {
        let now = counts.settled() * 1000 / counts.total().max(1);
        now.max(num(&f, "mark")).min(999) as f64 / 10.0
    };
    let goes_on = matches!(status, JobStatus::Pending | JobStatus::Running | JobStatus::Cancelling);
    let outage = down
        .filter(|_| goes_on)
        .and_then(|text| serde_json::from_str::<Outage>(&text).ok())
        .filter(|o| o.until_ms > now_ms());
    let waits = f
        .get("waits")
        .filter(|_| goes_on)
        .and_then(|text| serde_json::from_str::<Waits>(text).ok())
        .filter(|w| w.until_ms > now_ms());
    if !f.contains_key("started") {
        // queued for its plan, and nobody has taken it yet
        for ph in phases.iter_mut().filter(|ph| ph.status == PhaseStatus::Running) {
            (ph.status, ph.started_ms) = (PhaseStatus::Pending, None);
        }
    }
    let is_without_workers = goes_on && workers == 0;
    let mut errors_total = num(&f, "errs");
    if let Some(reason) = cut_short(status, &f, &phases, &counts, errors.is_empty()) {
        errors.insert(0, reason);
        errors.truncate(ERRORS_SHOWN);
        errors_total += 1;
    }
    let current = phases
        .iter()
        .find(|ph| ph.status == PhaseStatus::Running)
        .map(|ph| ph.id.clone());
    Ok(JobView {
        id: job,
        tenant: f
            .get("t")
            .and_then(|t| t.parse().ok())
            .ok_or_else(|| StoreError::Corrupt("job without tenant".into()))?,
        workflow: definition.name.clone(),
        workflow_version: definition.version,
        status,
        controller: get(&f, "ctl").unwrap_or(0),
        venue_id: f.get("venue").cloned().unwrap_or_default(),
        options: json(&f, "options"),
        created_ms: num(&f, "created"),
        started_ms: get(&f, "started"),
        updated_ms: num(&f, "updated"),
        completed_ms: get(&f, "completed"),
        deadline_ms: get(&f, "deadline"),
        // an older version that confirmed it has left the field there
        confirm_by_ms: get(&f, "confirm_by").filter(|_| status == JobStatus::AwaitingConfirmation),
        counts,
        percent,
        eta_seconds: match (&outage, &waits) {
            (None, None) if !is_without_workers => {
                eta(status, &phases, &counts, num(&f, "predicted"), get(&f, "started"))
            }
            // nobody knows when that is over
            _ => None,
        },
        limited_by: match (&outage, &waits) {
            (Some(_), _) => "cool_down",
            (None, _) if is_without_workers => "workers",
            // for the end of what another job has under way
            (None, Some(_)) => "polling",
            (None, None) => limited_by(status, &f, parked, cooling),
        },
        outage,
        waits,
        is_without_workers,
        phases,
        current_phase: current,
        resources: resource_counts(&f),
        errors,
        errors_total,
        pause_reason: f.get("held").cloned(),
        truncation: f.get("trunc").cloned(),
        resume_of: get(&f, "resume_of"),
        retried_by: get(&f, "retried_by"),
        retries: retries(&f),
        cleanup_of: get(&f, "cleanup_of"),
        cleaned_by: get(&f, "cleaned_by"),
        audit_of: get(&f, "audit_of"),
        audited_by: get(&f, "audited_by"),
        submitted_by: f.get("by").cloned().unwrap_or_default(),
        predicted_seconds: num(&f, "predicted"),
        plan_reads: get(&f, "plan"),
        plan_checked_by: get(&f, "check"),
        is_plan_unchecked: f.contains_key("checking"),
    })
}

/// A version that kept no list may have accepted the latest.
fn retries(f: &Fields) -> Vec<JobId> {
    let mut all: Vec<JobId> = Vec::new();
    for list in ["retried_by", "retries"] {
        let ids = f.get(list).into_iter().flat_map(|ids| ids.split(','));
        for id in ids.filter_map(|id| id.parse().ok()) {
            if !all.contains(&id) {
                all.push(id);
            }
        }
    }
    all
}

fn resource_counts(f: &Fields) -> BTreeMap<String, ResourceCounts> {
    let mut out: BTreeMap<String, ResourceCounts> = BTreeMap::new();
    for (name, n) in f {
        let mut parts = name.split('|');
        if let (Some("rc"), Some(kind), Some(origin)) = (parts.next(), parts.next(), parts.next()) {
            let c = out.entry(kind.to_owned()).or_default();
            let n = n.parse().unwrap_or(0);
            match origin {
                "c" => c.created = n,
                "a" => c.adopted = n,
                "d" => c.deleted = n,
                _ => c.updated = n,
            }
        }
    }
    out
}
