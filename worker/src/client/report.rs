//! `phaseline report`: one row for every task of a job, to a file or to standard output, never held in memory.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::api::Api;
use crate::args::{Format, Report};
use crate::exit::{self, Failure};
use crate::output::Output;
use crate::whole::Whole;

/// Between two pieces of a report: the API reads the next rows from its store meanwhile.
const SILENCE: Duration = Duration::from_secs(60);
/// 100,000 rows have about 40 MB. Whoever sends more is no Phaseline API.
const REPORT_BYTES_MAX: u64 = 1 << 30;

pub async fn run(api: &Api, args: Report, output: Output) -> Result<u8, Failure> {
    let working = fetch(api, &args, output);
    tokio::select! {
        code = working => code,
        // a file that was begun goes away with the future that was writing it
        _ = tokio::signal::ctrl_c() => Ok(exit::INTERRUPTED),
    }
}

async fn fetch(api: &Api, args: &Report, output: Output) -> Result<u8, Failure> {
    let format = args.format(output.json);
    let target = args.output.as_deref().filter(|file| *file != Path::new("-"));
    let target = target.map(|file| Target::new(file, args.force)).transpose()?;
    let path = format!("api/v1/jobs/{}/report", args.job);
    let request = api.request(Method::GET, &path)?.query(&args.query(format));
    let answer = api.stream(request).await?;
    is_report(api, &answer, format)?;
    let unended = unended(&answer);
    let mut whole = Whole::new(format);
    match target {
        Some(target) => {
            let mut file = target.begin()?;
            let copied = copy(api, answer, &mut whole, |bytes| file.write_all(bytes)).await;
            let rows = copied.map_err(|e| e.about(&whole, &format!("nothing was written to {}", target.shown())))?;
            target.finish(file)?;
            warn(output, unended.as_deref());
            if output.json {
                output.document(
                    &json!({"file": target.path, "format": format.name(), "rows": rows, "bytes": whole.bytes()}),
                );
            } else {
                output.line(&format!("{}: {rows} rows", target.shown()));
            }
        }
        None => {
            let mut harmless = Harmless::default();
            let is_terminal = std::io::stdout().is_terminal();
            let copied = copy(api, answer, &mut whole, |bytes| {
                match is_terminal {
                    true => output.bytes(&harmless.of(bytes)),
                    false => output.bytes(bytes),
                }
                Ok(())
            });
            if let Err(e) = copied.await {
                let failure = e.about(&whole, "what came is not the whole report");
                // standard output holds a part of a document: no place for another one
                Output { json: false, ..output }.failure(&failure);
                return Ok(failure.code());
            }
            warn(output, unended.as_deref());
        }
    }
    Ok(exit::OK)
}

/// The state of a job that had not ended when its report was begun; none of one that had.
fn unended(answer: &Response) -> Option<String> {
    let status = answer.headers().get("phaseline-job-status")?.to_str().ok()?;
    Some(status.to_owned()).filter(|status| exit::of_ended(status).is_none())
}

/// To standard error, also with `--json`: standard output has the report.
fn warn(output: Output, unended: Option<&str>) {
    if let Some(status) = unended {
        output.complain(&format!(
            "phaseline: the job has not ended ({status}): these are its tasks as they were, and there may be more; fetch the report again \
             when it has"
        ));
    }
}

/// A page of somebody else would be saved as if it were a report.
fn is_report(api: &Api, answer: &Response, format: Format) -> Result<(), Failure> {
    let wanted = match format {
        Format::Csv => "text/csv",
        Format::Json => "application/json",
    };
    let kind = answer
        .headers()
        .get("content-type")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if kind
        .split(';')
        .next()
        .is_some_and(|k| k.trim().eq_ignore_ascii_case(wanted))
    {
        return Ok(());
    }
    let at = api.shown();
    Err(Failure::Unexpected(format!(
        "what answers at {at} does not look like a Phaseline API: no {wanted}"
    )))
}

/// Why a report did not come whole.
enum Cut {
    /// The other side.
    Broken(String),
    /// This side: no room, no right.
    Unwritable(std::io::Error),
}

