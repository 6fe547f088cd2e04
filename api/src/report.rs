//! A job's report on its way out: rows are read from the store a few hundred at a time, as fast as the caller takes them.
//!
//! What a caller has got is whole or visibly broken: when the store goes away in the middle, or the job ends its time, the connection is
//! broken off. A CSV then lacks the end of its last chunk, a JSON document its closing members too.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use serde::Serialize;
use shared::job::JobStatus;
use shared::store::model::{JobView, TaskView};
use shared::store::{StoreError, TaskWalk};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use crate::views::{RowView, TaskContext};

/// A caller who takes nothing for so long makes room for another.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Pieces that are ready while the one before is being sent.
const AHEAD: usize = 1;
/// With these a spreadsheet begins a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Json,
}

impl Format {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "csv" => Some(Format::Csv),
            "json" => Some(Format::Json),
            _ => None,
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Json => "application/json",
        }
    }
}

/// Why a report has ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a row cannot be written: {0}")]
    Row(String),
}

pub type Piece = Result<Bytes, Broken>;

/// Begins a report. Its pieces come through the channel, up to the last one or to what broke it off. Whoever drops the channel ends it.
/// `permit` is given back at the end.
pub fn begin(
    walk: TaskWalk,
    context: TaskContext,
    job: &JobView,
    generated_at: String,
    format: Format,
    permit: OwnedSemaphorePermit,
) -> Result<mpsc::Receiver<Piece>, Broken> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let writer = Writer::new(
        format,
        &Head {
            job_id: job.id.to_string(),
            workflow_name: &job.workflow,
            status: job.status,
            generated_at,
        },
    )?;
    tokio::spawn(async move {
        let _permit = permit;
        run(walk, context, writer, sender).await;
    });
    Ok(receiver)
}

async fn run(mut walk: TaskWalk, context: TaskContext, mut writer: Writer, sender: mpsc::Sender<Piece>) {
    let context = Arc::new(context);
    loop {
        let (piece, left) = match next(&mut walk, writer, &context).await {
            Ok((piece, left)) => (Ok(piece), left),
            Err(error) => {
                tracing::warn!(%error, "a report is broken off");
                (Err(error), None)
            }
        };
        // an empty piece would be sent for nothing
        let is_worth_it = left.is_none() || !piece.as_ref().is_ok_and(Bytes::is_empty);
        if is_worth_it && !matches!(timeout(IDLE_MAX, sender.send(piece)).await, Ok(Ok(()))) {
            return;
        }
        match left {
            Some(left) => writer = left,
            None => return,
        }
    }
}

/// The next piece, and the writer for those behind it; none behind the last.
async fn next(
    walk: &mut TaskWalk,
    mut writer: Writer,
    context: &Arc<TaskContext>,
) -> Result<(Bytes, Option<Writer>), Broken> {
    match walk.next().await? {
        Some(tasks) => {
            let (piece, left) = write(tasks, writer, context.clone()).await?;
            Ok((piece, Some(left)))
        }
        None => Ok((writer.end()?, None)),
    }
}

/// The rows of some tasks, and the writer for the next ones. Milliseconds of work: not on a thread that others are served on.
async fn write(tasks: Vec<TaskView>, mut writer: Writer, context: Arc<TaskContext>) -> Result<(Bytes, Writer), Broken> {
    let rows = move || {
        for task in tasks {
            writer.row(&RowView::of(task, &context))?;
        }
        Ok((writer.take()?, writer))
    };
    tokio::task::spawn_blocking(rows).await.map_err(broken)?
}

/// Rows as text, until they are taken.
enum Writer {
    Csv(Box<csv::Writer<Vec<u8>>>),
    Json { out: Vec<u8>, rows: u64 },
}

/// What a JSON report says before its rows.
#[derive(Serialize)]
struct Head<'a> {
    job_id: String,
    workflow_name: &'a str,
    status: JobStatus,
    generated_at: String,
}

impl Writer {
    fn new(format: Format, head: &Head<'_>) -> Result<Self, Broken> {
        match format {
            Format::Csv => {
                let mut out = lines(b"");
                out.write_record(RowView::COLUMNS).map_err(broken)?;
                Ok(Writer::Csv(Box::new(out)))
            }
            Format::Json => {
                let mut out = serde_json::to_vec(head).map_err(broken)?;
                // the object stays open until `end`
                out.pop();
                out.extend_from_slice(b",\"rows\":[");
                Ok(Writer::Json { out, rows: 0 })
            }
        }
    }

    fn row(&mut self, row: &RowView) -> Result<(), Broken> {
        match self {
            Writer::Csv(out) => {
                let cells = row.cells().map(harmless);
                out.write_record(cells.iter().map(|c| c.as_bytes())).map_err(broken)
            }
            Writer::Json { out, rows } => {
                out.extend_from_slice(if *rows == 0 { b"\n" } else { b",\n" });
                *rows += 1;
                serde_json::to_writer(out, row).map_err(broken)
            }
        }
    }

    /// The last piece. The number of rows comes last: whoever has read it has read all.
    fn end(&mut self) -> Piece {
        match self {
            Writer::Csv(_) => {
                let rest = self.take()?;
                Ok([&rest[..], LINE_END].concat().into())
            }
            Writer::Json { out, rows } => {
                out.extend(format!("\n],\"rows_total\":{rows}}}\n").into_bytes());
                self.take()
            }
        }
    }

