//! One DPSK of an export.

use std::io::Read;

use struson::reader::ValueType;

use super::alias::meant_by;
use super::convert::{Refusal, flag, info, integer, name};
use super::date;
use super::export::{CloudpathPool, ExportRow};
use super::fault::{Code, RequestError, quote};
use super::json::{Json, Scalar, kind_name};
use super::limits::{MAX_GUID, MAX_NAME, MAX_SSIDS, PASSPHRASE_LENGTH, VLAN};
use crate::secret::SecretString;

const FIELDS: [&str; 9] = [
    "guid",
    "name",
    "passphrase",
    "status",
    "ssidList",
    "expirationDateTime",
    "useDeviceCountLimit",
    "deviceCountLimit",
    "vlanid",
];

/// Fields of one DPSK as they were given, on the way to a row.
#[derive(Debug, Default)]
pub(super) struct Given {
    row: ExportRow,
    seen: u16,
    repeated: u16,
    uses_limit: Option<bool>,
    limit: Option<i64>,
    /// Names that are no field's, and the fields that are meant.
    instead: Vec<(&'static str, String)>,
}

/// Reads the next value as a DPSK of `pool`. Every fault is noted in the row; only a broken document stops.
pub(super) fn read<R: Read>(json: &mut Json<R>, pool: &mut CloudpathPool) -> Result<ExportRow, RequestError> {
    let mut given = Given::default();
    let kind = json.peek()?;
    if kind != ValueType::Object {
        given.row.refuse(
            "",
            Code::WrongType,
            format!("expected a DPSK (an object), found {}", kind_name(kind)),
        );
        json.skip()?;
        return Ok(given.row);
    }
    json.begin_object()?;
    while json.has_next()? {
        let meant = |name: &str| meant_by(name).map(|field| (field, name.to_owned()));
        match json.name_in_or(&FIELDS, meant)? {
            Ok(index) => given.read(json, index, pool)?,
            Err(Some(other)) => {
                // one that says nothing loses nothing; a row has few of them, whatever its size
                if !is_empty(&json.scalar()?) && !given.instead.iter().any(|(field, _)| *field == other.0) {
                    given.instead.push(other);
                }
            }
            Err(None) => json.skip()?,
        }
    }
    json.end_object()?;
    Ok(given.into_row())
}

fn bit(field: &str) -> u16 {
    FIELDS.iter().position(|f| *f == field).map_or(0, |i| 1 << i)
}

impl Given {
    /// Reads the next value as the field of this name. False, and nothing is read: there is none.
    pub fn read_named<R: Read>(&mut self, json: &mut Json<R>, field: &str) -> Result<bool, RequestError> {
        let Some(index) = FIELDS.iter().position(|f| *f == field) else {
            return Ok(false);
        };
        // SSIDs are the pool's, and nobody asks here for those of a single key
        self.read(json, index, &mut CloudpathPool::default())?;
        Ok(true)
    }

    pub fn has(&self, field: &str) -> bool {
        self.seen & bit(field) != 0
    }

    fn read<R: Read>(
        &mut self,
        json: &mut Json<R>,
        index: usize,
        pool: &mut CloudpathPool,
    ) -> Result<(), RequestError> {
        let (field, row) = (FIELDS[index], &mut self.row);
        if self.seen & (1 << index) != 0 {
            // Said once per field, so that a row has few problems whatever its size.
            if self.repeated & (1 << index) == 0 {
                row.refuse(field, Code::DuplicateField, "given more than once in one DPSK");
            }
            self.repeated |= 1 << index;
            return json.skip();
        }
        self.seen |= 1 << index;
        match field {
            "passphrase" => passphrase(json, row)?,
            "ssidList" => row.has_ssids = ssids(json, pool)?,
            "guid" => row.guid = taken(guid(json.scalar()?), row, field).unwrap_or_default(),
            "name" => row.name = taken(name(json.scalar()?, MAX_NAME), row, field).unwrap_or_default(),
            "status" => row.status = taken(status(json.scalar()?), row, field),
            "expirationDateTime" => row.expires = taken(expiry(json.scalar()?), row, field),
            "useDeviceCountLimit" => self.uses_limit = taken(flag(json.scalar()?), row, field),
            "deviceCountLimit" => self.limit = taken(integer(json.scalar()?), row, field),
            _ => row.vlan = taken(vlan(json.scalar()?), row, field),
        }
        Ok(())
    }

