//! Reads that fail on the way (a proxy's page, a cut connection, a 5xx, a refusal out of the blue) are asked again: they change nothing, and a plan of 200 pages
//! would else have to be begun anew for one of them, and never get through where some always fail. Each time with a permit of its own,
//! so that limits hold; whoever asks for a pause gets it, since then there is no permit.

use std::time::Duration;

use crate::gate::{Gate, Permit};
use crate::remote::{AskAgain, CallError};

/// How often the same read is asked, at most.
const ASKED_MAX: u32 = 5;
/// Before it is asked a third time; at once before that, twice as long each time after. Two seconds in all: longer waits are the engine's,
/// which lets go of its slot meanwhile.
const PAUSE: Duration = Duration::from_millis(250);

/// After a 429 that names no time: the first pause RUCKUS One advises.
const THROTTLED_PAUSE: Duration = Duration::from_secs(1);

/// The answer to a read.
pub async fn asked<T, F>(gate: &dyn Gate, ask: impl Fn(Permit) -> F + Send + Sync) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>> + Send,
{
    let mut times = 0;
    loop {
        times += 1;
        match ask(gate.permit().await?).await {
            Err(CallError::RateLimited { retry_after: None }) if times < ASKED_MAX => {
                tokio::time::sleep(THROTTLED_PAUSE).await;
            }
            Err(e) if times < ASKED_MAX && e.ask_again() == AskAgain::AtOnce => {
                if times > 1 {
                    tokio::time::sleep(PAUSE * 2_u32.pow(times - 2)).await;
                }
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::gate::OpenGate;

    async fn calls(error: impl Fn() -> CallError + Send + Sync, until: u32) -> (u32, bool) {
        let calls = AtomicU32::new(0);
        let ask = |_permit| {
            let answer = match calls.fetch_add(1, Ordering::Relaxed) {
                n if n < until => Err(error()),
                _ => Ok(()),
            };
            async { answer }
        };
        let answer = asked(&OpenGate, ask).await;
        (calls.load(Ordering::Relaxed), answer.is_ok())
    }

    #[tokio::test]
    async fn what_fails_on_the_way_is_asked_again_and_what_may_be_meant_stands() {
        let html = || CallError::Malformed {
            status: 200,
            write: false,
            detail: String::new(),
        };
        assert_eq!(calls(html, 3).await, (4, true));
        assert_eq!(calls(html, 9).await, (5, false));
        let limited = || CallError::RateLimited { retry_after: None };
        assert_eq!(calls(limited, 1).await, (2, true));
        for (status, told) in [(422, (2, true)), (400, (1, false))] {
            let refused = || CallError::Rejected {
                status,
                code: None,
                detail: String::new(),
            };
            assert_eq!(calls(refused, 1).await, told, "{status}");
        }
    }
}
