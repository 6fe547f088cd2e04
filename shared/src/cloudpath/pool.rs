//! One Cloudpath pool of an export: its own fields. Its faults concern every key in it, so they always refuse
//! the request, whatever is done with bad rows.

use std::io::Read;

use super::convert::{Refusal, flag, info, integer, name};
use super::dpsk;
use super::export::CloudpathPool;
use super::fault::{Code, Fault, Faults, RequestError, child};
use super::json::Json;
use super::limits::{MAX_GUID, MAX_NAME};

/// Fields of a pool that are read. `dpsks` comes first: it stands here in the full export only, and is the caller's.
pub(super) const FIELDS: [&str; 14] = [
    "dpsks",
    "guid",
    "displayName",
    "description",
    "enabled",
    "phraseDefaultLength",
    "ssidList",
    "enforceExpirationDate",
    "expirationDateType",
    "expirationDateValue",
    "enforceDeviceCountLimit",
    "deviceCountLimit",
    "supportsPolicies",
    "defaultAccess",
];

/// Reads the value of one of [`FIELDS`], except `dpsks`.
pub(super) fn read_field<R: Read>(
    json: &mut Json<R>,
    field: &'static str,
    pool: &mut CloudpathPool,
    pointer: &str,
    faults: &mut Faults,
) -> Result<(), RequestError> {
    if field == "ssidList" {
        dpsk::ssids(json, pool)?;
        return Ok(());
    }
    let value = json.scalar()?;
    let mut at = Place { pointer, field, faults };
    match field {
        "guid" => {
            pool.guid = at
                .take(name(value, MAX_GUID))
                .map(|guid| guid.trim().into())
                .unwrap_or_default()
        }
        "displayName" => {
            pool.display_name = at
                .take(name(value, MAX_NAME))
                .map(|name| name.trim().into())
                .unwrap_or_default();
        }
        "description" => pool.has_description = info(value).is_some(),
        "enabled" => pool.is_disabled = at.take(flag(value)) == Some(false),
        "phraseDefaultLength" => pool.phrase_default_length = at.take(integer(value)),
        "enforceExpirationDate" => pool.enforces_expiration = at.take(flag(value)).unwrap_or(false),
        "expirationDateType" => pool.expiration_type = info(value),
        "expirationDateValue" => pool.expiration_value = info(value),
        "enforceDeviceCountLimit" => pool.enforces_device_limit = at.take(flag(value)).unwrap_or(false),
        "deviceCountLimit" => pool.device_limit = at.take(integer(value)),
        "supportsPolicies" => pool.supports_policies = at.take(flag(value)).unwrap_or(false),
        _ => pool.default_access = info(value),
    }
    Ok(())
}

/// What a pool must have to be named in RUCKUS One and told from the others, unless a fault stands there already.
pub(super) fn check(pool: &CloudpathPool, pointer: &str, faults: &mut Faults) {
    for (field, value, what) in [
        ("guid", &pool.guid, "it tells the pool from others of its name"),
        (
            "displayName",
            &pool.display_name,
            "the group and the pool in RUCKUS One are named after it",
        ),
    ] {
        let at = child(pointer, field);
        if value.is_empty() && !faults.list().iter().any(|fault| fault.pointer == at) {
            faults.push(Fault::new(at, Code::MissingField, format!("missing: {what}")));
        }
    }
}

struct Place<'a> {
    pointer: &'a str,
    field: &'static str,
    faults: &'a mut Faults,
}

impl Place<'_> {
    fn take<T>(&mut self, value: Result<Option<T>, Refusal>) -> Option<T> {
        value.unwrap_or_else(|(code, detail)| {
            self.faults
                .push(Fault::new(child(self.pointer, self.field), code, detail));
            None
        })
    }
}
