//! Recording: every call but those to `/_sim`, one JSON line each, in the order of arrival.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::call::{Call, Content, Reply};

/// A file of its own for each simulator in the folder that `SIM_RECORD_DIR` names, beginning with the suite it is for: the traffic of
/// whole suites, to be checked against the vendor's documents. (The simulator's own suite also calls it wrongly, on purpose.)
pub fn in_folder() -> Option<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let folder = std::env::var_os("SIM_RECORD_DIR")?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // cargo-nextest says it to tests, and these to the processes they start
    let suite = std::env::var("NEXTEST_BINARY_ID").unwrap_or_else(|_| "none".to_owned());
    let suite = suite.replace("::", "-");
    Some(Path::new(&folder).join(format!("{suite}-{}-{number}.jsonl", std::process::id())))
}

/// An open record file.
#[derive(Debug)]
pub struct Recorder(File);

impl Recorder {
    /// Appends to `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Writes one call. A dropped connection has status 0 and no response, and so has a page somebody else answers with in RUCKUS One's
    /// place as if all were well; a form body (it holds the client secret) is null.
    /// The line is written at once, so that nothing is missing after a kill.
    pub fn write(&mut self, call: &Call, body: &Value, reply: &Reply) -> io::Result<()> {
        let is_foreign = reply.status < 300 && matches!(reply.content, Content::Html(_));
        let (status, response) = if reply.cut || is_foreign {
            (0, Value::Null)
        } else {
            (reply.status, reply.as_json())
        };
        let token = call.path.starts_with("/oauth2/");
        // refused before it was looked into: it is what was asked all the same
        let unread = || serde_json::from_slice(&call.body).unwrap_or_default();
        let body = if body.is_null() { unread() } else { body.clone() };
        let line = json!({
            "method": call.method, "path": call.path, "query": call.query, "content_type": call.content_type,
            "body": if token { Value::Null } else { body }, "status": status,
            "response": if token { Value::Null } else { response },
        });
        self.0.write_all(format!("{line}\n").as_bytes())
    }
}
