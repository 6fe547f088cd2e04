//! The simulator's own calls, below `/_sim`. They need no token, cost nothing and are not counted.

use serde_json::{Value, json};

use super::bucket::Bucket;
use super::clock::Millis;
use super::counts::Counts;
use super::faults::{FaultPlan, Faults};
use super::seed::seed;
use super::settings::Settings;
use super::tenant::Tenant;
use super::world::{Down, World};

/// Answers one such call.
pub fn control(world: &mut World, method: &str, path: &str, query: &str, body: &Value, now: Millis) -> (u16, Value) {
    let asked = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let done = match (method, path) {
        ("GET", "/_sim/health") => Ok(json!({"status": "ok"})),
        ("GET", "/_sim/ledger") => look(world, asked("tenant"), now, |tenant, _| tenant.ledger(now)),
        ("GET", "/_sim/ideal") => look(world, asked("tenant"), now, Tenant::ideal).map(longest),
        ("GET", "/_sim/counts") => {
            look(world, asked("tenant"), now, |tenant, _| tenant.counts_view()).map(|mut view| {
                if asked("tenant").is_none() {
                    view["concurrent"] = world.concurrent.into();
                    view["max_concurrent"] = world.max_concurrent.into();
                }
                view["calls_without_known_token"] = world.strangers.into();
                view
            })
        }
        ("GET", "/_sim/settings") => Ok(shown(&world.settings)),
        ("POST", "/_sim/settings") => change_settings(world, body, now),
        ("GET" | "POST", "/_sim/reset") => reset(world, asked("tenant"), asked("what").as_deref(), now),
        ("POST", "/_sim/seed") => seed(world, body, now),
        ("POST", "/_sim/faults") => FaultPlan::try_from(body.clone()).map(|plan| {
            world.settings.faults = plan.clone();
            world.faults = Faults::new(plan);
            json!({})
        }),
        ("POST", "/_sim/down") => down(world, body),
        ("POST", "/_sim/freeze") => match body["freeze"].as_bool() {
            Some(freeze) => {
                world.frozen = freeze;
                Ok(json!({}))
            }
            None => Err("/freeze: true or false is required".into()),
        },
        _ => return (404, json!({"error": "no such call"})),
    };
    done.map_or_else(|text| (400, json!({"error": text})), |value| (200, value))
}

/// One tenant's view, the only tenant's, or all of them merged: numbers added, lists joined.
fn look(
    world: &mut World,
    tenant: Option<String>,
    now: Millis,
    view: impl Fn(&Tenant, &Settings) -> Value,
) -> Result<Value, String> {
    world.tenants.values_mut().for_each(|tenant| tenant.settle(now));
    let settings = &world.settings;
    if let Some(id) = tenant {
        let empty = || view(&Tenant::new(&id, settings, now), settings);
        return Ok(world
            .tenants
            .get(&id)
            .map_or_else(empty, |tenant| view(tenant, settings)));
    }
    let mut views = world.tenants.values().map(|tenant| (tenant, view(tenant, settings)));
    match world.tenants.len() {
        0 => Ok(view(&Tenant::new("", settings, now), settings)),
        1 => Ok(views.next().map(|(_, view)| view).unwrap_or_default()),
        _ => {
            let mut all = json!({});
            for (tenant, mut view) in views {
                for rows in view
                    .as_object_mut()
                    .into_iter()
                    .flatten()
                    .filter_map(|(_, value)| value.as_array_mut())
                {
                    rows.iter_mut()
                        .filter(|row| row.is_object())
                        .for_each(|row| row["tenant"] = tenant.id.clone().into());
                }
                let seconds = view.get("ideal_seconds").cloned();
                merge(&mut all, view);
                if let Some(seconds) = seconds {
                    all["each"][&tenant.id] = seconds;
                }
            }
            Ok(all)
        }
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(old) => merge(old, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(into), Value::Array(mut from)) => into.append(&mut from),
        (into @ Value::Number(_), from @ Value::Number(_)) => {
            *into = match (into.as_u64(), from.as_u64()) {
                (Some(one), Some(two)) => (one + two).into(),
                _ => (into.as_f64().unwrap_or(0.0) + from.as_f64().unwrap_or(0.0)).into(),
            };
        }
        // texts that differ, such as the tenant's name, say nothing about all
        (into, from) if *into != from => *into = Value::Null,
        _ => {}
    }
}

