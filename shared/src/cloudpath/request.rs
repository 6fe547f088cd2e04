//! The body of an import request, read while it arrives.

use std::io::Read;

use jiff::Timestamp;
use serde_json::Map;
use struson::reader::ValueType;

use super::document::{self, Document};
use super::encoding;
use super::export::Export;
use super::fault::{Code, Fault, Faults, RequestError, child, quote};
use super::json::{Json, Scalar, kind_name};
use super::judge::judge;
use super::limits::MAX_OPTIONS_BYTES;
use super::options::ImportOptions;

const KEYS: [&str; 4] = ["controller_id", "venue_id", "dpsk_data", "options"];

/// A request that can be accepted.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    pub controller_id: i64,
    /// 1–64 letters, digits, hyphens and underscores: it becomes part of a URL.
    pub venue_id: String,
    pub options: ImportOptions,
    pub export: Export,
}

/// Reads and judges `{controller_id, venue_id, dpsk_data, options}`, the keys in any order, in one pass. Blocks on
/// `body` alone. Rows are kept in a compact form: measured, 44 MiB of memory for a body of 57 MiB with 100,000 DPSKs,
/// at most three and a half times the body when every field of every row is bad. `now` decides which keys are
/// expired, hence which count when user names are compared.
///
/// # Errors
/// [`RequestError::Read`] when `body` failed, [`RequestError::Malformed`] when it is not one JSON document, else
/// [`RequestError::Content`] with all faults, those of options this version cannot serve among them.
pub fn parse_request<R: Read>(body: R, now: Timestamp) -> Result<ImportRequest, RequestError> {
    let mut json = Json::new(encoding::utf_8(body)?);
    let mut faults = Faults::default();
    let kind = json.peek()?;
    if kind != ValueType::Object {
        json.skip()?;
        json.end()?;
        let detail = format!("expected an object with {}, found {}", KEYS.join(", "), kind_name(kind));
        faults.push(Fault::new(super::fault::DOCUMENT, Code::WrongType, detail));
        return Err(RequestError::Content(faults));
    }
    let mut given = Given::default();
    let mut seen = [false; KEYS.len()];
    json.begin_object()?;
    while json.has_next()? {
        let name = json.name()?;
        let Some(index) = KEYS.iter().position(|key| *key == name) else {
            json.skip()?;
            let detail = format!("unknown field {}; known are {}", quote(&name), KEYS.join(", "));
            faults.push_with(|| Fault::new(child("", &name), Code::UnknownField, detail));
            continue;
        };
        if seen[index] {
            json.skip()?;
            faults.push(Fault::new(child("", &name), Code::DuplicateField, "given twice"));
            continue;
        }
        seen[index] = true;
        match KEYS[index] {
            "controller_id" => given.controller_id = controller_id(json.scalar()?, &mut faults),
            "venue_id" => given.venue_id = venue_id(json.scalar()?, &mut faults),
            "options" => given.options = options(&mut json, &mut faults)?,
            _ => given.document = Some(document::read(&mut json, &mut faults)?),
        }
    }
    json.end_object()?;
    json.end()?;
    for (key, _) in KEYS.iter().zip(seen).filter(|(key, seen)| !seen && **key != "options") {
        faults.push(Fault::new(child("", key), Code::MissingField, "missing"));
    }
    given.judge(now, faults)
}

#[derive(Default)]
struct Given {
    controller_id: i64,
    venue_id: String,
    options: ImportOptions,
    document: Option<Document>,
}

impl Given {
    fn judge(self, now: Timestamp, mut faults: Faults) -> Result<ImportRequest, RequestError> {
        let Self {
            controller_id,
            venue_id,
            options,
            document,
        } = self;
        let mut document = document.unwrap_or_default();
        judge(&mut document, &options, now, &mut faults);
        match document.shape {
            Some(shape) if faults.is_empty() => {
                let export = Export {
                    shape,
                    pools: document.pools,
                    rows: document.rows,
                };
                Ok(ImportRequest {
                    controller_id,
                    venue_id,
                    options,
                    export,
                })
            }
            _ => Err(RequestError::Content(faults)),
        }
    }
}

fn controller_id(value: Scalar, faults: &mut Faults) -> i64 {
    if let Scalar::Number(number) = &value
        && let Ok(id) = number.parse()
    {
        return id;
    }
    let detail = format!("expected the controller's id, a whole number; found {}", value.kind());
    faults.push(Fault::new("/controller_id", Code::WrongType, detail));
    0
}

fn venue_id(value: Scalar, faults: &mut Faults) -> String {
    let Scalar::Text(text) = value else {
        let detail = format!("expected the venue's id, a string; found {}", value.kind());
        faults.push(Fault::new("/venue_id", Code::WrongType, detail));
        return String::new();
    };
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=64).contains(&text.length) && text.value.bytes().all(is_id) {
        return text.value;
    }
    let detail = "a venue's id is 1 to 64 letters, digits, hyphens and underscores";
    faults.push(Fault::new("/venue_id", Code::UnknownValue, detail));
    String::new()
}

/// Absent, `null` and faulty options give the defaults, so that the rest can be judged all the same.
fn options<R: Read>(json: &mut Json<R>, faults: &mut Faults) -> Result<ImportOptions, RequestError> {
    const AT: &str = "/options";
    match json.peek()? {
        ValueType::Object => {}
        other => {
            json.skip()?;
            if other != ValueType::Null {
                faults.push(Fault::new(
                    AT,
                    Code::WrongType,
                    format!("expected an object, found {}", kind_name(other)),
                ));
            }
            return Ok(ImportOptions::default());
        }
    }
    let mut budget = MAX_OPTIONS_BYTES;
    let (mut members, mut is_too_large) = (Map::new(), false);
    json.begin_object()?;
    while json.has_next()? {
        let name = json.name()?;
        budget = budget.saturating_sub(name.len());
        match json.value(&mut budget)? {
            Some(value) if !members.contains_key(&name) => {
                members.insert(name, value);
            }
            None => is_too_large = true,
            Some(_) => faults.push(Fault::new(child(AT, &name), Code::DuplicateField, "given twice")),
        }
    }
    json.end_object()?;
    if is_too_large {
        faults.push(Fault::new(
            AT,
            Code::TooLarge,
            format!("more than {MAX_OPTIONS_BYTES} bytes of options"),
        ));
        return Ok(ImportOptions::default());
    }
    Ok(ImportOptions::from_members(&members).unwrap_or_else(|refused| {
        refused.into_iter().for_each(|fault| faults.push(fault));
        ImportOptions::default()
    }))
}
