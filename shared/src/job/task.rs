//! A task as its planner wrote it. Persisted in batch blobs: fields are only ever added.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::outcome::Outcome;

/// One task of a batch. Its secret, if it has one, is in the batch's sealed column at the same position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskInput {
    /// Row of the *input*, never of a filtered list: a second planning gives the same task the same index.
    #[serde(rename = "i")]
    pub index: u32,
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What the executor needs; never a secret.
    #[serde(rename = "d", default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
    /// Known when it was planned (found equal, skipped, in conflict): nothing is left to be done.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Outcome>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blobs of running jobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        for line in [
            r#"{"i":0}"#,
            r#"{"i":7,"n":"anna","d":{"k":1}}"#,
            r#"{"i":7,"n":"anna","o":{"i":7,"s":"COMPLETED"}}"#,
        ] {
            let read: TaskInput = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), line);
        }
    }
}
