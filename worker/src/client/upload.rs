//! The body of an import: a file, wrapped into a request where it is a bare export, streamed and never held in memory.

use std::io::{self, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::args::Sent;
use crate::exit::Failure;
use crate::export::{Inspected, Shape};

/// Large enough to keep a fast network busy, small enough for a smooth bar.
const CHUNK_BYTES: usize = 64 * 1024;

/// What is sent. Can be sent several times.
#[derive(Debug, Clone)]
pub struct Upload {
    path: PathBuf,
    begin: u64,
    length: u64,
    head: Bytes,
    tail: Bytes,
}

impl Upload {
    /// Checks that flags and file fit together.
    pub fn plan(sent: &Sent, file: Inspected) -> Result<Self, Failure> {
        let flags = sent.controller.is_some() || sent.venue.is_some() || !sent.options.is_empty();
        let (head, tail) = match (file.shape, sent.controller, &sent.venue) {
            (Shape::Request, ..) if flags => {
                return Err(Failure::Unexpected(
                    "the file is a whole request and says itself where to; leave --controller, --venue and --option out"
                        .to_owned(),
                ));
            }
            (Shape::Request, ..) => (String::new(), ""),
            (Shape::Export, Some(controller), Some(venue)) => (head(controller, venue, &sent.options)?, "}"),
            (Shape::Export, ..) => {
                return Err(Failure::Unexpected(
                    "the file is a bare export: say where to with --controller ID and --venue ID".to_owned(),
                ));
            }
        };
        Ok(Upload {
            path: sent.file.clone(),
            begin: file.begin,
            length: file.length,
            head: head.into(),
            tail: Bytes::from_static(tail.as_bytes()),
        })
    }

    /// Bytes of the whole body.
    pub fn length(&self) -> u64 {
        self.head.len() as u64 + self.length + self.tail.len() as u64
    }

    /// The body, and what of it has been taken so far.
    pub fn stream(&self, sent: Arc<AtomicU64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let plan = self.clone();
        stream::try_unfold(Step::Head(plan), move |step| {
            let sent = sent.clone();
            async move {
                let next = step.next().await?;
                if let Some((bytes, _)) = &next {
                    sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                }
                Ok(next)
            }
        })
    }

    /// The body to `out`, for `--just-wrap`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let mut file = std::fs::File::open(&self.path)?;
        io::Seek::seek(&mut file, SeekFrom::Start(self.begin))?;
        out.write_all(&self.head)?;
        io::copy(&mut file, &mut out)?;
        out.write_all(&self.tail)?;
        out.flush()
    }
}

fn head(controller: i64, venue: &str, options: &[(String, serde_json::Value)]) -> Result<String, Failure> {
    let mut all = serde_json::Map::new();
    for (name, value) in options {
        if all.insert(name.clone(), value.clone()).is_some() {
            return Err(Failure::Unexpected(format!("--option {name} is given twice")));
        }
    }
    let venue = serde_json::Value::from(venue);
    let options = serde_json::Value::Object(all);
    Ok(format!(
        r#"{{"controller_id":{controller},"venue_id":{venue},"options":{options},"dpsk_data":"#
    ))
}

enum Step {
    Head(Upload),
    File(Upload, File),
    Done,
}

impl Step {
    async fn next(self) -> io::Result<Option<(Bytes, Step)>> {
        let (plan, mut file) = match self {
            Step::Head(plan) => {
                let file = open(&plan.path, plan.begin).await?;
                if !plan.head.is_empty() {
                    return Ok(Some((plan.head.clone(), Step::File(plan, file))));
                }
                (plan, file)
            }
            Step::File(plan, file) => (plan, file),
            Step::Done => return Ok(None),
        };
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await?;
        if !chunk.is_empty() {
            return Ok(Some((chunk.into(), Step::File(plan, file))));
        }
        Ok((!plan.tail.is_empty()).then_some((plan.tail, Step::Done)))
    }
}

async fn open(path: &Path, begin: u64) -> io::Result<File> {
    let mut file = File::open(path).await?;
    file.seek(SeekFrom::Start(begin)).await?;
    Ok(file)
}
