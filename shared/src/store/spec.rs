//! What a worker needs to know of a job it has work of: the pinned definition and what earlier phases left behind.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::keys::Partition;
use super::scripts::{self, Args};
use super::{Store, StoreError};
use crate::id::{JobId, TenantId};
use crate::workflow::Definition;

/// The part of a job that never changes while it lives.
#[derive(Debug, Clone)]
pub struct JobSpec {
    pub id: JobId,
    pub partition: Partition,
    pub tenant: TenantId,
    pub controller: i64,
    pub venue_id: String,
    pub definition: Definition,
    pub options: Json,
    /// Metadata of the input, without rows.
    pub input: Json,
    pub input_chunks: u32,
    pub failure_budget_percent: Option<f64>,
}

impl Store {
    /// None: the job's keys are gone.
    pub async fn job_spec(&self, p: Partition, job: JobId) -> Result<Option<JobSpec>, StoreError> {
        let key = p.job(job);
        let names = ["t", "ctl", "venue", "def", "options", "input", "chunks", "fbudget"];
        let values: Vec<Option<String>> = self
            .redis
            .run(p, |mut c| async move {
                redis::cmd("HMGET").arg(key).arg(&names).query_async(&mut c).await
            })
            .await?;
        let f: HashMap<&str, String> = names
            .into_iter()
            .zip(values)
            .filter_map(|(k, v)| v.map(|v| (k, v)))
            .collect();
        let (Some(tenant), Some(def)) = (f.get("t"), f.get("def")) else {
            return Ok(None);
        };
        let json = |name: &str| f.get(name).map_or(Ok(Json::Null), |v| serde_json::from_str(v));
        Ok(Some(JobSpec {
            id: job,
            partition: p,
            tenant: tenant
                .parse()
                .map_err(|_| StoreError::Corrupt(format!("job {job}: tenant")))?,
            controller: f.get("ctl").and_then(|c| c.parse().ok()).unwrap_or(0),
            venue_id: f.get("venue").cloned().unwrap_or_default(),
            definition: serde_json::from_str(def)?,
            options: json("options")?,
            input: json("input")?,
            input_chunks: f.get("chunks").and_then(|c| c.parse().ok()).unwrap_or(0),
            failure_budget_percent: f.get("fbudget").and_then(|b| b.parse().ok()),
        }))
    }

    /// `phases` as a `skip_condition` sees it: `{<id>: {state, tasks, done, failed, skipped, unknown, facts}}`.
    pub async fn phase_results(&self, spec: &JobSpec) -> Result<Json, StoreError> {
        let mut pipe = redis::pipe();
        for ph in &spec.definition.phases {
            pipe.hgetall(spec.partition.job_part(spec.id, &format!("ph:{}", ph.id)));
        }
        let all: Vec<HashMap<String, String>> = self
            .redis
            .run(spec.partition, |mut c| async move { pipe.query_async(&mut c).await })
            .await?;
        let mut out = serde_json::Map::new();
        for (ph, f) in spec.definition.phases.iter().zip(all) {
            let n = |name: &str| f.get(name).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
            let facts: Json = f
                .get("facts")
                .and_then(|v| serde_json::from_str(v).ok())
                .unwrap_or_else(|| json!({}));
            let state = f.get("st").map_or("PENDING", String::as_str);
            out.insert(
                ph.id.to_string(),
                json!({
                    "state": state, "tasks": n("tasks"), "done": n("done"), "failed": n("failed"),
                    "skipped": n("skipped"), "unknown": n("unknown"), "facts": facts,
                }),
            );
        }
        Ok(Json::Object(out))
    }

    /// What limits jobs at this worker, for `limited_by`. Read for a few seconds, then forgotten.
    pub async fn note_limits(&self, p: Partition, notes: &[(JobId, &'static str)]) -> Result<(), StoreError> {
        if notes.is_empty() {
            return Ok(());
        }
        let mut args = Args::new();
        for (job, what) in notes {
            args.push(job.to_string());
            args.push(*what);
        }
        scripts::on_partition::<u64>(&self.redis, p, &scripts::JOB_LIMITS, args)
            .await
            .map(drop)
    }
}