    /// What was not given is as in `base`, a good row.
    pub fn onto(mut self, base: ExportRow) -> ExportRow {
        let given = std::mem::replace(&mut self.row, base);
        let seen = self.seen;
        let is_given = |field: &str| seen & bit(field) != 0;
        let row = &mut self.row;
        row.problems = given.problems;
        if is_given("name") {
            row.name = given.name;
        }
        if is_given("passphrase") {
            row.secret = given.secret;
        }
        if is_given("vlanid") {
            row.vlan = given.vlan;
        }
        if is_given("expirationDateTime") {
            row.expires = given.expires;
        }
        let before = row.device_limit.take();
        if !is_given("deviceCountLimit") {
            self.limit = before.map(i64::from);
        }
        if !is_given("useDeviceCountLimit") && before.is_some() {
            self.uses_limit = Some(true);
            self.seen |= bit("useDeviceCountLimit");
        }
        self.into_row()
    }

    /// The row, with what is wrong with it as a whole.
    fn into_row(mut self) -> ExportRow {
        let instead = std::mem::take(&mut self.instead);
        let (seen, limit, mut row) = (self.seen, self.limit, self.row);
        let was_given = |field: &str| seen & bit(field) != 0;
        for (field, name) in instead.into_iter().filter(|(field, _)| !was_given(field)) {
            let detail = format!("missing, and {} is not read: call it {field}", quote(&name));
            row.refuse(field, Code::UnknownField, detail);
        }
        if limit.is_some_and(|limit| limit > 0)
            && !was_given("useDeviceCountLimit")
            && !row.has_problem("useDeviceCountLimit")
        {
            row.refuse(
                "useDeviceCountLimit",
                Code::MissingField,
                "missing: it says whether deviceCountLimit counts",
            );
        }
        if row.guid.is_empty() && !row.has_problem("guid") {
            row.refuse(
                "guid",
                Code::MissingField,
                "missing: it identifies the key in Cloudpath",
            );
        }
        if row.secret.is_none() && !row.has_problem("passphrase") {
            row.refuse("passphrase", Code::MissingField, "missing: there is no key to import");
        }
        // Without `useDeviceCountLimit` the number means nothing in Cloudpath (exports say 0 then).
        if self.uses_limit == Some(true) {
            match limit {
                Some(limit) if limit >= 1 => row.device_limit = Some(u32::try_from(limit).unwrap_or(u32::MAX)),
                Some(limit) => {
                    row.refuse(
                        "deviceCountLimit",
                        Code::BadDeviceLimit,
                        format!("{limit} devices; at least 1"),
                    );
                }
                None if row.has_problem("deviceCountLimit") => {}
                None => row.refuse(
                    "deviceCountLimit",
                    Code::MissingField,
                    "missing, though useDeviceCountLimit is true",
                ),
            }
        }
        row.problems.shrink_to_fit();
        row
    }
}

fn is_empty(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Null => true,
        Scalar::Text(text) => text.value.trim().is_empty(),
        _ => false,
    }
}

fn taken<T>(value: Result<Option<T>, Refusal>, row: &mut ExportRow, field: &'static str) -> Option<T> {
    value.unwrap_or_else(|(code, detail)| {
        row.refuse(field, code, detail);
        None
    })
}

