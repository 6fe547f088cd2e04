//! Creating, changing and deleting passphrases, with the traps seen on live systems:
//!
//! | request | result |
//! |---|---|
//! | user name new | an identity of that name in the pool's group, and the passphrase |
//! | no user name (`identityId` or not) | `identityId` is ignored; a name `DPSK_User_<random>_1` is made up |
//! | user name exists in the pool | DPSK-020 |
//! | an identity of that name exists without a passphrase | GENERAL-010 |
//! | value shorter than the pool's length | SUCCESS, but a generated value is stored |
//! | more than 512 devices | 512 |

use rand::RngExt;
use serde_json::{Map, Value};

use super::{date, devices, integer, text};
use crate::sim::call::{Ctx, Reply};
use crate::sim::clock::Millis;
use crate::sim::effect::{Effect, identity_exists, username_exists};
use crate::sim::errors::Fault;
use crate::sim::model::{Identity, Kind, Passphrase, Pool, Ref};
use crate::sim::route::Op;

const DAY_MS: u64 = 86_400_000;
/// Most passphrases one call may generate.
const GENERATED_MAX: i64 = 5000;
const USE_CASE: &str = "CREATE_DPSK_PASSPHRASE";

/// `POST /dpskServices/{pool}/passphrases`.
pub fn create(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (pool_id, fields) = (ctx.param(0), ctx.object()?);
    let pool = ctx
        .tenant
        .pool(&pool_id)
        .ok_or_else(|| Fault::not_found("DPSK pool", &pool_id))?
        .clone();
    let (mut template, mut clamped) = checked(&fields, &pool, ctx.now)?;
    clamped |= clamp(ctx, &mut template.number_of_devices);
    if ctx.twist.invent_name {
        template.username.clear();
    }
    let value = value_of(&fields)?;
    let count = integer(&fields, "numberOfPassphrases", 1, GENERATED_MAX)?.unwrap_or(1);
    if count > 1 && (value.is_some() || !template.username.is_empty()) {
        return Err(Fault::invalid(
            "numberOfPassphrases",
            "only without username and passphrase",
        ));
    }
    let length = integer(&fields, "length", 8, 63)?.map(|length| length as usize);
    let format = text(&fields, "format")?;
    if !template.username.is_empty()
        && let Some(refused) = refused(ctx, &pool, &template.username)
    {
        return refused;
    }
    ctx.tenant.counts.clamped_device_counts += u64::from(clamped);
    let (mut appear, mut first) = (Vec::new(), None);
    let random: u32 = ctx.rng.random_range(0x1000_0000..=u32::MAX);
    for number in 1..=count {
        let mut key = template.clone();
        if key.username.is_empty() {
            key.username = format!("DPSK_User_{random:08X}_{number}");
            key.invented = true;
            ctx.tenant.counts.invented_names += 1;
        } else {
            key.username = ctx.suffixed(pool.group_id.as_deref(), Some(&pool_id), key.username);
        }
        (key.value, key.replaced) = match (&value, length, &format) {
            (None, None, None) => ctx.fit_value(&pool_id, None),
            (None, length, format) => {
                let format = format.as_deref().unwrap_or(&pool.passphrase_format);
                (ctx.generate(format, length.unwrap_or(pool.passphrase_length)), false)
            }
            (Some(value), ..) => ctx.fit_value(&pool_id, Some(value)),
        };
        key.id = ctx.fresh_id();
        appear.push(Ref::new(Kind::Passphrase, &key.id));
        first.get_or_insert_with(|| key.id.clone());
        if let Some(group_id) = &pool.group_id {
            let id = ctx.fresh_id();
            let origin = ctx.tenant.origin(Some(&ctx.request_id), ctx.now);
            ctx.tenant.insert_identity(Identity {
                id: id.clone(),
                group_id: group_id.clone(),
                name: key.username.clone(),
                email: key.email.clone(),
                phone_number: key.phone_number.clone(),
                vlan: key.vlan_id,
                passphrase_id: Some(key.id.clone()),
                invented: key.invented,
                origin,
                ..Identity::default()
            });
            appear.push(Ref::new(Kind::Identity, &id));
            key.identity_id = Some(id);
        }
        ctx.remember_cut(Kind::Passphrase, &pool_id, &key.username);
        ctx.insert_passphrase(key);
    }
    let first = first.filter(|_| count == 1);
    Ok(ctx.accept(USE_CASE, Effect::Appear(appear), first.as_deref()))
}

