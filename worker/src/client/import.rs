//! `phaseline import`: send the file, say which job it became, and watch it if asked to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Body, Method, header};
use serde_json::Value;
use uuid::Uuid;

use crate::api::Api;
use crate::args::Import;
use crate::exit::{self, Failure};
use crate::export;
use crate::output::Output;
use crate::progress::{self, UploadBar};
use crate::upload::Upload;
use crate::watch::{self, Backoff};
use crate::wire::Accepted;

pub async fn run(api: &Api, import: Import, output: Output) -> Result<u8, Failure> {
    let inspected = export::inspect(&import.file)?;
    let upload = Upload::plan(&import, inspected)?;
    if import.just_wrap {
        return match upload.write(std::io::stdout().lock()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Unexpected(e.to_string())),
            _ => Ok(exit::OK),
        };
    }
    // With a key of its own the request may be sent again after a broken connection and still makes one job.
    let key = import
        .idempotency_key
        .clone()
        .unwrap_or_else(|| Uuid::new_v4().to_string());
    let patience = Duration::from_secs(import.patience * 60);
    let (accepted, raw, is_replay) = send(api, &upload, &key, patience, output).await?;
    if output.json {
        output.document(&raw);
    } else {
        let estimate = accepted.estimated_duration_seconds.map(progress::duration);
        let about = estimate.map(|e| format!(", about {e}")).unwrap_or_default();
        output.line(&match is_replay {
            true => format!(
                "accepted before, under the same idempotency key, as job {}",
                accepted.job_id
            ),
            false => format!("accepted as job {}{about}", accepted.job_id),
        });
    }
    if import.watch {
        return watch::watch(api, &accepted.job_id, patience, output).await;
    }
    if !output.json {
        output.line(&format!("watch it with: phaseline status {} --watch", accepted.job_id));
    }
    Ok(exit::OK)
}

async fn send(
    api: &Api,
    upload: &Upload,
    key: &str,
    patience: Duration,
    output: Output,
) -> Result<(Accepted, Value, bool), Failure> {
    let mut backoff = Backoff::new(patience);
    loop {
        match attempt(api, upload, key, output).await {
            Err(failure) if failure.is_transient() && backoff.may_go_on() => {
                backoff.wait(&failure, output, "trying again").await;
            }
            answer => return answer,
        }
    }
}

async fn attempt(api: &Api, upload: &Upload, key: &str, output: Output) -> Result<(Accepted, Value, bool), Failure> {
    let sent = Arc::new(AtomicU64::new(0));
    let request = api
        .request(Method::POST, "api/cloudpath-dpsk/import")?
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, upload.length())
        .header("idempotency-key", key)
        .body(Body::wrap_stream(upload.stream(sent.clone())));
    let bar = UploadBar::new(upload.length(), output);
    let began = Instant::now();
    let answer = api.answer_or_replay(request);
    tokio::pin!(answer);
    loop {
        tokio::select! {
            done = &mut answer => {
                bar.clear();
                return done;
            }
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                bar.show(sent.load(Ordering::Relaxed), began.elapsed());
            }
        }
    }
}
