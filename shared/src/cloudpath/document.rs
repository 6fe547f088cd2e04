//! `dpsk_data`: the three shapes an export comes in, read in one pass whatever the order of their keys.

use std::io::Read;

use struson::reader::ValueType;

use super::export::{CloudpathPool, ExportRow, Shape};
use super::fault::{Code, Fault, Faults, RequestError, child};
use super::json::{Json, kind_name};
use super::limits::{MAX_POOLS, MAX_ROWS};
use super::{dpsk, pool};

const AT: &str = "/dpsk_data";
const EXPECTED: &str = "expected {metadata, pool, dpsks}, a bare array of DPSKs, or a full export with dpskPools";

/// The parts of an export as they come in. Faults of the rows are still in the rows.
#[derive(Default)]
pub(super) struct Document {
    /// `None` when no shape was recognised; that fault is recorded.
    pub shape: Option<Shape>,
    pub pools: Vec<CloudpathPool>,
    /// At most [`MAX_ROWS`]; the rest is only counted.
    pub rows: Vec<ExportRow>,
    pub row_total: u64,
}

/// Reads the next value as an export.
pub(super) fn read<R: Read>(json: &mut Json<R>, faults: &mut Faults) -> Result<Document, RequestError> {
    let mut document = Document::default();
    match json.peek()? {
        ValueType::Array => {
            document.shape = Some(Shape::Array);
            document.pools.push(CloudpathPool::default());
            document.read_rows(json, 0)?;
        }
        ValueType::Object => document.read_object(json, faults)?,
        other => {
            json.skip()?;
            let detail = format!("{EXPECTED}; found {}", kind_name(other));
            faults.push(Fault::new(AT, Code::WrongType, detail));
        }
    }
    Ok(document)
}

impl Document {
    fn read_object<R: Read>(&mut self, json: &mut Json<R>, faults: &mut Faults) -> Result<(), RequestError> {
        const KEYS: [&str; 3] = ["pool", "dpsks", "dpskPools"];
        let mut seen = [false; KEYS.len()];
        json.begin_object()?;
        while json.has_next()? {
            let Some(index) = json.name_in(&KEYS)? else {
                json.skip()?;
                continue;
            };
            let key = KEYS[index];
            if seen[index] {
                faults.push(Fault::new(child(AT, key), Code::DuplicateField, "given twice"));
                json.skip()?;
                continue;
            }
            seen[index] = true;
            let is_full = key == "dpskPools";
            // The first of the keys decides; one that contradicts it is reported once, below.
            if self.shape.is_some_and(|shape| (shape == Shape::Full) != is_full) {
                json.skip()?;
                continue;
            }
            if is_full {
                self.shape = Some(Shape::Full);
                self.read_pools(json, faults)?;
                continue;
            }
            if self.shape.replace(Shape::Pool).is_none() {
                self.pools.push(CloudpathPool::default());
            }
            match key {
                "pool" => self.read_pool(json, 0, false, faults)?,
                _ if list_expected(json, Shape::Pool, 0, faults)? => self.read_rows(json, 0)?,
                _ => {}
            }
        }
        json.end_object()?;
        match seen {
            [pool, dpsks, true] if pool || dpsks => {
                let detail = "holds dpskPools beside pool or dpsks: it cannot be told which of them is meant";
                faults.push(Fault::new(AT, Code::UnknownShape, detail));
                self.shape = None;
            }
            [_, _, true] | [true, true, _] => {}
            [false, true, _] => {
                let detail = "missing; keys without a pool are given as a bare array";
                faults.push(Fault::new(child(AT, "pool"), Code::MissingField, detail));
            }
            [true, false, _] => {
                faults.push(Fault::new(
                    child(AT, "dpsks"),
                    Code::MissingField,
                    "missing: the DPSKs of the pool",
                ));
            }
            [false, false, false] => faults.push(Fault::new(AT, Code::UnknownShape, EXPECTED)),
        }
        Ok(())
    }