    /// What there is so far, of CSV without the end of its last line: that comes with the next piece. So what was cut off between two
    /// pieces does not end like a whole report, also where a proxy hides the cut.
    fn take(&mut self) -> Piece {
        match self {
            Writer::Csv(out) => {
                let full = std::mem::replace(out, Box::new(lines(LINE_END)));
                let mut full = full.into_inner().map_err(broken)?;
                full.truncate(full.len().saturating_sub(LINE_END.len()));
                Ok(full.into())
            }
            Writer::Json { out, .. } => Ok(std::mem::take(out).into()),
        }
    }
}

/// What ends a line of CSV.
const LINE_END: &[u8] = b"\r\n";

/// Behind what is there already.
fn lines(there: &[u8]) -> csv::Writer<Vec<u8>> {
    let mut builder = csv::WriterBuilder::new();
    builder.terminator(csv::Terminator::CRLF);
    builder.from_writer(there.to_vec())
}

/// A cell that begins no formula.
fn harmless(cell: Cow<'_, str>) -> Cow<'_, str> {
    match cell.starts_with(FORMULA) {
        true => format!("'{cell}").into(),
        false => cell,
    }
}

fn broken(e: impl std::fmt::Display) -> Broken {
    Broken::Row(e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use shared::job::TaskStatus;

    fn row(name: &str) -> RowView {
        RowView {
            phase: "create_passphrases".to_owned(),
            row: 7,
            task_id: "j:create_passphrases:7".to_owned(),
            name: name.to_owned(),
            pool: None,
            status: TaskStatus::Failed,
            outcome: None,
            resource_type: None,
            resource_id: None,
            resource_name: None,
            error_code: Some("HTTP_400".to_owned()),
            error_message: Some("anna, \"the first\":\nrefused".to_owned()),
            request_id: None,
            attempts: 2,
            polls: 0,
            started_at: None,
            completed_at: None,
            changes: Vec::new(),
        }
    }

    #[test]
    fn a_row_has_the_columns_and_no_other() {
        let value = serde_json::to_value(row("anna")).unwrap();
        let mut columns = RowView::COLUMNS.to_vec();
        columns.sort_unstable();
        assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), columns);
    }

    #[test]
    fn both_formats_have_the_same_under_each_column() {
        let mut row = row("anna");
        let texts = [
            &mut row.pool,
            &mut row.outcome,
            &mut row.resource_type,
            &mut row.resource_id,
            &mut row.resource_name,
            &mut row.request_id,
            &mut row.started_at,
        ];
        for (i, text) in texts.into_iter().enumerate() {
            *text = Some(format!("text {i}"));
        }
        row.changes = ["enabled: false dropped", "name: a → b"].map(str::to_owned).to_vec();
        (row.polls, row.row) = (3, 7);
        let value = serde_json::to_value(&row).unwrap();
        for (column, cell) in RowView::COLUMNS.iter().zip(row.cells()) {
            let wanted = match &value[*column] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Array(texts) => {
                    let texts: Vec<_> = texts.iter().map(|text| text.as_str().unwrap()).collect();
                    texts.join(" | ")
                }
                number => number.to_string(),
            };
            assert_eq!(cell, wanted, "{column}");
        }
    }

    #[test]
    fn cells_are_quoted_and_begin_no_formula() {
        let head = Head {
            job_id: "j".to_owned(),
            workflow_name: "w",
            status: JobStatus::Partial,
            generated_at: String::new(),
        };
        let mut writer = Writer::new(Format::Csv, &head).unwrap();
        for name in ["=1+1", "+49", "-x", "@a", "\tb", "\rc", "a=b"] {
            writer.row(&row(name)).unwrap();
        }
        let text = writer.end().unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.starts_with("phase,row,task_id,name,pool,"), "{text}");
        assert!(text.contains("\"anna, \"\"the first\"\":\nrefused\""), "{text}");
        assert_eq!(text.matches("\r\n").count(), 8, "{text}");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names: Vec<_> = reader.records().map(|r| r.unwrap()[3].to_owned()).collect();
        assert_eq!(names, ["'=1+1", "'+49", "'-x", "'@a", "'\tb", "'\rc", "a=b"]);
    }

    #[test]
    fn no_piece_but_the_last_ends_a_line() {
        let head = Head {
            job_id: "j".to_owned(),
            workflow_name: "w",
            status: JobStatus::Partial,
            generated_at: String::new(),
        };
        let (mut writer, mut text) = (Writer::new(Format::Csv, &head).unwrap(), Vec::new());
        for rows in [0, 2, 0, 1] {
            (0..rows).for_each(|_| writer.row(&row("anna")).unwrap());
            let piece = writer.take().unwrap();
            assert!(!piece.ends_with(b"\n"));
            text.extend(piece);
        }
        text.extend(writer.end().unwrap());
        assert!(text.ends_with(LINE_END) && !text.ends_with(b"\r\n\r\n"));
        let records = csv::Reader::from_reader(&text[..]).into_records();
        assert_eq!(records.filter(Result::is_ok).count(), 3);
    }

    #[test]
    fn a_report_is_one_document_only_when_it_has_ended() {
        let head = Head {
            job_id: "j".to_owned(),
            workflow_name: "w",
            status: JobStatus::Partial,
            generated_at: "now".to_owned(),
        };
        for rows in [0, 2] {
            let mut writer = Writer::new(Format::Json, &head).unwrap();
            for _ in 0..rows {
                writer.row(&row("anna")).unwrap();
            }
            let mut text = writer.take().unwrap().to_vec();
            assert!(serde_json::from_slice::<Value>(&text).is_err());
            text.extend(writer.end().unwrap());
            let document: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(
                (&document["rows_total"], &document["status"]),
                (&rows.into(), &"PARTIAL".into())
            );
            assert_eq!(document["rows"].as_array().unwrap().len(), rows);
        }
    }
}
