//! Reading passphrases. The value cannot be searched for: the filter called `passphrase` takes ids.

use serde_json::Value;

use super::strings;
use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::model::Passphrase;
use crate::sim::paging::Page;
use crate::sim::tenant::{Members, Tenant};
use crate::sim::view::status_of;

const FILTERS: [&str; 8] = [
    "networkId",
    "vlanId",
    "passphrase",
    "mac",
    "username",
    "email",
    "phoneNumber",
    "status",
];

/// `GET …/passphrases/{id}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (pool, id) = (ctx.param(0), ctx.param(1));
    let found = ctx.tenant.passphrase(&id).filter(|key| key.pool_id == pool);
    found
        .map(|key| Reply::ok(ctx.tenant.view_passphrase(key)))
        .ok_or_else(|| Fault::not_found("DPSK passphrase", &id))
}

/// `GET …/passphrases`: Spring paging; live systems were seen to answer an empty page here (a setting).
pub fn list(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let page = ctx.spring_page();
    if ctx.settings.passphrase_list_empty {
        return Ok(Reply::ok(page.spring_answer(0, Vec::new())));
    }
    let (total, rows) = whole_pool(ctx, &page)?;
    Ok(Reply::ok(page.spring_answer(total, rows)))
}

/// `POST …/passphrases/query`: an unknown filter is answered 200 with no rows.
pub fn query(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let page = ctx.body_page(ctx.settings.dpsk_first_page, 20);
    let filters = ctx.body["filters"].as_object().cloned().unwrap_or_default();
    let search = ctx.body["searchString"].as_str().unwrap_or_default().to_lowercase();
    let narrowed = filters.values().any(|value| !value.is_null()) || !search.is_empty();
    if !narrowed {
        let (total, rows) = whole_pool(ctx, &page)?;
        return Ok(Reply::ok(page.body_answer(total, rows)));
    }
    let pool = ctx.param(0);
    ctx.tenant
        .pool(&pool)
        .ok_or_else(|| Fault::not_found("DPSK pool", &pool))?;
    let (tenant, now) = (&*ctx.tenant, ctx.now);
    let Some(members) = tenant.keys.get(&pool) else {
        return Ok(Reply::ok(page.body_answer(0, Vec::new())));
    };
    let known = filters.keys().all(|key| FILTERS.contains(&key.as_str()));
    let names = strings(filters.get("username").unwrap_or(&Value::Null));
    let candidates: Vec<&Passphrase> = match names.is_empty() {
        true => members.live.values().filter_map(|id| tenant.passphrase(id)).collect(),
        // by index: this is how a create is read back
        false => names
            .iter()
            .filter_map(|name| members.names.get(name))
            .filter_map(|id| tenant.passphrase(id))
            .collect(),
    };
    let chosen = |key: &&Passphrase| {
        let fits = |(field, wanted): (&String, &Value)| {
            wanted
                .as_array()
                .is_none_or(|all| all.is_empty() || matches(key, field, all, now))
        };
        known && filters.iter().all(fits) && key.username.to_lowercase().contains(&search)
    };
    let (total, rows) = page.cut(candidates.into_iter().filter(chosen).collect(), sort_key);
    Ok(Reply::ok(page.body_answer(
        total,
        rows.into_iter().map(|key| tenant.view_passphrase(key)).collect(),
    )))
}

fn matches(key: &Passphrase, field: &str, wanted: &[Value], now: u64) -> bool {
    let text = |value: Option<&str>| value.is_some_and(|value| wanted.iter().any(|w| w.as_str() == Some(value)));
    match field {
        "username" => text(Some(&key.username)),
        "passphrase" => text(Some(&key.id)),
        "mac" => text(key.mac.as_deref()),
        "email" => text(key.email.as_deref()),
        "phoneNumber" => text(key.phone_number.as_deref()),
        "vlanId" => wanted
            .iter()
            .any(|w| w.as_i64() == key.vlan_id && key.vlan_id.is_some()),
        "status" => text(Some(status_of(key, now))),
        _ => false,
    }
}

fn sort_key(key: &Passphrase, field: &str) -> String {
    match field {
        "username" => key.username.clone(),
        "vlanId" => format!("{:010}", key.vlan_id.unwrap_or_default()),
        "expirationDate" => format!("{:020}", key.expiration_date.unwrap_or(u64::MAX)),
        _ => format!("{:020}", key.origin.seq),
    }
}

/// One page of all passphrases of the pool, by order of creation or by user name without looking at the other rows.
fn whole_pool(ctx: &Ctx<'_>, page: &Page) -> Result<(usize, Vec<Value>), Fault> {
    let pool = ctx.param(0);
    ctx.tenant
        .pool(&pool)
        .ok_or_else(|| Fault::not_found("DPSK pool", &pool))?;
    let tenant: &Tenant = ctx.tenant;
    let Some(members) = tenant.keys.get(&pool) else {
        return Ok((0, Vec::new()));
    };
    let rows = |ids: Vec<&String>| {
        ids.into_iter()
            .filter_map(|id| tenant.passphrase(id))
            .map(|key| tenant.view_passphrase(key))
            .collect()
    };
    let found = match page.sort.as_deref() {
        None | Some("createdDate" | "id") => rows(window(members.live.values(), page)),
        Some("username") => rows(window(by_name(members), page)),
        Some(_) => {
            let all = members.live.values().filter_map(|id| tenant.passphrase(id)).collect();
            page.cut(all, sort_key)
                .1
                .into_iter()
                .map(|key| tenant.view_passphrase(key))
                .collect()
        }
    };
    Ok((members.live.len(), found))
}

fn by_name(members: &Members) -> impl DoubleEndedIterator<Item = &String> {
    members.sorted.iter().filter_map(|(_, seq)| members.live.get(seq))
}

fn window<'m>(ids: impl DoubleEndedIterator<Item = &'m String>, page: &Page) -> Vec<&'m String> {
    match page.descending {
        true => ids.rev().skip(page.skip).take(page.size).collect(),
        false => ids.skip(page.skip).take(page.size).collect(),
    }
}