/// Several tenants are served at once: their ideal is that of the slowest.
fn longest(mut view: Value) -> Value {
    if let Some(each) = view.get("each").and_then(Value::as_object) {
        let seconds = each.values().filter_map(Value::as_f64).fold(0.0, f64::max);
        view = json!({"ideal_seconds": seconds, "each": each});
    }
    view
}

fn shown(settings: &Settings) -> Value {
    let mut view = serde_json::to_value(settings).unwrap_or_default();
    view["seed"] = Value::Null;
    view["client_secret"] = Value::Null;
    view["capacity"] = settings.capacity().into();
    view["per_second"] = settings.per_second().into();
    view
}

fn change_settings(world: &mut World, changes: &Value, now: Millis) -> Result<Value, String> {
    const FIXED: [&str; 6] = ["bind", "rng_seed", "record", "faults", "seed", "threads"];
    let changes = changes.as_object().ok_or("an object with settings is required")?;
    if let Some(fixed) = changes.keys().find(|key| FIXED.contains(&key.as_str())) {
        return Err(format!("{fixed} cannot be changed while the simulator runs"));
    }
    let mut all = serde_json::to_value(&world.settings).map_err(|error| error.to_string())?;
    for (key, value) in changes {
        all[key] = value.clone();
    }
    let settings: Settings = serde_json::from_value(all).map_err(|error| error.to_string())?;
    let bucket = (settings.capacity(), settings.per_second());
    let other = bucket != (world.settings.capacity(), world.settings.per_second());
    for tenant in world.tenants.values_mut() {
        tenant.rename_to_taken = settings.rename_to_taken;
        tenant.limits = settings.limits();
        if other {
            tenant.bucket = Bucket::full(bucket.0, bucket.1, now);
        }
    }
    world.settings = settings;
    Ok(shown(&world.settings))
}

/// Forgets one tenant or all, or only what was counted (`what=counts`). Tokens stay good; `--seed-file` is sown again after a full reset.
fn reset(world: &mut World, tenant: Option<String>, what: Option<&str>, now: Millis) -> Result<Value, String> {
    let chosen = |id: &str| tenant.as_deref().is_none_or(|wanted| wanted == id);
    match what {
        Some("counts") => {
            for (_, tenant) in world.tenants.iter_mut().filter(|(id, _)| chosen(id)) {
                let concurrent = tenant.counts.concurrent;
                tenant.counts = Counts {
                    concurrent,
                    max_concurrent: concurrent,
                    ..Counts::default()
                };
            }
        }
        None | Some("all") => world.tenants.retain(|id, _| !chosen(id)),
        Some(other) => return Err(format!("what={other}: counts or all")),
    }
    if tenant.is_none() {
        (world.max_concurrent, world.strangers) = (world.concurrent, 0);
        if what != Some("counts") {
            world.faults = Faults::new(world.settings.faults.clone());
            sow(world, now)?;
        }
    }
    Ok(json!({}))
}

/// Sows the seed of the settings.
pub fn sow(world: &mut World, now: Millis) -> Result<(), String> {
    match world.settings.seed.clone() {
        Value::Null => Ok(()),
        given => seed(world, &given, now).map(|_| ()),
    }
}

fn down(world: &mut World, body: &Value) -> Result<Value, String> {
    world.down = match (body["down"].as_bool(), body["mode"].as_str()) {
        (Some(false), _) => None,
        (Some(true), None | Some("cut")) => Some(Down::Cut),
        (Some(true), Some("503")) => Some(Down::Http503),
        _ => return Err("/down: true or false is required; /mode is cut or 503".into()),
    };
    Ok(json!({}))
}
