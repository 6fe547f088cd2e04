//! Follows a job to its end by asking for its state. Survives an API that restarts.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::Api;
use crate::exit::{self, Failure};
use crate::output::Output;
use crate::progress::Progress;
use crate::wire::Job;

/// Between two questions. One answer is a few kilobytes and costs the store one script call.
const INTERVAL: Duration = Duration::from_secs(1);
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Waits ever longer between attempts, and gives up after a time.
pub struct Backoff {
    patience: Duration,
    since: Option<Instant>,
    next: Duration,
}

impl Backoff {
    pub fn new(patience: Duration) -> Self {
        Backoff {
            patience,
            since: None,
            next: BACKOFF_FIRST,
        }
    }

    /// It worked: the next failure starts a new count.
    pub fn reset(&mut self) -> bool {
        self.next = BACKOFF_FIRST;
        self.since.take().is_some()
    }

    pub fn may_go_on(&self) -> bool {
        self.since.is_none_or(|since| since.elapsed() < self.patience) && !self.patience.is_zero()
    }

    /// Tells the first failure of a row, and waits: as long as the API asks for, else ever longer.
    pub async fn wait(&mut self, failure: &Failure, output: Output, what_next: &str) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            if !output.json {
                let minutes = self.patience.as_secs() / 60;
                output.complain(&format!("phaseline: {failure}; {what_next} for up to {minutes} min"));
            }
        }
        let asked = match failure {
            Failure::Answered(problem) => problem.retry_after.map(Duration::from_secs),
            _ => None,
        };
        let pause = asked.unwrap_or(self.next).min(BACKOFF_MAX);
        self.next = (self.next * 2).min(BACKOFF_MAX);
        tokio::time::sleep(pause).await;
    }
}

pub async fn watch(api: &Api, job: &str, patience: Duration, output: Output) -> Result<u8, Failure> {
    let following = follow(api, job, patience, output);
    tokio::select! {
        code = following => code,
        _ = tokio::signal::ctrl_c() => {
            if !output.json {
                eprintln!();
                output.complain(&format!("phaseline: stopped watching; the job goes on: phaseline status {job} --watch"));
            }
            Ok(exit::INTERRUPTED)
        }
    }
}

async fn follow(api: &Api, job: &str, patience: Duration, output: Output) -> Result<u8, Failure> {
    let mut backoff = Backoff::new(patience);
    let mut progress = Progress::new(output);
    let mut last = Value::Null;
    loop {
        // Lists of what was created are of no use here and cost the store some reading.
        match api
            .get::<Job>(&format!("api/v1/jobs/{job}"), &[("resources", "0".to_owned())])
            .await
        {
            Ok((state, raw)) => {
                if backoff.reset() {
                    progress.note("the API is back");
                }
                if output.json {
                    let now = without_clock(&raw);
                    if now != last {
                        output.document(&raw);
                        last = now;
                    }
                } else {
                    progress.show(&state, Instant::now());
                }
                if let Some(code) = state.ended() {
                    progress.ended(&state);
                    return Ok(code);
                }
                if let Some(code) = state.standing() {
                    progress.held(&state);
                    return Ok(code);
                }
            }
            Err(failure) if failure.is_transient() && backoff.may_go_on() => {
                progress.suspend();
                backoff.wait(&failure, output, "the job goes on; asking again").await;
                continue;
            }
            Err(failure) => {
                progress.suspend();
                return Err(failure);
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What changes with time alone is no change worth a line.
fn without_clock(job: &Value) -> Value {
    let mut job = job.clone();
    if let Some(members) = job.as_object_mut() {
        for name in ["updated_at", "eta_seconds"] {
            members.remove(name);
        }
    }
    job
}
