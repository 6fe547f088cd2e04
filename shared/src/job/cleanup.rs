//! What a cleanup is asked to do: the input of its job.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::JobId;

/// Persisted as the input of the job: fields are only ever added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupOrder {
    /// The ended job whose things are taken away.
    pub cleanup_of: JobId,
    /// Also what it made and somebody has changed since. Never what others have put into it.
    #[serde(default)]
    pub force: bool,
    /// Only tells what would be deleted.
    #[serde(default)]
    pub dry_run: bool,
}

impl CleanupOrder {
    /// None: the job is no cleanup.
    pub fn of(input: &Value) -> Option<Self> {
        Self::deserialize(input).ok()
    }
}
