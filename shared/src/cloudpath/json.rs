//! A pull reader for JSON over a byte stream: errors of the stream and of the syntax apart, wrong types readable.
//!
//! Nothing here keeps a document in memory. The underlying reader's own buffer (one value long) is not wiped,
//! so a passphrase may stay in freed memory until the allocator uses it again; copies of ours are wiped.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;

use serde_json::Value;
use struson::reader::{JsonReader, JsonReaderPosition, JsonStreamReader, ReaderError, ReaderSettings, ValueType};

use super::fault::{Code, DOCUMENT, Fault, RequestError};
use super::limits::MAX_DEPTH;

/// Characters of a text we copy; longer ones are reported with their true length.
const MAX_COPY: usize = 1024;

pub(super) struct Json<R: Read> {
    inner: JsonStreamReader<Source<R>>,
    ending: SharedEnding,
}

/// What the byte stream said last, shared with the source inside the JSON reader.
type SharedEnding = Rc<Ending>;

#[derive(Default)]
struct Ending {
    /// Kept apart because the JSON reader reports malformed UTF-8 as an I/O error too.
    error: RefCell<Option<io::Error>>,
    /// All bytes were asked for and used up: whatever is wrong with the syntax then is that it ends here.
    is_reached: Cell<bool>,
}

struct Source<R> {
    bytes: R,
    ending: SharedEnding,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.bytes.read(buffer) {
            Ok(read) => {
                self.ending.is_reached.set(read == 0);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                *self.ending.error.borrow_mut() = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// A value without members, or the name of what stands there instead (already skipped).
pub(super) enum Scalar {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    Text(Text),
    Other(&'static str),
}

/// A string, cut at [`MAX_COPY`] characters; `length` is the whole one's, in UTF-16 units.
pub(super) struct Text {
    pub value: String,
    pub length: usize,
}

impl Scalar {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Other(kind) => kind,
        }
    }
}

pub(super) fn kind_name(kind: ValueType) -> &'static str {
    match kind {
        ValueType::Array => "an array",
        ValueType::Object => "an object",
        ValueType::String => "a string",
        ValueType::Number => "a number",
        ValueType::Boolean => "a boolean",
        ValueType::Null => "null",
    }
}

impl<R: Read> Json<R> {
    pub fn new(bytes: R) -> Self {
        let ending = SharedEnding::default();
        let settings = ReaderSettings {
            max_nesting_depth: Some(MAX_DEPTH),
            track_path: false,
            // Our own range checks name the field; the reader's would stop at the first number.
            restrict_number_values: false,
            ..ReaderSettings::default()
        };
        let source = Source {
            bytes,
            ending: ending.clone(),
        };
        Self {
            inner: JsonStreamReader::new_custom(source, settings),
            ending,
        }
    }

    pub fn peek(&mut self) -> Result<ValueType, RequestError> {
        self.inner.peek().map_err(|error| stop(&self.ending, error))
    }

    pub fn begin_object(&mut self) -> Result<(), RequestError> {
        self.inner.begin_object().map_err(|error| stop(&self.ending, error))
    }

    pub fn end_object(&mut self) -> Result<(), RequestError> {
        self.inner.end_object().map_err(|error| stop(&self.ending, error))
    }

    pub fn begin_array(&mut self) -> Result<(), RequestError> {
        self.inner.begin_array().map_err(|error| stop(&self.ending, error))
    }

    pub fn end_array(&mut self) -> Result<(), RequestError> {
        self.inner.end_array().map_err(|error| stop(&self.ending, error))
    }

    pub fn has_next(&mut self) -> Result<bool, RequestError> {
        self.inner.has_next().map_err(|error| stop(&self.ending, error))
    }

    pub fn skip(&mut self) -> Result<(), RequestError> {
        self.inner.skip_value().map_err(|error| stop(&self.ending, error))
    }

    /// The next member's name, as an owned text of at most [`MAX_COPY`] characters.
    pub fn name(&mut self) -> Result<String, RequestError> {
        match self.inner.next_name() {
            Ok(name) => Ok(name.chars().take(MAX_COPY).collect()),
            Err(error) => Err(stop(&self.ending, error)),
        }
    }

    /// The place of the next member's name in `known`, or `None` (its value is then still to be skipped).
    pub fn name_in(&mut self, known: &[&str]) -> Result<Option<usize>, RequestError> {
        match self.inner.next_name() {
            Ok(name) => Ok(known.iter().position(|candidate| *candidate == name)),
            Err(error) => Err(stop(&self.ending, error)),
        }
    }

    /// Like [`name_in`](Self::name_in); a name that is not `known` is lent to `other`.
    pub fn name_in_or<T>(
        &mut self,
        known: &[&str],
        other: impl FnOnce(&str) -> T,
    ) -> Result<Result<usize, T>, RequestError> {
        match self.inner.next_name() {
            Ok(name) => {
                let place = known.iter().position(|candidate| *candidate == name);
                Ok(place.ok_or_else(|| other(name)))
            }
            Err(error) => Err(stop(&self.ending, error)),
        }
    }

