//! The DPSK service of a Wi-Fi network: one at a time, and every link once more costs the APs of its venues a configuration.

use serde_json::{Value, json};

use super::{change, invalid, network};
use crate::sim::call::{Ctx, Reply};
use crate::sim::errors::Fault;
use crate::sim::wifi::change::What;

/// `PUT /wifiNetworks/{n}/dpskServices/{pool}`: 422 unless the network is made for it (`type` dpsk, `useDpskService`), and beyond 64
/// networks a service. Another service takes the place of the one there is.
pub fn put(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (id, pool) = (ctx.param(0), ctx.param(1));
    let row = network(ctx, &id)?;
    if row.kind != "dpsk" || !row.use_dpsk_service {
        return Err(invalid("useDpskService", "the Wi-Fi network uses no DPSK service"));
    }
    let same = row.pool.as_ref().is_some_and(|link| link.pool_id == pool);
    let reply = change(
        ctx,
        "ActivateDpskServiceOnWifiNetwork",
        &id,
        What::Link { pool: pool.clone() },
    )?;
    if same {
        ctx.count_relink("network_pool", &id, &pool);
    }
    ctx.remember_link("network_pool", &id, &pool);
    Ok(reply)
}

/// `DELETE /wifiNetworks/{n}/dpskServices/{pool}`: 404 when it is not the one.
pub fn delete(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (id, pool) = (ctx.param(0), ctx.param(1));
    let linked = network(ctx, &id)?
        .pool
        .as_ref()
        .is_some_and(|link| link.pool_id == pool);
    if !linked {
        return Err(Fault::not_found("DPSK service on the Wi-Fi network", &pool));
    }
    change(ctx, "DeactivateDpskServiceOnWifiNetwork", &id, What::Unlink)
}

/// `GET /wifiNetworks/{n}/dpskServices`: used live, not in the documents at hand.
pub fn list(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let row = network(ctx, &ctx.param(0))?;
    let behind = ctx.now < row.before.changed_at.saturating_add(ctx.stale_ms());
    let pool = match behind {
        true => row.before.pool_id.as_ref(),
        false => row.pool.as_ref().map(|link| &link.pool_id),
    };
    let found = pool.and_then(|id| ctx.tenant.pool(id));
    let rows: Vec<Value> = found
        .map(|pool| json!({"id": pool.id, "name": pool.name}))
        .into_iter()
        .collect();
    Ok(Reply::ok(
        json!({"fields": [], "totalCount": rows.len(), "page": 1, "data": rows}),
    ))
}
