//! Keeps the published keys fresh: a file is read again and an address fetched again at intervals, so that a rotation at
//! the identity provider needs no restart. A source that fails leaves the last good keys in place.

use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::fetch;
use super::keys::KeySet;
use super::verify::SharedKeys;

/// A file is cheap to read; a mounted secret changes seldom.
const FILE_INTERVAL: Duration = Duration::from_secs(30);
/// Providers publish a new key long before they sign with it.
const URL_INTERVAL: Duration = Duration::from_secs(300);
/// After a failure, and until the first success.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Where the keys come from.
#[derive(Debug, Clone)]
pub enum Source {
    File(PathBuf),
    Url(fetch::KeyUrl),
}

impl Source {
    /// Checks the address at start, when a mistake can still be told plainly.
    pub fn url(text: &str) -> Result<Self, String> {
        fetch::KeyUrl::parse(text)
            .map(Source::Url)
            .map_err(|e| format!("AUTH_JWKS_URL: {e}"))
    }

    async fn load(&self) -> Result<KeySet, String> {
        let bytes = match self {
            Source::File(path) => tokio::fs::read(path)
                .await
                .map_err(|e| format!("AUTH_JWKS_FILE {}: {e}", path.display()))?,
            Source::Url(url) => fetch::get(url)
                .await
                .map_err(|e| format!("AUTH_JWKS_URL: {e}"))?
                .to_vec(),
        };
        KeySet::parse(&bytes)
    }

    fn interval(&self) -> Duration {
        match self {
            Source::File(_) => FILE_INTERVAL,
            Source::Url(_) => URL_INTERVAL,
        }
    }
}

/// Loads once. A file must be readable now (its absence is a fault of the configuration); an address may be away for the
/// moment: then the set is empty and callers get 503 until it is there.
pub async fn start(source: &Source) -> Result<SharedKeys, String> {
    let first = match (source.load().await, source) {
        (Ok(set), _) => set,
        (Err(fault), Source::File(_)) => return Err(fault),
        (Err(fault), Source::Url(_)) => {
            tracing::warn!(%fault, "the keys that verify tokens cannot be fetched yet; trying again");
            KeySet::default()
        }
    };
    tracing::info!(keys = first.len(), "keys that verify tokens are loaded");
    Ok(Arc::new(RwLock::new(Arc::new(first))))
}

/// Runs until the process ends.
pub async fn keep_fresh(source: Source, keys: SharedKeys) {
    let mut failed = false;
    loop {
        let empty = keys.read().unwrap_or_else(|e| e.into_inner()).is_empty();
        let pause = if failed || empty {
            RETRY_INTERVAL
        } else {
            source.interval()
        };
        tokio::time::sleep(pause).await;
        match source.load().await {
            Ok(set) => {
                if failed || empty {
                    tracing::info!(keys = set.len(), "keys that verify tokens are loaded");
                }
                failed = false;
                *keys.write().unwrap_or_else(|e| e.into_inner()) = Arc::new(set);
            }
            Err(fault) => {
                if !failed {
                    tracing::warn!(%fault, "the keys that verify tokens cannot be read; the last ones stay in use");
                }
                failed = true;
            }
        }
    }
}
