//! What `audit_results` finds of the networks of a pool: each that the job says it linked or activated has to be so.

use serde_json::{Value, json};
use shared::job::outcome::{Origin, Outcome, Resource};

use super::super::compare::quoted;
use super::super::staged::{import_plan, made_by, store_failed, unreadable_task};
use super::task::{Step, steps};
use super::there::{Place, SHOWN_WITHIN, There, place};
use crate::executors::Context;
use crate::r1::{R1, asked};
use crate::remote::CallError;

/// What there is to say of the networks of one pool.
pub struct Audit {
    /// Sentences, each of something the job reports done and that is not so.
    pub faults: Vec<String>,
    /// A row for each network.
    pub facts: Value,
}

impl Audit {
    /// Adds it to what was found of the pool's keys. With nothing but networks at fault it is looked again in a moment: reads are behind
    /// for a while after a change of what is on the air.
    pub fn add_to(self, outcome: &mut Outcome, facts: &mut Value) -> Result<(), CallError> {
        facts["networks"] = self.facts;
        if self.faults.is_empty() {
            return Ok(());
        }
        let faults = self.faults.join("; ");
        match &mut outcome.error {
            Some(error) => {
                error.message.push_str(&format!("; {faults}"));
                Ok(())
            }
            None => Err(CallError::Transient {
                status: 0,
                retry_after: Some(SHOWN_WITHIN),
                code: Some("AUDIT_MISMATCH".into()),
                detail: faults,
            }),
        }
    }
}

/// `None`: the plan has no network for the pool.
pub async fn of_pool(r1: &R1, cx: &Context, pool: u32) -> Result<Option<Audit>, CallError> {
    let plan = import_plan(&cx.spec).map_err(unreadable_task)?;
    if !plan.networks.iter().any(|network| u32::from(network.pool) == pool) {
        return Ok(None);
    }
    let done = made_by(cx, "activate_networks").await.map_err(|e| store_failed(&e))?;
    let steps = steps(&plan);
    let of_step = |index: u16, step: Step| {
        let planned = steps.iter().find(|p| p.network.index == index && p.step == step);
        planned.and_then(|planned| done.get(&planned.index))
    };
    let ids: Vec<&str> = done.values().flat_map(|resource| resource.id.split('/')).collect();
    let there = There::sweep(r1, cx.gate.as_ref(), |network| ids.contains(&network.id.as_str())).await?;
    let (mut faults, mut rows) = (Vec::new(), Vec::new());
    for network in plan.networks.iter().filter(|network| u32::from(network.pool) == pool) {
        let (link, activation) = (
            of_step(network.index, Step::Link),
            of_step(network.index, Step::Activate),
        );
        let (linked, on_air) = (linked(r1, cx, link).await?, on_air(r1, cx, &there, activation).await?);
        let ssid = quoted(&network.ssid);
        if linked == Some(false) {
            faults.push(format!("the network of SSID {ssid} is not linked to its pool"));
        }
        // adopted on some AP groups it was accepted as it is
        let accepted = activation.is_some_and(|activation| activation.origin == Origin::Adopted);
        match on_air {
            Some(Place::Nowhere) => faults.push(format!("SSID {ssid} is not on the air in the venue")),
            Some(Place::SomeGroups) if !accepted => {
                faults.push(format!("SSID {ssid} is not on the air on all AP groups of the venue"));
            }
            _ => {}
        }
        let place = on_air.map(|place| match place {
            Place::AllGroups => "all AP groups",
            Place::SomeGroups => "some AP groups",
            Place::Nowhere => "nowhere",
        });
        rows.push(json!({"ssid": network.ssid, "linked": linked, "on_air": place}));
    }
    Ok(Some(Audit {
        faults,
        facts: rows.into(),
    }))
}

/// `None`: the job does not say so.
async fn linked(r1: &R1, cx: &Context, link: Option<&Resource>) -> Result<Option<bool>, CallError> {
    let Some((network, pool)) = link.and_then(|link| link.id.split_once('/')) else {
        return Ok(None);
    };
    match asked(cx.gate.as_ref(), |permit| r1.pools_of_network(permit, network)).await {
        Ok(pools) => Ok(Some(pools.iter().any(|p| p.id == pool))),
        Err(CallError::NotFound { .. }) => Ok(Some(false)),
        Err(e) => Err(e),
    }
}

async fn on_air(
    r1: &R1,
    cx: &Context,
    there: &There,
    activation: Option<&Resource>,
) -> Result<Option<Place>, CallError> {
    let Some((_, network)) = activation.and_then(|activation| activation.id.split_once('/')) else {
        return Ok(None);
    };
    match there.with_id(network) {
        Some(network) => Ok(Some(place(r1, cx, network).await?)),
        None => Ok(Some(Place::Nowhere)),
    }
}