/// Cuts a device count when the fault plan says so; true when it did.
fn clamp(ctx: &Ctx<'_>, count: &mut Option<i64>) -> bool {
    match (ctx.twist.devices_to, *count) {
        (Some(to), Some(asked)) if asked > to => {
            *count = Some(to);
            true
        }
        _ => false,
    }
}

/// The refusal of a user name that is taken, in whatever form the settings ask for; `None`: it is free.
fn refused(ctx: &mut Ctx<'_>, pool: &Pool, name: &str) -> Option<Result<Reply, Fault>> {
    if let Some(owner) = ctx.tenant.keys.get(&pool.id).and_then(|keys| keys.names.get(name)) {
        let live = ctx.tenant.passphrase(owner).is_some();
        ctx.count_refused(Kind::Passphrase, &pool.id, name, live);
        return Some(ctx.refuse(ctx.form_for(live), USE_CASE, username_exists(name)));
    }
    let group = pool.group_id.clone()?;
    let owner = ctx
        .tenant
        .people
        .get(&group)
        .and_then(|people| people.names.get(name))?;
    let live = ctx.tenant.identity(owner).is_some();
    ctx.count_refused(Kind::Identity, &group, name, live);
    Some(ctx.refuse(ctx.settings.refuse_identity, USE_CASE, identity_exists(name)))
}

/// The checked fields as a passphrase without id and value, and whether its device count had to be clamped.
fn checked(fields: &Map<String, Value>, pool: &Pool, now: Millis) -> Result<(Passphrase, bool), Fault> {
    let (count, clamped) = devices(fields, "numberOfDevices")?;
    let unlimited = match text(fields, "numberOfDevicesType")?.as_deref() {
        None | Some("LIMITED") => false,
        Some("UNLIMITED") => true,
        Some(_) => return Err(Fault::invalid("numberOfDevicesType", "no such type")),
    };
    let expiration_date = match (date(fields, "expirationDate")?, text(fields, "expiration")?) {
        (Some(end), _) => Some(end),
        (None, Some(word)) => lifetime(&word)?.map(|days| now + days * DAY_MS),
        (None, None) => inherited(pool, now),
    };
    let key = Passphrase {
        pool_id: pool.id.clone(),
        username: text(fields, "username")?.unwrap_or_default(),
        vlan_id: integer(fields, "vlanId", 1, 4094)?,
        vxlan_id: integer(fields, "vxlanId", 0, 8_388_608)?,
        number_of_devices: if unlimited {
            None
        } else {
            count.or(pool.device_count_limit)
        },
        expiration_date,
        email: text(fields, "email")?,
        phone_number: text(fields, "phoneNumber")?,
        mac: text(fields, "mac")?,
        ..Passphrase::default()
    };
    Ok((key, clamped))
}

/// Days of an `expiration` word; `None` for `UNLIMITED`.
fn lifetime(word: &str) -> Result<Option<u64>, Fault> {
    Ok(Some(match word {
        "UNLIMITED" => return Ok(None),
        "ONE_DAY" => 1,
        "TWO_DAYS" => 2,
        "ONE_WEEK" => 7,
        "TWO_WEEKS" => 14,
        "ONE_MONTH" => 30,
        "SIX_MONTHS" => 182,
        "ONE_YEAR" => 365,
        "TWO_YEARS" => 730,
        _ => return Err(Fault::invalid("expiration", "no such expiration")),
    }))
}

