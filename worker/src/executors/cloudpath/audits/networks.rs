//! `audit_networks`: networks that were made or named, their links to pools, and where they are on the air.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::Deserialize;
use shared::cloudpath::NetworkTarget;

use super::super::compare::{Differences, quoted};
use super::super::networks::task::{Data, Planned, Step, steps};
use super::super::networks::there::{Place, SHOWN_WITHIN, There, place};
use super::executor::{Inspection, Work};
use super::groups::made;
use super::past::{Expected, expected};
use super::rows::{About, Rows, Seen};
use crate::executors::{PlanError, Standing};
use crate::r1::asked;
use crate::r1::network::WifiNetwork;
use crate::remote::CallError;

pub struct Networks;

/// Ids of network and pool that a task is about, as far as they are known.
fn ids(task: &Standing, planned: &Planned<'_>) -> (Option<String>, Option<String>) {
    let data = Data::deserialize(&task.task.input.data).ok();
    let of_plan = match &planned.network.target {
        NetworkTarget::Existing(id) => Some(id.clone()),
        NetworkTarget::Create => None,
    };
    let sent_to = data.as_ref().and_then(Data::network_id).map(str::to_owned).or(of_plan);
    let pool = match &data {
        Some(Data::Link { pool_id, .. }) => Some(pool_id.clone()),
        _ => None,
    };
    match (made(task), planned.step) {
        (Some(made), Step::Create) => (Some(made.id.clone()), None),
        (Some(made), Step::Link) => match made.id.split_once('/') {
            Some((network, pool)) => (Some(network.to_owned()), Some(pool.to_owned())),
            None => (sent_to, pool),
        },
        (Some(made), Step::Activate) => (made.id.split_once('/').map(|(_, network)| network.to_owned()), None),
        (None, _) => (sent_to, pool),
    }
}

fn find<'t>(there: &'t There, id: Option<&str>, ssid: &str) -> Result<Option<&'t WifiNetwork>, CallError> {
    let found = match id {
        Some(id) => there.with_id(id),
        // of several of that name none can be told to be ours
        None => there.named(ssid).unwrap_or_default(),
    };
    if found.is_none() {
        there.shows_all()?;
    }
    Ok(found)
}

async fn seen(work: &Work<'_>, there: &There, task: &Standing, planned: &Planned<'_>) -> Result<Seen, CallError> {
    let (r1, cx, ssid) = (&work.r1, work.cx, planned.network.ssid.as_str());
    let (network, pool) = ids(task, planned);
    let Some(network) = find(there, network.as_deref(), ssid)? else {
        return Ok(Seen::Missing);
    };
    let mut all = Differences::default();
    match planned.step {
        Step::Create => {
            all.values("name", Some(network.name.clone()), Some(ssid.to_owned()));
            all.values("ssid", network.ssid.clone(), Some(ssid.to_owned()));
            if !network.is_dpsk() {
                all.values("nwSubType", network.nw_sub_type.clone(), Some("dpsk".to_owned()));
            }
        }
        Step::Link => {
            let linked = asked(cx.gate.as_ref(), |permit| r1.pools_of_network(permit, &network.id)).await?;
            let Some(pool) = pool else {
                return Ok(Seen::NotJudged(
                    "which pool it was to be linked to can't be read".to_owned(),
                ));
            };
            if !linked.iter().any(|one| one.id == pool) {
                let Some(other) = linked.first() else {
                    return Ok(Seen::Missing);
                };
                let wanted = work.of.plan.pools.get(usize::from(planned.network.pool));
                let wanted = wanted.map_or(pool.as_str(), |pool| pool.name.as_str());
                all.values("dpskPool", Some(quoted(&other.name)), Some(quoted(wanted)));
            }
        }
        Step::Activate => match place(r1, cx, network).await? {
            Place::AllGroups => {}
            Place::Nowhere => return Ok(Seen::Missing),
            // in the words in which an import tells what it left as it was
            Place::SomeGroups => all.values("apGroups", Some("some of the venue".into()), Some("all".into())),
        },
    }
    Ok(Seen::There(network.id.clone(), all))
}

fn kind(step: Step) -> &'static str {
    match step {
        Step::Create => "wifi_network",
        Step::Link => "network_pool",
        Step::Activate => "activation",
    }
}

/// Whether what is seen is what an import that adopts had seen, and left: then it is as it was.
fn is_accepted(task: &Standing) -> bool {
    !super::past::accepted(task).is_empty()
}

#[async_trait]
impl Inspection for Networks {
    const EXECUTOR: &'static str = "cloudpath.audit_networks";

    async fn look(work: &Work<'_>, rows: &mut Rows<'_>) -> Result<(), PlanError> {
        let all = work.of.tasks("activate_networks")?.all().await?;
        if all.is_empty() {
            return Ok(());
        }
        let steps: HashMap<u32, Planned<'_>> = steps(&work.of.plan).into_iter().map(|p| (p.index, p)).collect();
        let mut last: Vec<(u32, Seen)> = Vec::new();
        // reads are behind for a while after a change of what is on the air: what is not as it should be is looked at once more
        for look in 0..2 {
            let means = |network: &WifiNetwork| {
                all.iter().any(|task| {
                    let Some(planned) = steps.get(&task.task.input.index) else {
                        return false;
                    };
                    match ids(task, planned).0 {
                        Some(id) => network.id == id,
                        None => network.name == planned.network.ssid,
                    }
                })
            };
            let there = There::sweep(&work.r1, work.cx.gate.as_ref(), means).await?;
            last.clear();
            for task in &all {
                let Some(planned) = steps.get(&task.task.input.index) else {
                    continue;
                };
                if !matches!(expected(task), Expected::There { .. } | Expected::Perhaps) {
                    continue;
                }
                let mut seen = seen(work, &there, task, planned).await?;
                if let Seen::There(_, differences) = &mut seen
                    && is_accepted(task)
                {
                    *differences = Differences::default();
                }
                last.push((task.task.input.index, seen));
            }
            let is_as_left = |(_, seen): &(u32, Seen)| matches!(seen, Seen::There(_, all) if all.is_empty());
            if look > 0 || last.iter().all(is_as_left) {
                break;
            }
            tokio::time::sleep(SHOWN_WITHIN).await;
        }
        let mut last: HashMap<u32, Seen> = last.into_iter().collect();
        for task in &all {
            let index = task.task.input.index;
            let Some(planned) = steps.get(&index) else { continue };
            let pool = work.of.plan.pools.get(usize::from(planned.network.pool));
            let about = About {
                kind: kind(planned.step),
                place: pool
                    .map(|pool| pool.name.as_str())
                    .filter(|_| planned.step == Step::Link),
            };
            let seen = last.remove(&index);
            let finding = about.judge(task, || {
                Ok::<_, CallError>(seen.unwrap_or_else(|| Seen::NotJudged("it was not looked at".to_owned())))
            })?;
            rows.push(index, &task.task.input.name, &finding).await?;
        }
        Ok(())
    }
}
