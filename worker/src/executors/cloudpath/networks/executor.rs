//! `activate_networks`: makes, links and activates, one after another. Planned from one sweep of the networks, and the pools of each.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::cloudpath::ImportPlan;
use shared::job::outcome::{Origin, Outcome, TaskError};
use shared::job::task::TaskInput;
use shared::store::{Hold, StoreError};

use super::super::builds_on;
use super::super::compare::quoted;
use super::super::staged::{LEFT_AS_IS, LEFT_DIFFERENT, import_plan, made_by, options, policy, sent, unreadable_task};
use super::decide::{self, Decision, Seen};
use super::plan::{Begin, Chain, linked_id, not_linked};
use super::task::{Data, activation_id, ap_groups, claimed, link_id, steps};
use super::there::{SHOWN_WITHIN, There, place, unfit};
use crate::executors::clients::Clients;
use crate::executors::dry::planned_id;
use crate::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use crate::gate::Permit;
use crate::r1::activation::Radio;
use crate::r1::network::{NewDpskNetwork, Security, WifiNetwork};
use crate::r1::{R1, Written, asked};
use crate::remote::CallError;

/// For clients whose key names no VLAN: the untagged one.
const VLAN: u16 = 1;

pub struct ActivateNetworks {
    clients: Arc<Clients>,
}

impl ActivateNetworks {
    pub fn new(clients: Arc<Clients>) -> Self {
        ActivateNetworks { clients }
    }
}

/// A write of ours, or the activity of one, is not shown yet, or has failed: seen in a moment, or never.
fn not_yet(code: &str, detail: String) -> CallError {
    CallError::Transient {
        status: 0,
        retry_after: Some(SHOWN_WITHIN),
        code: Some(code.into()),
        detail,
    }
}

