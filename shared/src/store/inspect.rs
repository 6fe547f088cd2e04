//! Reading jobs: cold and read-only. Sums are kept by the scripts, so nothing here parses a blob for a status.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;

use super::keys::Partition;
use super::model::{
    Counts, ErrorView, JobFilter, JobView, Outage, Page, PhaseView, ResourceCounts, ResourceView, Scope, Waits,
};
use super::outlook::{cut_short, eta, limited_by};
use super::{Store, StoreError};
use crate::blob;
use crate::id::{JobId, PhaseId, TenantId};
use crate::job::outcome::{Origin, Outcome};
use crate::job::{JobStatus, PhaseStatus};
use crate::workflow::Definition;

pub(super) type Fields = HashMap<String, String>;

/// Jobs looked at for one page of a filtered list: a filter that matches nothing must not walk the whole index in one call.
const SCAN_MAX: usize = 1_000;
/// Errors of a job that are shown.
const ERRORS_SHOWN: usize = 100;
/// Batches read for the names of what a phase made: 2,000 pools.
const NAMES_BATCHES_MAX: i64 = 40;

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

impl Store {
    async fn fields(&self, key: String) -> Result<Fields, StoreError> {
        self.redis
            .run(|mut c| async move { redis::cmd("HGETALL").arg(key).query_async(&mut c).await })
            .await
    }

    /// Whose job it is; for callers bound to no tenant.
    pub async fn tenant_of(&self, job: JobId) -> Result<Option<TenantId>, StoreError> {
        for p in self.partitions() {
            let key = p.job(job);
            let t: Option<String> = self
                .redis
                .run(|mut c| async move { redis::cmd("HGET").arg(key).arg("t").query_async(&mut c).await })
                .await?;
            if let Some(t) = t.and_then(|t| t.parse().ok()) {
                return Ok(Some(t));
            }
        }
        Ok(None)
    }

    /// A tenant's job; another's is as absent as one that never was.
    pub async fn job(&self, tenant: &TenantId, job: JobId) -> Result<Option<JobView>, StoreError> {
        let p = self.partition_of(tenant);
        let fields = self.fields(p.job(job)).await?;
        if fields.get("t").map(String::as_str) != Some(tenant.as_str()) {
            return Ok(None);
        }
        Ok(Some(self.view(p, job, fields).await?))
    }

