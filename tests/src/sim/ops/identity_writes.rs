//! Creating, changing and deleting identities, with the traps seen on live systems.

use serde_json::{Map, Value, json};

use super::{integer, text};
use crate::sim::call::{Ctx, Reply};
use crate::sim::effect::{Effect, identity_exists, username_exists};
use crate::sim::errors::Fault;
use crate::sim::model::{Identity, Kind, Passphrase, Ref};
use crate::sim::route::Op;

/// `POST /identityGroups/{g}/identities?autoDpskPassphraseCreation=true`: in a group with a pool it mints a passphrase, too.
pub fn create(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (group_id, fields) = (ctx.param(0), ctx.object()?);
    let group = ctx
        .tenant
        .group(&group_id)
        .ok_or_else(|| Fault::not_found("Identity group", &group_id))?;
    let pool = group.pool_id.clone().filter(|pool| ctx.tenant.pool(pool).is_some());
    let name = text(&fields, "name")?.ok_or_else(|| Fault::invalid("name", "must not be empty"))?;
    let vlan = integer(&fields, "vlan", 1, 4094)?;
    let value = passphrase(&fields)?;
    let (display_name, description) = (text(&fields, "displayName")?, text(&fields, "description")?);
    let (email, phone_number) = (text(&fields, "email")?, text(&fields, "phoneNumber")?);
    if let Some(owner) = ctx
        .tenant
        .people
        .get(&group_id)
        .and_then(|people| people.names.get(&name))
    {
        let live = ctx.tenant.identity(owner).is_some();
        ctx.count_refused(Kind::Identity, &group_id, &name, live);
        return ctx.refuse(ctx.settings.refuse_identity, "CREATE_PERSONA", identity_exists(&name));
    }
    let auto = !url::form_urlencoded::parse(ctx.call.query.as_bytes())
        .any(|(key, value)| key == "autoDpskPassphraseCreation" && value == "false");
    let pool = pool.filter(|_| auto || value.is_some());
    if let Some(pool) = &pool
        && let Some(owner) = ctx.tenant.keys.get(pool).and_then(|keys| keys.names.get(&name))
    {
        let live = ctx.tenant.passphrase(owner).is_some();
        ctx.count_refused(Kind::Passphrase, pool, &name, live);
        return ctx.refuse(ctx.form_for(live), "CREATE_PERSONA", username_exists(&name));
    }
    let name = ctx.suffixed(Some(&group_id), pool.as_deref(), name);
    let (id, key_id) = (ctx.fresh_id(), ctx.fresh_id());
    let mut appear = vec![Ref::new(Kind::Identity, &id)];
    if let Some(pool) = &pool {
        let (value, replaced) = ctx.fit_value(pool, value.as_deref());
        ctx.insert_passphrase(Passphrase {
            id: key_id.clone(),
            pool_id: pool.clone(),
            identity_id: Some(id.clone()),
            username: name.clone(),
            value,
            vlan_id: vlan,
            replaced,
            ..Passphrase::default()
        });
        appear.push(Ref::new(Kind::Passphrase, &key_id));
    }
    let origin = ctx.tenant.origin(Some(&ctx.request_id), ctx.now);
    ctx.tenant.insert_identity(Identity {
        id: id.clone(),
        group_id: group_id.clone(),
        name: name.clone(),
        display_name,
        description,
        email,
        phone_number,
        vlan,
        passphrase_id: pool.map(|_| key_id),
        invented: false,
        origin,
    });
    ctx.remember_cut(Kind::Identity, &group_id, &name);
    if ctx.is_sync() {
        ctx.tenant.apply(Effect::Appear(appear), ctx.now)?;
        return Ok(Reply::json(201, ctx.tenant.view_identity(&ctx.tenant.identities[&id])));
    }
    Ok(ctx.accept("CREATE_PERSONA", Effect::Appear(appear), Some(&id)))
}

/// `PATCH /identityGroups/{g}/identities/{id}`: `dpskPassphrase` goes onto *that* identity; one that is too short for the pool
/// is replaced although the activity ends SUCCESS; `null` makes a new one.
pub fn patch(ctx: &mut Ctx<'_>) -> Result<Reply, Fault> {
    let (group, id, mut fields) = (ctx.param(0), ctx.param(1), ctx.object()?);
    let found = ctx
        .tenant
        .identity(&id)
        .filter(|identity| identity.group_id == group)
        .is_some();
    found.then_some(()).ok_or_else(|| Fault::not_found("Identity", &id))?;
    integer(&fields, "vlan", 1, 4094)?;
    for field in ["name", "displayName", "description", "email", "phoneNumber"] {
        text(&fields, field)?;
    }
    let (value, mut replaced) = (passphrase(&fields)?, false);
    if fields.contains_key("dpskPassphrase") {
        let pool = ctx
            .tenant
            .groups
            .get(&group)
            .and_then(|group| group.pool_id.clone())
            .unwrap_or_default();
        let (stored, short) = ctx.fit_value(&pool, value.as_deref());
        fields.insert("dpskPassphrase".into(), stored.into());
        replaced = short;
    }
    if let Some(name) = text(&fields, "name")? {
        let stored = ctx.suffixed(Some(&group), None, name);
        fields.insert("name".into(), stored.into());
    }
    let fresh_id = ctx.fresh_id();
    let effect = Effect::ChangeIdentity {
        id: id.clone(),
        fields,
        fresh_id,
        replaced,
    };
    if ctx.is_sync() {
        ctx.tenant.apply(effect, ctx.now)?;
        return Ok(Reply::ok(json!({})));
    }
    Ok(ctx.accept("UPDATE_PERSONA", effect, Some(&id)))
}

/// `DELETE …/identities/{id}`, and `DELETE …/identities` with a list of ids. Their passphrases go with them.
pub fn delete(ctx: &mut Ctx<'_>, op: Op) -> Result<Reply, Fault> {
    let group = ctx.param(0);
    let ids = if op == Op::IdentityDelete {
        vec![ctx.param(1)]
    } else {
        ctx.ids()?
    };
    let known = |id: &&String| {
        ctx.tenant
            .identity(id)
            .is_some_and(|identity| identity.group_id == group)
    };
    let refs: Vec<Ref> = ids
        .iter()
        .filter(known)
        .map(|id| Ref::new(Kind::Identity, id))
        .collect();
    if refs.is_empty() {
        return Err(Fault::not_found("Identity", &ids.join(", ")));
    }
    if ctx.is_sync() {
        ctx.tenant.apply(Effect::Remove(refs), ctx.now)?;
        return Ok(Reply::ok(json!({})));
    }
    let use_case = if op == Op::IdentityDelete {
        "DELETE_PERSONA"
    } else {
        "BULK_DELETE_PERSONAS"
    };
    let id = ids.first().cloned().filter(|_| op == Op::IdentityDelete);
    Ok(ctx.accept(use_case, Effect::Remove(refs), id.as_deref()))
}

/// The passphrase of an identity: short ones are no error here, over-long ones are.
fn passphrase(fields: &Map<String, Value>) -> Result<Option<String>, Fault> {
    let value = text(fields, "dpskPassphrase")?;
    match value.as_ref().map_or(0, |value| value.chars().count()) {
        64.. => Err(Fault::invalid("dpskPassphrase", "at most 63 characters")),
        _ => Ok(value),
    }
}
