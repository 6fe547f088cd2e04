//! DPSK services, also called pools.

use serde_json::{Map, Value};

use super::{date, devices, integer, strings, text};
use crate::sim::call::{Ctx, Reply};
use crate::sim::effect::{Effect, pool_exists};
use crate::sim::errors::Fault;
use crate::sim::model::{Kind, Pool, Ref};
use crate::sim::route::Op;
use crate::sim::settings::Refusal;

const FORMATS: [&str; 4] = ["MOST_SECURED", "KEYBOARD_FRIENDLY", "NUMBERS_ONLY", "DICTIONARY_WORDS"];
const EXPIRATIONS: [&str; 6] = [
    "SPECIFIED_DATE",
    "HOURS_AFTER_TIME",
    "DAYS_AFTER_TIME",
    "WEEKS_AFTER_TIME",
    "MONTHS_AFTER_TIME",
    "YEARS_AFTER_TIME",
];

/// `POST /identityGroups/{g}/dpskServices`, and the deprecated `POST /dpskServices` without a group.
pub fn create(ctx: &mut Ctx<'_>, op: Op) -> Result<Reply, Fault> {
    let fields = ctx.object()?;
    let group_id = (op == Op::PoolCreateInGroup).then(|| ctx.param(0));
    let mut taken_group = false;
    if let Some(id) = &group_id {
        let group = ctx
            .tenant
            .group(id)
            .ok_or_else(|| Fault::not_found("Identity group", id))?;
        taken_group = group.pool_id.is_some();
    }
    for required in ["name", "passphraseFormat", "passphraseLength"] {
        if fields.get(required).is_none_or(Value::is_null) {
            return Err(Fault::invalid(required, "must not be null"));
        }
    }
    let mut pool = Pool {
        policy_default_access: true,
        ..Pool::default()
    };
    ctx.tenant.counts.clamped_device_counts += u64::from(fill(&mut pool, &fields)?);
    if let Some(owner) = ctx.tenant.pool_names.get(&pool.name) {
        let live = ctx.tenant.pool(owner).is_some();
        ctx.count_refused(Kind::Pool, "", &pool.name, live);
        return ctx.refuse(ctx.form_for(live), "CREATE_DPSK_SERVICE", pool_exists());
    }
    if taken_group {
        return Err(Fault::new(
            409,
            "GENERAL-409",
            "Identity group is already associated with a DPSK service",
        ));
    }
    let (id, name) = (ctx.fresh_id(), pool.name.clone());
    pool.id = id.clone();
    pool.group_id = group_id;
    pool.origin = ctx.tenant.origin(Some(&ctx.request_id), ctx.now);
    ctx.tenant.insert_pool(pool);
    ctx.remember_cut(Kind::Pool, "", &name);
    Ok(ctx.accept(
        "CREATE_DPSK_SERVICE",
        Effect::Appear(vec![Ref::new(Kind::Pool, &id)]),
        Some(&id),
    ))
}

/// Puts checked fields into a pool. True when the device limit had to be clamped.
fn fill(pool: &mut Pool, fields: &Map<String, Value>) -> Result<bool, Fault> {
    if let Some(name) = text(fields, "name")? {
        if !(2..=32).contains(&name.chars().count()) {
            return Err(Fault::invalid("name", "must have 2 to 32 characters"));
        }
        pool.name = name;
    }
    if let Some(format) = text(fields, "passphraseFormat")? {
        if !FORMATS.contains(&format.as_str()) {
            return Err(Fault::invalid("passphraseFormat", "no such format"));
        }
        pool.passphrase_format = format;
    }
    if let Some(length) = integer(fields, "passphraseLength", 8, 63)? {
        pool.passphrase_length = length as usize;
    }
    let (limit, clamped) = devices(fields, "deviceCountLimit")?;
    pool.device_count_limit = limit.or(pool.device_count_limit);
    if let Some(kind) = text(fields, "expirationType")? {
        if !EXPIRATIONS.contains(&kind.as_str()) {
            return Err(Fault::invalid("expirationType", "no such type"));
        }
        pool.expiration_type = Some(kind);
    }
    pool.expiration_offset = integer(fields, "expirationOffset", 1, i64::from(i32::MAX))?.or(pool.expiration_offset);
    pool.expiration_date = date(fields, "expirationDate")?.or(pool.expiration_date);
    if let Some(access) = fields.get("policyDefaultAccess").and_then(Value::as_bool) {
        pool.policy_default_access = access;
    }
    Ok(clamped)
}

