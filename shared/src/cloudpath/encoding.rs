//! The first bytes of a body: a byte order mark, which Windows editors write and JSON does not know, or another encoding than UTF-8.

use std::io::{self, Chain, Cursor, ErrorKind, Read};

use super::fault::{Code, DOCUMENT, Fault, RequestError};

const UTF_8: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// The body from its first character on. UTF-16 is refused by its name; without a mark it is known by the zero beside the first
/// character, which JSON begins with one of ASCII.
pub(super) fn utf_8<R: Read>(mut body: R) -> Result<Chain<Cursor<Vec<u8>>, R>, RequestError> {
    let mut head = Vec::with_capacity(UTF_8.len());
    let mut byte = [0];
    while head.len() < UTF_8.len() {
        match body.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => head.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(RequestError::Read(error)),
        }
    }
    match head.as_slice() {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, _, ..] | [_, 0, ..] => {
            let detail = "the encoding is UTF-16, not UTF-8: save the file as UTF-8";
            return Err(RequestError::Malformed(Fault::new(
                DOCUMENT,
                Code::MalformedJson,
                detail,
            )));
        }
        start if start == UTF_8 => head.clear(),
        _ => {}
    }
    Ok(io::Cursor::new(head).chain(body))
}
