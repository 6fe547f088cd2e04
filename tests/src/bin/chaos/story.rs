//! What is told on the way: to standard error and to `chaos.log`, each line with the seconds since the beginning.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Cheap to clone.
#[derive(Clone)]
pub struct Story {
    began: Instant,
    file: Arc<Mutex<File>>,
}

impl Story {
    pub fn begin(folder: &Path) -> std::io::Result<Self> {
        Ok(Story {
            began: Instant::now(),
            file: Arc::new(Mutex::new(File::create(folder.join("chaos.log"))?)),
        })
    }

    pub fn line(&self, text: &str) {
        let text = format!("{:7.1} {text}", self.began.elapsed().as_secs_f64());
        // nobody reads, or the disk is full: the verdict does not hang on it
        let _ = writeln!(std::io::stderr().lock(), "{text}");
        let _ = writeln!(self.file.lock().unwrap_or_else(PoisonError::into_inner), "{text}");
    }
}

/// The summary, to standard output.
pub fn result(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