    /// Lends the next value, a string, to `read`, without a copy.
    pub fn with_text<T>(&mut self, read: impl FnOnce(&str) -> T) -> Result<T, RequestError> {
        match self.inner.next_str() {
            Ok(text) => Ok(read(text)),
            Err(error) => Err(stop(&self.ending, error)),
        }
    }

    pub fn scalar(&mut self) -> Result<Scalar, RequestError> {
        match self.peek()? {
            ValueType::Null => {
                self.inner.next_null().map_err(|error| stop(&self.ending, error))?;
                Ok(Scalar::Null)
            }
            ValueType::Boolean => self
                .inner
                .next_bool()
                .map(Scalar::Bool)
                .map_err(|error| stop(&self.ending, error)),
            ValueType::Number => match self.inner.next_number_as_str() {
                Ok(number) => Ok(Scalar::Number(number.chars().take(MAX_COPY).collect())),
                Err(error) => Err(stop(&self.ending, error)),
            },
            ValueType::String => self.with_text(|text| {
                let value = text.chars().take(MAX_COPY).collect();
                Scalar::Text(Text {
                    value,
                    length: super::limits::length(text),
                })
            }),
            other => {
                self.skip()?;
                Ok(Scalar::Other(kind_name(other)))
            }
        }
    }

    /// The next value as a whole, as long as it costs at most `budget` bytes; `None` (and skipped) when it costs more.
    pub fn value(&mut self, budget: &mut usize) -> Result<Option<Value>, RequestError> {
        // What a node costs in memory, about; a text costs its own length on top.
        const NODE: usize = 64;
        if *budget < NODE {
            self.skip()?;
            return Ok(None);
        }
        *budget -= NODE;
        let value = match self.peek()? {
            ValueType::Array => {
                let mut items = Some(Vec::new());
                self.begin_array()?;
                while self.has_next()? {
                    let item = self.value(budget)?;
                    items = items.zip(item).map(|(mut items, item)| {
                        items.push(item);
                        items
                    });
                }
                self.end_array()?;
                items.map(Value::Array)
            }
            ValueType::Object => {
                let mut members = Some(serde_json::Map::new());
                self.begin_object()?;
                while self.has_next()? {
                    let name = self.name()?;
                    *budget = budget.saturating_sub(name.len());
                    let item = self.value(budget)?;
                    members = members.zip(item).map(|(mut members, item)| {
                        members.insert(name, item);
                        members
                    });
                }
                self.end_object()?;
                members.map(Value::Object)
            }
            _ => match self.scalar()? {
                Scalar::Null => Some(Value::Null),
                Scalar::Bool(flag) => Some(Value::Bool(flag)),
                Scalar::Number(number) => Some(serde_json::from_str(&number).unwrap_or(Value::String(number))),
                Scalar::Text(text) => {
                    *budget = budget.saturating_sub(text.value.len());
                    (text.length <= MAX_COPY).then_some(Value::String(text.value))
                }
                Scalar::Other(_) => None,
            },
        };
        Ok(value)
    }

    /// Nothing but white space may follow the document.
    pub fn end(self) -> Result<(), RequestError> {
        self.inner
            .consume_trailing_whitespace()
            .map_err(|error| stop(&self.ending, error))
    }
}

fn stop(ending: &SharedEnding, error: ReaderError) -> RequestError {
    let malformed = |code, what: &str, at: &JsonReaderPosition| {
        let place = match at.line_pos {
            Some(at) => format!(" at line {}, column {}", at.line + 1, at.column + 1),
            None => String::new(),
        };
        RequestError::Malformed(Fault::new(DOCUMENT, code, format!("{what}{place}")))
    };
    match error {
        ReaderError::IoError { location, .. } => match ending.error.borrow_mut().take() {
            Some(error) => RequestError::Read(error),
            None => malformed(Code::MalformedJson, "not UTF-8", &location),
        },
        ReaderError::SyntaxError(error) => {
            use struson::reader::SyntaxErrorKind::{IncompleteDocument, TrailingData};
            let what = match error.kind {
                IncompleteDocument if error.location.data_pos == Some(0) => "the body is empty".to_owned(),
                kind if kind != TrailingData && (kind == IncompleteDocument || ending.is_reached.get()) => {
                    "the document ends too early: the body is cut off".to_owned()
                }
                TrailingData => "something follows the end of the document".to_owned(),
                kind => format!("not JSON ({})", words(&format!("{kind:?}"))),
            };
            malformed(Code::MalformedJson, &what, &error.location)
        }
        ReaderError::MaxNestingDepthExceeded { location, .. } => malformed(
            Code::TooDeep,
            &format!("more than {MAX_DEPTH} arrays and objects inside one another"),
            &location,
        ),
        // Answers to questions this module does not ask. Not printed: one of them repeats a number's text.
        _ => RequestError::Malformed(Fault::new(DOCUMENT, Code::MalformedJson, "unexpected structure")),
    }
}

/// `MissingComma` → `missing comma`.
fn words(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
