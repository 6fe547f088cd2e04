//! Wi-Fi networks, their DPSK services, their activation in venues and on AP groups: all 202.
//!
//! Two changes of one network at a time are not possible: the second is a 423 until the first has ended (a setting). Whatever the
//! service takes for invalid is a 422; it documents no 409.

pub mod activations;
pub mod ap_groups;
pub mod links;
pub mod networks;
pub mod queries;

use serde_json::Value;

use crate::sim::call::{Ctx, Reply};
use crate::sim::effect::Effect;
use crate::sim::errors::Fault;
use crate::sim::wifi::change::{Change, What};
use crate::sim::wifi::{Activation, Network};

/// A network that can be seen, or 404.
fn network<'c>(ctx: &'c Ctx<'_>, id: &str) -> Result<&'c Network, Fault> {
    let found = ctx.tenant.wifi.networks.get(id);
    found.ok_or_else(|| Fault::not_found("Wi-Fi network", id))
}

/// A venue, or 404.
fn venue(ctx: &Ctx<'_>, id: &str) -> Result<(), Fault> {
    let found = ctx.tenant.venues.iter().any(|venue| venue.id == id);
    found.then_some(()).ok_or_else(|| Fault::not_found("Venue", id))
}

/// The activation of a network in a venue, or 404.
fn activation<'c>(ctx: &'c Ctx<'_>, venue: &str, network: &str) -> Result<&'c Activation, Fault> {
    let found = ctx.tenant.wifi.on(venue, network);
    found.ok_or_else(|| Fault::not_found("Wi-Fi network on the venue", &format!("{venue}/{network}")))
}

/// 423 while another change of the network is under way.
fn unlocked(ctx: &mut Ctx<'_>, network: &str) -> Result<(), Fault> {
    let busy = ctx.tenant.wifi.busy.get(network).is_some_and(|until| ctx.now < *until);
    if busy && ctx.settings.lock_networks {
        ctx.tenant.counts.http_423_locked += 1;
        let text = "Another change of the Wi-Fi network is in progress";
        return Err(Fault::new(423, "GENERAL-423", text));
    }
    Ok(())
}

/// Accepts a change of a network, or refuses it for a limit.
fn change(ctx: &mut Ctx<'_>, use_case: &'static str, network: &str, what: What) -> Result<Reply, Fault> {
    unlocked(ctx, network)?;
    let change = Change {
        network: network.into(),
        what,
        request_id: ctx.request_id.clone(),
    };
    if let Err(fault) = ctx.tenant.changeable(&change) {
        return match fault.status {
            422 => ctx.refuse(ctx.settings.refuse_limit, use_case, fault),
            _ => Err(fault),
        };
    }
    let reply = ctx.accept_plain(use_case, Effect::Wifi(change), Some(network));
    hold(ctx, network);
    Ok(reply)
}

/// Locks a network until the activity just started ends.
fn hold(ctx: &mut Ctx<'_>, network: &str) {
    let due = ctx
        .tenant
        .activities
        .all
        .last()
        .map_or(ctx.now, |activity| activity.due);
    ctx.tenant.wifi.busy.insert(network.into(), due);
}

/// 422.
fn invalid(field: &str, text: &str) -> Fault {
    Fault::new(422, "WIFI-10001", format!("{field}: {text}"))
}

/// A name or SSID: so many characters, no backtick, no `$(`, no blanks at its ends.
fn proper(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.chars().count()) && text.trim() == text && !text.contains('`') && !text.contains("$(")
}

/// Radio bands; 422 for others.
fn radio_types(value: &Value) -> Result<Vec<String>, Fault> {
    let bands = super::strings(value);
    match bands
        .iter()
        .all(|band| ["2.4-GHz", "5-GHz", "6-GHz"].contains(&band.as_str()))
    {
        true => Ok(bands),
        false => Err(invalid("radioTypes", "no such radio")),
    }
}

/// A VLAN from 1 to 4094; 422 otherwise.
fn vlan(value: &Value, field: &str) -> Result<Option<i64>, Fault> {
    match value {
        Value::Null => Ok(None),
        value => match value.as_i64() {
            Some(vlan @ 1..=4094) => Ok(Some(vlan)),
            _ => Err(invalid(field, "must be an integer from 1 to 4094")),
        },
    }
}
