//! Whether a report that came in is whole. The connection alone does not tell: behind some proxies a stream that broke off ends like
//! one that is complete.

use crate::args::Format;

/// More than the end of a JSON report has.
const TAIL_BYTES: usize = 128;

/// Watches a report go by, and keeps nothing of it but its end.
#[derive(Debug)]
pub struct Whole {
    format: Format,
    tail: Vec<u8>,
    /// CSV: line ends outside of quotes.
    lines: u64,
    in_quotes: bool,
    bytes: u64,
}

impl Whole {
    pub fn new(format: Format) -> Self {
        Whole {
            format,
            tail: Vec::new(),
            lines: 0,
            in_quotes: false,
            bytes: 0,
        }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn see(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        if self.format == Format::Csv {
            for byte in chunk {
                match byte {
                    // a quote inside of quotes is doubled: out and in again
                    b'"' => self.in_quotes = !self.in_quotes,
                    b'\n' if !self.in_quotes => self.lines += 1,
                    _ => {}
                }
            }
        }
        self.tail
            .extend_from_slice(&chunk[chunk.len().saturating_sub(TAIL_BYTES)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES));
    }

    /// Rows of the report; none: it is not whole.
    pub fn rows(&self) -> Option<u64> {
        match self.format {
            Format::Csv => {
                let is_ended = self.tail.ends_with(b"\n") && !self.in_quotes;
                is_ended.then(|| self.lines.checked_sub(1)).flatten()
            }
            Format::Json => rows_total(&self.tail),
        }
    }
}

/// `…, "rows_total": N}` at the very end. Inside of a text its quotes would be escaped, so no name can look like it.
fn rows_total(tail: &[u8]) -> Option<u64> {
    const NAME: &str = "\"rows_total\":";
    let tail = String::from_utf8_lossy(tail);
    let number = &tail[tail.rfind(NAME)? + NAME.len()..];
    number.trim_end().strip_suffix('}')?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In pieces of every size.
    fn rows(format: Format, report: &str) -> Option<u64> {
        let all: Vec<_> = [1, 2, 7, 1000]
            .iter()
            .map(|size| {
                let mut whole = Whole::new(format);
                report.as_bytes().chunks(*size).for_each(|chunk| whole.see(chunk));
                whole.rows()
            })
            .collect();
        assert!(all.windows(2).all(|w| w[0] == w[1]), "{all:?}");
        all[0]
    }

    #[test]
    fn a_json_report_ends_with_its_number_of_rows() {
        let whole = r#"{"job_id":"j","rows":[{"name":"\"rows_total\":7}"}],"rows_total":1}"#;
        assert_eq!(rows(Format::Json, whole), Some(1));
        assert_eq!(rows(Format::Json, &format!("{whole}\n")), Some(1));
        for cut in 0..whole.len() {
            assert_eq!(rows(Format::Json, &whole[..cut]), None, "{}", &whole[..cut]);
        }
    }

    #[test]
    fn a_csv_report_ends_with_a_line() {
        let whole = "phase,name\r\na,\"x \"\"y\"\"\nz\"\r\nb,\r\n";
        assert_eq!(rows(Format::Csv, whole), Some(2));
        assert_eq!(rows(Format::Csv, "phase,name\r\n"), Some(0));
        for cut in ["", "phase", "phase,name\r\na,\"x\n", "phase,name\r\na,x"] {
            assert_eq!(rows(Format::Csv, cut), None, "{cut}");
        }
    }
}