/// The network a task is about. One made by this phase is found by its name.
async fn network_of(r1: &R1, cx: &Context, data: &Data) -> Result<Result<String, TaskError>, CallError> {
    if let Some(id) = data.network_id() {
        return Ok(Ok(id.to_owned()));
    }
    let there = There::sweep(r1, cx.gate.as_ref(), |network| network.name == data.ssid()).await?;
    match there.named(data.ssid()) {
        // the name may be somebody's whose network was made in the meantime, and is of another kind
        Ok(Some(network)) => Ok(match unfit(network, data.ssid()) {
            Some(error) => Err(error),
            None => Ok(network.id.clone()),
        }),
        Ok(None) => {
            there.shows_all()?;
            let detail = format!("Wi-Fi network {} is not there", quoted(data.ssid()));
            Err(not_yet("NETWORK_MISSING", detail))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// The write of a task. `Ok(Err)`: the outcome; there was nothing to write.
async fn write(
    r1: &R1,
    cx: &Context,
    task: &Task,
    data: &Data,
    permit: Permit,
) -> Result<Result<Written, Outcome>, CallError> {
    if let Data::Create { ssid } = data {
        let network = NewDpskNetwork {
            name: ssid.clone(),
            ssid: ssid.clone(),
            vlan: VLAN,
            security: Security::Wpa2Personal,
        };
        return Ok(Ok(r1.create_dpsk_network(permit, &network).await?));
    }
    // Given back, since several calls follow: whoever holds one while waiting for another may wait for ever.
    drop(permit);
    let refused = |error| Ok(Err(Outcome::failed(task.input.index, error)));
    let network = match network_of(r1, cx, data).await? {
        Ok(network) => network,
        Err(error) => return refused(error),
    };
    let permit = async || cx.gate.permit().await;
    let linked = || asked(cx.gate.as_ref(), |permit| r1.pools_of_network(permit, &network));
    let there = |id| {
        let outcome = Outcome::completed(task.input.index, Some(data.resource(id, Origin::Adopted)));
        Ok(Err(outcome))
    };
    match data {
        Data::Create { .. } => unreachable!("made above"),
        Data::Link {
            pool_id,
            pool,
            replaces,
            ssid,
            ..
        } => {
            // linking again what is linked would send a configuration to every access point
            let linked = linked().await?;
            match decide::link(ssid, &linked, (pool_id, pool), policy(&cx.spec)) {
                Decision::Fits | Decision::Accept(_) => there(linked_id(&network, &linked, pool_id)),
                Decision::Refuse(error) => refused(error),
                Decision::Replace if !replaces => refused(decide::changed_meanwhile(ssid)),
                Decision::Replace | Decision::Write => {
                    let written = r1.link_pool(permit().await?, &network, pool_id).await?;
                    Ok(Ok(of_id(written, link_id(&network, pool_id))))
                }
            }
        }
        Data::Activate {
            needs_pool_id,
            widens,
            ssid,
            ..
        } => {
            if let Some(pool) = needs_pool_id {
                let linked = linked().await?;
                if !linked.iter().any(|p| p.id == *pool) {
                    let TaskError { code, message, .. } = not_linked(ssid);
                    return Err(not_yet(&code, message));
                }
            }
            let venue = &cx.spec.venue_id;
            let id = activation_id(venue, &network);
            if !widens {
                let written = r1.activate_network(permit().await?, venue, &network).await?;
                return Ok(Ok(of_id(written, id)));
            }
            let ask = |permit| r1.venue_settings(permit, venue, &network);
            let mut settings = asked(cx.gate.as_ref(), ask).await?;
            if settings.is_all_ap_groups == Some(true) {
                return there(id);
            }
            settings.is_all_ap_groups = Some(true);
            if settings.all_ap_groups_radio_types.as_ref().is_none_or(Vec::is_empty) {
                settings.all_ap_groups_radio_types = Some(vec![Radio::Ghz2_4, Radio::Ghz5]);
            }
            let written = r1
                .update_venue_settings(permit().await?, venue, &network, &settings)
                .await?;
            Ok(Ok(of_id(written, id)))
        }
    }
}

/// Of links and activations the controller announces no id, or that of the network: theirs is ours.
fn of_id(written: Written, id: String) -> Written {
    match written {
        Written::Accepted { request_id, .. } => Written::Accepted {
            request_id,
            resource_id: Some(id),
        },
        Written::Done { .. } => Written::Done { id: Some(id) },
    }
}

/// What of a task is there.
async fn look(r1: &R1, cx: &Context, data: &Data, there: &There, ours: bool) -> Result<(Seen, String), CallError> {
    let known = match data.network_id() {
        Some(id) => Ok(there.with_id(id)),
        None => there.named(data.ssid()),
    };
    let network = match known {
        Ok(Some(network)) => network,
        Ok(None) => return Ok((Seen::Absent, String::new())),
        Err(error) => return Ok((Seen::Wrong(error), String::new())),
    };
    let policy = policy(&cx.spec);
    Ok(match data {
        Data::Create { ssid } => (decide::made(network, ssid, ours), network.id.clone()),
        Data::Link { pool_id, pool, .. } => {
            let ask = |permit| r1.pools_of_network(permit, &network.id);
            let linked = asked(cx.gate.as_ref(), ask).await?;
            let decision = decide::link(&network.name, &linked, (pool_id, pool), policy);
            (
                decide::seen(decision, data, ours),
                linked_id(&network.id, &linked, pool_id),
            )
        }
        Data::Activate { .. } => {
            let decision = decide::activate(&network.name, place(r1, cx, network).await?, policy);
            (
                decide::seen(decision, data, ours),
                activation_id(&cx.spec.venue_id, &network.id),
            )
        }
    })
}

fn names(cx: &Context, plan: &ImportPlan) -> Vec<String> {
    if plan.networks.is_empty() {
        return Vec::new();
    }
    let networks = plan.networks.iter().map(|network| claimed(&network.ssid));
    networks.chain([ap_groups(&cx.spec.venue_id)]).collect()
}

fn read(task: &Task) -> Result<Data, CallError> {
    Data::deserialize(&task.input.data).map_err(unreadable_task)
}

#[async_trait]
impl Executor for ActivateNetworks {
    fn name(&self) -> &'static str {
        "cloudpath.activate_networks"
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let (plan, policy) = (import_plan(&cx.spec)?, options(&cx.spec)?.name_conflict);
        if plan.networks.is_empty() {
            return Ok(None);
        }
        sink.claim(names(cx, &plan)).await?;
        let r1 = self.clients.get(cx.spec.controller)?;
        let there = There::look(&r1, cx, &plan.networks).await?;
        let pools = made_by(cx, "create_dpsk_pools").await?;
        let mut chain = None;
        let (mut at, mut writes, mut left_different) = (None, [0; 3], 0);
        for task in &steps(&plan) {
            if at.replace(task.network.index) != Some(task.network.index) {
                let pool = pools.get(&task.network.pool.into());
                chain = Some(Chain {
                    cx,
                    r1: &r1,
                    policy,
                    network: there.resolve(task.network),
                    pool: pool.map(|pool| (pool.id.as_str(), pool.name.as_str())),
                    linked: Ok(false),
                });
            }
            let chain = chain.as_mut().expect("every network has one");
            let (data, begin) = chain.begin(task).await?;
            let mut left = None;
            let preset = match begin {
                Begin::Settled(outcome) => Some(outcome),
                Begin::Left(outcome, difference) => {
                    left = Some(difference);
                    left_different += 1;
                    Some(outcome)
                }
                Begin::Write => {
                    writes[task.step as usize] += 1;
                    None
                }
            };
            let mut data = serde_json::to_value(data).map_err(StoreError::from)?;
            if let Some(left) = left {
                data[LEFT_AS_IS] = left.into();
            }
            let input = TaskInput {
                index: task.index,
                name: task.step.title(&task.network.ssid),
                data,
                preset,
            };
            sink.push(Task { input, secret: None }).await?;
        }
        let mut facts = json!({
            "networks": plan.networks.len(), "to_create": writes[0], "to_link": writes[1], "to_activate": writes[2],
        });
        if left_different > 0 {
            facts[LEFT_DIFFERENT] = left_different.into();
        }
        Ok(Some(facts))
    }

    /// Reads are behind for a while after a change of what is on the air.
    fn shown_within(&self) -> Duration {
        SHOWN_WITHIN + Duration::from_secs(2)
    }

    fn hold(&self) -> Option<Hold> {
        Some(Hold::Rely)
    }

    async fn needs(&self, cx: &Context) -> Result<Vec<String>, PlanError> {
        builds_on(&cx.spec)
    }

    /// A network is made, linked and activated by tasks that may be in different batches.
    fn writes_throughout(&self, cx: &Context) -> Vec<String> {
        import_plan(&cx.spec).map_or_else(|_| Vec::new(), |plan| names(cx, &plan))
    }

    fn would(&self, cx: &Context, task: &Task) -> Result<Outcome, CallError> {
        let data = read(task)?;
        // one that does not exist goes by the name of its SSID
        let network = data
            .network_id()
            .map_or_else(|| planned_id("wifi_network", data.ssid()), str::to_owned);
        let id = match &data {
            Data::Create { .. } => network,
            Data::Link { pool_id, .. } => link_id(&network, pool_id),
            Data::Activate { .. } => activation_id(&cx.spec.venue_id, &network),
        };
        Ok(done(task, &data, id))
    }

    async fn send(&self, cx: &Context, task: &Task, permit: Permit) -> Sent {
        let both = || Ok((self.clients.get(cx.spec.controller)?, read(task)?));
        let (r1, data) = match both() {
            Ok(both) => both,
            Err(e) => return Sent::Failed(e),
        };
        match write(&r1, cx, task, &data, permit).await {
            Ok(Err(outcome)) => Sent::Done(outcome),
            Ok(Ok(written)) => sent(Ok(written), |id| done(task, &data, id.to_owned())),
            Err(e) => Sent::Failed(e),
        }
    }

    /// Not read back where the id is known: reads are behind for a while after a change of what is on the air.
    fn settled(&self, _cx: &Context, task: &Task, resource_id: Option<&str>) -> Settle {
        match (read(task), resource_id) {
            (Ok(data), Some(id)) => Settle::Done(done(task, &data, id.to_owned())),
            _ => Settle::ReadBack,
        }
    }

    async fn read_back(&self, cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        let r1 = self.clients.get(cx.spec.controller)?;
        let all = tasks.iter().map(|(task, _)| read(task));
        let all: Vec<Data> = all.collect::<Result<_, _>>()?;
        let matters = |network: &WifiNetwork| all.iter().any(|data| data.means(network));
        let there = There::sweep(&r1, cx.gate.as_ref(), matters).await?;
        let is_shown = |data: &Data| there.all().iter().any(|network| data.means(network));
        if !all.iter().all(is_shown) {
            there.shows_all()?;
        }
        let mut found = Vec::with_capacity(tasks.len());
        for ((task, ours), data) in tasks.iter().zip(&all) {
            let index = task.input.index;
            found.push(match look(&r1, cx, data, &there, *ours).await? {
                (Seen::Absent, _) => Found::Absent,
                (Seen::Wrong(error), _) => Found::Present(Outcome::failed(index, error)),
                (Seen::There(origin), id) => Found::Present(Outcome::completed(index, Some(data.resource(id, origin)))),
            });
        }
        Ok(found)
    }
}

fn done(task: &Task, data: &Data, id: String) -> Outcome {
    Outcome::completed(task.input.index, Some(data.resource(id, data.origin())))
}
