//! Calls to the API under test, which runs in development mode: no token.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::VENUE;
use super::http::Http;
use super::wait::wait_until;

/// A job that has one of these will not change any more.
pub const ENDED: [&str; 4] = ["COMPLETED", "PARTIAL", "FAILED", "CANCELLED"];

/// Where imports are submitted.
pub const IMPORT: &str = "/api/cloudpath-dpsk/import";

#[derive(Debug, Clone)]
pub struct Api {
    http: Http,
    token: Option<String>,
}

impl Api {
    pub fn new(base: &str) -> anyhow::Result<Self> {
        Ok(Api {
            http: Http::new(base)?,
            token: None,
        })
    }

    /// The same, called with a bearer token.
    pub fn with_token(&self, token: String) -> Self {
        Api {
            http: self.http.clone(),
            token: Some(token),
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> anyhow::Result<(u16, Value)> {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|b| ("authorization", b.as_str())).collect();
        let (status, text) = self.http.with_headers(method, path, body, &headers).await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    pub fn base(&self) -> &str {
        &self.http.base
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        self.call(Method::GET, path, None).await
    }

    /// The body as it came.
    pub async fn get_text(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.http.text(Method::GET, path, None).await
    }

    /// Takes the body's JSON as it is.
    pub async fn post(&self, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        let body = body.map(serde_json::to_vec).transpose()?;
        self.call(Method::POST, path, body).await
    }

    /// Submits an export to a controller; the job's id.
    pub async fn import(&self, controller: i64, export: &Value, options: Value) -> anyhow::Result<String> {
        let body = json!({"controller_id": controller, "venue_id": VENUE, "dpsk_data": export, "options": options});
        let (status, answer) = self.post(IMPORT, Some(&body)).await?;
        match (status, answer["job_id"].as_str()) {
            (202, Some(id)) => Ok(id.to_owned()),
            _ => bail!("the import was answered {status}: {answer}"),
        }
    }

    /// One attempt at an import with an `Idempotency-Key`; `body` is the whole of it.
    pub async fn import_once(&self, key: &str, body: &[u8]) -> anyhow::Result<(u16, Value)> {
        self.post_with(IMPORT, &[("idempotency-key", key)], body).await
    }

    /// With headers of one's own. An answer that is no JSON comes as text.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<(u16, Value)> {
        let sent = self.http.with_headers(Method::POST, path, Some(body.to_vec()), headers);
        let (status, text) = sent.await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    pub async fn job(&self, id: &str) -> anyhow::Result<Value> {
        match self.get(&format!("/api/v1/jobs/{id}")).await? {
            (200, job) => Ok(job),
            (status, answer) => bail!("job {id} is answered {status}: {answer}"),
        }
    }

    /// All tasks of a job, over all pages.
    pub async fn tasks(&self, id: &str) -> anyhow::Result<Vec<Value>> {
        let (mut tasks, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/jobs/{id}/tasks?limit=200{cursor}");
            let (status, mut page) = self.get(&path).await?;
            let Some(items) = page["items"].as_array_mut() else {
                bail!("tasks of job {id} are answered {status}: {page}");
            };
            tasks.append(items);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(tasks),
            }
        }
    }

    /// Ids, newest first.
    pub async fn jobs(&self) -> anyhow::Result<Vec<String>> {
        let (status, page) = self.get("/api/v1/jobs").await?;
        let items = page["items"]
            .as_array()
            .with_context(|| format!("jobs are answered {status}: {page}"))?;
        Ok(items
            .iter()
            .filter_map(|job| job["id"].as_str().map(str::to_owned))
            .collect())
    }

    /// `confirm`, `pause`, `resume` or `cancel`.
    pub async fn steer(&self, id: &str, call: &str) -> anyhow::Result<(u16, Value)> {
        self.post(&format!("/api/v1/jobs/{id}/{call}"), None).await
    }

    /// The job once `is_reached`; errors on the way (Redis away, API restarting) are waited out.
    pub async fn job_until(
        &self,
        id: &str,
        what: &str,
        timeout: Duration,
        is_reached: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        let what = format!("job {id} {what}");
        let reached = wait_until(&what, timeout, async || {
            last = self.job(id).await.ok()?;
            is_reached(&last).then(|| last.clone())
        });
        match reached.await {
            Ok(job) => Ok(job),
            Err(timed_out) => bail!("{timed_out}; it is {}", summary(&last)),
        }
    }

    /// The job as it ended.
    pub async fn ended(&self, id: &str, timeout: Duration) -> anyhow::Result<Value> {
        self.job_until(id, "to end", timeout, has_ended).await
    }
}

pub fn has_ended(job: &Value) -> bool {
    job["status"].as_str().is_some_and(|status| ENDED.contains(&status))
}

/// State, counts and errors of a job in a line or two.
pub fn summary(job: &Value) -> String {
    let errors: Vec<&str> = job["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .take(5)
        .collect();
    format!("{} {} {}", job["status"], job["summary"], errors.join("; "))
}
