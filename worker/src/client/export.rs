//! Looks at the file to import: is it JSON, and is it an export or a whole request? Reads it once from start to end and
//! keeps nothing of it.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::exit::Failure;

const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{"controller_id", "venue_id", "dpsk_data", …}`: sent as it is.
    Request,
    /// What Cloudpath makes: wrapped into a request.
    Export,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspected {
    pub shape: Shape,
    /// Where the JSON begins: after a byte order mark, which Windows editors write and JSON does not know.
    pub begin: u64,
    /// Bytes from there to the end.
    pub length: u64,
}

pub fn inspect(path: &Path) -> Result<Inspected, Failure> {
    let at = |e: std::io::Error| Failure::Unexpected(format!("{}: {e}", path.display()));
    let mut file = File::open(path).map_err(at)?;
    let meta = file.metadata().map_err(at)?;
    if !meta.is_file() {
        return Err(Failure::Unexpected(format!("{}: not a file", path.display())));
    }
    let begin = after_bom(&mut file).map_err(at)?.ok_or_else(|| {
        let what = "the encoding is UTF-16, not UTF-8: save the file as UTF-8";
        Failure::BadInput(format!("{}: {what}", path.display()))
    })?;
    let shape = shape(BufReader::with_capacity(1 << 16, file))
        .map_err(|e| Failure::BadInput(format!("{}: {e}", path.display())))?;
    Ok(Inspected {
        shape,
        begin,
        length: meta.len() - begin,
    })
}

/// Where the first character is; None: it is not UTF-8 but UTF-16, by its mark or by the zero beside an ASCII character.
fn after_bom(file: &mut File) -> std::io::Result<Option<u64>> {
    let mut head = Vec::new();
    file.by_ref().take(3).read_to_end(&mut head)?;
    if let [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, _, ..] | [_, 0, ..] = head.as_slice() {
        return Ok(None);
    }
    let begin = if head == BOM { 3 } else { 0 };
    file.seek(SeekFrom::Start(begin)).map(Some)
}

fn shape(reader: impl Read) -> Result<Shape, String> {
    let mut json = serde_json::Deserializer::from_reader(reader);
    let shape = json.deserialize_any(ShapeVisitor).and_then(|s| json.end().map(|()| s));
    shape.map_err(|e| match e.classify() {
        serde_json::error::Category::Eof if e.line() <= 1 && e.column() == 0 => "the file is empty".to_owned(),
        serde_json::error::Category::Eof => format!("the file is cut short: {e}"),
        serde_json::error::Category::Data => format!("not an export: {e}"),
        _ => format!("not JSON: {e}"),
    })
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object or array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::Export)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut shape = Shape::Export;
        while let Some(name) = map.next_key::<String>()? {
            if name == "dpsk_data" {
                shape = Shape::Request;
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(shape)
    }

    // The default message would repeat the value.
    fn visit_str<E: de::Error>(self, _: &str) -> Result<Shape, E> {
        Err(E::custom("it holds a single text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Shape, String> {
        shape(text.as_bytes())
    }

    #[test]
    fn exports_and_requests_are_told_apart() {
        assert_eq!(of(r#"{"metadata":{},"pool":{},"dpsks":[]}"#), Ok(Shape::Export));
        assert_eq!(of(r#"{"dpskPools":[{"dpsk_data":1}]}"#), Ok(Shape::Export));
        assert_eq!(of(r#"[{"a":1}]"#), Ok(Shape::Export));
        assert_eq!(of(r#"{"controller_id":1,"dpsk_data":[]}"#), Ok(Shape::Request));
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place_and_without_its_content() {
        assert!(of("").unwrap_err().contains("empty"));
        assert!(of("{\"a\":\n[1,").unwrap_err().contains("cut short"));
        assert!(of("{\"a\":\n1,}").unwrap_err().contains("line 2"));
        assert!(of("[] x").unwrap_err().contains("not JSON"));
        let said = of("\"hunter2\"").unwrap_err();
        assert!(said.contains("not an export") && !said.contains("hunter2"), "{said}");
    }
}
