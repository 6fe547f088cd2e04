//! Waiting for a condition instead of for a while.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
#[error("waited {seconds:.0} s in vain for {what}")]
pub struct TimedOut {
    what: String,
    seconds: f64,
}

/// Asks again and again, up to every 50 ms, until `condition` has something.
pub async fn wait_until<T>(
    what: &str,
    timeout: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> Result<T, TimedOut> {
    let began = Instant::now();
    let mut pause = FIRST;
    loop {
        if let Some(value) = condition().await {
            return Ok(value);
        }
        if began.elapsed() >= timeout {
            return Err(TimedOut {
                what: what.to_owned(),
                seconds: timeout.as_secs_f64(),
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}
