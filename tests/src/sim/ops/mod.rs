//! The operations, one file a resource.

mod activities;
mod bulk;
mod groups;
mod identities;
mod identity_writes;
mod key_queries;
mod keys;
mod policy;
mod pools;
mod venues;
mod wifi;

use serde_json::{Map, Value};

use super::call::{Ctx, Reply};
use super::errors::Fault;
use super::model::Kind;
use super::route::Op;
use policy::{assignments, conditions, policies, priorities, radius, reports, sets, templates};
use wifi::{activations, ap_groups, links, networks, queries};

/// Most devices a passphrase or pool may have; more is silently clamped.
const DEVICES_MAX: i64 = 512;

/// Carries out one operation.
pub fn run(op: Op, ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    match op {
        Op::Token => Err(Fault::new(500, "", "the token endpoint is not a tenant's operation")),
        Op::VenueList => venues::list(ctx),
        Op::VenueGet => venues::get(ctx),
        Op::VenueQuery => venues::query(ctx),
        Op::GroupCreate => groups::create(ctx),
        Op::GroupList | Op::GroupQuery => groups::query(ctx),
        Op::GroupGet => groups::get(ctx),
        Op::GroupDelete => groups::delete(ctx),
        Op::GroupAttachPool => groups::attach_pool(ctx),
        Op::IdentityCreate => identity_writes::create(ctx),
        Op::IdentityPatch => identity_writes::patch(ctx),
        Op::IdentityDelete | Op::IdentityDeleteMany => identity_writes::delete(ctx, op),
        Op::IdentityGet => identities::get(ctx),
        Op::IdentityListOfGroup => identities::list_of_group(ctx),
        Op::IdentityList | Op::IdentityQuery => identities::query(ctx),
        Op::PoolCreate | Op::PoolCreateInGroup => pools::create(ctx, op),
        Op::PoolQuery => pools::query(ctx),
        Op::PoolGet => pools::get(ctx),
        Op::PoolPut | Op::PoolPatch => pools::change(ctx, op),
        Op::PoolDelete => pools::delete(ctx),
        Op::PassphraseCreate => keys::create(ctx),
        Op::PassphrasePut | Op::PassphrasePatch | Op::PassphrasePatchMany => keys::change(ctx, op),
        Op::PassphraseDelete => keys::delete(ctx),
        Op::PassphraseList => key_queries::list(ctx),
        Op::PassphraseQuery => key_queries::query(ctx),
        Op::PassphraseGet => key_queries::get(ctx),
        Op::PoolPolicySetPut => assignments::assign(ctx, Kind::Pool, true),
        Op::PoolPolicySetDelete => assignments::assign(ctx, Kind::Pool, false),
        Op::GroupPolicySetPut => assignments::assign(ctx, Kind::Group, true),
        Op::GroupPolicySetDelete => assignments::assign(ctx, Kind::Group, false),
        Op::SetCreate => sets::create(ctx),
        Op::SetQuery => sets::query(ctx),
        Op::SetGet => sets::get(ctx),
        Op::SetPatch => sets::patch(ctx),
        Op::SetDelete => sets::delete(ctx),
        Op::PriorityList => priorities::list(ctx),
        Op::PriorityGet => priorities::get(ctx),
        Op::PriorityPut => priorities::put(ctx),
        Op::PriorityDelete => priorities::delete(ctx),
        Op::AssignmentList => assignments::list(ctx, false),
        Op::AssignmentQuery => assignments::list(ctx, true),
        Op::AssignmentGet => assignments::get(ctx),
        Op::Evaluate => reports::evaluate(ctx),
        Op::TemplateQuery => templates::query(ctx),
        Op::TemplateGet => templates::get(ctx),
        Op::AttributeList => templates::attributes(ctx, false),
        Op::AttributeQuery => templates::attributes(ctx, true),
        Op::AttributeGet => templates::attribute_get(ctx),
        Op::PolicyQueryAll => policies::query(ctx, false, true),
        Op::PolicyCreate => policies::create(ctx),
        Op::PolicyList => policies::query(ctx, true, false),
        Op::PolicyQuery => policies::query(ctx, true, true),
        Op::PolicyGet => policies::get(ctx),
        Op::PolicyPatch => policies::patch(ctx),
        Op::PolicyDelete => policies::delete(ctx),
        Op::ConditionCreate => conditions::create(ctx),
        Op::ConditionList => conditions::list(ctx),
        Op::ConditionGet => conditions::get(ctx),
        Op::ConditionPatch => conditions::patch(ctx),
        Op::ConditionDelete => conditions::delete(ctx),
        Op::RadiusCreate => radius::create(ctx),
        Op::RadiusList => radius::query(ctx, false),
        Op::RadiusQuery => radius::query(ctx, true),
        Op::RadiusGet => radius::get(ctx),
        Op::RadiusPatch => radius::patch(ctx),
        Op::RadiusDelete => radius::delete(ctx),
        Op::NetworkCreate => networks::create(ctx),
        Op::NetworkQuery => queries::networks(ctx),
        Op::NetworkGet => networks::get(ctx),
        Op::NetworkPut => networks::put(ctx),
        Op::NetworkDelete => networks::delete(ctx),
        Op::NetworkPoolList => links::list(ctx),
        Op::NetworkPoolPut => links::put(ctx),
        Op::NetworkPoolDelete => links::delete(ctx),
        Op::VenueNetworkPut => activations::put(ctx),
        Op::VenueNetworkDelete => activations::delete(ctx),
        Op::VenueNetworkSettingsGet => activations::get(ctx),
        Op::VenueNetworkSettingsPut => activations::put_settings(ctx),
        Op::ApGroupNetworkPut => activations::put_group(ctx),
        Op::ApGroupNetworkDelete => activations::delete_group(ctx),
        Op::ApGroupNetworkSettingsGet => activations::get_group(ctx),
        Op::ApGroupNetworkSettingsPut => activations::put_group_settings(ctx),
        Op::ApGroupQuery => queries::ap_groups(ctx),
        Op::ApGroupCreate => ap_groups::create(ctx),
        Op::ApGroupList => ap_groups::list(ctx),
        Op::ApGroupGet => ap_groups::get(ctx),
        Op::ApGroupPut => ap_groups::put(ctx),
        Op::ApGroupDelete => ap_groups::delete(ctx),
        Op::BulkCreate => bulk::create(ctx),
        Op::BulkGet => bulk::get(ctx),
        Op::BulkQuery => bulk::query(ctx),
        Op::ActivityGet => activities::get(ctx),
        Op::ActivityQuery => activities::query(ctx),
    }
}

