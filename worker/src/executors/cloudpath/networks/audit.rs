//! The networks' part of `audit_results`: each that the job says it linked or activated has to be so.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::cloudpath::{ImportPlan, NameConflict};
use shared::job::outcome::{Origin, Outcome, Resource};
use shared::job::task::TaskInput;
use shared::store::StoreError;

use super::super::compare::quoted;
use super::super::staged::{made_by, policy};
use super::task::{Step, steps};
use super::there::{Place, SHOWN_WITHIN, There, place};
use crate::executors::Context;
use crate::r1::{R1, asked};
use crate::remote::CallError;

/// What the task of a network carries: what the job says it has done. Stored in batch blobs: fields are only ever added.
#[derive(Serialize, Deserialize)]
pub struct Data {
    ssid: String,
    /// Network and pool.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    link: Option<(String, String)>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    activated: Option<Activated>,
}

#[derive(Serialize, Deserialize)]
struct Activated {
    network: String,
    /// It was found as it is, and where it is on the air was accepted.
    is_accepted: bool,
}

/// A task for each network of which the job says anything; of the others their own phase has told why not. `first`: index of the first one.
pub async fn tasks(cx: &Context, plan: &ImportPlan, first: u32) -> Result<Vec<TaskInput>, StoreError> {
    if plan.networks.is_empty() {
        return Ok(Vec::new());
    }
    let (done, conflicts) = (made_by(cx, "activate_networks").await?, policy(&cx.spec));
    let steps = steps(plan);
    let mut tasks = Vec::new();
    for network in &plan.networks {
        let of_step = |step: Step| {
            let planned = steps
                .iter()
                .find(|p| p.network.index == network.index && p.step == step)?;
            done.get(&planned.index)
        };
        let halves = |resource: &Resource| {
            let (first, second) = resource.id.split_once('/')?;
            Some((first.to_owned(), second.to_owned()))
        };
        let link = of_step(Step::Link).and_then(halves);
        let activated = of_step(Step::Activate).and_then(|resource| {
            Some(Activated {
                network: halves(resource)?.1,
                is_accepted: resource.origin == Origin::Adopted && conflicts == NameConflict::Adopt,
            })
        });
        if link.is_none() && activated.is_none() {
            continue;
        }
        let ssid = network.ssid.clone();
        tasks.push(TaskInput {
            index: first + u32::from(network.index),
            name: format!("network {ssid}"),
            data: serde_json::to_value(Data { ssid, link, activated })?,
            preset: None,
        });
    }
    Ok(tasks)
}

/// Audits one network. What is wrong is looked at again in a moment: reads are behind for a while after a change of what is on the air.
pub async fn read(r1: &R1, cx: &Context, task: &TaskInput, data: &Data) -> Result<(Outcome, Option<Value>), CallError> {
    let linked = match &data.link {
        Some((network, pool)) => Some(is_linked(r1, cx, network, pool).await?),
        None => None,
    };
    let on_air = match &data.activated {
        Some(activated) => Some(on_air(r1, cx, &activated.network).await?),
        None => None,
    };
    let mut faults = Vec::new();
    let ssid = quoted(&data.ssid);
    if linked == Some(false) {
        faults.push(format!("the network of SSID {ssid} is not linked to its pool"));
    }
    let is_accepted = data.activated.as_ref().is_some_and(|a| a.is_accepted);
    match on_air {
        Some(Place::Nowhere) => faults.push(format!("SSID {ssid} is not on the air in the venue")),
        Some(Place::SomeGroups) if !is_accepted => {
            faults.push(format!("SSID {ssid} is not on the air on all AP groups of the venue"));
        }
        _ => {}
    }
    if !faults.is_empty() {
        return Err(CallError::Transient {
            status: 0,
            retry_after: Some(SHOWN_WITHIN),
            code: Some("AUDIT_MISMATCH".into()),
            detail: faults.join("; "),
        });
    }
    let place = on_air.map(|place| match place {
        Place::AllGroups => "all AP groups",
        Place::SomeGroups => "some AP groups",
        Place::Nowhere => "nowhere",
    });
    let facts = json!({"ssid": data.ssid, "linked": linked, "on_air": place});
    Ok((Outcome::completed(task.index, None), Some(facts)))
}

async fn is_linked(r1: &R1, cx: &Context, network: &str, pool: &str) -> Result<bool, CallError> {
    match asked(cx.gate.as_ref(), |permit| r1.pools_of_network(permit, network)).await {
        Ok(pools) => Ok(pools.iter().any(|p| p.id == pool)),
        Err(CallError::NotFound { .. }) => Ok(false),
        Err(e) => Err(e),
    }
}

async fn on_air(r1: &R1, cx: &Context, id: &str) -> Result<Place, CallError> {
    let there = There::sweep(r1, cx.gate.as_ref(), |network| network.id == id).await?;
    match there.with_id(id) {
        Some(network) => place(r1, cx, network).await,
        None => {
            there.shows_all()?;
            Ok(Place::Nowhere)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What runs or is kept outlives deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        let line = r#"{"ssid":"Lobby","l":["n-1","p-1"],"n":{"network":"n-1","is_accepted":true}}"#;
        let read: Data = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        let first: Data = serde_json::from_str(r#"{"ssid":"Lobby"}"#).unwrap();
        assert!(first.link.is_none() && first.activated.is_none());
    }
}
