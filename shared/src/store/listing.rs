//! Lists of jobs, newest first, by page. A page is looked up in the index, so that jobs which come, go or change meanwhile never make
//! a list skip one that stays: a page goes on behind a place in the index, not behind a number of jobs.

use redis::Value;

use super::inspect::{ReadJob, reply};
use super::keys::Partition;
use super::model::{JobCursor, JobFilter, JobView, Page, Scope};
use super::{Store, StoreError};
use crate::id::{JobId, TenantId};
use crate::job::JobStatus;

/// Jobs looked at for one page of a filtered list: a filter that matches nothing must not walk the whole index in one call.
const SCAN_MAX: usize = 1_000;
/// Of these, in one round trip.
const SCAN_CHUNK: usize = 250;
/// Jobs shown in one round trip: about a dozen commands each, and nobody else is served between them.
const VIEW_CHUNK: usize = 50;
/// Jobs of one moment that are read beyond a page; more are read in further round trips.
const SAME_MOMENT: usize = 20;

/// A job's place in the index.
#[derive(Debug, Clone)]
struct Entry {
    created_ms: u64,
    /// As the index orders jobs of one moment.
    member: String,
    partition: Partition,
    tenant: TenantId,
    job: JobId,
}

impl Entry {
    /// A member is `job` in a tenant's index and `tenant|job` in a partition's. None: it is neither.
    fn parse(source: &Source, member: String, created_ms: u64) -> Option<Self> {
        let (tenant, job) = match &source.tenant {
            Some(tenant) => (tenant.clone(), member.parse().ok()?),
            None => {
                let (tenant, job) = member.split_once('|')?;
                (tenant.parse().ok()?, job.parse().ok()?)
            }
        };
        Some(Entry {
            created_ms,
            member,
            partition: source.partition,
            tenant,
            job,
        })
    }

    fn cursor(&self, scope: &Scope) -> JobCursor {
        JobCursor {
            created_ms: self.created_ms,
            job: self.job,
            tenant: matches!(scope, Scope::All).then(|| self.tenant.clone()),
        }
    }
}

/// One sorted set of the index.
struct Source {
    partition: Partition,
    key: String,
    tenant: Option<TenantId>,
}

impl Store {
    /// Newest first; jobs of one millisecond in the order of the index.
    pub async fn jobs(
        &self,
        scope: &Scope,
        filter: &JobFilter,
        cursor: Option<&JobCursor>,
        limit: usize,
    ) -> Result<Page<JobView>, StoreError> {
        let mut behind = cursor.cloned();
        let (mut items, mut looked) = (Vec::new(), 0);
        loop {
            let want = match filter.is_any() {
                // one more than is shown: whether the page is the last one is to be known
                true => limit - items.len() + 1,
                false => SCAN_CHUNK,
            };
            let found = self.index_page(scope, filter, behind.as_ref(), want).await?;
            let is_end = found.len() < want;
            let fitting = self.fitting(filter, &found).await?;
            let mut left = fitting.as_slice();
            while !left.is_empty() {
                let (now, later) = left.split_at(left.len().min(VIEW_CHUNK).min(limit - items.len()));
                for (at, view) in now.iter().zip(self.shown(&found, now).await?) {
                    // it may have changed between the two looks
                    items.extend(view.filter(|v| filter.takes(v.status, &v.workflow, v.controller, &v.venue_id)));
                    if items.len() >= limit {
                        let is_last = is_end && at + 1 == found.len();
                        let next = found.get(*at).filter(|_| !is_last);
                        return Ok(Page {
                            items,
                            next: next.map(|e| e.cursor(scope).to_string()),
                        });
                    }
                }
                left = later;
            }
            looked += found.len();
            behind = found.last().map(|e| e.cursor(scope)).or(behind);
            if is_end || looked >= SCAN_MAX {
                let next = behind.filter(|_| !is_end).map(|c| c.to_string());
                return Ok(Page { items, next });
            }
        }
    }