/// The pool's own rule, for passphrases that name none. The documents call it "Expiration date rule"; that it works this way is inferred.
fn inherited(pool: &Pool, now: Millis) -> Option<Millis> {
    let hours = match pool.expiration_type.as_deref()? {
        "SPECIFIED_DATE" => return pool.expiration_date,
        "HOURS_AFTER_TIME" => 1,
        "DAYS_AFTER_TIME" => 24,
        "WEEKS_AFTER_TIME" => 24 * 7,
        "MONTHS_AFTER_TIME" => 24 * 30,
        _ => 24 * 365,
    };
    Some(now + pool.expiration_offset?.unsigned_abs() * hours * 3_600_000)
}

/// The value sent: 8 to 63 characters whatever the pool says.
fn value_of(fields: &Map<String, Value>) -> Result<Option<String>, Fault> {
    let value = text(fields, "passphrase")?;
    match value.as_ref().map(|value| value.chars().count()) {
        Some(0..=7 | 64..) => Err(Fault::invalid("passphrase", "must have 8 to 63 characters")),
        _ => Ok(value),
    }
}

/// `PUT` and `PATCH …/passphrases/{id}`, `PATCH …/passphrases {ids, changes}`. A PUT clears what it does not name.
pub fn change(ctx: &mut Ctx<'_>, op: Op) -> Result<Reply, Fault> {
    let (pool_id, body) = (ctx.param(0), ctx.object()?);
    let many = op == Op::PassphrasePatchMany;
    let ids = if many {
        super::strings(&ctx.body["ids"])
    } else {
        vec![ctx.param(1)]
    };
    let mut fields = if many {
        body.get("changes")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    } else {
        body
    };
    let known = |id: &&String| ctx.tenant.passphrase(id).is_some_and(|key| key.pool_id == pool_id);
    let refs: Vec<Ref> = ids
        .iter()
        .filter(known)
        .map(|id| Ref::new(Kind::Passphrase, id))
        .collect();
    if refs.is_empty() || refs.len() < ids.len() {
        return Err(Fault::not_found("DPSK passphrase", &ids.join(", ")));
    }
    integer(&fields, "vlanId", 1, 4094)?;
    date(&fields, "expirationDate")?;
    for field in ["username", "email", "phoneNumber", "revocationReason"] {
        text(&fields, field)?;
    }
    if let (mut count @ Some(_), mut clamped) = devices(&fields, "numberOfDevices")? {
        clamped |= clamp(ctx, &mut count);
        ctx.tenant.counts.clamped_device_counts += u64::from(clamped);
        fields.insert("numberOfDevices".into(), count.into());
    }
    fields.remove("replaced");
    if let Some(value) = value_of(&fields)? {
        let (stored, replaced) = ctx.fit_value(&pool_id, Some(&value));
        fields.insert("passphrase".into(), stored.into());
        if replaced {
            fields.insert("replaced".into(), true.into());
        }
    }
    if op == Op::PassphrasePut {
        for field in [
            "vlanId",
            "numberOfDevices",
            "expirationDate",
            "email",
            "phoneNumber",
            "revocationReason",
        ] {
            fields.entry(field).or_insert(Value::Null);
        }
    }
    for of in &refs {
        ctx.tenant.renamable(of, &fields)?;
    }
    let id = ids.first().cloned().filter(|_| !many);
    Ok(ctx.accept("UPDATE_DPSK_PASSPHRASE", Effect::Change(refs, fields), id.as_deref()))
}

/// `DELETE …/passphrases` with a list of ids; their identities stay.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (pool_id, ids) = (ctx.param(0), ctx.ids()?);
    ctx.tenant
        .pool(&pool_id)
        .ok_or_else(|| Fault::not_found("DPSK pool", &pool_id))?;
    let known = |id: &&String| ctx.tenant.passphrase(id).is_some_and(|key| key.pool_id == pool_id);
    let refs: Vec<Ref> = ids
        .iter()
        .filter(known)
        .map(|id| Ref::new(Kind::Passphrase, id))
        .collect();
    if refs.is_empty() {
        return Err(Fault::not_found("DPSK passphrase", &ids.join(", ")));
    }
    Ok(ctx.accept("DELETE_DPSK_PASSPHRASE", Effect::Remove(refs), None))
}