impl Cut {
    fn about(self, whole: &Whole, so: &str) -> Failure {
        match self {
            Cut::Broken(why) => Failure::Unreachable(format!(
                "the report broke off after {} bytes ({why}); {so}",
                whole.bytes()
            )),
            Cut::Unwritable(e) => Failure::Unexpected(format!("{e}; {so}")),
        }
    }
}

/// All of it; the number of its rows.
async fn copy(
    api: &Api,
    mut answer: Response,
    whole: &mut Whole,
    mut write: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<u64, Cut> {
    loop {
        let chunk = match tokio::time::timeout(SILENCE, answer.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => break,
            Ok(Err(e)) => return Err(Cut::Broken(api.no_answer(&e).to_string())),
            Err(_) => return Err(Cut::Broken(format!("the API sent nothing for {} s", SILENCE.as_secs()))),
        };
        whole.see(&chunk);
        if whole.bytes() > REPORT_BYTES_MAX {
            return Err(Cut::Broken("it is larger than any report".to_owned()));
        }
        write(&chunk).map_err(Cut::Unwritable)?;
    }
    whole.rows().ok_or_else(|| Cut::Broken("its end is missing".to_owned()))
}

/// The file to be written: under its name only when it is whole.
struct Target {
    path: PathBuf,
    folder: PathBuf,
    force: bool,
}

impl Target {
    fn new(file: &Path, force: bool) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::Unexpected(format!("{}: {why}", file.display()));
        // a link stays a link: what it points to is replaced
        let path = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        match std::fs::metadata(&path) {
            Ok(meta) if !meta.is_file() => {
                return Err(bad("not a file; leave --output out for standard output"));
            }
            Ok(_) if !force => return Err(bad("is there already; --force replaces it")),
            _ => {}
        }
        if path.file_name().is_none() {
            return Err(bad("not the name of a file"));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Target { path, folder, force })
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn at(&self, e: &std::io::Error) -> Failure {
        Failure::Unexpected(format!("{}: {e}", self.shown()))
    }

    /// A file beside, so that it can be renamed; it is gone when it is dropped.
    fn begin(&self) -> Result<NamedTempFile, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".phaseline-report-").suffix(".part");
        #[cfg(unix)]
        {
            // as any new file: what the umask leaves
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            builder.permissions(mode);
        }
        builder.tempfile_in(&self.folder).map_err(|e| self.at(&e))
    }

    fn finish(&self, file: NamedTempFile) -> Result<(), Failure> {
        file.as_file().sync_all().map_err(|e| self.at(&e))?;
        let renamed = match self.force {
            true => file.persist(&self.path),
            false => file.persist_noclobber(&self.path),
        };
        renamed.map(|_| ()).map_err(|e| self.at(&e.error))
    }
}

/// CSV on a terminal: what would steer it is shown as a question mark; names come from anywhere. JSON escapes most of it by itself.
#[derive(Default)]
struct Harmless {
    /// The byte before began a C1 control in UTF-8.
    after_c2: bool,
}

impl Harmless {
    fn of(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        for byte in bytes {
            let is_c1 = std::mem::replace(&mut self.after_c2, *byte == 0xC2) && matches!(byte, 0x80..=0x9F);
            match byte {
                // the line feed behind it is enough
                b'\r' => {}
                b'\n' | b'\t' => shown.push(*byte),
                0..0x20 | 0x7F => shown.push(b'?'),
                // with the byte before it this is the replacement of a letter nobody misses
                _ if is_c1 => shown.push(0xBF),
                _ => shown.push(*byte),
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_steered_by_a_name() {
        let name = "a\u{1b}[2J,\u{9b}1m,é,北\r\nb\u{7f}";
        for size in 1..name.len() {
            let mut harmless = Harmless::default();
            let shown: Vec<u8> = name.as_bytes().chunks(size).flat_map(|c| harmless.of(c)).collect();
            assert_eq!(String::from_utf8(shown).unwrap(), "a?[2J,¿1m,é,北\nb?", "{size}");
        }
    }
}
