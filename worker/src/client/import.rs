//! `phaseline import`: send the file, say which job it became, and watch it if asked to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Body, Method, header};
use serde_json::Value;

use crate::api::Api;
use crate::args::{Import, Sent};
use crate::exit::{self, Failure};
use crate::export;
use crate::output::Output;
use crate::progress::{self, UploadBar};
use crate::start;
use crate::status;
use crate::upload::Upload;
use crate::watch;
use crate::wire::{Accepted, Job};

pub async fn run(api: &Api, import: Import, output: Output) -> Result<u8, Failure> {
    let inspected = export::inspect(&import.sent.file)?;
    let upload = Upload::plan(&import.sent, inspected)?;
    if import.just_wrap {
        return match upload.write(std::io::stdout().lock()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Unexpected(e.to_string())),
            _ => Ok(exit::OK),
        };
    }
    let sending = Sending {
        path: "api/cloudpath-dpsk/import",
        upload: &upload,
        wait: import.wait,
        patience: patience(&import.sent),
    };
    let (accepted, raw, is_replay) = send(api, &sending, &start::key(&import.sent.idempotency_key), output).await?;
    let follow_it = Follow {
        is_waited: import.wait.is_some(),
        is_watched: import.watch,
        patience: patience(&import.sent),
    };
    follow(api, &accepted, &raw, is_replay, &follow_it, output).await
}

/// What is wanted of a job that has been accepted.
pub struct Follow {
    pub is_waited: bool,
    pub is_watched: bool,
    pub patience: Duration,
}

/// Says which job it became, and stays with it as far as that is wanted.
pub async fn follow(
    api: &Api,
    accepted: &Accepted,
    raw: &Value,
    is_replay: bool,
    wanted: &Follow,
    output: Output,
) -> Result<u8, Failure> {
    if wanted.is_waited {
        return waited(api, accepted, raw, output).await;
    }
    if output.json {
        output.document(raw);
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
    if wanted.is_watched {
        return watch::watch(api, &accepted.job_id, wanted.patience, output).await;
    }
    if !output.json {
        output.line(&next(accepted));
    }
    Ok(exit::OK)
}

/// What to do next.
fn next(accepted: &Accepted) -> String {
    let job = &accepted.job_id;
    match (accepted.status.as_str(), &accepted.plan_awaited) {
        (_, Some(by)) => format!(
            "job {by} makes its plan anew; it begins by itself when nothing has changed: phaseline status {job} --watch"
        ),
        ("AWAITING_CONFIRMATION", _) => format!("nothing is done until it is confirmed: phaseline confirm {job}"),
        _ => format!("watch it with: phaseline status {job} --watch"),
    }
}

/// How long to go on when the API is away.
pub fn patience(sent: &Sent) -> Duration {
    Duration::from_secs(sent.patience * 60)
}

/// What had become of the job when the API answered.
async fn waited(api: &Api, accepted: &Accepted, raw: &Value, output: Output) -> Result<u8, Failure> {
    if output.json {
        output.document(raw);
    } else {
        output.line(&format!("job {}", accepted.job_id));
        let (job, _): (Job, Value) = api.get(&format!("api/v1/jobs/{}", accepted.job_id), &[]).await?;
        for line in status::summary(&job) {
            output.line(&line);
        }
        let code = job.standing();
        if code.is_none() {
            output.line(&format!(
                "it goes on; watch it with: phaseline status {} --watch",
                accepted.job_id
            ));
        }
        return Ok(code.unwrap_or(exit::OK));
    }
    Ok(exit::of_standing(&accepted.status).unwrap_or(exit::OK))
}

/// What is sent, and where to.
pub struct Sending<'a> {
    pub path: &'static str,
    pub upload: &'a Upload,
    pub wait: Option<u64>,
    pub patience: Duration,
}

/// Until there is an answer, or no patience left.
pub async fn send(
    api: &Api,
    sending: &Sending<'_>,
    key: &str,
    output: Output,
) -> Result<(Accepted, Value, bool), Failure> {
    // bytes of the body, by the attempt that is under way
    let sent = Arc::new(AtomicU64::new(0));
    let has_left = || sent.load(Ordering::Relaxed) > 0;
    start::start(key, sending.patience, output, has_left, async || {
        sent.store(0, Ordering::Relaxed);
        attempt(api, sending, key, &sent, output).await
    })
    .await
}

async fn attempt(
    api: &Api,
    sending: &Sending<'_>,
    key: &str,
    sent: &Arc<AtomicU64>,
    output: Output,
) -> Result<(Accepted, Value, bool), Failure> {
    let upload = sending.upload;
    let mut request = api
        .request(Method::POST, sending.path)?
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, upload.length())
        .header("idempotency-key", key)
        .body(Body::wrap_stream(upload.stream(sent.clone())));
    if let Some(seconds) = sending.wait {
        request = request.header("prefer", format!("wait={seconds}"));
    }
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