/// A text field; 400 when it has another type. Empty means absent.
fn text(fields: &Map<String, Value>, field: &str) -> Result<Option<String>, Fault> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(Fault::invalid(field, "must be a string")),
    }
}

/// An integer within bounds; 400 otherwise.
fn integer(fields: &Map<String, Value>, field: &str, least: i64, most: i64) -> Result<Option<i64>, Fault> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Fault::invalid(
                field,
                &format!("must be an integer from {least} to {most}"),
            )),
        },
    }
}

/// A date-time; 400 otherwise.
fn date(fields: &Map<String, Value>, field: &str) -> Result<Option<u64>, Fault> {
    match text(fields, field)? {
        None => Ok(None),
        Some(text) => match super::clock::parse_iso(&text) {
            Some(at) => Ok(Some(at)),
            None => Err(Fault::invalid(field, "must be a date-time with an offset")),
        },
    }
}

/// A device count, clamped to 1–512; says whether it had to be.
fn devices(fields: &Map<String, Value>, field: &str) -> Result<(Option<i64>, bool), Fault> {
    match integer(fields, field, i64::from(i32::MIN), i64::from(i32::MAX))? {
        None => Ok((None, false)),
        Some(count) => Ok((Some(count.clamp(1, DEVICES_MAX)), !(1..=DEVICES_MAX).contains(&count))),
    }
}

/// A list of strings; absent and other types are empty.
fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}
