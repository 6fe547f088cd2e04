//! Requests that start a job: sent again until there is an answer or no patience left, and never two jobs, by one idempotency key.

use std::cell::Cell;
use std::time::Duration;

use uuid::Uuid;

use crate::exit::Failure;
use crate::output::Output;
use crate::watch::Backoff;

/// The key given, or one that is made up: with it the request may be sent again after a broken connection and still makes one job.
pub fn key(given: &Option<String>) -> String {
    given.clone().unwrap_or_else(|| Uuid::new_v4().to_string())
}

/// Until there is an answer. `has_left`: something of the attempt that is under way has been sent. When nobody knows whether the request
/// was accepted, its key is told: it finds out.
pub async fn start<T>(
    key: &str,
    patience: Duration,
    output: Output,
    has_left: impl Fn() -> bool,
    mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    // of any attempt: one that was refused says nothing of those before it
    let is_unsure = Cell::new(false);
    let is_under_way = Cell::new(false);
    let answered = async {
        let mut backoff = Backoff::new(patience);
        loop {
            is_under_way.set(true);
            let answer = attempt().await;
            is_under_way.set(false);
            let failure = match answer {
                Ok(accepted) => return Ok(accepted),
                Err(failure) => failure,
            };
            is_unsure.set(is_unsure.get() || failure.may_be_accepted());
            if !failure.is_transient() || !backoff.may_go_on() {
                return Err(failure);
            }
            backoff.wait(&failure, output, "trying again").await;
        }
    };
    let answer = tokio::select! {
        answer = answered => answer,
        _ = tokio::signal::ctrl_c() => {
            is_unsure.set(is_unsure.get() || is_under_way.get() && has_left());
            Err(Failure::Interrupted)
        }
    };
    answer.map_err(|failure| match is_unsure.get() {
        true => Failure::Unsure {
            key: key.to_owned(),
            why: Box::new(failure),
        },
        false => failure,
    })
}
