//! The body of a retry, `{corrections: [{row | task_id, fields}]}`, read while it arrives. What its rows are is judged in
//! [`Revision`](super::Revision).

use std::collections::BTreeMap;
use std::io::{Cursor, ErrorKind, Read};

use struson::reader::ValueType;

use super::dpsk::Given;
use super::encoding;
use super::fault::{Code, DOCUMENT, Fault, Faults, RequestError, child, quote};
use super::json::{Json, Scalar, kind_name};
use super::limits::MAX_ROWS;
use super::scope::ROWS_PHASE;
use crate::id::JobId;

/// Fields of a DPSK that may be corrected. Which key it is (`guid`), its pool, and whether it works in Cloudpath are the export's to say.
pub const CORRECTABLE: [&str; 6] = [
    "name",
    "passphrase",
    "vlanid",
    "expirationDateTime",
    "useDeviceCountLimit",
    "deviceCountLimit",
];
const AT: &str = "/corrections";

/// Fields of one row.
#[derive(Debug)]
pub(super) struct Correction {
    /// Its place in the list.
    pub at: usize,
    pub given: Given,
}

impl Correction {
    pub fn pointer(&self) -> String {
        format!("{AT}/{}", self.at)
    }

    /// Where a field stands, or would.
    pub fn pointer_of(&self, field: &str) -> String {
        let fields = child(&self.pointer(), "fields");
        match self.given.has(field) {
            true => child(&fields, field),
            false => fields,
        }
    }
}

/// As they were sent, by their rows, and what is wrong with them whatever those rows are.
#[derive(Debug, Default)]
pub struct Corrections {
    pub(super) by_row: BTreeMap<u32, Correction>,
    pub(super) faults: Faults,
}

impl Corrections {
    /// Nothing was sent that has to be judged.
    pub fn is_empty(&self) -> bool {
        self.by_row.is_empty() && self.faults.is_empty()
    }
}

/// Reads the corrections of a retry of job `of`. No body at all means none. Blocks on `body` alone.
///
/// # Errors
/// [`RequestError::Read`] when `body` failed, [`RequestError::Malformed`] when it is not one JSON document. Faults of its content are kept
/// in the answer, to be told together with those of the rows.
pub fn parse_corrections<R: Read>(mut body: R, of: JobId) -> Result<Corrections, RequestError> {
    let mut first = [0];
    loop {
        match body.read(&mut first) {
            Ok(0) => return Ok(Corrections::default()),
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(RequestError::Read(error)),
        }
    }
    let mut json = Json::new(encoding::utf_8(Cursor::new(first).chain(body))?);
    let mut reading = Reading {
        of: of.to_string(),
        out: Corrections::default(),
    };
    reading.document(&mut json)?;
    json.end()?;
    Ok(reading.out)
}

struct Reading {
    of: String,
    out: Corrections,
}

impl Reading {
    fn fault(&mut self, pointer: impl Into<String>, code: Code, detail: impl Into<String>) {
        self.out.faults.push(Fault::new(pointer, code, detail));
    }

    fn document<R: Read>(&mut self, json: &mut Json<R>) -> Result<(), RequestError> {
        let kind = json.peek()?;
        if kind != ValueType::Object {
            let detail = format!("expected an object with corrections, found {}", kind_name(kind));
            self.fault(DOCUMENT, Code::WrongType, detail);
            return json.skip();
        }
        let mut is_seen = false;
        json.begin_object()?;
        while json.has_next()? {
            let name = json.name()?;
            if name != "corrections" {
                json.skip()?;
                let detail = format!("unknown field {}; known is corrections", quote(&name));
                self.fault(child("", &name), Code::UnknownField, detail);
            } else if std::mem::replace(&mut is_seen, true) {
                json.skip()?;
                self.fault(AT, Code::DuplicateField, "given twice");
            } else {
                self.list(json)?;
            }
        }
        json.end_object()
    }

    fn list<R: Read>(&mut self, json: &mut Json<R>) -> Result<(), RequestError> {
        match json.peek()? {
            ValueType::Array => {}
            ValueType::Null => return json.skip(),
            other => {
                let detail = format!("expected an array of corrections, found {}", kind_name(other));
                self.fault(AT, Code::WrongType, detail);
                return json.skip();
            }
        }
        let mut total = 0;
        json.begin_array()?;
        while json.has_next()? {
            match total < MAX_ROWS {
                true => self.correction(json, total)?,
                false => json.skip()?,
            }
            total += 1;
        }
        json.end_array()?;
        if total > MAX_ROWS {
            let detail = format!("{total} corrections; at most {MAX_ROWS}");
            self.fault(AT, Code::TooManyRows, detail);
        }
        Ok(())
    }

