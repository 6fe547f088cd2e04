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

#[cfg(test)]
mod tests {
    use super::*;

    /// Blobs of running jobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let line = r#"{"cleanup_of":"01a21c3f-b648-7329-8625-546bb5256438","force":true,"dry_run":false}"#;
        let read: CleanupOrder = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        let first = serde_json::json!({"cleanup_of": "01a21c3f-b648-7329-8625-546bb5256438"});
        assert!(CleanupOrder::of(&first).is_some_and(|order| !order.force && !order.dry_run));
    }
}
