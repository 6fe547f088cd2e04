//! How each task of a network begins, when the phase is planned: with nothing left to be done, or with a write.

use shared::cloudpath::NameConflict;
use shared::job::outcome::{Origin, Outcome, TaskError};

use super::super::compare::quoted;
use super::decide::{self, Decision};
use super::task::{Data, Planned, Step, activation_id, link_id};
use super::there::place;
use crate::executors::Context;
use crate::r1::network::{LinkedPool, WifiNetwork};
use crate::r1::{R1, asked};
use crate::remote::CallError;

/// How a task begins: with nothing left to be done, or with a write.
pub enum Begin {
    Settled(Outcome),
    /// Nothing either: it differs in this, and that was accepted.
    Left(Outcome, String),
    Write,
}

/// What the tasks of one network tell the next of them.
pub struct Chain<'a> {
    pub cx: &'a Context,
    pub r1: &'a R1,
    pub policy: NameConflict,
    /// The network, or why it can't be had. `None` in it: it is made by a task of this phase.
    pub network: Result<Option<&'a WifiNetwork>, TaskError>,
    /// The pool of the plan. Absent: it was not made.
    pub pool: Option<(&'a str, &'a str)>,
    /// Whether the pool is linked, as far as known: `Err` when it never will be.
    pub linked: Result<bool, ()>,
}

impl Chain<'_> {
    pub async fn begin(&mut self, task: &Planned<'_>) -> Result<(Data, Begin), CallError> {
        let ssid = &task.network.ssid;
        match task.step {
            Step::Create => Ok(self.create(task.index, ssid)),
            Step::Link => {
                let begun = self.link(task.index, ssid).await?;
                self.linked = match &begun.1 {
                    Begin::Settled(outcome) if outcome.error.is_some() => Err(()),
                    Begin::Settled(_) | Begin::Left(..) => Ok(true),
                    Begin::Write => Ok(false),
                };
                Ok(begun)
            }
            Step::Activate => self.activate(task.index, ssid).await,
        }
    }

    fn create(&self, index: u32, ssid: &str) -> (Data, Begin) {
        let data = Data::Create { ssid: ssid.to_owned() };
        let begin = match &self.network {
            Err(error) => refused(index, error.clone()),
            Ok(None) => Begin::Write,
            Ok(Some(network)) => adopted(index, &data, network.id.clone()),
        };
        (data, begin)
    }

    fn network_id(&self) -> Option<String> {
        self.network.as_ref().ok()?.map(|network| network.id.clone())
    }

    async fn link(&self, index: u32, ssid: &str) -> Result<(Data, Begin), CallError> {
        let data = |replaces| Data::Link {
            ssid: ssid.to_owned(),
            network_id: self.network_id(),
            pool_id: self.pool.map_or("", |pool| pool.0).to_owned(),
            pool: self.pool.map_or("", |pool| pool.1).to_owned(),
            replaces,
        };
        let Some(pool) = self.pool else {
            let message = format!("SSID {} can't be linked: there is no DPSK pool for it", quoted(ssid));
            return Ok((data(false), refused(index, TaskError::new("POOL_MISSING", message))));
        };
        let network = match &self.network {
            Err(error) => return Ok((data(false), refused(index, error.clone()))),
            Ok(None) => return Ok((data(false), Begin::Write)),
            Ok(Some(network)) => network,
        };
        let ask = |permit| self.r1.pools_of_network(permit, &network.id);
        let linked = asked(self.cx.gate.as_ref(), ask).await?;
        let kept = linked_id(&network.id, &linked, pool.0);
        Ok(match decide::link(&network.name, &linked, pool, self.policy) {
            Decision::Fits => (data(false), adopted(index, &data(false), kept)),
            Decision::Accept(difference) => (data(false), left(index, &data(false), kept, difference)),
            Decision::Write => (data(false), Begin::Write),
            Decision::Replace => (data(true), Begin::Write),
            Decision::Refuse(error) => (data(false), refused(index, error)),
        })
    }

    async fn activate(&self, index: u32, ssid: &str) -> Result<(Data, Begin), CallError> {
        let needs = self.pool.filter(|_| self.linked == Ok(false));
        let data = |widens| Data::Activate {
            ssid: ssid.to_owned(),
            network_id: self.network_id(),
            needs_pool_id: needs.map(|pool| pool.0.to_owned()),
            widens,
        };
        if let Err(error) = &self.network {
            return Ok((data(false), refused(index, error.clone())));
        }
        if self.linked.is_err() {
            return Ok((data(false), refused(index, not_linked(ssid))));
        }
        let network = match &self.network {
            Ok(Some(network)) => network,
            _ => return Ok((data(false), Begin::Write)),
        };
        let there = place(self.r1, self.cx, network).await?;
        let id = activation_id(&self.cx.spec.venue_id, &network.id);
        Ok(match decide::activate(&network.name, there, self.policy) {
            Decision::Fits => (data(false), adopted(index, &data(false), id)),
            Decision::Accept(difference) => (data(false), left(index, &data(false), id, difference)),
            Decision::Write => (data(false), Begin::Write),
            Decision::Replace => (data(true), Begin::Write),
            Decision::Refuse(error) => (data(false), refused(index, error)),
        })
    }
}

/// Why an SSID is not put on the air: nobody's key would be taken there.
pub fn not_linked(ssid: &str) -> TaskError {
    let message = format!(
        "SSID {} is not activated: its network has no link to the pool of its keys",
        quoted(ssid)
    );
    TaskError::new("NOT_LINKED", message)
}

fn refused(index: u32, error: TaskError) -> Begin {
    Begin::Settled(Outcome::failed(index, error))
}

fn adopted(index: u32, data: &Data, id: String) -> Begin {
    Begin::Settled(Outcome::completed(index, Some(data.resource(id, Origin::Adopted))))
}

fn left(index: u32, data: &Data, id: String, difference: String) -> Begin {
    let outcome = Outcome::completed(index, Some(data.resource(id, Origin::Adopted)));
    Begin::Left(outcome, difference)
}

/// Id of the link there is: to the pool wanted, or to the one that was accepted in its place.
pub fn linked_id(network: &str, linked: &[LinkedPool], wanted: &str) -> String {
    let is_wanted = |pool: &&LinkedPool| pool.id == wanted;
    let pool = linked.iter().find(is_wanted).or(linked.first());
    link_id(network, pool.map_or(wanted, |pool| &pool.id))
}