    /// Which of these jobs a filter takes, by their position.
    async fn fitting(&self, filter: &JobFilter, found: &[Entry]) -> Result<Vec<usize>, StoreError> {
        if filter.is_any() || found.is_empty() {
            return Ok((0..found.len()).collect());
        }
        let mut pipe = redis::pipe();
        for e in found {
            pipe.hmget(e.partition.job(e.job), &["status", "wf", "ctl", "venue"]);
        }
        let replies = self.replies(pipe).await?;
        let mut out = Vec::new();
        for (at, value) in replies.iter().enumerate() {
            let [status, workflow, controller, venue]: [Option<String>; 4] = reply(value)?;
            // gone, and the index does not know yet
            let Some(status) = status else { continue };
            let status = JobStatus::parse(&status).unwrap_or(JobStatus::Running);
            let controller = controller.and_then(|c| c.parse().ok()).unwrap_or(0);
            let text = |t: Option<String>| t.unwrap_or_default();
            if filter.takes(status, &text(workflow), controller, &text(venue)) {
                out.push(at);
            }
        }
        Ok(out)
    }

    /// The jobs at these positions as they are now, in order; none for one that is gone.
    async fn shown(&self, found: &[Entry], at: &[usize]) -> Result<Vec<Option<JobView>>, StoreError> {
        let entries: Vec<&Entry> = at.iter().filter_map(|i| found.get(*i)).collect();
        let keys: Vec<_> = entries.iter().map(|e| (e.partition, e.job)).collect();
        let hashes = self.job_fields(&keys).await?;
        let mut is_there = Vec::with_capacity(entries.len());
        let mut read = Vec::new();
        for (e, fields) in entries.iter().zip(hashes) {
            let is_owned = fields.get("t").map(String::as_str) == Some(e.tenant.as_str());
            is_there.push(is_owned);
            if is_owned {
                read.push(ReadJob {
                    partition: e.partition,
                    id: e.job,
                    fields,
                });
            }
        }
        if read.is_empty() {
            return Ok(is_there.into_iter().map(|_| None).collect());
        }
        let mut views = self.views(read).await?.into_iter();
        Ok(is_there
            .into_iter()
            .map(|there| if there { views.next() } else { None })
            .collect())
    }

    /// At least `want` entries behind a cursor, in order, unless there are no more.
    async fn index_page(
        &self,
        scope: &Scope,
        filter: &JobFilter,
        behind: Option<&JobCursor>,
        want: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let sources: Vec<Source> = match scope {
            Scope::Tenant(t) => vec![Source {
                partition: self.partition_of(t),
                key: self.partition_of(t).key(&format!("index:t:{t}")),
                tenant: Some(t.clone()),
            }],
            Scope::All => self
                .partitions()
                .map(|partition| Source {
                    partition,
                    key: partition.key("index"),
                    tenant: None,
                })
                .collect(),
        };
        let newest = filter.to_ms.map(|to| to.saturating_sub(1));
        let newest = newest.into_iter().chain(behind.map(|b| b.created_ms)).min();
        let newest = newest.map_or("+inf".to_owned(), |ms| ms.to_string());
        let oldest = filter.from_ms.map_or("-inf".to_owned(), |ms| ms.to_string());
        let is_behind = |e: &Entry| {
            behind.is_none_or(|b| {
                let member = b.member();
                (e.created_ms, e.member.as_str()) < (b.created_ms, member.as_str())
            })
        };
        let count = want + SAME_MOMENT;
        let mut all = Vec::new();
        // entries of the cursor's moment come again and are dropped; a source that had nothing else is asked for more
        let mut asked: Vec<(&Source, usize, usize)> = sources.iter().map(|s| (s, 0, 0)).collect();
        while !asked.is_empty() {
            let mut pipe = redis::pipe();
            for (source, offset, _) in &asked {
                pipe.cmd("ZRANGE").arg(&source.key).arg(&newest).arg(&oldest);
                pipe.arg("BYSCORE").arg("REV").arg("LIMIT").arg(*offset).arg(count);
                pipe.arg("WITHSCORES");
            }
            let replies: Vec<Value> = self.replies(pipe).await?;
            let mut more = Vec::new();
            for ((source, offset, kept), value) in asked.into_iter().zip(&replies) {
                let rows: Vec<(String, f64)> = reply(value)?;
                let read = rows.len();
                let entries = rows
                    .into_iter()
                    .filter_map(|(m, at)| Entry::parse(source, m, at as u64));
                let before = all.len();
                all.extend(entries.filter(&is_behind));
                let kept = kept + all.len() - before;
                if read == count && kept < want {
                    more.push((source, offset + read, kept));
                }
            }
            asked = more;
        }
        all.sort_by(|a, b| (b.created_ms, &b.member).cmp(&(a.created_ms, &a.member)));
        all.truncate(want);
        Ok(all)
    }
}
