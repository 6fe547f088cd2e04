//! An answer of the store that is kept for a moment: however many ask, the store is asked once.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// Figures are as old as this, at most.
const KEEP: Duration = Duration::from_secs(2);

/// The last answer. One for the process.
pub struct Kept<T>(Mutex<Option<(Instant, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(Mutex::new(None))
    }
}

impl<T> Kept<T> {
    /// The last answer, or a new one. Who comes while it is being looked for waits for it; an error is kept from nobody.
    pub async fn read<E>(&self, look: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        let mut last = self.0.lock().await;
        if let Some((_, answer)) = last.as_ref().filter(|(at, _)| at.elapsed() < KEEP) {
            return Ok(answer.clone());
        }
        let answer = Arc::new(look.await?);
        *last = Some((Instant::now(), answer.clone()));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_kept_and_an_error_is_not() {
        let kept = Kept::default();
        assert_eq!(kept.read(async { Err("away") }).await, Err("away"));
        let first = kept.read(async { Ok::<_, &str>(1) }).await.unwrap();
        let again = kept.read(async { Ok::<_, &str>(2) }).await.unwrap();
        assert_eq!((*first, *again), (1, 1));
    }
}