    fn read_pools<R: Read>(&mut self, json: &mut Json<R>, faults: &mut Faults) -> Result<(), RequestError> {
        let pointer = child(AT, "dpskPools");
        let kind = json.peek()?;
        if kind != ValueType::Array {
            json.skip()?;
            let detail = format!("expected an array of pools, found {}", kind_name(kind));
            faults.push(Fault::new(pointer, Code::WrongType, detail));
            return Ok(());
        }
        let mut total = 0_u64;
        json.begin_array()?;
        while json.has_next()? {
            total += 1;
            if self.pools.len() == MAX_POOLS {
                json.skip()?;
                continue;
            }
            let index = self.pools.len();
            self.pools.push(CloudpathPool::default());
            self.read_pool(json, index, true, faults)?;
        }
        json.end_array()?;
        if total > MAX_POOLS as u64 {
            faults.push(Fault::new(
                pointer,
                Code::TooManyPools,
                format!("{total} pools; at most {MAX_POOLS}"),
            ));
        }
        Ok(())
    }

    /// The next value as the pool `index`; with its DPSKs inside in the full export.
    fn read_pool<R: Read>(
        &mut self,
        json: &mut Json<R>,
        index: usize,
        has_rows: bool,
        faults: &mut Faults,
    ) -> Result<(), RequestError> {
        let shape = if has_rows { Shape::Full } else { Shape::Pool };
        let pointer = shape.pool_pointer(index);
        let kind = json.peek()?;
        if kind != ValueType::Object {
            json.skip()?;
            faults.push(Fault::new(
                pointer,
                Code::WrongType,
                format!("expected a pool, found {}", kind_name(kind)),
            ));
            return Ok(());
        }
        let mut seen = 0_u16;
        json.begin_object()?;
        while json.has_next()? {
            let Some(place) = json.name_in(&pool::FIELDS)?.filter(|place| has_rows || *place != 0) else {
                json.skip()?;
                continue;
            };
            let field = pool::FIELDS[place];
            if seen & (1 << place) != 0 {
                json.skip()?;
                faults.push(Fault::new(
                    child(&pointer, field),
                    Code::DuplicateField,
                    "given twice in one pool",
                ));
                continue;
            }
            seen |= 1 << place;
            if place != 0 {
                pool::read_field(json, field, &mut self.pools[index], &pointer, faults)?;
            } else if list_expected(json, Shape::Full, index, faults)? {
                self.read_rows(json, index)?;
            }
        }
        json.end_object()?;
        if has_rows && seen & 1 == 0 {
            let detail = "missing: the DPSKs of the pool (an empty array if it has none)";
            faults.push(Fault::new(shape.list_pointer(index), Code::MissingField, detail));
        }
        pool::check(&self.pools[index], &pointer, faults);
        Ok(())
    }

    fn read_rows<R: Read>(&mut self, json: &mut Json<R>, pool_index: usize) -> Result<(), RequestError> {
        let pool = &mut self.pools[pool_index];
        pool.first_row = self.rows.len() as u32;
        json.begin_array()?;
        while json.has_next()? {
            self.row_total += 1;
            if self.rows.len() == MAX_ROWS {
                json.skip()?;
                continue;
            }
            let mut row = dpsk::read(json, pool)?;
            row.row = self.rows.len() as u32;
            row.pool = pool_index as u16;
            pool.row_count += 1;
            self.rows.push(row);
        }
        json.end_array()
    }
}

/// Whether an array comes next. If not, it is skipped and reported.
fn list_expected<R: Read>(
    json: &mut Json<R>,
    shape: Shape,
    pool: usize,
    faults: &mut Faults,
) -> Result<bool, RequestError> {
    let kind = json.peek()?;
    if kind == ValueType::Array {
        return Ok(true);
    }
    json.skip()?;
    let detail = format!("expected an array of DPSKs, found {}", kind_name(kind));
    faults.push(Fault::new(shape.list_pointer(pool), Code::WrongType, detail));
    Ok(false)
}
