//! `deactivate_networks`: what the import did to Wi-Fi networks, undone in reverse order, one after another: off the air, the pool
//! unlinked, the network deleted if the import made it.

use std::collections::HashSet;

use async_trait::async_trait;
use serde::Deserialize;
use shared::job::outcome::Origin;

use super::super::compare::{Differences, quoted};
use super::super::networks::decide::{Seen, made};
use super::super::networks::task::{Data, ap_groups, claimed};
use super::super::networks::there::{Place, There, place};
use super::super::staged::unreadable_task;
use super::executor::{Kept, Plan, Removal, Work};
use super::kin::{OfKin, is_in_doubt};
use super::past::{Claim, claim};
use super::target::Target;
use crate::executors::{Context, Past, PlanError};
use crate::r1::asked;
use crate::r1::network::WifiNetwork;
use crate::remote::CallError;

pub struct Networks;

/// The phase that did it.
const FROM: &str = "activate_networks";

/// A task of the import.
struct Done {
    past: Past,
    data: Data,
    /// Id of the network, as far as the import knows it.
    network: Option<String>,
}

impl Done {
    fn find<'t>(&self, there: &'t There) -> Result<Option<&'t WifiNetwork>, CallError> {
        let found = match &self.network {
            Some(id) => there.with_id(id),
            // of several of that name none can be told to be ours
            None => there.named(self.data.ssid()).unwrap_or_default(),
        };
        if found.is_none() {
            there.shows_all()?;
        }
        Ok(found)
    }
}

async fn done(work: &Work<'_>) -> Result<Vec<Done>, PlanError> {
    let mut all = Vec::new();
    for past in work.past(FROM)?.all().await? {
        let data = Data::deserialize(&past.task.input.data).map_err(unreadable_task)?;
        if data.origin() != Origin::Created {
            continue;
        }
        let network = match claim(&past) {
            Some(Claim::Made(made)) => {
                let (first, last) = made.id.split_once('/').unwrap_or((&made.id, &made.id));
                let network = if matches!(data, Data::Activate { .. }) {
                    last
                } else {
                    first
                };
                Some(network.to_owned())
            }
            _ => data.network_id().map(str::to_owned),
        };
        all.push(Done { past, data, network });
    }
    all.sort_by_key(|done| std::cmp::Reverse(done.past.task.input.index));
    Ok(all)
}

fn object(network: &WifiNetwork) -> String {
    format!("Wi-Fi network {}", quoted(&network.name))
}

/// What of others a network serves. `off`, `unlinked`: networks that are taken off the air, and links that are taken away, before.
async fn held(
    work: &Work<'_>,
    network: &WifiNetwork,
    off: &HashSet<String>,
    unlinked: &HashSet<(String, String)>,
) -> Result<Option<String>, CallError> {
    let elsewhere = network
        .venue_ap_groups
        .iter()
        .flatten()
        .filter(|at| at.venue_id != work.cx.spec.venue_id);
    let elsewhere = elsewhere.count();
    if elsewhere > 0 {
        return Ok(Some(format!("it is active in {elsewhere} other venues")));
    }
    if !off.contains(&network.id) && place(&work.r1, work.cx, network).await? != Place::Nowhere {
        return Ok(Some("it is active in the venue, and not by this import".to_owned()));
    }
    let linked = asked(work.cx.gate.as_ref(), |permit| {
        work.r1.pools_of_network(permit, &network.id)
    })
    .await?;
    let other = linked
        .iter()
        .find(|pool| !unlinked.contains(&(network.id.clone(), pool.id.clone())));
    Ok(other.map(|pool| {
        format!(
            "DPSK pool {} is linked to it, and not by this import",
            quoted(&pool.name)
        )
    }))
}

#[async_trait]
impl Removal for Networks {
    const EXECUTOR: &'static str = "cloudpath.deactivate_networks";

