//! What is wrong with a request: every fault with the place it stands at, never only the first.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

use super::limits::MAX_FAULTS;

/// Pointer of a fault of the document as a whole.
pub const DOCUMENT: &str = "/";

/// Machine-readable kind of a fault, and of the reason why a row is skipped. On the wire `SCREAMING_SNAKE_CASE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// Not JSON, cut off, or not UTF-8. The detail gives line and column, both from 1.
    MalformedJson,
    /// More arrays and objects inside one another than we read.
    TooDeep,
    UnknownField,
    DuplicateField,
    MissingField,
    WrongType,
    OutOfRange,
    TooLarge,
    /// A choice that is none of the known ones.
    UnknownValue,
    UnknownShape,
    EmptyExport,
    TooManyRows,
    TooManyPools,
    TooManyPolicies,
    TooManySsids,
    BadName,
    BadPassphrase,
    BadVlan,
    BadDeviceLimit,
    BadDate,
    DuplicateGuid,
    DuplicateUsername,
    DuplicatePassphrase,
    /// A suffix of user names that no pattern of RUCKUS One can hold.
    BadSuffix,
    /// No network can be created with it.
    BadSsid,
    /// No key to import uses it.
    UnknownSsid,
    /// Keys of several pools use it, and a network takes those of one.
    AmbiguousSsid,
    /// Given for two SSIDs.
    DuplicateNetwork,
    /// Two options that exclude each other.
    Contradiction,
    /// A row that the job does not have.
    UnknownRow,
    /// A row that a retry leaves alone: it is done.
    NotRetried,
    /// A row that is corrected twice.
    DuplicateRow,
    /// A correction that needs what only a new import makes: another pool, another policy.
    NeedsImport,
    /// Skipped: the key's expiry lies in the past, and `expired` is `skip`.
    Expired,
    /// Skipped: the key's status in Cloudpath is not `ACTIVE`.
    NotActive,
    /// Stored by a later version.
    #[serde(other)]
    Other,
}

/// One fault. `pointer` is relative to the request body, e.g. `/dpsk_data/dpsks/17/passphrase`.
/// `detail` never holds a passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub pointer: String,
    pub code: Code,
    pub detail: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            detail: detail.into(),
        }
    }
}

/// All faults of a request: the first [`MAX_FAULTS`], and how many there are.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Faults {
    list: Vec<Fault>,
    total: u64,
}

impl Faults {
    pub fn push(&mut self, fault: Fault) {
        self.push_with(|| fault);
    }

    /// Like `push`, but builds nothing once the list is full.
    pub fn push_with(&mut self, fault: impl FnOnce() -> Fault) {
        self.total += 1;
        if self.list.len() < MAX_FAULTS {
            self.list.push(fault());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// How many faults there are, listed or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn into_list(self) -> Vec<Fault> {
        self.list
    }
}

impl From<Vec<Fault>> for Faults {
    fn from(list: Vec<Fault>) -> Self {
        let mut faults = Self::default();
        list.into_iter().for_each(|fault| faults.push(fault));
        faults
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fault(s)", self.total)?;
        match self.list.first() {
            Some(first) => write!(f, ", first at {}: {}", first.pointer, first.detail),
            None => Ok(()),
        }
    }
}

/// Why a request body was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The body could not be read to its end (client gone, body over the limit): nothing is known about its content.
    /// The error is the reader's own, so that the caller recognises what it put in.
    #[error("the request body could not be read: {0}")]
    Read(#[source] io::Error),
    /// Not a JSON document: exactly one fault, since nothing behind it can be trusted.
    #[error("malformed request body: {}", .0.detail)]
    Malformed(Fault),
    /// A JSON document with wrong content: all its faults.
    #[error("request refused: {0}")]
    Content(Faults),
}

/// Appends one member name to a JSON Pointer (RFC 6901), clipped so that a hostile name cannot blow up an answer.
pub(super) fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", clip(name, 64).replace('~', "~0").replace('/', "~1"))
}

/// A value as it may stand in a detail: quoted, control characters escaped, at most 32 characters: up to 100,000 rows may each quote a few.
pub(super) fn quote(value: &str) -> String {
    format!("{:?}", clip(value, 32))
}

fn clip(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_capped_and_the_total_is_not() {
        let mut faults = Faults::default();
        for row in 0..MAX_FAULTS + 7 {
            faults.push_with(|| Fault::new(format!("/{row}"), Code::BadVlan, "x"));
        }
        assert_eq!(
            (faults.list().len(), faults.total()),
            (MAX_FAULTS, MAX_FAULTS as u64 + 7)
        );
        assert_eq!(faults.to_string(), "1007 fault(s), first at /0: x");
    }

    #[test]
    fn pointers_escape_and_clip_member_names() {
        assert_eq!(child("/options", "a/b~c"), "/options/a~1b~0c");
        assert_eq!(child("", &"x".repeat(1000)).chars().count(), 66);
        assert_eq!(quote("a\nb"), r#""a\nb""#);
    }

    #[test]
    fn codes_are_screaming_snake_case() {
        assert_eq!(
            serde_json::to_string(&Code::DuplicateGuid).unwrap(),
            r#""DUPLICATE_GUID""#
        );
    }
}