    async fn view(&self, p: Partition, job: JobId, f: Fields) -> Result<JobView, StoreError> {
        let definition: Definition = serde_json::from_str(f.get("def").map_or("", String::as_str))?;
        let mut pipe = redis::pipe();
        for ph in &definition.phases {
            pipe.hgetall(p.job_part(job, &format!("ph:{}", ph.id)));
        }
        pipe.scard(p.job_part(job, "pk"));
        pipe.hexists(p.key("cool"), f.get("lane").map_or("", String::as_str));
        pipe.hget(p.key("down"), f.get("lane").map_or("", String::as_str));
        pipe.zcount(p.key("workers"), now_ms(), "+inf");
        pipe.lrange(p.job_part(job, "err"), 0, ERRORS_SHOWN as isize - 1);
        let replies: Vec<redis::Value> = self
            .redis
            .run(|mut c| async move { pipe.query_async(&mut c).await })
            .await?;
        let mut phases = Vec::new();
        for (def, reply) in definition.phases.iter().zip(&replies) {
            let ph: Fields = redis::from_redis_value_ref(reply).map_err(|e| StoreError::Corrupt(e.to_string()))?;
            phases.push(PhaseView {
                id: def.id.clone(),
                name: def.name.clone(),
                status: ph
                    .get("st")
                    .and_then(|s| PhaseStatus::parse(s))
                    .unwrap_or(PhaseStatus::Pending),
                critical: def.critical,
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
            resources: resources(&f),
            errors,
            errors_total,
            pause_reason: f.get("held").cloned(),
            truncation: f.get("trunc").cloned(),
            resume_of: get(&f, "resume_of"),
            retried_by: get(&f, "retried_by"),
            submitted_by: f.get("by").cloned().unwrap_or_default(),
            predicted_seconds: num(&f, "predicted"),
        })
    }

    /// Newest first. The cursor is the creation time and id of the last one given.
    pub async fn jobs(
        &self,
        scope: &Scope,
        filter: &JobFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<JobView>, StoreError> {
        // (created, member) of the candidates, over all partitions of the scope
        let (mut at, mut after): (u64, String) = match cursor.and_then(|c| c.split_once('.')) {
            Some((ms, id)) => (ms.parse().unwrap_or(u64::MAX), id.to_owned()),
            None => (filter.to_ms.map_or(u64::MAX, |t| t.saturating_sub(1)), String::new()),
        };
        let mut items = Vec::new();
        let mut looked = 0;
        loop {
            let found = self.index_page(scope, at, &after, limit.max(20)).await?;
            let ended = found.is_empty();
            for (created, job, tenant) in found {
                (at, after) = (created, job.to_string());
                looked += 1;
                if filter.from_ms.is_some_and(|from| created < from) {
                    return Ok(Page { items, next: None });
                }
                let fits = |v: &JobView| {
                    filter.status.is_none_or(|s| v.status == s)
                        && filter.workflow.as_ref().is_none_or(|w| v.workflow == *w)
                        && filter.controller.is_none_or(|c| v.controller == c)
                };
                if let Some(view) = self.job(&tenant, job).await?.filter(fits) {
                    items.push(view);
                }
                if items.len() >= limit || looked >= SCAN_MAX {
                    return Ok(Page {
                        items,
                        next: Some(format!("{at}.{after}")),
                    });
                }
            }
            if ended {
                return Ok(Page { items, next: None });
            }
        }
    }

    /// Index entries older than (`at`, `after`), newest first.
    async fn index_page(
        &self,
        scope: &Scope,
        at: u64,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(u64, JobId, TenantId)>, StoreError> {
        let sources: Vec<(String, Option<TenantId>)> = match scope {
            Scope::Tenant(t) => vec![(self.partition_of(t).key(&format!("index:t:{t}")), Some(t.clone()))],
            Scope::All => self.partitions().map(|p| (p.key("index"), None)).collect(),
        };
        let max = if at == u64::MAX {
            "+inf".to_owned()
        } else {
            at.to_string()
        };
        let mut all = Vec::new();
        for (key, tenant) in sources {
            let max = max.clone();
            // entries of the very millisecond are taken again and dropped below: ids of one moment are few
            let rows: Vec<(String, f64)> = self
                .redis
                .run(|mut c| async move {
                    redis::cmd("ZRANGE")
                        .arg(key)
                        .arg(max)
                        .arg("-inf")
                        .arg("BYSCORE")
                        .arg("REV")
                        .arg("LIMIT")
                        .arg(0)
                        .arg(limit + 100)
                        .arg("WITHSCORES")
                        .query_async(&mut c)
                        .await
                })
                .await?;
            for (member, score) in rows {
                let (t, id) = match &tenant {
                    Some(t) => (Some(t.clone()), member.as_str()),
                    None => match member.split_once('|') {
                        Some((t, id)) => (t.parse().ok(), id),
                        None => continue,
                    },
                };
                if let (Some(t), Ok(id)) = (t, id.parse::<JobId>()) {
                    let created = score as u64;
                    if created < at || after.is_empty() || id.to_string().as_str() < after {
                        all.push((created, id, t));
                    }
                }
            }
        }
        all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| b.1.cmp(&a.1)));
        all.truncate(limit);
        Ok(all)
    }

    /// At most `cap` resources a job created or adopted, of one kind or of each kind.
    ///
    /// Taken from the first batches' outcomes: a sample for people. Everything is in the task list.
    pub async fn created(
        &self,
        tenant: &TenantId,
        job: JobId,
        kind: Option<&str>,
        cap: usize,
    ) -> Result<Vec<ResourceView>, StoreError> {
        let p = self.partition_of(tenant);
        let Some(definition) = self.definition(tenant, job).await? else {
            return Ok(Vec::new());
        };
        let mut given: BTreeMap<String, usize> = BTreeMap::new();
        let mut out = Vec::new();
        for ph in &definition.phases {
            for batch in 0..3 {
                let Some(outcomes) = self.batch_outcomes(p, job, &ph.id, batch).await? else {
                    break;
                };
                for r in outcomes.into_iter().filter_map(|o| o.resource) {
                    if kind.is_some_and(|k| k != r.kind) {
                        continue;
                    }
                    let n = given.entry(r.kind.clone()).or_default();
                    if *n < cap {
                        *n += 1;
                        out.push(ResourceView {
                            kind: r.kind,
                            id: r.id,
                            name: r.name,
                            created: r.origin == Origin::Created,
                        });
                    }
                }
            }
        }
        Ok(out)
    }

    /// The definition a job was started with. None: no such job of this tenant.
    pub async fn definition(&self, tenant: &TenantId, job: JobId) -> Result<Option<Definition>, StoreError> {
        let key = self.partition_of(tenant).job(job);
        let (owner, def): (Option<String>, Option<String>) = self
            .redis
            .run(|mut c| async move {
                redis::cmd("HMGET")
                    .arg(key)
                    .arg("t")
                    .arg("def")
                    .query_async(&mut c)
                    .await
            })
            .await?;
        let def = def.filter(|_| owner.as_deref() == Some(tenant.as_str()));
        def.map(|d| serde_json::from_str(&d))
            .transpose()
            .map_err(StoreError::from)
    }

    /// Id → name of what a phase made or found, as far as its first batches tell.
    pub async fn names_of(
        &self,
        tenant: &TenantId,
        job: JobId,
        phase: &PhaseId,
    ) -> Result<HashMap<String, String>, StoreError> {
        let p = self.partition_of(tenant);
        let mut names = HashMap::new();
        for batch in 0..NAMES_BATCHES_MAX {
            let Some(outcomes) = self.batch_outcomes(p, job, phase, batch).await? else {
                break;
            };
            names.extend(outcomes.into_iter().filter_map(|o| o.resource).map(|r| (r.id, r.name)));
        }
        Ok(names)
    }

    pub(super) async fn batch_outcomes(
        &self,
        p: Partition,
        job: JobId,
        phase: &PhaseId,
        batch: i64,
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        let key = p.job_part(job, &format!("out:{phase}"));
        let b: Option<Vec<u8>> = self
            .redis
            .run(|mut c| async move { redis::cmd("HGET").arg(key).arg(batch).query_async(&mut c).await })
            .await?;
        b.map(|b| blob::unpack(&b)).transpose().map_err(StoreError::from)
    }
}

fn resources(f: &Fields) -> BTreeMap<String, ResourceCounts> {
    let mut out: BTreeMap<String, ResourceCounts> = BTreeMap::new();
    for (name, n) in f {
        let mut parts = name.split('|');
        if let (Some("rc"), Some(kind), Some(origin)) = (parts.next(), parts.next(), parts.next()) {
            let c = out.entry(kind.to_owned()).or_default();
            let n = n.parse().unwrap_or(0);
            match origin {
                "c" => c.created = n,
                "a" => c.adopted = n,
                _ => c.updated = n,
            }
        }
    }
    out
}