/// `PUT` and `PATCH /dpskServices/{id}`. A PUT clears what it does not name.
pub fn change(ctx: &mut Ctx<'_>, op: Op) -> Result<Reply, Fault> {
    let (id, mut fields) = (ctx.param(0), ctx.object()?);
    ctx.tenant.pool(&id).ok_or_else(|| Fault::not_found("DPSK pool", &id))?;
    let clamped = fill(&mut Pool::default(), &fields)?;
    ctx.tenant.counts.clamped_device_counts += u64::from(clamped);
    if let (Some(limit), _) = devices(&fields, "deviceCountLimit")? {
        fields.insert("deviceCountLimit".into(), limit.into());
    }
    if op == Op::PoolPut {
        for field in [
            "deviceCountLimit",
            "expirationType",
            "expirationOffset",
            "expirationDate",
        ] {
            fields.entry(field).or_insert(Value::Null);
        }
    }
    let of = Ref::new(Kind::Pool, &id);
    ctx.tenant.renamable(&of, &fields)?;
    Ok(ctx.accept("UPDATE_DPSK_SERVICE", Effect::Change(vec![of], fields), Some(&id)))
}

/// `DELETE /dpskServices/{id}`: DPSK-026 while there are passphrases.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = ctx.param(0);
    ctx.tenant.pool(&id).ok_or_else(|| Fault::not_found("DPSK pool", &id))?;
    let of = Ref::new(Kind::Pool, &id);
    if ctx.settings.refuse_delete == Refusal::Http {
        ctx.tenant.removable(&of)?;
    }
    Ok(ctx.accept("DELETE_DPSK_SERVICE", Effect::Remove(vec![of]), Some(&id)))
}

/// Media type v1.2 shows pools without their identity group.
fn with_group(ctx: &Ctx<'_>) -> bool {
    !ctx.call.accept.contains("vnd.ruckus.v1.2+json")
}

/// `GET /dpskServices/{id}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = ctx.param(0);
    let pool = ctx.tenant.pool(&id).ok_or_else(|| Fault::not_found("DPSK pool", &id))?;
    Ok(Reply::ok(ctx.tenant.view_pool(pool, with_group(ctx))))
}

/// `POST /dpskServices/query`: a field it does not know is a 500; a filter it does not know matches nothing.
pub fn query(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    const KNOWN: [&str; 8] = [
        "fields",
        "page",
        "pageSize",
        "sortField",
        "sortOrder",
        "searchTargetFields",
        "searchString",
        "filters",
    ];
    if ctx
        .body
        .as_object()
        .into_iter()
        .flatten()
        .any(|(field, _)| !KNOWN.contains(&field.as_str()))
    {
        return Err(Fault::new(500, "GENERAL-500", "Internal server error"));
    }
    let page = ctx.body_page(ctx.settings.dpsk_first_page, 20);
    let filters = &ctx.body["filters"];
    let strange = filters
        .as_object()
        .into_iter()
        .flatten()
        .any(|(k, _)| !["ids", "passphraseFormat", "isEnforced"].contains(&k.as_str()));
    let (ids, formats) = (strings(&filters["ids"]), strings(&filters["passphraseFormat"]));
    let search = ctx.body["searchString"].as_str().unwrap_or_default().to_lowercase();
    let chosen = |pool: &&Pool| {
        !strange
            && filters["isEnforced"] != Value::Bool(true)
            && (ids.is_empty() || ids.contains(&pool.id))
            && (formats.is_empty() || formats.contains(&pool.passphrase_format))
            && pool.name.to_lowercase().contains(&search)
    };
    let tenant = &*ctx.tenant;
    let rows = tenant
        .live_pools
        .values()
        .filter_map(|id| tenant.pools.get(id))
        .filter(chosen)
        .collect();
    let (total, rows) = page.cut(rows, |pool, field| match field {
        "name" => pool.name.clone(),
        "passphraseFormat" => pool.passphrase_format.clone(),
        _ => format!("{:020}", pool.origin.seq),
    });
    let with_group = with_group(ctx);
    Ok(Reply::ok(
        page.body_answer(
            total,
            rows.into_iter()
                .map(|pool| tenant.view_pool(pool, with_group))
                .collect(),
        ),
    ))
}
