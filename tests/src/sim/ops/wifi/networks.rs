//! Wi-Fi networks.

use serde_json::{Map, Value};

use super::{invalid, network, proper, unlocked, vlan};
use crate::sim::call::{Ctx, Reply};
use crate::sim::effect::Effect;
use crate::sim::errors::Fault;
use crate::sim::model::{Kind, Ref};
use crate::sim::settings::Refusal;
use crate::sim::wifi::Network;
use crate::sim::wifi::change::What;

const TYPES: [&str; 6] = ["aaa", "dpsk", "guest", "hotspot20", "open", "psk"];
const SECURITIES: [&str; 3] = ["WPAPersonal", "WPA2Personal", "WPA23Mixed"];

/// The fields of a create or update as a network without id.
fn checked(fields: &Map<String, Value>) -> Result<Network, Fault> {
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let kind = text("type").filter(|kind| TYPES.contains(kind));
    let kind = kind.ok_or_else(|| invalid("type", "no such type"))?;
    let name = text("name").filter(|name| proper(name, 2, 32));
    let name = name.ok_or_else(|| invalid("name", "must have 2 to 32 characters"))?;
    let wlan = fields.get("wlan").unwrap_or(&Value::Null);
    let ssid = wlan["ssid"].as_str().filter(|ssid| proper(ssid, 2, 32));
    let ssid = ssid.ok_or_else(|| invalid("wlan.ssid", "must have 2 to 32 characters"))?;
    let security = wlan["wlanSecurity"].as_str().unwrap_or("WPA2Personal");
    if kind == "dpsk" && !SECURITIES.contains(&security) {
        return Err(invalid("wlan.wlanSecurity", "no such security"));
    }
    let description = text("description").filter(|text| !text.is_empty());
    if description.is_some_and(|text| text.chars().count() > 256) {
        return Err(invalid("description", "at most 256 characters"));
    }
    Ok(Network {
        name: name.into(),
        kind: kind.into(),
        description: description.map(str::to_owned),
        ssid: ssid.into(),
        vlan_id: vlan(&wlan["vlanId"], "wlan.vlanId")?.unwrap_or(1),
        security: security.into(),
        enabled: wlan["enabled"] != Value::Bool(false),
        use_dpsk_service: fields.get("useDpskService") == Some(&Value::Bool(true)),
        ..Network::default()
    })
}

/// 422: names are unique in the tenant.
fn taken() -> Fault {
    invalid("name", "Name must be unique")
}

/// `POST /wifiNetworks`: 202 `{requestId,response:{id}}`.
pub fn create(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    const USE_CASE: &str = "AddWifiNetwork";
    let mut row = checked(&ctx.object()?)?;
    if let Some(owner) = ctx.tenant.wifi.networks.owner("", &row.name) {
        let live = owner.origin.live;
        ctx.count_refused(Kind::Network, "", &row.name, live);
        return ctx.refuse(ctx.form_for(live), USE_CASE, taken());
    }
    let id = ctx.fresh_id();
    ctx.remember_cut(Kind::Network, "", &row.name);
    row.id = id.clone();
    row.origin = ctx.tenant.origin(Some(&ctx.request_id), ctx.now);
    ctx.tenant.wifi.networks.insert(row);
    let appear = Effect::Appear(vec![Ref::new(Kind::Network, &id)]);
    Ok(ctx.accept_entity(USE_CASE, appear, &id))
}

/// `GET /wifiNetworks/{id}`.
pub fn get(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let row = network(ctx, &ctx.param(0))?;
    Ok(Reply::ok(ctx.tenant.view_network(row)))
}

/// `PUT /wifiNetworks/{id}`: the whole network; what it is not told about falls back to its default.
pub fn put(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = ctx.param(0);
    let kind = network(ctx, &id)?.kind.clone();
    let row = checked(&ctx.object()?)?;
    if row.kind != kind {
        return Err(invalid("type", "cannot be changed"));
    }
    let owner = ctx.tenant.wifi.networks.owner("", &row.name);
    if owner.is_some_and(|owner| owner.id != id) {
        return Err(taken());
    }
    super::change(ctx, "UpdateWifiNetwork", &id, What::Update(Box::new(row)))
}

/// `DELETE /wifiNetworks/{id}`: refused while it is on in a venue, as seen live.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let id = ctx.param(0);
    network(ctx, &id)?;
    unlocked(ctx, &id)?;
    let of = Ref::new(Kind::Network, &id);
    if ctx.settings.refuse_delete == Refusal::Http {
        ctx.tenant.removable(&of)?;
    }
    Ok(ctx.accept_plain("DeleteWifiNetwork", Effect::Remove(vec![of]), Some(&id)))
}