    fn correction<R: Read>(&mut self, json: &mut Json<R>, at: usize) -> Result<(), RequestError> {
        const KEYS: [&str; 3] = ["row", "task_id", "fields"];
        let pointer = format!("{AT}/{at}");
        let kind = json.peek()?;
        if kind != ValueType::Object {
            let detail = format!("expected a correction (an object), found {}", kind_name(kind));
            self.fault(pointer, Code::WrongType, detail);
            return json.skip();
        }
        let (mut seen, mut row, mut given) = ([false; KEYS.len()], None, None);
        json.begin_object()?;
        while json.has_next()? {
            let name = json.name()?;
            let Some(key) = KEYS.iter().position(|key| *key == name) else {
                json.skip()?;
                let detail = format!("unknown field {}; known are {}", quote(&name), KEYS.join(", "));
                self.fault(child(&pointer, &name), Code::UnknownField, detail);
                continue;
            };
            let place = child(&pointer, KEYS[key]);
            if std::mem::replace(&mut seen[key], true) {
                json.skip()?;
                self.fault(place, Code::DuplicateField, "given twice");
                continue;
            }
            match KEYS[key] {
                "row" => row = row.or(self.row(json.scalar()?, place)),
                "task_id" => row = row.or(self.task(json.scalar()?, place)),
                _ => given = self.fields(json, &place)?,
            }
        }
        json.end_object()?;
        match seen {
            [true, true, _] => self.fault(
                &*pointer,
                Code::Contradiction,
                "row and task_id both say which row: give one",
            ),
            [false, false, _] => self.fault(&*pointer, Code::MissingField, "neither row nor task_id says which row"),
            _ => {}
        }
        if !seen[2] {
            self.fault(
                child(&pointer, "fields"),
                Code::MissingField,
                "missing: what is corrected",
            );
        }
        let (Some(row), Some(given)) = (row, given) else {
            return Ok(());
        };
        match self.out.by_row.get(&row) {
            Some(before) => {
                let detail = format!("row {row} is corrected at {} already", before.pointer());
                self.fault(pointer, Code::DuplicateRow, detail);
            }
            None => drop(self.out.by_row.insert(row, Correction { at, given })),
        }
        Ok(())
    }

    fn row(&mut self, value: Scalar, place: String) -> Option<u32> {
        let row = match &value {
            Scalar::Number(number) => number.parse().ok(),
            _ => None,
        };
        if row.is_none() {
            let detail = format!("expected the row's place in the export, from 0; found {}", value.kind());
            self.fault(place, Code::WrongType, detail);
        }
        row
    }

    fn task(&mut self, value: Scalar, place: String) -> Option<u32> {
        let row = match &value {
            Scalar::Text(text) => {
                let mut parts = text.value.splitn(3, ':');
                let (job, phase, index) = (parts.next(), parts.next(), parts.next());
                let is_of = job.is_some_and(|job| job.eq_ignore_ascii_case(&self.of)) && phase == Some(ROWS_PHASE);
                index.filter(|_| is_of).and_then(|index| index.parse().ok())
            }
            _ => None,
        };
        if row.is_none() {
            let detail = format!("expected the id of a task of this job's phase {ROWS_PHASE}");
            self.fault(place, Code::UnknownRow, detail);
        }
        row
    }

    fn fields<R: Read>(&mut self, json: &mut Json<R>, pointer: &str) -> Result<Option<Given>, RequestError> {
        let kind = json.peek()?;
        if kind != ValueType::Object {
            let detail = format!("expected an object of fields, found {}", kind_name(kind));
            self.fault(pointer, Code::WrongType, detail);
            json.skip()?;
            return Ok(None);
        }
        let (mut given, mut is_any) = (Given::default(), false);
        json.begin_object()?;
        while json.has_next()? {
            let name = json.name()?;
            is_any = true;
            if !CORRECTABLE.contains(&&*name) || !given.read_named(json, &name)? {
                json.skip()?;
                let detail = format!("{} cannot be corrected; {} can", quote(&name), CORRECTABLE.join(", "));
                self.fault(child(pointer, &name), Code::UnknownField, detail);
            }
        }
        json.end_object()?;
        if !is_any {
            self.fault(pointer, Code::MissingField, "no field is corrected");
        }
        Ok(Some(given))
    }
}