/// The value is lent by the reader and copied once, into the secret; no detail repeats any of it.
fn passphrase<R: Read>(json: &mut Json<R>, row: &mut ExportRow) -> Result<(), RequestError> {
    match json.peek()? {
        ValueType::String => {}
        ValueType::Null => {
            json.skip()?;
            return Ok(());
        }
        // A number may have lost its leading zeros on the way: it cannot be trusted to be the key.
        other => {
            json.skip()?;
            row.refuse(
                "passphrase",
                Code::WrongType,
                format!("expected a string, found {}", kind_name(other)),
            );
            return Ok(());
        }
    }
    let checked = json.with_text(|text| match check_passphrase(text) {
        Ok(()) if text.is_empty() => Ok(None),
        Ok(()) => Ok(Some(SecretString::new(text))),
        Err(detail) => Err((Code::BadPassphrase, detail.into())),
    })?;
    row.secret = taken(checked, row, "passphrase");
    Ok(())
}

fn check_passphrase(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        Ok(())
    } else if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Err("64 hexadecimal digits are a raw key, which RUCKUS One does not take; 8 to 63 characters are needed")
    } else if !text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        Err("holds a character that is not printable ASCII")
    } else if !PASSPHRASE_LENGTH.contains(&text.len()) {
        Err("must be 8 to 63 characters long")
    } else {
        Ok(())
    }
}

fn guid(scalar: Scalar) -> Result<Option<Box<str>>, Refusal> {
    Ok(name(scalar, MAX_GUID)?.map(|guid| guid.trim().into()))
}

fn status(scalar: Scalar) -> Result<Option<Box<str>>, Refusal> {
    let (Scalar::Text(_) | Scalar::Null) = scalar else {
        return Err((
            Code::WrongType,
            format!("expected a string, found {}", scalar.kind()).into(),
        ));
    };
    Ok(info(scalar).filter(|status| !status.eq_ignore_ascii_case("ACTIVE")))
}

fn expiry(scalar: Scalar) -> Result<Option<jiff::Timestamp>, Refusal> {
    match scalar {
        Scalar::Null => Ok(None),
        Scalar::Text(text) if text.value.trim().is_empty() => Ok(None),
        Scalar::Text(text) => match date::parse(&text.value) {
            Some(instant) => Ok(Some(instant)),
            None => {
                let found = quote(&text.value);
                let detail = format!("{found} is no date with an offset, like 2026-06-15T00:00-07:00[America/Denver]");
                Err((Code::BadDate, detail.into()))
            }
        },
        other => Err((
            Code::WrongType,
            format!("expected a date as a string, found {}", other.kind()).into(),
        )),
    }
}

fn vlan(scalar: Scalar) -> Result<Option<u16>, Refusal> {
    let written = match &scalar {
        Scalar::Null => return Ok(None),
        Scalar::Text(text) => text.value.trim(),
        Scalar::Number(number) => number.as_str(),
        other => {
            return Err((
                Code::WrongType,
                format!("expected a VLAN, found {}", other.kind()).into(),
            ));
        }
    };
    if written.is_empty() {
        return Ok(None);
    }
    let digits = written.bytes().all(|byte| byte.is_ascii_digit());
    match written.parse::<u16>() {
        Ok(vlan) if digits && VLAN.contains(&vlan) => Ok(Some(vlan)),
        _ => Err((
            Code::BadVlan,
            format!("{} is no VLAN from 1 to 4094", quote(written)).into(),
        )),
    }
}

/// Whether the list names any. It only informs, so that whatever else stands there is passed over.
pub(super) fn ssids<R: Read>(json: &mut Json<R>, pool: &mut CloudpathPool) -> Result<bool, RequestError> {
    if json.peek()? != ValueType::Array {
        json.skip()?;
        return Ok(false);
    }
    let mut any = false;
    json.begin_array()?;
    while json.has_next()? {
        if let Some(ssid) = info(json.scalar()?) {
            any = true;
            if pool.ssids.len() < MAX_SSIDS {
                pool.ssids.insert(ssid);
            }
        }
    }
    json.end_array()?;
    Ok(any)
}