    fn throughout(cx: &Context) -> Vec<String> {
        vec![ap_groups(&cx.spec.venue_id)]
    }

    async fn plan(work: &Work<'_>, plan: &mut Plan<'_>) -> Result<(), PlanError> {
        let all = done(work).await?;
        if all.is_empty() {
            return Ok(());
        }
        let (cx, r1) = (work.cx, &work.r1);
        let names = all.iter().map(|done| claimed(done.data.ssid()));
        plan.claim(names.chain(Self::throughout(cx)).collect()).await?;
        let means = |done: &Done, network: &WifiNetwork| match &done.network {
            Some(id) => *id == network.id,
            None => done.data.ssid() == network.name,
        };
        let there = There::sweep(r1, cx.gate.as_ref(), |network| {
            all.iter().any(|done| means(done, network))
        })
        .await?;
        let of_kin = OfKin::of(work, FROM, all.iter().any(|done| is_in_doubt(&done.past))).await?;
        let (mut off, mut unlinked) = (HashSet::new(), HashSet::new());
        for done in &all {
            let (index, name) = (done.past.task.input.index, done.data.ssid());
            let Some(network) = done.find(&there)? else {
                plan.gone(index, name).await?;
                continue;
            };
            let (id, mut differences) = (network.id.clone(), Differences::default());
            match &done.data {
                Data::Activate { .. } => match place(r1, cx, network).await? {
                    Place::Nowhere => plan.gone(index, name).await?,
                    at => {
                        let target = Target::Activation { network: id.clone() };
                        let activation = format!("the activation of {}", object(network));
                        if let Some(why) = of_kin.keeps(&done.past, &target, &activation) {
                            plan.keep(index, name, &target, why).await?;
                            continue;
                        }
                        if at == Place::SomeGroups {
                            let groups = |text: &str| Some(text.to_owned());
                            differences.values("apGroups", groups("some of the venue"), groups("all"));
                        } else {
                            off.insert(id);
                        }
                        plan.delete_unless_changed(index, name, &target, &object(network), &differences)
                            .await?;
                    }
                },
                Data::Link { pool_id, pool, .. } => {
                    let linked = asked(cx.gate.as_ref(), |permit| r1.pools_of_network(permit, &network.id)).await?;
                    if !linked.iter().any(|pool| pool.id == *pool_id) {
                        plan.gone(index, name).await?;
                        continue;
                    }
                    let target = Target::NetworkPool {
                        network: id.clone(),
                        pool: pool_id.clone(),
                    };
                    let link = format!("the link of {} to DPSK pool {}", object(network), quoted(pool));
                    if let Some(why) = of_kin.keeps(&done.past, &target, &link) {
                        plan.keep(index, name, &target, why).await?;
                        continue;
                    }
                    unlinked.insert((id, pool_id.clone()));
                    plan.delete(index, name, &target).await?;
                }
                Data::Create { ssid } => {
                    let target = Target::WifiNetwork { id };
                    let is_as_sent = matches!(made(network, ssid, true), Seen::There(Origin::Created));
                    if is_in_doubt(&done.past) && !is_as_sent {
                        let why = Kept::may_not_be_ours(&object(network), "it is of another kind");
                        plan.keep(index, name, &target, why).await?;
                    } else if let Some(why) = of_kin.keeps(&done.past, &target, &object(network)) {
                        plan.keep(index, name, &target, why).await?;
                    } else if let Some(why) = held(work, network, &off, &unlinked).await? {
                        plan.keep(index, name, &target, Kept::holds_others(&object(network), why))
                            .await?;
                    } else {
                        differences.values("name", Some(network.name.clone()), Some(ssid.clone()));
                        differences.values("ssid", network.ssid.clone(), Some(ssid.clone()));
                        plan.delete_unless_changed(index, name, &target, &object(network), &differences)
                            .await?;
                    }
                }
            }
        }
        Ok(())
    }
}
